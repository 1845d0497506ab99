"""A teacher for measurements: an OpenAI-compatible server that is not the project's offline one.

python bench/server.py       prints its base_url, then serves until it is ended
PUT   /behaviour {...}       what it does from now on (`Behaviour`); forgets what it has counted
PATCH /behaviour {...}       changes some of it, keeps the counts, begins the next epoch
GET   /stats                 what it counted
GET   /questions             question -> the epoch of each time it was asked, and answered whole

It runs in a process of its own, so that its CPU time and memory are not the client's. An answer
depends on its question: a lost, swapped or repeated row is noticed.
"""

import argparse
import asyncio
import hashlib
import json
import math
import re
import socket
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

# status, message, type, code of OpenAI's error object.
# Source: https://platform.openai.com/docs/guides/error-codes
REFUSED = {
    "429": (429, "Rate limit reached", "requests", "rate_limit_exceeded"),
    "500": (500, "The server had an error", "server_error", None),
    "401": (401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
    "402": (402, "Insufficient credits", "payment_required", None),
    "403": (403, "This key may not use this model", "permission_error", None),
    "quota": (429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
}
# Whole completions that make no row; what a provider bills.
UNUSABLE = ("length", "refusal", "empty", "filter")
# No completion at all.
BROKEN = ("hang", "reset", "cut", "html", "choices")
FAULTS = (*REFUSED, *BROKEN, *UNUSABLE)
WAITS = ("none", "seconds", "ms", "date", "reset", "reset-always")
WORDS = (
    "acting", "camera", "dialogue", "ending", "humour", "music", "pacing", "plot", "score",
    "setting", "story", "style",
)  # fmt: skip


@dataclass(frozen=True)
class Behaviour:
    """What the server does.

    latency_s:   from a request to its reply
    spread:      by how much the latency of a question differs from that, as a share (0 to 1)
    rate, burst: a token bucket: requests per second, and how many at once; rate None: no limit
    wait:        how a 429 of the bucket says how long to wait, one of WAITS
    fault:       one of FAULTS, or None
    every:       one question of so many gets the fault ...
    times:       ... so many times, then it is answered; None: for ever
    after:       instead of `every`: whatever comes once so many questions were answered
    """

    latency_s: float = 0.0
    spread: float = 0.0
    rate: float | None = None
    burst: int = 1
    wait: str = "none"
    fault: str | None = None
    every: int = 10
    times: int | None = None
    after: int | None = None


def number(content: str) -> int:
    """Return the number of a question: the first one in its text."""
    found = re.search(r"\d+", content)
    return int(found[0]) if found else 0


def record(question: int) -> dict[str, Any]:
    """Return the one right answer to a question."""
    seed = hashlib.sha256(str(question).encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in seed]
    return {
        "number": question,
        "agree": "I liked the " + ", the ".join(words[:8]),
        "disagree": "I did not like the " + ", the ".join(words[8:16]),
    }


def faulty(question: int, every: int) -> bool:
    """Tell whether a question is one of those that get the fault."""
    return question % every == every // 3


def latency_s(behaviour: Behaviour, question: int) -> float:
    """Return how long a question takes: always the same for the same question."""
    place = hashlib.sha256(f"latency {question}".encode()).digest()[0] / 255
    return behaviour.latency_s * (1 + behaviour.spread * (2 * place - 1))


def completion(body: dict[str, Any], fault: str | None) -> dict[str, Any]:
    """Return a chat completion: the answer, or what a fault makes of it."""
    content = body["messages"][0]["content"]
    text: str | None = json.dumps(record(number(content)))
    assert text is not None
    tokens = {"prompt_tokens": len(content) // 4, "completion_tokens": len(text) // 4}
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    finish = "stop"
    if fault == "length":
        message["content"], finish = text[: len(text) // 2], "length"
    elif fault == "refusal":
        message |= {"content": None, "refusal": "I cannot help with that."}
    elif fault == "empty":
        message["content"] = ""
    elif fault == "filter":
        message["content"], finish = None, "content_filter"
    choices = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}]
    return {
        "id": f"chatcmpl-{number(content)}",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [] if fault == "choices" else choices,
        "usage": tokens | {"total_tokens": sum(tokens.values())},
    }


class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` of them."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self.rate, self.burst, self.clock = rate, burst, clock
        self.tokens, self.at = float(burst), clock()

    def take(self) -> float:
        """Take a token and return 0; or return in how many seconds there will be one."""
        now = self.clock()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0.0

    def full_s(self) -> float:
        """Return in how many seconds the bucket is full."""
        return (self.burst - self.tokens) / self.rate


def waits(style: str, wait_s: float, bucket: Bucket) -> dict[str, str]:
    """Return the headers that say how long to wait; wait_s is 0 on a reply that was let through.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after,
    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    if style == "reset-always" or (style == "reset" and wait_s):
        return {
            "x-ratelimit-limit-requests": str(bucket.burst),
            "x-ratelimit-remaining-requests": str(int(bucket.tokens)),
            "x-ratelimit-reset-requests": f"{bucket.full_s():.3f}s",
        }
    if not wait_s:
        return {}
    if style == "seconds":
        return {"retry-after": str(math.ceil(wait_s))}
    if style == "ms":
        return {"retry-after-ms": str(math.ceil(wait_s * 1000))}
    if style == "date":  # whole seconds: the next one that is late enough
        return {"retry-after": formatdate(math.ceil(time.time() + wait_s), usegmt=True)}
    return {}


@dataclass
class Counts:
    """What the server saw: `asked` and `answered` hold the epoch of each time, by question."""

    requests: int = 0
    limited: int = 0
    answered_whole: int = 0
    most_at_once: int = 0
    first_s: float | None = None
    last_s: float | None = None
    asked: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    answered: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


class Server:
    """The server's state and its handlers."""

    def __init__(self) -> None:
        self.behave(Behaviour())

    def behave(self, behaviour: Behaviour) -> None:
        """Begin anew."""
        self.behaviour, self.counts, self.epoch, self.at_once = behaviour, Counts(), 0, 0
        self._fill()

    def _fill(self) -> None:
        rate = self.behaviour.rate
        self.bucket = Bucket(rate, self.behaviour.burst) if rate else None

    async def put(self, request: "web.Request") -> "web.Response":
        """Take a behaviour; forget the counts."""
        from aiohttp import web

        self.behave(Behaviour(**await request.json()))
        return web.json_response(asdict(self.behaviour))

    async def patch(self, request: "web.Request") -> "web.Response":
        """Change the behaviour; keep the counts; begin the next epoch."""
        from aiohttp import web

        self.behaviour = replace(self.behaviour, **await request.json())
        self.epoch += 1
        self._fill()
        return web.json_response(asdict(self.behaviour))

    async def stats(self, request: "web.Request") -> "web.Response":
        """Tell the counts."""
        from aiohttp import web

        shown = {key: value for key, value in vars(self.counts).items() if key[:2] != "an"}
        del shown["asked"]
        return web.json_response(shown | {"answered": self.counts.answered_whole})

    async def questions(self, request: "web.Request") -> "web.Response":
        """Tell the counts by question."""
        from aiohttp import web

        return web.json_response({"asked": self.counts.asked, "answered": self.counts.answered})

    def fault(self, question: int) -> str | None:
        """Return the fault that this question gets now."""
        chosen = self.behaviour
        if chosen.after is not None:
            return chosen.fault if self.counts.answered_whole >= chosen.after else None
        if not chosen.fault or not faulty(question, chosen.every):
            return None
        # The question was counted already: `asked` is 1 at the first time.
        again = chosen.times is not None and len(self.counts.asked[question]) > chosen.times
        return None if again else chosen.fault

    async def chat(self, request: "web.Request") -> "web.StreamResponse":
        """Answer a question."""
        counts = self.counts
        counts.first_s = counts.first_s or time.time()
        counts.requests += 1
        self.at_once += 1
        counts.most_at_once = max(counts.most_at_once, self.at_once)
        try:
            return await self._answer(request, counts, self.epoch)
        finally:
            self.at_once -= 1
            counts.last_s = time.time()

    async def _answer(
        self, request: "web.Request", counts: Counts, epoch: int
    ) -> "web.StreamResponse":
        from aiohttp import web

        body = await request.json()
        if not body["messages"]:  # curator asks for nothing first, to see the limits
            return web.json_response({"error": {"message": "no messages"}}, status=400)
        question = number(body["messages"][0]["content"])
        headers: dict[str, str] = {}
        if self.bucket:
            wait_s = self.bucket.take()
            headers = waits(self.behaviour.wait, wait_s, self.bucket)
            if wait_s:
                counts.limited += 1
                return self.refusal("429", headers)
        counts.asked[question].append(epoch)
        fault = self.fault(question)
        if self.behaviour.latency_s:
            await asyncio.sleep(latency_s(self.behaviour, question))
        if fault in REFUSED:
            return self.refusal(fault, headers)
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            return self.reset(request)
        if fault == "html":
            page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
            return web.Response(text=page, content_type="text/html")
        text = json.dumps(completion(body, fault))
        if fault == "cut":
            return await self.cut(request, text.encode())
        if fault != "choices":
            # Made is paid, whether or not the client is still there to take it.
            counts.answered[question].append(epoch)
            counts.answered_whole += 1
        return web.Response(text=text, content_type="application/json", headers=headers)

    @staticmethod
    def refusal(name: str, headers: dict[str, str]) -> "web.Response":
        """Return an error as OpenAI spells it."""
        from aiohttp import web

        status, message, kind, code = REFUSED[name]
        said = {"message": message, "type": kind, "param": None, "code": code}
        return web.json_response({"error": said}, status=status, headers=headers)

    @staticmethod
    def reset(request: "web.Request") -> "web.StreamResponse":
        """Reset the connection (RST) instead of a reply."""
        from aiohttp import web

        assert request.transport is not None
        raw = request.transport.get_extra_info("socket")
        # Zero time to linger turns the close into a reset: man 7 socket.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
        return web.Response()

    @staticmethod
    async def cut(request: "web.Request", text: bytes) -> "web.StreamResponse":
        """Promise a whole reply, send half of it and close."""
        from aiohttp import web

        length = {"content-length": str(len(text)), "content-type": "application/json"}
        response = web.StreamResponse(headers=length)
        await response.prepare(request)
        await response.write(text[: len(text) // 2])
        assert request.transport is not None
        request.transport.close()
        return response


async def serve(port: int) -> None:
    """Serve on this machine alone until the task is cancelled; print the base_url."""
    from aiohttp import web

    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_put("/behaviour", server.put)
    app.router.add_patch("/behaviour", server.patch)
    app.router.add_get("/stats", server.stats)
    app.router.add_get("/questions", server.questions)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    # Whoever started this holds the other end of its stdin: without them there is nothing to do.
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, gone.set)
    await gone.wait()
    await runner.cleanup()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
