"""What a block spent, in the units that are named."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.core.costs import spending
from stages.core.jsonl import read_json


def test_time_memory_and_the_block_s_own_figures_are_written(tmp_path: Path):
    path = tmp_path / "costs" / "x.json"
    with spending(path) as figures:
        time.sleep(0.05)
        figures["tokens"] = 7
    told = read_json(path)
    assert told.keys() == {"wall_s", "cpu_s", "peak_memory_mb", "tokens"}
    assert told["tokens"] == 7
    assert 0.05 <= told["wall_s"] < 5
    assert told["cpu_s"] > 0
    assert 10 < told["peak_memory_mb"] < 100_000


def test_a_gpu_is_held_by_each_process_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cuda = SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True,
        max_memory_allocated=lambda: 3 * 2**20,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    told = []
    for processes in ("1", "4"):
        monkeypatch.setenv("WORLD_SIZE", processes)
        with spending(tmp_path / "x.json"):
            time.sleep(0.02)
        told.append(read_json(tmp_path / "x.json"))
    assert told[0]["gpu_s"] == told[0]["wall_s"] >= 0.02
    assert told[1]["gpu_s"] == pytest.approx(4 * told[1]["wall_s"], abs=1e-9)
    assert told[0]["peak_gpu_memory_mb"] == 3.0


def test_a_block_that_fails_writes_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="halfway"), spending(tmp_path / "x.json"):
        raise RuntimeError("halfway")
    assert list(tmp_path.iterdir()) == []
