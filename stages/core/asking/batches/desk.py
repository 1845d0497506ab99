"""Where batches are handed in and collected; what they bring goes into the journal."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from time import time
from typing import TYPE_CHECKING, Any

from stages.core import entry
from stages.core.asking.batches.api import ENDED, BatchApi
from stages.core.asking.batches.drafts import Draft, spell
from stages.core.asking.batches.fates import Fates
from stages.core.asking.batches.submitted import Submitted, accept, close, intend, submitted
from stages.core.asking.budget import Budget
from stages.core.asking.client import Teacher
from stages.core.asking.completion import filtered
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.journal import Journal
from stages.core.asking.verdict import FILTERED, Verdict
from stages.core.errors import Fault, TeacherError

if TYPE_CHECKING:
    from openai.types import Batch

POLL_S, POLL_MOST_S = 3.0, 60.0
FORGOTTEN_S = 48 * 3600  # so old, a batch that the server does not know has no replies to give
FULL = "token_limit_exceeded"  # too much is waiting at the server: less when a batch has ended


class Desk:
    """Where batches are handed in and collected.

    under_way: the batches that are not collected yet
    collected: the server's names of those that are
    fates:     what became of questions that a batch did not answer
    """

    def __init__(
        self,
        dialogue: Dialogue,
        teachers: dict[str, Teacher],
        journal: Journal,
        settings: dict[str, Any],
        budget: Budget,
    ) -> None:
        self.dialogue = dialogue
        self.teachers = teachers
        self.apis = {name: BatchApi(teacher) for name, teacher in teachers.items()}
        self.journal = journal
        self.settings = settings
        self.budget = budget
        self.fates = Fates()
        self.under_way, self.collected = submitted(journal)
        self._held: dict[str, float] = {}

    async def take_up(self, requests: Iterator[dict[str, Any]]) -> None:
        """Find out which of the noted batches the servers have, and which the recipe wants."""
        for made in list(self.under_way):
            teacher = self.teachers.get(made.teacher)
            if made.offline:
                self._close(made, "lost")
            elif teacher is None or teacher.entry["base_url"] == "offline":  # another recipe's
                self.under_way.remove(made)
            elif made.batch is None:
                if found := await self.apis[made.teacher].find(made.digest, self.collected):
                    accept(self.journal, made, found.id)
                else:
                    self._close(made, "not begun")
        if self.under_way:
            inside = self._inside()
            for question in filter(None, map(self.dialogue.pending, requests)):
                if made := inside.get(question.name):
                    made.wanted = True
                    self._held[question.name] = held = self.budget.most_usd(question)
                    self.budget.held_usd += held

    async def hand_in(self, requests: Iterator[dict[str, Any]]) -> dict[str, str]:
        """Hand in what is pending, as far as the budget goes.

        Returns why requests were left out, by their ids: they are given up, or the first that was
        too dear.
        """
        left_out: dict[str, str] = {}
        inside = self._inside()
        too_dear = False
        with ExitStack() as stack:
            drafts: dict[str, Draft] = {}
            for request in requests:
                question = self.dialogue.pending(request)
                if question is None:
                    continue
                self.fates.asked[question.teacher] = question
                if question.name in inside:
                    continue
                if fault := self.fates.given_up.get(question.name):
                    left_out[request["id"]] = fault
                    continue
                held = None if too_dear else self.budget.reserve(question)
                if held is None:
                    if not too_dear:
                        left_out[request["id"]] = "over_budget"
                    too_dear = True
                    continue
                if held:
                    self._held[question.name] = held
                body = self.teachers[question.teacher].body(question)
                line = spell(question.name, body)
                draft = drafts.get(question.teacher)
                if draft is None or not draft.has_room(line):
                    if draft is not None:
                        await self._submit(question.teacher, draft)
                    draft = drafts[question.teacher] = Draft()
                    stack.callback(draft.file.close)
                draft.add(question.name, line)
            for name, draft in drafts.items():
                await self._submit(name, draft)
        return left_out

    async def collect(self, patient: bool = True) -> None:
        """Take in every batch that has ended; wait for those with questions of the recipe.

        patient: wait; else look once
        """
        from tqdm import tqdm

        total, pause_s = sum(len(made.questions) for made in self.under_way), POLL_S
        with tqdm(total=total, desc="generate", unit=" replies", disable=None, leave=False) as bar:
            while True:
                for made in list(self.under_way):
                    if (made.wanted or not made.seen) and await self._look(made):
                        pause_s = POLL_S
                bar.n = total - sum(len(m.questions) - m.answered for m in self.under_way)
                bar.refresh()
                if not patient or not any(made.wanted for made in self.under_way):
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(1.5 * pause_s, POLL_MOST_S)

    def _inside(self) -> dict[str, Submitted]:
        return {name: made for made in self.under_way for name in made.questions}

    async def _submit(self, name: str, draft: Draft) -> None:
        """Make one batch of a file, whatever happens on the way."""
        api, teacher = self.apis[name], self.teachers[name]
        file = await api.upload(draft.file)
        draft.file.close()
        limit, offline = self.settings["max_tokens"], teacher.entry["base_url"] == "offline"
        made = intend(self.journal, name, draft.names, limit, offline)
        accept(self.journal, made, (await api.create(file, made.digest, self.collected)).id)
        made.wanted = True
        self.under_way.append(made)
        teacher.tally["asked"] += len(draft.names)
        entry.say("generate", f"{len(draft.names)} questions to {name}, as {made.batch}")

    async def _look(self, made: Submitted) -> bool:
        """Ask how far a batch is and take it in if it has ended; return whether it has."""
        teacher = self.teachers[made.teacher]
        batch = await self.apis[made.teacher].retrieve(str(made.batch), patient=made.seen)
        made.seen = True
        if batch is None:
            self._forget(teacher, made)
            return True
        if counts := batch.request_counts:
            made.answered = (counts.completed or 0) + (counts.failed or 0)
        if batch.status not in ENDED:
            return False
        await self._take_in(teacher, made, batch)
        return True

    async def _take_in(self, teacher: Teacher, made: Submitted, batch: "Batch") -> None:
        """Journal what a batch has brought. What it has not is handed in again, or given up.

        Raises: TeacherError when it, or one of its questions, tells that the account is refused.
        """
        missing = {each for each in made.questions if not self.journal.has(each, made.max_tokens)}
        faults: dict[str, Verdict] = {}

        def take(name: str, outcome: dict[str, Any] | Verdict) -> None:
            if name not in missing:
                return
            missing.discard(name)
            if isinstance(outcome, Verdict) and outcome.kind == FILTERED:
                outcome = filtered(teacher.entry["model"])
            if isinstance(outcome, Verdict):
                faults[name] = outcome
                return
            self.journal.append(name, made.max_tokens, outcome)
            self._settle(name, outcome["cost_usd"])
            teacher.tally["answered"] += 1
            teacher.tally["usd_e9"] += round(1e9 * (outcome["cost_usd"] or 0.0))

        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            if not await self.apis[made.teacher].results(file, take):
                self._forget(teacher, made)
                return
        self._close(made, batch.status)
        if batch.status == "failed":
            self._refused(teacher, batch, len(missing))
            return
        answered = len(made.questions) > len(missing) + len(faults)
        faults |= dict.fromkeys(missing, Verdict("retry", f"batch_{batch.status}"))
        self.fates.deal_with(teacher, faults, answered)

    def _refused(self, teacher: Teacher, batch: "Batch", count: int) -> None:
        """Raise TeacherError, unless the server has only too much waiting at this time."""
        wrong = (batch.errors and batch.errors.data) or []
        others = any(made.teacher == teacher.entry["name"] for made in self.under_way)
        if FULL in {each.code for each in wrong} and others:
            return  # handed in again when the others have ended
        said = "; ".join(f"{each.code}: {each.message}" for each in wrong[:3]) or "it does not say"
        what = f"the batch {batch.id} of {count} questions was refused: "
        raise teacher.error(what + said[:1000])

    def _settle(self, name: str, cost_usd: float | None) -> None:
        if name in self._held:  # else another recipe's
            self.budget.settle(self._held.pop(name), cost_usd)

    def _close(self, made: Submitted, status: str) -> None:
        close(self.journal, made, status)
        self.collected |= {made.batch} - {None}
        self.under_way.remove(made)
        for name in made.questions:
            self._settle(name, 0.0)

    def _forget(self, teacher: Teacher, made: Submitted) -> None:
        """Have done with an old batch that the server does not know, or whose results it lost.

        Raises: TeacherError for one whose replies, which are paid for, may still be somewhere.
        """
        if time() - made.at > FORGOTTEN_S:
            self._close(made, "forgotten")
            return
        where = teacher.redacted(teacher.entry["base_url"] or "OpenAI")
        raise TeacherError(
            Fault(
                f"teacher {made.teacher} (at {where})",
                f"does not know {made.batch}, in which {len(made.questions)} questions were sent, "
                "or has lost its results",
                then="use the base_url and the key that sent it; two days after it was sent it is "
                "given up, and its questions are asked again",
            )
        )
