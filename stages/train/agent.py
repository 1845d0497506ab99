"""Start this machine's workers and wait for them: what torchrun does, with this project's words.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import errors
from stages.core.errors import ConfigError, Fault
from stages.train.follow import leading, reach, rendezvous
from stages.train.launch import FAULTS

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

# Seconds: how long the first machine waits for the others (which wait for it as long as it takes:
# it may be busy with another stage), and how long a worker may take to end.
FIRST_WAITS_S = 15 * 60
SHUTDOWN_S = 10


def configure(launch: dict[str, Any], environ: Mapping[str, str], logs: Path) -> "LaunchConfig":
    """Return how torchrun's agent starts the workers of this machine.

    logs: an empty folder for what the workers print that are not to be heard
    Raises: ConfigError when the environment does not say where several machines meet.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig

    rank, meeting = 0, {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": "train"}
    if launch["nodes"] > 1:
        endpoint, rank = rendezvous(launch["nodes"], environ)
        # Static, because the machine of rank 0 has to be the one that writes.
        meeting |= {"rdzv_backend": "static", "rdzv_endpoint": endpoint}
        meeting["rdzv_configs"] = {"rank": rank, "timeout": FIRST_WAITS_S}
    quiet = range(1 if rank == 0 else 0, launch["processes"])
    return LaunchConfig(
        min_nodes=launch["nodes"],
        max_nodes=launch["nodes"],
        nproc_per_node=launch["processes"],
        max_restarts=0,
        shutdown_timeout=SHUTDOWN_S,
        logs_specs=DefaultLogsSpecs(str(logs), redirects=dict.fromkeys(quiet, Std.ALL)),
        **meeting,
    )


def start(launch: dict[str, Any], compute: dict[str, Any]) -> None:
    """Start this machine's workers and wait for them; none is left when this returns."""
    from torch.distributed import DistNetworkError, DistStoreError
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    # It would tell in its own way of every worker that it ends.
    elastic = logging.getLogger("torch.distributed.elastic")
    elastic.propagate = False
    elastic.addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="tunegraph-") as scratch:
        folder = Path(scratch)
        with _environment(folder, compute["threads"]), _same_signals():
            config = configure(launch, os.environ, folder / "logs")
            several = launch["nodes"] > 1
            leads = several and config.rdzv_configs["rank"] == 0
            if several and not leads:
                reach(config.rdzv_endpoint)
            # Ctrl-C while machines meet ends this at once; then torchrun's agent takes over.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                with leading(config.rdzv_endpoint, sys.argv[1:]) if leads else nullcontext():
                    elastic_launch(config, sys.executable)("-m", "stages.train", *sys.argv[1:])
            except ChildFailedError as error:
                tell(error.failures, folder)
            except SignalException as error:
                if error.sigval == signal.SIGINT:
                    raise KeyboardInterrupt from None
                sys.exit(128 + error.sigval)
            except (DistNetworkError, DistStoreError) as error:
                where = f"environment: MASTER_ADDR, MASTER_PORT ({config.rdzv_endpoint})"
                expected = f"all {launch['nodes']} machines meet there"
                raise ConfigError(Fault(where, str(error), expected, "docs/clusters.md")) from error


@contextmanager
def _environment(folder: Path, threads: int) -> Iterator[None]:
    """Give the workers, through this process's environment, what must be there at their start."""
    before = dict(os.environ)
    os.environ[FAULTS] = str(folder)
    os.environ["TMPDIR"] = str(folder)  # so that nothing is left of a worker that was ended
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _same_signals() -> Iterator[None]:
    """Put back the handlers that torchrun's agent replaces."""
    replaced = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {each: signal.getsignal(each) for each in replaced}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def tell(failures: dict[int, "ProcessFailure"], folder: Path) -> None:
    """Raise what a user can mend, with all faults once; else print what failed first, and exit.

    failures: of workers, by rank
    folder:   what they told of it, and what those printed that are not to be heard
    """
    files = sorted(folder.glob("*.json"))
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if mendable := [each for each in told if "faults" in each]:
        faults = dict.fromkeys(Fault(**fault) for each in mendable for fault in each["faults"])
        raise getattr(errors, mendable[0]["kind"])(*faults) from None
    if told:
        first = min(told, key=lambda each: each["at"])
        sys.exit(f"worker {first['rank']} failed:\n{first['traceback'].rstrip()}")
    for rank, failure in sorted(failures.items()):
        if failure.exitcode == -signal.SIGTERM:  # by the agent, after another one
            continue
        for file in folder.glob(f"logs/*/attempt_0/{failure.local_rank}/stderr.log"):
            sys.stderr.write(file.read_text(encoding="utf-8", errors="replace"))
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            then = "if it was for memory: a smaller per_device_train_batch_size or max_length"
            sys.exit(str(Fault(f"worker {rank}", f"was ended by {name}", then=then)))
    sys.exit(1)
