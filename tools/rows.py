"""Write the rows of a build as one table, for a spreadsheet, a notebook or another project.

    .csv          text cells; what is no text (numbers, lists, objects) is spelled as JSON
    .json .jsonl  the same columns, typed; a list of objects, or one a line

Nothing is cut or cleaned: a source of kind `file` reads each of the three back, and its `examples`
make the same rows of the columns `instruction` and `answer` (and `system`), with the same ids.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.check.meaning import unknown
from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import encode, read_rows, replacing, write_json
from stages.core.params import PATH, read_yaml

DATA = Path("data")
SIDES = ("train", "val", "test")
ENDINGS = (".csv", ".json", ".jsonl")
# What the graph, git and people write; an export that landed there would be built upon, or lost.
KEPT = {"data", "metrics", "models", "stages", "tools", "tests", "bench", ".git", ".dvc", ".cache"}
ROLES = {"system": "system", "user": "instruction", "assistant": "answer"}
FIRST = ("id", "set", "side", "source", "skill", "group", "request", *ROLES.values())
# A spreadsheet runs a cell that begins so as a formula.
# Source: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")
LONGEST = 32_767  # characters of a cell: https://support.microsoft.com/office/1672b34d


def files(asked: str) -> dict[str, Path]:
    """Return the files that hold what is asked for, by the side of the split; "" where none is.

    asked: rows, rejects, the name of a set, or <set>/train, /val, /test
    Raises: ConfigError when there is no such set or side.
    """
    if asked in ("rows", "rejects"):
        return {"": DATA / f"{asked}.jsonl"}
    name, _, side = asked.partition("/")
    sets = read_yaml(PATH)["sets"]
    faults = unknown(f"--of {asked}", name, {"rows", "rejects", *sets}, "set")
    if "/" in asked:
        faults += unknown(f"--of {asked}", side, SIDES, "side of a split")
    if faults:
        raise ConfigError(*faults)
    return {each: DATA / "splits" / name / f"{each}.jsonl" for each in SIDES if side in ("", each)}


def line(row: dict[str, Any], side: str) -> dict[str, Any]:
    """Return the cells of a row: what is one question and its answer stands in columns of its own.

    Other conversations keep their `messages`. The fields of a record are columns, too; one that is
    called as a column is called `record.<field>`.
    """
    cells = {"side": side} if side else {}
    cells |= {key: value for key, value in row.items() if key not in ("messages", "record")}
    if "messages" in row:
        turns = [(each["role"], each["content"]) for each in row["messages"]]
        roles = [role for role, _ in turns]
        if roles in (["user", "assistant"], ["system", "user", "assistant"]):
            cells |= {ROLES[role]: text for role, text in turns}
        else:
            cells["messages"] = row["messages"]
    taken = {*cells, *FIRST, "messages"}
    record = row.get("record", {})
    if not isinstance(record, dict):  # of a schema of lists
        return cells | {"record": record}
    return cells | {f"record.{key}" if key in taken else key: of for key, of in record.items()}


def columns(lines: list[dict[str, Any]]) -> list[str]:
    """Return the columns of all lines: those of FIRST first, then as they come."""
    found = dict.fromkeys(key for cells in lines for key in cells)
    return [key for key in FIRST if key in found] + [key for key in found if key not in FIRST]


def spell(value: Any) -> str:
    """Spell a cell of a CSV file: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else encode(value)


def guarded(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write(path: Path, lines: list[dict[str, Any]], *, spreadsheet: bool) -> None:
    """Write the table by the ending of its name; a CSV has an empty cell where a row has nothing.

    spreadsheet: of a CSV: a byte order mark, by which Excel knows UTF-8, and no formulas
    """
    if path.suffix == ".json":
        write_json(path, lines)
        return
    with replacing(path) as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in lines)
            return
        file.write("\ufeff" if spreadsheet else "")
        # RFC 4180's line ends; with them a lone \r or \n within a cell is quoted, and comes back.
        writer = csv.DictWriter(file, columns(lines), restval="", lineterminator="\r\n")
        writer.writeheader()
        for cells in lines:
            told = {key: spell(value) for key, value in cells.items()}
            writer.writerow({k: guarded(v) for k, v in told.items()} if spreadsheet else told)


def faults_of(path: Path, *, spreadsheet: bool, force: bool) -> Iterator[Fault]:
    """Yield why a table cannot be written there."""
    if path.suffix not in ENDINGS:
        yield Fault(str(path), f"`{path.suffix}` is not the ending of a table", ", ".join(ENDINGS))
    elif spreadsheet and path.suffix != ".csv":
        yield Fault("--spreadsheet", f"{path} is no CSV file", "FILE.csv")
    here, there = Path.cwd().resolve(), path.resolve()
    inside = there.relative_to(here).parts[:1] if there.is_relative_to(here) else ()
    if KEPT & {*inside}:
        then = f"name a file outside {inside[0]}/; --force does not help"
        yield Fault(str(path), "is where the graph keeps its own files", then=then)
    elif path.exists() and not force:
        yield Fault(str(path), "is there already", then="--force to replace it")


def main(path: Path, of: str = "rows", *, spreadsheet: bool = False, force: bool = False) -> None:
    """Write the table of what is asked for.

    Raises: InputError when the file cannot be written to, when nothing is built yet, or when there
        is no row; ConfigError when there is no such set.
    """
    if faults := [*faults_of(path, spreadsheet=spreadsheet, force=force)]:
        raise InputError(*faults)
    lines = [line(row, side) for side, file in files(of).items() for row in read_rows(file)]
    if not lines:
        raise InputError(Fault(f"--of {of}", "holds no row", "something to write"))
    write(path, lines, spreadsheet=spreadsheet)
    message = f"{len(lines):,} of {of} in {path}: {len(columns(lines))} columns"
    if spreadsheet:
        cells = [spell(value) for cells in lines for value in cells.values()]
        if changed := sum(guarded(cell) != cell for cell in cells):
            message += f"; {changed} cells begin with ' now, which would have been formulas"
        if long := sum(len(cell) > LONGEST for cell in cells):
            message += f"; {long} are longer than {LONGEST:,} characters: Excel cuts them"
    entry.say("rows", message)
