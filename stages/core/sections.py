"""Which rows a section of `evaluate.sections` holds: those of a set, of a skill of it, of several.

A section that names several sets (`set: [own, original]`) holds all their rows together. It says
nothing that the sections of the single sets do not: what is a mean over the sections of one set
leaves it out (`alone`), so that no row counts twice there.
"""

from collections.abc import Mapping
from typing import Any

from stages.core.draw import train_sample

Section = Mapping[str, Any]  # an entry of `evaluate.sections`


def sets_of(section: Section) -> tuple[str, ...]:
    """Return the sets whose rows a section holds, in its order."""
    named = section["set"]
    return (named,) if isinstance(named, str) else tuple(named)


def holds(section: Section, kin: Mapping[str, Any]) -> bool:
    """Say whether a section holds a row, or its answer or score, by their `set` and `skill`."""
    return kin["set"] in sets_of(section) and section.get("skill", kin["skill"]) == kin["skill"]


def alone(section: Section, name: str) -> bool:
    """Say whether a section is of one set only, and of this one."""
    return sets_of(section) == (name,)


def is_trained(section: Section, sections: Mapping[str, Section]) -> bool:
    """Say whether a section is of training rows: all its sets are samples of other sections' sets.

    sections: `evaluate.sections`
    """
    samples = {train_sample(name) for other in sections.values() for name in sets_of(other)}
    return samples.issuperset(sets_of(section))
