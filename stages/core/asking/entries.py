r"""The lines of the journal: how an entry is spelled, verified and read.

One line an entry, `{"sha":"<16 hex>","entry":{...}}`, where sha covers the bytes of the entry. The
text is ASCII (`\u` escapes), so that every reply can be held as it came, lone surrogates too.

A reply's entry: v (version of the format), request (the name of the question, 16 hex digits),
max_tokens (the limit it was asked with), reply (a `stages.core.records.Reply` without its request)
and, where it was measured, seconds (the attempt that was answered). A note: v, note (an object).
"""

import hashlib
import json
import re
from typing import Any, NamedTuple

VERSION = 1
HEAD, MIDDLE, TAIL = b'{"sha":"', b'","entry":', b"}"
BODY = len(HEAD) + 16 + len(MIDDLE)
NAME = re.compile("[0-9a-f]{16}")
# What `encode` writes of an entry around its text. No string holds a bare quotation mark, so that
# these find the keys themselves, never words of a reply.
START = re.compile(rb'\{"max_tokens":\d+,"reply":\{[^{}]*?"finish_reason":"(\w+)"')
END = re.compile(rb',"request":"([0-9a-f]{16})"(?:,"seconds":[\d.e+-]+)?,"v":1\}')
LONGEST_END = 80


class Entry(NamedTuple):
    """A reply as it was written down.

    name:  of the question
    fresh: this run has paid for it
    """

    name: str
    max_tokens: int
    reply: dict[str, Any]
    seconds: float | None
    fresh: bool


def spell(entry: dict[str, Any]) -> bytes:
    """Spell an entry as the bytes that its checksum covers."""
    return json.dumps(entry, separators=(",", ":"), sort_keys=True).encode("ascii")


def checksum(body: bytes) -> bytes:
    """Return the checksum of an entry's bytes, 16 hex digits."""
    return hashlib.sha256(body).hexdigest()[:16].encode()


def encode(entry: dict[str, Any]) -> bytes:
    """Spell an entry as a line, newline included."""
    body = spell(entry)
    return b"".join((HEAD, checksum(body), MIDDLE, body, TAIL, b"\n"))


def verified(line: bytes) -> bytes | None:
    """Return the entry's bytes of a line, or None when it is torn, foreign or damaged."""
    line = line.rstrip(b"\n")
    body = line[BODY : -len(TAIL)]
    middle = line.startswith(MIDDLE, BODY - len(MIDDLE))
    whole = line.startswith(HEAD) and middle and line.endswith(TAIL)
    if not whole or checksum(body) != line[len(HEAD) : len(HEAD) + 16]:
        return None
    return body


def decode(line: bytes) -> dict[str, Any] | None:
    """Read a line (with or without its newline); None when it is torn, foreign or damaged."""
    body = verified(line)
    return None if body is None else json.loads(body)


def is_reply(entry: Any) -> bool:
    """Tell whether a value has the shape of a reply's entry."""
    return (
        isinstance(entry, dict)
        and isinstance(name := entry.get("request"), str)
        and NAME.fullmatch(name) is not None
        and type(entry.get("max_tokens")) is int
        and isinstance(reply := entry.get("reply"), dict)
        and {"text", "finish_reason"} <= reply.keys()
    )


def glance(body: bytes) -> tuple[str, bool] | None:
    """Return name and whether a limit cut the reply, without reading all; None: read it whole."""
    start, end = START.match(body), END.search(body, max(0, len(body) - LONGEST_END))
    if start and end and end.end() == len(body):
        return end[1].decode(), start[1] == b"length"
    return None
