"""A file of lines that only grows: written by one process at a time, whole lines or nothing.

A line is written by one call. A process that is killed leaves at most one torn line, the last one;
a disk that is full leaves none.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.core.errors import Fault, InputError

BLOCK = 2048  # bytes: most lines fit


class AppendOnly:
    """The file, and how far it was read.

    read_to: where the first line begins that was not read yet, in bytes
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_to = 0
        self._reader: int | None = None
        self._writer: int | None = None
        self._closing = threading.Lock()

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def news(self) -> Iterator[tuple[int, bytes]]:
        """Yield place and line of each whole line that was appended since, by anybody.

        Raises: InputError when the path is that of a folder, or of a device.
        """
        if self._reader is None:
            if not self._exists():
                return
            self._reader = os.open(self.path, os.O_RDONLY)
        with os.fdopen(os.dup(self._reader), "rb") as file:
            file.seek(self.read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn, or still being written; who holds the lock can tell
                place, self.read_to = self.read_to, self.read_to + len(line)
                yield place, line

    def at(self, place: int, length: int = BLOCK) -> bytes:
        """Return the line at a place, without its newline. length: of it, where that is known."""
        assert self._reader is not None, "a place without a file"
        line = os.pread(self._reader, length, place)
        while b"\n" not in line and (more := os.pread(self._reader, len(line), place + len(line))):
            line += more
        return line.partition(b"\n")[0]

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the file for writing, alone; `waiting` is called once when another one holds it.

        The system drops the lock when the process ends, however it ends. Raises: InputError when it
        is not the file any more that was read.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._exists()
        self._writer = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock(self._writer, waiting)
            self._check_same()
            yield
            self.sync()
        finally:
            with self._closing:  # a thread may be in `sync`
                os.close(self._writer)
                self._writer = None

    def append(self, line: bytes) -> int:
        """Write a line, newline included, and return its place: after what was read.

        Raises: OSError, as of a full disk, and InputError when somebody has deleted the file; what
        was written before stays whole.
        """
        assert self._writer is not None, "outside of locked()"
        status = os.fstat(self._writer)
        if not status.st_nlink:
            raise self.changed("was deleted while it was written")
        try:
            if os.write(self._writer, line) < len(line):  # a disk that fills up takes a part first
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):  # or the next line would stand on the same one
                os.ftruncate(self._writer, status.st_size)
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self.read_to = status.st_size + len(line)
        return status.st_size

    def mend(self, torn: Callable[[bytes], bool]) -> None:
        """Cut what follows the last newline if it is `torn`; else give it its newline."""
        assert self._writer is not None, "outside of locked()"
        if rest := os.fstat(self._writer).st_size - self.read_to:
            if torn(os.pread(self._writer, rest, self.read_to)):
                os.ftruncate(self._writer, self.read_to)
            else:
                os.write(self._writer, b"\n")

    def sync(self) -> None:
        """Bring what was appended to the disk itself: against a power cut, not against a kill."""
        with self._closing:
            if self._writer is not None:
                os.fsync(self._writer)

    def changed(self, what: str) -> InputError:
        """Return the error for what another program did to the file."""
        then = "see who does that, then run the same command again"
        return InputError(Fault(f"{self.path}, the journal of replies", what, then=then))

    def _lock(self, file: int, waiting: Callable[[], None]) -> None:
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems
            where, what = f"{self.path}, the journal of replies", f"no lock: {error.strerror}"
            then = "set TUNEGRAPH_JOURNAL to a file on a disk of this machine"
            raise InputError(Fault(where, what, "a disk that locks files", then)) from None

    def _exists(self) -> bool:
        exists = self.path.exists()
        if exists and not self.path.is_file():
            where, expected = f"{self.path}, the journal of replies", "a file, or a free name"
            raise InputError(Fault(where, "is no file", expected, "set TUNEGRAPH_JOURNAL to one"))
        return exists

    def _check_same(self) -> None:
        """Hold that the file which is locked is the one at `path`, and the one that was read."""
        assert self._writer is not None
        ours = os.fstat(self._writer)
        read = ours if self._reader is None else os.fstat(self._reader)
        same = os.path.samestat(ours, read) and ours.st_size >= self.read_to
        try:
            same = same and os.path.samestat(ours, os.stat(self.path))
        except FileNotFoundError:
            same = False
        if not same:
            raise self.changed("was replaced, cut or deleted after it was read")
