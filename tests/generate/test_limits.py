"""Waits, allowances and the pace, under a clock that does not wait; and one storm that is real."""

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from random import Random
from types import SimpleNamespace

import pytest

from stages.core.asking.limits import Limits
from stages.core.asking.pace import backoff_s
from stages.core.asking.waits import ahead, asked

QUESTION = SimpleNamespace(messages=[{"role": "user", "content": "x" * 400}])
REPLY = {"prompt_tokens": 100, "completion_tokens": 20}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"x-ratelimit-reset-requests": "1.606s"}, 1.606),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "1h2m3s"}, 3723),
        ({"x-ratelimit-reset": "17"}, 17),
        ({"ratelimit-reset": "30"}, 30),
        ({"x-gateway-rate-limit-reset": "3"}, 3),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "9s"}, 2),
        # The one that is used up; without one, the shortest.
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "20s",
          "x-ratelimit-remaining-requests": "5", "x-ratelimit-remaining-tokens": "0"}, 20),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "20s"}, 1),
    ],
)  # fmt: skip
def test_the_wait_that_is_asked_for(headers, wait_s):
    assert asked(headers) == pytest.approx(wait_s)


@pytest.mark.parametrize("spelled", ["http", "rfc3339", "epoch", "epoch_ms"])
def test_a_wait_until_a_moment(spelled):
    then = time.time() + 30
    moment = datetime.now(UTC) + timedelta(seconds=30)
    headers = {
        "http": {"retry-after": formatdate(then, usegmt=True)},
        "rfc3339": {
            "anthropic-ratelimit-requests-reset": moment.isoformat().replace("+00:00", "Z")
        },
        "epoch": {"x-ratelimit-reset": str(int(then))},
        "epoch_ms": {"x-ratelimit-reset": str(int(then * 1e3))},
    }[spelled]
    assert 28 < asked(headers) <= 30


@pytest.mark.parametrize(
    "headers",
    [{}, *({"retry-after": said} for said in
     ("soon", "nan", "-3", "inf", "1e9999", "86401", "", "5 5", "1s2x"))],
)  # fmt: skip
def test_no_wait_that_can_be_believed(headers):
    assert asked(headers) is None


def test_a_moment_that_has_passed_is_no_wait():
    assert asked({"retry-after": formatdate(time.time() - 30, usegmt=True)}) == 0


def test_the_body_tells_where_no_header_does():
    assert asked({}, "Rate limit reached. Please try again in 1m7.5s. Visit ...") == 67.5
    assert asked({"retry-after": "1"}, "try again in 20s") == 1


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}, 2),
        # The time until the whole limit is back: a request is free after its part.
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s",
          "x-ratelimit-limit-requests": "600"}, 0.1),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "2s"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"content-type": "0"}, None),
    ],
)  # fmt: skip
def test_holding_back_before_a_refusal(headers, wait_s):
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert ahead(raw, headers) == wait_s


