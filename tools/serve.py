"""Serve a model to programs that speak the OpenAI API, on this machine alone.

    tunegraph serve 2c                    transformers serve, on the merged export
    tunegraph serve 2c --engine vllm      vLLM, with the adapter on its base: a GPU

The server is a process of its own; Ctrl-C or SIGTERM ends it, and this one.
"""

import contextlib
import ctypes
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.visible import visible
from tools import servers
from tools.export import hold_name
from tools.logits import conversations
from tools.origin import Origin
from tools.servers import Server

END_S = 10  # for answers under way
LAST = 3  # lines of a server that ended by itself
SHORT = 400  # characters of a prompt that is shown as the example


def hold_address(name: str, host: str, port: int) -> None:
    """Hold that a server may listen there.

    Raises: ConfigError.
    """
    where = f"--host {host} --port {port}"
    try:
        if not 0 < port < 65536:
            raise OSError("no port is numbered so")
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
            free.bind(address)
    except OSError as error:
        what = f"nothing can listen there: {error.strerror or error}"
        then = f"tunegraph serve {name} --port {port % 60000 + 1}"
        raise ConfigError(Fault(where, what, "an address of this machine, free", then)) from error


def url(host: str, port: int) -> str:
    """Return the address that programs on this machine use."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{here}]' if ':' in here else here}:{port}"


def example(server: Server, address: str, params: dict[str, Any]) -> str:
    """Return a line for a shell: a test row's prompt, with the system prompt that it has."""
    asked = [{"role": "user", "content": "Hello"}]
    with contextlib.suppress(InputError):
        rows = [row[:-1] for row in conversations(Origin(), params)[0]]
        shortest = min(rows, key=lambda row: len(json.dumps(row)))
        asked = shortest if len(json.dumps(shortest)) <= SHORT else asked
    limit = params["answer"]["max_new_tokens"]
    body = {"model": server.model, "messages": asked, "max_tokens": limit, "temperature": 0}
    words = ["curl", "-s", f"{address}/v1/chat/completions", "-H", "Content-Type: application/json"]
    return shlex.join([*words, "-d", json.dumps(body)])


def pass_on(log: IO[bytes], last: deque[str]) -> None:
    """Write what a server says to stderr, with nothing in it that moves a terminal."""
    with log:
        for line in log:
            last.append(visible(line.decode("utf-8", "replace")).rstrip())
            with contextlib.suppress(OSError):  # nobody reads on; the server must not wait for that
                print(last[-1], file=sys.stderr, flush=True)


def healthy(address: str) -> bool:
    """Return whether a server answers; a proxy is not asked."""
    try:
        with build_opener(ProxyHandler({})).open(f"{address}/health", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def wait(process: "subprocess.Popen[bytes]", address: str) -> bool:
    """Wait until a server answers, which may take minutes; return False when it has ended."""
    from tqdm import tqdm

    with tqdm(desc="loading", bar_format="{desc} {elapsed}", disable=None, leave=False) as bar:
        while process.poll() is None:
            if healthy(address):
                return True
            bar.refresh()
            time.sleep(0.25)
    return False


def end_with_parent() -> Callable[[], object] | None:
    """Return what a new process does first, so that it ends even when this one is killed.

    Linux alone knows it (PR_SET_PDEATHSIG, prctl(2)); a notebook's restart kills like that.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def started(server: Server) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server in a process group of its own, and leave nothing of it behind."""
    process = subprocess.Popen(
        server.command,
        cwd=server.folder,
        env=servers.environment(server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=end_with_parent(),
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
    )
    try:
        yield process
    finally:
        try:
            process.terminate()
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # workers of its own, too
            process.wait()


@contextlib.contextmanager
def ended_by(*signals: signal.Signals) -> Iterator[None]:
    """Let a signal end this process as sys.exit(0) does."""

    def leave(*_: object) -> None:
        sys.exit(0)

    former = {each: signal.signal(each, leave) for each in signals}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def serve(server: Server, address: str, told: str) -> None:
    """Start a server, say where it is when it answers, and stay until it ends.

    Raises: InputError with its last words when it ends by itself.
    """
    last: deque[str] = deque(maxlen=LAST)
    with started(server) as process:
        assert process.stdout is not None
        log = threading.Thread(target=pass_on, args=(process.stdout, last), daemon=True)
        log.start()
        if wait(process, address):
            entry.say("serve", told)
        code = process.wait()
        log.join(END_S)
    words = " | ".join(line.strip() for line in last if line.strip())
    what = f"it ended by itself, with exit code {code}; its last words: {words or '(none)'}"
    then = "what it said stands above"
    raise InputError(Fault(server.engine, what, then=then))


def main(name: str, host: str, port: int, engine: str) -> None:
    """Serve until interrupted.

    Raises: ConfigError or InputError for what a user can mend, before anything is started.
    """
    with (
        ended_by(signal.SIGTERM, signal.SIGHUP),
        tempfile.TemporaryDirectory(prefix="tunegraph-serve-") as folder,
    ):
        origin = Origin()
        params = origin.params(Path(folder))
        hold_name(name, params, origin)
        origin.folder("models/base", Path(folder))
        origin.folder(f"models/{name}", Path(folder))
        hold_address(name, host, port)
        if engine == "vllm":
            server = servers.vllm(name, host, port)
        else:
            scratch = Path(folder) / "hub"
            scratch.mkdir()
            server = servers.transformers(name, params["compute"], host, port, scratch)
        address = url(host, port)
        told = f"{server.model} at {address}/v1 (no key is asked for); for example: "
        serve(server, address, told + example(server, address, params))
