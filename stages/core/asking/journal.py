"""The journal of replies: what was paid for, kept outside DVC's outputs, append-only.

A line an entry (`entries.py`), written by one call the moment the reply arrives: a killed process
leaves at most one torn line at the end. It is recognised by its checksum, cut, and only its request
is asked again. A later entry of a name takes the place of an earlier one, which stays for what it
cost.
"""

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core.asking.append_only import AppendOnly
from stages.core.asking.entries import (
    HEAD,
    VERSION,
    Entry,
    decode,
    encode,
    glance,
    is_reply,
    verified,
)
from stages.core.asking.index import Places, Spot
from stages.core.errors import Fault, InputError

EXPORTED = b'{"entry": '  # how a line begins that `tunegraph journal export` wrote


def location() -> Path:
    """Return where the journal is: $TUNEGRAPH_JOURNAL, or below the main checkout.

    DVC sets DVC_ROOT to the main checkout even inside `dvc exp run --temp` and its queue, so that
    all of them share what was paid for; a relative path counts from there, too.
    """
    chosen = os.environ.get("TUNEGRAPH_JOURNAL") or ".cache/tunegraph/journal.jsonl"
    return Path(os.environ.get("DVC_ROOT", "."), chosen)


class Journal:
    """The replies on disk, found by the names of their questions.

    damaged:  lines that are neither an entry nor a torn end
    appended: replies written by this run
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self.appended = 0
        self._file = AppendOnly(path)
        self._places = Places()
        self._notes: list[int] = []
        self._fresh_from: float = math.inf
        self._last: tuple[int, dict[str, Any]] = (-1, {})  # the entry that was read last

    def __len__(self) -> int:
        """Return how many questions have a reply."""
        return len(self._places)

    def refresh(self) -> None:
        """Take in what was appended since the last call (by another process, too).

        Every checksum is verified. Raises: InputError for an entry of another version, an exported
        one, and what is no file.
        """
        for place, line in self._file.news():
            self._take(place, line)

    def has(self, name: str, max_tokens: int) -> bool:
        """Tell whether a question needs no asking: answered, and not cut by a lower limit."""
        spot = next(self._places.of(name), None)
        if spot is None or not spot.cut:  # a reply that ended by itself is good for any limit
            return spot is not None
        return max_tokens <= self._entry(spot.place).max_tokens

    def reply(self, name: str) -> dict[str, Any] | None:
        """Return the latest reply to a question, or None."""
        return next((entry.reply for entry in self.entries(name)), None)

    def entries(self, name: str) -> Iterator[Entry]:
        """Yield all entries of a question, the latest first: each was paid for."""
        return (self._entry(spot.place) for spot in self._places.of(name))

    def names(self) -> Iterator[str]:
        """Yield the names of all that has a reply, in no order that means anything."""
        return self._places.names()

    def notes(self) -> Iterator[dict[str, Any]]:
        """Yield the notes, in the order in which they were written."""
        for place in self._notes:
            yield self._read(place)["note"]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the journal for writing, alone; `waiting` is called once when another run holds it.

        Raises: as `refresh` and `AppendOnly.locked`.
        """
        with self._file.locked(waiting):
            self.refresh()
            self._file.mend(lambda rest: HEAD.startswith(rest[: len(HEAD)]) and not verified(rest))
            self.refresh()
            self._fresh_from = min(self._fresh_from, self._file.read_to)
            yield

    def append(
        self, name: str, max_tokens: int, reply: dict[str, Any], seconds: float | None = None
    ) -> None:
        """Write a reply down. Once this returns, a killed process does not lose it.

        seconds: how long the attempt took that was answered
        Raises: OSError when the disk is full; what was written before stays whole.
        """
        entry = {"v": VERSION, "request": name, "max_tokens": max_tokens, "reply": reply}
        self._write(entry if seconds is None else entry | {"seconds": round(seconds, 3)})
        self.appended += 1

    def note(self, note: dict[str, Any]) -> None:
        """Write down what is no reply, as safely; raises as `append` does."""
        self._write({"v": VERSION, "note": note})

    def sync(self) -> None:
        """Bring what was appended to the disk itself: against a power cut, not against a kill."""
        self._file.sync()

    def _write(self, entry: dict[str, Any]) -> None:
        line = encode(entry)
        self._take(self._file.append(line), line)

    def _take(self, place: int, line: bytes) -> None:
        body = verified(line)
        if body is None:
            if line.startswith(EXPORTED):  # passed over, what it holds would be paid for again
                raise InputError(self._exported())
            self.damaged += bool(line.strip())
        elif found := glance(body):
            self._put(*found, place, line)
        else:
            entry = json.loads(body)
            if isinstance(entry, dict) and entry.get("v") != VERSION:
                raise InputError(self._other_version(entry.get("v")))
            if is_reply(entry):
                cut = entry["reply"]["finish_reason"] == "length"
                self._put(entry["request"], cut, place, line)
            elif isinstance(entry, dict) and isinstance(entry.get("note"), dict):
                self._notes.append(place)
            else:
                self.damaged += 1

    def _exported(self) -> Fault:
        return Fault(
            f"{self.path}, the journal of replies",
            "holds lines that `tunegraph journal export` wrote",
            "lines of a journal",
            "move them to a file of their own, and `tunegraph journal import` that",
        )

    def _other_version(self, version: object) -> Fault:
        return Fault(
            f"{self.path}, the journal of replies",
            f"holds an entry of version {version!r}",
            f"version {VERSION}",
            "use the TuneGraph that wrote it, or move the journal away (its replies are then paid "
            "for again)",
        )

    def _put(self, name: str, cut: bool, place: int, line: bytes) -> None:
        held = (self._file.at(spot.place, len(line)) for spot in self._places.of(name))
        # The same line twice (files that were joined by hand) was paid for once.
        if line[:-1] not in held:
            self._places.put(name, Spot(place, cut))

    def _read(self, place: int) -> dict[str, Any]:
        if place == self._last[0]:
            return self._last[1]
        entry = decode(self._file.at(place))
        if entry is None:
            raise self._file.changed("was changed while it was read")
        self._last = place, entry
        return entry

    def _entry(self, place: int) -> Entry:
        entry = self._read(place)
        name, limit, reply = (entry[key] for key in ("request", "max_tokens", "reply"))
        return Entry(name, limit, reply, entry.get("seconds"), place >= self._fresh_from)
