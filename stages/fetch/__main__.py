"""Fetch every source of the recipe.

Reads:   the recipe's sources/ (--files), params.yaml; the marker of `check` (--checked)
Writes:  <sources>/<name>.jsonl, seeds or examples; an empty file for a source that is switched off;
         metrics/sources.json (--metrics): rows of each, and what became of cells that say nothing
Network: the hub, for sources of kind hub
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.core import entry, nulls
from stages.core.errors import ConfigError, Fault, UserError
from stages.core.holdout import side
from stages.core.jsonl import write_json, write_rows
from stages.core.params import load, read_yaml
from stages.core.spelling import spelled
from stages.core.tables import Table
from stages.fetch import bank, shapes, skills, tables
from stages.fetch.conversations import as_conversations

PARAMS = ("sources", "sets", "seed.data")


def held_out_by(
    sets: dict[str, Any], name: str | None, seed: int, where: str
) -> Callable[[str], bool]:
    """Return whether a set holds a group out of training; nothing is, without a set.

    Raises: ConfigError when there is no such set, or its sides do not follow from hashes alone.
    """
    if name is None:
        return lambda group: False
    if (spec := sets.get(name)) is None:
        raise ConfigError(Fault(where, f"no set `{name}`", f"a set: {', '.join(sets)}, or null"))
    if spec.get("ids") or spec.get("stratify"):
        what = f"set `{name}` is not split by hash alone"
        raise ConfigError(Fault(where, what, "a set without ids and stratify"))
    return lambda group: side(group, seed, spec["val"], spec["test"]) != "train"


def table_of(source: dict[str, Any], where: str, files: Path, seed: int) -> Table:
    """Return the table that a source's rows are made from."""
    if source["kind"] != "bank":
        return tables.read(source, where, files, seed)
    try:
        return bank.table(read_yaml(files / source["file"]), source["rows"], seed)
    except ValueError as error:
        raise ConfigError(Fault(where, str(error), then="ask for fewer, or write more")) from None


def composed(
    source: dict[str, Any], sets: dict[str, Any], where: str, files: Path, seed: int
) -> list[dict[str, Any]]:
    """Return the rows of a source of kind bank or skills.

    Raises: ConfigError when the bank's file cannot be read, or bank or skill hold too few texts.
    """
    file = source["file"] if source["kind"] == "bank" else source.get("bank")
    words = read_yaml(files / file) if file else None
    try:
        if source["kind"] == "bank":
            return list(bank.seeds(words, source["rows"], seed))
        held_out = held_out_by(sets, source.get("apart_from"), seed, f"{where}.apart_from")
        return list(skills.examples(source["rows"], seed, words, held_out))
    except ValueError as error:
        raise ConfigError(Fault(where, str(error), then="ask for fewer, or write more")) from None


def rows_of(
    name: str, source: dict[str, Any], sets: dict[str, Any], files: Path, seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the seeds or examples of one source, each once, and what became of its table.

    Raises: ConfigError or InputError; the readers say which.
    """
    where, told = f"params.yaml: sources.{name}", {}
    if source["kind"] in ("file", "hub", "emoji") or "examples" in source:
        table = table_of(source, where, files, seed)
        if "normalise" in source:
            table, told["normalised"] = spelled(table, source["normalise"])
        if "nulls" in source:
            table, told["nulls"] = nulls.settled(table, source["nulls"], where)
        if chat := source.get("conversations"):
            made = as_conversations(table, chat, source.get("group"), where)
            rows, told["conversations"] = made
        else:
            # A bank says itself what belongs together.
            group = {"group": "group"} if source["kind"] == "bank" else {}
            rows = shapes.shaped(table, source | group, where, seed)
    else:
        rows = composed(source, sets, where, files, seed)
    if not rows:
        raise ConfigError(Fault(where, "makes no rows", "one at least, or null to switch it off"))
    # Data sets of the hub repeat themselves (one holds each row twice); the first one stays.
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["id"], row)
    for row in first.values():
        if "messages" in row:
            row["source"] = name
    return list(first.values()), {"rows": len(first), **told}


def main() -> None:
    """Fetch all sources, then write them: a fault leaves what was there before."""
    paths = entry.flags(__doc__, "--checked", "--files", "--sources", "--metrics")
    params = load(PARAMS)
    fetched: dict[str, list[dict[str, Any]]] = {}
    told: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    for name, source in params["sources"].items():
        try:
            fetched[name], told[name] = (
                rows_of(name, source, params["sets"], paths.files, params["seed"]["data"])
                if source
                else ([], {"rows": 0})
            )
        except UserError as error:
            faults.extend(error.faults)
    if faults:
        raise UserError(*faults)
    for name, rows in fetched.items():
        write_rows(paths.sources / f"{name}.jsonl", rows)
    write_json(paths.metrics, told)
    for file in paths.sources.glob("*.jsonl"):
        if file.stem not in fetched:
            file.unlink()
    counts = (
        f"{name} {len(rows)}" if rows else f"{name} switched off" for name, rows in fetched.items()
    )
    entry.say("fetch", ", ".join(counts))


if __name__ == "__main__":
    entry.run(main)
