"""Requested, replied, parsed, repaired, rejected, split: the rows as a flow with counts."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "The data's story"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
