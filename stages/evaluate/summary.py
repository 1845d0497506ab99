"""What a section is worth on the whole, and what of a row goes to its score at rest."""

from collections.abc import Sequence
from math import exp
from typing import Any

from stages.core.keys import CHAT
from stages.core.preferences import Side
from stages.core.records import Score, VariationScore
from stages.core.scores import KEYS
from stages.evaluate.scoring import Scoring

DIGITS = 6


def summarise(scoring: Scoring) -> dict[str, dict[str, Any]]:
    """Return, per section, n and the mean of each key over the rows that have it.

    A key that no row has is absent: the loss of a transcript, `passes` where code is not run. Where
    fewer rows than n have a key, `n_of` says how many.
    """
    summary = {}
    for name, section in scoring.sections.items():
        answers = scoring.section_rows(section)
        figures: dict[str, Any] = {"n": len(answers)}
        n_of = {}
        for key in section["metrics"]:
            if KEYS[key].over == "section":
                found, n = _of_section(scoring, answers, key)
            else:
                found, n = _mean(scoring, answers, key)
            if found is not None:
                figures[key] = round(found, DIGITS)
                n_of |= {key: n} if n < len(answers) else {}
        summary[name] = figures | ({"n_of": n_of} if n_of else {})
    return summary


def chat(pairs: Sequence[tuple[Side, Side]], on: str | None) -> dict[str, dict[str, Any]]:
    """Return the section of what was said in the chat window; none without a pair that counts.

    Only pairs with the model that this one stands on count: so the figure is what the step from the
    one to the other was worth, whoever else was asked beside them, and means the same for every
    adapter. A share over all opponents would rise with the number of weak ones among them. The base
    stands on none and has no such section. Who was preferred to whom of all models, with intervals:
    metrics/report.md.
    pairs: that hold, the model's own side first; on: the name of the model that it stands on
    """
    values = [own.value for own, other in pairs if other.model == on]
    if not values:
        return {}
    return {CHAT: {"n": len(values), "preferred": round(sum(values) / len(values), DIGITS)}}


def _mean(scoring: Scoring, answers: list[str], key: str) -> tuple[float | None, int]:
    weight = KEYS[key].weight
    pairs = [
        (of_row[key], of_row[weight] if weight else 1.0)
        for of_row in (scoring.values.get(answer, {}) for answer in answers)
        if key in of_row
    ]
    if not pairs:
        return None, 0
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs), len(pairs)


def _of_section(scoring: Scoring, answers: list[str], key: str) -> tuple[float | None, int]:
    if key == "perplexity":
        loss, n = _mean(scoring, answers, "loss")
        return (None if loss is None or loss > 700 else exp(loss)), n  # no float holds more
    having = [answer for answer in answers if scoring.has(answer, KEYS[key].needs)]
    if not having:
        return None, 0
    columns = scoring.columns(having)
    if key in ("sacrebleu", "chrf"):
        from stages.evaluate.metrics.overlap import CorpusOverlap

        found = CorpusOverlap().compute(**columns, keys=[key])
    else:
        from stages.evaluate.metrics.behaviour import Distinct

        found = Distinct().compute(**columns)
    return found[key], len(having)


def kept(section: dict[str, Any]) -> set[str]:
    """Return the values of a row that a section's figures are made of."""
    keys = set(section["metrics"])
    if "perplexity" in keys:
        keys.add("loss")  # of which it is made, so that it can be resampled
    return keys | {KEYS[key].weight or key for key in keys}


def to_scores(scoring: Scoring) -> list[Score]:
    """Return the rows at rest, in the order of the answers: only what their sections ask for."""
    asked: dict[str, set[str]] = {answer: set() for answer in scoring.answers}
    for section in scoring.sections.values():
        for answer in scoring.section_rows(section):
            asked[answer] |= kept(section)
    return [
        {
            "model": answer["model"],
            "set": answer["set"],
            "skill": answer["skill"],
            "row": answer["row"],
            "group": scoring.row(at)["group"],
            "values": {
                key: round(value, DIGITS)
                for key, value in scoring.values.get(at, {}).items()
                if key in asked[at]
            },
            **({"verdict": scoring.verdicts[at]} if at in scoring.verdicts else {}),
        }
        for at, answer in scoring.answers.items()
    ]


def to_variation_scores(scoring: Scoring) -> list[VariationScore]:
    """Return the variations at rest, in the order of the answers."""
    pairs = zip(to_scores(scoring), scoring.answers.values(), strict=True)
    return [s | {"variant": a["variant"], "sample": a["sample"]} for s, a in pairs]  # type: ignore
