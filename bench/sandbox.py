"""Run code that means harm as an answer's code is run: it must be contained, and named.

As the user who calls it and, where that is root, as a user without rights too. Then what a run
costs in CPU-milliseconds, beside a Python started for every answer.

python bench/sandbox.py [--keep FILE]
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, report

from stages.evaluate.guards import NOBODY
from stages.evaluate.sandbox import Limits, Sandbox
from stages.evaluate.verdicts import (
    FORBIDDEN,
    NETWORK,
    OUT_OF_MEMORY,
    OUT_OF_TIME,
    PASSED,
    PROCESSES,
    READ,
    SAID_MUCH,
    WROTE,
    WROTE_MUCH,
)
from tools.show import aligned

LIMITS = Limits(timeout_s=2.0, memory_mb=512)  # as in the recipe
CASES = [{"call": "f", "args": [3], "returns": 9}]
SQUARE = "def f(x):\n    return x * x\n"
RUNS = 100
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3")


@dataclass(frozen=True)
class Attempt:
    """One piece of code; `folder` and `port` stand for what it must not reach."""

    name: str
    code: str
    verdict: str


ATTEMPTS = [
    Attempt("infinite loop", "while True:\n    pass", OUT_OF_TIME),
    Attempt("infinite loop that catches all", "def f(x):\n    while True:\n        try:\n"
            "            f(x)\n        except BaseException:\n            pass", OUT_OF_TIME),
    Attempt("sleeps for an hour", "import time\ntime.sleep(3600)", OUT_OF_TIME),
    Attempt("200 child processes", "import os, time\nfor _ in range(200):\n"
            "    if not os.fork():\n        time.sleep(60)", PROCESSES),
    Attempt("200 by subprocess", "import subprocess\n"
            "[subprocess.Popen(['sleep', '60']) for _ in range(200)]", PROCESSES),
    Attempt("200 by multiprocessing", "import multiprocessing\n"
            "multiprocessing.Pool(200).map(abs, range(9))", PROCESSES),
    Attempt("200 threads", "import threading, time\nfor _ in range(200):\n"
            "    threading.Thread(target=time.sleep, args=(60,)).start()", PROCESSES),
    Attempt("a daemon, forked twice", "import os\nif not os.fork():\n    os.setsid()\n"
            "    if not os.fork():\n        open({folder!r} + '/new', 'w')", PROCESSES),
    Attempt("10 GB at once", "kept = bytearray(10 * 2**30)", OUT_OF_MEMORY),
    Attempt("10 GB bit by bit", "kept = []\nwhile True:\n    kept.append(bytearray(2**20))",
            OUT_OF_MEMORY),
    Attempt("writes outside its folder", "open({folder!r} + '/new', 'w').write('x')", WROTE),
    Attempt("overwrites a file", "open({folder!r} + '/kept', 'w')", WROTE),
    Attempt("removes a file", "import os\nos.remove({folder!r} + '/kept')", WROTE),
    Attempt("removes a tree", "import shutil\nshutil.rmtree({folder!r})", WROTE),
    Attempt("fills the disk", "n = 0\nwhile True:\n    n += 1\n"
            "    open(str(n), 'wb').write(bytes(2**20))", WROTE_MUCH),
    Attempt("fills the disk with folders", "import os\nn = 0\nwhile True:\n    n += 1\n"
            "    os.mkdir(str(n))", WROTE_MUCH),
    Attempt("a folder in a folder, without end", "import os\nwhile True:\n"
            "    os.mkdir('a')\n    os.chdir('a')", WROTE_MUCH),
    Attempt("locks its folder", "import os\nos.chmod('.', 0)", WROTE),
    Attempt("network", "import socket\nsocket.create_connection(('127.0.0.1', {port}))", NETWORK),
    Attempt("network by name", "import urllib.request\n"
            "urllib.request.urlopen('http://localhost:{port}')", NETWORK),
    Attempt("reads a file", "open({folder!r} + '/kept').read()", READ),
    Attempt("reads our environment", "open('/proc/{parent}/environ').read()", READ),
    Attempt("kills its parent", "import os\nos.kill(os.getppid(), 9)", FORBIDDEN),
    Attempt("kills us", "import os\nos.kill({parent}, 9)", FORBIDDEN),
    Attempt("calls the C library", "import ctypes\nctypes.CDLL(None).system(b'true')", FORBIDDEN),
    Attempt("returns 100 MB", "def f(x):\n    return 'x' * 10**8", SAID_MUCH),
    Attempt("a right answer", SQUARE, PASSED),
]  # fmt: skip


def attempted(folder: Path) -> dict[str, list[str]]:
    """Make every attempt; return, by its name, the verdict and what it reached (nothing)."""
    (folder / "kept").write_text("kept")
    found = {}
    with socket.create_server(("127.0.0.1", 0)) as server, Sandbox(LIMITS) as sandbox:
        server.setblocking(False)
        words = {"folder": str(folder), "port": server.getsockname()[1], "parent": os.getpid()}
        for attempt in ATTEMPTS:
            code = attempt.code
            for word, value in words.items():
                code = code.replace(f"{{{word}!r}}", repr(value)).replace(f"{{{word}}}", str(value))
            verdict = sandbox.run(code, CASES)
            reached = [path.name for path in folder.iterdir() if path.name != "kept"]
            reached += [] if (folder / "kept").read_text() == "kept" else ["kept"]
            reached += ["folder"] if any(Path(sandbox._scratch.name).iterdir()) else []
            reached += [f"process {n}" for n in left_running(sandbox._process.pid)]
            with suppress(BlockingIOError):
                server.accept()
                reached.append("network")
            found[attempt.name] = [verdict, ", ".join(reached)]
        found["guards"] = [sandbox.told(), ""]
    return found


def left_running(prepared: int) -> list[int]:
    """Return what descends from the prepared interpreter (Linux), but its own first process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {prepared}
    for _ in parents:
        found |= {process for process, parent in parents.items() if parent in found}
    return sorted(found - {prepared})[1:]


