"""When the next request may be sent: one limiter for all workers of a teacher.

requests_per_minute ─┐
tokens_per_minute ───┼─ enter ─ request ─┬─ succeeded   (corrects the estimate of tokens)
pace (stages.core.asking.pace) ┘            ├─ throttled   (all wait for what the server asks)
                                         └─ failed
Workers pass one after the other, in the order in which they came. How many are in flight is bounded
by how many workers there are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from stages.core.asking.dialogue import Question
from stages.core.asking.pace import Pace, Sent

NAP_S = 0.25  # how long a worker sleeps before it looks whether all has been stopped
SOON_S = 1e-6  # less than a clock can tell
BURST_S = 0.1  # how much of a minute's allowance may be sent at once
CHARACTERS_PER_TOKEN = 4.0  # before the first reply has told
LEARNING = 0.05  # how much of the mean the newest reply makes


class Allowance:
    """So many of something per minute, spread evenly.

    What is taken may exceed what is there: the debt is waited off before the next. So a request
    that is larger than the allowance of a moment is sent all the same, and the mean is kept.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_second = per_minute / 60
        self._level = 0.0
        self._at = now

    def wait_s(self, now: float) -> float:
        """Return how long nothing may be taken."""
        self._fill(now)
        return max(0.0, -self._level / self.per_second)

    def take(self, amount: float, now: float) -> None:
        """Take some; a negative amount gives back."""
        self._fill(now)
        self._level -= amount

    def _fill(self, now: float) -> None:
        most = max(self._level, self.per_second * BURST_S)
        self._level = min(most, self._level + (now - self._at) * self.per_second)
        self._at = now


class Limits:
    """The limits of one teacher.

    in_flight: requests that were sent and have not come back
    paused_s:  how long a server's refusals have kept everyone waiting, in all
    """

    def __init__(
        self,
        max_in_flight: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_tokens: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.pace = Pace(max_in_flight, clock())
        self._requests = requests_per_minute and Allowance(requests_per_minute, clock())
        self._tokens = tokens_per_minute and Allowance(tokens_per_minute, clock())
        self._per_token = CHARACTERS_PER_TOKEN
        self._completion = float(max_tokens)
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def enter(self, question: Question, stopped: asyncio.Event) -> Sent | None:
        """Wait until a question may be sent; None when all was stopped before.

        What is returned has to be handed to `succeeded`, `throttled` or `failed`.
        """
        async with self._turn:  # asyncio's locks are fair
            while not stopped.is_set():
                now = self._clock()
                wait_s = self._wait_s(now)
                if wait_s <= SOON_S:
                    return self._send(question, now)
                await self._sleep(min(wait_s, NAP_S))
        return None

    def succeeded(self, sent: Sent, reply: dict[str, Any], ahead_s: float | None) -> None:
        """Take in an answer: what it used, and how long to hold back now, where it says so."""
        self.in_flight -= 1
        now = self._clock()
        self.pace.succeeded(sent, ahead_s, now)
        prompt, completion = reply["prompt_tokens"], reply["completion_tokens"]
        if self._tokens and isinstance(prompt, int) and isinstance(completion, int):
            self._tokens.take(prompt + completion - sent.tokens, now)
            if prompt > 0 and sent.characters:
                self._per_token += LEARNING * (sent.characters / prompt - self._per_token)
            self._completion += LEARNING * (completion - self._completion)

    def throttled(self, sent: Sent, asked_s: float | None) -> bool:
        """Take in a refusal for now; tell whether it is news, not one of those before a cut."""
        self.failed(sent)
        return self.pace.throttled(sent, asked_s, self._clock())

    def failed(self, sent: Sent) -> None:
        """Take in that there is no answer; what was reserved in tokens is given back."""
        self.in_flight -= 1
        if self._tokens:
            self._tokens.take(-sent.tokens, self._clock())

    def _wait_s(self, now: float) -> float:
        wait_s = self.pace.wait_s(now)
        for allowance in (self._requests, self._tokens):
            if allowance:
                wait_s = max(wait_s, allowance.wait_s(now))
        return wait_s

    def _send(self, question: Question, now: float) -> Sent:
        self.in_flight += 1
        characters, tokens = 0, 0.0
        if self._requests:
            self._requests.take(1.0, now)
        if self._tokens:
            characters = sum(len(each["content"]) for each in question.messages)
            tokens = characters / self._per_token + self._completion
            self._tokens.take(tokens, now)
        return self.pace.sent(now, characters, tokens)
