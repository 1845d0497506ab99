"""What was paid, in money and in time."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Cost"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
