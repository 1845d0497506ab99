"""A missed bound is said, and is exit 1."""

import json
import math

import pytest


@pytest.mark.parametrize(
    ("bound", "value", "met"),
    [
        ({"at_least": 0.85}, 0.85, True), ({"at_least": 0.85}, 0.84, False),
        ({"at_most": 1.1}, 1.1, True), ({"at_most": 1.1}, 1.11, False),
        ({"at_most": 1.1}, math.nan, False), ({"at_least": 1}, math.nan, False),
    ],
)  # fmt: skip
def test_a_bound_decides(bench, tmp_path, capsys, bound, value, met):
    figure = bench("figures").Figure("it", value, "x", **bound)
    assert figure.met == met
    with pytest.raises(SystemExit) as ended:
        bench("figures").report([figure], tmp_path / "kept" / "it.json", rows=3)
    assert ended.value.code == (0 if met else 1)
    said = capsys.readouterr().out
    assert ("MISSED" in said) == (not met)
    kept = json.loads((tmp_path / "kept" / "it.json").read_text())
    assert kept["rows"] == 3
    assert kept["figures"]["it"]["met"] == met


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"at_least": 0.85, "goal": 0.95}, "ok"), ({"at_least": 0.85, "goal": 0.9}, "goal"),
        ({"at_most": 1.1, "goal": 0.8}, "ok"), ({"at_most": 1.1, "goal": 0.95}, "goal"),
        ({"at_most": 0.8, "goal": 0.7}, "MISSED"), ({"at_most": 1.1}, "ok"), ({}, ""),
    ],
)  # fmt: skip
def test_the_verdict_says_whether_the_goal_is_reached(bench, bounds, verdict):
    assert bench("figures").Figure("it", 0.9, "", **bounds).cells()[-1] == verdict


def test_one_missed_bound_is_enough(bench):
    figures = bench("figures")
    good, bad = figures.Figure("a", 1, at_most=2), figures.Figure("b", 3, at_most=2)
    with pytest.raises(SystemExit) as ended:
        figures.report([good, bad, figures.Figure("c", 4)], None)
    assert ended.value.code == 1


def test_a_report_without_a_bound_is_none(bench):
    with pytest.raises(AssertionError, match="no figure has a bound"):
        bench("figures").report([bench("figures").Figure("c", 4)], None)
