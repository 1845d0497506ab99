"""What was said of answers that were read one by one, before and after: a part of report.md."""

from collections import Counter
from typing import Any, NamedTuple

from stages.core.records import Answer
from stages.core.verdicts import VALUES, Judged, Verdict, judged
from stages.report.markdown import escape, fenced, number, table

HOW_TO_READ = """\
These answers were read one by one and called right, partly right or wrong, by no metric
(`recipes/{recipe}/verdicts.jsonl`; `tunegraph verdicts` writes the cases to judge). A verdict holds
for exactly the text that was judged. These are cases, chosen by whoever judged them: they show what
a model does, and are no sample of anything.
"""
STALE = """\
These verdicts are on texts that the models do not give now; they count for nothing. Judge the
present answers: `tunegraph verdicts FILE.csv`.
"""
EXCERPT = 60
NONE = "not judged"


class Case(NamedTuple):
    """One row of which some model's present answer was judged.

    answers, verdicts: by model's name; a model may lack either
    """

    prompt: str
    reference: str
    answers: dict[str, Answer]
    verdicts: dict[str, Verdict]


def cases_of(of_models: dict[str, Judged], answers: dict[str, list[Answer]]) -> list[Case]:
    """Return the cases, in the order of the answers of the first model that has one."""
    rows = {row for of_model in of_models.values() for row in of_model.held}
    found: dict[str, Case] = {}
    for model, of_model in answers.items():
        for answer in of_model:
            if (row := answer["row"]) in rows:
                case = found.setdefault(row, Case(answer["prompt"], answer["reference"], {}, {}))
                case.answers[model] = answer
                if row in of_models[model].held:
                    case.verdicts[model] = of_models[model].held[row]
    return list(found.values())


class Count(NamedTuple):
    """How one model's answers were judged.

    counts: of each of VALUES, in its order; judged: their mean, 0 to 1, or None without any
    stale:  verdicts that count for nothing
    """

    model: str
    counts: list[int]
    judged: float | None
    stale: int


def counted(of_models: dict[str, Judged]) -> list[Count]:
    """Return how many are right, partly right and wrong, of each model with verdicts."""
    told = []
    for model, of_model in of_models.items():
        if of_model.held or of_model.stale:
            words = Counter(each["verdict"] for each in of_model.held.values())
            total = sum(VALUES[word] * n for word, n in words.items())
            mean = total / words.total() if words else None
            told.append(Count(model, [words[word] for word in VALUES], mean, len(of_model.stale)))
    return told


def counts(told: list[Count]) -> list[str]:
    """Return the table of how many are right, partly right and wrong, a row a model."""
    rows = [
        [escape(each.model), *map(number, [*each.counts, each.judged, each.stale])]
        for each in told
    ]  # fmt: skip
    return table(["model", *VALUES, "`judged` ↑", "stale"], rows)


class Step(NamedTuple):
    """An adapter against the model below it, over the cases that were judged of both."""

    on: str
    model: str
    cases: int
    better: int
    same: int
    worse: int


def steps(of_models: dict[str, Judged], adapters: dict[str, Any]) -> list[Step]:
    """Return each adapter's step from the model below it; none without cases judged of both.

    adapters: the section of params.yaml
    """
    told = []
    for model, on in ((each["name"], each["on"]) for each in adapters.values()):
        if model not in of_models or on not in of_models:
            continue
        after, before = of_models[model].held, of_models[on].held
        pairs = [
            (VALUES[before[row]["verdict"]], VALUES[after[row]["verdict"]])
            for row in after.keys() & before.keys()
        ]
        if pairs:
            better = sum(later > earlier for earlier, later in pairs)
            worse = sum(later < earlier for earlier, later in pairs)
            same = len(pairs) - better - worse
            told.append(Step(on, model, len(pairs), better, same, worse))
    return told


def changes(told: list[Step]) -> list[str]:
    """Return the table of the steps."""
    rows = [
        [f"{escape(each.on)} → {escape(each.model)}", *map(number, each[2:])]
        for each in told
    ]  # fmt: skip
    head = ["before → after", "cases", "better", "same", "worse"]
    return table(head, rows) if rows else []


def excerpt(text: str) -> str:
    """Return the beginning of a text for a cell."""
    text = " ".join(text.split())
    return escape(text[:EXCERPT]) + ("…" if len(text) > EXCERPT else "")


def said(case: Case, model: str) -> str:
    """Return the verdict on a model's answer, in a word."""
    return case.verdicts[model]["verdict"] if model in case.verdicts else NONE


def overview(cases: list[Case], models: list[str]) -> list[str]:
    """Return the table of verdicts, a row a case and a column a model."""
    rows = [
        [excerpt(case.prompt), *(said(case, model) for model in models)]
        for case in cases
    ]  # fmt: skip
    return table(["case", *map(escape, models)], rows, left=1 + len(models))


def told(case: Case, models: list[str]) -> list[str]:
    """Return one case: the prompt, the reference, each model's answer with its verdict and why."""
    lines = [f"### {excerpt(case.prompt)}", "", "**Prompt**", "", *fenced(case.prompt)]
    lines += ["**Reference**", "", *fenced(case.reference)]
    for model in models:
        if model not in case.answers:
            continue
        note = case.verdicts[model]["note"] if model in case.verdicts else ""
        why = f": {escape(note)}" if note.strip() else ""
        lines += [f"**{escape(model)}** · {said(case, model)}{why}", ""]
        lines += fenced(case.answers[model]["text"])
    return lines


def stale(
    verdicts: list[Verdict], of_models: dict[str, Judged], answers: dict[str, list[Answer]]
) -> list[tuple[Verdict, str]]:
    """Return the verdicts that count for nothing, and why."""
    found = [(each, "no such model") for each in verdicts if each["model"] not in answers]
    for model, of_model in of_models.items():
        rows = {answer["row"] for answer in answers[model]}
        for each in of_model.stale:
            found.append((each, "another answer" if each["row"] in rows else "no such row"))
    return found


def stale_table(found: list[tuple[Verdict, str]]) -> list[str]:
    """Return the table of what counts for nothing; none: no lines."""
    if not found:
        return []
    rows = [
        [
            escape(each["model"]), excerpt(each["prompt"]), excerpt(each["answer"]),
            each["verdict"], why,
        ]
        for each, why in found
    ]  # fmt: skip
    head = ["model", "case", "the text that was judged", "verdict", "now"]
    lines = [f"### Stale verdicts: {len(rows)}", "", *STALE.split("\n")]
    return lines + table(head, rows, left=len(head))


def section(
    verdicts: list[Verdict],
    answers: dict[str, list[Answer]],
    adapters: dict[str, Any],
    recipe: str,
) -> list[str]:
    """Return the part's lines of Markdown; none where no answer was ever judged.

    answers:  model's name -> all of its answers, in the order of params.yaml
    adapters: the section of params.yaml
    """
    if not verdicts:
        return []
    of_models = {model: judged(verdicts, model, of) for model, of in answers.items()}
    cases = cases_of(of_models, answers)
    models = [model for model in answers if of_models[model].held]
    lines = ["## Judged by hand", "", *HOW_TO_READ.format(recipe=escape(recipe)).split("\n")]
    if cases:
        lines += counts(counted(of_models)) + changes(steps(of_models, adapters))
        lines += overview(cases, models)
        for case in cases:
            lines += told(case, models)
    return lines + stale_table(stale(verdicts, of_models, answers))
