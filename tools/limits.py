"""Say what a model is for and where it fails, as far as figures say it."""

from collections.abc import Iterator
from typing import Any

from stages.core.sections import is_trained
from stages.core.significance import shown
from stages.report.markdown import escape
from stages.report.words import VERDICTS, changes, sides, spell
from tools.facts import Facts

FEWEST = 3  # so many sections, of those with the fewest rows
# Lower is better, and 0 is none; below 1 some do not.
HABITS = ("degenerate", "empty", "refusal", "off_topic")
FORMS = {"parses": "do not parse", "schema_valid": "do not fit the schema"}


def tested(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return the sections of test rows that the model has figures of, as params.yaml has them."""
    sections = facts.params.get("evaluate", {}).get("sections", {})
    return {
        name: section
        for name, section in sections.items()
        if facts.metrics.get(name, {}).get("n")
        and not ("set" in section and is_trained(section, trained_among(sections)))
    }


def trained_among(sections: dict[str, Any]) -> dict[str, Any]:
    """Return the sections that name a set."""
    return {name: section for name, section in sections.items() if "set" in section}


def uses(facts: Facts) -> list[str]:
    """Return what the model was made for: what it was trained on."""
    if not (sets := facts.sets):
        return ["It was not trained by this recipe: what it is for, its own card says."]
    named = ", ".join(f"`{escape(name)}`" for name in sets)
    told = (
        f"It was trained to answer as the rows of {named} do, and is for requests like theirs, put "
        "as they were put in training. Nothing else was tried: what no section below measures, "
        "truth, safety and bias among it, is not known."
    )
    return [told]


def few(facts: Facts) -> Iterator[str]:
    """Yield which sections have the fewest test rows."""
    groups = (facts.comparison or {}).get("sections", {})
    counts = {name: facts.metrics[name]["n"] for name in tested(facts)}
    told = []
    for name in sorted(counts, key=lambda name: (counts[name], name))[:FEWEST]:
        within = groups.get(name, {}).get("groups")
        more = f" in {within} groups" if within and within < counts[name] else ""
        told.append(f"`{escape(name)}` (n = {counts[name]}{more})")
    if told:
        yield f"The fewest test rows are those of {', '.join(told)}: their figures say the least."


def lost(facts: Facts, confidence: float) -> Iterator[str]:
    """Yield what got worse, and what the test rows cannot show."""
    comparison, sections = facts.comparison, facts.params.get("evaluate", {}).get("sections", {})
    if not comparison:
        return
    for side in sides(comparison):
        found = changes(sections, comparison, side, confidence)
        for verdict in VERDICTS[1:]:
            if items := [escape(spell(each)) for each in found if each.verdict == verdict]:
                pair = f"{escape(facts.manifest['name'])} against {escape(comparison[side])}"
                yield f"{pair}, **{verdict}**: {'; '.join(items)}."


def gaps(facts: Facts, confidence: float) -> Iterator[str]:
    """Yield where the model is better on rows that it was trained on."""
    for section, found in (facts.comparison or {}).get("gap", {}).items():
        for key, of in found["keys"].items():
            if of["gap"] > 0 and shown(of, confidence):
                sides = f"{of['train']:.3f} against {of['test']:.3f}"
                yield (
                    f"`{escape(section)}` `{key}`: better on rows that it was trained on, {sides} "
                    "on others: part of it is learned by heart."
                )


def habits(facts: Facts) -> Iterator[str]:
    """Yield what goes wrong in some answers."""
    for name in tested(facts):
        found = facts.metrics[name]
        for key in HABITS:
            if found.get(key):
                yield f"`{escape(name)}` `{key}` {found[key]:.3f} of its answers."
        for key, what in FORMS.items():
            if key in found and found[key] < 1:
                yield f"`{escape(name)}` `{key}` {found[key]:.3f}: the others {what}."


def lines(facts: Facts) -> list[str]:
    """Return the card's part."""
    confidence = facts.params.get("compare", {}).get("confidence", 0.95)
    found = [*few(facts), *lost(facts, confidence), *gaps(facts, confidence), *habits(facts)]
    if facts.metrics:
        found.append("The intervals know of other test rows, not of another training seed.")
    told = ["## What it is for, and where it fails", "", *uses(facts), ""]
    return told + ([*(f"- {line}" for line in found), ""] if found else [])
