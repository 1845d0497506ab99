"""The measurement of what stages/profile says of bias runs, and tells every kind."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_each_kind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("distances_", ROOT / "bench" / "distances.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    words = ["distances", "--samples", "2", "--resamples", "40", "--json", str(tmp_path / "d.json")]
    monkeypatch.setattr("sys.argv", words)
    assert bench.main() == 0
    found = json.loads((tmp_path / "d.json").read_text())
    assert len(found) == len(bench.SIZES) * (len(bench.TRUTHS) + len(bench.BOUND))
    assert all(0 <= each["held_dataset"] <= 1 for each in found if "distance" in each)
