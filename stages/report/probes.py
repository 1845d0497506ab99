"""metrics/probes.md: each probe, its reference, and what every model answered.

It has neither numbers nor totals: a probe that changes, comes or goes touches its own line of the
table and its own part, and `git diff` shows just that.
"""

from typing import Any

from stages.core.marks import has_code, is_degenerate, is_empty
from stages.core.records import Answer, Score
from stages.core.scores import arrow
from stages.core.sections import alone, holds
from stages.report.markdown import escape, fenced, number, table

TITLE = "# Probes: every model's answer to what none was trained on"
SHORT = {  # in the table
    "empty": "empty",
    "loops until its limit": "loop",
    "cut at its limit": "cut",
    "no code where code was asked": "no code",
    "refuses": "refused",
    "as the reference": "=",
}
# Values that a mark tells, or that are none.
SEEN = {"degenerate", "empty", "reference_tokens", "refusal"}
EXCERPT = 60
PASSED = "passed"  # of the verdicts on code that was run


def marks(answer: Answer, score: Score | None) -> list[str]:
    """Return what is to be seen at a glance: a loop, nothing, no code where code was asked.

    score: of the answer; a refusal is told where their section asks for the metric
    """
    text, end = answer["text"], answer["finish_reason"]
    found = []
    if is_empty(text):
        found.append("empty")
    if is_degenerate(text, end):
        found.append("loops until its limit")
    elif end == "length":
        found.append("cut at its limit")
    if has_code(answer["reference"]) and not has_code(text):
        found.append("no code where code was asked")
    if score and score["values"].get("refusal"):
        found.append("refuses")
    if text.strip() == answer["reference"].strip():
        found.append("as the reference")
    return found


def leading(sections: dict[str, dict[str, Any]], name: str, skill: str) -> str | None:
    """Return the key that a table with room for one shows: the primary of the probes' section."""
    probe = {"set": name, "skill": skill}
    for section in sorted(sections.values(), key=lambda section: not alone(section, name)):
        if holds(section, probe):
            return section.get("primary", section["metrics"][0])
    return None


def probes(
    answers: dict[str, list[Answer]],
    name: str | None,
    scores: dict[str, list[Score]],
    sections: dict[str, dict[str, Any]],
) -> str:
    """Return the probes, in the order of the first model that answered them.

    answers, scores: model's name -> all of its answers, and what each is worth
    name:            the set that is shown, `evaluate.probes`
    sections:        `evaluate.sections`
    """
    if name is None:
        return "\n".join([TITLE, "", "`evaluate.probes` names no set: none are shown.", ""])
    by_model = {
        model: {answer["row"]: answer for answer in of_model if answer["set"] == name}
        for model, of_model in answers.items()
    }
    found = {(model, score["row"]): score for model in scores for score in scores[model]}
    asked: dict[str, Answer] = {}
    for of_model in by_model.values():
        for row, answer in of_model.items():
            asked.setdefault(row, answer)
    if not asked:
        return "\n".join([TITLE, "", f"No model answered a row of the set `{escape(name)}`.", ""])
    keys = [leading(sections, name, probe["skill"]) for probe in asked.values()]
    lines = [TITLE, "", *legend(keys)]
    rows = []
    for (row, probe), key in zip(asked.items(), keys, strict=True):
        prompt = " ".join(probe["prompt"].split())
        excerpt = escape(prompt[:EXCERPT]) + ("…" if len(prompt) > EXCERPT else "")
        cells = [
            cell(of_model.get(row), found.get((model, row)), key)
            for model, of_model in by_model.items()
        ]
        rows.append([f"{escape(probe['skill'])} `{escape(row)}`", excerpt, *cells])
    lines += table(["probe", "prompt", *map(escape, by_model)], rows, left=2 + len(by_model))
    for row, probe in asked.items():
        lines += [f"## {escape(probe['skill'])} `{escape(row)}`", ""]
        lines += ["**Prompt**", "", *fenced(probe["prompt"])]
        lines += ["**Reference**", "", *fenced(probe["reference"])]
        for model, of_model in by_model.items():
            lines += shown(model, of_model.get(row), found.get((model, row)))
    return "\n".join(lines)


def legend(keys: list[str | None]) -> list[str]:
    """Explain the table's cells.

    keys: of the values, a probe each
    """
    named = ", ".join(f"`{key}` {arrow(key)}".strip() for key in dict.fromkeys(keys) if key)
    words = "; ".join(f"`{short}`: {long}" for long, short in SHORT.items() if short != long)
    value = f"The value is {named}: of the probes' section, its primary metric or the first. "
    return [f"{value if named else ''}What is to be seen at a glance stands behind: {words}.", ""]


def ended(score: Score | None) -> list[str]:
    """Return how the answer's code ended, where it was run and did not pass."""
    verdict = (score or {}).get("verdict", PASSED)
    return [] if verdict == PASSED else [escape(verdict)]


def cell(answer: Answer | None, score: Score | None, key: str | None) -> str:
    """Return what the table says of one answer."""
    if answer is None:
        return "none"
    seen = [*(f"`{SHORT[mark]}`" for mark in marks(answer, score)), *ended(score)]
    values = score["values"] if score else {}
    return " ".join([number(values[key]), *seen] if key in values else seen)


def shown(model: str, answer: Answer | None, score: Score | None) -> list[str]:
    """Return one model's answer, whole, under its name, its marks and its values."""
    if answer is None:
        return [f"**{escape(model)}**: no answer", ""]
    pasted = answer.get("pasted", {})
    given = [pasted[key] for key in ("model", "date") if key in pasted]
    name = f"**{escape(model)}**" + (f" ({escape(', '.join(given))})" if given else "")
    values = sorted(score["values"].items()) if score else []
    told = [f"`{escape(key)}` {number(value)}" for key, value in values if key not in SEEN]
    code = [f"its code: {verdict}" for verdict in ended(score)]
    return [" · ".join([name, *marks(answer, score), *code, *told]), "", *fenced(answer["text"])]
