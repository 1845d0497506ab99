"""What the recipes' builds share: a clone of the working tree, its build, what has to be there."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fresh import MEASURE, ROOT, environment

from stages.core.jsonl import read_json, read_rows, write_json
from stages.core.keys import KEYS
from stages.core.params import read_yaml

# Of a former build: they do not belong to a clone.
BUILT = ("metrics/", "dvc.lock", "report.html")
# What a kind of model has no value of, by `Key.needs` (`stages.core.keys.NEEDS`).
BASE_LACKS = {"base"}
TRANSCRIPT_LACKS = {"limit", "reference_nll", "reference_hits", "hidden_similarity"}
# What no answer may have: of a model that says next to nothing, or that nobody has judged.
ANY_LACKS = {"text", "words", "marks", "verdict"}
ENDS_S = 10


def copied(folder: Path, recipe: str, shared: bool = True) -> Path:
    """Copy what git tracks or would track, with a recipe in use; return the clone.

    folder: what is there is removed
    shared: whether the clone keeps what it builds in this checkout's DVC cache
    """
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(BUILT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(folder / "recipes" / recipe / "params.yaml", folder / "params.yaml")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    if shared:
        dvc = [sys.executable, "-P", "-m", "dvc"]
        where = subprocess.run(
            [*dvc, "cache", "dir"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        words = ["config", "--local", "cache.dir", str((ROOT / where).resolve())]
        subprocess.run([*dvc, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def shrink(params: dict[str, Any], steps: int) -> dict[str, Any]:
    """Train a scratch base for so many steps; everything else stays."""
    if params["base"]["source"] == "scratch":
        sft = params["base"]["scratch"]["sft"]
        sft |= {"max_steps": steps, "eval_steps": max(1, steps // 2), "warmup_steps": 0}
    return params


def build(clone: Path, place: Path) -> list[dict[str, Any]]:
    """Run `dvc repro`, every stage of it; return a line a stage (name, cpu_s, wall_s), and `all`.

    place: gets `log`, all that was printed. Killed or interrupted, it ends what it started.
    Raises: CalledProcessError when the build fails.
    """
    shutil.rmtree(place, ignore_errors=True)
    used = place / "all.jsonl"
    measure = [sys.executable, str(MEASURE), "--out", str(used), "--name", "all"]
    # What it builds goes into the run cache; what is there is not taken: it would cost nothing.
    repro = [*measure, sys.executable, "-P", "-m", "dvc", "repro", "--no-run-cache"]
    told = environment(place)
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            repro, cwd=clone, env=told, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status = process.wait()
        finally:
            _end(process)
    if status:
        raise subprocess.CalledProcessError(status, "dvc repro")
    return [*read_rows(place / "stages.jsonl"), *read_rows(used)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, by the id of their group; those that ended stay so."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(ENDS_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def use_shrunken(clone: Path, steps: int) -> None:
    """Write the clone's params.yaml with a base of so many steps."""
    params = shrink(read_yaml(clone / "params.yaml"), steps)
    write_json(clone / "params.yaml", params)  # JSON is YAML


def lacking(clone: Path, params: dict[str, Any]) -> Iterator[str]:
    """Yield what a build should have made and has not: outputs, sections, metrics, rows.

    Every output of dvc.lock is there; every model has every section, with rows and every metric. A
    transcript may lack the rows of some sections, and a kind of model what it cannot have.
    """
    stages = read_yaml(clone / "dvc.lock")["stages"]
    outs = [out["path"] for stage in stages.values() for out in stage.get("outs", [])]
    if len(stages) != (wanted := stages_of(params)):
        yield f"{len(stages)} stages ran, not {wanted}"
    yield from (f"{path} is missing" for path in outs if not (clone / path).exists())
    pasted = {one["name"] for one in params["transcripts"].values()}
    for model in params["models"].values():
        name = model["name"]
        if not read_rows(clone / "data" / "answers" / f"{name}.jsonl"):
            yield f"{name} has no answers"
        path = clone / "metrics" / "models" / f"{name}.json"
        told = read_json(path) if path.exists() else {}
        without = ANY_LACKS | (BASE_LACKS if name == "base" else set())
        without |= TRANSCRIPT_LACKS if name in pasted else set()
        if name in pasted and not any(each["n"] for each in told.values()):
            yield f"{name}: no section has a row"
        for key, section in params["evaluate"]["sections"].items():
            found = told.get(key, {"n": 0})
            if found["n"] > 0:
                lacks = [each for each in section["metrics"] if each not in found]
                lacks = [each for each in lacks if KEYS[each].needs not in without]
                yield from (f"{name}: {key}.{each} is missing" for each in lacks)
            elif name not in pasted:
                yield f"{name}: {key} has no rows"


def stages_of(params: dict[str, Any]) -> int:
    """Return how many stages the graph has for these parameters."""
    graph = read_yaml(ROOT / "dvc.yaml")["stages"]
    over = [stage["foreach"].strip("${}") for stage in graph.values() if "foreach" in stage]
    return len(graph) - len(over) + sum(len(params[key]) for key in over)
