"""Read a table that a person wrote: CSV with a header, a JSON list, or JSON Lines."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.jsonl import numbered_rows

Table = list[tuple[str, dict[str, Any]]]
MOST_TOLD = 10
MARKS = {  # how a text of another encoding begins; the longest first
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
SAVE = "save it as UTF-8 (a spreadsheet calls that CSV UTF-8)"


def read_table(path: Path) -> Table:
    """Read a table by the ending of its name: .csv, .json or .jsonl.

    Returns: pairs of a place for messages (`file:line`; in a JSON list `file: entry n`) and a row
    Raises: InputError, file and line named: a missing, empty or broken file, another encoding than
        UTF-8, a row that is no object, a CSV line with more or fewer cells than the header.
    """
    if not path.is_file():
        raise InputError(Fault(str(path), "there is no such file", "a .csv, .json or .jsonl file"))
    readers = {".csv": _csv, ".json": _json, ".jsonl": _json_lines}
    if path.suffix.lower() not in readers:
        raise InputError(Fault(str(path), f"cannot read `{path.suffix}`", ".csv, .json or .jsonl"))
    table = readers[path.suffix.lower()](path)
    if not table:
        raise InputError(Fault(str(path), "holds no rows", "one row at least"))
    faults = [
        Fault(where, f"holds {row!r:.60}", "an object: {key: value, ...}")
        for where, row in table
        if not isinstance(row, dict)
    ]
    if faults:
        raise InputError(*faults[:MOST_TOLD])
    return table


def read_text(path: Path) -> str:
    """Read a text in UTF-8, with or without a byte order mark; its line ends stay.

    Raises: InputError with file, line and byte of what is in another encoding, which is never
        guessed: a text of two encodings would be misread without a word.
    """
    raw = path.read_bytes()
    for mark, name in MARKS.items():
        if raw.startswith(mark):
            what = f"it is {name}: it begins with the bytes {mark.hex(' ')}"
            raise InputError(Fault(str(path), what, "UTF-8", SAVE))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(*_faults(path, raw)) from None
    if "\x00" in text:
        line, byte = _place(raw, raw.index(b"\x00"))
        what = f"byte {byte} of the line is zero, as in UTF-16"
        raise InputError(Fault(f"{path}:{line}", what, "UTF-8", SAVE))
    return text


def _faults(path: Path, raw: bytes) -> list[Fault]:
    """Name every line that is not UTF-8, and whether others, beyond ASCII, are."""
    faults, also = [], 0
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            also += not line.decode("utf-8-sig" if number == 1 else "utf-8").isascii()
        except UnicodeDecodeError as error:
            what = f"not UTF-8 at byte {error.start + 1} of the line: 0x{line[error.start]:02x}"
            what += ", as in Windows-1252 or Latin-1"
            faults.append(Fault(f"{path}:{number}", what, "UTF-8", SAVE))
    if also:
        what = f"it mixes encodings: {len(faults)} lines are not UTF-8, {also} others are"
        then = "save each part as UTF-8 before joining them"
        faults.insert(0, Fault(str(path), what, "UTF-8 throughout", then))
    return faults[:MOST_TOLD]


def _place(raw: bytes, at: int) -> tuple[int, int]:
    """Return the number of a byte's line, and its own in it, both from 1."""
    return raw.count(b"\n", 0, at) + 1, at - raw.rfind(b"\n", 0, at)


def _once(where: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what makes an object of its pairs, and refuses one that names a key twice."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = ", ".join(sorted(key for key, n in counts.items() if n > 1))
            raise InputError(Fault(where, f"keys named twice: {twice}"))
        return found

    return made


def _json(path: Path) -> Table:
    text = read_text(path)

    def refuse(constant: str) -> float:
        raise InputError(Fault(str(path), f"{constant} is no JSON number", "a string or a number"))

    try:
        rows = json.loads(text, object_pairs_hook=_once(str(path)), parse_constant=refuse)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        raise InputError(Fault(where, f"not JSON: {error.msg}", "a list of objects")) from None
    except (RecursionError, ValueError) as error:
        what = f"beyond what can be read: {error}"
        raise InputError(Fault(str(path), what, "shallow JSON, and smaller numbers")) from None
    if not isinstance(rows, list):
        held = f"one {type(rows).__name__}"
        if isinstance(rows, dict) and rows and all(isinstance(of, list) for of in rows.values()):
            held = f"an object of lists ({', '.join(rows)})"
        expected = "a list of objects: [{key: value, ...}, ...]"
        raise InputError(Fault(str(path), f"holds {held}", expected))
    table = [(f"{path}: entry {number}", row) for number, row in enumerate(rows, 1)]
    faults = [
        Fault(where, "holds half of a surrogate pair", "whole characters")
        for where, row in table
        if "\\u" in text and not _is_text(row)
    ]
    if faults:
        raise InputError(*faults[:MOST_TOLD])
    return table


def _is_text(row: Any) -> bool:
    try:
        return bool(json.dumps(row, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return False


def _json_lines(path: Path) -> Table:
    lines = read_text(path).split("\n")
    found = list(numbered_rows(path))
    faults = [row for _, row in found if isinstance(row, Fault)]
    for number in () if faults else (number for number, _ in found):
        try:
            json.loads(lines[number - 1], object_pairs_hook=_once(f"{path}:{number}"))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults[:MOST_TOLD])
    return [(f"{path}:{number}", row) for number, row in found]


def _csv(path: Path) -> Table:
    csv.field_size_limit(1 << 30)  # an answer may be long
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    table: Table = []
    faults: list[Fault] = []
    try:
        header = next(reader, [])
        for separator, name in {";": "semicolons", "\t": "tabs"}.items():
            if len(header) == 1 and separator in header[0]:
                raise InputError(Fault(f"{path}:1", f"{name} between the columns", "commas"))
        if twice := sorted({name for name in header if header.count(name) > 1}):
            faults.append(Fault(f"{path}:1", f"columns named twice: {', '.join(twice)}"))
        begins = reader.line_num + 1
        for cells in reader:
            where, begins = f"{path}:{begins}", reader.line_num + 1
            if len(cells) == len(header):
                table.append((where, dict(zip(header, cells, strict=True))))
            elif cells:
                what = f"{len(cells)} cells under {len(header)} columns"
                faults.append(Fault(where, what, "as many cells as the header has"))
    except csv.Error as error:
        faults.append(Fault(f"{path}:{reader.line_num}", f"not CSV: {error}"))
    if faults:
        raise InputError(*faults[:MOST_TOLD])
    return table
