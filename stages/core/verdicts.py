"""Verdicts: what a person said of answers (recipes/<name>/verdicts.jsonl), a line each.

    {"row": "<id>", "set": "probes", "prompt": "...", "model": "2b", "answer": "the text",
     "verdict": "right" | "partly" | "wrong", "note": "why"}

A verdict holds for exactly the text that was judged. A model that answers otherwise by now has none
there: the verdict is stale, counts for nothing, and is told; it holds again when the text comes
back. A row whose messages change is another row.

This is the one reader and the one writer. Lines of other kinds than a verdict on one answer get a
`kind` (none: `answer`), and KINDS their keys.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from stages.core.errors import Fault, InputError
from stages.core.jsonl import encode, numbered_rows, replacing
from stages.core.records import Answer

VALUES = {"right": 1.0, "partly": 0.5, "wrong": 0.0}


class Verdict(TypedDict):
    """One line of the file.

    row:     id of the test row
    set:     its set, for whoever reads (absent where it was not written)
    prompt:  what was asked, for whoever reads
    model:   its name
    answer:  the text that was judged, to the letter
    verdict: a key of VALUES
    note:    why; may be empty
    """

    row: str
    set: NotRequired[str]
    prompt: str
    model: str
    answer: str
    verdict: str
    note: str


class Kind(NamedTuple):
    """What a line of one kind has: keys that must be there, and keys that may."""

    required: tuple[str, ...]
    optional: tuple[str, ...]


ANSWER = "answer"
KINDS = {ANSWER: Kind(("row", "prompt", "model", "answer", "verdict"), ("set", "note", "kind"))}


def key_of(verdict: Verdict) -> tuple[str, str, str]:
    """Return what a verdict is on; a second one on the same takes its place."""
    return verdict["row"], verdict["model"], verdict["answer"]


def faults_of(line: Any, where: str) -> Iterator[Fault]:
    """Yield what is wrong with one line by itself."""
    if not isinstance(line, dict):
        yield Fault(where, f"holds {line!r:.60}", "an object: {row, prompt, model, answer, ...}")
        return
    name = line.get("kind", ANSWER)
    if not isinstance(name, str) or name not in KINDS:
        yield Fault(f"{where}: kind", f"{name!r:.60} is none", f"one of: {', '.join(KINDS)}")
        return
    kind = KINDS[name]
    known = (*kind.required, *kind.optional)
    if odd := sorted(line.keys() - {*known}):
        yield Fault(where, f"unknown keys: {', '.join(odd)}", f"some of: {', '.join(known)}")
    for key in known:
        if key not in line:
            if key in kind.required:
                yield Fault(f"{where}: {key}", "is missing", f"all of: {', '.join(kind.required)}")
        elif not isinstance(line[key], str):
            yield Fault(f"{where}: {key}", f"{line[key]!r:.60} is no text", "text")
        elif key in ("row", "model") and not line[key].strip():
            yield Fault(f"{where}: {key}", "is empty", "whose answer to which row was judged")
        elif key == "verdict" and line[key] not in VALUES:
            what = f"{line[key]!r:.60} is none"
            yield Fault(f"{where}: verdict", what, f"one of: {', '.join(VALUES)}")


def inspected(path: Path) -> tuple[list[Verdict], list[Fault]]:
    """Read a file of verdicts: the lines without a fault, and every fault with its line."""
    verdicts: list[Verdict] = []
    faults: list[Fault] = []
    first: dict[tuple[str, str, str], int] = {}
    for number, line in numbered_rows(path):
        where = f"{path}:{number}"
        found = [line] if isinstance(line, Fault) else list(faults_of(line, where))
        faults += found
        if found:
            continue
        verdict: Verdict = {"note": "", **line}
        if (earlier := first.setdefault(key_of(verdict), number)) != number:
            what = f"judges the answer that line {earlier} judges: {verdict['model']} on row "
            faults.append(Fault(where, what + verdict["row"], "each answer once", "take one out"))
            continue
        verdicts.append(verdict)
    return verdicts, faults


def read_verdicts(path: Path) -> list[Verdict]:
    """Read a file of verdicts.

    Raises: InputError with every fault.
    """
    verdicts, faults = inspected(path)
    if faults:
        raise InputError(*faults)
    return verdicts


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write a file of verdicts, a blank line where there is none (DVC wants the file)."""
    with replacing(path) as file:
        file.write("".join(f"{encode(verdict)}\n" for verdict in verdicts) or "\n")


def merged(before: Iterable[Verdict], new: Iterable[Verdict]) -> list[Verdict]:
    """Return earlier verdicts with new ones: in the place of those on the same, or behind them."""
    together = {key_of(verdict): verdict for verdict in before}
    return list((together | {key_of(verdict): verdict for verdict in new}).values())


@dataclass
class Judged:
    """The verdicts on the answers of one model.

    held:  row id -> the verdict that holds for the model's present answer
    stale: those on other texts, of rows whose present answer has no verdict
    """

    held: dict[str, Verdict]
    stale: list[Verdict]


def judged(verdicts: Iterable[Verdict], model: str, answers: Iterable[Answer]) -> Judged:
    """Tell which verdicts hold for a model's present answers.

    answers: all of them; a row whose answer is not among them makes its verdicts stale
    """
    mine = [verdict for verdict in verdicts if verdict["model"] == model]
    texts = {answer["row"]: answer["text"] for answer in answers}
    held = {each["row"]: each for each in mine if texts.get(each["row"]) == each["answer"]}
    return Judged(held, [each for each in mine if each["row"] not in held])
