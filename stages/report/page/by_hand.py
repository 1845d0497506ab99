"""What people said of the answers, one by one and in pairs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from stages.core.verdicts import VALUES, judged
from stages.core.visible import visible
from stages.report.build import Build
from stages.report.page.frame import render
from stages.report.preferences import WORDS, Held, compared, matrix, turns
from stages.report.preferences import said as of_pair
from stages.report.verdicts import NONE, Case, cases_of, counted, said, stale, steps

TITLE = "Judged by hand"
MOST = 40  # cases, and pairs, that are shown; metrics/report.md has all
LONGEST = 4_000  # characters that are shown of a text


class Text(NamedTuple):
    """A text to show, and how many of its characters are not shown."""

    shown: str
    cut: int


class Given(NamedTuple):
    """One answer and what was said of it; of a pair's second answer, nothing.

    against: what follows `said` where it is of a pair: than whom, as whom
    """

    model: str
    said: str
    note: str
    text: Text
    against: str = ""


class Shown(NamedTuple):
    """A prompt with what stood before it or should have come, and the answers.

    aside: the reference, or the turns before the prompt; "" for none
    """

    prompt: Text
    aside: Text
    given: list[Given]


def text(value: str) -> Text:
    """Return a text as the page shows it."""
    whole = visible(value)
    return Text(whole[:LONGEST], max(0, len(whole) - LONGEST))


def of_case(case: Case, models: Sequence[str]) -> Shown:
    """Return one case with the answers of the models that were judged."""
    given = [
        Given(
            model,
            said(case, model),
            case.verdicts[model]["note"] if model in case.verdicts else "",
            text(case.answers[model]["text"]),
        )
        for model in models
        if model in case.answers
    ]
    return Shown(text(case.prompt), text(case.reference), given)


def of_held(each: Held) -> Shown:
    """Return one pair, the later model's answer first."""
    said, *against = WORDS[each.own.value].rsplit(" ", 1)
    whom = " ".join(["", *against, each.other.model])
    given = [
        Given(each.own.model, said, each.pair["note"], text(each.own.answer), whom),
        Given(each.other.model, "", "", text(each.other.answer)),
    ]
    return Shown(text(each.pair["prompt"]), text(turns(each.pair)), given)


def part(build: Build) -> Markup:
    """Return the part; nothing where nobody judged anything."""
    found = build.preferences
    if not (build.verdicts or found.held or found.stale):
        return Markup("")
    of_models = {model: judged(build.verdicts, model, of) for model, of in build.answers.items()}
    cases = cases_of(of_models, build.answers)
    models = [model for model in build.answers if of_models[model].held]
    of_adapters: dict[str, Any] = build.params["adapters"]
    return render(
        "by_hand.html",
        recipe=build.params["recipe"],
        names=build.names,
        values=list(VALUES),
        none=NONE,
        counts=counted(of_models),
        steps=steps(of_models, of_adapters),
        cases=[of_case(case, models) for case in cases[:MOST]],
        cases_in_all=len(cases),
        stale=stale(build.verdicts, of_models, build.answers),
        tallies=found.tallies,
        compared=compared(found.tallies, build.names),
        matrix=matrix(found.tallies),
        pairs=[of_held(each) for each in found.held[:MOST]],
        pairs_in_all=len(found.held),
        stale_pairs=[(pair, of_pair(pair), why) for pair, why in found.stale],
    )
