"""Tell what changed between two revisions: parameters, code, rows, and how far each figure moved.

    tunegraph changed HEAD~1            from there to the workspace
    tunegraph changed main wider        from a branch to an experiment
    tunegraph changed v1 --md           as Markdown, for a pull request

Figures and parameters are in git, rows in DVC's cache: what the cache lacks is named with the
command that brings it, and the rest is told.
"""

import json
from collections.abc import Iterator
from typing import Any

from stages.core import entry
from stages.core.pairing import read_scores
from tools import changed_page, lock, pages
from tools.data_changes import Both, as_json, reasons, rows
from tools.metric_moves import beside_seeds, figures, flat, moves, surely
from tools.revisions import git
from tools.row_changes import Changes
from tools.snapshot import Snapshot

ABSENT = object()


def parameters(before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    """Return the parameters that differ, by dotted path."""
    old, new = dict(flat(before.params)), dict(flat(after.params))
    told = []
    for key in dict.fromkeys([*new, *old]):
        one, other = old.get(key, ABSENT), new.get(key, ABSENT)
        # As for DVC 1 is 1.0; but not true.
        if one == other and isinstance(one, bool) == isinstance(other, bool):
            continue
        states = (("before", one), ("after", other))
        told.append({"key": key} | {side: value for side, value in states if value is not ABSENT})
    return told


def differing(before: Snapshot, after: Snapshot, *under: str) -> list[str]:
    """Return the files that git has another content of, or that only one of the two has."""
    commits = [each.commit for each in (before, after) if each.commit]
    words = ["diff", "--name-only", "--relative", "-z", *commits, "--", *under]
    return sorted(filter(None, git(*words).split("\0")))


def code(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """Return which code the two builds were made with: deps below stages/, as dvc.lock has them.

    Returns: changed: path, what, files (of a folder, where git knows); unbuilt: files that differ
    although no stage was built with another content of theirs
    """
    old, new = (lock.deps(each.stages, "stages/") for each in (before, after))
    files = differing(before, after, "stages")
    told = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            what = (
                "changed" if path in old and path in new else "added" if path in new else "removed"
            )
            inside = [
                name.removeprefix(path + "/") for name in files if name.startswith(path + "/")
            ]
            told.append({"path": path, "what": what, "files": inside})
    covered = [each["path"] for each in told]
    unbuilt = [
        name
        for name in files
        if any(name == path or name.startswith(path + "/") for path in new)
        and not any(name == path or name.startswith(path + "/") for path in covered)
    ]
    return {"changed": told, "unbuilt": unbuilt}


def graph(before: Snapshot, after: Snapshot) -> dict[str, list[str]]:
    """Return the stages that came, went, or have another command; and recipe files that differ."""
    old, new = before.stages, after.stages
    both = [name for name in new if name in old]
    recipes = {f"recipes/{each.params.get('recipe')}" for each in (before, after)}
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "commands": [name for name in both if old[name].get("cmd") != new[name].get("cmd")],
        "recipe": differing(before, after, *sorted(recipes)),
    }


def metrics(both: Both) -> dict[str, Any]:
    """Return the figures that moved, and how many did not.

    Returns: moves (see metric_moves.moves, .surely), unchanged, figures (see metric_moves.figures)
    """
    ones, others = (each.folder("metrics/models") for each in (both.before, both.after))
    told = list(moves(ones, others))
    moved = [move for move in told if move.get("before") != move.get("after")]
    sections = both.after.params.get("evaluate", {}).get("sections", {})
    compare = both.after.params.get("compare", {})
    if {"confidence", "resamples"} <= compare.keys():
        for model in dict.fromkeys(move["model"] for move in moved):
            of_model = [move for move in moved if move["model"] == model]
            path = f"data/scores/{model}.jsonl"
            if path not in both.before.data or path not in both.after.data:
                continue
            found = both.find(path)
            if found and found[0] and found[1]:
                surely(of_model, read_scores(found[0]), read_scores(found[1]), sections, compare)
    beside_seeds(moved, both.before, both.after)
    return {
        "moves": moved,
        "unchanged": len(told) - len(moved),
        "figures": figures(both.before, both.after),
    }


def notes(both: Both) -> Iterator[str]:
    """Yield what has to be known before the rest is read."""
    before, after = both.before, both.after
    recipes = [each.params.get("recipe") for each in (before, after)]
    if recipes[0] != recipes[1]:
        yield (
            f"another recipe: {recipes[0]} at {before.said}, {recipes[1]} at {after.said}; rows "
            "and figures are of other data, and set side by side where they have the same name"
        )
    for each in (before, after):
        if stale := lock.stale(each.stages, each.params):
            many = ", ".join(stale[:6]) + (f" and {len(stale) - 6} more" if len(stale) > 6 else "")
            yield f"{each.said}: built with other parameters than its params.yaml has: {many}"


def compare(before: Snapshot, after: Snapshot) -> tuple[dict[str, Any], dict[str, Changes]]:
    """Return all that changed, and the rows' part of it in full."""
    both = Both(before, after, [])
    found = rows(both)
    told: dict[str, Any] = {
        "before": before.about(),
        "after": after.about(),
        "notes": list(notes(both)),
        "params": parameters(before, after),
        "code": code(before, after),
        "graph": graph(before, after),
        "rows": {kind: as_json(changes) for kind, changes in found.items()},
        "rejects": reasons(both, found),
        "metrics": metrics(both),
    }
    told["lacking"] = both.lacking
    return told, found


def main(one: str, other: str | None = None, form: str = "text") -> None:
    """Print what changed from a revision to another one, or to the workspace.

    form: text, json, md
    """
    told, found = compare(Snapshot(one, "changed"), Snapshot(other, "changed"))
    if form == "json":
        print(json.dumps(told, ensure_ascii=True, indent=2))
    else:
        parts = list(changed_page.parts(told, found))
        print(pages.markdown(parts) if form == "md" else pages.text(parts))
    if told["lacking"] and form != "json":
        files = len(told["lacking"])
        entry.say("changed", f"{files} files are not in the cache; what is told here lacks them")
