"""Read the requests, as often as it takes: memory does not grow with their number."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError, TeacherError
from stages.generate.dialogue import Dialogue
from stages.generate.entries import NAME
from stages.generate.index import Index

KEYS = ("teacher", "model", "messages", "parameters", "schema", "sample")
TOLD = 10  # faults of a file that are told


def refuse(path: Path, faults: list[Fault]) -> None:
    """Raise what is wrong with a file, if anything is: the first faults, and how many follow."""
    if (more := len(faults) - TOLD) > 0:
        faults = [*faults[:TOLD], Fault(str(path), f"{more:,} more lines are at fault")]
    if faults:
        raise InputError(*faults)


def lines(path: Path, then: str = "dvc repro") -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each line of a JSON Lines file.

    Raises: InputError, at the end, with every line that is no JSON in UTF-8.
    """
    faults = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    what = f"not JSON in UTF-8: {error}"
                    faults.append(Fault(f"{path}:{number}", what, "one JSON value a line", then))
                    continue
                yield number, value
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then=then)) from None
    refuse(path, faults)


def stream(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file that was read before (`lacking`), or that is no file of requests."""
    return (value for _, value in lines(path))


def fault_of(request: Any) -> tuple[str, str] | None:
    """Return what is wrong with a line of requests and what was expected, or None."""
    if not isinstance(request, dict):
        return "not an object", "a request"
    if not isinstance(name := request.get("id"), str) or not NAME.fullmatch(name):
        return f"the id is {request.get('id')!r}", "16 hex digits, as stage `prompt` makes them"
    if missing := [key for key in KEYS if key not in request]:
        return f"lacks {', '.join(missing)}", f"a request: id, {', '.join(KEYS)}"
    return None


def lacking(requests: Path, dialogue: Dialogue) -> Counter[str]:
    """Return how many requests have something pending, by teacher; check every line on the way.

    Raises: InputError with file and line of each that is no request, or is there twice.
    """
    wanted: Counter[str] = Counter()
    faults: list[Fault] = []
    seen = Index()
    for number, request in lines(requests):
        wrong = fault_of(request)
        if wrong is None and (first := seen.put(int(request["id"], 16), number)) is not None:
            wrong = f"the id {request['id']} is that of line {first}, too", "an id for each request"
        if wrong is not None:
            faults.append(Fault(f"{requests}:{number}", *wrong, "dvc repro prompt"))
        elif not faults and dialogue.pending(request):
            wanted[request["teacher"]] += 1
    refuse(requests, faults)
    return wanted


def keys(needed: Iterable[str], teachers: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the key of each teacher that is needed, None where it takes none.

    Raises: TeacherError naming every teacher that is unknown and every variable that is not set.
    """
    entries = {teacher["name"]: teacher for teacher in teachers}
    found: dict[str, str | None] = {}
    faults = []
    for name in sorted(needed):
        if name not in entries:
            what = f"the requests name the teacher {name!r}, which is not there"
            known = ", ".join(entries)
            faults.append(Fault("params.yaml: teachers", what, known, "dvc repro prompt"))
            continue
        variable = entries[name].get("api_key_env")
        found[name] = os.environ.get(variable) if variable else None
        if variable and not found[name]:
            what = f"the environment variable {variable} is not set"
            then = f"export {variable}=... and run the same command again; nothing was spent"
            faults.append(Fault(f"params.yaml: teachers.{name}.api_key_env", what, "a key", then))
    if faults:
        raise TeacherError(*faults)
    return found
