"""`tunegraph export --rev`: a model of another revision comes back, the workspace stays."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stages.core import stack
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, write_json
from stages.core.params import read_yaml
from tools import diff, export
from tools.export import Asked
from tools.origin import Origin, changes, data_changes

pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
GRAPH = """\
stages:
  base:
    cmd: mkdir -p models && cp -r made/base models/base
    outs: [models/base]
  split:
    cmd: mkdir -p data && cp made/test.jsonl data/test.jsonl
    outs: [data/test.jsonl]
  train:
    foreach: ${adapters}
    do:
      cmd: mkdir -p models && cp -r made/${item.from} models/${item.name}
      deps:
        - models/${item.on}
      params:
        - adapters.${key}
      outs:
        - models/${item.name}
"""


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def history(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project: tag `first` without 2d, then HEAD, and an experiment `wider` of another 2c.

    What the stages copy, `made/`, is not tracked: as if it were trained.
    """
    root = tmp_path_factory.mktemp("history")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{name}_NAME", "test")
            patch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
        patch.setenv("DVC_SITE_CACHE_DIR", str(root.parent / "site"))
        git("init", "--quiet", "--initial-branch", "main")
        for name in ("base", "2b", "2c", "2d", "3b"):
            shutil.copytree(built.folder / "models" / name, root / "made" / name)
        shutil.copyfile(built.folder / "data/test.jsonl", root / "made/test.jsonl")
        # Another 2c: 3b under its name, on the same base.
        shutil.copytree(root / "made" / "3b", root / "made" / "wider")
        told = read_json(root / "made" / "3b" / "manifest.json")
        told |= {"name": "2c", "chain": ["base", "2c"], "adapters": {"2c": told["adapters"]["3b"]}}
        (root / "made/wider/adapters/3b").rename(root / "made/wider/adapters/2c")
        write_json(root / "made" / "wider" / "manifest.json", told)

        part = {"mode": "stack", "mix": {"own": 1.0}, "lora": {"r": 4}, "sft": {"max_steps": 4}}
        params: dict[str, Any] = {
            "recipe": "tiny",
            "compute": CPU,
            "adapters": {
                "m2b": {"name": "2b", "on": "base", "from": "2b", **part},
                "m2c": {"name": "2c", "on": "2b", "from": "2c", **part},
            },
            "models": {"base": {"name": "base"}},
            "transcripts": {},
            "sources": {},
            "sets": {},
            "evaluate": {"sections": {"code": {"metrics": ["passes"]}}},
        }
        write_json(root / "params.yaml", params)
        files = {
            ".dvc/config": "[core]\n    analytics = false\n",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            ".gitignore": "/made\n/models\n/data\n/exports\n",
            "dvc.yaml": GRAPH,
        }
        for name, text in files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        write_json(root / "metrics/models/2c.json", {"code": {"n": 3, "passes": 0.25}})
        diff.dvc("repro")
        git("add", "--all")
        git("commit", "--quiet", "--message", "first")
        git("tag", "first")
        params["adapters"]["m2d"] = {"name": "2d", "on": "2c", "from": "2d", **part}
        write_json(root / "params.yaml", params)
        write_json(root / "metrics/models/2c.json", {"code": {"n": 3, "passes": 0.75}})
        diff.dvc("repro")
        git("add", "--all")
        git("commit", "--quiet", "--message", "second")
        diff.dvc("exp", "run", "--quiet", "-n", "wider", "-S", "adapters.m2c.from=wider")
        git("checkout", "--quiet", ".")
        diff.dvc("checkout", "--quiet")
    return root


