"""metrics/report.md: the models side by side, what changed and how surely, the data, the costs."""

from typing import Any

from stages.core.scores import arrow
from stages.core.significance import shown
from stages.report.data import clusters, costs_table, data_tables
from stages.report.forgetting import losses
from stages.report.markdown import counted, escape, number, table
from stages.report.overfitting import Rise, overfitting, rise_lines
from stages.report.transfer import transfer_lines
from stages.report.words import in_words

HOW_TO_READ = """\
## How to read it

- ↑ higher is better, ↓ lower is. Definitions, ranges and sources: `docs/metrics.md`.
- Every difference is positive when better, over the same rows, with its interval and p.
  **better**, **worse**, **lost**, **gained**: shown, which asks for two things, that the interval
  does not hold 0 and that p is small after Holm's correction for the tests of one model against
  the same other one: the sections' primary metrics together, and all other metrics together.
  `not shown`: these rows cannot tell the difference from none. That is not the
  same as no difference: the interval says how large it may still be. Means of several sections
  (forgetting in all, backward transfer) have no p: there the interval alone decides.
- p, as corrected: McNemar's exact test for scores of 0 or 1, sign flips for others, Student's t
  over few groups, Welch's between train and test. Rows of one group (of one film, of one made
  combination) are no independent witnesses: they are drawn and flipped together, and a section of
  few groups shows little, however many its rows.
- The intervals say how far other rows like these would move the figure. They say nothing about
  another training seed.
- forgetting = base - self: what the adapter lost of the base's skill (below 0: it gained).
- recovery = (self - on) / (base - on): the share of what the model below had lost that came back
  (1: all of it). Absent where that model had lost nothing to speak of.
- backward transfer: what the model is better by, on what was learned before it, than the model
  that had just learned it (below 0: forgotten).
- gap = train - test, positive when the model is better on rows that it was trained on. A gap that
  is bold and grows from run to run is what the model has learned by heart and cannot do elsewhere.
- `rouge_l` is to be read against `rouge_l_floor`, which the wording alone scores.
"""

ON_THE_PAGE = """\
## On the page only

`report.html`, which the same stage writes, shows what these tables hold, and besides: answers to
the same prompts side by side, what differs from the reference marked; an example of each reason for
a rejected reply; the graph of the build; what each model stands on, by hash, and whether that is
what its parents are; the versions of the packages that wrote it.

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


def _signed(found: dict[str, float], value: str, words: tuple[str, str], sure: bool) -> str:
    """Spell a figure: what it says (words: above 0, below 0), value, interval, corrected p."""
    figure = f"{found[value]:+.3f}"
    says = f"**{words[found[value] < 0]} {figure}**" if sure else f"not shown {figure}"
    ends = f"[{found['low']:+.3f}, {found['high']:+.3f}]" if "low" in found else "(no interval)"
    p = found.get("p_holm", found.get("p"))
    return f"{says} {ends}" + ("" if p is None else f", p {p:.2g}")


def forgetting_table(
    sections: dict[str, Any], comparisons: dict[str, Any], confidence: float
) -> list[str]:
    """Return forgetting and recovery of each adapter: in all, then by section."""
    rows = []
    for of in losses(sections, comparisons, confidence):
        over = f"`{of.of}`"
        if not isinstance(of.of, str):
            over = f"mean of {len(of.of)} section{'s' * (len(of.of) != 1)}"
        recovery = ""
        if back := of.back:
            span = f" [{back['low']:.3f}, {back['high']:.3f}]" if "low" in back else ""
            recovery = f"{back['value']:.3f}{span or ' (no interval)'}"
        told = _signed(of.lost, "value", ("lost", "gained"), of.says != "not shown")
        where = escape(of.model), escape(of.section)
        rows.append([*where, over, counted(of.lost), told, recovery])
    head = ["model", "section", "of", "n", "forgetting [interval]", "recovery [interval]"]
    return table(head, rows, left=3)


def changes_table(
    sections: dict[str, Any], comparison: dict[str, Any], confidence: float
) -> list[str]:
    """Return one adapter's differences from the model below and from the base."""
    sides = ["on"] if comparison["on"] == comparison["base"] else ["on", "base"]
    rows = []
    for name in sections:
        section = comparison["sections"].get(name, {"keys": {}})
        where = f"{escape(name)} (n = {counted(section)})" if section["keys"] else ""
        for key in sections[name]["metrics"]:
            found = section["keys"].get(key)
            if found is None:
                continue
            differences = []
            for of in (found.get(side) for side in sides):
                told = ""
                if of and not of["n"]:  # perplexity: rows have none of their own
                    told = f"{of['delta']:+.3f} (not tested: a figure of all rows together)"
                elif of:
                    told = _signed(of, "delta", ("better", "worse"), shown(of, confidence))
                    told += "" if of["n"] == section["n"] else f", n = {counted(of)}"
                differences.append(told)
            rows.append([where, f"`{key}`", f"{found['value']:.3f}", *differences])
            where = ""
    against = [f"against {escape(comparison[side])}" for side in sides]
    return table(["section", "metric", "value", *against], rows, left=2)


def report(
    recipe: str,
    first: list[str],
    sections: dict[str, Any],
    models: dict[str, Any],
    comparisons: dict[str, Any],
    data: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
    costs: dict[str, dict[str, Any]],
    rises: list[Rise],
    transfers: dict[str, Any],
    parts: list[str],
    confidence: float,
) -> str:
    """Return metrics/report.md.

    first:      lines of the table that stands above all others
    data:       what metrics/data.json, splits.json and diversity.json hold
    transfers:  as `stages.report.transfer` has them
    parts:      lines of what other stages found, wordings to layers
    confidence: of the intervals: 1 - confidence is what a corrected p has to stay below
    """
    lines = [f"# {escape(recipe)}: the models side by side", ""]
    # What has to be known before the figures are read.
    if warnings := clusters(data[2]) + rise_lines([each for each in rises if not each.kept]):
        lines += ["## Warnings", "", *warnings, ""]
    lines += first
    lines += in_words(sections, comparisons, confidence)
    lines += models_table(sections, models)
    if comparisons:
        lost = forgetting_table(sections, comparisons, confidence)
        lines += ["## Forgetting and recovery", "", *lost]
    lines += transfer_lines(transfers)
    for name, comparison in comparisons.items():
        changes = changes_table(sections, comparison, confidence)
        lines += [f"## What changed with {escape(name)}", "", *changes]
    lines += overfitting(comparisons, rises, confidence)
    lines += parts
    lines += data_tables(*data)
    lines += costs_table(costs)
    return "\n".join(lines) + "\n" + ON_THE_PAGE + HOW_TO_READ
