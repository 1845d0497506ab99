"""What each adapter forgot of the base, and what came back."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Forgotten and won back"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
