"""What became of each kind of rows between two builds, as far as their data can be had."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tools import row_changes
from tools.row_changes import Change, Changes, Files
from tools.snapshot import Datum, Snapshot

SIDES = ("train", "val", "test")


class Both(NamedTuple):
    """The two states, and what was looked for in vain."""

    before: Snapshot
    after: Snapshot
    lacking: list[dict[str, Any]]

    def find(self, path: str) -> tuple[Path | None, Path | None] | None:
        """Return where a file's two states are (None: there was none), or None where one lacks."""
        states = self.before, self.after
        data = [each.datum(path) for each in states]
        found: list[Path | None] = []
        for snapshot, datum in zip(states, data, strict=True):
            # The same content may be there for the other state.
            places = [each.at for each in data if each and datum and each.md5 == datum.md5]
            at = next((place for place in places if place), None)
            if datum and not at:
                self._lack(snapshot, datum)
            found.append(at)
        whole = all((at is None) == (datum is None) for at, datum in zip(found, data, strict=True))
        return (found[0], found[1]) if whole else None

    def files(self, *paths: str) -> tuple[Files, Files] | None:
        """Return the contents of some files, by the names that they have; None where one lacks.

        A file that one state does not have is empty there.
        """
        contents: tuple[Files, Files] = {}, {}
        found = [(path, self.find(path)) for path in paths]
        for path, places in found:
            for at, files in zip(places or (), contents, strict=False):
                if at:
                    place = path.rpartition("/")[2].removesuffix(".jsonl")
                    files[place if len(paths) > 1 else ""] = path, at.read_bytes()
        return None if any(places is None for _, places in found) else contents

    def _lack(self, snapshot: Snapshot, datum: Datum) -> None:
        told = {"revision": snapshot.said, "path": datum.path, "md5": datum.md5}
        told["then"] = bring(snapshot, datum.path)
        if told not in self.lacking:
            self.lacking.append(told)

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders of data/ below a path, those of now first."""
        names: list[str] = []
        for snapshot in (self.after, self.before):
            for each in snapshot.data.values():
                if each.path.startswith(path + "/"):
                    names.append(each.path.removeprefix(path + "/").partition("/")[0])
                elif each.path == path:  # a folder whose list of files is nowhere
                    self._lack(snapshot, each)
        return list(dict.fromkeys(names))


def bring(snapshot: Snapshot, path: str) -> str:
    """Return the command that brings a file of a revision from the remote."""
    if snapshot.commit is None:
        return f"dvc pull {path}"
    if snapshot.experiment:
        return f"dvc exp pull <git remote> {snapshot.revision}"
    return f"dvc fetch --all-commits {path}"


def rows(both: Both) -> dict[str, Changes]:
    """Return what became of requests, rows, rejects, each set and each mix, of those to be had."""
    found: dict[str, Changes] = {}
    names: dict[str, str] = {}
    if files := both.files("data/requests.jsonl"):
        found["requests"] = row_changes.requests(*files)
        names = row_changes.renamed(found["requests"])
    if files := both.files("data/rows.jsonl"):
        found["rows"] = row_changes.rows(*files, names)
    if files := both.files("data/rejects.jsonl"):
        found["rejects"] = row_changes.rejects(*files, names)
    for name in both.folders("data/splits"):
        if files := both.files(*(f"data/splits/{name}/{side}.jsonl" for side in SIDES)):
            found[f"set {name}"] = row_changes.rows(*files, names)
    for name in both.folders("data/mix"):
        if files := both.files(*(f"data/mix/{name}/{side}.jsonl" for side in SIDES[:2])):
            found[f"mix {name}"] = row_changes.rows(*files, names)
    return found


def reasons(both: Both, found: dict[str, Changes]) -> dict[str, Any]:
    """Return the rejects by reason, and what crossed between rows and rejects.

    Returns: reasons: reason -> before, after; to_rejects, to_rows: how many, by reason
    """
    if "rejects" not in found:
        return {}
    files = both.files("data/rejects.jsonl")
    counts = [
        Counter(line.value["reason"] for path, text in each.values()
                for line in row_changes.read(path, filter(None, text.split(b"\n")), ""))
        for each in files or ({}, {})
    ]  # fmt: skip
    told: dict[str, Any] = {
        "reasons": {
            reason: {"before": counts[0][reason], "after": counts[1][reason]}
            for reason in sorted(counts[0] | counts[1])
        }
    }
    if "rows" in found:
        names = row_changes.renamed(found["requests"]) if "requests" in found else {}
        gone, come = found["rows"].removed, found["rows"].added
        lost = {names.get(line.value.get("request"), line.value.get("request")) for line in gone}
        won = {line.value.get("request") for line in come}
        rejects = found["rejects"]
        told["to_rejects"] = Counter(
            each.value["reason"] for each in rejects.added if each.value["request"] in lost
        )
        told["to_rows"] = Counter(
            each.value["reason"]
            for each in rejects.removed
            if names.get(each.value["request"], each.value["request"]) in won
        )
    return told


def as_json(changes: Changes) -> dict[str, Any]:
    """Return the counts by place, and the ids of what was added, removed, moved, changed."""

    def pair(change: Change) -> dict[str, Any]:
        one, other = row_changes.name(change.before), row_changes.name(change.after)
        return {"before": one, "after": other, "place": change.after.place,
                "fields": change.fields}  # fmt: skip

    return {
        "before": dict(changes.before),
        "after": dict(changes.after),
        "added": [[line.place, row_changes.name(line)] for line in changes.added],
        "removed": [[line.place, row_changes.name(line)] for line in changes.removed],
        "changed": [pair(each) for each in changes.changed],
        "moved": [pair(each) | {"from": each.before.place} for each in changes.moved],
    }
