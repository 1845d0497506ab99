"""Tell the data's story on a card: requested, parsed, repaired, rejected, split."""

from stages.core.proof import REASONS, REPEATS
from stages.report.data import splits_table
from stages.report.markdown import escape, number, table
from tools.facts import Built

# In the order in which things happen; what a build does not count is left out.
STORY = {
    "requested": "asked of a teacher",
    "replied": "replies that came",
    "parsed": "valid JSON as they came",
    "repaired": "malformed, and the repair proved from the text",
    "overridden": "mended by hand",
    "rejected": "made no row: kept apart with their text and the reason",
    "duplicates": "the same row once more",
    "near_duplicates": "nearly another row",
    "rows": "rows",
}


def replies(data: dict[str, object]) -> list[str]:
    """Return what became of the replies. data: what metrics/data.json holds."""
    rows = [[f"`{key}`", words, number(data[key])] for key, words in STORY.items() if key in data]
    if not rows:
        return []
    lines = table(["replies", "which are", "count"], rows, left=2)
    reasons = data.get("rejected_by_reason") or {}
    met = [
        [f"`{escape(why)}`", escape((REASONS | REPEATS).get(why, "")), number(count)]
        for why, count in reasons.items()
        if count
    ]
    return lines + (table(["rejected because", "which means", "count"], met, left=2) if met else [])


def lines(built: Built, sets: list[str]) -> list[str]:
    """Return the part of the sets that a card tells of."""
    found = {name: built.splits[name] for name in sets if name in built.splits}
    told = replies(built.data) if any("rows" in built.made_from(name) for name in sets) else []
    told += splits_table(found) if found else []
    return ["## How its data were made", "", *told] if told else []
