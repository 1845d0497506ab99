"""Take replies out of the journal to a file that git can track, and bring such a file back.

A file's lines are sorted by name (`stages.core.asking.exported`). A journal itself can be imported,
too. Neither holds a key, a path or the name of a machine.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.asking.dialogue import Question
from stages.core.asking.entries import VERSION
from stages.core.asking.exported import line, take
from stages.core.asking.journal import Journal, location
from stages.core.asking.unanswered import noted
from stages.core.errors import Fault, InputError
from stages.core.jsonl import replacing
from stages.core.params import load
from tools import judging
from tools.estimate import project

MANY = 1000  # more re-asks than any journal holds


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


def bring(file: Path) -> None:
    """Add the replies of a file to the journal, but for those that it holds.

    Raises: InputError naming the lines at fault; then nothing is imported.
    """
    if file.exists() and not file.is_file():  # a pipe could not be read twice
        raise InputError(Fault(str(file), "is no file", "a file that export wrote"))
    waiting = "a run is asking and holds the journal; waiting for it to end"
    with closing(Journal(location())) as journal:
        journal.refresh()
        count, new = take(file, journal, lambda: entry.say("journal", waiting))
    entry.say("journal", f"{count:,} replies in {file}: {new:,} new, {count - new:,} held already")
