"""Consistency and bias: a part of metrics/report.md."""

from typing import Any

from stages.core.scores import arrow
from stages.core.significance import shown
from stages.report.markdown import escape, number, table

DATASET = "the dataset"
SHOWN = 8  # classes of an attribute that have a line of their own

HOW_TO_READ = """\
Each model answered the same prompts of `{set}` several times, by sampling (`profile`). Intervals
are over groups of prompts, since the answers to one prompt resemble each other.
"""
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


def section(found: dict[str, Any]) -> list[str]:
    """Return the part's lines of Markdown; none where it is switched off.

    found: what metrics/profile.json holds
    """
    if not found:
        return []
    lines = ["## Several answers to one prompt", ""]
    lines += [*HOW_TO_READ.format(set=escape(found["set"])).splitlines(), ""]
    models = found["models"]
    if not models:
        return [*lines, "No model has any.", ""]
    lines += consistency(found, models)
    if "attributes" in found:
        lines += ["### Whom the answers describe", "", *OF_BIAS.splitlines(), ""]
        for name, attribute in found["attributes"].items():
            lines += distributions(name, attribute, models)
            lines += distances(name, attribute["distances"], models, found["confidence"])
        lines += associations(found["associations"], models, found["confidence"])
    return lines + trade_off(found, models)


def spelled(figure: dict[str, float] | None) -> str:
    """Spell a figure with its interval; nothing where there is none."""
    if not figure or "value" not in figure:
        return ""
    ends = f" [{figure['low']:.3f}, {figure['high']:.3f}]" if "low" in figure else ""
    return f"{figure['value']:.3f}{ends}"


def consistency(found: dict[str, Any], models: list[str]) -> list[str]:
    """Return the table of how alike the answers to one prompt are."""
    of = [found["consistency"][model] for model in models]
    key = found["primary"].get("key")
    rows = [
        ["answers", *(f"{each['answers']} to {each['prompts']} prompts" for each in of)],
        ["groups of prompts", *(str(each["groups"]) for each in of)],
        ["distinct answers", *(str(each["distinct"]) for each in of)],
        ["distinct answers to a prompt, share", *(spelled(e["distinct_in_prompt"]) for e in of)],
        ["words in common, answers to a prompt", *(spelled(e["self_similarity"]) for e in of)],
    ]
    if any("parses" in each for each in of):
        rows += [
            ["parse", *(spelled(each.get("parses")) for each in of)],
            ["valid against the schema", *(spelled(each.get("schema_valid")) for each in of)],
            ["two answers agree in being valid", *(spelled(e.get("schema_agreement")) for e in of)],
        ]
        fields = dict.fromkeys(field for each in of for field in each.get("fields", {}))
        for field in fields:
            cells = []
            for each in of:
                agreed = each["fields"].get(field, {})
                across = f"; {agreed['across']:.3f}" if "across" in agreed else ""
                cells.append(spelled(agreed) + across)
            rows.append([f"two answers agree in {escape(field)}; of different prompts", *cells])
    if key:
        rows += [
            [f"`{key}` {arrow(key)}", *(spelled(each["quality"]) for each in of)],
            ["its sd within a prompt", *(number(each.get("within_sd")) for each in of)],
            ["its sd between prompts", *(number(each.get("between_sd")) for each in of)],
        ]
    return ["### How alike they are", "", *table(["", *map(escape, models)], rows)]


def distributions(name: str, attribute: dict[str, Any], models: list[str]) -> list[str]:
    """Return the table of one attribute: a line a class, a column the dataset and each model."""
    of = [attribute["distributions"][who] for who in (DATASET, *models)]
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
    return [f"#### {escape(name)}", "", *table(["", DATASET, *map(escape, models)], rows)]


def share(who: dict[str, Any], *classes: str) -> str:
    """Spell the share of classes together; nothing where nobody was counted."""
    return f"{sum(who['shares'].get(each, 0.0) for each in classes):.3f}" if who["n"] else ""


def distances(name: str, found: dict[str, Any], models: list[str], confidence: float) -> list[str]:
    """Return the table of an attribute's distances, and what they show."""
    rows, clear, small = [], [], []
    order = {name: at for at, name in enumerate([DATASET, *models])}
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


def associations(found: dict[str, Any], models: list[str], confidence: float) -> list[str]:
    """Return the table of how strongly two attributes hang together."""
    if not found:
        return []
    rows, clear, small = [], [], False
    for pair, of in found.items():
        whole = next((each["dataset"] for each in of.values() if "dataset" in each), None)
        cells = ["" if whole is None else f"{whole:.3f}"]
        for model in models:
            each = of.get(model) or {}
            told = f"{each['value']:.3f}" if each else ""
            if "delta" in each:
                told += f" ({each['delta']:+.3f} [{each['low']:.3f}, {each['high']:.3f}])"
                small = small or not each["enough"]
                if each["enough"] and shown(each, confidence):
                    told = f"**{told}**"
                    way = "more" if each["delta"] > 0 else "less"
                    clear.append(f"{escape(pair)} in {escape(model)} {way} than in the dataset")
            cells.append(told)
        rows.append([escape(pair), *cells])
    lines = ["#### Attributes that hang together", ""]
    lines += [
        "Cramér's V, corrected for bias (Bergsma): 0 the one says nothing of the other, 1 it says "
        "all. In brackets the difference to the dataset's and its interval; bold where that and a "
        "test of equal odds ratios, corrected for the number of pairs (Holm), both show it.",
        "",
        *table(["", DATASET, *map(escape, models)], rows),
    ]
    lines += [f"Shown: {'; '.join(clear)}." if clear else "No difference is shown.", ""]
    if small:
        lines += ["Some models have too few groups of prompts to show any.", ""]
    return lines


def trade_off(found: dict[str, Any], models: list[str]) -> list[str]:
    """Return the table of quality beside diversity: what optimisation costs."""
    key = found["primary"].get("key")
    attributes = found.get("attributes", {})
    head = ["", f"`{key}` {arrow(key)}" if key else "quality", "distinct to a prompt"]
    head += ["words in common", *(f"evenness of {escape(name)}" for name in attributes)]
    rows = []
    for model in models:
        each = found["consistency"][model]
        cells = [spelled(each.get(figure)) for figure in ("quality", "distinct_in_prompt")]
        even = (of["distributions"][model] for of in attributes.values())
        cells += [spelled(each["self_similarity"])]
        rows.append([escape(model), *cells, *(evenness(who) for who in even)])
    if attributes:
        even = (of["distributions"][DATASET] for of in attributes.values())
        rows.append([DATASET, "", "", "", *(evenness(who) for who in even)])
    told = (
        "A model that is tuned towards one good answer gives it again and again: read the first "
        "column against the others. Evenness: 0 one class only, 1 all alike."
    )
    return ["### Quality beside diversity", "", told, "", *table(head, rows)]


def evenness(who: dict[str, Any]) -> str:
    """Spell how even a distribution is; nothing where nobody was counted."""
    return f"{who['evenness']:.3f}" if who["n"] else ""
