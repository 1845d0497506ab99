"""Builds made by hand: params.yaml, dvc.lock and figures in git, data in DVC's cache."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.core.jsonl import encode, write_json

SECTIONS = {
    "own": {"set": "own", "primary": "exact", "metrics": ["exact", "loss"]},
    "own_train": {"set": "own_train", "metrics": ["exact"]},
    "code": {"set": "original", "skill": "code", "primary": "passes", "metrics": ["passes"]},
}
PARAMS: dict[str, Any] = {
    "recipe": "tiny",
    "seed": {"data": 13, "base": 13, "train": 13},
    "base": {"source": "scratch", "set": "original"},
    "prompt": {"samples": 1},
    "adapters": {
        "m2b": {"name": "2b", "on": "base", "lora": {"r": 16}},
        "m2c": {"name": "2c", "on": "2b", "lora": {"r": 16}},
    },
    "models": {"base": {"name": "base"}, "m2b": {"name": "2b"}, "m2c": {"name": "2c"}},
    "transcripts": {},
    "evaluate": {"sections": SECTIONS},
    "compare": {"confidence": 0.95, "resamples": 500},
}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


def said(*contents: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]


def request(name: str, seed: str, content: str, **more: Any) -> dict[str, Any]:
    """Return a question to a teacher; its seed is of a group of its own."""
    told = {"id": name, "teacher": "t", "model": "m", "messages": said(content), "sample": 0}
    told |= {"parameters": {}, "schema": None}
    return told | {"seed": {"id": seed, "group": f"g-{seed}", "fields": {}}} | more


def row(name: str, prompt: str, answer: str, **more: Any) -> dict[str, Any]:
    """Return a row; with a request it holds its answer as the record, too."""
    told = {"id": name, "skill": "own", "group": f"g-{name}", "messages": said(prompt, answer)}
    if "request" in more:
        told |= {"record": {"a": answer}, "operations": []}
    return told | more


def reject(of: str, reason: str, text: str) -> dict[str, Any]:
    """Return a reject."""
    return {
        "request": of,
        "reason": reason,
        "detail": "why",
        "raw": "r",
        "text": text,
        "best": None,
    }


def score(name: str, values: dict[str, float], set_: str = "own") -> dict[str, Any]:
    """Return the scores of a row."""
    told = {"model": "2b", "row": name, "set": set_, "skill": "own", "group": name}
    return told | {"values": values}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def cache(content: bytes, kind: str = "") -> str:
    """Put a content into DVC's cache and return its name there."""
    name = md5(content) + kind
    file = Path(".dvc/cache/files/md5") / name[:2] / name[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return name


def lines(rows: list[Any]) -> bytes:
    return "".join(encode(each) + "\n" for each in rows).encode()


class Build:
    """One build, in the workspace; `write` puts it there, `commit` keeps it in git and the cache.

    data: path -> rows; models: name -> section -> key -> value
    code: path -> content, as the stages `train@m2b` and `evaluate@m2b` were run with
    """

    def __init__(self) -> None:
        self.params = json.loads(json.dumps(PARAMS))
        self.data: dict[str, list[Any]] = {}
        self.models: dict[str, Any] = {}
        self.code = {"stages/train.py": "1", "stages/core/errors.py": "1"}
        self.base = "0" * 32
        self.comparison: dict[str, Any] = {}

    def write(self) -> None:
        """Write what a build writes, the former one's data away."""
        shutil.rmtree("data", ignore_errors=True)
        shutil.rmtree("metrics", ignore_errors=True)
        write_json(Path("params.yaml"), self.params)
        for name, text in self.code.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        for name, told in self.models.items():
            write_json(Path(f"metrics/models/{name}.json"), told)
        for name, told in self.comparison.items():
            write_json(Path(f"metrics/comparison/{name}.json"), told)
        for path, rows in self.data.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(lines(rows))
        Path("dvc.yaml").touch()
        with Path("dvc.lock").open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump({"schema": "2.0", "stages": self.stages()}, file)

    def stages(self) -> dict[str, Any]:
        """Return the stages of dvc.lock; the data go into the cache."""
        outs: dict[str, str] = {}
        folders: dict[str, list[dict[str, str]]] = {}
        for path, rows in self.data.items():
            if path.startswith(("data/splits/", "data/mix/")):
                depth = 2 if path.startswith("data/splits/") else 3
                top = "/".join(path.split("/")[:depth])
                inside = {"md5": cache(lines(rows)), "relpath": path.removeprefix(top + "/")}
                folders.setdefault(top, []).append(inside)
            else:
                outs[path] = cache(lines(rows))
        for top, files in folders.items():
            content = json.dumps(sorted(files, key=lambda each: each["relpath"])).encode()
            outs[top] = cache(content, ".dir")
        settings = {"adapters.m2b.lora": self.params["adapters"]["m2b"]["lora"]}
        settings["seed.train"] = self.params["seed"]["train"]
        deps = [{"path": path, "md5": md5(text.encode())} for path, text in self.code.items()]
        figures = {
            path.as_posix(): md5(path.read_bytes()) for path in Path("metrics").rglob("*.json")
        }
        told = {
            "split": {"cmd": "split", "outs": _listed(outs)},
            "base": {"cmd": "base", "outs": _listed({"models/base": self.base})},
            "train@m2b": {"cmd": "train", "deps": deps, "params": {"params.yaml": settings}},
            "evaluate@m2b": {"cmd": "evaluate", "outs": _listed(figures)},
        }  # fmt: skip
        return {name: {k: v for k, v in stage.items() if v} for name, stage in told.items()}

    def commit(self, message: str) -> str:
        """Write and commit; return the commit."""
        self.write()
        git("add", "--all")
        git("commit", "--quiet", "--message", message)
        return git("rev-parse", "HEAD").strip()

    def experiment(self, name: str) -> str:
        """Write, keep as an experiment on HEAD, go back to HEAD; return the commit."""
        head = git("rev-parse", "HEAD").strip()
        commit = self.commit(name)
        git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit)
        git("reset", "--quiet", "--hard", head)
        return commit


