"""Every metric by model, with intervals; better and worse in colour and in words."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "The models side by side"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
