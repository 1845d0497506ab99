"""Whom the answers describe: a part of metrics/report.md."""

from typing import Any

from stages.core.significance import shown
from stages.report.markdown import escape, table

SHOWN = 8  # classes of an attribute that have a line of their own

OF_BIAS = """\
Classes are counted over all answers of a model; `none` is null or blank, `other` whatever is not
among the declared classes; below them `(missing)` are records without that key, `(invalid)` answers
without a record or with no such value. The distance is total variation:
the share of answers that would have to change class, 0 to 1. Draws of the very same distribution
are some distance apart, too: `by chance` says how far. To the dataset p is of a chi-square
corrected for answers of one prompt being alike (Rao and Scott), by simulation; between models a
permutation of whose answers are whose. The p here are corrected for the number of attributes
(Holm).
**Bold** where p and interval both show a difference.
"""


def section(found: dict[str, Any], models: list[str]) -> list[str]:
    """Return the tables of all attributes, and of how they hang together.

    found: what metrics/profile.json holds
    """
    datasets, confidence = found["datasets"], found["confidence"]
    everyone = [*datasets, *models]
    lines = ["### Whom the answers describe", "", *OF_BIAS.splitlines(), ""]
    for name, attribute in found["attributes"].items():
        lines += distributions(name, attribute, everyone)
        lines += distances(name, attribute["distances"], everyone, confidence)
        lines += crossed(name, attribute, everyone)
    return lines + associations(found, models)


def spelled(figure: dict[str, float] | None) -> str:
    """Spell a figure with its interval; nothing where there is none."""
    if not figure or "value" not in figure:
        return ""
    ends = f" [{figure['low']:.3f}, {figure['high']:.3f}]" if "low" in figure else ""
    return f"{figure['value']:.3f}{ends}"


def distributions(name: str, attribute: dict[str, Any], everyone: list[str]) -> list[str]:
    """Return the table of one attribute: a line a class, a column each dataset and each model."""
    of = [attribute["distributions"][who] for who in everyone]
    classes = attribute["classes"]
    # The rarest go into one line, those of the dataset's own order stay.
    most = {each: max(who["shares"].get(each, 0.0) for who in of) for each in classes}
    kept = sorted(sorted(classes, key=lambda each: -most[each])[:SHOWN], key=classes.index)
    rows = [[escape(each), *(share(who, each) for who in of)] for each in kept]
    if rest := [each for each in classes if each not in kept]:
        rows.append([f"{len(rest)} rarer classes", *(share(who, *rest) for who in of)])
    # Apart from classes that a model may have called the same.
    rows.append(["(n: answers in a class)", *(str(who["n"]) for who in of)])
    rows += [
        [f"({apart})", *(str(who[apart]) for who in of)]
        for apart in ("missing", "invalid")
        if any(who[apart] for who in of)
    ]
    return [f"#### {escape(name)}", "", *table(["", *map(escape, everyone)], rows)]


def share(who: dict[str, Any], *classes: str) -> str:
    """Spell the share of classes together; nothing where nobody was counted."""
    return f"{sum(who['shares'].get(each, 0.0) for each in classes):.3f}" if who["n"] else ""


def distances(
    name: str, found: dict[str, Any], everyone: list[str], confidence: float
) -> list[str]:
    """Return the table of an attribute's distances, and what they show.

    everyone: the datasets, then the models
    """
    rows, clear, small = [], [], []
    order = {name: at for at, name in enumerate(everyone)}
    pairs = [(one, other) for one, others in found.items() for other in others]
    for one, other in sorted(pairs, key=lambda pair: (order[pair[1]], order[pair[0]])):
        each, between = found[one][other], f"{escape(one)} and {escape(other)}"
        p = each.get("p_holm", each["p"])
        differs = each["enough"] and shown(each, confidence)
        told = spelled(each)
        cells = [f"**{told}**" if differs else told, f"{each['chance']:.3f}", f"{p:.2g}"]
        rows.append([between, *cells, str(each["n"])])
        if differs:
            clear.append(between)
        if not each["enough"]:
            small.append(between)
    if not rows:
        return ["Nothing to compare it with.", ""]
    lines = table(
        ["distance of", "total variation", "by chance", "p", "n: groups of prompts"], rows
    )
    if clear:
        lines += [f"Shown to differ in {escape(name)}: {'; '.join(clear)}.", ""]
    else:
        lines += [f"No difference in {escape(name)} is shown.", ""]
    if small:
        lines += [f"Too few groups of prompts to show any: {'; '.join(small)}.", ""]
    return lines


def associations(found: dict[str, Any], models: list[str]) -> list[str]:
    """Return the table of how strongly two attributes hang together, and what is shown of it.

    Beside one dataset the difference to it stands in the cell; beside several there is no room.
    """
    if not found["associations"]:
        return []
    datasets, confidence = found["datasets"], found["confidence"]
    rows, clear, small = [], [], False
    for pair, of in found["associations"].items():
        told = [each.get("to", {}) for each in of.values()]
        whole = [[to[name]["dataset"] for to in told if name in to][:1] for name in datasets]
        cells = [f"{value[0]:.3f}" if value else "" for value in whole]
        for model in models:
            each = of.get(model) or {}
            cells.append(f"{each['value']:.3f}" if each else "")
            for name, to in each.get("to", {}).items():
                apart = f"{to['delta']:+.3f} [{to['low']:.3f}, {to['high']:.3f}]"
                small = small or not each["enough"]
                differs = each["enough"] and shown(to, confidence)
                if len(datasets) == 1:
                    cells[-1] += f" (**{apart}**)" if differs else f" ({apart})"
                if differs:
                    way = "more" if to["delta"] > 0 else "less"
                    said = f"{escape(pair)} in {escape(model)} {way} than in {escape(name)}"
                    clear.append(said if len(datasets) == 1 else f"{said} ({apart})")
        rows.append([escape(pair), *cells])
    lines = ["#### Attributes that hang together", ""]
    lines += [
        "Cramér's V, corrected for bias (Bergsma): 0 the one says nothing of the other, 1 it says "
        "all. In brackets the difference to the dataset's and its interval; it is shown where that "
        "and a test of equal odds ratios, corrected for the number of pairs (Holm), both show it.",
        "",
        *table(["", *map(escape, [*datasets, *models])], rows),
    ]
    lines += [f"Shown: {'; '.join(clear)}." if clear else "No difference is shown.", ""]
    if small:
        lines += ["Some models have too few groups of prompts to show any.", ""]
    return lines


def crossed(name: str, attribute: dict[str, Any], everyone: list[str]) -> list[str]:
    """Return the table of an attribute's shares within each class of another one."""
    if "by" not in attribute:
        return []
    by, classes = attribute["by"], attribute["classes"]
    rows = []
    for each, of in by["classes"].items():
        cells = [
            " / ".join(f"{of[who]['shares'][one]:.2f}" for one in classes) if of[who]["n"] else ""
            for who in everyone
        ]
        rows.append([escape(each), *cells])
    order = " / ".join(escape(each) for each in classes)
    lines = [f"#### {escape(name)} by {escape(by['attribute'])}", "", f"Shares of {order}.", ""]
    return lines + table(["", *map(escape, everyone)], rows)
