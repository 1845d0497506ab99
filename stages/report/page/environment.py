"""Where this page was written: packages, Python, machine."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Environment"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
