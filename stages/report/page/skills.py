"""The primary metric of each section by model, as a heat map that is a table."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Skills by model"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
