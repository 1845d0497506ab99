"""The files that generate leaves, read in step: memory does not grow with the replies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.jsonl import stream_rows


def in_step(requests: Path, replies: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each request with its reply; generate writes them in the same order.

    Raises: InputError when they are not those of one another.
    """
    answers = stream_rows(replies)
    for request in stream_rows(requests):
        reply = next(answers, None)
        if reply is None or reply["request"] != request["id"]:
            raise InputError(apart(requests, replies))
        yield request, reply
    if next(answers, None) is not None:
        raise InputError(apart(requests, replies))


def apart(requests: Path, replies: Path) -> Fault:
    """Say how the replies are not those to the requests."""
    asked = [request["id"] for request in stream_rows(requests)]
    answered = [reply["request"] for reply in stream_rows(replies)]
    what = f"its {len(answered)} replies are not in the order of the requests"
    if missing := set(asked) - set(answered):
        what = f"lacks {len(missing)} of {len(asked)} requests"
    elif extra := set(answered) - set(asked):
        what = f"holds {len(extra)} replies that no request asked for"
    then = "dvc repro -s -f generate: what was paid for comes from the journal"
    return Fault(str(replies), what, f"one reply to each request of {requests}", then)


class Truths:
    """What the offline teacher knows, in the order of the requests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = stream_rows(path)
        self._next = next(self._lines, None)

    def of(self, request: str) -> dict[str, Any] | None:
        """Return the record that is the truth of a request, or None where none is known."""
        if self._next is None or self._next["request"] != request:
            return None
        record = self._next["record"]
        self._next = next(self._lines, None)
        return record

    def close(self) -> None:
        """Hold that all were asked for.

        Raises: InputError when one was not: a row that nobody judges is no row that is right.
        """
        if self._next is not None:
            what = f"request {self._next['request']} is unknown, or out of order"
            expected = "the order of the requests"
            raise InputError(Fault(str(self._path), what, expected, "dvc repro -f prompt"))
