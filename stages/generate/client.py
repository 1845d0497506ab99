"""Ask one teacher one question through the `openai` package, as often as it takes."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from stages.core.errors import Fault, TeacherError
from stages.generate.dialogue import Question
from stages.generate.verdict import NoAnswerError, judge

if TYPE_CHECKING:
    from openai import AsyncOpenAI

BACKOFF_S, BACKOFF_MOST_S = 0.5, 20.0


def public_model(reported: str) -> str:
    """Return a model's name without a machine's path: some servers report the folder they serve."""
    if re.match(r"[/~.]|[A-Za-z]:[\\/]|file:", reported):
        return re.split(r"[\\/]", reported.rstrip("\\/"))[-1]
    return reported


def read(body: bytes, model: str) -> dict[str, Any]:
    """Read a response's body into a reply, without its cost.

    model: what was asked for, where the server does not say
    Raises: NoAnswerError when it is no chat completion.
    """
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise NoAnswerError(f"{len(body)} bytes that are no chat completion") from None
    if text is not None and not isinstance(text, str):
        raise NoAnswerError("the content is not a text")
    usage = answer.get("usage") or {}
    refused = text is None and isinstance(refusal, str)
    return {
        "attempts": 1,
        "text": refusal if refused else text,
        "finish_reason": "refusal" if refused else choice.get("finish_reason") or "unknown",
        "model": public_model(str(answer.get("model") or model)),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "error": None,
    }


def cost_usd(reply: dict[str, Any], prices: Mapping[str, float] | None) -> float | None:
    """Return what a reply cost, or None where the price or the token counts are not known.

    prices: usd per 1,000,000 tokens, {prompt, completion}
    """
    counts = reply["prompt_tokens"], reply["completion_tokens"]
    if not prices or None in counts:
        return None
    return (counts[0] * prices["prompt"] + counts[1] * prices["completion"]) / 1e6


class Teacher:
    """One teacher of params.yaml, ready to be asked.

    tally: asked (attempts), answered, usd_e9 (billionths of a dollar), retried_<kind>
    """

    def __init__(
        self, entry: dict[str, Any], settings: dict[str, Any], key: str | None, base_url: str | None
    ) -> None:
        self.entry = entry
        self.settings = settings
        self.key = key
        self.base_url = base_url
        self.tally: Counter[str] = Counter()
        self._jitter = Random()
        self._client: AsyncOpenAI | None = None

    async def __aenter__(self) -> "Teacher":
        from openai import AsyncOpenAI, DefaultAioHttpClient

        # aiohttp costs half the CPU of the default transport. A server on this machine is never
        # behind a proxy, whatever the environment says.
        local = self.entry["base_url"] == "offline"
        self._client = AsyncOpenAI(
            api_key=self.key or "none",
            base_url=self.base_url,
            timeout=self.settings["timeout_s"],
            max_retries=0,
            http_client=DefaultAioHttpClient(trust_env=not local),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def attempt(self, question: Question) -> dict[str, Any]:
        """Send a question once and return the reply.

        Raises: what `judge` judges.
        """
        import httpx2

        assert self._client is not None
        self.tally["asked"] += 1
        body = {
            **question.parameters,
            "model": question.model,
            "messages": question.messages,
            "max_tokens": self.settings["max_tokens"],
        }
        if question.schema is not None:
            # https://platform.openai.com/docs/guides/structured-outputs
            asked = {"name": "record", "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": asked}
        # The time-out of the client is one of silence; this one is of the whole, for a server that
        # sends a byte now and then.
        async with asyncio.timeout(self.settings["timeout_s"] + 1):
            # The package's own way for what its types do not know: it takes any sampling parameter,
            # and hands over the body of servers that leave out or put to null what the types
            # promise. Source:
            # https://github.com/openai/openai-python#making-customundocumented-requests
            response = await self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body=body,
            )
        reply = read(response.content, question.model)
        return reply | {"cost_usd": cost_usd(reply, self.entry.get("price"))}

    async def ask(self, question: Question, stopped: asyncio.Event) -> dict[str, Any] | str:
        """Send a question until it is answered; return the reply, or why there is none.

        stopped: once set, nothing is sent again
        Raises: TeacherError when no request would be answered.
        """
        for retry in range(self.settings["max_retries"] + 1):
            try:
                reply = await self.attempt(question)
            except Exception as error:
                verdict = judge(error)
            else:
                self.tally["answered"] += 1
                self.tally["usd_e9"] += round(1e9 * (reply["cost_usd"] or 0.0))
                return reply
            if verdict.remedy == "account":
                raise self._error(f"{verdict.kind}: {verdict.detail}")
            if verdict.remedy == "row":
                return f"{verdict.kind}: {self._redacted(verdict.detail)}"
            if stopped.is_set():
                break
            if retry < self.settings["max_retries"]:
                self.tally[f"retried_{verdict.kind}"] += 1
                with suppress(TimeoutError):  # the pause is over, and nobody stopped us
                    pause_s = self.pause_s(retry, verdict.wait_s)
                    await asyncio.wait_for(stopped.wait(), pause_s)
                    break
        if not self.tally["answered"] and not stopped.is_set():
            detail = self._redacted(verdict.detail)
            raise self._error(f"has not answered once; last: {verdict.kind} {detail}".rstrip())
        return verdict.kind

    def pause_s(self, retry: int, asked_s: float | None) -> float:
        """Return how long to wait before a retry (0, 1, ...): what was asked, else a back-off.

        Half of the back-off is random, so that requests that failed together do not return
        together.
        """
        if asked_s is not None:
            return asked_s
        return min(BACKOFF_MOST_S, BACKOFF_S * 2**retry) * self._jitter.uniform(0.5, 1.0)

    def _redacted(self, text: str) -> str:
        """Take the key out of a server's message, also where it is quoted in part."""
        text = re.sub(r"\bsk-[\w*.-]+", "***", text)
        return re.sub(rf"{re.escape(self.key[:6])}\S*", "***", text) if self.key else text

    def _error(self, what: str) -> TeacherError:
        name, variable = self.entry["name"], self.entry.get("api_key_env")
        check = f"the key in ${variable} and " if variable else ""
        return TeacherError(
            Fault(
                f"teacher {name} ({self.entry['model']} at {self.entry['base_url'] or 'OpenAI'})",
                what,
                then=f"check {check}the teacher's section of params.yaml, then run the same "
                "command again: every reply that arrived is kept and not paid for again",
            )
        )
