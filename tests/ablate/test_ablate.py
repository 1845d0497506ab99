"""The wordings side by side: differences over the same rows, and what is shown of them."""

from pathlib import Path
from typing import Any

import pytest

from stages.ablate import TRAINED, ablate, best, by_wording
from stages.core.errors import InputError
from stages.core.jsonl import read_json, write_json, write_rows
from stages.core.significance import Sampling
from stages.report.ablation import cell, section

SETTINGS = {"confidence": 0.95, "resamples": 500, "eps": 0.02, "overfit_alarm": 0.05}
SECTION = {"set": "own", "primary": "exact", "metrics": ["exact", "loss", "rouge_l_floor"]}


def score(row: int, **values: float) -> dict[str, Any]:
    """Return a score of a row that is a group of its own."""
    found = {"model": "m", "set": "own", "skill": "own", "row": f"{row:02}", "group": f"g{row}"}
    return found | {"values": values}


def scores(*values: float, key: str = "exact") -> dict[str, Any]:
    """Return row id -> score, one row a value."""
    return {f"{at:02}": score(at, **{key: value}) for at, value in enumerate(values)}


def varied(wording: str, *values: float, sample: int = 0) -> list[dict[str, Any]]:
    """Return scores in another wording, one row a value."""
    return [each | {"variant": wording, "sample": sample} for each in scores(*values).values()]


def told(trained: list[float], **others: list[float]) -> dict[str, Any]:
    """Return the ablation of one model."""
    wordings = {TRAINED: scores(*trained)}
    wordings |= {name: scores(*values) for name, values in others.items()}
    return ablate({"m": wordings}, {"own": SECTION}, SETTINGS)


def test_a_wording_is_compared_over_the_rows_that_it_was_asked_with():
    own = scores(1, 1, 0, 0, 1)
    found = by_wording(own, varied("must", 1, 0, 1) + varied("", 0, 0, 0), ["must"], "m")
    assert {name: list(of) for name, of in found.items()} == {
        TRAINED: ["00", "01", "02"],
        "must": ["00", "01", "02"],
    }


def test_rows_that_a_wording_lacks_are_told_for_each():
    both = varied("must", 1, 0, 1) + varied("kind", 1, 0)
    with pytest.raises(InputError) as raised:
        by_wording(scores(1, 1), both, ["must", "kind", "general"], "m")
    assert [fault.where for fault in raised.value.faults] == [
        *("m, wording as trained", "m, wording kind", "m, wording general"),
    ]
    assert "3 rows are not scored, such as 00" in str(raised.value)


def test_differences_are_positive_when_better_whatever_the_direction():
    def losses(*values: float) -> dict[str, Any]:
        # Rows weigh as much as their references have tokens: 1, 2, 3.
        return {
            f"{at:02}": score(at, loss=value, reference_tokens=at + 1)
            for at, value in enumerate(values)
        }

    wordings = {TRAINED: losses(2.0, 3.0, 2.0), "must": losses(1.0, 2.0, 1.0)}
    found = ablate({"m": wordings}, {"own": SECTION | {"primary": "loss"}}, SETTINGS)
    figures = {name: of["own"]["loss"] for name, of in found["models"]["m"].items()}
    assert figures[TRAINED]["value"] == pytest.approx((2 + 6 + 6) / 6, abs=1e-5)
    assert figures["must"]["value"] == pytest.approx((1 + 4 + 3) / 6, abs=1e-5)
    assert figures["must"]["delta"] == 1.0
    assert found["best"]["m"]["own"]["wording"] == "must"


def test_values_differences_and_counts_are_those_of_the_rows():
    found = told([1, 1, 0, 0], must=[1, 0, 0, 0])
    assert found["models"]["m"][TRAINED] == {"own": {"exact": {"value": 0.5, "n": 4, "groups": 4}}}
    figure = found["models"]["m"]["must"]["own"]["exact"]
    assert (figure["value"], figure["delta"], figure["n"], figure["p"]) == (0.25, -0.25, 4, 1.0)
    assert figure["low"] < -0.25 < figure["high"]
    assert found["primary"] == {"own": "exact"}


def test_a_large_difference_is_shown_and_corrected_for_the_number_of_tests():
    found = told([0] * 12, must=[1] * 12, kind=[0] * 11 + [1])
    figures = {name: of["own"]["exact"] for name, of in found["models"]["m"].items()}
    assert figures["must"]["p"] == pytest.approx(2 / 2**12, rel=0.05)
    assert figures["must"]["p_holm"] == pytest.approx(2 * 2 / 2**12, rel=0.05)  # of two tests
    assert figures["kind"]["p_holm"] == 1.0
    lead = found["best"]["m"]["own"]
    assert (lead["wording"], lead["shown"], lead["next"]) == ("must", True, "kind")
    report = "\n".join(section(found))
    assert "| | must | **1.000 (+1.000 [" in report.replace("|  |", "| |")
    assert "- m: `must` is best: `exact` +0.917" in report


