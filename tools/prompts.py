"""Print the prompts to paste into a chat window, or a table of them to fill in.

The table is read back by `transcript` as it is, once `text` and `model` (and `date`) are filled in.
"""

import csv
from pathlib import Path
from typing import Any

from stages.core.errors import ConfigError, Fault, InputError, visible
from stages.core.jsonl import read_rows, replacing, write_json
from stages.core.params import load
from stages.core.pasted import prompt_of
from stages.core.records import Row

COLUMNS = ("row", "prompt", "sample", "text", "model", "date")


def rows_of(rows: list[Row], name: str | None, shown: str | None) -> list[Row]:
    """Return the test rows of a set.

    name:  as asked for, or None
    shown: `evaluate.probes`, which is taken then
    Raises: ConfigError when there is no such set, or none to take.
    """
    sets = ", ".join(sorted({row["set"] for row in rows}))
    if name is None and shown is None:
        where = "params.yaml: evaluate.probes"
        raise ConfigError(Fault(where, "names no set", then=f"--set one of {sets}"))
    found = [row for row in rows if row["set"] == (name or shown)]
    if not found:
        raise ConfigError(Fault(f"--set {name or shown}", "no test row is of that set", sets))
    return found


def table_of(rows: list[Row], samples: int) -> list[dict[str, Any]]:
    """Return a line for each answer that is wanted, with empty cells for what comes back."""
    empty = {"text": "", "model": "", "date": ""}
    return [
        {"row": row["id"], "prompt": prompt_of(row["messages"]), "sample": sample, **empty}
        for row in rows
        for sample in range(samples)
    ]


def hold(tables: dict[str, Path]) -> None:
    """Hold that the tables can be written: their names are read back, and nothing is there yet.

    tables: by the ending that each is to have
    Raises: InputError naming each that cannot.
    """
    faults = []
    for suffix, path in tables.items():
        if path.suffix != suffix:
            faults.append(Fault(str(path), f"`{path.suffix}` is not the ending", suffix))
        elif path.exists():
            then = "name another file; or remove this one, if nobody has filled it in"
            faults.append(Fault(str(path), "is there already", then=then))
    if faults:
        raise InputError(*faults)


def write(path: Path, table: list[dict[str, Any]]) -> None:
    """Write a table to fill in."""
    if path.suffix == ".json":
        write_json(path, table)
        return
    with replacing(path) as file:
        file.write("\ufeff")  # by which a spreadsheet knows UTF-8, and writes it again
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def main(
    name: str | None, samples: int = 1, table: Path | None = None, objects: Path | None = None
) -> None:
    """Print the prompts of a set with their ids, or write them as CSV or as JSON."""
    shown = load(("evaluate.probes",))["evaluate"]["probes"]
    if samples < 1:
        raise ConfigError(Fault("--samples", f"{samples}", "1 or more"))
    rows = rows_of(read_rows(Path("data/test.jsonl")), name, shown)
    wanted = {".csv": table, ".json": objects}
    tables = {suffix: path for suffix, path in wanted.items() if path is not None}
    hold(tables)
    for path in tables.values():
        write(path, made := table_of(rows, samples))
        print(f"{path}: {len(made)} prompts; fill in `text`, `model` and `date` (2026-01-31)")
    if not tables:
        for row in rows:
            # A data set's words go to a terminal here; a table has them as they are.
            print(visible(f"== {row['id']} ({row['skill']})\n{prompt_of(row['messages'])}\n"))
