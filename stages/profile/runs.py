"""The repeated answers of a model, read: the record in each, and what it scored."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.records import Row, Variation, VariationScore

FENCED = re.compile(r"\A\s*```\w*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Run:
    """One of several answers to a prompt.

    prompt: the test row's id
    group:  the test row's: rows of one group are not independent, nor are the runs of one row
    record: the JSON object or array that it holds, alone or alone in a code fence; or None
    parses: it is that and nothing else, no fence
    valid:  it parses and fits the recipe's schema
    score:  by the primary metric; None where it has none
    """

    prompt: str
    group: str
    text: str
    record: Any
    parses: bool
    valid: bool
    score: float | None


def read(text: str) -> Any:
    """Return the JSON object or array that a text as a whole is; None where it is none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def repeated(
    variations: list[Variation],
    scores: list[VariationScore],
    fits: Callable[[Any], bool],
    primary: dict[str, Any] | None,
    path: Path,
) -> list[Run]:
    """Return the answers to prompts in the wording as trained.

    fits:    tells whether a record is valid against the schema
    primary: the section of `evaluate.sections` whose primary metric is looked at
    path:    of the scores, to be named
    Raises: InputError where answers and scores are not of the same run.
    """
    answers = {(each["row"], each["sample"]): each for each in variations if not each["variant"]}
    scored = {(each["row"], each["sample"]): each for each in scores if not each["variant"]}
    if odd := sorted(answers.keys() ^ scored.keys()):
        what = f"{len(odd)} answers or scores stand alone, such as row {odd[0][0]}"
        raise InputError(Fault(str(path), what, "a score for each variation", "dvc repro"))
    runs = []
    for each in sorted(answers):
        text, score = answers[each]["text"], scored[each]
        record, parses = read(text), True
        if record is None:
            fenced, parses = FENCED.match(text), False
            record = read(fenced[1]) if fenced else None
        found = None
        if primary and primary.get("skill", score["skill"]) == score["skill"]:
            found = score["values"].get(primary["primary"])
        valid = parses and fits(record)
        runs.append(Run(each[0], score["group"], text, record, parses, valid, found))
    return runs


def of_dataset(rows: list[Row]) -> list[tuple[str, Any]]:
    """Return the group and the record of each training row; None where its answer holds none."""
    return [
        (row["group"], row["record"] if "record" in row else read(row["messages"][-1]["content"]))
        for row in rows
    ]
