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


class Item(NamedTuple):
    """A figure in plain text: of what (`code passes`), and how much (`+0.9 [...], n = 80`)."""

    what: str
    said: str

    def __str__(self) -> str:
        """Spell both."""
        return f"{self.what} {self.said}"


class Told(NamedTuple):
    """What is said of a pair of models, or of what one of them won back, all of one verdict.

    pair:    `2b against base`, or `2c, the share of what 2b had lost`; verdict: one of VERDICTS, or
             `won back`, `lost more`; items: a section's figures each
    """

    pair: str
    verdict: str
    items: list[Item]


def verdict(found: Mapping[str, float], confidence: float) -> str:
    """Return which of VERDICTS a difference is: delta (positive when better), low, high, p."""
    return VERDICTS[found["delta"] < 0] if shown(found, confidence) else VERDICTS[2]


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
        told.append(Change(name, key, verdict(found, confidence), found))
    return sorted(told, key=lambda change: VERDICTS.index(change.verdict))


def spell(change: Change) -> Item:
    """Spell a change: `code passes`, `-0.888 [-0.950, -0.780], n = 80`."""
    found = change.found
    span = f" [{found['low']:+.3f}, {found['high']:+.3f}]" if "low" in found else ""
    said = f"{found['delta']:+.3f}{span}, n = {counted(found)}"
    return Item(f"{change.section} {change.key}", said)


def won_back(
    sections: Mapping[str, Any], comparison: Mapping[str, Any], confidence: float
) -> dict[str, list[Item]]:
    """Return what a model recovered of what the model below it had lost, by verdict.

    Won back where the interval is above 0, and in a section the primary metric is shown to be
    better; lost more where the section's metric is shown to be worse, in all where the interval is
    below 0. The share itself says little where next to nothing had been lost.
    """
    told: dict[str, list[Item]] = {"won back": [], "lost more": [], VERDICTS[2]: []}
    found = [("all", comparison.get("all", {}))]
    found += [(name, comparison["sections"].get(name, {})) for name in sections]
    for name, of in found:
        if (back := of.get("recovery")) is None:
            continue
        says = VERDICTS[2]
        if "primary" in of:
            delta = of["keys"].get(of["primary"], {}).get("on", {})
            if delta and shown(delta, confidence):
                if delta["delta"] < 0:
                    says = "lost more"
                elif back.get("low", 0) > 0:
                    says = "won back"
        elif "low" in back and not back["low"] <= 0 <= back["high"]:  # the mean of several
            says = "won back" if back["low"] > 0 else "lost more"
        span = f" [{back['low']:.3f}, {back['high']:.3f}]" if "low" in back else ""
        told[says].append(Item(name, f"{back['value']:.3f}{span}, n = {counted(back)}"))
    return {verdict: lines for verdict, lines in told.items() if lines}


def tell(
    sections: Mapping[str, Any], comparisons: Mapping[str, Mapping[str, Any]], confidence: float
) -> list[Told]:
    """Return what is to be said of each pair of models, by VERDICTS, and of what came back."""
    told = []
    for name, comparison in comparisons.items():
        for side in sides(comparison):
            found = changes(sections, comparison, side, confidence)
            for of in VERDICTS:
                if items := [spell(change) for change in found if change.verdict == of]:
                    told.append(Told(f"{name} against {comparison[side]}", of, items))
        lost = f"{name}, the share of what {comparison['on']} had lost"
        back = won_back(sections, comparison, confidence)
        told += [Told(lost, of, items) for of, items in back.items()]
    return told


def about(confidence: float) -> str:
    """Return how what is told is to be read, in plain text."""
    return (
        "By the primary metric of each section; better and worse where the interval "
        f"({100 * confidence:g} %) holds no 0 and p, corrected for their number, is small. "
        "Not shown is not the same as equal."
    )


def in_words(
    sections: Mapping[str, Any], comparisons: Mapping[str, Mapping[str, Any]], confidence: float
) -> list[str]:
    """Return the part of metrics/report.md: a line for each pair of models and verdict."""
    lines = [
        f"- {escape(told.pair)}, **{told.verdict}**: {'; '.join(map(escape, told.items))}"
        for told in tell(sections, comparisons, confidence)
    ]
    return ["## In words", "", about(confidence), "", *lines, ""] if lines else []
