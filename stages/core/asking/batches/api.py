"""One teacher's Batch API, through the `openai` package's own calls, asked until it answers.

Sources: https://platform.openai.com/docs/guides/batch
https://platform.openai.com/docs/api-reference/batch
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TypeVar

from stages.core.asking.client import Teacher
from stages.core.asking.completion import cost_usd, read
from stages.core.asking.verdict import NoAnswerError, RefusedError, Verdict, judge, judge_status
from stages.core.errors import Fault, TeacherError

if TYPE_CHECKING:
    from openai.types import Batch

T = TypeVar("T")
ENDPOINT = "/v1/chat/completions"
MARK = "tunegraph"  # the key of the metadata under which a batch carries the digest
ENDED = {"completed", "failed", "expired", "cancelled"}
NO_API = {"http_404", "http_405", "http_501"}
TRANSFER_S = 600.0  # of silence, while a file is on its way
BLOCK = 2**16
PATIENT_RETRIES = 200


class BatchApi:
    """The files and batches of one teacher."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher

    async def upload(self, file: IO[bytes]) -> str:
        """Upload a file of questions and return the server's name of it."""
        file.flush()  # the package asks the system for the size, which knows nothing of buffers

        async def ask() -> str:
            content = ("questions.jsonl", file)
            files = self.teacher.client.files
            return checked(await files.create(file=content, purpose="batch", timeout=TRANSFER_S)).id

        return await self._call(ask)

    async def find(self, digest: str, collected: set[str]) -> "Batch | None":
        """Return the batch with this digest that the server has and we have not, or None."""
        return await self._call(lambda: self._find(digest, collected))

    async def create(self, file: str, digest: str, collected: set[str]) -> "Batch":
        """Make a batch of a file, once: the server may have taken one whose response was lost."""

        async def ask() -> "Batch":
            if found := await self._find(digest, collected):
                return found
            return checked(
                await self.teacher.client.batches.create(
                    input_file_id=file,
                    endpoint=ENDPOINT,
                    completion_window="24h",
                    metadata={MARK: digest},
                )
            )

        return await self._call(ask)

    async def retrieve(self, batch: str, patient: bool) -> "Batch | None":
        """Return how a batch stands, or None when the server does not know it.

        patient: sit out most of an hour without an answer; the batch loses nothing by it
        """
        import openai

        async def ask() -> "Batch | None":
            with suppress(openai.NotFoundError):
                return checked(await self.teacher.client.batches.retrieve(batch))
            return None

        return await self._call(ask, PATIENT_RETRIES if patient else 0)

    async def results(
        self, file: str, take: Callable[[str, dict[str, Any] | Verdict], None]
    ) -> bool:
        """Hand each question's name and its reply, or its fault, to `take`, as they are read.

        After a broken connection it begins again: `take` may be given one more than once. A line
        that is no result is passed over. Returns whether the server has the file.
        """
        import openai

        async def ask() -> bool:
            streaming = self.teacher.client.files.with_streaming_response
            with suppress(openai.NotFoundError):
                async with streaming.content(file, timeout=TRANSFER_S) as response:
                    async for line in lines(response.iter_bytes(BLOCK)):
                        try:
                            result = json.loads(line)
                            name = str(result["custom_id"])
                        except (ValueError, RecursionError, LookupError, TypeError):
                            continue
                        take(name, fate(result, self.teacher))
                return True
            return False

        return await self._call(ask)

    async def _find(self, digest: str, collected: set[str]) -> "Batch | None":
        listing = self.teacher.client.batches.list(limit=100)
        try:
            page = await listing
        except AttributeError:  # the package, of a page of HTML
            raise NoAnswerError("not a list of batches") from None
        async for batch in page:
            ours = (batch.metadata or {}).get(MARK) == digest
            empty = batch.status in ENDED and not (batch.output_file_id or batch.error_file_id)
            if ours and not empty and batch.id not in collected:
                return batch
        return None

    async def _call(self, ask: Callable[[], Awaitable[T]], retries: int = 0) -> T:
        """Call until there is an answer; raise TeacherError when there will be none.

        retries: at least; max_retries in any case
        """
        teacher, verdict = self.teacher, Verdict("retry", "")
        for retry in range(max(retries, teacher.settings["max_retries"]) + 1):
            if retry:
                await asyncio.sleep(teacher.pause_s(retry - 1, verdict.wait_s))
            try:
                return await ask()
            except json.JSONDecodeError as error:
                verdict = judge(NoAnswerError(str(error)))
            except Exception as error:
                verdict = judge(error)
            if verdict.kind in NO_API:
                what = f"{verdict.kind}: its server has no Batch API"
                then = "set generate.mode: live, then run the same command again"
                raise TeacherError(Fault(f"teacher {teacher.entry['name']}", what, then=then))
            if verdict.remedy != "retry":
                break
        raise teacher.error(f"{verdict.kind}: {verdict.detail}")


def checked(answer: T) -> T:
    """Return what the package made of an answer. Of a page of HTML at 200 it makes a string.

    Raises: NoAnswerError
    """
    if not isinstance(getattr(answer, "id", None), str):
        raise NoAnswerError("not an answer of the Batch API")
    return answer


async def lines(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream of bytes.

    Only a newline ends one. The packages' own readers of lines end them at U+2028 or U+0085, too,
    which JSON may hold as they are, and would cut a reply in two.
    """
    rest: list[bytes] = []
    async for block in blocks:
        first, *others = block.split(b"\n")
        rest.append(first)
        for other in others:
            yield b"".join(rest)
            rest = [other]
    yield b"".join(rest)


def fate(result: dict[str, Any], teacher: Teacher) -> dict[str, Any] | Verdict:
    """Return the reply that a result holds, or what helps against its fault."""
    response, error = result.get("response"), result.get("error")
    if not isinstance(response, dict):
        code = error.get("code") if isinstance(error, dict) else None
        return Verdict("retry", str(code or "no_answer"))
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        return judge_status(status if isinstance(status, int) else 500, {}, body)
    try:
        reply = read(json.dumps(body).encode(), teacher.entry["model"])
    except (NoAnswerError, RefusedError) as wrong:
        return judge(wrong)
    return reply | {"cost_usd": cost_usd(reply, teacher.entry.get("price"))}
