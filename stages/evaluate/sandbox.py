"""Run what a model wrote: in a process of its own, with limits, and judge the results here.

    parent (sandbox.py)                           child (runner.py: forks for every answer)
    code and arguments                      ─▶    fenced in: time, memory, processes, files, network
    compares, by the values it alone knows  ◀─    returned values as JSON, or what it tried to do

The child never learns the expected values, so that printing "ok", leaving early, or redefining
equality gains nothing. This is a guard against accidents, not a jail: it holds no one who sets out
to break Python or the kernel. Who fears that runs the whole build in a container. Unix only.
How much of it the kernel holds differs from system to system: guards.py, `Sandbox.told`.
"""

import builtins
import errno
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stages.core.records import Case
from stages.evaluate.verdicts import (
    CLOSED,
    NO_FUNCTION,
    OUT_OF_MEMORY,
    PASSED,
    PROCESSES,
    SILENT,
    WRONG,
    WROTE_MUCH,
)

RUNNER = Path(__file__).with_name("runner.py")
PATIENCE = 5
START_S = 30.0  # to start Python and to hand a result over, on a busy machine
STOP_S = 2.0
RAISED = {
    name
    for name, of in vars(builtins).items()
    if isinstance(of, type) and issubclass(of, BaseException)
}
OS_ERRORS = {name for name in RAISED if issubclass(getattr(builtins, name), OSError)}
ERRNOS = {errno.EAGAIN: PROCESSES, errno.EFBIG: WROTE_MUCH, errno.ENOMEM: OUT_OF_MEMORY}


@dataclass(frozen=True)
class Limits:
    """What the code of one row may use, for all its cases together.

    timeout_s: CPU-seconds: on a busy machine the same code passes; the wall clock ends what sleeps,
        after PATIENCE times as long
    memory_mb: address space, the interpreter's 40 MiB included
    """

    timeout_s: float
    memory_mb: int


class Sandbox:
    """A prepared interpreter, and the scratch folder that the code of one row may write in.

    with Sandbox(limits) as sandbox: verdict = sandbox.run(code, cases)

    held: for each danger, what of the system's kernel holds it; none: Python's audit hook alone
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, code: str, cases: list[Case]) -> str:
        """Run the code and each case's call; return PASSED when every result is the expected one.

        Otherwise the first thing that went wrong: one of `verdicts.CLOSED`, or the name of what
        was raised. Results are compared by Python's == as JSON has them: a tuple equals a list,
        True equals 1 and 1.0, NaN is none.
        """
        if not cases:
            raise ValueError("a row without cases cannot pass or fail")
        calls = [{"call": case["call"], "args": case["args"]} for case in cases]
        answer = self._ask({"code": code, "calls": calls})
        self._sweep()
        return judge(answer, cases)

    def told(self) -> str:
        """Say which guards are in force, for the summary line of a stage."""
        held = ", ".join(danger for danger, by in self.held.items() if by)
        bare = ", ".join(danger for danger, by in self.held.items() if not by)
        alone = f"; NOT by this system, by Python's own hook alone: {bare}" if bare else ""
        return f"held by the system: {held}{alone}"

    def _start(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="tunegraph-", ignore_cleanup_errors=True)
        folder = self._scratch.name
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-S", "-B", str(RUNNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            # The same code gives the same result: sets have one order in every run.
            env={"PYTHONHASHSEED": "0", "TMPDIR": folder, "HOME": folder},
            start_new_session=True,
        )
        setting = {
            "folder": folder,
            "timeout_s": self.limits.timeout_s,
            "wall_s": self.limits.timeout_s * PATIENCE,
            "memory_bytes": self.limits.memory_mb * 2**20,
        }
        self.held = self._say(setting, START_S) or {}
        if not self.held:
            self._stop()
            raise RuntimeError(f"{RUNNER} does not start under {sys.executable}")

    def _stop(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=STOP_S)  # it goes when nothing more can come
        # Gone already; or, on macOS, a group of zombies alone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._scratch.cleanup()

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        answer = self._say(task, self.limits.timeout_s * PATIENCE + START_S)
        if answer is None:  # whatever ended the prepared interpreter: the next row gets a new one
            self._stop()
            self._start()
            return {"verdict": SILENT}
        return answer

    def _say(self, line: dict[str, Any], patience_s: float) -> dict[str, Any] | None:
        """Write a line, and return the one that comes back; None where none does."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        # RecursionError: a value as deep as the runner can read, and we, deeper in calls, cannot.
        with suppress(OSError, ValueError, RecursionError):
            into.write(json.dumps(line).encode() + b"\n")
            into.flush()
            if select.select([out], [], [], patience_s)[0]:
                return json.loads(out.readline())
        return None

    def _sweep(self) -> None:
        """Remove what the code left: the next row's begins in an empty folder, or in a new one."""
        for left in os.scandir(self._scratch.name):
            with suppress(OSError):
                if left.is_dir(follow_symlinks=False):
                    _unlock(left.path)
                    shutil.rmtree(left.path, ignore_errors=True)
                else:
                    os.unlink(left.path)
        if os.listdir(self._scratch.name):
            self._stop()
            self._start()


def _unlock(folder: str) -> None:
    """Make a folder, and all folders in it, ours to empty, as far as a path reaches."""
    os.chmod(folder, 0o700)
    for at, inside, _ in os.walk(folder):
        for path in (os.path.join(at, name) for name in inside):
            if not os.path.islink(path):
                with suppress(OSError):  # too long a path, which rmtree does without
                    os.chmod(path, 0o700)


def judge(answer: dict[str, Any], cases: list[Case]) -> str:
    """Return the verdict on what came back; what is not of the closed list is no name."""
    try:
        if "verdict" in answer:
            return answer["verdict"] if answer["verdict"] in CLOSED - {PASSED} else SILENT
        for result, case in zip(answer["results"], cases, strict=False):
            if "error" in result:
                return _named(result["error"], result.get("errno"))
            if result["returns"] != case["returns"]:
                return WRONG
        return PASSED if len(answer["results"]) == len(cases) else SILENT
    except (TypeError, KeyError, AttributeError, RecursionError):
        return SILENT


def _named(names: list[str], number: Any) -> str:
    """Return the name of the first of an exception's classes that is Python's own."""
    if names == [NO_FUNCTION]:
        return NO_FUNCTION
    error = next((name for name in names if name in RAISED), "Exception")
    if error == "MemoryError":
        return OUT_OF_MEMORY
    return ERRNOS.get(number, error) if isinstance(number, int) and error in OS_ERRORS else error
