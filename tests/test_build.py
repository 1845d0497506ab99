"""The whole graph, small, by DVC itself: what it opens, and what a change runs again.

Every stage runs by dvc.yaml's own command line, under an audit hook that notes which files it opens
(https://docs.python.org/3/library/audit_events.html); tests/test_graph.py holds it for imports.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

import pytest

from stages.core.params import read_yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
WRITTEN = ("stages", "recipes", "dvc.yaml", ".dvcignore", ".gitignore")
# Stands in for `python` on the PATH: notes a stage's files, then runs its module as usual.
TRACER = """\
import atexit, json, os, runpy, sys
opened, root = {{}}, os.getcwd()
def mode(args):
    return args[2] & (os.O_WRONLY | os.O_RDWR)
def note(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(args[0]))
        # The event comes before the file is found, or not.
        if path.startswith(root + os.sep) and (mode(args) or os.path.isfile(path)):
            opened.setdefault(os.path.relpath(path, root), set()).add("w" if mode(args) else "r")
sys.addaudithook(note)
def write():
    found = {{path: sorted(ways) for path, ways in opened.items()}}
    line = {{"stage": os.environ["DVC_STAGE"], "opened": found}}
    with open({log!r}, "a") as file:
        file.write(json.dumps(line) + "\\n")
atexit.register(write)
assert sys.argv[1] == "-m"
del sys.argv[0:2]
sys.path[0] = root
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
# What every stage may read: its parameters (dvc.yaml lists the sections) and the two packages'
# own files, which hold no logic.
UNIVERSAL = ("params.yaml", "stages/__init__.py", "stages/core/__init__.py")
# The page draws the graph, which DVC refuses as a dependency.
REFUSED = {"report": ["dvc.yaml"]}
# They gather what all models have, and take a second.
OF_ALL_MODELS = ("ablate", "profile", "drift", "judge", "report")
# The journal is outside the graph by design.
APART = (".cache", ".git", ".dvc")


class Project:
    """A small project in a folder of its own, built by DVC."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "project", folder / "opened.jsonl"
        self.folder.mkdir()
        for name in (*WRITTEN, ".dvc/config", ".dvc/plots"):
            source, target = ROOT / name, self.folder / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
        subprocess.run(["git", "init", "--quiet"], cwd=self.folder, check=True)
        tracer, python = folder / "tracer.py", folder / "bin" / "python"
        tracer.write_text(TRACER.format(log=str(self.log)))
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tracer}" "$@"\n')
        python.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(folder / "site"),
            "TUNEGRAPH_JOURNAL": str(folder / "journal.jsonl"),
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self.params = small(read_yaml(ROOT / "params.yaml"))

    def dvc(self, *words: str) -> str:
        """Run DVC and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dvc", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self) -> dict[str, dict[str, list[str]]]:
        """Write the parameters, run `dvc repro`, return what each stage that ran has opened."""
        self.log.write_text("")
        # JSON is YAML.
        (self.folder / "params.yaml").write_text(json.dumps(self.params, indent=1))
        self.dvc("repro", "--quiet")
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        ran = {line["stage"]: line["opened"] for line in lines}
        assert len(ran) == len(lines), "a stage ran twice"
        return ran


def small(params: dict[str, Any]) -> dict[str, Any]:
    """Cut the default recipe down to what takes seconds: no model of it is good for anything."""
    params["sources"]["seeds"]["rows"] = 60
    params["sources"]["skills"]["rows"] = dict.fromkeys(params["sources"]["skills"]["rows"], 120)
    params["offline"]["slow_s"] = 0.0
    params["sets"]["original"] |= {"val": 0.1, "test": 0.3, "cap": {"test": {"default": 3}}}
    params["sets"]["own"] |= {"cap": {"test": {"default": 4}}, "train_sample": 4}
    params["base"]["scratch"]["vocab_size"] = 600
    params["base"]["scratch"]["sft"] |= {"max_steps": 3, "eval_steps": 2, "warmup_steps": 0}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    params["base"]["scratch"]["architecture"] |= sizes
    for adapter in params["adapters"].values():
        adapter["lora"] |= {"r": 2}
        adapter["sft"] |= {"max_steps": 2, "eval_steps": 1, "warmup_steps": 0}
    params["answer"] |= {"max_new_tokens": 8}
    params["compare"] |= {"resamples": 20}
    return params


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def first(project: Project) -> dict[str, dict[str, list[str]]]:
    """Return what each stage opened in a build from nothing."""
    return project.build()


