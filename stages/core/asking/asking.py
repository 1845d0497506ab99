"""Ask live: workers for each teacher over one iterator of requests, in flat memory.

requests ─ Ahead ─┬─ workers of teacher a ─ limits ─ HTTP ─┬─ the journal
                  └─ workers of teacher b ─ limits ─ HTTP ─┘
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from stages.core.asking.budget import Budget
from stages.core.asking.client import Answer, Teacher
from stages.core.asking.dialogue import Dialogue, Question
from stages.core.asking.journal import Journal
from stages.core.asking.persistence import Persistence
from stages.core.errors import TeacherError

SYNC_S = 1.0
AHEAD = 1000  # requests of other teachers that are read past


class Ahead:
    """The requests, for each teacher by itself.

    Requests of a teacher who is kept waiting are put by, so that the others' go on; not more than
    `AHEAD`, so that memory does not grow.
    """

    def __init__(self, requests: Iterator[dict[str, Any]], teachers: list[str]) -> None:
        self._requests = requests
        self._put_by: dict[str, deque[dict[str, Any]]] = {name: deque() for name in teachers}
        self._count = 0
        self._closed = False
        self._room = asyncio.Event()

    async def next(self, teacher: str) -> dict[str, Any] | None:
        """Return the teacher's next request, or None when there is none, or after `close`."""
        own = self._put_by[teacher]
        while not own and not self._closed:
            if self._count >= AHEAD:
                self._room.clear()
                await self._room.wait()
                continue
            request = next(self._requests, None)
            if request is None:
                return None
            self._put_by[request["teacher"]].append(request)
            self._count += 1
        if self._closed:
            return None
        self._count -= 1
        self._room.set()
        return own.popleft()

    def close(self) -> None:
        """Give out no more."""
        self._closed = True
        self._room.set()


class Purse:
    """The budget, for workers who wait until others have paid less than was held for them."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0
        self._settled = asyncio.Event()

    async def reserve(self, question: Question, stopped: asyncio.Event) -> float | None:
        """Hold back what a question can cost; None when it does not fit, whatever the others cost.

        Then the budget is exhausted: nothing more is sent, what is on its way is waited for.
        """
        while not (self._budget.exhausted or stopped.is_set()):
            held = self._budget.reserve(question)
            if held is not None:
                self._held += 1
                return held
            if not self._held:
                self._budget.exhausted = True
                self.wake()
                break
            self._settled.clear()
            await self._settled.wait()
        return None

    def settle(self, held: float, cost_usd: float | None) -> None:
        """Give back what was held and count what it did cost."""
        self._held -= 1
        self._budget.settle(held, cost_usd)
        self.wake()

    def wake(self) -> None:
        """Let those look again who wait for others to settle."""
        self._settled.set()


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
    ahead, purse = Ahead(requests, list(teachers)), Purse(budget)
    asked = {name: Persistence(teacher, stopped) for name, teacher in teachers.items()}

    def stop() -> None:
        stopped.set()
        ahead.close()
        purse.wake()

    async def answered(request: dict[str, Any]) -> None:
        while question := dialogue.pending(request):
            held = await purse.reserve(question, stopped)
            if held is None:
                if budget.exhausted:
                    ahead.close()
                    errors[request["id"]] = "over_budget"
                return
            cost_usd: float | None = 0.0
            try:
                outcome = await asked[question.teacher].ask(question)
                if isinstance(outcome, Answer):
                    cost_usd = outcome.reply["cost_usd"]
                    seconds = outcome.seconds or None
                    journal.append(question.name, settings["max_tokens"], outcome.reply, seconds)
            finally:
                purse.settle(held, cost_usd)
            if not isinstance(outcome, Answer):
                if outcome is not None:
                    errors[request["id"]] = outcome
                return

    async def worker(teacher: str) -> None:
        while request := await ahead.next(teacher):
            try:
                await answered(request)
            except TeacherError as refusal:
                refusals.append(refusal)
                stop()

    async def sync() -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await asyncio.to_thread(journal.sync)

    workers = [
        asyncio.create_task(worker(name))
        for name, teacher in teachers.items()
        for _ in range(teacher.limits.max_in_flight)
    ]
    syncing = asyncio.create_task(sync())
    try:
        # A full disk ends one worker, and with it all: what cannot be kept must not be asked for.
        await asyncio.gather(*workers)
    finally:
        for task in (*workers, syncing):
            task.cancel()
        await asyncio.gather(*workers, syncing, return_exceptions=True)
    if not refusals and not budget.exhausted:
        for each in asked.values():
            try:
                each.conclude()
            except TeacherError as refusal:
                refusals.append(refusal)
    if refusals:
        raise refusals[0]
    return errors
