"""How fast a teacher lets us send, learned from its refusals (429).

Nothing has been refused: the first requests are spread a little, so that a refusal comes before all
are on their way; once there is an answer, the rate doubles until there is no limit but the number
of workers. The first refusal says nothing about the rate that is allowed (a server lets a burst
pass), so the rate is cut to a quarter and doubled every second. From the second one on, the rate is
known from what was let through: of a server that fills a bucket of b requests at R per second,
emptied at the last refusal, a window of T seconds after a pause of P seconds lets
A = R T + min(b, R P) through, so

    R = max((A - b) / T, A / (T + P)),    and from the first window, before it,    b = A₁ - R T₁

and no less than that for every T that ends with the refusal (at first, we may have sent too little
to empty the bucket). A little below that is held for twice as long as it took to find; then it is
exceeded, slowly at first. So the time between two refusals doubles for as long as the limit stays,
and a limit that was lifted is found out.
"""

from collections import deque
from random import Random
from typing import NamedTuple

RAMP_S = 0.4  # over which the first requests are spread, ...
RAMP_LEAST = 80.0  # ... if they are that many per second
OPENING_S = 0.15  # in which the rate doubles then
QUARTER = 0.25
HELD = 0.95  # of the rate that was found
DOUBLE_S = 1.0
SEARCH_S = 4.0
HOLD_S, HOLD_MOST_S = 1.0, 240.0
VALID_S = 60.0  # for which what a window let through is believed
EXCESS = 1.1  # by how much it is exceeded after as much time again; its fourth power after twice
LATE_S = 0.02  # what a late wake-up may catch up
BACKOFF_S, BACKOFF_MOST_S = 0.5, 20.0
LEAST = 1 / 300  # requests per second, however often we are refused
MANY, RISE = 6, 1.5
REMEMBERED = 2048  # times of sending, to find the rate from


def backoff_s(time: int, jitter: Random) -> float:
    """Return how long to wait after the time-th failure (0, 1, ...), where nobody says how long.

    Half of it is random, so that those who failed together do not return together.
    """
    return min(BACKOFF_MOST_S, BACKOFF_S * 2 ** min(time, 16)) * jitter.uniform(0.5, 1.0)


class Sent(NamedTuple):
    """A request on its way.

    number: in the order of sending, from 0
    at:     when, in seconds of the limiter's clock
    rate:   at which requests were sent then
    characters, tokens: of the prompt, and the estimate of what the request takes
    """

    number: int
    at: float
    rate: float
    characters: int = 0
    tokens: float = 0.0


class Window(NamedTuple):
    """The time from one pause to the refusal that ended it.

    at, first: when it began and the number of its first request
    pause_s:   how long the pause before it was
    """

    at: float
    first: int
    pause_s: float


