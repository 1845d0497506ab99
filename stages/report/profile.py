"""Consistency, and bias (see `bias`): a part of metrics/report.md."""

from typing import Any

from stages.core.scores import arrow
from stages.report import bias
from stages.report.bias import spelled
from stages.report.markdown import escape, number, table

HOW_TO_READ = """\
Each model answered the same prompts of `{set}` several times, by sampling (`profile`). Intervals
are over groups of prompts, since the answers to one prompt resemble each other.
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
        lines += bias.section(found, models)
    return lines + trade_off(found, models)


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
    for name in found.get("datasets", ()):
        even = (of["distributions"][name] for of in attributes.values())
        rows.append([escape(name), "", "", "", *(evenness(who) for who in even)])
    told = (
        "A model that is tuned towards one good answer gives it again and again: read the first "
        "column against the others. Evenness: 0 one class only, 1 all alike."
    )
    return ["### Quality beside diversity", "", told, "", *table(head, rows)]


def evenness(who: dict[str, Any]) -> str:
    """Spell how even a distribution is; nothing where nobody was counted."""
    return f"{who['evenness']:.3f}" if who["n"] else ""
