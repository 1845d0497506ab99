"""Why replies made no row, with an example of each reason."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Rejected replies"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
