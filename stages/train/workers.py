"""Train in the processes that `launch` asks for: here, or in workers that the stage starts.

dvc repro ── python -m stages.train ...        as DVC runs it: waits, tells what failed
               ├── python -m stages.train ...  worker 0: trains, prints, writes
               └── python -m stages.train ...  worker 1: trains
"""

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.core.errors import ConfigError, Fault, UserError
from stages.train import agent
from stages.train.launch import FAULTS, WORKER, hold_world

# Where launchers say how many processes they started: accelerate would wait for all of them.
MULTIPLIED = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
PR_SET_PDEATHSIG = 1  # prctl(2)


def run(work: Callable[[], None], params: dict[str, Any]) -> None:
    """Do the work: here, or in the processes that `launch` asks for.

    params: `launch` and `compute`, and whatever else has to be the same on every machine
    Raises: ConfigError when fewer or more processes would train than `launch` says; what a worker
            raised, once, if a user can mend it.
    """
    launch = params["launch"]
    if WORKER in os.environ:
        with _told(), _joined(params):
            work()
    elif launch["launcher"] == "torchrun":
        agent.start(launch, params["compute"])
    else:
        for name in MULTIPLIED:
            hold_world(launch, int(os.environ.get(name, 1)), f"environment: {name}")
        work()


@contextmanager
def _joined(params: dict[str, Any]) -> Iterator[None]:
    """Join the other workers, sure that they are as many as asked for and train the same."""
    launch = params["launch"]
    hold_world(launch, int(os.environ["WORLD_SIZE"]), "WORLD_SIZE of torchrun")
    _end_with_agent()
    import torch
    import torch.distributed as dist

    cuda = params["compute"]["device"] == "cuda"
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    hold_world(launch, dist.get_world_size(), "torch.distributed")
    _hold_same({"arguments": sys.argv[1:], **params})
    yield
    dist.barrier()  # the others wait for what rank 0 writes
    dist.destroy_process_group()


def _hold_same(told: dict[str, Any]) -> None:
    import torch.distributed as dist

    gathered: list[dict[str, Any]] = [{}] * dist.get_world_size()
    dist.all_gather_object(gathered, told)
    faults = [
        Fault(
            f"params.yaml: {key}" if key != "arguments" else "command line",
            f"is {other.get(key)!r} for worker {rank}",
            f"{gathered[0][key]!r}, as for worker 0",
            "the same checkout and the same command on every machine",
        )
        for rank, other in enumerate(gathered)
        for key in gathered[0]
        if other.get(key) != gathered[0][key]
    ]
    if faults:
        raise ConfigError(*faults)


def _end_with_agent() -> None:
    """Let the kernel end this worker when its agent is gone, however that ended."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _told() -> Iterator[None]:
    """Tell the agent what went wrong: of many workers that fail, it prints one."""
    try:
        yield
    except OSError:
        raise  # `entry.run` has words for some of them
    except Exception as error:
        if FAULTS not in os.environ:  # a torchrun that is not ours
            raise
        told = {"at": time.time_ns(), "rank": int(os.environ["RANK"])}
        if isinstance(error, UserError):
            told |= {"kind": type(error).__name__, "faults": [asdict(f) for f in error.faults]}
        else:
            told["traceback"] = traceback.format_exc()
        file = Path(os.environ[FAULTS]) / f"{told['rank']}.json"
        file.with_suffix(".part").write_text(json.dumps(told), encoding="utf-8")
        file.with_suffix(".part").rename(file)
        sys.exit(1)
