"""Python's own guard, on every system: it sees what the code tries, names it, and ends it.

An audit hook cannot be removed. It is the only guard that knows what was meant; the kernel's
(guards.py) hold what goes round it. https://docs.python.org/3/library/audit_events.html
"""

import _thread
import os
import sys
from collections.abc import Callable
from typing import Any

from stages.evaluate.verdicts import FORBIDDEN, NETWORK, PROCESSES, READ, WROTE, WROTE_MUCH

MOST_FILES = 64  # opened for writing, and made; with guards.LARGEST_FILE, what it may leave on disk

STARTS = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn",
    "subprocess.Popen", "_thread.start_joinable_thread", "_thread.start_new_thread",
}  # fmt: skip
NETWORKS = {"ftplib", "http", "imaplib", "nntplib", "poplib", "smtplib", "socket", "urllib"}
CHANGES = {
    "os.chflags", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.removexattr",
    "os.rename", "os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime",
    "shutil.move", "shutil.rmtree",
}  # fmt: skip
MAKES = {"os.link", "os.mkdir", "os.symlink"}
OF_FOLDERS = {"os.chmod", "os.rename", "os.rmdir"}
LISTINGS = {"glob.glob", "os.chdir", "os.getxattr", "os.listdir", "os.listxattr", "os.scandir"}
OTHERS = {"ctypes", "fcntl", "resource", "signal", "sqlite3", "syslog"}
UNIX = 1  # AF_UNIX: a pair of them is how asyncio wakes itself
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch(folder: str, readable: tuple[str, ...], tell: Callable[[str], None]) -> None:
    """Hold the code to its folder, and to itself.

    readable: what it may read beside its folder
    tell:     gets the verdict, and ends the process
    """
    inside = (os.path.realpath(folder),)
    legible = inside + tuple(os.path.realpath(path) for path in readable)
    realpath, fsdecode = os.path.realpath, os.fsdecode  # whatever the code puts in their place
    made = 0

    def within(path: Any, roots: tuple[str, ...]) -> bool:
        if path is None or isinstance(path, int):
            return True  # where it is, or what is open already
        real = realpath(fsdecode(path))
        return any(real == root or real.startswith(root + "/") for root in roots)

    def count() -> None:
        nonlocal made
        made += 1
        if made > MOST_FILES:
            tell(WROTE_MUCH)

    def on_open(path: Any, flags: Any) -> None:
        if not isinstance(flags, int) or not flags & WRITING:
            if not within(path, legible):
                tell(READ)
        elif not within(path, (*inside, "/dev/null")):
            tell(WROTE)
        else:
            count()

    def on_event(event: str, given: tuple) -> None:
        family = event.partition(".")[0]
        if event == "open":
            on_open(given[0], given[2])
        elif event in STARTS or (event == "import" and given[0] == "_multiprocessing"):
            tell(PROCESSES)
        elif family in NETWORKS:
            if event != "socket.__new__" or given[1] != UNIX:
                tell(NETWORK)
        elif event in CHANGES:
            named = [path for path in given if isinstance(path, (str, bytes, os.PathLike))]
            if not all(within(path, inside) for path in named):
                tell(WROTE)
            if event in OF_FOLDERS and any(realpath(fsdecode(path)) == inside[0] for path in named):
                tell(WROTE)  # the name of its folder stands outside of it
            if event in MAKES:
                count()
        elif event in LISTINGS:
            if not within(given[0], legible):
                tell(READ)
        elif event in ("os.kill", "os.killpg") or family in OTHERS:
            tell(FORBIDDEN)

    sys.addaudithook(on_event)
    for name in ("start_new_thread", "start_joinable_thread"):  # no event in 3.11
        if hasattr(_thread, name):
            setattr(_thread, name, lambda *_, **__: tell(PROCESSES))
