"""Make each model an experiment of DVC, and let `dvc metrics diff` compare the models themselves.

DVC compares commits, not files of one commit; so a model becomes an experiment on the present
commit in which `select` names it, and the one stage `select` has run. `dvc exp run` stashes the
user's edits, resets the checkout and puts them back; killed in between, it leaves them in a stash.
Here it runs in a throw-away clone, and only the finished experiments come over, all at once: the
workspace is not touched, so there is nothing to restore.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.params import PATH, read_yaml
from tools.revisions import EXPERIMENTS, LOCK, git, knows

MODELS = Path("metrics/models")


def dvc(*words: str, at: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run the DVC of this environment, with this environment's Python first on the PATH.

    Raises: ConfigError with DVC's own message when it fails.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        # -P: a file of the project called like a module of the library must not be taken for it.
        [sys.executable, "-P", "-m", "dvc", *words],
        cwd=at,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigError(Fault(f"dvc {' '.join(words[:2])}", done.stderr.strip() or "failed"))
    return done.stdout


def named(params: dict[str, Any], asked: Sequence[str]) -> list[str]:
    """Return the names of the models to compare: those asked for, or all of params.yaml.

    Raises: ConfigError for a name that params.yaml does not have, or for one name alone.
    """
    models = [model["name"] for model in params["models"].values()]
    if unknown := [name for name in asked if name not in models]:
        raise ConfigError(
            *(Fault(f"{PATH}: models", f"no model {n!r}", ", ".join(models)) for n in unknown)
        )
    if len(asked) == 1:
        raise ConfigError(Fault("tunegraph diff", "one model alone", "two or more, or none: all"))
    return list(dict.fromkeys(asked)) or models


def pairs(params: dict[str, Any], asked: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is compared with what: each adapter with the model it stands on.

    With names asked for: each with the next one. A transcript is compared with the base.
    """
    if asked:
        return list(pairwise(asked))
    stacked = [(adapter["on"], adapter["name"]) for adapter in params["adapters"].values()]
    return stacked + [("base", entry["name"]) for entry in params["transcripts"].values()]


def hold(names: Sequence[str]) -> None:
    """Hold that there is something to compare, and that the names are free.

    Raises: ConfigError, InputError.
    """
    if not knows("HEAD"):
        raise ConfigError(
            Fault("git", "there is no commit", "experiments stand on one", "git add -A; git commit")
        )
    if missing := [name for name in names if not (MODELS / f"{name}.json").exists()]:
        files = ", ".join(str(MODELS / f"{name}.json") for name in missing)
        raise InputError(Fault(files, "not built yet", then="dvc repro"))
    if not LOCK.exists():
        raise InputError(Fault(str(LOCK), "nothing is built yet", then="dvc repro"))
    taken = [name for name in names if knows(name)]
    if taken:
        raise ConfigError(
            *(
                Fault(
                    f"git: {name}",
                    "a branch, tag or commit has the name of a model: DVC would compare that",
                    "a name that only the experiment has",
                    f"git branch -m {name} <other>, or git tag -d {name}",
                )
                for name in taken
            )
        )


def outdated(*words: str) -> list[str]:
    """Return the stages that `dvc repro` would run again, those with missing data only apart.

    words: further ones for `dvc status`: stages, `--with-deps`
    """
    changes = json.loads(dvc("status", "--json", *words))
    return [stage for stage, told in changes.items() if set(_kinds(told)) - {"deleted"}]


def _kinds(told: Any) -> list[str]:
    """Return the kinds of change (`modified`, `deleted`, ...) in a stage's entry of the status."""
    if isinstance(told, str):
        return [told]
    items = told.values() if isinstance(told, dict) else told
    return [kind for item in items for kind in _kinds(item)]


def present(clone: Path) -> None:
    """Bring a fresh clone to the present state of the workspace, as far as git knows its files.

    What was built since the last commit counts too, although git does not know it yet.
    """
    deleted = set(git("ls-files", "-z", "--deleted").split("\0")) - {""}
    changed = set(git("ls-files", "-z", "--modified").split("\0")) - deleted - {""}
    built = ["ls-files", "-z", "--others", "--exclude-standard", "--", str(LOCK), "metrics"]
    changed |= set(git(*built).split("\0")) - {""}
    for name in deleted:
        (clone / name).unlink(missing_ok=True)
    for name in changed:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, clone / name)


def experiments(names: Sequence[str], clone: Path) -> dict[str, str]:
    """Run each experiment in the clone and return ref -> commit, brought over without the refs."""
    git("clone", "--quiet", "--shared", ".", str(clone))
    git("checkout", "--quiet", "--detach", git("rev-parse", "HEAD").strip(), at=clone)
    present(clone)
    apart = {"DVC_SITE_CACHE_DIR": str(clone.parent / "site")}
    for name in names:
        # Each run leaves the index at the commit; what git does not know is not saved.
        git("add", "--all", at=clone)
        words = ("exp", "run", "--quiet", "--name", name, "--set-param", f"select={name}")
        dvc(*words, "--single-item", "select", at=clone, env=apart)
    form = "--format=%(objectname) %(refname)"
    made = git("for-each-ref", form, *(f"{EXPERIMENTS}/{name}" for name in names), at=clone)
    refs = {ref: commit for commit, ref in map(str.split, made.splitlines())}
    git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone), *refs)
    return refs


def replace(names: Sequence[str], refs: dict[str, str]) -> None:
    """Put the new experiments in the place of all old ones of these names, in one transaction.

    An old one left behind, under another commit, would be compared in silence.
    """
    form = "--format=%(refname)"
    old = git("for-each-ref", form, *(f"{EXPERIMENTS}/{name}" for name in names)).split()
    lines = [f"delete {ref}" for ref in old if ref not in refs]
    lines += [f"update {ref} {commit}" for ref, commit in refs.items()]
    git("update-ref", "--stdin", given="\n".join(lines) + "\n")


def main(asked: Sequence[str]) -> None:
    """Make the experiments and print the comparisons."""
    params = read_yaml(PATH)
    names = named(params, asked)
    hold(names)
    if stages := outdated():
        told = ", ".join(stages)
        entry.say("diff", f"not up to date, these are the figures of the last build: {told}")
    if git("status", "--porcelain").strip():
        entry.say("diff", "the working tree is dirty; the experiments hold its changes")
    with tempfile.TemporaryDirectory() as folder:
        replace(names, experiments(names, Path(folder) / "clone"))
    entry.say("diff", f"experiments {', '.join(names)}; the workspace is as it was")
    for one, other in pairs(params, asked):
        print(f"\n$ dvc metrics diff {one} {other}", flush=True)
        print(dvc("metrics", "diff", one, other).rstrip() or "no difference", flush=True)
