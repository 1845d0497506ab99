"""`tunegraph changed` tells what came, went, moved and changed between two builds, and how far."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import write_json
from stages.report.noise import decided_by
from tools import changed, cli
from tools.changed import compare
from tools.snapshot import Snapshot


def first(make: SimpleNamespace) -> Any:
    """Return a build with two models, five requests, four rows, a reject, a set and two mixes."""
    build = make.build()
    ask = [make.request(f"q{at}", f"s{at}", f"Tell of {at}.") for at in range(5)]
    rows = [make.row(f"r{at}", f"Ask {at}?", f"Answer {at}.", request=f"q{at}") for at in range(4)]
    own = [each | {"set": "own"} for each in rows]
    build.data = {
        "data/requests.jsonl": ask,
        "data/rows.jsonl": rows,
        "data/rejects.jsonl": [make.reject("q4", "schema", "no \x1b[31mbrace")],
        "data/splits/own/train.jsonl": own[:2],
        "data/splits/own/val.jsonl": own[2:3],
        "data/splits/own/test.jsonl": own[3:],
        "data/splits/probes/test.jsonl": [make.row("p1", "Write f.", "def f(): pass")],
        "data/mix/2b/train.jsonl": [*own[:2], own[0]],
        "data/mix/2b/val.jsonl": own[2:3],
        "data/scores/2b.jsonl": [
            make.score(f"t{at}", {"exact": float(at % 2), "loss": 1.0, "reference_tokens": 4.0})
            for at in range(20)
        ],
    }
    build.models = {
        "base": {"own": {"n": 20, "exact": 0.0, "loss": 2.0}},
        "2b": {"own": {"n": 20, "exact": 0.5, "loss": 1.0}, "own_train": {"n": 9, "exact": 0.5}},
    }
    return build


def second(make: SimpleNamespace, build: Any) -> None:
    """Change one thing of each kind."""
    data = build.data
    # q0's prompt is another now (so is its id), q1's seed was reworded, q4 went, q5 came.
    data["data/requests.jsonl"] = [
        make.request("q0x", "s0", "Tell more of 0."),
        make.request("q1x", "s1x", "Tell of one.") | {"seed": {"id": "s1x", "group": "g-s1"}},
        *data["data/requests.jsonl"][2:4],
        make.request("q5", "s5", "Tell of 5."),
    ]  # fmt: skip
    rows = [
        make.row("r0x", "Ask 0?", "Another \x1b[31m\u202eanswer.", request="q0x"),
        make.row("r1x", "Ask one?", "Answer 1.", request="q1x"),
        make.row("r2", "Ask 2?", "Answer 2.", request="q2"),
        make.row("r5", "Ask 5?", "Answer 5.", request="q5"),
    ]
    own = [each | {"set": "own"} for each in rows]
    data["data/rows.jsonl"] = rows
    data["data/rejects.jsonl"] = [make.reject("q3", "empty", "")]
    # r2 was held back for validation and is trained on now.
    data["data/splits/own/train.jsonl"] = [own[0], own[1], own[2]]
    data["data/splits/own/val.jsonl"] = []
    data["data/splits/own/test.jsonl"] = [own[3]]
    data["data/splits/probes/test.jsonl"] = [make.row("p1x", "Write f.", "def f(): return 1")]
    data["data/mix/2b/train.jsonl"] = [own[0], own[1], own[2], own[0], own[0]]
    data["data/mix/2b/val.jsonl"] = []
    build.params["adapters"]["m2b"]["lora"]["r"] = 8
    build.params["adapters"]["m2b"]["lora"]["use_rslora"] = True
    del build.params["prompt"]
    build.code["stages/train.py"] = "2"
    scores = data["data/scores/2b.jsonl"]
    data["data/scores/2b.jsonl"] = [
        *(make.score(each["row"], {"exact": 1.0, "loss": 0.5, "reference_tokens": 4.0})
          for each in scores[2:]),
        make.score("new", {"exact": 1.0, "loss": 0.5, "reference_tokens": 4.0}),
    ]  # fmt: skip
    build.models["2b"] = {"own": {"n": 19, "exact": 1.0, "loss": 0.5}}


def two_commits(make: SimpleNamespace) -> None:
    build = first(make)
    make.one = build.commit("One")
    second(make, build)
    make.two = build.commit("Two")
    make.last = build


@pytest.fixture
def history(copied: Any) -> SimpleNamespace:
    """Return two commits, the second one in the workspace too."""
    return copied(two_commits)


def told(one: str, other: str | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(compare(Snapshot(one), Snapshot(other))[0]))


def test_the_parameters_and_the_code_that_changed_are_named(history: SimpleNamespace):
    found = told("HEAD~1")
    assert found["params"] == [
        {"key": "adapters.m2b.lora.r", "before": 16, "after": 8},
        {"key": "adapters.m2b.lora.use_rslora", "after": True},
        {"key": "prompt.samples", "before": 1},
    ]
    assert found["code"] == {
        "changed": [{"path": "stages/train.py", "what": "changed", "files": []}],
        "unbuilt": [],
    }
    assert found["notes"] == []
    assert found["graph"] == {"added": [], "removed": [], "commands": [], "recipe": []}
    assert found["lacking"] == []


def test_requests_are_joined_by_seed_then_by_their_group(history: SimpleNamespace):
    found = told("HEAD~1")["rows"]["requests"]
    assert [sum(found[side].values()) for side in ("before", "after")] == [5, 5]
    assert found["added"] == [["", "q5"]]
    assert found["removed"] == [["", "q4"]]
    pairs = {each["before"]: (each["after"], each["fields"]) for each in found["changed"]}
    assert pairs == {"q0": ("q0x", ["messages"]), "q1": ("q1x", ["messages", "seed"])}


def test_rows_are_joined_by_their_request(history: SimpleNamespace):
    found = told("HEAD~1")["rows"]["rows"]
    assert found["added"] == [["", "r5"]]
    assert found["removed"] == [["", "r3"]]
    pairs = {each["before"]: (each["after"], each["fields"]) for each in found["changed"]}
    assert pairs == {
        "r0": ("r0x", ["answer", "group", "record", "request"]),
        "r1": ("r1x", ["group", "prompt", "request"]),
    }


def test_rows_that_became_rejects_are_counted_by_reason(history: SimpleNamespace):
    found = told("HEAD~1")["rejects"]
    assert found["reasons"] == {
        "empty": {"before": 0, "after": 1},
        "schema": {"before": 1, "after": 0},
    }
    assert found["to_rejects"] == {"empty": 1}
    assert found["to_rows"] == {}
    assert told("HEAD", "HEAD~1")["rejects"]["to_rows"] == {"empty": 1}


def test_a_row_that_changed_sides_is_told_and_not_counted_as_new(history: SimpleNamespace):
    found = told("HEAD~1")["rows"]["set own"]
    assert found["before"] == {"train": 2, "val": 1, "test": 1}
    assert found["after"] == {"train": 3, "val": 0, "test": 1}
    moved = [(each["from"], each["place"], each["after"]) for each in found["moved"]]
    assert moved == [("val", "train", "r2")]
    assert found["added"] == [["test", "r5"]]
    assert found["removed"] == [["test", "r3"]]
    assert len(found["changed"]) == 2


def test_a_probe_with_another_reference_has_changed(history: SimpleNamespace):
    found = told("HEAD~1")["rows"]["set probes"]
    assert (found["added"], found["removed"]) == ([], [])
    assert [each["fields"] for each in found["changed"]] == [["answer", "group"]]


def test_repeated_rows_of_a_mix_count_each(history: SimpleNamespace):
    found = told("HEAD~1")["rows"]["mix 2b"]
    assert found["before"] == {"train": 3, "val": 1}
    assert found["after"] == {"train": 5, "val": 0}
    assert found["added"] == [["train", "r0x"]]  # three times now, twice before
    assert found["removed"] == []
    assert [each["after"] for each in found["changed"]] == ["r0x", "r0x", "r1x"]
    assert [each["from"] for each in found["moved"]] == ["val"]


def test_figures_move_with_the_interval_of_the_rows_that_both_scored(history: SimpleNamespace):
    found = told("HEAD~1")["metrics"]
    moves = {(each["model"], each["section"], each["key"]): each for each in found["moves"]}
    assert found["unchanged"] == 3
    assert set(moves) == {
        *(("2b", "own", key) for key in ("n", "exact", "loss")),
        *(("2b", "own_train", key) for key in ("n", "exact")),
    }
    exact, loss = moves["2b", "own", "exact"], moves["2b", "own", "loss"]
    assert (exact["before"], exact["after"], exact["delta"]) == (0.5, 1.0, 0.5)
    assert (loss["change"], loss["delta"]) == (-0.5, 0.5)  # lower is better
    assert exact["common"]["n"] == 18  # two rows went, one came
    assert exact["common"]["delta"] == 0.5
    assert exact["common"]["low"] > 0
    assert exact["common"]["p"] < exact["common"]["p_holm"] < 0.05
    assert exact["common"]["shown"] is True
    assert "after" not in moves["2b", "own_train", "exact"]
    assert "delta" not in moves["2b", "own", "n"]


def test_a_move_stands_beside_the_spread_over_seeds(
    history: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    seeds = {"1": 0.98, "2": 1.0, "3": 1.02}
    found = {
        "digest": decided_by(history.last.params),
        "confidence": 0.95,
        "seeds": [1, 2, 3],
        "base_varies": False,
        "models": {"2b": {"own": {"exact": seeds, "loss": {"1": 0.1, "2": 0.5, "3": 0.9}}}},
    }
    write_json(Path("recipes/tiny/noise.json"), found)
    moves = {each["key"]: each for each in told("HEAD~1")["metrics"]["moves"]
             if each["section"] == "own"}  # fmt: skip
    # t(2) at 95 % is 4.3027, the sd 0.02.
    bound = pytest.approx(4.3027 * 0.02 * 2**0.5, abs=1e-5)
    assert moves["exact"]["seeds"] == {"n": 3, "sd": 0.02, "bound": bound, "larger": True}
    assert moves["loss"]["seeds"]["larger"] is False
    assert "seeds" not in moves["n"]
    changed.main("HEAD~1")
    printed = capsys.readouterr().out
    assert "sd 0.0200, beyond" in printed
    assert "sd 0.4000, within" in printed
    write_json(Path("recipes/tiny/noise.json"), found | {"digest": "of something else"})
    assert "seeds" not in str(told("HEAD~1")["metrics"])


def test_a_loss_over_another_tokenizers_tokens_has_no_interval(history: SimpleNamespace):
    for each in history.last.data["data/scores/2b.jsonl"]:
        each["values"]["reference_tokens"] = 5.0
    history.last.write()
    moves = {each["key"]: each for each in told("HEAD~1")["metrics"]["moves"]
             if each["section"] == "own"}  # fmt: skip
    assert moves["loss"]["common"] == {"n": 18}
    assert "low" in moves["exact"]["common"]


def test_nothing_changed_between_a_commit_and_its_workspace(
    history: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    changed.main("HEAD")
    printed = capsys.readouterr().out
    assert "none changed" in printed
    assert "Examples" not in printed
    assert "none of 6 moved" in printed


def test_the_text_moves_no_terminal_and_markdown_breaks_out_of_nothing(
    history: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    changed.main("HEAD~1")
    text = capsys.readouterr().out
    changed.main("HEAD~1", form="md")
    markdown = capsys.readouterr().out
    for printed in (text, markdown):
        assert not {"\x1b", "\u202e"} & set(printed)
        assert "Another ␛" in printed
        assert "from rows to rejects: 1 (empty 1)" in printed
        assert "set own, from val to train: 1" in printed
    assert "| 2b | own.exact | ↑ | 0.5 | 1 | +0.5 | 18 |" in markdown
    assert markdown.startswith("# What changed: HEAD\\~1 (")
    assert "adapters.m2b.lora.r: 16 -> 8" in text


def test_json_is_one_object_and_twice_the_same(
    history: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    printed = []
    for _ in range(2):
        changed.main("HEAD~1", form="json")
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert json.loads(printed[0])["before"]["commit"] == history.one


def test_what_the_cache_lacks_is_named_and_the_rest_is_told(
    history: SimpleNamespace, capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree(".dvc/cache")
    found = told("HEAD~1")
    lacking = {each["path"]: each["then"] for each in found["lacking"]}
    # The mix and the splits are folders: their lists of files are gone, too.
    assert set(lacking) == {
        *("data/requests.jsonl", "data/rows.jsonl", "data/rejects.jsonl", "data/splits"),
        *("data/mix/2b", "data/scores/2b.jsonl"),
    }
    assert lacking["data/rows.jsonl"] == "dvc fetch --all-commits data/rows.jsonl"
    assert found["rows"] == {}
    assert len(found["params"]) == 3
    assert [each["key"] for each in found["metrics"]["moves"]].count("exact") == 2
    shutil.rmtree("data")
    changed.main("HEAD~1")
    printed = capsys.readouterr().out
    assert "data/rows.jsonl of the workspace: dvc pull data/rows.jsonl" in printed
    assert "12 files are not in the cache" in printed


def test_a_file_that_is_the_same_in_both_is_read_where_it_is(history: SimpleNamespace):
    history.git("commit", "--quiet", "--allow-empty", "--message", "Three")
    shutil.rmtree(".dvc/cache/files")
    found = told("HEAD")
    assert "data/rows.jsonl" not in {each["path"] for each in found["lacking"]}
    assert found["rows"]["rows"]["added"] == []


def test_an_experiment_is_a_revision_by_its_name(history: SimpleNamespace):
    history.last.params["adapters"]["m2b"]["lora"]["r"] = 4
    commit = history.last.experiment("wider")
    found = told("HEAD", "wider")
    assert found["after"]["commit"] == commit
    assert found["params"] == [{"key": "adapters.m2b.lora.r", "before": 8, "after": 4}]
    shutil.rmtree(".dvc/cache")
    lacking = {each["revision"]: each["then"] for each in told("HEAD~1", "wider")["lacking"]}
    assert lacking["revision wider"] == "dvc exp pull <git remote> wider"


def test_another_recipe_is_said_first(history: SimpleNamespace, capsys: pytest.CaptureFixture[str]):
    history.last.params["recipe"] = "other"
    history.last.write()
    changed.main("HEAD")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  another recipe: tiny at revision HEAD, other at the workspace")
    assert any("Figures of the models" in line for line in lines)


def test_a_build_of_other_parameters_than_params_yaml_is_told(history: SimpleNamespace):
    text = Path("params.yaml").read_text(encoding="utf-8").replace('"r": 8', '"r": 9')
    Path("params.yaml").write_text(text, encoding="utf-8")
    [note] = told("HEAD")["notes"]
    assert note == (
        "the workspace: built with other parameters than its params.yaml has: train@m2b"
    )


def test_code_that_was_edited_and_not_built_with_is_told(history: SimpleNamespace):
    Path("stages/train.py").write_text("3", encoding="utf-8")
    assert told("HEAD")["code"] == {"changed": [], "unbuilt": ["stages/train.py"]}


def test_a_project_may_be_a_folder_of_a_repository(
    history: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    Path("inside").mkdir()
    for name in (*history.git("ls-files").split(), ".dvc/cache", "data"):
        Path("inside", name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).rename(Path("inside", name))
    history.git("add", "--all")
    history.git("commit", "--quiet", "--message", "Three")
    monkeypatch.chdir(Path.cwd() / "inside")
    Path("stages/train.py").write_text("3", encoding="utf-8")
    found = told("HEAD")
    assert found["code"]["unbuilt"] == ["stages/train.py"]
    assert found["metrics"]["unchanged"] == 6
    assert found["rows"]["rows"]["after"] == {"": 4}


def test_the_command_line(
    history: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(sys, "argv", ["tunegraph", "changed", "HEAD~1", "HEAD", "--md"])
    cli.command()
    assert capsys.readouterr().out.startswith("# What changed")
    monkeypatch.setattr(sys, "argv", ["tunegraph", "noise", "--all"])
    cli.command()
    assert "seeds: 1, fewer than 3" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["tunegraph", "changed", "nowhere"])
    with pytest.raises(SystemExit, match="error: changed: there is no experiment, commit"):
        cli.main()


def test_an_unknown_revision_is_told_with_the_nearest(history: SimpleNamespace):
    history.git("tag", "first", history.one)
    with pytest.raises(ConfigError, match=r"tag 'frist'; did you mean 'first'\?\n.*first, main"):
        changed.main("frist")
    with pytest.raises(ConfigError, match="there is no experiment, commit, branch or tag '--all'"):
        changed.main("--all")


def test_a_revision_without_a_lock_is_told(make: SimpleNamespace):
    make.git("add", "--all")
    make.git("commit", "--quiet", "--message", "Empty")
    first(make).commit("One")
    with pytest.raises(ConfigError, match=r"HEAD~1: dvc.lock: there is none(.|\n)*git log --all"):
        changed.main("HEAD~1")
    Path("dvc.lock").unlink()
    with pytest.raises(ConfigError, match=r"workspace: dvc.lock: there is none(.|\n)*dvc repro"):
        changed.main("HEAD")


def test_a_lock_with_the_marks_of_a_merge_is_told(history: SimpleNamespace):
    text = Path("dvc.lock").read_text(encoding="utf-8")
    Path("dvc.lock").write_text(f"<<<<<<< HEAD\n{text}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"workspace: dvc.lock: not what DVC writes"):
        changed.main("HEAD")


def test_a_cache_that_holds_something_else_is_told(history: SimpleNamespace):
    Path("data/rows.jsonl").write_bytes(b'{"id": \n')
    with pytest.raises(InputError, match=r"data/rows.jsonl: not JSON"):
        changed.main("HEAD")


def test_outside_of_git_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ConfigError, match="this folder is in no repository of git"):
        changed.main("HEAD")


def test_a_shallow_clone_says_how_to_get_the_rest(
    history: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    clone = tmp_path_factory.mktemp("shallow") / "clone"
    source = Path.cwd().as_uri()
    words = ["git", "clone", "--quiet", "--depth", "1", source, str(clone)]
    subprocess.run(words, check=True, capture_output=True)
    monkeypatch.chdir(clone)
    with pytest.raises(ConfigError, match="git fetch --unshallow"):
        changed.main("HEAD~1")
