"""The journal of replies: what was paid for, kept outside DVC's outputs, append-only.

A line an entry (`entries.py`), written by one call the moment the reply arrives: a killed process
leaves at most one torn line at the end. It is recognised by its checksum, cut, and only its request
is asked again. A later entry of a name takes the place of an earlier one, which stays for what it
cost.
"""

import errno
import fcntl
import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core.entry import OUT_OF_SPACE
from stages.core.errors import Fault, InputError
from stages.generate.entries import HEAD, VERSION, Entry, decode, encode, glance, is_reply, verified
from stages.generate.index import Index

BLOCK = 2048  # bytes: most entries fit


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
        self._places = Index()  # name -> place, and whether a limit cut the reply
        self._before = Index()  # place -> the place that it took over, and whether that was cut
        self._notes: list[int] = []
        self._read_to = 0
        self._fresh_from: float = math.inf
        self._reader: int | None = None
        self._writer: int | None = None
        self._closing = threading.Lock()
        self._last: tuple[int, dict[str, Any]] = (-1, {})  # the entry that was read last

    def __len__(self) -> int:
        """Return how many questions have a reply."""
        return len(self._places)

    def refresh(self) -> None:
        """Take in what was appended since the last call (by another process, too).

        Every checksum is verified. Raises: InputError for an entry of another version.
        """
        if self._reader is None:
            if not self.path.exists():
                return
            self._reader = os.open(self.path, os.O_RDONLY)
        with os.fdopen(os.dup(self._reader), "rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn, or still being written; `locked` decides
                self._take(line)

    def has(self, name: str, max_tokens: int) -> bool:
        """Tell whether a question needs no asking: answered, and not cut by a lower limit."""
        found = self._places.get(int(name, 16))
        if found is None or not found & 1:  # a reply that ended by itself is good for any limit
            return found is not None
        return max_tokens <= self._entry(found >> 1).max_tokens

    def reply(self, name: str) -> dict[str, Any] | None:
        """Return the latest reply to a question, or None."""
        return next((entry.reply for entry in self.entries(name)), None)

    def entries(self, name: str) -> Iterator[Entry]:
        """Yield all entries of a question, the latest first: each was paid for."""
        found = self._places.get(int(name, 16))
        while found is not None:
            yield self._entry(found >> 1)
            found = self._before.get(found >> 1)

    def names(self) -> Iterator[str]:
        """Yield the names of all that has a reply, in no order that means anything."""
        return (f"{name:016x}" for name in self._places)

    def notes(self) -> Iterator[dict[str, Any]]:
        """Yield the notes, in the order in which they were written."""
        for place in self._notes:
            yield self._read(place)["note"]

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the journal for writing, alone; `waiting` is called once when another run holds it.

        The system drops the lock when the process ends, however it ends.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            try:
                fcntl.flock(self._writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(self._writer, fcntl.LOCK_EX)
            self.refresh()
            self._mend()
            self._fresh_from = min(self._fresh_from, self._read_to)
            yield
            self.sync()
        finally:
            with self._closing:  # a thread may be in `sync`
                os.close(self._writer)
                self._writer = None

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
        with self._closing:
            if self._writer is not None:
                os.fsync(self._writer)

    def _write(self, entry: dict[str, Any]) -> None:
        assert self._writer is not None, "outside of locked()"
        line, place = encode(entry), os.fstat(self._writer).st_size
        try:
            written = os.write(self._writer, line)
            if written < len(line):  # a disk that fills up takes a part first
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno in OUT_OF_SPACE:
                os.ftruncate(self._writer, place)
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self._read_to = place
        self._take(line)

    def _take(self, line: bytes) -> None:
        """Take in the line that stands at `_read_to`."""
        place = self._read_to
        body = verified(line)
        if body is None:
            self.damaged += bool(line.strip())
        elif found := glance(body):
            self._put(*found, place, line)
        else:
            entry = json.loads(body)
            if isinstance(entry, dict) and entry.get("v") != VERSION:
                raise InputError(self._other_version(entry.get("v")))
            if is_reply(entry):
                cut = entry["reply"]["finish_reason"] == "length"
                self._put(int(entry["request"], 16), cut, place, line)
            elif isinstance(entry, dict) and isinstance(entry.get("note"), dict):
                self._notes.append(place)
            else:
                self.damaged += 1
        self._read_to = place + len(line)

    def _put(self, name: int, cut: bool, place: int, line: bytes) -> None:
        before = self._places.put(name, place << 1 | cut)
        if before is None:
            return
        assert self._reader is not None, "a place without a file"
        # The same line twice (files that were joined by hand) was paid for once.
        if os.pread(self._reader, len(line), before >> 1) != line:
            self._before.put(place, before)

    def _other_version(self, version: object) -> Fault:
        return Fault(
            f"{self.path}, the journal of replies",
            f"holds an entry of version {version!r}",
            f"version {VERSION}",
            "use the TuneGraph that wrote it, or move the journal away (its replies are then paid "
            "for again)",
        )

    def _read(self, place: int) -> dict[str, Any]:
        if place == self._last[0]:
            return self._last[1]
        assert self._reader is not None, "a place without a file"
        line = os.pread(self._reader, BLOCK, place)
        while b"\n" not in line and (more := os.pread(self._reader, len(line), place + len(line))):
            line += more
        entry = decode(line.partition(b"\n")[0])
        if entry is None:
            what = "was changed while it was read"
            raise InputError(Fault(str(self.path), what, then="run the same command again"))
        self._last = place, entry
        return entry

    def _entry(self, place: int) -> Entry:
        entry = self._read(place)
        name, limit, reply = (entry[key] for key in ("request", "max_tokens", "reply"))
        return Entry(name, limit, reply, entry.get("seconds"), place >= self._fresh_from)

    def _mend(self) -> None:
        """Cut a torn last line; complete one that lacks but its newline, or that is not ours."""
        assert self._writer is not None
        size = os.fstat(self._writer).st_size
        if size == self._read_to:
            return
        last = os.pread(self._writer, size - self._read_to, self._read_to)
        torn = HEAD.startswith(last[: len(HEAD)])
        if verified(last) is not None or not torn:
            os.write(self._writer, b"\n")
            self.refresh()
        else:
            os.ftruncate(self._writer, self._read_to)
