"""Training and validation loss of every model."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Loss"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
