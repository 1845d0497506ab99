"""What a stage spent on this machine, now: kept apart from what the build says."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.jsonl import write_json


@contextmanager
def spending(path: Path | None) -> Iterator[dict[str, float]]:
    """Measure the block and write it to `path`; the block may add figures of its own.

    path: None where another process of the same run writes it
    wall_s, cpu_s: seconds of this process; peak_memory_mb: resident, in MiB
    peak_gpu_memory_mb: what torch held of one GPU at most, in MiB; absent where it used none
    gpu_s: seconds that GPUs were held: wall_s by the processes of the run, each of which holds one;
           absent where none was
    """
    figures: dict[str, float] = {}
    wall = time.perf_counter()
    yield figures
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts kibibytes, macOS bytes (getrusage(2) of each).
    unit = 1 if sys.platform == "darwin" else 1024
    figures |= {
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_memory_mb": round(used.ru_maxrss * unit / 2**20, 1),
    }
    torch = sys.modules.get("torch")  # light stages must not load it
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        figures["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        # torchrun says how many there are: https://docs.pytorch.org/docs/stable/elastic/run.html
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        figures["gpu_s"] = round(figures["wall_s"] * processes, 2)
    if path is not None:
        write_json(path, figures)
