"""`tunegraph show` prints the models side by side."""

import json
from pathlib import Path

import pytest

from stages.core.errors import InputError
from tools import show

SECTIONS = {"own": {"metrics": ["rouge_l", "loss"]}, "code": {"metrics": ["passes"]}}
MODELS = {
    "base": {"own": {"loss": 2.5, "n": 66, "rouge_l": 0.1}, "code": {"n": 80, "passes": 1.0}},
    "chat": {"own": {"n": 66, "rouge_l": 0.75}, "code": {"n": 80, "passes": 0.5}},
}
SUMMARY = {
    "2b": {"forgetting": {"all": 0.9, "code": 1.0}},
    "2c": {"forgetting": {"code": 0.125}, "recovery": {"code": 0.875}},
}


def test_a_column_a_model_and_a_row_a_key_in_the_order_of_params_yaml():
    assert show.table(MODELS, SECTIONS).splitlines() == [
        "                 base   chat",
        "own.n              66     66",
        "own.rouge_l  ↑  0.100  0.750",
        "own.loss     ↓  2.500      -",
        "",
        "code.n             80     80",
        "code.passes  ↑  1.000  0.500",
    ]


def test_for_how_many_rows_a_key_has_a_value_is_no_row_of_the_table():
    told = {"base": {"own": MODELS["base"]["own"] | {"n_of": {"rouge_l": 60}}}}
    assert "n_of" not in show.table(told, SECTIONS)


def test_a_section_that_params_yaml_does_not_name_comes_last():
    told = {"base": {"extra": {"n": 1}, **MODELS["base"]}}
    assert show.table(told, SECTIONS).splitlines()[-1].split() == ["extra.n", "1"]


def test_the_summary_stands_below_the_table(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("metrics/models").mkdir(parents=True)
    for name in ("base", "2b", "2c"):
        Path(f"metrics/models/{name}.json").write_text(json.dumps(MODELS["base"]))
    Path("metrics/summary.json").write_text(json.dumps(SUMMARY))
    show.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["base", "2b", "2c"]
    assert "own.rouge_l  ↑  0.100  0.100  0.100" in lines
    assert lines[-4:] == [
        "          forgetting  recovery",
        "2b: all        0.900         -",
        "2b: code       1.000         -",
        "2c: code       0.125     0.875",
    ]


def test_what_is_better_and_worse_and_not_shown_is_said_in_words(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    def found(delta: float, low: float, high: float, p: float) -> dict[str, float]:
        return {"delta": delta, "low": low, "high": high, "p": p / 9, "p_holm": p, "n": 20}

    keys = {
        "own": {"content_recall": {"on": found(0.9, 0.8, 1.0, 1e-6)}},
        "code": {"passes": {"on": found(-0.8, -0.9, -0.7, 1e-6)}},
        "fact": {"exact": {"on": found(-0.4, -0.8, -0.1, 0.06)}},
        "poem": {"exact": {"on": found(0.4, -0.1, 0.9, 0.01)}},
    }
    sections = {name: {"n": 20, "keys": of_section} for name, of_section in keys.items()}
    comparison = {"model": "2b", "on": "base", "base": "base", "sections": sections}
    Path("metrics/models").mkdir(parents=True)
    Path("metrics/comparison").mkdir()
    for name in ("base", "2b", "2c"):
        Path(f"metrics/models/{name}.json").write_text(json.dumps(MODELS["base"]))
    Path("metrics/comparison/2b.json").write_text(json.dumps(comparison))
    show.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("2b against base") + 1 :] == [
        "  better     own content_recall +0.900 [+0.800, +1.000], n = 20",
        "  worse      code passes -0.800 [-0.900, -0.700], n = 20",
        "  not shown  fact exact -0.400 [-0.800, -0.100], n = 20",
        "             poem exact +0.400 [-0.100, +0.900], n = 20",
    ]


def test_an_alarm_is_told_below_the_summary(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("metrics/models").mkdir(parents=True)
    for name in ("base", "2b", "2c"):
        Path(f"metrics/models/{name}.json").write_text(json.dumps(MODELS["base"]))
    for clustered in (0, 1):
        told = {**SUMMARY, "alarms": {"clustered": clustered}}
        Path("metrics/summary.json").write_text(json.dumps(told))
        show.main()
        lines = capsys.readouterr().out.splitlines()
        assert "2c: code       0.125     0.875" in lines
        assert ("warning: clustered; see the top of metrics/report.md" in lines) == clustered


def test_what_is_not_built_is_told(project: Path):
    with pytest.raises(InputError, match=r"metrics/models/base.json, .*not built yet"):
        show.main()
