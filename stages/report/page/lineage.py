"""The stack with its hashes: base, adapters, training data."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Where it comes from"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
