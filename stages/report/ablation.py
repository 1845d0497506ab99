"""The wordings of the prompt side by side: a part of metrics/report.md."""

from typing import Any

from stages.core.scores import arrow
from stages.core.significance import shown
from stages.report.markdown import counted, escape, table

HOW_TO_READ = """\
The same rows, answered greedily by the same model under other wordings of the prompt
(`ablation.variants`). In brackets the interval of the difference to the wording that the model was
trained with; **bold** where that difference is shown: its interval leaves out 0, and so does its p,
corrected for the number of all tests of that model (Holm). What is not bold is not shown; with few
rows only a large difference can be.
"""


def section(found: dict[str, Any]) -> list[str]:
    """Return the part's lines of Markdown; none where it is switched off.

    found: what metrics/ablation.json holds
    """
    if not found:
        return []
    order, confidence = found["order"], found["confidence"]
    models = {
        model: {wording: found["models"][model][wording] for wording in order["wordings"]}
        for model in order["models"]
    }
    lines = ["## Other wordings of the prompt", "", *HOW_TO_READ.splitlines(), ""]
    sections = dict.fromkeys(
        name for each in models.values() for of in each.values() for name in of
    )
    for name in sections:
        primary = found["primary"].get(name)
        keys = list(dict.fromkeys(key for of in figures(models, name) for key in of))
        keys = [key for key in keys if key == primary] + [key for key in keys if key != primary]
        changed = [key for key in keys if changes(models, name, key)]
        rows = [
            line
            for key in keys
            if key in changed or key == primary
            for line in matrix(models, name, key, confidence)
        ]
        lines += [f"### {escape(name)} (n = {counted(most(models, name))})", ""]
        if rows:
            lines += table(
                ["metric", "wording", *(escape(model) for model in models)], rows, left=2
            )
        if same := [f"`{key}`" for key in keys if key not in changed]:
            lines += [f"Nothing changes in: {', '.join(same)}.", ""]
        lines += verdicts(found["best"], name, primary, list(models))
    return lines


def figures(models: dict[str, Any], section_: str) -> list[dict[str, Any]]:
    """Return the figures of every model and wording of a section: key -> figure."""
    return [of.get(section_, {}) for each in models.values() for of in each.values()]


def most(models: dict[str, Any], section_: str) -> dict[str, Any]:
    """Return the figure of a section that the most rows were compared for."""
    every = [each for of in figures(models, section_) for each in of.values()]
    return max(every, key=lambda each: each["n"], default={"n": 0, "groups": 0})


def changes(models: dict[str, Any], section_: str, key: str) -> bool:
    """Tell whether any row of any model got another value of a key under any wording."""
    found = (of[key] for of in figures(models, section_) if key in of)
    return any(each.get("delta") or each.get("p", 1.0) < 1.0 for each in found)


def matrix(models: dict[str, Any], section_: str, key: str, confidence: float) -> list[list[str]]:
    """Return the rows of one key: a wording each, the one as trained first."""
    rows, n = [], most(models, section_)["n"]
    label = f"`{key}` {arrow(key)}"
    for wording in dict.fromkeys(name for each in models.values() for name in each):
        cells = [
            cell(each.get(wording, {}).get(section_, {}).get(key), confidence, n)
            for each in models.values()
        ]
        rows.append([label, escape(wording), *cells])
        label = ""
    return rows


def cell(figure: dict[str, float] | None, confidence: float, n: int) -> str:
    """Spell a value, and its difference to the wording as trained with the interval.

    n: of the section, which is told again only where the figure has fewer rows
    """
    if figure is None:
        return ""
    told = f"{figure['value']:.3f}"
    told += f" n = {figure['n']}" if figure["n"] != n else ""
    if "delta" not in figure:
        return told
    told += f" ({figure['delta']:+.3f}"
    told += f" [{figure['low']:.3f}, {figure['high']:.3f}])" if "low" in figure else ")"
    return f"**{told}**" if shown(figure, confidence) else told


def verdicts(
    best: dict[str, Any], section_: str, primary: str | None, models: list[str]
) -> list[str]:
    """Say of each model which wording is best by the primary metric, and whether that is shown."""
    lines = []
    for model in models:
        found = best.get(model, {}).get(section_)
        if found is None:
            continue
        lead, other = escape(found["wording"]), escape(found["next"])
        by = f"`{primary}` {found['delta']:+.3f}"
        by += f" [{found['low']:.3f}, {found['high']:.3f}]" if "low" in found else ""
        if found["shown"]:
            told = f"`{lead}` is best: {by} before `{other}`, which comes closest."
        elif found["delta"] == 0:
            told = f"not shown: `{lead}` and `{other}` are level ({by}, n = {found['n']})."
        else:
            told = f"not shown: `{lead}` leads `{other}` by {by}, n = {found['n']}, "
            told += f"p = {found.get('p_holm', 1.0):.2g} corrected for all pairs of wordings."
        lines.append(f"- {escape(model)}: {told}")
    return ["Which wording is best:", "", *lines, ""] if lines else []
