"""Take replies out of the journal to a file that git can track, and bring such a file back.

A line is one reply, `{"entry": {...}, "sha": "..."}`: the journal's own entry, spelled for the eye,
with the journal's checksum, sorted by name. A journal itself can be imported, too. Neither holds a
key, a path or the name of a machine.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

from stages.core import entry
from stages.core.asking.dialogue import Question
from stages.core.asking.entries import NAME, VERSION, checksum, is_reply, spell
from stages.core.asking.journal import Journal, location
from stages.core.asking.requests import quoted, refuse
from stages.core.asking.unanswered import noted
from stages.core.errors import Fault, InputError
from stages.core.jsonl import numbered_rows, replacing
from stages.core.params import load
from tools import judging
from tools.estimate import project

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
MANY = 1000  # more re-asks than any journal holds
NO_LIMIT = 2**53  # tokens, or usd: more than any reply has


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
    """Yield the lines of some questions, sorted; how long each reply took stays on this machine.

    A reply that a limit cut comes before the one that was paid for after it.
    """
    for name in sorted(names):
        for found in reversed(list(journal.entries(name))):
            body = {"max_tokens": found.max_tokens, "reply": found.reply, "request": name}
            yield line(body | {"v": VERSION})


def errors(journal: Journal, names: set[str] | None) -> Iterator[str]:
    """Yield the lines of what had no answer when it was asked last; None: of all questions."""
    for name, error in sorted(noted(journal).items()):
        if (names is None or name in names) and journal.reply(name) is None:
            told = {"unanswered": {"question": name, "error": error}}
            yield line({"note": told, "v": VERSION})


def turns(journal: Journal) -> Iterator[tuple[Question, dict[str, Any] | None]]:
    """Yield what the recipe asks, re-asks included, with its reply or None: of generate and judge.

    The judge's questions are made from the present answers and scores; it is said where these are
    not there.
    """
    if load(("prompt.source",))["prompt"]["source"] is not None:
        requests, dialogue, _ = project(journal, reask=MANY)
        for request in requests():
            yield from ((question, reply) for question, reply, _ in dialogue.turns(request))
    with judging.questions(journal, reask=MANY) as judged:
        if isinstance(judged, list):
            missing = ", ".join(map(str, judged))
            entry.say("journal", f"without the judge's replies, which need {missing}")
        elif judged is not None:
            asked, dialogue, _ = judged
            for request in asked:
                yield from ((question, reply) for question, reply, _ in dialogue.turns(request))


def export(file: Path, *, everything: bool) -> None:
    """Write the replies to the present requests, re-asks included, or all that the journal holds.

    Raises: InputError when there are no requests yet, or no replies to them, or when the file is
    the journal itself.
    """
    if file.resolve() == location().resolve():
        then = "name another file; the journal is as it was"
        raise InputError(Fault(str(file), "is the journal itself", "a file for git", then))
    with closing(Journal(location())) as journal:
        journal.refresh()
        lacking: set[str] | None = None
        if everything:
            names = list(journal.names())
        else:
            names, lacking = [], set()
            for question, reply in turns(journal):
                if reply is None:
                    lacking.add(question.name)
                else:
                    names.append(question.name)
        if not names:
            what = "holds no reply" + ("" if everything else " to the questions of the recipe")
            raise InputError(Fault(str(journal.path), what, then="dvc repro generate"))
        with replacing(file) as out:
            count = sum(out.write(each + "\n") > 0 for each in exported(journal, names))
            out.writelines(each + "\n" for each in errors(journal, lacking))
    entry.say("journal", f"{count:,} replies in {file}")


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


def entries(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the replies of a file, and what had no answer; a journal's notes of batches apart.

    Raises: InputError, at the end, with every line that is none.
    """
    faults = []
    then = "export it again, or take these lines out; nothing was imported"
    for number, value in numbered_rows(file, halves=True):
        if isinstance(value, Fault):
            faults.append(replace(value, then=then))
        elif wrong := fault_of(value):
            faults.append(Fault(f"{file}:{number}", *wrong, then))
        elif "unanswered" in value["entry"].get("note", {"unanswered": ""}):
            yield value["entry"]
    refuse(file, faults)


def bring(file: Path) -> None:
    """Add the replies of a file to the journal, but for those that it holds.

    Raises: InputError naming every line at fault; then nothing is imported.
    """
    if file.exists() and not file.is_file():  # a pipe could not be read twice
        raise InputError(Fault(str(file), "is no file", "a file that export wrote"))
    count = sum("reply" in each for each in entries(file))
    waiting = "a run is asking and holds the journal; waiting for it to end"
    with (
        closing(Journal(location())) as journal,
        journal.locked(lambda: entry.say("journal", waiting)),
    ):
        before = noted(journal)
        for body in entries(file):
            if "note" in body:
                told = body["note"]["unanswered"]
                if told["question"] not in before:
                    journal.note({"unanswered": told})
                continue
            cut = body["reply"]["finish_reason"] == "length"
            # A whole reply takes the place of any that a limit cut.
            if not journal.has(body["request"], body["max_tokens"] if cut else NO_LIMIT):
                journal.append(body["request"], body["max_tokens"], body["reply"])
        new = journal.appended
    entry.say("journal", f"{count:,} replies in {file}: {new:,} new, {count - new:,} held already")
