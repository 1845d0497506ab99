"""The console script: a message and exit 1 for a user's mistake, all faults at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from stages.core.errors import ConfigError
from tools import check, cli


def test_check_tells_every_fault_and_exits_1(project: Path):
    text = Path("params.yaml").read_text(encoding="utf-8")
    text = text.replace("timeout_s: 30", 'timeout_s: "30"').replace("select: 2c", "select: 2x")
    Path("params.yaml").write_text(text, encoding="utf-8")
    words = [sys.executable, "-c", "from tools.cli import main; main()", "check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "generate.timeout_s: the number is given as quoted text: '30'" in done.stderr
    assert "select: there is no model '2x'" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_of_a_recipe_that_does_not_exist(project: Path):
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("recipe: reviews", "recipe: revues"))
    with pytest.raises(ConfigError, match=r"there is no recipe 'revues'\n.*emoji, .*reviews"):
        check.main()


def test_a_missing_key_is_named_and_is_no_fault_yet(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    text = Path("params.yaml").read_text(encoding="utf-8")
    before = "base_url: offline, api_key_env: null"
    assert text.count(before) == 1
    text = text.replace(before, "base_url: null, api_key_env: SOME_API_KEY")
    Path("params.yaml").write_text(text, encoding="utf-8")
    check.main()
    printed = capsys.readouterr()
    assert "warning: params.yaml: teachers[0] (offline): the environment holds no SOME_API_KEY" in (
        printed.err
    )
    assert "no fault" in printed.out
    monkeypatch.setenv("SOME_API_KEY", "secret")
    check.main()
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("SOME_API_KEY")
    other = "teachers:\n  - {name: x, weight: 1, model: m, base_url: offline}\n"
    text = text.replace("teachers:\n", other).replace("offline, weight: 1.0", "offline, weight: 0")
    Path("params.yaml").write_text(text, encoding="utf-8")
    check.main()
    assert capsys.readouterr().err == ""  # nobody asks it


def test_a_stack_without_an_exact_sum_is_told_and_is_no_fault(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    text = Path("params.yaml").read_text(encoding="utf-8")
    before = "lora: &lora {r: 16,"
    assert text.count(before) == 1
    text = text.replace(before, "lora: &lora {use_dora: true, use_rslora: true, bias: none, r: 16,")
    Path("params.yaml").write_text(text, encoding="utf-8")
    check.main()
    told = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert [line.partition(" has no exact sum")[0] for line in told] == [
        "warning: params.yaml: adapters.m2c: 2b - 2c",
    ]


def test_a_params_yaml_without_a_recipe_is_told_once(project: Path):
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("recipe: reviews", ""), encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        check.main()
    assert [fault.where for fault in told.value.faults] == ["params.yaml: recipe"]


def test_outside_a_project_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tunegraph", "check"])
    with pytest.raises(SystemExit, match=r"dvc.yaml: there is none here"):
        cli.main()


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]):
    commands = ("check", "show", "diff", "explain")
    commands += ("recipe", "recipe use", "recipe new", "recipe list")
    commands += ("estimate", "journal", "journal export", "journal import", "export")
    for words in commands:
        with pytest.raises(SystemExit) as stop:
            cli.parser().parse_args([*words.split(), "--help"])
        assert stop.value.code == 0
        assert len(capsys.readouterr().out) > 80