def test_what_is_not_shown_is_said_to_be_so():
    found = told([1, 1, 0, 0, 1, 0], must=[1, 1, 1, 0, 1, 0])
    assert found["best"]["m"]["own"]["shown"] is False
    report = "\n".join(section(found))
    assert "- m: not shown: `must` leads `as trained` by `exact` +0.167" in report
    assert "**1" not in report
    assert "**0" not in report


def test_a_figure_of_fewer_rows_tells_its_n_and_a_section_its_groups():
    trained = scores(1, 1, 0, 0, 1)
    some = {row: each | {"values": {**each["values"], "loss": 1.0, "reference_tokens": 2}}
            for row, each in list(trained.items())[:3]}  # fmt: skip
    wordings = {TRAINED: trained | some, "must": scores(1, 1, 0, 0, 1) | some}
    report = "\n".join(section(ablate({"m": wordings}, {"own": SECTION}, SETTINGS)))
    assert "### own (n = 5)" in report
    figures = ablate({"m": wordings}, {"own": SECTION}, SETTINGS)["models"]["m"]["must"]["own"]
    assert figures["loss"]["n"] == 3
    assert cell(figures["loss"], 0.95, 5).startswith("1.000 n = 3 (+0.000")
    assert cell(figures["exact"], 0.95, 5).startswith("0.600 (+0.000")


def test_the_best_must_be_shown_against_every_other_one():
    wordings = {TRAINED: scores(*[0] * 12), "a": scores(*[1] * 12), "b": scores(*[1] * 11, 0)}
    found = best("exact", wordings, SECTION, Sampling(0.95, 500, "own"))
    assert (found["wording"], found["next"], found["shown"]) == ("a", "b", False)


def test_of_equals_the_wording_as_trained_comes_first():
    found = told([1, 0, 1], must=[1, 0, 1])
    assert found["best"]["m"]["own"]["wording"] == TRAINED
    report = "\n".join(section(found))
    assert "not shown: `as trained` and `must` are level" in report


def test_the_primary_metric_comes_first_and_what_never_changes_is_one_line():
    rows = {
        TRAINED: {f"{at:02}": score(at, exact=at % 2, empty=0, parses=1) for at in range(4)},
        "must": {f"{at:02}": score(at, exact=0, empty=0, parses=1) for at in range(4)},
    }
    asked = {"set": "own", "primary": "exact", "metrics": ["empty", "exact", "parses"]}
    found = ablate({"m": rows}, {"own": asked}, SETTINGS)
    report = section(found)
    cells = [line.split(" | ")[0] for line in report if line.startswith("| `")]
    assert cells == ["| `exact` ↑"]
    assert "Nothing changes in: `empty`, `parses`." in report
    assert "### own (n = 4)" in report


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with scores of two models and a transcript."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, 3)
    for name in ("base", "2b"):
        write_rows(Path(f"data/scores/{name}.jsonl"), scores(1, 0, 1, 1).values())
        write_rows(Path(f"data/variation_scores/{name}.jsonl"), varied("must", 1, 0, 0))
    return tmp_path


def write_params(folder: Path, rows: int) -> None:
    """Write params.yaml."""
    params = {
        "ablation": {"set": "own", "rows": rows, "variants": {"must": {"instruction": "x"}}},
        "models": {name: {"name": name} for name in ("base", "2b", "chat")},
        "transcripts": {"chat": {"name": "chat", "file": "chat.csv"}},
        "evaluate": {"sections": {"own": SECTION, "code": SECTION | {"set": "original"}}},
        "compare": SETTINGS,
    }
    write_json(folder / "params.yaml", params)


def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the stage."""
    from stages.ablate import main

    words = ["ablate", "--scores", "data/scores", "--variation-scores", "data/variation_scores"]
    monkeypatch.setattr("sys.argv", [*words, "--ablation", "metrics/ablation.json"])
    main()
    return read_json(Path("metrics/ablation.json"))


def test_the_stage_compares_every_model_that_can_be_asked_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    found = run(monkeypatch)
    assert set(found["models"]) == {"base", "2b"}
    assert set(found["models"]["2b"]["must"]) == {"own"}
    assert found["order"]["models"] == ["2b", "base"]  # as params.yaml has them
    assert found["models"]["2b"]["must"]["own"]["exact"]["delta"] == pytest.approx(-1 / 3, abs=1e-5)
    assert capsys.readouterr().out == "ablate: 1 wordings of 2 models; best: not shown for any\n"


def test_switched_off_it_reads_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_params(project, 0)
    for file in project.rglob("*.jsonl"):
        file.unlink()
    assert run(monkeypatch) == {}
    assert "switched off" in capsys.readouterr().out
    assert section({}) == []
