"""`tunegraph noise` gathers builds that differ in the training seed alone, and tells the spread."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json
from stages.core.params import read_yaml
from stages.report import noise as report
from tools import noise, recipe

# own.exact of base, 2b, 2c by seed: 2b gains 0.5 or so, 2c next to nothing.
FIGURES = {13: (0.0, 0.5, 0.52), 1: (0.0, 0.52, 0.5), 2: (0.0, 0.48, 0.51), 10: (0.0, 0.5, 0.49)}


def seeded(build: Any, seed: int, base: str = "0" * 32) -> Any:
    """Give a build a training seed and the figures that come of it."""
    build.params["seed"]["train"] = seed
    build.base = base
    build.models = {
        name: {"own": {"n": 20, "exact": value, "loss": 1 - value}, "own_train": {"exact": 1.0}}
        for name, value in zip(("base", "2b", "2c"), FIGURES.get(seed, (0.0,) * 3), strict=True)
    }
    return build


def comparisons() -> dict[str, Any]:
    """Return what metrics/comparison has of seed 13."""
    exact = {"value": 0.5, "on": {"value": 0.0, "delta": 0.5, "low": 0.3, "high": 0.7}}
    loss = {"value": 0.5, "on": {"value": 1.0, "delta": 0.5}}
    told = {"2b": {"sections": {"own": {"keys": {"exact": exact, "loss": loss}}}}}
    exact = {"on": {"value": 0.5, "delta": 0.02}, "base": {"value": 0.0, "delta": 0.52}}
    loss = {"on": {"value": 0.5, "delta": 0.02}, "base": {"value": 1.0, "delta": 0.52}}
    keys = {"exact": {"value": 0.52} | exact, "loss": {"value": 0.48} | loss}
    return told | {"2c": {"sections": {"own": {"keys": keys}}}}


def four_seeds(make: SimpleNamespace) -> None:
    make.last = seeded(make.build(), 13)
    make.last.data = {"data/test.jsonl": [make.row("t1", "a", "b")]}
    make.last.comparison = comparisons()
    make.last.commit("Seed 13")
    for seed in (1, 2, 10):
        seeded(make.last, seed).experiment(f"sw-{seed}")
    seeded(make.last, 13).write()


@pytest.fixture
def seeds(copied: Any) -> SimpleNamespace:
    """Return a project with seed 13 in the workspace and experiments with 1, 2 and 10."""
    return copied(four_seeds)


def gathered() -> dict[str, Any]:
    runs, _, present = noise.gather([])
    return json.loads(json.dumps(noise.collected(runs, present)))


def test_builds_that_differ_in_the_seed_alone_are_gathered(
    seeds: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    found = gathered()
    assert found["seeds"] == [1, 2, 10, 13]
    assert found["base_varies"] is False
    assert found["confidence"] == 0.95
    assert found["models"]["2b"] == {
        "own": {
            "exact": {"1": 0.52, "2": 0.48, "10": 0.5, "13": 0.5},
            "loss": {"1": 0.48, "2": 0.52, "10": 0.5, "13": 0.5},
        },
        "own_train": {"exact": dict.fromkeys(("1", "2", "10", "13"), 1.0)},
    }
    assert found["models"].keys() == {"base", "2b", "2c"}
    of_2c = {"1": -0.02, "2": 0.03, "10": -0.01, "13": 0.02}
    assert report.deltas(found, ("2c", "2b"), "own", "exact") == pytest.approx(of_2c)
    # Lower is better.
    assert report.deltas(found, ("2c", "2b"), "own", "loss") == pytest.approx(of_2c)
    noise.main([])
    printed = capsys.readouterr().out
    assert "seed 13: the workspace\n" in printed
    assert "seed 10: experiment sw-10\n" in printed
    assert "left out" not in printed
    rows = [line.split() for line in printed.splitlines() if "own.exact" in line]
    assert [row[:3] for row in rows] == [
        ["2b", "base", "own.exact"],
        ["2c", "2b", "own.exact"],
        ["2c", "base", "own.exact"],
    ]
    assert rows[0][3:6] == ["+0.500", "[+0.300,", "+0.700]"]
    assert "own.loss" not in printed
    noise.main([], everything=True)
    assert "own.loss" in capsys.readouterr().out


def test_the_spread_is_the_textbooks():
    # Student 1908's first series: mean 0.75, sd 1.789 over 10; t(9) at 95 % is 2.262.
    values = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
    told = report.spread({str(at): value for at, value in enumerate(values)}, 0.95)
    assert told["n"] == 10
    assert told["mean"] == pytest.approx(0.75)
    assert told["sd"] == pytest.approx(1.789, abs=5e-4)
    assert told["build_bound"] == pytest.approx(2.2622 * 1.789, abs=2e-3)
    assert told["mean_bound"] == pytest.approx(2.2622 * 1.789 / 10**0.5, abs=1e-3)
    assert (told["low"], told["high"]) == (-1.6, 3.7)
    assert report.verdicts(3.7, told) == ("within the spread", "not shown over seeds")
    assert report.verdicts(-4.1, told)[0] == "larger than the spread"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.5, 0.52, 0.48), ("larger than the spread", "shown over seeds")),
        ((0.5, -0.5, 0.0), ("within the spread", "not shown over seeds")),
        ((0.5, 0.5), ("not enough seeds (2)",) * 2),
        ((0.5, 0.5, 0.5), ("larger than the spread", "shown over seeds")),
        ((0.0, 0.0, 0.0), ("within the spread", "not shown over seeds")),
    ],
)
def test_the_rule_in_words(values: tuple[float, ...], words: tuple[str, str]):
    told = report.spread({str(at): value for at, value in enumerate(values)}, 0.95)
    assert report.verdicts(values[0], told) == words


def other_parameters(build: Any) -> None:
    build.params["adapters"]["m2b"]["lora"]["r"] = 8


def other_code(build: Any) -> None:
    build.code["stages/train.py"] = "2"


def other_data(build: Any) -> None:
    build.data["data/test.jsonl"] = []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_parameters, "other parameters: adapters.m2b.lora.r"),
        (other_code, "other code: stages/train.py"),
        (other_data, "other data: data/test.jsonl"),
    ],
)
def test_what_differs_in_more_is_left_out_and_named(
    seeds: SimpleNamespace, change: Any, why: str, capsys: pytest.CaptureFixture[str]
):
    build = seeded(seeds.last, 3)
    change(build)
    build.experiment("other")
    noise.main([])
    assert f"left out: experiment other: {why}\n" in capsys.readouterr().out
    assert gathered()["seeds"] == [1, 2, 10, 13]


def test_what_only_reads_the_figures_may_differ(seeds: SimpleNamespace):
    build = seeded(seeds.last, 3)
    build.params |= {"select": "base", "judge": {"rows": 5}}
    build.params["compare"]["resamples"] = 50
    build.experiment("other")
    assert gathered()["seeds"] == [1, 2, 3, 10, 13]


def test_a_seed_counts_once(seeds: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    seeded(seeds.last, 1).experiment("again")
    seeded(seeds.last, 2)
    seeds.last.models["2b"]["own"]["exact"] = 0.3
    seeds.last.experiment("odd")
    noise.main(["HEAD"])
    printed = capsys.readouterr().out
    assert "left out: experiment odd: seed 2 as experiment sw-2, but other figures" not in printed
    assert "seed 1: experiment again\n" in printed
    assert "left out: experiment sw-1: seed 1 again, the figures of experiment again" in printed
    assert "seed 2: experiment odd\n" in printed
    assert "left out: experiment sw-2: seed 2 as experiment odd, but other figures" in printed


def test_a_commit_that_is_named_counts(seeds: SimpleNamespace):
    commit = seeded(seeds.last, 3).commit("Seed 3")
    seeds.git("reset", "--quiet", "--hard", "HEAD~1")
    assert 3 not in gathered()["seeds"]
    runs, _, _ = noise.gather([commit[:8]])
    assert "3" in [run.seed for run in runs]
    with pytest.raises(ConfigError, match="there is no experiment, commit, branch or tag 'none'"):
        noise.gather(["none"])


def test_figures_edited_by_hand_do_not_count(
    seeds: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    path = Path("metrics/models/2b.json")
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", "0.9"), encoding="utf-8")
    noise.main([])
    printed = capsys.readouterr().out
    assert (
        "left out: the workspace: figures that dvc.lock does not know: metrics/models/2b.json"
        in printed
    )
    assert "seed 13: HEAD\n" in printed


def test_a_seed_that_was_set_and_not_built_does_not_count(
    seeds: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace('"train": 13', '"train": 99'), encoding="utf-8")
    noise.main([])
    printed = capsys.readouterr().out
    assert "left out: the workspace: not built with its own parameters: train@m2b" in printed
    assert "seed 99" not in printed


def test_two_seeds_are_not_enough(make: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    build = seeded(make.build(), 13)
    build.commit("Seed 13")
    seeded(build, 1).experiment("sw-1")
    noise.main([])
    printed = capsys.readouterr().out
    assert "not enough seeds (2)" in printed
    assert "seeds: 2, fewer than 3: dvc exp run --queue -S seed.train=1,2,3" in printed


def test_a_base_that_was_trained_again_is_told(
    seeds: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    seeded(seeds.last, 3, base="1" * 32).experiment("other")
    noise.main([], write=False)
    assert "The base was trained with several seeds, too" in capsys.readouterr().out


def written(seeds: SimpleNamespace) -> dict[str, Any]:
    path = Path("recipes/tiny/noise.json")
    noise.main([], write=True)
    first = path.read_bytes()
    noise.main([], write=True)
    assert path.read_bytes() == first
    assert first.endswith(b"}\n")
    return read_json(path)


def test_what_is_kept_is_what_the_report_shows(seeds: SimpleNamespace):
    found = written(seeds)
    assert found == gathered()
    params = seeds.last.params
    compared = comparisons()
    lines = report.section(found, compared, params)
    assert lines[0] == "## Differences over 4 training seeds (1, 2, 10, 13)"
    assert not [line for line in lines if "Stale" in line]
    rows = [line for line in lines if "`exact`" in line]
    assert len(rows) == 3
    assert rows[0] == (
        r"| 2b | base | own `exact` | +0.500 \[+0.300, +0.700\] | +0.500 | 0.0163 | "
        "+0.480 to +0.520 | larger than the spread | shown over seeds |"
    )
    assert [row.split(" | ")[1] for row in rows] == ["base", "2b", "base"]
    assert rows[1].endswith("| within the spread | not shown over seeds |")
    compared["2b"]["sections"]["own"]["keys"]["exact"]["value"] = 0.6
    told = "\n".join(report.section(found, compared, params))
    assert "**Stale:** the figures of seed 13 are others now (2b: own.exact)" in told
    params["adapters"]["m2b"]["lora"]["r"] = 8
    told = "\n".join(report.section(found, compared, params))
    assert "**Stale:** the parameters are others now" in told


def test_the_parameters_and_stages_that_are_named_are_there(root: Path):
    params = read_yaml(root / "params.yaml")
    for dotted in (*noise.READING, *report.DECIDES, noise.SEED):
        assert report.pick(params, dotted) is not None, dotted
    stages = read_yaml(root / "dvc.yaml")["stages"]
    assert set(noise.DECIDING) <= stages.keys()
    # Every section that a deciding stage is run with has to differ in nothing but the seed.
    for name in noise.DECIDING:
        listed = stages[name].get("do", stages[name]).get("params", [])
        assert not set(listed) & set(noise.READING), name


def test_nothing_gathered_is_no_section():
    assert report.section({}, {}, {}) == []


@pytest.mark.parametrize(
    "found",
    [[], {"seeds": [1]}, {"digest": "", "confidence": 0.95, "seeds": [1], "base_varies": False,
                          "models": {"2b": {"own": {"exact": {"1": "much"}}}}},
     {"digest": "", "confidence": 0.95, "seeds": [1], "base_varies": False, "models": {"2b": 1}}],
)  # fmt: skip
def test_a_file_written_by_hand_is_told(found: Any):
    with pytest.raises(InputError, match=r"noise.json: (.|\n)*tunegraph noise --write"):
        report.section(found, {}, {})


def test_a_new_recipe_has_no_noise_yet(project: Path):
    Path("recipes/emoji/noise.json").write_text('{"seeds": []}', encoding="utf-8")
    recipe.new("mine", source="emoji")
    assert read_json(Path("recipes/mine/noise.json")) == {}
