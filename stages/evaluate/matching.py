"""Set answers beside the test rows; refuse what shows that they are of another run."""

from collections import Counter
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.records import Answer, Row, Variation
from stages.evaluate.scoring import Scoring, reference

TEXTS = ("set", "skill", "row", "prompt", "reference", "text")
NAMED = 3


def match(
    answers: list[Answer], rows: list[Row], path: Path, base: list[Answer] | None = None
) -> Scoring:
    """Set one model's answers beside the test rows.

    base: the base's answers; None for the base itself
    A transcript (no answer has a reference_nll) may lack rows; a model that we ran may not.
    Raises: InputError for an answer without a text, a reference, or a number that is one; for what
        shows that the answers are of another run: an unknown row, one answered twice, another
        reference, a row without an answer; and for no answers at all.
    """
    faults = _faults(answers, rows, path, lambda answer: answer["row"])
    known = {row["id"]: row for row in rows}
    transcript = not any("reference_nll" in answer for answer in answers if _whole(answer))
    if not transcript:
        answered = {answer["row"] for answer in answers if _whole(answer)}
        faults += _told(path, "test rows without an answer", sorted(known.keys() - answered))
    if not answers and rows:
        faults.append(Fault(str(path), "holds no answers", f"{len(rows)}, one a test row"))
    if faults:
        raise InputError(*faults)
    texts = {a["row"]: a["text"] for a in base or [] if _whole(a) and a["row"] in known}
    return Scoring({a["row"]: a for a in answers}, known, {}, texts, transcript)


def match_variations(variations: list[Variation], scoring: Scoring, path: Path) -> Scoring:
    """Set a model's further answers beside the same rows.

    Raises: InputError as `match` does; a row may be answered once a variant and sample.
    """

    def name(answer: Any) -> str:
        return f"{answer['row']} {answer.get('variant')} {answer.get('sample')}"

    rows = list(scoring.rows.values())
    faults = _faults(variations, rows, path, name)
    odd = [
        str(v.get("row"))
        for v in variations
        if not (isinstance(v.get("variant"), str) and isinstance(v.get("sample"), int))
    ]
    faults += _told(path, "answers without a variant or a sample", odd)
    if faults:
        raise InputError(*faults)
    answers = {name(variation): variation for variation in variations}
    return Scoring(answers, scoring.rows, {}, scoring.base, scoring.transcript)


def _whole(answer: Any) -> bool:
    """Say whether an answer has all its texts."""
    return isinstance(answer, dict) and all(isinstance(answer.get(key), str) for key in TEXTS)


def _told(path: Path, what: str, ids: list[str], then: str = "") -> list[Fault]:
    if not ids:
        return []
    named = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
    then = then or "dvc repro: these are the answers of another run"
    return [Fault(str(path), f"{len(ids)} {what}: {named}", then=then)]


def _faults(
    answers: list[Any], rows: list[Row], path: Path, name: Callable[[Any], str]
) -> list[Fault]:
    """Return what is wrong with answers beside the rows that they should answer."""
    faults: list[Fault] = []
    then = f"dvc repro --force the stage that writes {path}"
    for key in TEXTS:
        odd = [
            str(at) if not isinstance(answer, dict) else str(answer.get("row") or f"line {at}")
            for at, answer in enumerate(answers, 1)
            if not isinstance(answer, dict) or not isinstance(answer.get(key), str)
        ]
        faults += _told(path, f"answers without a {key}", odd, then)
    whole = [answer for answer in answers if _whole(answer)]
    known = {row["id"]: row for row in rows}
    counts = Counter(map(name, whole))
    strangers = sorted({answer["row"] for answer in whole} - known.keys())
    faults += _told(path, "rows answered that are not in the test rows", strangers)
    twice = sorted(at for at, n in counts.items() if n > 1)
    faults += _told(path, "rows answered more than once", twice)
    ours = [answer for answer in whole if answer["row"] in known]
    other = [a["row"] for a in ours if a["reference"] != reference(known[a["row"]])]
    faults += _told(path, "answers whose reference is not the test row's", sorted(other))
    other = [a["row"] for a in ours if a["set"] != known[a["row"]]["set"]]
    faults += _told(path, "answers whose set is not the test row's", sorted(other))
    for what, holds in NUMBERS.items():
        odd = sorted(answer["row"] for answer in whole if not holds(answer))
        faults += _told(path, f"answers with {what}", odd)
    return faults


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_nll(answer: Any) -> bool:
    nll, tokens = answer.get("reference_nll", 0), answer.get("reference_tokens", 1)
    both = ("reference_nll" in answer) == ("reference_tokens" in answer)
    return both and _number(nll) and nll >= 0 and _number(tokens) and tokens > 0


def _is_hits(answer: Any) -> bool:
    hits = answer.get("reference_hits", 0)
    tokens = answer.get("reference_tokens", -1 if "reference_hits" in answer else 0)
    return _number(hits) and _number(tokens) and 0 <= hits <= tokens


def _is_cosine(answer: Any) -> bool:
    value = answer.get("hidden_similarity", 0)
    return _number(value) and abs(value) <= 1 + 1e-6


NUMBERS: dict[str, Callable[[Any], bool]] = {
    "a reference_nll or reference_tokens that is no positive number": _is_nll,
    "reference_hits that are no number from 0 to reference_tokens": _is_hits,
    "a hidden_similarity that is no cosine": _is_cosine,
}
