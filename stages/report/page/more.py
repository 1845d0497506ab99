"""What metrics/report.md tells beyond the parts of this page."""

import re
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from stages.report import ablation, judge, noise, profile, sources, transcripts
from stages.report.build import Build
from stages.report.data import ALIKE, beside
from stages.report.page.frame import render
from stages.report.tables import HOW_TO_READ

if TYPE_CHECKING:
    from markdown_it.token import Token

TITLE = "What else was measured"
HOW = "how-to-read"  # the anchor of what tells how the figures are to be read
BELOW_ZERO = re.compile(r"(?:(?<=^)|(?<=[\s\[(]))-(?=\d)")


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
    found = reader.parse(text)
    for token in found:
        for child in token.children or ():
            if child.type == "text":
                child.content = BELOW_ZERO.sub("\u2212", child.content)
    return found


class Chapter(NamedTuple):
    """What stands under one heading: of the heading, and of the rest."""

    anchor: str
    title: "Token"
    tokens: list["Token"]


def chapters(found: list["Token"]) -> list[Chapter]:
    """Return tokens by the headings of the second level; what stands before the first is none."""
    told: list[Chapter] = []
    for at, token in enumerate(found):
        if token.type == "heading_open" and token.tag == "h2":
            title = found[at + 1]
            anchor = HOW if title.content == "How to read it" else f"more-{len(told) + 1}"
            told.append(Chapter(anchor, title, []))
        elif told:
            told[-1].tokens.append(token)
    # The title, and where its heading ends, are not said again.
    return [chapter._replace(tokens=chapter.tokens[2:]) for chapter in told]


def part(build: Build) -> Markup:
    """Return the part."""
    return render("more.html", chapters=chapters(tokens(markdown(build))))
