"""Which layers moved along the stack."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Layers"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
