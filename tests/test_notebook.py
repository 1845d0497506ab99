"""docs/tunegraph.ipynb: it holds no outputs and no secrets, and does what it says it does."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import cli

PAGE = "docs/tunegraph.ipynb"
COMMAND = re.compile(r'run\(f?"([^"]+)"')
TIMEOUT_S = 900
# It runs all cells and writes what they gave, even where one fails.
EXECUTE = """
import sys, nbclient, nbformat
page, timeout, out = sys.argv[1:]
notebook = nbformat.read(page, 4)
where = {"metadata": {"path": page.rpartition("/")[0]}}
try:
    nbclient.NotebookClient(notebook, timeout=int(timeout), resources=where).execute()
finally:
    nbformat.write(notebook, out)
"""


@pytest.fixture(scope="module")
def notebook() -> Any:
    return json.loads((Path(__file__).parents[1] / PAGE).read_text(encoding="utf-8"))


def source(notebook: Any, name: str) -> str:
    """Return what stands in the cell of that id."""
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == name)
    return "".join(cell["source"])


def test_the_notebook_is_valid_and_holds_nothing_of_a_run(notebook: Any):
    import nbformat

    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"].keys() == {"colab", "kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 20
    for cell in code:
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        assert cell["metadata"] == {}
        assert re.fullmatch("[a-z]+", cell["id"])  # ids of people, which stay
    words = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert len(words) >= 15


def test_its_commands_are_those_of_the_project(notebook: Any):
    seen: dict[str, list[list[str]]] = {"tunegraph": [], "dvc": []}
    for cell in notebook["cells"]:
        for line in COMMAND.findall("".join(cell["source"])):
            words = shlex.split(re.sub(r"\{[^}]*\}", "x", line.replace("{' --full' if FULL", "{")))
            seen.setdefault(words[0], []).append(words[1:])
    assert len(seen["tunegraph"]) >= 7
    for words in seen["tunegraph"]:
        assert cli.parser().parse_args(words).command == words[0]
    assert {words[0] for words in seen["dvc"]} == {"repro", "exp", "metrics", "remote", "push"}


def run_cell(notebook: Any, name: str, **names: Any) -> dict[str, Any]:
    """Run one cell here, with what the cells before it would have left."""
    told = {"Path": Path, "os": os, "sys": sys, "subprocess": subprocess, **names}
    exec(source(notebook, name), told)
    return told


def test_a_key_is_taken_or_asked_for_and_never_shown(
    notebook: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    api = {"base_url": "https://example.org/v1", "weight": 1}
    teachers = [
        api | {"api_key_env": "HELD_KEY"},
        api | {"api_key_env": "ASKED_KEY"},
        api | {"api_key_env": "UNUSED_KEY", "weight": 0},
        {"base_url": "offline", "weight": 1, "api_key_env": None},
    ]
    params = {"teachers": teachers, "base": {"source": "hub"}}
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    prompts = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: prompts.append(prompt) or "s3cret")
    monkeypatch.setenv("HELD_KEY", "held-s3cret")
    for name in ("ASKED_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    run_cell(notebook, "keys")
    assert prompts == ["ASKED_KEY: ", "HF_TOKEN: "]
    assert (os.environ["ASKED_KEY"], os.environ["HELD_KEY"]) == ("s3cret", "held-s3cret")
    assert capsys.readouterr().out == "keys: ASKED_KEY, HELD_KEY, HF_TOKEN\n"
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]


def test_torch_is_not_replaced(
    notebook: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from importlib import metadata

    def version(name: str) -> str:
        if name != "torch":
            raise metadata.PackageNotFoundError(name)
        return "9.9+cu1"

    monkeypatch.chdir(tmp_path)
    shutil.copyfile(root / "requirements.lock", "requirements.lock")
    monkeypatch.setattr(metadata, "version", version)
    seen: list[str] = []
    run_cell(notebook, "install", run=seen.append)
    assert seen == [f"{sys.executable} -m pip install --quiet -c .cache/limits.txt -e .[ui,serve]"]
    limits = Path(".cache/limits.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in limits if line.startswith("torch==")] == ["torch==9.9+cu1"]
    assert len(limits) > 100
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in limits)  # pip takes no more


def test_the_project_is_found_or_cloned(
    notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", *words], cwd=theirs, check=True)
    content = tmp_path / "content"
    (content / "docs").mkdir(parents=True)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(content)
    with pytest.raises(RuntimeError, match="say at REPOSITORY where to clone it from"):
        run_cell(notebook, "project", REPOSITORY="", DRIVE=False)
    for _ in range(2):  # the second time it is there
        monkeypatch.chdir(content)
        told = run_cell(notebook, "project", REPOSITORY=str(theirs), DRIVE=False)
        assert told["root"] == Path.cwd() == content / "tunegraph"
    (content / "tunegraph" / "docs").mkdir()
    monkeypatch.chdir(content / "tunegraph" / "docs")
    told = run_cell(notebook, "project", REPOSITORY="", DRIVE=False)
    assert told["root"] == content / "tunegraph"
    with pytest.raises(RuntimeError, match="exit 3: sh -c 'exit 3'"):
        told["run"]("sh -c 'exit 3'")


def copied(root: Path, folder: Path) -> dict[str, str]:
    """Copy what git tracks, or would, to a folder, commit it there; return the environment."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    home = folder.with_name("home")
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment = {
        **kept,
        "HOME": str(home),  # git knows nobody there, as on a new machine
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(folder),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.with_name("site")),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "--all"], [*who, "commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)
    return environment


def replace(file: Path, *changes: tuple[str, str]) -> None:
    """Replace texts that stand in a file once."""
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.serve
def test_the_notebook_runs_from_top_to_bottom(notebook: Any, root: Path, tmp_path: Path):
    project = tmp_path / "project"
    environment = copied(root, project)
    # The small recipe that the notebook begins by itself, with less to compute still.
    replace(
        project / "tools" / "template" / "params.yaml",
        ("rows: 1000", "rows: 300"),
        ("max_steps: 400", "max_steps: 40"),
        ("warmup_steps: 40", "warmup_steps: 5"),
        ("eval_steps: 100", "eval_steps: 20"),
        ("num_train_epochs: 20", "num_train_epochs: 2"),
        ("test: {default: 20}", "test: {default: 4}"),
        ("max_new_tokens: 48", "max_new_tokens: 12"),
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = tmp_path / "page.ipynb"
    replace(
        project / PAGE,
        ('RECIPE = \\"reviews\\"', 'RECIPE = \\"mine\\"'),
        ('\\"--port\\", \\"8765\\"', f'\\"--port\\", \\"{port}\\"'),
        ("http://127.0.0.1:8765/v1", f"http://127.0.0.1:{port}/v1"),
    )
    words = [sys.executable, "-c", EXECUTE, str(project / PAGE), str(TIMEOUT_S), str(page)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, str] = {}
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["execution_count"], cell["id"]
            told[cell["id"]] = json.dumps(cell["outputs"], ensure_ascii=False)
            assert '"error"' not in {each["output_type"] for each in cell["outputs"]}
    assert "recipes/mine is a small recipe" in told["recipe"]
    assert "keys: none needed" in told["keys"]
    assert "report: base, tuned: metrics/report.md" in told["build"]
    figures = json.loads((project / "metrics/models/tuned.json").read_text(encoding="utf-8"))
    assert figures["own"]["n"] > 0
    line = re.search(r"own\.loss\s+↓\s+\S+\s+(\S+?)\\n", told["show"])
    assert line
    assert line[1] == f"{figures['own']['loss']:.3f}"
    assert re.search("iframe sandbox srcdoc", told["report"])
    assert "&lt;!doctype html" in told["report"].lower()
    assert told["plots"].count("data:image/svg+xml;base64,") >= 2
    rows = (project / "data/rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"{len(rows)} rows" in told["rows"]
    assert "0 rejects" in told["rejects"]
    before, after = re.search(r"own\.loss +(\S+) +(\S+) ", told["compare"]).groups()
    assert float(before) == pytest.approx(figures["own"]["loss"], abs=1e-4)  # as it is again
    assert before != after
    for name in ("base", "fetch", "generate"):  # nothing that the rank has no part in
        assert f"Running stage '{name}" not in told["experiment"]
    assert "Running stage 'train@tuned'" in told["experiment"]
    for name in ("built", "half-rank"):
        assert name in told["experiments"]
    assert "lora_alpha" not in told["experiments"]  # only what differs
    assert "metrics/models/tuned.json:own.loss" in told["experiments"]
    assert "lora.r" in told["experiments"]
    params = project / "params.yaml"
    assert params.read_bytes() == (project / "recipes/mine/params.yaml").read_bytes()
    for name in ("base", "tuned"):
        assert re.search(rf"{name} \((stop|length), \d+\.\d s\)", told["ask"])
    assert "exports/tuned: tuned of the workspace, merged" in told["export"]
    assert f"serve: tuned at http://127.0.0.1:{port}/v1" in told["serve"]
    with socket.socket() as to:
        assert to.connect_ex(("127.0.0.1", port)) != 0
