"""Read answers that a person pasted into a table: every fault is told, nothing is guessed."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.pasted import words_of
from stages.core.tables import Table, read_table

KEYS = ("row", "prompt", "sample", "text", "model", "date")
FILLED_IN = ("text", "model", "date")
LINE_END = re.compile(r"\r\n?")


def read_pasted(path: Path, model: str | None, where: str) -> tuple[list[dict[str, Any]], int]:
    """Read the answers of one assistant, and how many prompts of the file have none.

    model: as the file spells it, or None: there is to be one only
    where: the entry of params.yaml
    Raises: InputError with every fault.
    """
    table = read_table(path)
    asked = filled_in(table)
    if not asked:
        expected = f"`{'`, `'.join(FILLED_IN)}`"
        raise InputError(Fault(str(path), "no answer is filled in", expected))
    return answers_of(asked, model, where), len(table) - len(asked)


def filled_in(table: Table) -> Table:
    """Leave out the rows in which nothing was filled in: printed, and never asked."""
    return [
        (where, row)
        for where, row in table
        if any(row.get(key) for key in FILLED_IN) or not row.keys() >= set(FILLED_IN)
    ]


def sample_of(value: Any) -> int | None:
    """Return the number in a `sample` cell, 0 where it is empty; None where it is no number."""
    if value in (None, ""):
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def is_date(text: str) -> bool:
    """Say whether it is a date, or a date with a time, as ISO 8601 writes them."""
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return "-" in text  # 20260131 is one too; 2026 or 1/2/26 is none


def row_faults(table: Table) -> Iterator[Fault]:
    """Yield what is wrong with each row by itself."""
    for where, row in table:
        if unknown := ", ".join(f"`{key}`" for key in row if key not in KEYS):
            yield Fault(where, f"unknown key {unknown}", ", ".join(KEYS))
        for key in KEYS:
            value = row.get(key)
            if key != "sample" and value is not None and not isinstance(value, str):
                yield Fault(where, f"`{key}` is {value!r:.60}", "a string")
        if sample_of(row.get("sample")) is None:
            yield Fault(where, f"`sample` is {row['sample']!r:.60}", "a whole number from 0 on")
        if not row.get("row") and not row.get("prompt"):
            yield Fault(where, "neither `row` nor `prompt`", "which test row it answers")
        if row.get("text") is None:
            yield Fault(where, "no `text`", "the answer; empty when there was none")
        if not row.get("model"):
            yield Fault(where, "no `model`", "the name of what gave the answer")
        date = row.get("date")
        if isinstance(date, str) and date and not is_date(date):
            yield Fault(where, f"`date` is {date!r:.60}", "a date as 2026-01-31")


def model_faults(table: Table, model: str | None, where: str) -> Iterator[Fault]:
    """Yield what is wrong with the choice of one assistant among those of the file.

    model: as the file spells it, or None: there is to be one only
    where: the entry of params.yaml
    """
    counts = Counter(str(row["model"]) for _, row in table if row.get("model"))
    held = ", ".join(f"{name!r} ({n})" for name, n in sorted(counts.items()))
    if model is None and len(counts) > 1:
        what = f"its file holds answers of {len(counts)} models: {held}"
        then = "an entry for each, with the same file and its own `model`"
        yield Fault(where, what, "one", then)
    elif model is not None and model not in counts:
        yield Fault(f"{where}.model", f"no answer is of {model!r}", held or "a name")


def repeated(table: Table) -> Iterator[Fault]:
    """Yield what is answered twice, or has later samples but no first; for sound rows of one."""
    places: dict[str, dict[int, str]] = {}
    for where, row in table:
        question = str(row.get("row") or words_of(row["prompt"]))
        of_question, sample = places.setdefault(question, {}), sample_of(row.get("sample"))
        if (earlier := of_question.setdefault(sample or 0, where)) != where:
            expected = f"one answer, see {earlier}; several are numbered in `sample`: 0, 1, ..."
            yield Fault(where, f"answers {question[:60]!r} again", expected)
    for question, of_question in places.items():
        if 0 not in of_question:
            sample, where = min(of_question.items())
            what = f"{question[:60]!r} has sample {sample}, and none is 0"
            yield Fault(where, what, "0, 1, 2, ...: 0 is the model's answer")


def answers_of(table: Table, model: str | None = None, where: str = "") -> list[dict[str, Any]]:
    """Return the answers of one assistant without the cells that are empty; `text` stays.

    model, where: as for `model_faults`
    Each gets its place in the file as `at`, its `sample` as a number, and in its text the line
    ends that models write: those of a file are the editor's.
    Raises: InputError with every fault.
    """
    faults = [*row_faults(table), *model_faults(table, model, where)]
    own = [(at, row) for at, row in table if model in (None, row.get("model"))]
    if faults := faults or list(repeated(own)):
        raise InputError(*faults)
    return [
        {key: row[key] for key in KEYS if row.get(key)}
        | {"text": "\n".join(LINE_END.split(row["text"]))}
        | {"sample": sample_of(row.get("sample")), "at": at}
        for at, row in own
    ]
