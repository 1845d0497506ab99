"""Which commit a name means: a commit, branch or tag of git's, or an experiment of DVC's."""

import subprocess
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from stages.core.errors import ConfigError, Fault

LOCK = Path("dvc.lock")
# Experiments live at refs/exps/<2 hex digits>/<38>/<name>, by the commit that they stand on.
EXPERIMENTS = "refs/exps/??/*"


def git(*words: str, given: str | None = None, at: Path | None = None) -> str:
    """Run git and return what it prints.

    Raises: ConfigError with git's own message when it fails.
    """
    return git_bytes(*words, given=(given or "").encode(), at=at).decode("utf-8", "replace")


def git_bytes(*words: str, given: bytes = b"", at: Path | None = None) -> bytes:
    """Run git and return what it prints, as it is.

    Raises: ConfigError with git's own message when it fails.
    """
    done = subprocess.run(["git", *words], input=given, cwd=at, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ConfigError(Fault(f"git {words[0]}", said or "failed"))
    return done.stdout


def knows(revision: str) -> bool:
    """Tell whether git itself takes a name for a revision."""
    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def unknown(where: str, kind: str, name: str, known: Iterable[str], then: str = "") -> ConfigError:
    """Return the fault of a name that there is not, with the nearest one that there is."""
    names = sorted(known)
    near = get_close_matches(name, names, 1, cutoff=0.5)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    what = f"there is no {kind} {name!r}{meant}"
    return ConfigError(Fault(where, what, f"one of: {', '.join(names)}" if names else "", then))


class Experiment(NamedTuple):
    """One experiment of DVC: its commit, and the commit that it stands on."""

    name: str
    ref: str
    commit: str
    baseline: str


def experiments() -> list[Experiment]:
    """Return all finished experiments of this clone, by name."""
    form = "--format=%(objectname) %(refname)"
    found = []
    for line in git("for-each-ref", form, f"{EXPERIMENTS}/*").splitlines():
        commit, ref = line.split(" ", 1)
        _, _, head, tail, name = ref.split("/", 4)
        found.append(Experiment(name, ref, commit, head + tail))
    return sorted(found, key=lambda each: (each.name, each.commit))


def hold_repository() -> None:
    """Hold that there is a repository of git with a commit.

    Raises: ConfigError.
    """
    words = ["git", "rev-parse", "--git-dir"]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        what, then = "this folder is in no repository of git", "git init; git add -A; git commit"
        raise ConfigError(Fault("git", what, "revisions are commits and experiments", then))
    if not knows("HEAD"):
        raise ConfigError(Fault("git", "there is no commit yet", then="git add -A; git commit"))


def resolve(revision: str, where: str = "--rev") -> str:
    """Return the commit that a commit, branch, tag or experiment's name means.

    Of several experiments of one name the one that stands on HEAD is meant, as for DVC.
    Raises: ConfigError when there is none, or several.
    """
    hold_repository()
    if knows(revision):
        named = revision + "^{commit}"
        return git("rev-parse", "--verify", "--end-of-options", named).strip()
    every = experiments()
    same = [each for each in every if each.name == revision]
    if len(same) > 1:
        head = git("rev-parse", "HEAD").strip()
        if len(here := [each for each in same if each.baseline == head]) == 1:
            return here[0].commit
        what = "several experiments have this name, under different commits"
        refs = ", ".join(each.ref for each in same)
        raise ConfigError(Fault(f"{where} {revision}", what, f"one of: {refs}"))
    if same:
        return same[0].commit
    refs = git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags").split()
    then = "`dvc exp list` and `git log` tell; `dvc exp pull` brings an experiment of others"
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        then = "this clone is shallow, it lacks older commits: git fetch --unshallow; or " + then
    known = {each.name for each in every} | set(refs)
    raise unknown(where, "experiment, commit, branch or tag", revision, known, then)
