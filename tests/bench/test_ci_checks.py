"""CI's checks hold for a build that meets the table, and fail for each figure that does not."""

import importlib.util
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ci() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_checks", ROOT / "bench" / "ci_checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(passes: float, valid: float, recall: float) -> dict[str, dict[str, float]]:
    return {
        "own": {
            "parses": valid,
            "schema_valid": valid,
            "content_recall": recall,
            "rouge_l": 0.75,
            "rouge_l_floor": 0.5,
        },
        "code": {"n": 60, "passes": passes},
        "translation": {"exact": 1.0},
        "sentiment": {"exact": 1.0},
    }


GOOD = {"base": model(0.9, 0.0, 0.0), "2b": model(0.1, 1.0, 0.6), "2c": model(0.8, 1.0, 0.5)}
# model, section, key, a value that is just not good enough
BAD = [
    ("base", "translation", "exact", 0.94),
    ("base", "sentiment", "exact", 0.94),
    ("base", "code", "passes", 0.84),
    ("2b", "code", "passes", 0.46),
    ("2c", "code", "passes", 0.76),
    ("base", "code", "n", 59),
    ("2b", "code", "n", 59),
    ("2c", "code", "n", 59),
    ("base", "own", "parses", 0.11),
    ("2b", "own", "parses", 0.89),
    ("2c", "own", "parses", 0.89),
    ("base", "own", "schema_valid", 0.11),
    ("2b", "own", "schema_valid", 0.89),
    ("2c", "own", "schema_valid", 0.89),
    ("2b", "own", "content_recall", 0.44),
    ("2c", "own", "content_recall", 0.39),
    ("2b", "own", "rouge_l", 0.59),
    ("2c", "own", "rouge_l", 0.59),
]


def failed(ci: ModuleType, models: dict[str, Any]) -> list[str]:
    checks = list(ci.figures(models))
    assert len(checks) == len(BAD)
    return [what for what, _, _, met in checks if not met]


def test_a_good_build_passes(ci: ModuleType):
    assert failed(ci, GOOD) == []


@pytest.mark.parametrize(("name", "section", "key", "value"), BAD)
def test_each_figure_can_fail(ci: ModuleType, name: str, section: str, key: str, value: float):
    models = deepcopy(GOOD)
    models[name][section][key] = value
    found = failed(ci, models)
    assert len(found) == 1
    assert found[0].startswith(f"{name}: {section}.{key}")


def test_a_missing_figure_fails(ci: ModuleType):
    models = deepcopy(GOOD)
    del models["2b"]["own"]["content_recall"]
    assert failed(ci, models) == ["2b: own.content_recall"]


def named(chats: float, naming: float, finding: float) -> dict[str, dict[str, float]]:
    return {
        "chats": {"n": 80, "rouge_l": chats},
        "naming_toned": {"n": 100, "exact": naming},
        "finding_toned": {"n": 100, "exact": finding},
    }


GOOD_EMOJI = {
    "base": named(0.4, 0.0, 0.0),
    "finetome": named(0.7, 0.0, 0.0),
    "emoji": named(0.0, 0.77, 0.69),
}
BAD_EMOJI = [
    *((model, section, "n", 59) for model in GOOD_EMOJI for section in ("naming_toned", "chats")),
    ("base", "naming_toned", "exact", 0.06),
    ("base", "finding_toned", "exact", 0.06),
    ("finetome", "naming_toned", "exact", 0.06),
    ("finetome", "finding_toned", "exact", 0.06),
    ("finetome", "chats", "rouge_l", 0.49),
    ("emoji", "naming_toned", "exact", 0.49),
    ("emoji", "finding_toned", "exact", 0.39),
]


def failed_emoji(ci: ModuleType, models: dict[str, Any]) -> list[str]:
    checks = list(ci.emoji_figures(models))
    assert len(checks) == len(BAD_EMOJI)
    return [what for what, _, _, met in checks if not met]


def test_a_good_build_of_emoji_passes(ci: ModuleType):
    assert failed_emoji(ci, GOOD_EMOJI) == []


@pytest.mark.parametrize(("name", "section", "key", "value"), BAD_EMOJI)
def test_each_figure_of_emoji_can_fail(
    ci: ModuleType, name: str, section: str, key: str, value: float
):
    models = deepcopy(GOOD_EMOJI)
    models[name][section][key] = value
    assert failed_emoji(ci, models) == [f"{name}: {section}.{key}"]


def test_a_build_of_emoji_that_is_not_there_fails_all(ci: ModuleType):
    assert len(failed_emoji(ci, {})) == len(BAD_EMOJI)


def lock(md5: str, stages: tuple[str, ...]) -> dict[str, Any]:
    outs = [{"path": f"data/{number}", "md5": md5} for number in range(2)]
    outs.append({"path": "metrics/costs/x.json", "md5": md5 + "x"})
    return {"stages": {name: {"outs": outs} for name in stages}}


def test_the_data_stages_must_have_the_committed_hashes(ci: ModuleType):
    stages = ("check", "fetch", "prompt", "generate", "validate", "split", "mix@m2b", "base")
    same = list(ci.hashes(lock("a", stages), lock("a", stages)))
    # Two outputs of each of seven data stages (base is none, costs are none), and their number.
    assert len(same) == 1 + 14
    assert all(met for *_, met in same)
    other = list(ci.hashes(lock("b", stages), lock("a", stages)))
    assert sum(not met for *_, met in other) == 14
    lacking = list(ci.hashes(lock("a", stages[:-2]), lock("a", stages)))
    assert sum(not met for *_, met in lacking) == 2
    nothing = list(ci.hashes({"stages": {}}, {"stages": {}}))
    assert [met for *_, met in nothing] == [False]


def test_the_page_has_the_figures_and_loads_nothing(ci: ModuleType):
    page = "<p>0.000</p><p>0.600</p><a href='#own'>own</a><p>0.500</p>"
    assert [met for *_, met in ci.page_checks(page, GOOD)] == [True] * 4
    assert [met for *_, met in ci.page_checks("", GOOD)] == [True, False, False, False]
    for hostile in ("<script>", '<img src="data:x">', '<a href="https://example.org">'):
        assert not next(ci.page_checks(page + hostile, GOOD))[-1]
