"""The requests before they are asked: whole, each one once, and of teachers whose key is there."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Any

from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.entries import NAME
from stages.core.asking.index import Index
from stages.core.errors import Fault, InputError, TeacherError
from stages.core.jsonl import numbered_rows

KEYS: dict[str, type | tuple[type, ...]] = {
    "teacher": str,
    "model": str,
    "messages": list,
    "parameters": dict,
    "schema": (dict, NoneType),
    "sample": int,
}
TOLD = 10  # faults of a file that are told


def refuse(path: Path, faults: list[Fault]) -> None:
    """Raise what is wrong with a file, if anything is: the first faults, and how many follow."""
    if (more := len(faults) - TOLD) > 0:
        faults = [*faults[:TOLD], Fault(str(path), f"{more:,} more lines are at fault")]
    if faults:
        raise InputError(*faults)


def quoted(value: Any) -> str:
    """Quote what stands in the place of something else: briefly, and nothing moves a terminal."""
    brief = value is None or isinstance(value, str | int)
    return repr(value)[:40] if brief else f"a {type(value).__name__}"


def fault_of(request: Any) -> tuple[str, str] | None:
    """Return what is wrong with a line of requests and what was expected, or None."""
    if isinstance(request, Fault):
        return request.what, request.expected
    if not isinstance(request, dict):
        return "not an object", "a request"
    if not (isinstance(name := request.get("id"), str) and NAME.fullmatch(name)):
        return f"the id is {quoted(name)}", "16 hex digits, as stage `prompt` makes them"
    if missing := [key for key in KEYS if key not in request]:
        return f"lacks {', '.join(missing)}", f"a request: id, {', '.join(KEYS)}"
    if wrong := [key for key, types in KEYS.items() if not isinstance(request[key], types)]:
        return f"is at fault in {', '.join(wrong)}", "a request as stage `prompt` makes them"
    if not all(
        isinstance(each, dict)
        and isinstance(each.get("role"), str)
        and isinstance(each.get("content"), str)
        for each in request["messages"]
    ):
        return "is at fault in messages", "[{role, content}, ...], both of them texts"
    return None


def lacking(requests: Path, dialogue: Dialogue, asker: Asker = GENERATE) -> Counter[str]:
    """Return how many requests have something pending, by teacher; check every line on the way.

    Raises: InputError with file and line of each that is no request, or is there twice.
    """
    wanted: Counter[str] = Counter()
    faults: list[Fault] = []
    seen = Index()
    for number, request in numbered_rows(requests):
        wrong = fault_of(request)
        if wrong is None and (first := seen.put(int(request["id"], 16), number)) is not None:
            wrong = f"the id {request['id']} is that of line {first}, too", "an id for each request"
        if wrong is not None:
            faults.append(Fault(f"{requests}:{number}", *wrong, f"dvc repro {asker.requests}"))
        elif not faults and dialogue.pending(request):
            wanted[request["teacher"]] += 1
    refuse(requests, faults)
    return wanted


def keys(
    needed: Iterable[str], teachers: list[dict[str, Any]], asker: Asker = GENERATE
) -> dict[str, str | None]:
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
            then = f"dvc repro {asker.requests}"
            faults.append(Fault(f"params.yaml: {asker.teachers}", what, known, then))
            continue
        variable = entries[name].get("api_key_env")
        found[name] = os.environ.get(variable) if variable else None
        if variable and not found[name]:
            what = f"the environment variable {variable} is not set"
            then = f"export {variable}=... and run the same command again; nothing was spent"
            where = f"params.yaml: {asker.teachers}.{name}.api_key_env"
            faults.append(Fault(where, what, "a key", then))
    if faults:
        raise TeacherError(*faults)
    return found
