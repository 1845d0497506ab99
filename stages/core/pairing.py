"""Scores at rest, made ready to be set side by side: the same rows, their groups, their weights."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.intervals import Ends, Rows
from stages.core.jsonl import read_rows
from stages.core.records import Score
from stages.core.scores import KEYS, better
from stages.core.sections import holds

Scores = dict[str, Score]  # by row id, of one model
MOST = 10  # faults told at once


def read_scores(path: Path) -> Scores:
    """Read one model's scores, by row id. A score without a group is a group of its own.

    Raises: InputError naming the rows and keys whose value is no finite number.
    """
    scores: Scores = {score["row"]: score for score in read_rows(path)}
    faults = [
        Fault(f"{path}: row {row}: {key}", f"{value!r} is no finite number", "a number")
        for row, score in scores.items()
        for key, value in score["values"].items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)
    ]
    if faults:
        raise InputError(*faults[:MOST])
    return scores


def same_rows(models: Mapping[Path, Scores]) -> None:
    """Hold that models were scored on the same rows: their differences are taken row by row.

    models: where each was read from -> its scores; the others are held against the first
    Raises: InputError naming each model whose rows are others, how many, and one of them.
    """
    (first, wanted), *others = models.items()
    faults = []
    for path, scores in others:
        odd = sorted(wanted.keys() ^ scores.keys())
        if odd:
            only = first if odd[0] in wanted else path
            what = (
                f"scores other rows than {first.name}: {len(odd)}, such as {only.name}'s {odd[0]}"
            )
            faults.append(Fault(str(path), what, "the same test rows", "dvc repro"))
    if faults:
        raise InputError(*faults)


def section_rows(scores: Scores, asked: Mapping[str, Any]) -> list[str]:
    """Return the ids of a section's rows, in the order of the file.

    asked: the section as `evaluate.sections` has it
    """
    return [row for row, score in scores.items() if holds(asked, score)]


def having(key: str, rows: Sequence[str], *models: Scores) -> list[str]:
    """Return those of the rows for which every model has a value of the key, and a weight."""
    weight = KEYS[key].weight
    return [
        row
        for row in rows
        if all(key in scores[row]["values"] for scores in models)
        and (not weight or models[0][row]["values"].get(weight, 0) > 0)
    ]


def _columns(key: str, scores: Scores, rows: Sequence[str]) -> tuple[list[str], list[float] | None]:
    """Return the groups of the rows, and their weights where the key has some."""
    groups = [scores[row].get("group", row) for row in rows]
    weight = KEYS[key].weight
    return groups, [scores[row]["values"][weight] for row in rows] if weight else None


def values(key: str, scores: Scores, rows: Sequence[str]) -> Rows:
    """Return one model's values of a key, as they are. Rows without it have to be left out."""
    return Rows([scores[row]["values"][key] for row in rows], *_columns(key, scores, rows))


def differences(key: str, own: Scores, other: Scores, rows: Sequence[str]) -> Rows:
    """Return by how much `own` is better than `other`, row by row, whatever the direction."""
    found = [better(key, own[row]["values"][key], other[row]["values"][key]) for row in rows]
    return Rows(found, *_columns(key, own, rows))


def span(key: str) -> Ends:
    """Return the range of a key's values."""
    return (KEYS[key].low, KEYS[key].high) if key in KEYS else (-inf, inf)
