"""The measurement of coverage finds what is right, and what is not."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stages.core.estimates import Estimate
from stages.core.significance import Rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_", ROOT / "bench" / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["paired scores, normal", "a share, any", "gap of scores"])
def test_the_intervals_hold_what_they_say(bench, kind):
    found = bench.measure(bench.KINDS[kind][0], 20, 200, 499, seed=1)
    assert 0.90 < found["coverage"] <= 0.995
    assert found["absent"] == 0


def test_an_interval_that_is_too_narrow_is_found_out(bench):
    def draw(stream, n, sampling):
        rows = Rows(stream.normal(0, 1, n))
        half = rows.error
        return Estimate(rows.mean, rows.mean - half, rows.mean + half, n, n, 0.01), 0.0, rows

    found = bench.measure(draw, 20, 300, 499, seed=1)
    assert found["coverage"] == pytest.approx(0.68, abs=0.08)
    assert found["alarms"] == 1
    assert found["width"] == pytest.approx(2 / np.sqrt(20), rel=0.1)


def test_every_kind_runs(bench):
    for name, (draw, *_) in bench.KINDS.items():
        found = bench.measure(draw, 20, 3, 99, seed=2)
        assert 0 <= found["coverage"] <= 1, name
    assert len(bench.KINDS) > 30
