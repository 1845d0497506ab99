"""The stages and what they depend on."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "The graph"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
