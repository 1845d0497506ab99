"""metrics/scores.csv: figures of metrics/models, intervals of data/scores, in params' order."""

import csv
from pathlib import Path

import pytest

from stages.report.scores_csv import level, write_scores
from stages.report.scores_csv import lines as figures

SETTINGS = {"confidence": 0.95, "resamples": 2000, "eps": 0.02}
SECTIONS = {
    "own": {"set": "own", "primary": "exact", "metrics": ["rouge_l", "exact", "loss"]},
    "code": {"set": "original", "skill": "code", "metrics": ["exact"]},
}


def score(row: int, set_: str = "own", skill: str = "own", **values: float) -> dict:
    return {
        "model": "m", "set": set_, "skill": skill, "row": f"r{row}", "group": f"g{row}",
        "values": values,
    }  # fmt: skip


@pytest.fixture
def lines(tmp_path: Path) -> list[dict[str, str]]:
    """Return the lines of two models, the second of which has no loss."""
    own = [
        score(at, rouge_l=at / 20, exact=float(at % 2), loss=2.0, reference_tokens=5.0)
        for at in range(20)
    ]
    code = [score(90, "original", "code", exact=1.0), score(91, "original", "poem", exact=0.0)]
    models = {
        name: {
            "own": {"n": 20, "rouge_l": 0.475, "exact": 0.5, "loss": 2.0},
            "code": {"n": 1, "exact": 1.0},
        }
        for name in ("base", "2b")
    }
    del models["2b"]["own"]["loss"]
    of_rows = dict.fromkeys(models, own + code)
    write_scores(tmp_path / "scores.csv", figures(models, of_rows, SECTIONS, SETTINGS))
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_a_figure_in_the_order_of_params(lines: list[dict[str, str]]):
    assert [(line["section"], line["metric"], line["model"]) for line in lines] == [
        ("own", "rouge_l", "base"),
        ("own", "rouge_l", "2b"),
        ("own", "exact", "base"),
        ("own", "exact", "2b"),
        ("own", "loss", "base"),
        ("code", "exact", "base"),
        ("code", "exact", "2b"),
    ]
    assert [line["primary"] for line in lines] == ["0", "0", "1", "1", "0", "0", "0"]
    assert [line["n"] for line in lines] == ["20"] * 5 + ["1"] * 2


def test_values_are_those_of_the_metrics_with_intervals_around_them(lines: list[dict[str, str]]):
    rouge, _, exact, *_ = lines
    assert (rouge["value"], rouge["unit"], rouge["better"]) == ("0.475", "F-measure", "↑")
    assert 0.2 < float(rouge["low"]) < 0.475 < float(rouge["high"]) < 0.75
    # Wilson's interval of 10 out of 20, as tables have it.
    assert (float(exact["low"]), float(exact["high"])) == pytest.approx((0.2993, 0.7007), abs=1e-4)


def test_the_place_in_the_range_is_1_at_its_best():
    assert level("exact", 0.25) == 0.25
    assert level("degenerate", 0.25) == 0.75  # lower is better
    assert level("similarity", 0.0) == 0.5  # -1 to 1
    assert level("loss", 1.0) is None  # no end
    assert level("rouge_l_floor", 0.5) is None  # no direction


def test_two_runs_write_the_same(lines: list[dict[str, str]], tmp_path: Path):
    first = (tmp_path / "scores.csv").read_bytes()
    assert first.startswith(b"section,metric,model,value,low,high,n,unit,better,level,primary\n")
    loss = next(line for line in lines if line["metric"] == "loss")
    assert (loss["level"], loss["better"]) == ("", "↓")
