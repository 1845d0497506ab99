"""The offline teacher: a small OpenAI-compatible server that answers from the recipe's own data.

It speaks HTTP on 127.0.0.1, so that `generate` has one code path; it is the border fake of the
tests and of the benchmarks, too. It misbehaves as real ones do, at declared rates, all seeded: the
text of an answer depends on the messages, the sample and the seed alone; faults of the transport
depend on the messages and on how often they were sent, and end after `FAULTY_ATTEMPTS`. A question
that goes on from a known one (a re-ask) has the same truth, and an answer of its own.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from email.utils import formatdate
from random import Random
from time import time
from typing import TYPE_CHECKING, Any

from stages.core.asking.offline.batches import LARGEST, Batches
from stages.core.asking.offline.malform import malform, plain
from stages.core.digest import digest
from stages.core.holdout import position

if TYPE_CHECKING:
    from aiohttp import web

FAULTY_ATTEMPTS = 3
CHARACTERS_PER_TOKEN = 4  # a rule of thumb, for the token counts that it reports


class Offline:
    """What the offline teacher knows and how it misbehaves.

    rates: shares of malformed answers, and of rate_limited, failing, slow and cut attempts; slow_s
    records: what to answer with, by digest of the messages
    asked:   how often each question was sent, by digest of its messages
    batches: its Batch API
    """

    def __init__(self, rates: dict[str, float], seed: int) -> None:
        self.rates = rates
        self.seed = seed
        self.records: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.batches = Batches(self)

    def learn(self, requests: Iterable[dict[str, Any]], truth: Iterable[dict[str, Any]]) -> None:
        """Take in the records to answer with; what has no truth cannot be answered."""
        known = {line["request"]: line["record"] for line in truth}
        for request in requests:
            if request["id"] in known:
                self.records[digest(request["messages"])] = known[request["id"]]

    def reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return the body of the answer to a request's body, or None when it is not known.

        The longest known opening of the messages tells the record, all of them the answer. The
        API's `seed` tells the samples of a question apart (0, and absent: the first).
        """
        messages = asked["messages"]
        for end in range(len(messages), 0, -1):
            if (opening := digest(messages[:end])) in self.records:
                question = digest(messages)
                if sample := asked.get("seed"):
                    question = digest([question, sample])
                limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
                return self.answer(self.records[opening], question, asked["model"], limit)
        return None

    def answer(
        self, record: dict[str, Any], question: str, model: str, max_tokens: int | None
    ) -> dict[str, Any]:
        """Return the body of an answer that holds a record.

        question: digest of what was asked; with the seed, it decides the spelling
        """
        rng = Random(f"{self.seed}:{question}")
        if position(f"malformed:{question}", self.seed) < self.rates["malformed"]:
            text, finish_reason = malform(record, rng)
        else:
            text, finish_reason = plain(record, rng), "stop"
        if max_tokens and len(text) > max_tokens * CHARACTERS_PER_TOKEN:
            text, finish_reason = text[: max_tokens * CHARACTERS_PER_TOKEN], "length"
        usage = {"prompt_tokens": 100, "completion_tokens": -(-len(text) // CHARACTERS_PER_TOKEN)}
        message = {"role": "assistant", "content": text}
        return {
            "id": f"chatcmpl-{question}",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }

    def name(self, request: dict[str, Any]) -> str:
        """Name the reply to a request in the journal: by the request, and by what it says now.

        It follows from more than the request's id holds (the truth, the rates, the seed), and costs
        nothing: a reply that this teacher would not give any more is not to be found.
        """
        seed = request["sample"] or request["parameters"].get("seed")
        said = self.reply(request | {"seed": seed})
        return request["id"] if said is None else digest([request["id"], said["choices"]])

    def attempted(self, messages: list[dict[str, Any]]) -> str | None:
        """Count an attempt to ask something; return how it goes wrong, or None."""
        question = digest(messages)
        self.asked[question] += 1
        return self.fault(question, self.asked[question])

    def fault(self, question: str, attempt: int) -> str | None:
        """Return how an attempt (1, 2, ...) goes wrong on the way, or None."""
        if attempt > FAULTY_ATTEMPTS:
            return None
        at = position(f"{question}:{attempt}", self.seed)
        for kind in ("rate_limited", "failing", "slow", "cut"):
            if at < self.rates[kind]:
                return kind
            at -= self.rates[kind]
        return None

    async def respond(self, request: "web.Request") -> "web.StreamResponse":
        """Answer one HTTP request, or misbehave."""
        from aiohttp import web

        asked = await request.json()
        fault = self.attempted(asked["messages"])
        said = self.reply(asked)
        if said is None:
            what = "the offline teacher has no truth for these messages"
            return web.json_response({"error": {"message": what, "code": "unknown"}}, status=400)
        match fault:
            case "rate_limited":
                # In turn the three ways in which servers say when to come back.
                wait = (
                    {"retry-after": "0.1"},
                    {"retry-after-ms": "50"},
                    {"retry-after": formatdate(time() + 0.5, usegmt=True)},
                )[int(digest(asked["messages"]), 16) % 3]
                error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
                return web.json_response(error, status=429, headers=wait)
            case "failing":
                return web.json_response({"error": {"message": "internal"}}, status=500)
            case "slow":
                await asyncio.sleep(self.rates["slow_s"])
            case "cut":
                return await self._cut(request)
        return web.Response(text=json.dumps(said), content_type="application/json")

    async def _cut(self, request: "web.Request") -> "web.StreamResponse":
        """Promise a body, send a part of it, and hang up."""
        from aiohttp import web

        response = web.StreamResponse(headers={"content-length": "1000"})
        response.content_type = "application/json"
        await response.prepare(request)
        await response.write(b'{"id": "chatcmpl-')
        if request.transport is not None:
            request.transport.close()
        return response


@asynccontextmanager
async def serving(teacher: Offline) -> AsyncIterator[str]:
    """Serve in this event loop, on a free port; yield the base_url. Nothing outlives the block.

    A server within the process of `generate` cannot be left behind, even by SIGKILL.
    """
    from aiohttp import web

    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/v1/chat/completions", teacher.respond)
    teacher.batches.add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port = runner.addresses[0][:2]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()
