"""A model that this project made is the base of the next build, in the words of reviews' README."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.core.jsonl import read_json
from stages.core.params import read_yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "recipes/reviews/README.md"
COPIED = ("stages", "recipes", "tools", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config")


def words() -> tuple[list[str], dict[str, Any]]:
    """Return the README's command that exports the earlier model, and the base that it then is."""
    text = README.read_text(encoding="utf-8").split("\n## A base that is your own earlier model\n")[
        1
    ]
    [command] = re.findall(r"^tunegraph export .*$", text, re.MULTILINE)
    block = text.split("```yaml\n")[1].split("```")[0]
    return shlex.split(command), YAML(typ="safe", pure=True).load(block)["base"]


def small() -> dict[str, Any]:
    """Return the default recipe, cut down to what takes seconds, with nothing asked twice."""
    params = read_yaml(ROOT / "recipes/reviews/params.yaml")
    params["sources"]["seeds"]["rows"] = 60
    params["sources"]["skills"]["rows"] = dict.fromkeys(params["sources"]["skills"]["rows"], 120)
    params["offline"]["slow_s"] = 0.0
    params["sets"]["original"] |= {"val": 0.1, "test": 0.3, "cap": {"test": {"default": 2}}}
    params["sets"]["own"] |= {"cap": {"test": {"default": 3}}, "train_sample": 2}
    params["base"]["scratch"]["vocab_size"] = 600
    params["base"]["scratch"]["sft"] |= {"max_steps": 3, "eval_steps": 2, "warmup_steps": 0}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    params["base"]["scratch"]["architecture"] |= sizes
    for adapter in params["adapters"].values():
        adapter["lora"] |= {"r": 2}
        adapter["sft"] |= {"max_steps": 4, "eval_steps": 2, "warmup_steps": 0}
    for part in ("ablation", "profile", "layers"):
        params[part]["rows"] = 0
    params["answer"] |= {"max_new_tokens": 8}
    params["compare"] |= {"resamples": 20}
    return params


def test_an_earlier_build_s_model_is_the_base_of_the_next(tmp_path: Path):
    project = tmp_path / "project"
    for name in COPIED:
        source, target = ROOT / name, project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, target)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "TUNEGRAPH_JOURNAL": str(tmp_path / "journal.jsonl"),
        "PYTHONPATH": str(project),
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=project, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(params: dict[str, Any]) -> None:
        (project / "params.yaml").write_text(json.dumps(params))  # JSON is YAML

    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    params = small()
    write(params)
    run("-P", "-m", "dvc", "repro", "--quiet", "train@m2c")
    export, base = words()
    assert export[:2] == ["tunegraph", "export"]
    cli = "import sys; from tools.cli import main; sys.argv[0] = 'tunegraph'; main()"
    run("-c", cli, *export[1:])
    before = read_json(project / "models/base/manifest.json")["base"]

    params["base"] = base
    del params["adapters"]["m2c"], params["models"]["m2c"]  # one adapter on it says it all
    params["select"], params["judge"]["pairs"] = "2b", [["base", "2b"]]
    write(params)
    run("-c", cli, "check")
    run("-P", "-m", "dvc", "repro", "--quiet")
    manifest = read_json(project / "models/base/manifest.json")["base"]
    assert (manifest["source"], manifest["id"]) == ("local", "exports/earlier")
    assert manifest["weights"] != before["weights"]
    assert read_json(project / "models/2b/manifest.json")["chain"] == ["base", "2b"]
    scored = read_json(project / "metrics/models/base.json")
    assert scored["code_prompts"]["n"] == 20
    assert scored["combined"]["n"] == scored["own"]["n"] + scored["original"]["n"] > 0
    comparison = read_json(project / "metrics/comparison/2b.json")
    assert comparison["base"] == comparison["on"] == "base"
    assert comparison["sections"]["combined"]["keys"]["exact"]["on"]["n"] == scored["combined"]["n"]
    assert "combined" not in comparison["all"]["sections"]
    told = (project / "metrics/report.md").read_text(encoding="utf-8")
    first = [line for line in told.splitlines() if line.startswith("|")][:5]
    assert [line.split("|")[1].strip() for line in first] == ["model", "---", "rows", "base", "2b"]
