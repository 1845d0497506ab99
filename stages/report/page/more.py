"""What metrics/report.md tells beyond the parts of this page."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "What else was measured"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