def test_the_back_off_doubles_to_a_limit_and_is_half_random():
    jitter = Random(1)
    for retry in range(12):
        drawn = [backoff_s(retry, jitter) for _ in range(50)]
        full = min(20.0, 0.5 * 2**retry)
        assert full / 2 <= min(drawn) < max(drawn) <= full


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to whatever is next."""

    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


def run(coroutine):
    loop = Loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 100_000))
    finally:
        loop.close()


async def ask(rows, serve, in_flight, **allowances):
    """Ask `rows` questions; return the seconds, the times of sending, and how often in vain."""
    loop = asyncio.get_running_loop()
    limits = Limits(in_flight, **allowances, clock=loop.time)
    limits.pace._jitter = Random(1)
    stopped, times, refused = asyncio.Event(), [], 0
    questions = iter(range(rows))

    async def worker():
        nonlocal refused
        for _ in questions:
            while True:
                sent = await limits.enter(QUESTION, stopped)
                times.append(loop.time())
                wait_s = await serve()
                if wait_s is None:
                    limits.succeeded(sent, REPLY, None)
                    break
                refused += 1
                limits.throttled(sent, wait_s or None)

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    assert limits.in_flight == 0
    return loop.time(), times, refused


def bucket(rate, burst, spelled, rng, refusing_s=(0.002, 0.005)):
    """Return a server with a token bucket that answers in 50 to 300 ms."""
    level, at = burst, 0.0

    async def serve():
        nonlocal level, at
        now = asyncio.get_running_loop().time()
        level, at = min(burst, level + (now - at) * rate), now
        if level >= 1:
            level -= 1
            await asyncio.sleep(rng.uniform(0.05, 0.3))
            return None
        needed = (1 - level) / rate
        await asyncio.sleep(rng.uniform(*refusing_s))
        return {"none": 0.0, "ms": math.ceil(1e3 * needed) / 1e3, "s": math.ceil(needed)}[spelled]

    return serve


@pytest.mark.parametrize("spelled", ["none", "ms", "s"])
def test_a_storm(spelled):
    seconds, times, refused = run(ask(400, bucket(40, 10, spelled, Random(3)), 64))
    assert len(times) == 400 + refused
    assert 1 <= refused <= 0.02 * 400
    assert (400 - 10) / 40 / seconds > 0.78


def test_a_storm_in_which_refusals_are_slow():
    serve = bucket(40, 10, "s", Random(3), refusing_s=(0.05, 0.3))
    seconds, _, refused = run(ask(400, serve, 64))
    assert refused <= 0.07 * 400
    assert (400 - 10) / 40 / seconds > 0.75


@pytest.mark.parametrize(
    ("rate", "burst", "least"), [(1, 1, 0.75), (8, 500, 0.9), (150, 10, 0.7), (200, 100, 0.75)]
)
def test_other_limits_are_found_too(rate, burst, least):
    rows = burst + 20 * rate + 40
    seconds, _, refused = run(ask(rows, bucket(rate, burst, "s", Random(3)), 64))
    assert refused <= 8 + 0.02 * rows
    assert (rows - burst) / rate / seconds > least


def test_a_limit_that_is_lifted_is_found_out():
    rng, begun = Random(5), []

    async def serve():
        now = asyncio.get_running_loop().time()
        begun.append(now)
        if now < 20:
            return await slow()
        await asyncio.sleep(0.2)
        return None

    slow = bucket(10, 5, "s", rng)
    seconds, _, _ = run(ask(4000, serve, 64))
    assert seconds < 20 + 120  # 3,800 at 10 a second would be 380


def test_a_steady_server_is_used_to_the_full():
    async def serve():
        await asyncio.sleep(1.0)

    seconds, _, _ = run(ask(2000, serve, 128))
    assert 2000 / 128 / seconds > 0.95


def test_a_fast_server_is_not_held_back():
    async def serve():
        await asyncio.sleep(0.01)

    seconds, _, _ = run(ask(3000, serve, 32))
    assert seconds < 3.0


@pytest.mark.parametrize("asked_s", [2.0, 30.0])
def test_one_refusal_keeps_all_waiting_and_counts_once(asked_s):
    async def scenario():
        loop = asyncio.get_running_loop()
        limits, stopped = Limits(4, clock=loop.time), asyncio.Event()
        first = [await limits.enter(QUESTION, stopped) for _ in range(4)]
        assert limits.throttled(first[1], asked_s)
        rate = limits.pace.rate(loop.time())
        assert not any(limits.throttled(each, None) for each in (first[0], *first[2:]))
        assert limits.pace.refusals == 1
        assert limits.pace.rate(loop.time()) <= rate
        refused = loop.time()
        await limits.enter(QUESTION, stopped)
        assert loop.time() - refused == pytest.approx(asked_s, abs=0.01)

    run(scenario())


def test_a_stop_is_noticed_while_all_are_kept_waiting():
    async def scenario():
        loop = asyncio.get_running_loop()
        limits, stopped = Limits(4, clock=loop.time), asyncio.Event()
        limits.throttled(await limits.enter(QUESTION, stopped), 60)
        loop.call_later(1, stopped.set)
        waiting = [limits.enter(QUESTION, stopped) for _ in range(3)]
        assert await asyncio.gather(*waiting) == [None, None, None]
        assert loop.time() < 1.5

    run(scenario())


def test_no_more_requests_a_minute_than_allowed():
    async def serve():
        await asyncio.sleep(0.3)

    seconds, times, _ = run(ask(400, serve, 64, requests_per_minute=120))
    most = max(sum(at <= each < at + 60 for each in times) for at in times)
    assert 118 <= most <= 121
    assert 398 / 2 <= seconds < 205


def test_tokens_a_minute_are_estimated_then_learned():
    async def serve():
        await asyncio.sleep(0.3)

    # 120 tokens a question are used; at first 400 / 4 + 900 are reserved.
    allowances = {"tokens_per_minute": 12_000, "max_tokens": 900}
    seconds, times, _ = run(ask(500, serve, 64, **allowances))
    for at in times:
        within = sum(at <= each < at + 60 for each in times)
        assert within * 120 <= 12_000 + 120 + 64 * 120 / 10
    assert 300 * 0.95 <= seconds < 330


def test_a_request_larger_than_the_allowance_passes_and_is_paid_off():
    async def scenario():
        loop = asyncio.get_running_loop()
        limits = Limits(2, tokens_per_minute=60, max_tokens=500, clock=loop.time)
        stopped = asyncio.Event()
        await limits.enter(QUESTION, stopped)
        assert loop.time() == 0
        await limits.enter(QUESTION, stopped)
        assert 600 <= loop.time() < 605

    run(scenario())
