"""Take part, on any machine but the first, in each training that the first one starts.

    machine 0: dvc repro                        the other machines: python -m stages.train.follow

All of them need MASTER_ADDR, MASTER_PORT and a rank of their own in the environment, and the same
checkout (a file system in common); the first machine sends the command line of its stage.
It goes on until it is ended.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.params import load

# Which machine this is, 0 to nodes - 1: the first one set counts.
NODE_RANKS = ("NODE_RANK", "GROUP_RANK", "SLURM_NODEID")
COMMAND = "command"
PATIENCE = timedelta(seconds=30)  # for an answer of a machine that is there
PAUSE_S = 1.0


def rendezvous(nodes: int, environ: Mapping[str, str]) -> tuple[str, int]:
    """Return where several machines meet, `host:port` of the first, and which one this is.

    Raises: ConfigError with every variable that is missing or wrong.
    """
    faults = []
    expected = "host name of the first machine, the same on all"
    if not (host := environ.get("MASTER_ADDR", "")):
        faults.append(Fault("environment: MASTER_ADDR", "is not set", expected))
    port = environ.get("MASTER_PORT", "")
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        what = f"is {port!r}" if port else "is not set"
        faults.append(
            Fault("environment: MASTER_PORT", what, "a free port of the first machine: 1 to 65535")
        )
    which = next((name for name in NODE_RANKS if name in environ), None)
    rank = environ[which] if which else ""
    if not (rank.isdecimal() and int(rank) < nodes):
        what = f"is {rank!r}" if which else "is not set"
        faults.append(
            Fault(
                f"environment: {which or ' or '.join(NODE_RANKS)}",
                what,
                f"which machine this is: 0 to {nodes - 1} (launch.nodes: {nodes})",
                "docs/clusters.md",
            )
        )
    if faults:
        raise ConfigError(*faults)
    return f"{host}:{port}", int(rank)


@contextmanager
def leading(endpoint: str, words: list[str]) -> Iterator[None]:
    """Tell the machines that follow which training to join.

    words: the command line of the stage, without `python -m stages.train`
    """
    from torch.distributed import TCPStore

    host, port = endpoint.rsplit(":", 1)
    # torchrun's agent will meet the others in the same store.
    store = TCPStore(host, int(port), is_master=True, wait_for_workers=False, multi_tenant=True)
    told = {"id": uuid.uuid4().hex, "folder": os.getcwd(), "words": words}
    store.set(COMMAND, json.dumps(told))
    yield  # the store is there as long as this is


def main() -> None:
    """Wait for the first machine, train with it, and wait again."""
    nodes = load(("launch",))["launch"]["nodes"]
    if nodes == 1:
        raise ConfigError(Fault("params.yaml: launch.nodes", "is 1: there is nobody to follow"))
    endpoint, rank = rendezvous(nodes, os.environ)
    if rank == 0:
        where, expected = f"environment: {' or '.join(NODE_RANKS)}", f"1 to {nodes - 1}"
        raise ConfigError(Fault(where, "is 0: this is the first machine", expected, "dvc repro"))
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    last = ""
    while True:
        told = heard(endpoint)
        if told["id"] == last:  # that training is about to end
            time.sleep(PAUSE_S)
            continue
        last, folder = told["id"], Path(told["folder"])
        subprocess.run(
            [sys.executable, "-m", "stages.train", *told["words"]],
            cwd=folder if folder.is_dir() else None,
            check=False,  # the first machine stops, and says why
        )


def heard(endpoint: str) -> dict[str, Any]:
    """Wait for the first machine and return what it told: `id`, `folder` and `words`."""
    from torch.distributed import DistError, TCPStore

    host, port = endpoint.rsplit(":", 1)
    while True:
        reach(endpoint)
        try:
            store = TCPStore(host, int(port), wait_for_workers=False, timeout=PATIENCE)
            return json.loads(store.get(COMMAND))
        except DistError:  # its training ended just now
            time.sleep(PAUSE_S)


def reach(endpoint: str) -> None:
    """Wait until the first machine is there: in silence, and so that a signal is heard.

    TCPStore would wait, too, with a page of stack frames, and deaf to Ctrl-C.
    Raises: ConfigError when the first machine's name is not known.
    """
    host, port = endpoint.rsplit(":", 1)
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE.seconds).close()
            return
        except socket.gaierror as error:
            what = f"{host!r}: {error.strerror}"
            raise ConfigError(Fault("environment: MASTER_ADDR", what, "a known host")) from None
        except OSError:  # it does something else yet
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    entry.run(main)
