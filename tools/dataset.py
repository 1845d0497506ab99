"""Write a set as a data set of the hub: a file a split, and the card that names and loads them.

    tunegraph export own --format dataset                     exports/own-dataset
    tunegraph export own --format dataset --push user/name    the same, then pushed, private

What is written loads with `datasets.load_dataset(FOLDER)`, offline, as from the hub.
Source: https://huggingface.co/docs/hub/datasets-manual-configuration
"""

import hashlib
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.folders import put
from stages.core.jsonl import encode, stream_rows, write_json, write_rows
from stages.core.params import PATH
from tools import dataset_card, hub, licences
from tools.export import ABOUT, Asked, hold_place
from tools.facts import Built, gather
from tools.origin import Origin, data_changes
from tools.revisions import unknown

# side of data/splits -> what the hub calls it
SPLITS = {"train": "train", "val": "validation", "test": "test"}
COLUMNS = ("id", "skill", "group", "source", "messages")
# What some rows alone have, in shapes of their own: as JSON, for a table has one type a column.
JSON = ("record", "keywords", "cases")


class Written(NamedTuple):
    """What was written of one split."""

    split: str
    file: str
    rows: int
    sha256: str
    columns: list[str]


def tabled(rows: list[dict[str, Any]], extra: list[str]) -> list[dict[str, Any]]:
    """Return rows as lines of a table: the same columns, of the same types, in each.

    extra: of JSON, those that a row of the set has; `null` where this one has not
    """
    return [
        {key: row[key] for key in COLUMNS} | {key: encode(row.get(key)) for key in extra}
        for row in ({"source": ""} | row for row in rows)  # an older commit's rows name none
    ]


def read_sides(name: str, origin: Origin, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a set by side, without sides that have none.

    Raises: InputError when they are not built, or cannot be had.
    """
    sides = {}
    for side in SPLITS:
        path = f"data/splits/{name}/{side}.jsonl"
        if (content := origin.read(path)) is None:
            then = "dvc repro split, or `dvc pull` where somebody else built it"
            raise InputError(Fault(f"{origin.said}: {path}", "it is not there", then=then))
        copy = scratch / f"{side}.jsonl"
        copy.write_bytes(content)
        if rows := list(stream_rows(copy)):
            sides[side] = rows
    if not sides:
        where = f"{origin.said}: data/splits/{name}"
        raise InputError(Fault(where, "the set is empty: its source is switched off"))
    return sides


def write(sides: dict[str, list[dict[str, Any]]], folder: Path) -> list[Written]:
    """Write a file a split, in the hub's words for the sides."""
    extra = [key for key in JSON if any(key in row for rows in sides.values() for row in rows)]
    told = []
    for side, rows in sides.items():
        file = folder / "data" / f"{SPLITS[side]}.jsonl"
        write_rows(file, tabled(rows, extra))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        name = file.relative_to(folder).as_posix()
        told.append(Written(SPLITS[side], name, len(rows), digest, [*COLUMNS, *extra]))
    return told


def foreseen(name: str, origin: Origin, built: Built, scratch: Path) -> list[Written]:
    """Return what an export would write of each split, without keeping it.

    Where the rows are not here, metrics/splits.json tells how many there are: no columns, no hash.
    Raises: InputError when neither is here.
    """
    try:
        return write(read_sides(name, origin, scratch), scratch / "written")
    except InputError:
        sides = built.splits.get(name, {})
        told = [
            Written(split, f"data/{split}.jsonl", sides[side], "", [])
            for side, split in SPLITS.items()
            if sides.get(side)
        ]
        if not told:
            raise
        return told


def hold_push(asked: Asked, changed: list[str]) -> None:
    """Hold that what is pushed is what the commit on its card builds.

    Raises: ConfigError.
    """
    if changed and not asked.dirty:
        what = f"the card would name a commit that these rows are not of: {'; '.join(changed)}"
        then = "dvc repro; git commit; or --allow-dirty, and the card says so"
        raise ConfigError(Fault(f"--push {asked.repository}", what, then=then))
    hub.hold(str(asked.repository))


def export(asked: Asked, scratch: Path) -> None:
    """Write a set, and push it where that is asked for."""
    origin = Origin(asked.revision)
    params = origin.params(scratch)
    if asked.name not in params["sets"]:
        raise unknown(f"{origin.said}: {PATH}", "set", asked.name, list(params["sets"]))
    if asked.dtype or asked.device:
        what = "a data set has no weights: --dtype and --device say nothing of it"
        raise ConfigError(Fault("--format dataset", what, then="leave them out"))
    hold_place(asked)
    sides = read_sides(asked.name, origin, scratch)
    changed = [] if asked.revision else data_changes()
    if asked.repository:
        hold_push(asked, changed)
    built = gather(origin, params, changed, scratch)
    facts = dataset_card.Facts(**vars(built), name=asked.name)
    partial = asked.place.with_name(f".{asked.place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        written = write(sides, partial)
        about = {
            "format": asked.form,
            "set": asked.name,
            "commit": facts.commit,
            "revision": facts.revision,
            "changed": changed,
            "files": {each.file: {"rows": each.rows, "sha256": each.sha256} for each in written},
        }
        write_json(partial / ABOUT, about)
        licence = asked.license or licences.said(params, "data")
        text = dataset_card.card(facts, written, asked.repository or ".", licence)
        (partial / "README.md").write_text(text, encoding="utf-8", newline="\n")
    except BaseException:
        shutil.rmtree(partial)
        raise
    put(partial, asked.place)
    rows = ", ".join(f"{each.split} {each.rows}" for each in written)
    state = f"; {'; '.join(changed)}" if changed else ""
    entry.say("export", f"{asked.place}: {asked.name} of {origin.said}: {rows} rows{state}")
    if asked.repository:
        message = f"{asked.name}, {rows} rows, of commit {facts.commit or '(none)'}"
        done = hub.push(asked.place, asked.repository, asked.public, message, kind="dataset")
        entry.say("export", done)