@pytest.fixture
def project(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project, to change at will, in what is now the working directory."""
    root = tmp_path / "project"
    shutil.copytree(history, root, symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return root


def state() -> dict[str, object]:
    """Return all of the checkout that git or DVC keeps."""
    kept = [
        file
        for file in Path(".").rglob("*")
        if file.is_file() and not {".git", "exports", "tmp"} & set(file.parts)
    ]
    return {
        "files": {file: file.read_bytes() for file in kept},
        "status": git("status", "--porcelain"),
        "refs": git("for-each-ref"),
    }


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits.float()


def plainly(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.slow
def test_the_model_of_an_experiment_stands_beside_the_present_one(
    project: Path, tmp_path_factory: pytest.TempPathFactory
):
    before = state()
    export.main(Asked("2c", revision="wider"))
    export.main(Asked("2c"))
    ours, theirs = Path("exports/2c"), Path("exports/2c@wider")
    # A folder has to hold the model of its name.
    renamed = shutil.copytree("made/wider", tmp_path_factory.mktemp("renamed") / "2c")
    wider = logits(stack.load(Path("made/base"), renamed, CPU))
    present = logits(stack.load(Path("models/base"), Path("models/2c"), CPU))
    assert (logits(plainly(theirs)) - wider).abs().max() < 1e-5
    assert (logits(plainly(ours)) - present).abs().max() < 1e-5
    assert (wider - present).abs().max() > 1e-3
    assert state() == before
    commit = git("for-each-ref", "--format=%(objectname)", "refs/exps/??/*/wider").strip()
    assert read_json(theirs / "export.json")["commit"] == commit
    text = (theirs / "README.md").read_text(encoding="utf-8")
    assert f"| git commit | {commit} |" in text
    assert "| asked for as | wider |" in text
    lock = read_yaml(Path("dvc.lock"))["stages"]
    base = lock["base"]["outs"][0]["md5"]
    assert f"| models/base (MD5) | {base} |" in text
    mine = lock["train@m2c"]["outs"][0]["md5"]
    assert mine not in text
    assert mine in (ours / "README.md").read_text(encoding="utf-8")
    assert "**Not as committed" not in (ours / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_tag_gives_the_figures_of_its_day(project: Path):
    export.main(Asked("2c", revision="first", form="stack"))
    text = Path("exports/2c@first/README.md").read_text(encoding="utf-8")
    assert "| code (n = 3) | `passes` ↑ | 0.250 |" in text
    folder = Path("exports/2c@first/models/2c")
    for file in Path("models/2c").rglob("*.safetensors"):
        assert (folder / file.relative_to("models/2c")).read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_what_the_cache_lacks_comes_from_the_remote_configured_now(project: Path):
    """The remote is set in config.local, which no commit has."""
    diff.dvc("remote", "add", "--local", "--default", "there", str(project.parent / "remote"))
    diff.dvc("push", "--quiet", "--all-commits")
    for name in (".dvc/cache", ".dvc/tmp", "models", "data"):
        shutil.rmtree(name)
    before = state()
    export.main(Asked("2d", revision="HEAD"))
    assert state() == before
    ours = logits(stack.load(Path("made/base"), Path("made/2d"), CPU))
    assert (logits(plainly(Path("exports/2d@HEAD"))) - ours).abs().max() < 1e-5


@pytest.mark.slow
def test_what_is_nowhere_is_told(project: Path):
    shutil.rmtree(".dvc/cache")
    before = state()
    what = r"revision wider: models/base: neither DVC's cache nor a remote has it(?s:.)*dvc push"
    with pytest.raises(InputError, match=what):
        export.main(Asked("2c", revision="wider"))
    assert state() == before
    assert not Path("exports").exists()


@pytest.mark.slow
def test_a_revision_without_the_model_is_told(project: Path):
    with pytest.raises(
        ConfigError, match=r"revision first: params.yaml: there is no model '2d'.*\n.*2b, 2c, base"
    ):
        export.main(Asked("2d", revision="first"))


@pytest.mark.slow
def test_a_workspace_that_differs_is_told_and_not_pushed(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    Path("metrics/models/2c.json").write_text('{"code": {"n": 3, "passes": 1.0}}\n')
    with pytest.raises(ConfigError, match=r"not as committed: metrics/models/2c.json\n"):
        export.main(Asked("2c", repository="me/2c"))
    assert not Path("exports").exists()
    params = read_yaml(Path("params.yaml"))
    params["adapters"]["m2b"]["lora"]["r"] = 8
    write_json(Path("params.yaml"), params)
    assert changes("2c", params) == [
        "not up to date with dvc.lock: train@m2b",
        "not as committed: metrics/models/2c.json, params.yaml",
    ]
    assert data_changes() == ["not as committed: metrics/models/2c.json, params.yaml"]
    export.main(Asked("2c", form="stack"))
    text = Path("exports/2c/README.md").read_text(encoding="utf-8")
    assert (
        "**Not as committed:** not up to date with dvc.lock: train@m2b; not as committed:" in text
    )


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of one commit, tagged `v1`, with two experiments `same` and one `wider`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".site"))
    git("init", "--quiet", "--initial-branch", "main")
    Path(".dvc").mkdir()
    Path(".dvc/config").touch()
    Path("params.yaml").write_text("adapters: {}\n", encoding="utf-8")
    git("add", "--all")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    git(*identity, "commit", "--quiet", "--message", "one")
    git("tag", "v1")
    for at, name in (("a", "same"), ("b", "same"), ("c", "wider")):
        git("update-ref", f"refs/exps/{at * 2}/{at * 38}/{name}", "HEAD")
    return tmp_path


def test_a_revision_is_a_tag_a_branch_a_commit_or_an_experiment(stub: Path):
    commit = git("rev-parse", "HEAD").strip()
    for name in ("v1", "main", "HEAD", commit[:8], "wider"):
        origin = Origin(name)
        assert origin.commit == commit
        assert origin.read("params.yaml") == b"adapters: {}\n"
        assert origin.read("dvc.lock") is None
    assert Origin().commit == commit


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("widr", r"there is no experiment, commit, branch or tag 'widr'; did you mean 'wider'\?"),
        ("v2", r"did you mean 'v1'\?\n.*one of: main, same, v1, wider\n.*dvc exp list"),
        ("0123456", "there is no experiment, commit, branch or tag '0123456'\n"),
        ("same", r"several experiments have this name(?s:.)*aa/a+/same, refs/exps/bb/b+/same"),
    ],
)
def test_a_revision_that_there_is_not_is_told(stub: Path, name: str, told: str):
    with pytest.raises(ConfigError, match=told):
        Origin(name)
