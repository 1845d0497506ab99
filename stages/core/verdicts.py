"""Verdicts: what a person said of answers (recipes/<name>/verdicts.jsonl), a line each.

On one answer to a test row (`tunegraph verdicts`); there is no `kind`, or `answer`:

    {"row": "<id>", "set": "probes", "prompt": "...", "model": "2b", "answer": "the text",
     "verdict": "right" | "partly" | "wrong", "note": "why"}

On two answers to one prompt (the chat window):

    {"kind": "pair", "prompt": "...", "model": "2c", "answer": "...", "digest": "...",
     "other": "2b", "other_answer": "...", "other_digest": "...",
     "verdict": "better" | "worse" | "same", "note": "why"}

The first holds for exactly the text that was judged. A model that answers otherwise by now has none
there: the verdict is stale, counts for nothing, and is told; it holds again when the text comes
back. A row whose messages change is another row. The second holds for exactly the models that
answered (`stages.core.preferences`): what was typed into a window is no test row, and is not
answered again.

This is the one reader and the one writer.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import Fault, InputError
from stages.core.jsonl import encode, numbered_rows, replacing
from stages.core.records import Answer
from stages.core.verdict_kinds import (
    ANSWER,
    PAIR,
    Line,
    Pair,
    Verdict,
    faults_of,
    key_of,
)
from stages.core.verdict_kinds import PREFERENCES as PREFERENCES
from stages.core.verdict_kinds import VALUES as VALUES


def twice(line: Line, earlier: int) -> tuple[str, str]:
    """Return what is wrong with a line that judges what an earlier one judges, and what is right.

    earlier: its number
    """
    if line.get("kind", ANSWER) == PAIR:
        who = f"{line['model']} and {line['other']}"  # type: ignore[typeddict-item]
        return f"judges the pair that line {earlier} judges: of {who}", "each pair once"
    who = f"{line['model']} on row {line['row']}"  # type: ignore[typeddict-item]
    return f"judges the answer that line {earlier} judges: {who}", "each answer once"


def inspected(path: Path) -> tuple[list[Line], list[Fault]]:
    """Read a file of verdicts: the lines without a fault, and every fault with its line."""
    lines: list[Line] = []
    faults: list[Fault] = []
    first: dict[tuple[str, ...], int] = {}
    for number, line in numbered_rows(path):
        where = f"{path}:{number}"
        found = [line] if isinstance(line, Fault) else list(faults_of(line, where))
        faults += found
        if found:
            continue
        whole: Line = {"note": "", **line}
        if (earlier := first.setdefault(key_of(whole), number)) != number:
            what, expected = twice(whole, earlier)
            faults.append(Fault(where, what, expected, "take one out"))
            continue
        lines.append(whole)
    return lines, faults


def read_all(path: Path) -> list[Line]:
    """Read a file of verdicts, of either kind.

    Raises: InputError with every fault.
    """
    lines, faults = inspected(path)
    if faults:
        raise InputError(*faults)
    return lines


def on_answers(lines: Iterable[Line]) -> list[Verdict]:
    """Return those on one answer."""
    return [each for each in lines if each.get("kind", ANSWER) == ANSWER]  # type: ignore[misc]


def on_pairs(lines: Iterable[Line]) -> list[Pair]:
    """Return those on two answers."""
    return [each for each in lines if each.get("kind", ANSWER) == PAIR]  # type: ignore[misc]


def read_verdicts(path: Path) -> list[Verdict]:
    """Read the verdicts on one answer; raises what `read_all` raises."""
    return on_answers(read_all(path))


def read_pairs(path: Path) -> list[Pair]:
    """Read the verdicts on two answers; raises what `read_all` raises."""
    return on_pairs(read_all(path))


def write_verdicts(path: Path, lines: Iterable[Line]) -> None:
    """Write a file of verdicts, a blank line where there is none (DVC wants the file)."""
    with replacing(path) as file:
        file.write("".join(f"{encode(line)}\n" for line in lines) or "\n")


def merged(before: Iterable[Line], new: Iterable[Line]) -> list[Line]:
    """Return earlier verdicts with new ones: in the place of those on the same, or behind them."""
    together = {key_of(line): line for line in before}
    return list((together | {key_of(line): line for line in new}).values())


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep others from changing a file of verdicts meanwhile; its folder is what is locked.

    Raises: InputError where the folder cannot be locked.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems
            what = f"cannot be locked: {error.strerror}"
            raise InputError(Fault(str(path.parent), what, "a disk that locks folders")) from None
        yield
    finally:
        os.close(folder)


def keep(path: Path, new: Line) -> bool:
    """Add one verdict to a file of them; several programs and threads may do so at a time.

    Returns: whether it took the place of an earlier one on the same
    Raises: InputError with every fault of the verdict, or of the file; then nothing is written.
    """
    where = f"{path}, the new verdict"
    faults = list(faults_of(new, where))
    try:
        encode(new).encode()
    except (TypeError, ValueError) as error:  # half of a surrogate pair, NaN, what is no JSON
        faults.append(Fault(where, f"cannot be written: {error!s:.200}", "text, and JSON values"))
    if faults:
        raise InputError(*faults)
    with alone(path):
        before = read_all(path) if path.exists() else []
        write_verdicts(path, after := merged(before, [{"note": "", **new}]))  # type: ignore[list-item]
    return len(after) == len(before)


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