class Pace:
    """The rate of sending.

    refusals: without an answer in between
    """

    def __init__(self, max_in_flight: int, now: float) -> None:
        self.max_in_flight = max_in_flight
        self.refusals = 0
        self._jitter = Random()
        self._count = 0  # requests so far
        self._free = now  # when the next may be sent, by the rate
        self._paused_until = now
        # The rate doubles from `start` to `ceiling`, stays there for `hold_s`, then grows on.
        self._start = self._ceiling = max(max_in_flight / RAMP_S, RAMP_LEAST)
        self._hold_s = float("inf")
        self._holding = False
        self._surprises, self._surprise = 0, -1  # refusals at a rate that was thought to be allowed
        self._open_at: float | None = None
        self._window: Window | None = None
        self._cut_at = float("-inf")
        self._cut_number = 0
        self._opened: tuple[int, float] | None = None  # A₁ and T₁
        # What the last cut was found from: also whether it was the first, and the time held before.
        self._before: tuple[Window, Sent, bool, float] | None = None
        self._let: list[
            tuple[float, float]
        ] = []  # when, and how fast a window let requests through
        self._times: deque[float] = deque(maxlen=REMEMBERED)  # of the last requests

    def rate(self, now: float) -> float:
        """Return the requests per second that may be sent now."""
        if self._opened is None:
            doubled = (now - self._open_at) / OPENING_S if self._open_at else 0.0
            return self._start * 2 ** min(doubled, 60)
        since = now - self._window.at if self._window else 0.0
        if since <= self._hold_s:
            # Doubling takes as long as four requests, where those are slow.
            doubled = since / max(DOUBLE_S, 4 / self._start)
            return min(self._start * 2 ** min(doubled, 60), self._ceiling)
        return self._ceiling * EXCESS ** min(since / self._hold_s - 1, 10) ** 2

    def wait_s(self, now: float) -> float:
        """Return how long nothing may be sent."""
        return max(self._paused_until, self._free) - now

    def sent(self, now: float, characters: int = 0, tokens: float = 0.0) -> Sent:
        """Note that a request is sent now."""
        if self._window is None:
            self._window = Window(now, self._count, now - self._cut_at)
        rate = self.rate(now)
        sent = Sent(self._count, now, rate, characters, tokens)
        self._count += 1
        self._times.append(now)
        self._free = max(self._free, now - LATE_S) + 1 / rate
        return sent

    def succeeded(self, sent: Sent, ahead_s: float | None, now: float) -> None:
        """Note an answer; `ahead_s`: how long it asks to hold back, because a limit is used up."""
        self.refusals = 0
        if ahead_s:
            self._paused_until = max(self._paused_until, now + ahead_s)
        if self._open_at is None and self._count >= self.max_in_flight:
            self._open_at = now

    def throttled(self, sent: Sent, asked_s: float | None, now: float) -> bool:
        """Note a refusal; tell whether it is news.

        All that were on their way when the rate was cut are one signal; what they ask to wait is
        waited for all the same.
        """
        news = sent.number >= self._cut_number
        if news:
            assert self._window is not None, "refused before it was sent"
            held_s = self._hold_s if self._holding else 0.0
            self._before = (self._window, sent, self._opened is None, held_s)
            self._let = [each for each in self._let if each[0] > now - VALID_S]
            self._cut_number = self._count
            self._cut_at = now
            self.refusals += 1
            if not asked_s:
                asked_s = backoff_s(self.refusals - 1, self._jitter)
            self._window = None
            self._free = now
            self._cut()
        elif self._before and sent.number < self._before[1].number:
            # A refusal that took longer to arrive was sent earlier: the limit was met before.
            window, _, *rest = self._before
            if sent.number >= window.first:
                self._before = (window, sent, *rest)
                if self._holding:
                    self._let.pop()
                self._cut()
        if asked_s:
            self._paused_until = max(self._paused_until, now + asked_s)
        self._free = max(self._free, self._paused_until)
        return news

    def _cut(self) -> None:
        """Set the rate after a refusal, from what was let through before it."""
        assert self._before is not None
        window, refused, opening, held_s = self._before
        parts = self._parts(window, refused)
        through, lasted_s = parts[0]
        # What was tried: the last part of it tells, where the workers were slower than the rate.
        tried = min(refused.rate, (parts[-1][0] + 1) / max(parts[-1][1], 1e-3))
        self._hold_s, self._holding = SEARCH_S, not opening and through >= 3
        if opening:
            self._opened = (through, lasted_s)
            self._start, self._ceiling = QUARTER * tried, 0.9 * tried
        elif through < 3:  # too few to believe: between what was let through and what was not
            least = (through + 0.5) / (lasted_s + window.pause_s)
            self._start, self._ceiling = min((least * tried) ** 0.5, tried / 2), 0.9 * tried
        else:
            # No window lets more through than the rate gives, from one refusal to the next: a lower
            # bound that does not sink when a server refuses at random.
            self._let.append((refused.at, through / (lasted_s + window.pause_s)))
            least = max(rate for _, rate in self._let)
            found = max(least, self._found(parts, window.pause_s))
            self._start = self._ceiling = max(min(HELD * found, 0.9 * tried), HELD * least)
            # Twice as long as it took to go too far; if it was not too far, up again sooner. And if
            # that was so time after time, after many were let through, refusals are not for the
            # rate: servers that are busy refuse at random.
            too_far = lasted_s > held_s
            self._surprises = 0 if too_far else self._surprises + (refused.number != self._surprise)
            self._surprise = refused.number
            if self._surprises > 1 and through >= MANY:
                self._start = self._ceiling = max(self._ceiling, RISE * refused.rate)
            self._hold_s = 2 * (lasted_s + window.pause_s) if too_far else held_s / 2
            self._hold_s = min(max(self._hold_s, HOLD_S), HOLD_MOST_S)
        self._start = max(self._start, LEAST)
        self._ceiling = max(self._ceiling, LEAST)

    def _parts(self, window: Window, refused: Sent) -> list[tuple[int, float]]:
        """Return how many requests a window let through in how many seconds.

        All of it, then its last half and quarter of the requests, where they are enough to tell.
        """
        through = refused.number - window.first
        parts = [(through, refused.at - window.at)]
        oldest = self._count - len(self._times)
        for part in (through // 2, through // 4):
            since = refused.number - part
            if part >= 3 and since >= oldest:
                parts.append((part, refused.at - self._times[since - oldest]))
        return parts

    def _found(self, parts: list[tuple[int, float]], pause_s: float) -> float:
        """Return the rate that a server allows, by the formula above (a fixed point of it)."""
        assert self._opened is not None
        before, before_s = self._opened
        through, lasted_s = parts[0]
        rate = whole = (through + 0.5) / (lasted_s + pause_s)
        long = [(count, took_s) for count, took_s in parts if took_s > 1.2 * before_s]
        for _ in range(30 if long else 0):
            burst = max(0.0, before - rate * before_s)
            rate = max(whole, *((count - burst) / took_s for count, took_s in long))
        return rate
