"""`make recipes`: what it writes and prints, what it finds missing, and that it leaves nobody."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGE = "# x\n\n<!-- build -->\nold 0.9\n<!-- /build -->\n\nend\n"
SECTIONS = {
    "own": {"set": "own", "primary": "exact", "metrics": ["exact", "rouge_l", "loss"]},
    "probes": {"set": "probes", "metrics": ["similarity_to_base", "empty"]},
    "code": {"set": "original", "metrics": ["codebleu", "parses"]},
}
PARAMS: dict[str, Any] = {
    "recipe": "x",
    "base": {"source": "scratch", "scratch": {"sft": {"max_steps": 900, "warmup_steps": 60}}},
    "adapters": {"b": {"name": "2b", "on": "base"}, "c": {"name": "2c", "on": "2b"}},
    "transcripts": {"chat": {"name": "chat"}},
    "models": {key: {"name": key} for key in ("base", "2b", "2c", "chat")},
    "evaluate": {"table": ["code.codebleu"], "sections": SECTIONS},
    "compare": {"confidence": 0.95},
    "price": {"section": "own"},
}


@pytest.fixture
def recipes(bench: Callable[[str], ModuleType]) -> ModuleType:
    return bench("recipes")


@pytest.fixture
def builds(bench: Callable[[str], ModuleType]) -> ModuleType:
    return bench("builds")


def figures(name: str) -> dict[str, dict[str, float]]:
    told = {
        "own": {"n": 8, "exact": 0.25, "rouge_l": 0.5, "loss": 1.0},
        "probes": {"n": 2, "similarity_to_base": 0.5, "empty": 0.0},
        "code": {"n": 4, "codebleu": 0.75, "parses": 1.0},
    }
    if name == "base":
        del told["probes"]["similarity_to_base"]
    if name == "chat":
        del told["own"]["loss"]
        told["own"]["n"], told["code"] = 3, {"n": 0}
    return told


@pytest.fixture
def clone(tmp_path: Path, builds: ModuleType) -> Path:
    """Return a build in which nothing is missing."""
    stages = {f"s{at}": {"outs": []} for at in range(builds.stages_of(PARAMS))}
    stages["s0"] = {"outs": [{"path": "data/rows.jsonl"}]}
    files = {
        "params.yaml": PARAMS, "dvc.lock": {"stages": stages}, "data/rows.jsonl": {},
        "metrics/summary.json": {"alarms": {"overfit": True}, "2b": {"forgetting": {"all": 0.5}}},
    }  # fmt: skip
    for name in PARAMS["models"]:
        files |= {f"data/answers/{name}.jsonl": {}, f"metrics/models/{name}.json": figures(name)}
    for name, on in (("2b", "base"), ("2c", "2b")):
        side = {"delta": 0.5, "n": 8, "groups": 8, "low": 0.2, "high": 0.8, "p": 0.01}
        own = {"exact": {"on": side | {"p_holm": 0.01}, "base": side | {"p_holm": 0.01}}}
        told = {"on": on, "base": "base", "sections": {"own": {"keys": own}}}
        files[f"metrics/comparison/{name}.json"] = told
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content) + "\n", encoding="utf-8")
    return tmp_path


def test_a_whole_build_lacks_nothing(builds: ModuleType, clone: Path):
    assert list(builds.lacking(clone, PARAMS)) == []


def test_stages_are_counted_as_the_graph_has_them(builds: ModuleType):
    # 14 by themselves; mix, train, compare and price for 2 adapters; answer, vary, layers and
    # evaluate for 4 models; transcript for 1.
    assert builds.stages_of(PARAMS) == 14 + 4 * 2 + 4 * 4 + 1


def edit(clone: Path, name: str, section: str, change: dict[str, Any]) -> None:
    path = clone / f"metrics/models/{name}.json"
    told = json.loads(path.read_text())
    told[section] |= change
    told[section] = {key: value for key, value in told[section].items() if value is not None}
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("break_", "told"),
    [
        (lambda at: (at / "data/rows.jsonl").unlink(), "data/rows.jsonl is missing"),
        (lambda at: (at / "dvc.lock").write_text('{"stages": {}}'), "0 stages ran, not 39"),
        (lambda at: (at / "data/answers/2b.jsonl").write_text(""), "2b has no answers"),
        (lambda at: edit(at, "2b", "own", {"loss": None}), "2b: own.loss is missing"),
        (lambda at: edit(at, "2b", "own", {"n": 0}), "2b: own has no rows"),
        (
            lambda at: edit(at, "2b", "probes", {"similarity_to_base": None}),
            "2b: probes.similarity_to_base is missing",
        ),
        (lambda at: edit(at, "chat", "own", {"exact": None}), "chat: own.exact is missing"),
    ],
    ids=["output", "stage", "answers", "metric", "rows", "of-the-base", "of-a-transcript"],
)
def test_what_a_build_lacks_is_told(
    builds: ModuleType, clone: Path, break_: Callable[[Path], Any], told: str
):
    break_(clone)
    assert list(builds.lacking(clone, PARAMS)) == [told]


def test_a_transcript_that_answers_nothing_is_told(builds: ModuleType, clone: Path):
    for section in SECTIONS:
        edit(clone, "chat", section, {"n": 0})
    assert list(builds.lacking(clone, PARAMS)) == ["chat: no section has a row"]


def test_a_shrunken_base_is_all_that_differs(builds: ModuleType):
    params = json.loads(json.dumps(PARAMS))
    assert builds.shrink(params, 20)["base"]["scratch"]["sft"] == {
        "max_steps": 20,
        "eval_steps": 10,
        "warmup_steps": 0,
    }
    params["base"] = PARAMS["base"]
    assert params == PARAMS


def built(recipes: ModuleType, clone: Path) -> Any:
    return recipes.Built("x", clone, 90.0, 100.4, 40.2, ())


def test_the_block_of_a_readme_is_what_the_build_printed(recipes: ModuleType, clone: Path):
    block = recipes.block(built(recipes, clone))
    assert block.splitlines() == [
        "<!-- build -->",
        "",
        "```",
        "CPU-seconds: 40 for the base, 60 for all else",
        "",
        "                    n   base     2b     2c   chat",
        "own.exact      ↑  3-8  0.250  0.250  0.250  0.250",
        "code.codebleu  ↑  0-4  0.750  0.750  0.750      -",
        "",
        "         forgetting",
        "2b: all       0.500",
        "",
        "2b against base",
        "  better     own exact +0.500 [+0.200, +0.800], n = 8",
        "2c against 2b",
        "  better     own exact +0.500 [+0.200, +0.800], n = 8",
        "2c against base",
        "  better     own exact +0.500 [+0.200, +0.800], n = 8",
        "",
        "warning: overfit; see the top of metrics/report.md",
        "```",
        "",
        "<!-- /build -->",
    ]


def test_a_long_block_leaves_the_base_to_the_report(
    recipes: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(recipes, "MOST_LINES", 10)
    block = recipes.block(built(recipes, clone))
    assert "2c against 2b" in block
    assert "2c against base" not in block
    assert block.count("own exact") == 2
    assert "metrics/report.md" in block


def test_only_what_stands_between_the_marks_changes(recipes: ModuleType):
    told = "<!-- build -->\nnew\n<!-- /build -->"
    assert recipes.written(PAGE, told) == f"# x\n\n{told}\n\nend\n"
    assert recipes.written(recipes.written(PAGE, told), told) == recipes.written(PAGE, told)


@pytest.mark.parametrize(
    "page",
    ["# x\n", PAGE + PAGE, "<!-- /build --> <!-- build -->", PAGE.replace("/", "")],
    ids=["none", "twice", "turned", "open"],
)
def test_a_readme_without_its_marks_is_told(recipes: ModuleType, page: str):
    with pytest.raises(ValueError, match="once each"):
        recipes.written(page, "")


def test_the_table_tells_each_recipe(recipes: ModuleType, clone: Path):
    failed = recipes.Built("y", clone, 0.0, 0.0, 0.0, ("dvc repro",))
    head, one, other = recipes.report([built(recipes, clone), failed]).splitlines()
    assert head.split("  ")[0] == "recipe"
    assert one.split()[:6] == ["x", "90", "100", "40", "60", "ok"]
    assert one.endswith("own exact: base 0.250, 2b 0.250, 2c 0.250, chat 0.250")
    assert other.split() == ["y", "0", "0", "0", "0", "FAILED"]


def test_what_was_started_is_ended_with_its_children(builds: ModuleType, tmp_path: Path):
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    until = time.monotonic() + 10
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        assert time.monotonic() < until
        time.sleep(0.01)
    child = (tmp_path / "child").read_text().strip()
    assert running(child)
    builds._end(process)
    assert process.returncode is not None
    while running(child):
        assert time.monotonic() < until, "the child outlived it"
        time.sleep(0.01)


def running(number: str) -> bool:
    """Say whether a process runs; one that has ended and is waited for does not."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-p", number], capture_output=True, text=True, check=False
    )
    return bool(told.stdout.strip()) and not told.stdout.startswith("Z")