def as_nobody() -> dict[str, list[str]]:
    """Make the attempts as a user without rights, under a Python that this user can start."""
    come, go = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        if not os.fork():
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                usable = [sys.executable, *filter(None, map(shutil.which, PYTHONS))]
                sys.executable = next((path for path in usable if starts(path)), sys.executable)
                os.write(go, json.dumps(attempted(Path(folder))).encode())
            finally:
                os._exit(0)
        os.close(go)
        with os.fdopen(come) as told:
            found = json.loads(told.read())
        os.wait()
    return found


def starts(python: str) -> bool:
    """Say whether a Python starts, and is new enough."""
    new = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-S", "-c", new], capture_output=True).returncode == 0
    except OSError:
        return False


def cpu_s() -> float:
    """Return our CPU-seconds, those of the children that have ended included."""
    return sum(os.times()[:4])


def main() -> None:
    """Attempt, measure, print; exit 1 if anything was not contained and named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        users = {"root" if os.getuid() == 0 else "user": attempted(Path(folder))}
    if os.getuid() == 0:
        users["nobody"] = as_nobody()
    print(aligned([
        ("attempt", "expected", *users),
        *((one.name, one.verdict, *(" REACHED ".join(filter(None, of[one.name]))
           for of in users.values())) for one in ATTEMPTS),
    ]))  # fmt: skip
    for user, found in users.items():
        print(f"{user}: {found['guards'][0]}")

    begun = cpu_s()
    with Sandbox(LIMITS) as sandbox:
        for _ in range(RUNS):
            assert sandbox.run(SQUARE, CASES) == PASSED
    ours = (cpu_s() - begun) / RUNS * 1000
    begun = cpu_s()
    for _ in range(10):
        subprocess.run([sys.executable, "-I", "-S", "-B", "-c", SQUARE], check=True)
    started = (cpu_s() - begun) / 10 * 1000
    figures = [
        Figure(
            f"contained and named, as {user}",
            sum(found[one.name] == [one.verdict, ""] for one in ATTEMPTS),
            at_least=len(ATTEMPTS),
        )
        for user, found in users.items()
    ]
    figures.append(Figure(f"one run, of {RUNS}", ours, "CPU-ms"))
    figures.append(Figure("a bare Python started instead", started, "CPU-ms"))
    report(figures, args.keep)


if __name__ == "__main__":
    main()
