"""The child of `stages.evaluate.sandbox`: a prepared interpreter that forks for every answer.

    sandbox.py ── a task a line ──▶ this process ── fork ──▶ one answer's code, fenced in
               ◀── what came back ──  (once: guards)  ◀──────  returned values, or what it tried

Runs as a file with `-P -s -S -B`: it imports the standard library and its neighbours here, nothing
else, and the code cannot import these.
First line in: {"folder", "timeout_s", "wall_s", "memory_bytes"}; first line out: which danger is
held by what of the kernel. Then, a line each: {"code", "calls": [{"call", "args"}]} in;
{"results": [{"returns": value} or {"error": its class and their names}]} or {"verdict": what ended
it} out.
"""

import gc
import json
import os
import random
import select
import signal
import sys
import time
import types
from contextlib import suppress
from typing import Any, NoReturn

if __name__ == "__main__":
    # Our package without its own beginning, which looks for what this Python is not to have.
    sys.modules["stages"] = types.ModuleType("stages")
    sys.modules["stages"].__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
from stages.evaluate import guards
from stages.evaluate.verdicts import (
    CRASHED,
    FORBIDDEN,
    KILLED,
    NO_FUNCTION,
    OUT_OF_MEMORY,
    OUT_OF_TIME,
    SAID_MUCH,
    SILENT,
    WROTE_MUCH,
)
from stages.evaluate.watch import watch

MODULES = (
    "abc bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq "
    "itertools json math numbers operator random re statistics string textwrap typing unicodedata"
)  # what functions of this kind use: imported once, for all
MOST_SAID = 1 << 20


def call_all(code: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Define what the code defines, then make each call; an error is an answer too."""
    namespace: dict[str, Any] = {"__name__": "answer"}

    def error(raised: BaseException) -> dict[str, Any]:
        if isinstance(raised, MemoryError):
            namespace.clear()  # make room to say so
        names = [of.__name__ for of in type(raised).__mro__]
        return {"error": names, "errno": getattr(raised, "errno", None)}

    try:
        exec(compile(code, "answer", "exec"), namespace)  # noqa: S102
    except BaseException as raised:
        return [error(raised)]
    answers = []
    for call in calls:
        if call["call"] not in namespace:
            return [*answers, {"error": [NO_FUNCTION]}]
        try:
            returns = namespace[call["call"]](*call["args"])
            # As it is now: a later call may change what this one returned.
            answers.append({"returns": json.loads(json.dumps(returns, allow_nan=False))})
        except BaseException as raised:
            return [*answers, error(raised)]
    return answers


def run_code(task: dict[str, Any], setting: dict[str, Any], out: int, nonce: bytes) -> NoReturn:
    """Fence oneself in, run the code, say what came back: the forked process's whole life."""
    dumps, write, leave = json.dumps, os.write, os._exit  # whatever the code puts in their place

    def tell(answer: dict[str, Any]) -> NoReturn:
        left = nonce + dumps(answer).encode()
        while left:
            left = left[write(3, left) :]
        leave(0)

    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # what the code prints is no answer
            os.dup2(nothing, stream)
        os.dup2(out, 3)
        os.closerange(4, 256)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        random.seed(0)  # the same code gives the same result; a fork seeds anew
        guards.limits(setting["timeout_s"], setting["memory_bytes"])
        guards.seccomp()
        watch(setting["folder"], guards.READABLE, lambda verdict: tell({"verdict": verdict}))
        tell({"results": call_all(task["code"], task["calls"])})
    except MemoryError:
        tell({"verdict": OUT_OF_MEMORY})
    finally:
        leave(1)


def ended(status: int, used_s: float, timeout_s: float) -> str:
    """Return the verdict on a process that ended without a word."""
    if not os.WIFSIGNALED(status):
        return SILENT
    number = os.WTERMSIG(status)
    if number in (signal.SIGKILL, signal.SIGXCPU) and used_s >= timeout_s:
        return OUT_OF_TIME
    named = {signal.SIGPROF: OUT_OF_TIME, signal.SIGKILL: KILLED, signal.SIGXFSZ: WROTE_MUCH}
    if hasattr(signal, "SIGSYS"):
        named[signal.SIGSYS] = FORBIDDEN
    return named.get(signal.Signals(number), CRASHED)


def listen(child: int, come: int, setting: dict[str, Any], nonce: bytes) -> dict[str, Any]:
    """Hear a forked process out, end it and all of its group, and return what is to be told."""
    said, verdict = bytearray(), None
    deadline = time.monotonic() + setting["wall_s"]
    while verdict is None:
        ready = select.select([come, 0], [], [], max(0.0, deadline - time.monotonic()))[0]
        if 0 in ready:  # no task comes before this one is answered: who asked is gone
            verdict = KILLED
        elif not ready:
            verdict = OUT_OF_TIME
        elif not (more := os.read(come, 1 << 16)):
            break
        elif len(said := said + more) > MOST_SAID:
            verdict = SAID_MUCH
    os.close(come)
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if verdict:
        return {"verdict": verdict}
    _, found, answer = bytes(said).rpartition(nonce)
    if not found:
        return {"verdict": ended(status, usage.ru_utime + usage.ru_stime, setting["timeout_s"])}
    with suppress(ValueError, RecursionError):
        if isinstance(told := json.loads(answer), dict):
            return told
    return {"verdict": SILENT}  # not what run_code says, so the code spoke in its place


def main() -> None:
    """Prepare once; then fork for every task."""
    setting = json.loads(sys.stdin.buffer.readline())
    for name in [name for name in sys.modules if name.partition(".")[0] == "stages"]:
        del sys.modules[name]
    for name in MODULES.split():
        __import__(name)
    held = guards.enter(setting["folder"])
    gc.freeze()
    print(json.dumps(held), flush=True)
    while line := sys.stdin.buffer.readline():
        task, nonce = json.loads(line), os.urandom(16).hex().encode()
        come, go = os.pipe()
        if not (child := os.fork()):
            run_code(task, setting, go, nonce)
        os.close(go)
        print(json.dumps(listen(child, come, setting, nonce)), flush=True)


if __name__ == "__main__":
    main()
