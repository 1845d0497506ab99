"""metrics/report.md: the models side by side, what changed and how surely, the data, the costs."""

from typing import Any

from stages.core.scores import arrow
from stages.report.data import clusters, costs_table, data_tables
from stages.report.markdown import escape, number, table
from stages.report.overfitting import Rise, overfitting, rise_lines

HOW_TO_READ = """\
## How to read it

- ↑ higher is better, ↓ lower is. Definitions, ranges and sources: `docs/metrics.md`.
- Every difference is positive when better, over the same rows, with its interval from a paired
  bootstrap; bold where that does not hold 0. `p`: McNemar's exact test for scores of 0 or 1, a
  sign-flip permutation test for others. With few rows the two may disagree: trust a difference
  that is bold and has a small p. The p are not corrected for their number: of twenty comparisons
  of equals about one falls below 0.05.
- The intervals say how far other rows like these would move the figure. They say nothing about
  another training seed.
- forgetting = base - self: what the adapter lost of the base's skill (below 0: it gained).
- recovery = (self - on) / (base - on): the share of what the model below had lost that came back
  (1: all of it). Absent where that model had lost nothing to speak of.
- gap = train - test, positive when the model is better on rows that it was trained on; the interval
  is from an unpaired bootstrap. A gap that is bold and grows from run to run is what the model has
  learned by heart and cannot do elsewhere.
- `rouge_l` is to be read against `rouge_l_floor`, which the wording alone scores.
"""


def models_table(sections: dict[str, Any], models: dict[str, Any]) -> list[str]:
    """Return the table of all keys by model.

    sections: `evaluate.sections`; models: name -> what metrics/models holds
    """
    rows = []
    for name, section in sections.items():
        counts = {model: found.get(name, {}).get("n", 0) for model, found in models.items()}
        told = f"{escape(name)} (n = {max(counts.values(), default=0)})"
        if len(set(counts.values())) > 1:  # a transcript that did not answer all
            rows.append([told, "n", *(number(n) for n in counts.values())])
            told = ""
        for key in section["metrics"]:
            values = [found.get(name, {}).get(key) for found in models.values()]
            if any(value is not None for value in values):
                cells = ["" if value is None else f"{value:.3f}" for value in values]
                rows.append([told, f"`{key}` {arrow(key)}".strip(), *cells])
                told = ""
    return table(["section", "metric", *(escape(model) for model in models)], rows, left=2)


def _span(found: dict[str, float]) -> str:
    span = f" [{found['low']:.3f}, {found['high']:.3f}]" if "low" in found else ""
    return f"{found['value']:.3f}{span}"


def forgetting_table(sections: dict[str, Any], comparisons: dict[str, Any]) -> list[str]:
    """Return forgetting and recovery of each adapter: in all, then by section."""
    rows = []
    for name, comparison in comparisons.items():
        parts = {"all": comparison["all"]} if "all" in comparison else {}
        of_sections = {part: comparison["sections"].get(part, {}) for part in sections}
        parts |= {part: found for part, found in of_sections.items() if "forgetting" in found}
        for part, found in parts.items():
            if part == "all":
                over, n = f"mean of {len(found['sections'])} sections", ""
            else:
                over, n = f"`{found['primary']}`", number(found["n"])
            recovery = _span(found["recovery"]) if "recovery" in found else ""
            rows.append([escape(name), escape(part), over, n, _span(found["forgetting"]), recovery])
    head = ["model", "section", "of", "n", "forgetting [interval]", "recovery [interval]"]
    return table(head, rows, left=3)


def changes_table(sections: dict[str, Any], comparison: dict[str, Any]) -> list[str]:
    """Return one adapter's differences from the model below and from the base."""
    sides = ["on"] if comparison["on"] == comparison["base"] else ["on", "base"]

    def told(found: dict[str, Any] | None) -> str:
        if found is None:
            return ""
        if "low" not in found:
            return f"{found['delta']:+.3f}"
        surely = "" if found["low"] <= 0 <= found["high"] else "**"
        span = f"[{found['low']:+.3f}, {found['high']:+.3f}], p {found['p']:.2g}"
        return f"{surely}{found['delta']:+.3f}{surely} {span}"

    rows = []
    for name in sections:
        section = comparison["sections"].get(name, {"keys": {}})
        where = f"{escape(name)} (n = {section.get('n', 0)})"
        for key in sections[name]["metrics"]:
            found = section["keys"].get(key)
            if found is None:
                continue
            differences = [told(found.get(side)) for side in sides]
            rows.append([where, f"`{key}`", f"{found['value']:.3f}", *differences])
            where = ""
    against = [f"against {escape(comparison[side])}" for side in sides]
    return table(["section", "metric", "value", *against], rows, left=2)


def report(
    recipe: str,
    sections: dict[str, Any],
    models: dict[str, Any],
    comparisons: dict[str, Any],
    data: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
    costs: dict[str, dict[str, Any]],
    rises: list[Rise],
) -> str:
    """Return metrics/report.md.

    data: what metrics/data.json, splits.json and diversity.json hold
    """
    lines = [f"# {escape(recipe)}: the models side by side", ""]
    # What has to be known before the figures are read.
    if warnings := clusters(data[2]) + rise_lines([each for each in rises if not each.kept]):
        lines += ["## Warnings", "", *warnings, ""]
    lines += models_table(sections, models)
    if comparisons:
        lines += ["## Forgetting and recovery", "", *forgetting_table(sections, comparisons)]
    for name, comparison in comparisons.items():
        lines += [f"## What changed with {escape(name)}", "", *changes_table(sections, comparison)]
    lines += overfitting(comparisons, rises)
    lines += data_tables(*data)
    lines += costs_table(costs)
    return "\n".join(lines) + "\n" + HOW_TO_READ