def test_every_stage_opens_what_dvc_yaml_lists(project: Project, first: dict[str, Any]):
    lock = read_yaml(project.folder / "dvc.lock")["stages"]
    # Fourteen by themselves; mix, train, compare and price for 2 adapters; answer, vary, layers and
    # evaluate for 3 models.
    assert len(first) == 14 + 4 * 2 + 4 * 3
    assert first.keys() == lock.keys()
    for stage, opened in first.items():
        deps = [dep["path"] for dep in lock[stage]["deps"]]
        outs = [out["path"] for out in lock[stage]["outs"]]
        read = [source(path) for path, how in opened.items() if "r" in how]
        read = [path for path in read if not within(path, APART)]
        assert read, f"{stage} opened nothing: does the hook work?"
        own = [path for path in read if under(path, outs, beside=True)]
        known = [*deps, *own, *UNIVERSAL, *REFUSED.get(stage, [])]
        unlisted = [path for path in read if not under(path, known)]
        assert not unlisted, f"{stage} reads what dvc.yaml does not list: {unlisted}"
        written = [path for path, how in opened.items() if "w" in how]
        written = [path for path in written if not within(path, (*APART, "__pycache__"))]
        stray = [path for path in written if not under(path, outs, beside=True)]
        assert not stray, f"{stage} writes what dvc.yaml does not list: {stray}"


def source(path: str) -> str:
    """Return the module that a file of Python's cache comes from, any other path as it is."""
    return source_from_cache(path) if "__pycache__" in path else path


def within(path: str, names: tuple[str, ...]) -> bool:
    """Tell whether one of the folders on the way to a path has one of these names."""
    return any(part in names for part in Path(path).parts)


def under(path: str, places: list[str], beside: bool = False) -> bool:
    """Tell whether a path is one of the places or in it.

    beside: a temporary file that will be renamed to the place counts too (`.<name>.<pid>`)
    """
    for place in places:
        if path == place or path.startswith(f"{place}/"):
            return True
        folder, _, name = place.rpartition("/")
        if beside and path.startswith(f"{folder}/.{name}." if folder else f".{name}."):
            return True
    return False


def test_nothing_runs_twice(project: Project, first: dict[str, Any]):
    assert project.build() == {}


def test_the_learning_rate_of_2c_reruns_2c_and_nothing_of_base_and_2b(
    project: Project, first: dict[str, Any]
):
    project.params["adapters"]["m2c"]["sft"]["learning_rate"] *= 2
    ran = set(project.build())
    assert {"check", "train@m2c"} <= ran
    of_2c = ("train", "answer", "vary", "layers", "evaluate", "compare", "price")
    assert ran <= {"check", "select", *OF_ALL_MODELS, *(f"{stage}@m2c" for stage in of_2c)}


def test_a_third_adapter_is_an_edit_of_params_yaml_alone(project: Project, first: dict[str, Any]):
    adapters, models = project.params["adapters"], project.params["models"]
    adapters["m2d"] = adapters["m2c"] | {"name": "2d", "on": "2c"}
    adapters["m3b"] = adapters["m2b"] | {"name": "3b", "on": "base"}
    models |= {"m2d": {"name": "2d"}, "m3b": {"name": "3b"}}
    ran = set(project.build())
    new = {"mix", "train", "answer", "vary", "layers", "evaluate", "compare", "price"}
    assert {f"{stage}@{key}" for stage in new for key in ("m2d", "m3b")} <= ran
    of_both = {f"{stage}@{key}" for stage in new for key in ("m2d", "m3b")}
    assert ran <= of_both | {"check", *OF_ALL_MODELS}
    chain = json.loads((project.folder / "models/2d/manifest.json").read_text())["chain"]
    assert chain == ["base", "2b", "2c", "2d"]
    shown = json.loads(project.dvc("metrics", "show", "--json"))[""]["data"]
    assert {"metrics/models/2d.json", "metrics/models/3b.json"} <= shown.keys()
    summary = shown["metrics/summary.json"]["data"]
    assert summary.pop("alarms").keys() == {"clustered", "overfit"}
    assert 0 < sum(len(part) for told in summary.values() for part in told.values()) <= 15


def test_the_curves_of_all_adapters_are_one_chart(project: Project, first: dict[str, Any]):
    project.dvc("plots", "show", "--out", "chart")
    page = (project.folder / "chart" / "index.html").read_text(encoding="utf-8")
    assert "Loss by model" in page
    assert "Token accuracy by model" in page
    # The base's trainer has no token accuracy: without the filter it would be drawn as 0.
    assert '{"filter": {"not": {"field": "token_accuracy", "equal": ""}}}' in page
    for name in ("base", "2b", "2c"):
        assert f'"model": "{name}"' in page
    assert '"field": "split"' in page


