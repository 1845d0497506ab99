"""Ask one teacher one question as often as it helps, and give up when it does not.

A question that is given up is an error of its row; the others go on. That nobody is answered is a
fault of the account, the server or the settings, and stops everything before it is tried 100,000
times.
"""

import asyncio
from collections import Counter
from contextlib import suppress

from stages.core.asking.client import Answer, Teacher
from stages.core.asking.completion import filtered
from stages.core.asking.dialogue import Question
from stages.core.asking.verdict import FILTERED, Verdict, judge
from stages.core.errors import TeacherError

SEVERAL = 8  # questions given up before the first answer: it is not the questions
REFUSALS = 3  # 429 in a row, at least, without an answer in between or anything on its way
NAP_S = 0.1


class Persistence:
    """How one teacher's questions are asked, and how that goes.

    stopped: once set, nothing is sent any more
    """

    def __init__(self, teacher: Teacher, stopped: asyncio.Event) -> None:
        self.teacher = teacher
        self.stopped = stopped
        self._most = teacher.settings["max_retries"]
        self._given_up: list[Verdict] = []  # since the last answer
        self._doubted = False  # nobody was answered yet, and several were given up
        self._said: set[str] = set()
        self._probing = asyncio.Lock()

    async def ask(self, question: Question) -> Answer | str | None:
        """Return the answer, why there is none, or None when all was stopped before there was one.

        Raises: TeacherError when no request would be answered.
        """
        teacher, failures = self.teacher, 0
        while True:
            outcome = await self._once(question)
            if outcome is None or isinstance(outcome, Answer):
                return outcome
            verdict, news = outcome
            if verdict.remedy == "account":
                raise teacher.error(f"{verdict.kind}: {verdict.detail}")
            if verdict.remedy == "row":
                reason = self._give_up(verdict)
                return Answer(filtered(question.model), 0.0) if reason == FILTERED else reason
            # What was refused along with another one counts there.
            failures += news
            if failures > self._most:
                return self._give_up(verdict)
            self._check_refusals(verdict)
            if self.stopped.is_set():
                return None
            teacher.tally[f"retried_{verdict.kind}"] += 1
            if not verdict.throttled:  # for those the limiter waits
                with suppress(TimeoutError):  # the pause is over, and nobody stopped us
                    pause_s = teacher.pause_s(failures - 1, verdict.wait_s)
                    await asyncio.wait_for(self.stopped.wait(), pause_s)

    def conclude(self) -> None:
        """Look back when there is nothing left to ask.

        Raises: TeacherError when there was no answer, and it was not for the questions.
        """
        if not self.teacher.proven and self._given_up:
            last = self._given_up[-1]
            if all(each.remedy == "retry" for each in self._given_up):
                raise self._nobody(last)

    async def _once(self, question: Question) -> Answer | tuple[Verdict, bool] | None:
        """Ask once; as long as it is not known how a schema is taken, alone, and maybe again."""
        dialect = self.teacher.dialect
        if question.schema is None or dialect.settled:
            return await self._send(question)
        async with self._probing:
            while not dialect.settled:
                outcome = await self._send(question)
                if outcome is None or isinstance(outcome, Answer):
                    return outcome
                verdict, _ = outcome
                if self._tell(dialect.named(question, verdict)):
                    self.teacher.tally[f"retried_{verdict.kind}"] += 1
                    continue
                if not dialect.declined(verdict):
                    return outcome
                self.teacher.tally[f"retried_{verdict.kind}"] += 1
                bare = await self._send(question, bare=True)
                if isinstance(bare, Answer):
                    self._tell(dialect.doubted(verdict))
                return bare
        return await self._send(question)

    async def _send(
        self, question: Question, bare: bool = False
    ) -> Answer | tuple[Verdict, bool] | None:
        """Send a question when the limits let it pass.

        Returns: the answer; a verdict, and whether it is news; None when all was stopped before
        """
        teacher = self.teacher
        while True:
            while self._doubted and not self.stopped.is_set():
                await asyncio.sleep(NAP_S)
            sent = await teacher.limits.enter(question, self.stopped)
            if sent is None:
                return None
            body = teacher.body(question, bare)
            try:
                answer = await teacher.attempt(question, body)
            except Exception as error:
                verdict = judge(error)
            else:
                teacher.limits.succeeded(sent, answer.reply, answer.ahead_s)
                self._answered(answer, "response_format" in body)
                return answer
            news = True
            if verdict.throttled and verdict.remedy == "retry":
                news = teacher.limits.throttled(sent, verdict.wait_s)
            else:
                teacher.limits.failed(sent)
            self._check_doubt(verdict)
            said = teacher.dialect.other_limit(body, verdict)
            if said is None:
                return verdict, news
            teacher.tally[f"retried_{verdict.kind}"] += 1
            self._tell(said)

    def _answered(self, answer: Answer, with_schema: bool) -> None:
        teacher, reply = self.teacher, answer.reply
        teacher.tally["answered"] += 1
        teacher.tally["usd_e9"] += round(1e9 * (reply["cost_usd"] or 0.0))
        teacher.proven = True
        self._doubted = False
        self._given_up.clear()
        if with_schema:
            ended = reply["finish_reason"] in ("stop", "unknown")
            self._tell(teacher.dialect.accepted(reply["text"] if ended else None))

    def _give_up(self, verdict: Verdict) -> str:
        """Give a question up; return the reason, the same in every run.

        The server's words are told, once a kind: they may hold what differs from run to run.
        """
        teacher = self.teacher
        self._given_up.append(verdict)
        if verdict.detail and verdict.kind not in self._said:
            self._said.add(verdict.kind)
            self._tell(f"does not answer a question ({verdict.kind}): {verdict.detail}")
        count = len(self._given_up)
        if not teacher.proven:
            kinds = Counter(each.kind for each in self._given_up)
            self._doubted = self._doubted or max(kinds.values()) >= SEVERAL
            self._check_doubt(verdict)
        elif count >= max(SEVERAL, teacher.limits.max_in_flight):
            tried = [each for each in self._given_up if each.remedy == "retry"]
            if len(tried) == count:
                raise teacher.error(
                    f"has not answered the last {count} questions; last: "
                    f"{verdict.kind} {verdict.detail}".rstrip()
                )
        return verdict.kind

    def _check_doubt(self, verdict: Verdict) -> None:
        """Stop when nobody was answered, several were given up and nothing is on its way."""
        if self._doubted and not self.teacher.limits.in_flight:
            raise self._nobody(self._given_up[-1])

    def _check_refusals(self, verdict: Verdict) -> None:
        limits = self.teacher.limits
        if limits.pace.refusals > max(self._most, REFUSALS) and not limits.in_flight:
            raise self.teacher.error(
                f"answers nothing but {verdict.kind}, {limits.pace.refusals} times in a row, "
                f"however long it is left alone: {verdict.detail}"
            )

    def _nobody(self, verdict: Verdict) -> TeacherError:
        count = len(self._given_up)
        return self.teacher.error(
            f"has not answered once, {count} questions were given up; last: "
            f"{verdict.kind} {verdict.detail}".rstrip()
        )

    def _tell(self, what: str | None) -> bool:
        """Tell what is to be told; return whether there was something to know."""
        if what:
            self.teacher.say(what)
        return what is not None
