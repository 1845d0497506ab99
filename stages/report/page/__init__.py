"""report.html: one file that opens offline, with no script and no address outside of it.

A part is a module with TITLE and `part(build) -> Markup`, empty where the build has none of it; its
template lies beside it. What a model or a teacher wrote goes through a template, which escapes it.
"""

from stages.report.build import Build
from stages.report.page import (
    by_hand,
    comparison,
    costs,
    curves,
    environment,
    forgetting,
    graph,
    layers,
    lineage,
    more,
    overview,
    rejects,
    samples,
    skills,
    story,
)
from stages.report.page.frame import HERE, render

PARTS = (
    overview, comparison, forgetting, skills, samples, by_hand, story, rejects, curves, layers,
    costs, more, graph, lineage, environment,
)  # fmt: skip


def page(build: Build) -> str:
    """Return the page."""
    found = [(module, module.part(build)) for module in PARTS]
    parts = [
        (module.__name__.rpartition(".")[2], module.TITLE, body) for module, body in found if body
    ]
    style = (HERE / "style.css").read_text(encoding="utf-8")
    return render("frame.html", build=build, parts=parts, style=style)
