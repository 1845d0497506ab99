"""The parts of metrics/report.md about the data: warnings, replies, rejects, splits, costs."""

from typing import Any

from stages.core.proof import REASONS
from stages.report.markdown import escape, number, table

# Files at rest have their keys sorted; people read them in the order in which things happen.
REPLIES = (
    *("requested", "replied", "reasked", "reask_recovered", "parsed", "repaired", "overridden"),
    *("rejected", "duplicates", "near_duplicates", "rows", "exact", "silently_wrong", "recovered"),
    *("prompt_tokens", "completion_tokens", "usd", "usd_per_row", "unpriced"),
)
SETS = ("rows", "train", "val", "test")
SOURCES = "sources"
WAYS = ("requested", "imported")  # of teachers; of sources of finished rows
ALIKE = (
    *("n", "distinct_over", "distinct_1", "distinct_2", "sampled", "self_similarity"),
    *("near_duplicate_share", "clusters", "largest_cluster"),
)
SPENT = (
    *("paid", "found", "failed", "attempts", "usd", "found_usd", "tokens", "answers"),
    *("wall_s", "cpu_s", "gpu_s", "peak_memory_mb"),
)


def clusters(diversity: dict[str, Any]) -> list[str]:
    """Return a line for each source, teacher or table, whose rows say nearly the same."""
    lines = []
    for alarm in diversity.get("alarms", []):
        share, sampled = alarm["near_duplicate_share"], alarm["sampled"]
        largest = round(alarm["largest_cluster"] * sampled)
        pair = " and ".join(f"`{escape(row)}`" for row in alarm["examples"])
        lines.append(
            f"- The rows of {escape(alarm['source'])} cluster: {share:.1%} of {sampled} sampled "
            f"answers say nearly what another one says; the largest cluster holds {largest}. Two "
            f"that do: {pair} (`tunegraph explain <id>`). Training on them repeats a few answers "
            "more than it adds new ones; varied seeds, a higher temperature, a second teacher, "
            "rows from elsewhere or `validate.near_duplicate_similarity` help."
        )
    return lines


def replies_tables(data: dict[str, Any]) -> list[str]:
    """Return what became of the replies, and why some made no row."""
    lines = beside("replies", "count", data, REPLIES)
    reasons = data.get("rejected_by_reason", {})
    met = {reason: count for reason, count in reasons.items() if count}
    if met:
        rows = [
            [escape(reason), escape(REASONS.get(reason, "")), number(count)]
            for reason, count in met.items()
        ]
        lines += table(["rejected because", "which means", "count"], rows, left=2)
    if never := [f"`{reason}`" for reason in reasons if reason not in met]:
        lines += [f"No reply was rejected for {', '.join(never)}.", ""]
    return lines


def splits_table(splits: dict[str, Any]) -> list[str]:
    """Return how the sets were split."""
    there = {key for found in splits.values() for key in found} - {SOURCES}
    columns = in_order(there, SETS)
    rows = [
        [escape(name), *(number(total(found.get(column))) for column in columns)]
        for name, found in splits.items()
    ]
    return table(["set", *(escape(column) for column in columns)], rows)


def origins_table(splits: dict[str, Any]) -> list[str]:
    """Return where the rows of each set come from: a teacher's replies, or a source of rows."""
    rows = [
        [escape(name), escape(source), way, *(number(sides.get(side)) for side in SETS[1:])]
        for name, found in splits.items()
        for way in WAYS
        for source, sides in found.get(SOURCES, {}).get(way, {}).items()
    ]
    return table(["set", "source", "which is", *SETS[1:]], rows, left=3) if rows else []


def data_tables(
    data: dict[str, Any], splits: dict[str, Any], diversity: dict[str, Any]
) -> list[str]:
    """Return what became of the replies, how the sets were split, how alike the rows are."""
    alike = beside("diversity of the rows", "value", diversity, ALIKE)
    sets = [*splits_table(splits), *origins_table(splits)]
    return ["## Data", "", *replies_tables(data), *sets, *alike]


def several(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures by teacher, or by source; nothing where one gave all."""
    by_name = found.get("teachers") or found.get(SOURCES, {})
    return by_name if len(by_name) > 1 else {}


def beside(label: str, value: str, whole: dict[str, Any], order: tuple[str, ...]) -> list[str]:
    """Return a table of figures: a row a key, a column for all, and one for each who gave some."""
    parts = several(whole)
    columns = [whole, *parts.values()]
    keys = {
        key for found in columns for key, at in found.items() if not isinstance(at, dict | list)
    }
    rows = [
        [escape(key), *(number(found.get(key)) for found in columns)]
        for key in in_order(keys, order)
    ]
    return table([label, "all" if parts else value, *map(escape, parts)], rows)


def in_order(keys: set[str], order: tuple[str, ...]) -> list[str]:
    """Return keys in their natural order; those that have none last, by name."""
    return [key for key in order if key in keys] + sorted(keys - {*order})


def total(value: Any) -> Any:
    """Return the sum of what is counted by kind."""
    return sum(value.values()) if isinstance(value, dict) else value


def costs_table(costs: dict[str, dict[str, Any]]) -> list[str]:
    """Return what each stage that spends took.

    A teacher has a line of its own where there are several. The columns do not depend on what the
    stages happened to write first.
    """
    lines = {}
    for stage, found in costs.items():
        lines[stage] = found
        lines |= {f"{stage}: {name}": of for name, of in several(found).items()}
    there = {key for of in lines.values() for key, at in of.items() if not isinstance(at, dict)}
    columns = in_order(there, SPENT)
    rows = [
        [escape(stage), *(number(found.get(column)) for column in columns)]
        for stage, found in lines.items()
    ]
    head = ["stage", *(f"`{column}`" for column in columns)]
    whence = "Each stage in the run that made its output, on the machine of that run."
    return ["## Costs", "", whence, "", *table(head, rows)]
