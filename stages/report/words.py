"""What changed from model to model, in words: better, worse, and what these rows cannot show."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.core.significance import shown
from stages.report.markdown import counted, escape

VERDICTS = ("better", "worse", "not shown")


class Change(NamedTuple):
    """A section's primary metric, set against another model's.

    verdict: one of VERDICTS; found: delta (positive when better), n, groups, low, high, p,
    p_holm
    """

    section: str
    key: str
    verdict: str
    found: Mapping[str, float]


def sides(comparison: Mapping[str, Any]) -> list[str]:
    """Return what an adapter is set against: the model it stands on, and the base where another."""
    return ["on"] if comparison["on"] == comparison["base"] else ["on", "base"]


def changes(
    sections: Mapping[str, Any], comparison: Mapping[str, Any], side: str, confidence: float
) -> list[Change]:
    """Return the changes of all primary metrics against one other model, by VERDICTS.

    sections: `evaluate.sections`; side: `on` or `base`
    """
    told = []
    for name, section in sections.items():
        key = section.get("primary")
        found = comparison["sections"].get(name, {}).get("keys", {}).get(key, {}).get(side)
        if found is None:
            continue
        verdict = VERDICTS[2]
        if shown(found, confidence):
            verdict = VERDICTS[found["delta"] < 0]
        told.append(Change(name, key, verdict, found))
    return sorted(told, key=lambda change: VERDICTS.index(change.verdict))


def spell(change: Change) -> str:
    """Spell a change in plain text: `code passes -0.888 [-0.95, -0.78], n = 80`."""
    found = change.found
    span = f" [{found['low']:+.3f}, {found['high']:+.3f}]" if "low" in found else ""
    return f"{change.section} {change.key} {found['delta']:+.3f}{span}, n = {counted(found)}"


def won_back(
    sections: Mapping[str, Any], comparison: Mapping[str, Any], confidence: float
) -> dict[str, list[str]]:
    """Return what a model recovered of what the model below it had lost: verdict -> in plain text.

    Shown where the interval is above 0, and in a section the primary metric is shown to be better.
    """
    told: dict[str, list[str]] = {"won back": [], VERDICTS[2]: []}
    found = [("all", comparison.get("all", {}))]
    found += [(name, comparison["sections"].get(name, {})) for name in sections]
    for name, of in found:
        if (back := of.get("recovery")) is None:
            continue
        sure = back.get("low", 0) > 0
        if "primary" in of:  # a section, not the mean of several
            delta = of["keys"].get(of["primary"], {}).get("on", {})
            sure = sure and delta.get("delta", 0) > 0 and shown(delta, confidence)
        span = f" [{back['low']:.3f}, {back['high']:.3f}]" if "low" in back else ""
        told["won back" if sure else VERDICTS[2]].append(
            f"{name} {back['value']:.3f}{span}, n = {counted(back)}"
        )
    return {verdict: lines for verdict, lines in told.items() if lines}


def in_words(
    sections: Mapping[str, Any], comparisons: Mapping[str, Mapping[str, Any]], confidence: float
) -> list[str]:
    """Return the part of metrics/report.md: a line for each pair of models and verdict."""
    lines = []
    for name, comparison in comparisons.items():
        for side in sides(comparison):
            told = changes(sections, comparison, side, confidence)
            for verdict in VERDICTS:
                of_it = [escape(spell(change)) for change in told if change.verdict == verdict]
                if of_it:
                    pair = f"{escape(name)} against {escape(comparison[side])}"
                    lines.append(f"- {pair}, **{verdict}**: {'; '.join(of_it)}")
        for verdict, back in won_back(sections, comparison, confidence).items():
            lost = f"{escape(name)}, the share of what {escape(comparison['on'])} had lost"
            lines.append(f"- {lost}, **{verdict}**: {'; '.join(map(escape, back))}")
    if not lines:
        return []
    level = f"{100 * confidence:g}"
    about = (
        f"By the primary metric of each section; better and worse where the interval ({level} %) "
        "holds no 0 and p, corrected for their number, is small. Not shown is not the same "
        "as equal."
    )
    return ["## In words", "", about, "", *lines, ""]
