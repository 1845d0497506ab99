"""One teacher, behind the `openai` package: what is sent, what comes back, what is said of it."""

import asyncio
import re
from collections import Counter
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.core import entry as stage
from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.completion import cost_usd, public_model, read
from stages.core.asking.dialect import Dialect
from stages.core.asking.dialogue import Question
from stages.core.asking.limits import Limits
from stages.core.asking.pace import backoff_s
from stages.core.asking.waits import ahead
from stages.core.errors import Fault, TeacherError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Answer", "Teacher", "cost_usd", "public_model", "read"]
CONNECTIONS = 1000  # at least; the package's own default


class Answer(NamedTuple):
    """A reply, how long its attempt took, and how long the server asks to hold back after it."""

    reply: dict[str, Any]
    seconds: float
    ahead_s: float | None = None


class Teacher:
    """One teacher of params.yaml, ready to be asked.

    tally:   asked (attempts), answered, usd_e9 (billionths of a dollar), retried_<kind>
    limits:  shared by all who ask it
    dialect: how it wants its requests spelled
    proven:  whether it ever answered one of these requests; the caller knows of earlier runs
    """

    def __init__(
        self,
        entry: dict[str, Any],
        settings: dict[str, Any],
        key: str | None,
        base_url: str | None,
        asker: Asker = GENERATE,
    ) -> None:
        self.entry = entry
        self.settings = settings
        self.key = key
        self.base_url = base_url
        self.asker = asker
        self.tally: Counter[str] = Counter()
        self.proven = False
        self.dialect = Dialect(base_url)

        def own(name: str) -> Any:
            return settings.get(name) if entry.get(name) is None else entry[name]

        self.limits = Limits(
            own("max_in_flight") or 1,
            own("requests_per_minute"),
            own("tokens_per_minute"),
            settings.get("max_tokens", 0),
        )
        self._jitter = Random()
        self._client: AsyncOpenAI | None = None

    async def __aenter__(self) -> "Teacher":
        from httpx2 import InvalidURL, Limits
        from openai import AsyncOpenAI, DefaultAioHttpClient

        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise self.error("the key holds characters that no key has, such as a line break")
        # aiohttp costs half the CPU of the default transport. A server on this machine is never
        # behind a proxy, whatever the environment says.
        local = self.entry["base_url"] == "offline"
        connections = Limits(max_connections=max(CONNECTIONS, self.limits.max_in_flight))
        try:
            self._client = AsyncOpenAI(
                api_key=self.key or "none",
                base_url=self.base_url,
                timeout=self.settings["timeout_s"],
                max_retries=0,
                http_client=DefaultAioHttpClient(trust_env=not local, limits=connections),
            )
        except InvalidURL as error:
            raise self.error(f"the base_url is none: {error}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    @property
    def client(self) -> "AsyncOpenAI":
        """The package's client; it is there within `async with`."""
        assert self._client is not None, "not entered"
        return self._client

    def body(self, question: Question, bare: bool = False) -> dict[str, Any]:
        """Return the body of the request that asks a question, live or in a batch.

        bare: without its schema
        """
        body = self.dialect.spell(question, self.settings["max_tokens"], bare)
        if question.sample and self.entry["base_url"] == "offline":
            # Others draw at random; the offline teacher says the same to the same messages.
            body["seed"] = question.sample
        return body

    async def attempt(self, question: Question, body: dict[str, Any]) -> Answer:
        """Send a request once and return the answer.

        Raises: what `judge` judges.
        """
        import httpx2

        self.tally["asked"] += 1
        began = perf_counter()
        # The time-out of the client is one of silence; this one is of the whole, for a server that
        # sends a byte now and then.
        async with asyncio.timeout(self.settings["timeout_s"] + 1):
            # The package's own way for what its types do not know: it takes any sampling parameter,
            # and hands over the body of servers that leave out or put to null what the types
            # promise. Source:
            # https://github.com/openai/openai-python#making-customundocumented-requests
            response = await self.client.post(
                "/chat/completions", cast_to=httpx2.Response, body=body
            )
        seconds = perf_counter() - began
        reply = read(response.content, question.model)
        reply["cost_usd"] = cost_usd(reply, self.entry.get("price"))
        return Answer(reply, seconds, ahead(response.headers.raw, response.headers))

    def pause_s(self, retry: int, asked_s: float | None) -> float:
        """Return how long to wait before a retry (0, 1, ...): what was asked, else a back-off."""
        return backoff_s(retry, self._jitter) if asked_s is None else asked_s

    def say(self, what: str) -> None:
        """Tell something about this teacher, on a line."""
        stage.say(self.asker.stage, f"teacher {self.entry['name']} {self.redacted(what)}")

    def redacted(self, text: str) -> str:
        """Take keys and passwords out of a text, also where a server quotes a part of them."""
        text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
        text = re.sub(r"\bsk-[\w*.-]+", "***", text)
        return re.sub(rf"{re.escape(self.key[:6])}\S*", "***", text) if self.key else text

    def error(self, what: str) -> TeacherError:
        """Spell a fault of the account, or of the server, and what to do; what is redacted."""
        name, variable = self.entry["name"], self.entry.get("api_key_env")
        check = f"the key in ${variable} and " if variable else ""
        where = self.redacted(self.entry["base_url"] or "OpenAI")
        section = f"the teacher's section of params.yaml ({self.asker.teachers})"
        return TeacherError(
            Fault(
                f"teacher {name} ({self.entry['model']} at {where})",
                self.redacted(what),
                then=f"check {check}{section}, then run the same command again: every reply that "
                "arrived is kept and not paid for again",
            )
        )
