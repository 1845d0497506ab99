"""What people said of the answers, one by one and in pairs."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Judged by hand"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
