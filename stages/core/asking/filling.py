"""Fill the journal with what it lacks: what is checked, told and held around the asking."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.asking import ask_all
from stages.core.asking.batches.rounds import ask_in_batches, collect_ended
from stages.core.asking.batches.submitted import submitted
from stages.core.asking.budget import Budget, check_prices
from stages.core.asking.client import Teacher
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.estimate import dollars, summary
from stages.core.asking.opening import offline
from stages.core.asking.requests import keys, lacking
from stages.core.asking.survey import Outlook, survey
from stages.core.asking.unanswered import note, replayed
from stages.core.errors import Fault, TeacherError
from stages.core.jsonl import stream_rows
from stages.core.progress import progress


async def ask_lacking(
    requests: Path,
    truth: Path,
    dialogue: Dialogue,
    params: dict[str, Any],
    wanted: Counter[str],
    budget: Budget,
    tally: Counter[str],
    proven: set[str],
    asker: Asker = GENERATE,
) -> dict[str, str]:
    """Open what is needed, the offline teacher's server too, and ask for what the journal lacks.

    proven: the teachers that have answered some of these requests in an earlier run
    """
    settings = params["generate"]
    found = keys(wanted, params["teachers"], asker)
    async with AsyncExitStack() as stack:
        teachers = {}
        for each in params["teachers"]:
            if each["name"] in found:
                base_url = each["base_url"]
                if base_url == "offline":
                    knowing = offline(requests, truth, params, asker)
                    base_url = await stack.enter_async_context(knowing)
                teacher = Teacher(each, settings, found[each["name"]], base_url, asker)
                teacher.proven = each["name"] in proven
                teachers[each["name"]] = await stack.enter_async_context(teacher)

        def pending() -> Iterator[dict[str, Any]]:
            return (one for one in stream_rows(requests) if dialogue.pending(one))

        journal = dialogue.journal
        try:
            if settings["mode"] == "batch":
                return await ask_in_batches(pending, dialogue, teachers, journal, settings, budget)
            # Of a run in mode batch: nothing is asked twice. Only generate has one.
            if asker is GENERATE and submitted(journal)[0]:
                await collect_ended(pending, dialogue, teachers, journal, settings, budget)
            bar = progress(pending(), asker.stage, "reply", total=wanted.total())
            return await ask_all(iter(bar), dialogue, teachers, journal, settings, budget)
        finally:
            for teacher in teachers.values():
                tally.update(teacher.tally)


def over_budget(
    outlooks: list[Outlook], count: int, budget: Budget, asker: Asker = GENERATE
) -> TeacherError:
    """Say what was spent, how far it went, about how much the rest would cost, and what to do.

    outlooks: as things are now; count: of the requests
    """
    left = sum(one.pending for one in outlooks)
    rest = sum(one.most_usd if one.usd is None else one.usd for one in outlooks)
    what = (
        f"used up: {dollars(budget.spent_usd)} of {dollars(budget.limit_usd)} are spent; "
        f"{count - left:,} of {count:,} requests are answered, the rest costs about {dollars(rest)}"
    )
    then = (
        f"raise it, or set {asker.settings}.on_budget: continue to build with what is there; then "
        "run the same command again: what was paid is kept"
    )
    return TeacherError(Fault(f"params.yaml: {asker.settings}.budget_usd", what, then=then))


def fill(
    requests: Path,
    truth: Path,
    dialogue: Dialogue,
    params: dict[str, Any],
    budget: Budget,
    tally: Counter[str],
    asker: Asker = GENERATE,
) -> dict[str, str]:
    """Ask for what the journal lacks, alone; return the errors by request id.

    Raises: TeacherError when the budget is used up and that is not accepted.
    """
    wanted = lacking(requests, dialogue, asker)
    if not wanted:
        return {}
    errors = replayed(stream_rows(requests), dialogue, params["teachers"], params["generate"])
    if errors is not None:
        alone = "no key, and nothing is lacking but what had no answer before"
        entry.say(asker.stage, f"{alone}: {len(errors)} replies stay without one")
        return errors
    # Before the lock and before a cent: a missing key or price is told now.
    keys(wanted, params["teachers"], asker)
    check_prices(params["generate"], params["teachers"], wanted, asker)
    journal = dialogue.journal
    waiting = "another run is asking and holds the journal; waiting for it to end"
    with journal.locked(lambda: entry.say(asker.stage, waiting)):

        def looked() -> list[Outlook]:
            rows, settings = stream_rows(requests), params["generate"]
            return survey(rows, dialogue, budget, params["teachers"], settings)

        outlooks = looked()
        wanted = Counter({one.name: one.pending for one in outlooks if one.pending})
        if not wanted:  # the run that we waited for has asked it all
            return {}
        budget.spent_usd = sum(one.found_usd for one in outlooks)
        entry.say(asker.stage, summary(outlooks))
        proven = {one.name for one in outlooks if one.found}
        about = requests, truth, dialogue, params, wanted, budget, tally, proven
        asking = ask_lacking(*about, asker)
        try:
            errors = asyncio.run(asking)
            if budget.unknown:
                dearest = "came without a count of tokens; the budget takes the most they can cost"
                entry.say(asker.stage, f"{budget.unknown} replies {dearest}")
            if budget.exhausted and params["generate"]["on_budget"] == "stop":
                count = sum(1 for _ in stream_rows(requests))
                raise over_budget(looked(), count, budget, asker)
            note(stream_rows(requests), dialogue, errors)
            return errors
        except BaseException:
            kept = f"stopped; {journal.appended} replies arrived in this run and are kept"
            entry.say(asker.stage, kept)
            raise
