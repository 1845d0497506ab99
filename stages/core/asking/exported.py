"""Replies in a file that git can track: how a line is spelled, checked, and taken into the journal.

A line is one reply, `{"entry": {...}, "sha": "..."}`: the journal's own entry, spelled for the eye,
with the journal's checksum. `tunegraph journal export` writes such a file; `tunegraph journal
import` takes one in, and so does `generate` with the one that the recipe ships (replies.jsonl).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

from stages.core.asking.entries import NAME, VERSION, checksum, is_reply, spell
from stages.core.asking.journal import Journal
from stages.core.asking.requests import quoted, refuse
from stages.core.asking.unanswered import noted
from stages.core.errors import Fault
from stages.core.jsonl import numbered_rows

TYPES: dict[str, tuple[type, ...]] = {
    "attempts": (int,),
    "text": (str, NoneType),
    "finish_reason": (str,),
    "model": (str,),
    "prompt_tokens": (int, NoneType),
    "completion_tokens": (int, NoneType),
    "cost_usd": (int, float, NoneType),
    "error": (NoneType,),
}
LONGEST_ERROR = 200
NO_LIMIT = 2**53  # tokens, or usd: more than any reply has
THEN = "export it again, or take these lines out; nothing was imported"


def line(body: dict[str, Any]) -> str:
    """Spell an entry as a line: text as text, but for halves of surrogate pairs."""
    whole = {"entry": body, "sha": checksum(spell(body)).decode()}
    spelled = json.dumps(whole, ensure_ascii=False, sort_keys=True)
    try:
        spelled.encode()
    except UnicodeEncodeError:
        spelled = json.dumps(whole, sort_keys=True)
    return spelled


def proper(value: Any, types: tuple[type, ...]) -> bool:
    """Tell whether a value is of one of some types; a number also has to count something."""
    if isinstance(value, int | float):
        return type(value) in types and 0 <= value < NO_LIMIT
    return isinstance(value, types)


def fault_of(value: Any) -> tuple[str, str] | None:
    """Return what is wrong with a line and what was expected, or None."""
    body = value.get("entry") if isinstance(value, dict) else None
    if not isinstance(body, dict) or not isinstance(sha := value.get("sha"), str):
        return "no line of a journal", '{"entry": {...}, "sha": "..."}'
    if (version := body.get("v")) != VERSION:
        return f"an entry of version {quoted(version)}", f"version {VERSION}"
    if isinstance(note := body.get("note"), dict):
        if (told := note.get("unanswered")) is not None and not is_error(told):
            return "a note that is none", '{"unanswered": {"question": ..., "error": ...}}'
        return None
    if not is_reply(body) or not proper(body["max_tokens"], (int,)):
        return "an entry that is no reply", "request, max_tokens and reply"
    reply = body["reply"]
    wrong = [key for key, kind in TYPES.items() if key not in reply or not proper(reply[key], kind)]
    if wrong:
        return f"a reply without a proper {', '.join(wrong)}", "a reply"
    if strange := len(reply.keys() - TYPES.keys()):
        return f"a reply with {strange} more keys", f"{', '.join(TYPES)}, and nothing else"
    # Last, of what is known to be small and flat.
    if checksum(spell(body)).decode() != sha:
        return (
            "its checksum does not fit: it was changed by hand, or damaged",
            "the line as it was exported (a reply is mended in overrides.jsonl of the recipe)",
        )
    return None


def is_error(told: Any) -> bool:
    """Tell whether a value says why a question had no answer."""
    return (
        isinstance(told, dict)
        and told.keys() == {"question", "error"}
        and all(isinstance(each, str) and len(each) <= LONGEST_ERROR for each in told.values())
        and NAME.fullmatch(told["question"]) is not None
    )


def checked(file: Path, then: str = THEN) -> Iterator[dict[str, Any] | Fault]:
    """Yield the entry of each line, or what is wrong with it and what is to be done `then`.

    Raises: InputError when there is no such file
    """
    for number, value in numbered_rows(file, halves=True):
        if isinstance(value, Fault):
            yield replace(value, then=then)
        elif wrong := fault_of(value):
            yield Fault(f"{file}:{number}", *wrong, then)
        else:
            yield value["entry"]


def entries(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the replies of a file, and what had no answer; a journal's notes of batches apart.

    Raises: InputError, at the end, with every line that is none (the first ten, and how many more).
    """
    faults = []
    for body in checked(file):
        if isinstance(body, Fault):
            faults.append(body)
        elif "unanswered" in body.get("note", {"unanswered": ""}):
            yield body
    refuse(file, faults)


def enough_for(body: dict[str, Any]) -> int:
    """Return up to which limit of tokens a reply is good: a whole one for any."""
    return body["max_tokens"] if body["reply"]["finish_reason"] == "length" else NO_LIMIT


def take(file: Path, journal: Journal, waiting: Callable[[], None]) -> tuple[int, int]:
    """Add the replies of a file to the journal, but for those that it holds.

    The journal is read and, where it lacks something, held for writing; `waiting` is called once
    when another run holds it. What comes in is found by this run, not paid by it. Killed in
    between, the rest comes in the next time.
    Returns: how many replies the file has, and how many of them were new
    Raises: InputError naming the lines at fault; then nothing was added.
    """
    before = noted(journal)

    def lacks(body: dict[str, Any], held: Journal) -> bool:
        if "note" in body:
            return body["note"]["unanswered"]["question"] not in before
        return not held.has(body["request"], enough_for(body))

    count, lacking = 0, False
    for body in entries(file):  # to the end: its last line may be the one at fault
        count += "reply" in body
        lacking = lacking or lacks(body, journal)
    if not lacking:
        return count, 0
    # By a journal of its own: what is appended through `journal` counts as paid by this run.
    with closing(Journal(journal.path)) as writing, writing.locked(waiting):
        before = noted(writing)
        for body in entries(file):
            if not lacks(body, writing):
                continue
            if "note" in body:
                writing.note(body["note"])
            else:
                # A whole reply takes the place of any that a limit cut.
                writing.append(body["request"], body["max_tokens"], body["reply"])
        new = writing.appended
    journal.refresh()
    return count, new
