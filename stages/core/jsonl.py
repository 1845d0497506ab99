"""JSON Lines and JSON at rest: UTF-8, sorted keys, written to a temporary name and renamed."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from stages.core.entry import OUT_OF_SPACE
from stages.core.errors import Fault, InputError


def _refuse(constant: str) -> float:
    raise json.JSONDecodeError(f"{constant} is no JSON number", constant, 0)


SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN could be read, and then not written


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Open a temporary file beside `path` that takes its place on success, and only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        if error.errno in OUT_OF_SPACE and error.filename is None:
            error.filename = str(path)  # the system does not say where a write failed
        raise
    finally:
        temporary.unlink(missing_ok=True)


# Spells one row of a JSON Lines file.
encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


def write_rows(path: Path, rows: Iterable[Any]) -> int:
    """Write one JSON value a line and return how many there were."""
    count = 0
    with replacing(path) as file:
        for row in rows:
            file.write(encode(row) + "\n")
            count += 1
    return count


def numbered_rows(path: Path, halves: bool = False) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each line of a JSON Lines file that is not empty.

    halves: take halves of surrogate pairs, which are no text and cannot be written as UTF-8
    Yields: in place of a value that cannot be read, the Fault with file and line
    Raises: InputError when there is no such file
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None
    with file:
        for number, line in enumerate(file, 1):
            if not (line := line.strip()):
                continue
            row: Any
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")  # a person's editor
                row, end = DECODER.raw_decode(text)  # decode() looks for spaces twice more
                if end != len(text):
                    raise json.JSONDecodeError("Extra data", text, end)
                if not halves and b"\\u" in line and SURROGATE.search(line):
                    json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                what = f"holds half of a surrogate pair: {error.object[error.start]!a}"
                row = Fault(f"{path}:{number}", what, "whole characters")
            except UnicodeDecodeError as error:
                what = f"not UTF-8 at byte {error.start + 1} of the line"
                row = Fault(f"{path}:{number}", what, "UTF-8")
            except json.JSONDecodeError as error:
                what = f"not JSON at column {error.colno}: {error.msg}"
                row = Fault(f"{path}:{number}", what, "one JSON value a line")
            except (RecursionError, ValueError) as error:
                what = f"beyond what can be read: {error}"
                row = Fault(f"{path}:{number}", what, "shallow JSON, and smaller numbers")
            yield number, row


def stream_rows(path: Path) -> Iterator[Any]:
    """Yield the values of a JSON Lines file, one line in memory at a time.

    Raises: InputError with file and line for every line that is not UTF-8 or not JSON (the first
    ten are told, from the first one on nothing else is yielded).
    """
    faults: list[Fault] = []
    for _, row in numbered_rows(path):
        if isinstance(row, Fault):
            faults.append(row)
            if len(faults) == 10:
                break
        elif not faults:
            yield row
    if faults:
        raise InputError(*faults)


def read_rows(path: Path) -> list[Any]:
    """Read a JSON Lines file whole; raises what `stream_rows` raises."""
    return list(stream_rows(path))


def write_json(path: Path, value: Any) -> None:
    """Write one JSON value, indented by two, for files that people diff."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    with replacing(path) as file:
        file.write(text + "\n")


def read_json(path: Path) -> Any:
    """Read one JSON value.

    Raises: InputError with the file when it is missing, not UTF-8 or not JSON.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(Fault(str(path), f"not JSON in UTF-8: {error}")) from None
