"""Answers to the same prompt by all models, what differs from the reference marked."""

from markupsafe import Markup

from stages.report.build import Build

TITLE = "Answers side by side"


def part(build: Build) -> Markup:
    """Return the part."""
    return Markup("")
