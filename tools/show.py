"""Print the models side by side, and what was forgotten and recovered along the stack."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json
from stages.core.params import PATH, read_yaml
from stages.core.scores import KEYS, arrow
from stages.report.words import VERDICTS, changes, sides, spell

MODELS = Path("metrics/models")
SUMMARY = Path("metrics/summary.json")
COMPARISON = Path("metrics/comparison")
MEASURES = {
    "forgetting": "forgetting = base - self",
    "recovery": "recovery = (self - on) / (base - on)",
    "backward_transfer": "backward_transfer = self - the model that had just learned it",
    "gap": "gap = train - test",
}
ABSENT = "-"


def number(value: Any) -> str:
    """Spell a value: counts as they are, the rest to three decimals."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as plain text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def keys(models: dict[str, dict[str, Any]], sections: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (section, key) of all that the models have, in the order of params.yaml, n first."""
    seen = {
        (name, key)
        for told in models.values()
        for name, figures in told.items()
        for key, value in figures.items()
        if not isinstance(value, dict)  # n_of: for how many rows a key has a value
    }
    order = {name: ["n", *about.get("metrics", [])] for name, about in sections.items()}

    def place(pair: tuple[str, str]) -> tuple[int, str, int, str]:
        name, key = pair
        listed = order.get(name, [])
        return (
            list(order).index(name) if name in order else len(order),
            name,
            listed.index(key) if key in listed else len(listed),
            key,
        )

    yield from sorted(seen, key=place)


def table(models: dict[str, dict[str, Any]], sections: dict[str, Any]) -> str:
    """Return the table: a column a model, a row a key, an arrow where higher or lower is better."""
    rows = [["", "", *models]]
    last = None
    for name, key in keys(models, sections):
        if last not in (None, name):
            rows.append([""] * (2 + len(models)))
        last = name
        values = [told.get(name, {}).get(key, ABSENT) for told in models.values()]
        direction = arrow(key) if key in KEYS else ""
        rows.append([f"{name}.{key}", direction, *map(number, values)])
    return aligned(rows)


def summary_table(summary: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return MEASURES: a row an adapter and section, `-` where there is none."""
    found = {measure for told in summary.values() for measure in told}
    measures = [measure for measure in MEASURES if measure in found]
    rows = [["", *measures]]
    for name, told in summary.items():
        for part in dict.fromkeys(part for measure in told.values() for part in measure):
            values = [told.get(measure, {}).get(part, ABSENT) for measure in measures]
            rows.append([f"{name}: {part}", *map(number, values)])
    return aligned(rows)


def words(params: dict[str, Any]) -> Iterator[str]:
    """Yield, for each adapter and the models that it is set against, what is better and worse."""
    sections, confidence = params["evaluate"]["sections"], params["compare"]["confidence"]
    for adapter in params["adapters"].values():
        path = COMPARISON / f"{adapter['name']}.json"
        comparison = read_json(path) if path.exists() else None
        for side in sides(comparison) if comparison else ():
            yield f"{adapter['name']} against {comparison[side]}"
            told = changes(sections, comparison, side, confidence)
            for verdict in VERDICTS:
                lines = [spell(change) for change in told if change.verdict == verdict]
                for at, line in enumerate(lines):
                    yield f"  {verdict if not at else '':<10} {line}"


def main() -> None:
    """Print the table of the models and, below it, the summary and what it says in words.

    Raises: InputError when something is not built yet.
    """
    params = read_yaml(PATH)
    names = [model["name"] for model in params["models"].values()]
    missing = [name for name in names if not (MODELS / f"{name}.json").exists()]
    if missing:
        files = ", ".join(str(MODELS / f"{name}.json") for name in missing)
        raise InputError(Fault(files, "not built yet", then="make repro"))
    models = {name: read_json(MODELS / f"{name}.json") for name in names}
    entry.say("show", f"recipe {params['recipe']}; n: rows, ↑ higher is better, ↓ lower is\n")
    print(table(models, params["evaluate"]["sections"]))
    summary = read_json(SUMMARY) if SUMMARY.exists() else {}
    alarms = summary.pop("alarms", {})
    if summary:
        told = {measure for of_model in summary.values() for measure in of_model}
        print("\n" + "\n".join(text for name, text in MEASURES.items() if name in told) + "\n")
        print(summary_table(summary))
    if lines := list(words(params)):
        print("\nprimary metrics: delta [interval], corrected for their number (Holm)\n")
        print("\n".join(lines))
    if told := [name for name, value in alarms.items() if value]:
        print(f"\nwarning: {', '.join(told)}; see the top of metrics/report.md")
