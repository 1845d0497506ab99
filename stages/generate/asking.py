"""Ask live: a fixed pool of workers over one iterator of requests, in flat memory."""

import asyncio
from collections.abc import Iterator
from typing import Any

from stages.core.errors import TeacherError
from stages.generate.budget import Budget
from stages.generate.client import Teacher
from stages.generate.dialogue import Dialogue
from stages.generate.journal import Journal

SYNC_S = 1.0


async def ask_all(
    requests: Iterator[dict[str, Any]],
    dialogue: Dialogue,
    teachers: dict[str, Teacher],
    journal: Journal,
    settings: dict[str, Any],
    budget: Budget,
) -> dict[str, str]:
    """Ask whatever is pending; return the errors by request id.

    Every reply is in the journal the moment it arrives. When a teacher refuses us, nothing more is
    sent, what is on its way is waited for, and then the refusal is raised.
    """
    errors: dict[str, str] = {}
    refusals: list[TeacherError] = []
    stopped = asyncio.Event()

    async def answered(request: dict[str, Any]) -> None:
        while (question := dialogue.pending(request)) and not stopped.is_set():
            held = budget.reserve(question)
            if held is None:
                budget.exhausted = True
                errors[request["id"]] = "over_budget"
                stopped.set()
                return
            reply = await teachers[question.teacher].ask(question, stopped)
            if isinstance(reply, str):
                budget.settle(held, 0.0)
                errors[request["id"]] = reply
                return
            journal.append(question.name, settings["max_tokens"], reply)
            budget.settle(held, reply["cost_usd"])

    async def worker() -> None:
        for request in requests:
            try:
                await answered(request)
            except TeacherError as refusal:
                refusals.append(refusal)
                stopped.set()
            if stopped.is_set():
                return

    async def sync() -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await asyncio.to_thread(journal.sync)

    workers = [asyncio.create_task(worker()) for _ in range(settings["max_in_flight"])]
    syncing = asyncio.create_task(sync())
    try:
        # A full disk ends one worker, and with it all: what cannot be kept must not be asked for.
        await asyncio.gather(*workers)
    finally:
        for task in (*workers, syncing):
            task.cancel()
        await asyncio.gather(*workers, syncing, return_exceptions=True)
    if refusals:
        raise refusals[0]
    return errors
