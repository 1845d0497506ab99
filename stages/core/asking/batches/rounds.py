"""Ask through the Batch API: half the price, within a day. In rounds, until nothing is pending.

pending questions ─ a file of each teacher ─ upload ─ batch ─ poll ─ results ─ the journal ─┐
        └──────────────────────── re-asks, and what was not answered ───────────────────────┘

Nothing is handed in twice: see `submitted.py`. A question of a batch that is not collected yet is
in no other one.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from stages.core import entry
from stages.core.asking.batches.desk import Desk
from stages.core.asking.budget import Budget
from stages.core.asking.client import Teacher
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.journal import Journal
from stages.core.errors import Fault, TeacherError


@contextmanager
def told(desk: Desk) -> Iterator[None]:
    """Say where the questions are, when Ctrl-C or SIGTERM ends the waiting."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        if task is not None:
            task.cancel()

    with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        yield
    except asyncio.CancelledError:
        if batches := ", ".join(sorted(made.batch or "a batch" for made in desk.under_way)):
            left = f"left at the provider: {batches}; the same command collects what is there"
            entry.say("generate", left)
        if terminated.is_set():
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGTERM)


async def ask_in_batches(
    requests: Callable[[], Iterator[dict[str, Any]]],
    dialogue: Dialogue,
    teachers: dict[str, Teacher],
    journal: Journal,
    settings: dict[str, Any],
    budget: Budget,
) -> dict[str, str]:
    """Ask whatever is pending; return the errors by request id.

    requests: starts to read the requests anew
    Raises: TeacherError when a teacher refuses us or a batch; what has arrived is kept
    """
    desk = Desk(dialogue, teachers, journal, settings, budget)
    with told(desk):
        await desk.take_up(requests())
        while True:
            errors = await desk.hand_in(requests())
            waited = any(made.wanted for made in desk.under_way)
            await desk.collect()
            if not waited:
                break
    budget.exhausted |= "over_budget" in errors.values()
    return errors


async def collect_ended(
    requests: Callable[[], Iterator[dict[str, Any]]],
    dialogue: Dialogue,
    teachers: dict[str, Teacher],
    journal: Journal,
    settings: dict[str, Any],
    budget: Budget,
) -> None:
    """Take in the batches that have ended, before questions are asked live.

    Raises: TeacherError while a batch has questions that would be paid for twice.
    """
    desk = Desk(dialogue, teachers, journal, settings, budget)
    await desk.take_up(requests())
    await desk.collect(patient=False)
    faults = [
        Fault(
            f"teacher {made.teacher}",
            f"{len(made.questions)} questions are on their way in {made.batch}",
            then="set generate.mode: batch, which waits for them, or cancel it at the provider; "
            "then run the same command again",
        )
        for made in desk.under_way
        if made.wanted
    ]
    if faults:
        raise TeacherError(*faults)