def _listed(outs: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "md5": digest} for path, digest in sorted(outs.items())]


def repository() -> None:
    """Begin an empty repository in the working directory."""
    git("init", "--quiet", "--initial-branch", "main")
    with Path(".git/config").open("a", encoding="utf-8") as file:
        file.write("[user]\n\tname = test\n\temail = test@example.org\n")
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    Path(".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    Path(".gitignore").write_text("/data\n/models\n", encoding="utf-8")


def maker() -> SimpleNamespace:
    """Return what makes builds by hand."""
    return SimpleNamespace(
        build=Build, git=git, request=request, row=row, reject=reject, score=score, said=said
    )


def _apart(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder, without the DVC settings of whoever runs this."""
    patch.chdir(folder)
    for name in ("GLOBAL", "SYSTEM"):
        patch.setenv(f"DVC_{name}_CONFIG_DIR", str(folder.parent / name))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return what makes builds by hand; an empty repository is the working directory."""
    _apart(tmp_path, monkeypatch)
    repository()
    return maker()


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, SimpleNamespace]]:
    """Return the repositories that were made once for this file, by name."""
    return {}


@pytest.fixture
def copied(
    templates: dict[str, tuple[Path, SimpleNamespace]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[SimpleNamespace], None]], SimpleNamespace]:
    """Return a function that gives a copy of what `fill` makes of an empty repository, once."""

    def copy(fill: Callable[[SimpleNamespace], None]) -> SimpleNamespace:
        if fill.__name__ not in templates:
            made = maker()
            folder = tmp_path_factory.mktemp(fill.__name__)
            with pytest.MonkeyPatch.context() as patch:
                _apart(folder, patch)
                repository()
                fill(made)
            templates[fill.__name__] = folder, made
        folder, made = templates[fill.__name__]
        target = tmp_path_factory.mktemp("copy") / "project"
        shutil.copytree(folder, target)
        _apart(target, monkeypatch)
        return deepcopy(made)

    return copy
