"""Where the window listens: this machine alone, at a port that is free."""

import signal
import socket
import threading
from typing import Any

from stages.core.errors import ConfigError, Fault

ADDRESS, FIRST = "127.0.0.1", 7860


def free_port() -> int:
    """Return the first free port from 7860 on.

    Raises: ConfigError where none of a hundred is.
    """
    found = next((port for port in range(FIRST, FIRST + 100) if is_free(port)), None)
    if found is None:
        what = "none is free"
        raise ConfigError(Fault(f"ports {FIRST} to {FIRST + 99}", what, then="name one: --port"))
    return found


def hold_free(port: int) -> None:
    """Hold that a port can be used.

    Raises: ConfigError.
    """
    if not 0 < port < 65536:
        raise ConfigError(Fault("--port", f"{port} is none", "1 to 65535"))
    if not is_free(port):
        raise ConfigError(taken(port))


def taken(port: int) -> Fault:
    """Say that a port is not to be had."""
    then = "leave it out: the first that is free is taken"
    return Fault("--port", f"{port} is taken, or not allowed", "a free one", then)


def is_free(port: int) -> bool:
    """Tell whether a server can listen there."""
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            there.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def until_interrupted() -> None:
    """Wait for Ctrl-C, or for a polite request to end.

    Raises: KeyboardInterrupt.
    """

    def ended(*_: Any) -> None:
        raise KeyboardInterrupt

    # A shell's background job ignores the first, and Python does not clean up after the second.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, ended)
    threading.Event().wait()
