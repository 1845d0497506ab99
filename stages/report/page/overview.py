"""What the build shows, in words, before any figure."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "In words"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
