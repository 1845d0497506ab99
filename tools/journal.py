"""Take replies out of the journal to a file that git can track, and bring such a file back.

A line is one reply, `{"entry": {...}, "sha": "..."}`: the journal's own entry, spelled for the eye,
with the journal's checksum, sorted by name. A journal itself can be imported, too. Neither holds a
key, a path or the name of a machine.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import replacing
from stages.generate.entries import VERSION, checksum, is_reply, spell
from stages.generate.journal import Journal, location
from stages.generate.requests import lines, refuse
from tools.estimate import project

TYPES: dict[str, tuple[type, ...]] = {
    "text": (str, type(None)),
    "finish_reason": (str,),
    "model": (str,),
    "prompt_tokens": (int, type(None)),
    "completion_tokens": (int, type(None)),
    "cost_usd": (int, float, type(None)),
}
MANY = 1000  # more re-asks than any journal holds
NO_LIMIT = 2**62  # tokens


def line(body: dict[str, Any]) -> str:
    """Spell an entry as a line: text as text, but for halves of surrogate pairs."""
    whole = {"entry": body, "sha": checksum(spell(body)).decode()}
    spelled = json.dumps(whole, ensure_ascii=False, sort_keys=True)
    try:
        spelled.encode()
    except UnicodeEncodeError:
        spelled = json.dumps(whole, sort_keys=True)
    return spelled


def exported(journal: Journal, names: list[str]) -> Iterator[str]:
    """Yield the lines of some replies, sorted; how long each took stays on this machine."""
    for name in sorted(names):
        found = next(journal.entries(name))
        body = {"max_tokens": found.max_tokens, "reply": found.reply, "request": name}
        yield line(body | {"v": VERSION})


def export(file: Path, *, everything: bool) -> None:
    """Write the replies to the present requests, re-asks included, or all that the journal holds.

    Raises: InputError when there are no requests yet, or no replies to them.
    """
    with closing(Journal(location())) as journal:
        journal.refresh()
        if everything:
            names = list(journal.names())
        else:
            requests, dialogue, _ = project(journal, reask=MANY)
            names = [
                question.name
                for request in requests()
                for question, reply, _ in dialogue.turns(request)
                if reply is not None
            ]
        if not names:
            what = "holds no reply" + ("" if everything else " to the questions of the recipe")
            raise InputError(Fault(str(journal.path), what, then="dvc repro generate"))
        with replacing(file) as out:
            for each in exported(journal, names):
                out.write(each + "\n")
    entry.say("journal", f"{len(names):,} replies in {file}")


def fault_of(value: Any) -> tuple[str, str] | None:
    """Return what is wrong with a line and what was expected, or None."""
    body = value.get("entry") if isinstance(value, dict) else None
    if not isinstance(body, dict) or not isinstance(sha := value.get("sha"), str):
        return "no line of a journal", '{"entry": {...}, "sha": "..."}'
    if checksum(spell(body)).decode() != sha:
        return (
            "its checksum does not fit: it was changed by hand, or damaged",
            "the line as it was exported (a reply is mended in overrides.jsonl of the recipe)",
        )
    if body.get("v") != VERSION:
        return f"an entry of version {body.get('v')!r}", f"version {VERSION}"
    if isinstance(body.get("note"), dict):
        return None
    if not is_reply(body):
        return "an entry that is no reply", "request, max_tokens and reply"
    wrong = [
        key
        for key, types in TYPES.items()
        if key not in body["reply"] or not isinstance(body["reply"][key], types)
    ]
    return (f"a reply without a proper {', '.join(wrong)}", "a reply") if wrong else None


def entries(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the replies of a file that holds nothing else, notes of a journal apart.

    Raises: InputError, at the end, with every line that is none.
    """
    faults = []
    then = "export it again, or take these lines out; nothing was imported"
    try:
        for number, value in lines(file, then):
            if wrong := fault_of(value):
                faults.append(Fault(f"{file}:{number}", *wrong, then))
            elif "note" not in value["entry"]:
                yield value["entry"]
    except InputError as broken:
        faults += broken.faults
    refuse(file, faults)


def bring(file: Path) -> None:
    """Add the replies of a file to the journal, but for those that it holds.

    Raises: InputError naming every line at fault; then nothing is imported.
    """
    count = sum(1 for _ in entries(file))
    waiting = "a run is asking and holds the journal; waiting for it to end"
    with (
        closing(Journal(location())) as journal,
        journal.locked(lambda: entry.say("journal", waiting)),
    ):
        for body in entries(file):
            cut = body["reply"]["finish_reason"] == "length"
            # A whole reply takes the place of any that a limit cut.
            if not journal.has(body["request"], body["max_tokens"] if cut else NO_LIMIT):
                journal.append(body["request"], body["max_tokens"], body["reply"])
        new = journal.appended
    entry.say("journal", f"{count:,} replies in {file}: {new:,} new, {count - new:,} held already")
