"""What metrics/report.md tells beyond the parts of this page."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from stages.report import ablation, judge, noise, profile, sources, transcripts
from stages.report.build import Build
from stages.report.data import ALIKE, beside
from stages.report.page.frame import render
from stages.report.tables import HOW_TO_READ

if TYPE_CHECKING:
    from markdown_it.token import Token

TITLE = "What else was measured"


def markdown(build: Build) -> str:
    """Return the parts of metrics/report.md that no other part of the page draws."""
    lines = [
        *sources.section(build.origins),
        *transcripts.section(build.answers),
        *ablation.section(build.ablation),
        *profile.section(build.profile),
        *judge.section(build.judge),
        *noise.section(build.noise, build.comparisons, build.params),
    ]
    if build.diversity:
        alike = beside("diversity of the rows", "value", build.diversity, ALIKE)
        lines += ["## How alike the rows are", "", *alike]
    return "\n".join(lines) + "\n" + HOW_TO_READ


def tokens(text: str) -> list["Token"]:
    """Return Markdown as tokens: no HTML, and neither links nor pictures."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "reference", "html_block", "html_inline"])
    return reader.parse(text)


def part(build: Build) -> Markup:
    """Return the part."""
    return render("more.html", tokens=tokens(markdown(build)))
