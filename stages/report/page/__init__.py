"""report.html: one file that opens offline, with no script and no address outside of it.

A part is a module with TITLE and `part(build) -> Markup`, empty where the build has none of it; its
template lies beside it. What a model or a teacher wrote goes through a template, which escapes it.
"""

from markupsafe import Markup

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
from stages.report.page.frame import HERE, chains, render

PARTS = (
    overview, forgetting, skills, comparison, samples, by_hand, story, rejects, curves, layers,
    costs, more, graph, lineage, environment,
)  # fmt: skip
STYLES = "style", "pictures"


def page(build: Build) -> str:
    """Return the page."""
    found = [(module, module.part(build)) for module in PARTS]
    parts = [
        (module.__name__.rpartition(".")[2], module.TITLE, body) for module, body in found if body
    ]
    styles = [(HERE / f"{name}.css").read_text(encoding="utf-8") for name in STYLES]
    return render(
        "frame.html",
        build=build,
        chains=chains(build),
        pasted=[name for name in build.names if name not in build.trained],
        parts=parts,
        style=Markup("\n".join(styles)),  # noqa: S704
    )
