"""A queue over seeds, by DVC itself on a shrunken recipe: the data stay, and nobody is asked."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import read_json
from stages.core.params import read_yaml
from tools import changed, noise
from tools.revisions import experiments

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("stages", "recipes", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/plots")
LONGEST_S = 600


def small(params: dict[str, Any]) -> dict[str, Any]:
    """Cut the default recipe down to one adapter, a few rows and figures that need no encoder."""
    params["sources"]["seeds"]["rows"] = 60
    params["sources"]["skills"]["rows"] = dict.fromkeys(params["sources"]["skills"]["rows"], 60)
    params["offline"]["slow_s"] = 0.0
    params["sets"]["original"] |= {"val": 0.1, "test": 0.3, "cap": {"test": {"default": 3}}}
    params["sets"]["own"] |= {"cap": {"test": {"default": 8}}, "train_sample": 4}
    scratch = params["base"]["scratch"]
    scratch["vocab_size"] = 600
    scratch["sft"] |= {"max_steps": 20, "eval_steps": 10, "warmup_steps": 0}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    scratch["architecture"] |= sizes
    params["adapters"] = {"m2b": params["adapters"]["m2b"]}
    params["adapters"]["m2b"]["lora"] |= {"r": 2}
    params["adapters"]["m2b"]["sft"] |= {"max_steps": 4, "eval_steps": 4, "warmup_steps": 0}
    params["models"] = {key: params["models"][key] for key in ("base", "m2b")}
    params["select"] = "2b"
    params["answer"]["max_new_tokens"] = 8
    params["evaluate"] |= {"headline": [], "table": []}
    params["evaluate"]["sections"] = {
        "own": {"set": "own", "primary": "loss", "metrics": ["exact", "loss"]},
        "original": {"set": "original", "primary": "loss", "metrics": ["exact", "loss"]},
    }
    for section in ("ablation", "profile", "layers"):
        params[section]["rows"] = 0
    return params


@pytest.fixture
def dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs DVC in a project of its own, now the working directory."""
    project = tmp_path / "project"
    for name in COPIED:
        source, target = ROOT / name, project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    monkeypatch.chdir(project)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(tmp_path / "journal.jsonl"))
    Path("params.yaml").write_text(json.dumps(small(read_yaml(ROOT / "params.yaml"))))

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dvc", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


def test_seeds_are_queued_gathered_and_shown(
    dvc: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    git("init", "--quiet", "--initial-branch", "main")
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        git("config", key, value)
    dvc("repro", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Seed 13")
    journal = (tmp_path / "journal.jsonl").read_bytes()
    assert journal.count(b"\n") >= 60
    dvc("exp", "run", "--queue", "--name", "sw", "-S", "seed.train=1,2")
    dvc("queue", "start")
    try:
        end = time.monotonic() + LONGEST_S
        while len(experiments()) < 2:
            assert time.monotonic() < end, dvc("queue", "status")
            assert "Failed" not in dvc("queue", "status")
            time.sleep(2)
    finally:
        dvc("queue", "stop", "--kill")
    assert (tmp_path / "journal.jsonl").read_bytes() == journal

    noise.main([], write=True)
    printed = capsys.readouterr().out
    assert "left out" not in printed
    found = read_json(Path("recipes/reviews/noise.json"))
    assert found["seeds"] == [1, 2, 13]
    assert found["base_varies"] is False  # its seed is another one
    losses = found["models"]["2b"]["own"]["loss"]
    assert len(set(losses.values())) == 3  # a seed decides something
    now = read_json(Path("metrics/comparison/2b.json"))["sections"]["own"]["keys"]["loss"]
    assert losses["13"] == pytest.approx(now["value"], abs=1e-5)

    dvc("repro", "--quiet")
    report = Path("metrics/report.md").read_text(encoding="utf-8")
    assert "## Differences over 3 training seeds (1, 2, 13)" in report
    assert "**Stale:**" not in report

    changed.main("HEAD", "sw-1", form="json")
    told = json.loads(capsys.readouterr().out)
    assert told["params"] == [{"key": "seed.train", "before": 13, "after": 1}]
    assert told["lacking"] == told["code"]["changed"] == []
    assert not any(each[side] for each in told["rows"].values() for side in ("added", "removed"))
    loss = [each for each in told["metrics"]["moves"] if each["key"] == "loss"]
    # The base's does not move: `seed.base` is a seed of its own.
    assert [(each["model"], each["section"]) for each in loss] == [
        ("2b", "original"),
        ("2b", "own"),
    ]
    assert all("low" in each["common"] for each in loss)