def test_a_build_is_shared_through_a_remote(project: Project, first: dict[str, Any]):
    """As the README tells it: pushed here, and in a clone elsewhere nothing is built again."""
    project.build()
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    remote, clone = project.folder.parent / "remote", project.folder.parent / "clone"
    project.dvc("remote", "add", "--default", "shared", str(remote))
    project.dvc("push", "--run-cache")
    for words in (["add", "--all"], ["commit", "-qm", "built"], ["clone", "-q", ".", clone]):
        subprocess.run([*git, *words], cwd=project.folder, check=True)

    here, project.folder = project.folder, clone
    try:
        # Without the data: content with what dvc.lock says of them, and nothing is fetched.
        assert nothing_ran(project.dvc("repro", "--allow-missing"))
        assert not (clone / "models").exists()
        assert not (clone / "data").exists()
        project.dvc("pull", "--run-cache")
        for name in ("models/2c/manifest.json", "data/rows.jsonl", "data/scores/2c.jsonl"):
            assert (clone / name).read_bytes() == (here / name).read_bytes()
        assert list((clone / ".dvc/cache/runs").rglob("*"))
        assert nothing_ran(project.dvc("repro"))
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True)
        assert changed.stdout == b""

        # What dvc.lock does not name is found by the run cache. `dvc push` leaves out what git
        # holds (metrics), and without it no stage is restored: the whole cache has to be there.
        shutil.copytree(here / ".dvc/cache", remote.with_name("whole"))
        project.dvc("remote", "add", "--default", "whole", str(remote.with_name("whole")))
        (clone / "dvc.lock").unlink()
        for name in ("data", "models", "metrics"):
            shutil.rmtree(clone / name)
        printed = project.dvc("repro", "--pull")
        ran = [line.split("'")[1] for line in printed.splitlines() if "Running stage" in line]
        assert {stage.partition("@")[0] for stage in ran} == {"compare", *OF_ALL_MODELS}
        assert printed.count("is cached - skipping run") > 10
    finally:
        project.folder = here


def nothing_ran(printed: str) -> bool:
    """Tell whether DVC says that it had nothing to do."""
    return "Running stage" not in printed and "Data and pipelines are up to date." in printed


def test_experiments_pay_for_no_reply_again(tmp_path: Path):
    """Whatever copy of the checkout DVC runs them in: the journal is the main checkout's."""
    project = Project(tmp_path)
    del project.environment["TUNEGRAPH_JOURNAL"]  # as a user has it
    for who in ("AUTHOR", "COMMITTER"):
        project.environment |= {f"GIT_{who}_NAME": "test", f"GIT_{who}_EMAIL": "t@example.org"}
    (project.folder / "params.yaml").write_text(json.dumps(project.params, indent=1))
    project.dvc("repro", "--quiet", "generate")
    assert json.loads((project.folder / "metrics/costs/generate.json").read_text())["paid"] == 60
    git = ["git", "-c", "user.name=test", "-c", "user.email=t@example.org"]
    for words in (["add", "--all"], ["commit", "-qm", "built"]):
        subprocess.run([*git, *words], cwd=project.folder, check=True)

    limits = ["generate.max_in_flight=3", "generate.max_tokens=200", "generate.budget_usd=5"]
    changed = [word for limit in limits for word in ("-S", limit)]
    project.dvc("exp", "run", "--temp", "-n", "temp", *changed, "generate")
    project.dvc("exp", "run", "--temp", "-n", "reask", "-S", "generate.reask=1", "generate")
    spent = {
        each["name"]: each["data"]["metrics"]["metrics/costs/generate.json"]["data"]
        for revision in json.loads(project.dvc("exp", "show", "--json"))
        for experiment in revision["experiments"] or ()
        for each in experiment["revs"]
    }
    assert spent.keys() == {"temp", "reask"}
    assert (spent["temp"]["paid"], spent["temp"]["found"]) == (0, 60)
    # Sent back are the rejects of these 60, and nothing else is asked.
    assert 0 < spent["reask"]["paid"] < 20
    journal = project.folder / ".cache/tunegraph/journal.jsonl"
    kept = journal.read_bytes()
    assert kept.count(b"\n") == 60 + spent["reask"]["paid"]
    project.params["generate"] |= {"reask": 1, "timeout_s": 31}
    (project.folder / "params.yaml").write_text(json.dumps(project.params, indent=1))
    project.dvc("repro", "--quiet", "generate")
    assert json.loads((project.folder / "metrics/costs/generate.json").read_text())["paid"] == 0
    assert journal.read_bytes() == kept
