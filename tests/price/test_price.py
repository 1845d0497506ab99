"""What a point cost: what counts, what is missing where there is no gain."""

import sys
from pathlib import Path

import pytest

from stages.core.jsonl import read_json, write_json
from stages.price import buys, main, price, spent

GENERATE = {"usd": 0.5, "found_usd": 1.5, "cpu_s": 9.0}
TRAIN = {"cpu_s": 30.0, "wall_s": 31.0}
ANSWER = {"cpu_s": 7.0, "answers": 84}
GAIN = {"value": 0.1, "delta": 0.5, "low": 0.4, "high": 0.6, "n": 84, "p": 0.001, "p_holm": 0.01}


def comparison(on, base=None, name="2c"):
    keys = {"exact": {"value": 0.6, "on": on} | ({"base": base} if base else {})}
    stands_on = "2b" if name == "2c" else "base"
    return {"model": name, "on": stands_on, "base": "base", "sections": {"own": {"keys": keys}}}


def test_a_point_is_a_hundredth_and_costs_its_share():
    cost = spent(GENERATE, TRAIN | {"gpu_s": 12.0}, ANSWER, bought=True)
    assert cost == {"usd": 2.0, "cpu_s": 30.0, "gpu_s": 12.0, "answer_cpu_s": 7.0}
    told = price(comparison(GAIN, GAIN | {"delta": 0.8}), "own", "exact", cost)
    assert told["per_point"] == {"usd": 0.04, "cpu_s": 0.6, "gpu_s": 0.24}
    assert told["on"] == {
        "points": 50.0, "low": 40.0, "high": 60.0, "n": 84, "p": 0.001, "p_holm": 0.01,
    }  # fmt: skip
    assert told["base"]["points"] == 80.0
    assert (told["model"], told["stands_on"], told["metric"]) == ("2c", "2b", "exact")


@pytest.mark.parametrize(("key", "points"), [("exact", 50.0), ("chrf", 0.5), ("loss", 50.0)])
def test_a_point_of_a_metric_that_goes_to_100_is_a_whole_one(key, points):
    compared = {"model": "2b", "on": "base", "base": "base"}
    compared["sections"] = {"own": {"keys": {key: {"value": 0.6, "on": GAIN}}}}
    told = price(compared, "own", key, {"usd": 1.0})
    assert told["on"]["points"] == points
    assert told["per_point"] == {"usd": 1 / points}


@pytest.mark.parametrize("delta", [0.0, -0.2])
def test_without_a_gain_there_is_no_price(delta):
    told = price(comparison(GAIN | {"delta": delta}), "own", "exact", {"usd": 1.0, "cpu_s": 3.0})
    assert "per_point" not in told
    assert told["on"]["points"] == 100 * delta
    assert told["spent"] == {"usd": 1.0, "cpu_s": 3.0}


def test_on_the_base_the_gain_is_told_once():
    told = price(comparison(GAIN, GAIN, name="2b"), "own", "exact", {"usd": 0, "cpu_s": 3.0})
    assert "base" not in told
    assert "on" in told


def test_what_was_not_compared_has_no_price():
    told = price(comparison(GAIN), "other", "exact", {"usd": 1.0})
    assert told.keys() == {"model", "stands_on", "section", "metric", "spent"}


def test_an_interval_that_is_not_there_is_left_out():
    bare = {"delta": 0.5, "n": 1}
    assert price(comparison(bare), "own", "exact", {"usd": 0})["on"] == {"points": 50.0, "n": 1}


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"own": 1.0}, True),
        ({"both": {"rows": 5}}, True),
        ({"program": 1.0}, False),
        ({"program": 1.0, "own": {"ratio": 0.1}}, True),
        ({}, False),
    ],
)
def test_only_who_trains_on_replies_pays_for_them(mix, expected):
    sets = {"own": {"from": "rows"}, "both": {"from": ["skills", "rows"]},
            "program": {"from": "skills"}}  # fmt: skip
    assert buys(mix, sets) is expected
    assert spent(GENERATE, TRAIN, ANSWER, expected)["usd"] == (2.0 if expected else 0)


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the stage of the default recipe's 2c; it returns the file."""
    files = {"comparison": comparison(GAIN), "generate": GENERATE, "train": TRAIN, "answer": ANSWER}
    files["comparison"]["sections"]["own"]["keys"] = {
        "content_recall": files["comparison"]["sections"]["own"]["keys"]["exact"]
    }

    def stage(**changes):
        words = ["--adapter", "m2c", "--name", "2c", "--price", "price.json"]
        for name, value in (files | changes).items():
            write_json(Path(f"{name}.json"), value)
            words += [f"--{name}", f"{name}.json"]
        monkeypatch.setattr(sys, "argv", ["price", *words])
        main()
        return read_json(Path("price.json"))

    return stage


def test_the_stage_takes_the_recipe_s_section_and_says_what_a_point_cost(run, capsys):
    told = run()
    assert (told["section"], told["metric"]) == ("own", "content_recall")
    assert told["per_point"] == {"usd": 0.04, "cpu_s": 0.6}
    said = "price: 2c on 2b, own.content_recall: 50.0 points, each 0.04 usd, 0.6 cpu_s\n"
    assert capsys.readouterr().out == said


def test_the_stage_says_that_there_is_no_gain_to_pay_for(run, capsys):
    lost = comparison(GAIN | {"delta": -0.1})
    keys = lost["sections"]["own"]["keys"]
    keys["content_recall"] = keys.pop("exact")
    assert "per_point" not in run(comparison=lost)
    assert capsys.readouterr().out.endswith("2c on 2b, own.content_recall: no gain to pay for\n")
