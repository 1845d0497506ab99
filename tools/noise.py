"""Gather experiments over training seeds, and set each difference beside their spread.

    dvc exp run --queue -S seed.train=1,2,3     the data stay, no teacher is asked
    dvc queue start
    tunegraph noise                             the primary figures; --all: every one
    tunegraph noise --write                     keep them in recipes/<recipe>/noise.json

What counts is the workspace, HEAD, every experiment and the commits that are named, where all that
decides a figure is as in the workspace: parameters, code, data; all but `seed.train`, and
`seed.base` where the base is to vary, too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stages.core import entry
from stages.core.errors import Fault, InputError, UserError
from stages.core.jsonl import write_json
from stages.core.scores import KEYS
from stages.report import noise as kept
from tools import lock
from tools.metric_moves import flat
from tools.pages import aligned, shown
from tools.revisions import experiments, knows
from tools.snapshot import Snapshot

SEED = "seed.train"
FREE = {SEED, "seed.base"}
# Parameters that decide no figure of metrics/models: they choose, read or set side by side.
READING = (
    *("select", "compare", "diversity", "ablation", "profile", "layers", "judge", "price"),
    *("evaluate.headline", "evaluate.probes"),
)
# Whose code decides the figures, once the data are the same.
DECIDING = ("base", "train", "transcript", "answer", "evaluate")
DATA = ("data/test.jsonl", "data/splits", "data/mix/")
DIGITS = 6


class Run(NamedTuple):
    """One build that counts."""

    name: str
    seed: str
    snapshot: Snapshot


def deciding(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that decide a figure, by dotted path, without the training seeds."""
    return {
        key: value
        for key, value in flat(params)
        if key not in FREE
        and not any(key == name or key.startswith(name + ".") for name in READING)
    }


def code(snapshot: Snapshot) -> dict[str, str]:
    """Return the code and the recipe's files of the deciding stages, as they ran: path -> MD5."""
    return {
        f"{name}: {dep['path']}": dep.get("md5", "")
        for name, stage in snapshot.stages.items()
        if name.partition("@")[0] in DECIDING
        for dep in stage.get("deps", ())
        if dep["path"].startswith(("stages/", "recipes/"))
    }


def named(differing: Sequence[str]) -> str:
    """Name a few of many."""
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"{', '.join(differing[:3])}{more}"


def unlike(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys under which two mappings differ."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def left_out(snapshot: Snapshot, present: Snapshot) -> str | None:
    """Say why a build does not count, or None where it does."""
    if keys := unlike(deciding(snapshot.params), deciding(present.params)):
        return f"other parameters: {named(keys)}"
    if stages := lock.stale(snapshot.stages, snapshot.params):
        return f"not built with its own parameters: {named(stages)}"
    if files := lock.altered(snapshot.stages, snapshot.files):
        return f"figures that dvc.lock does not know: {named(files)}"
    if paths := unlike(code(snapshot), code(present)):
        return f"other code: {named(list(dict.fromkeys(p.partition(': ')[2] for p in paths)))}"
    if paths := unlike(
        dict(lock.outputs(snapshot.stages, *DATA)), dict(lock.outputs(present.stages, *DATA))
    ):
        return f"other data: {named(paths)}"
    return None


def candidates(names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield what may count: how it is called, and the revision (None: the workspace)."""
    yield "the workspace", None
    if knows("HEAD"):
        yield "HEAD", "HEAD"
    for name in names:
        yield name, name
    for experiment in experiments():
        yield f"experiment {experiment.name}", experiment.ref


def gather(names: Sequence[str]) -> tuple[list[Run], list[tuple[str, str]], Snapshot]:
    """Return the builds that count, by seed; those that do not, and why; and the workspace.

    Raises: ConfigError for a name that means no commit, or where nothing is built.
    """
    present = Snapshot(None)
    runs: dict[str, Run] = {}
    out: list[tuple[str, str]] = []
    for name, revision in candidates(names):
        try:
            snapshot = present if revision is None else Snapshot(revision, "noise")
            why = left_out(snapshot, present)
        except UserError as error:
            if revision in names:
                raise
            why = "; ".join(f"{fault.where}: {fault.what}" for fault in error.faults)
        if why:
            out.append((name, why))
            continue
        seed = str(kept.pick(snapshot.params, SEED))
        same = runs.get(seed)
        if same is None:
            runs[seed] = Run(name, seed, snapshot)
        elif same.snapshot.folder("metrics/models") != snapshot.folder("metrics/models"):
            out.append((name, f"seed {seed} as {same.name}, but other figures: another machine?"))
        elif revision not in (None, "HEAD"):
            out.append((name, f"seed {seed} again, the figures of {same.name}"))
    ordered = sorted(runs.values(), key=lambda run: (len(run.seed), run.seed))
    return ordered, out, present


def collected(runs: list[Run], present: Snapshot) -> dict[str, Any]:
    """Return what recipes/<recipe>/noise.json holds (stages/report/noise.py)."""
    params = present.params
    names = ["base", *(adapter["name"] for adapter in params["adapters"].values())]
    models: dict[str, Any] = {}
    for run in runs:
        told = run.snapshot.folder("metrics/models")
        for name in names:
            for section, keys in told.get(name, {}).items():
                for key, value in keys.items():
                    if key in KEYS and KEYS[key].higher_is_better is not None:
                        of_key = models.setdefault(name, {}).setdefault(section, {})
                        of_key.setdefault(key, {})[run.seed] = round(value, DIGITS) + 0.0
    bases = {
        dict(lock.outputs(run.snapshot.stages, "models/base")).get("models/base") for run in runs
    }
    return {
        "digest": kept.decided_by(params),
        "confidence": params["compare"]["confidence"],
        "seeds": [int(run.seed) for run in runs],
        "base_varies": len(bases) > 1,
        "models": models,
    }


def table(found: dict[str, Any], present: Snapshot, everything: bool) -> list[str]:
    """Return the differences beside their spread, as plain text."""
    told = kept.differences(found, present.folder("metrics/comparison"), present.params, everything)
    rows = [list(kept.HEAD)]
    rows += [[name, other, f"{part}.{key}", *cells] for name, other, part, key, *cells in told]
    return aligned([[shown(cell) for cell in row] for row in rows], 3)


def main(names: Sequence[str], everything: bool = False, write: bool = False) -> None:
    """Print what the seeds say; keep it where that is asked for."""
    runs, out, present = gather(names)
    for run in runs:
        print(f"seed {run.seed}: {shown(run.name)}")
    for name, why in out:
        print(f"left out: {shown(name)}: {shown(why)}")
    if not runs:
        what = "no build counts, the workspace neither"
        raise InputError(Fault("noise", what, "a build of the present parameters", "dvc repro"))
    found = collected(runs, present)
    print()
    print("\n".join(table(found, present, everything)))
    print()
    print(kept.HOW_TO_READ.format(confidence=found["confidence"]), end="")
    if found["base_varies"]:
        print("The base was trained with several seeds, too: its noise is in the spread.")
    if len(runs) < kept.FEWEST:
        seeds = "dvc exp run --queue -S seed.train=1,2,3; dvc queue start"
        entry.say("noise", f"seeds: {len(runs)}, fewer than {kept.FEWEST}: {seeds}")
    if write:
        path = Path("recipes", present.params["recipe"], "noise.json")
        write_json(path, found)
        entry.say("noise", f"{path}: {len(runs)} seeds; `dvc repro report` shows them")
