"""How much better a model is on rows that it was trained on than on rows that it never saw."""

from collections.abc import Iterator
from typing import Any

from stages.compare.significance import Resampling, interval
from stages.core.draw import train_sample
from stages.core.records import Score
from stages.core.scores import KEYS, better

Sections = dict[str, dict[str, Any]]  # evaluate.sections


def train_sections(sections: Sections) -> set[str]:
    """Return the names of the sections of training rows: their set is another one's sample."""
    samples = {train_sample(section["set"]) for section in sections.values()}
    return {name for name, section in sections.items() if section["set"] in samples}


def pairs(sections: Sections) -> Iterator[tuple[str, str]]:
    """Yield each section of test rows with the section of training rows beside it.

    Their sets belong together, their skill and language are the same.
    """
    for test, asked in sections.items():
        wanted = train_sample(asked["set"]), asked.get("skill"), asked.get("language")
        for train, other in sections.items():
            if (other["set"], other.get("skill"), other.get("language")) == wanted:
                yield test, train
                break


def section_scores(scores: dict[str, Score], asked: dict[str, Any]) -> list[Score]:
    """Return the scores of a section's rows."""
    return [
        score
        for score in scores.values()
        if score["set"] == asked["set"] and asked.get("skill", score["skill"]) == score["skill"]
    ]


def means(key: str, scores: list[Score], name: str, resamples: int) -> tuple[int, Any]:
    """Return how many rows have a key, and its mean in each resample (None without a row).

    Oriented so that higher is better. A section's name decides its draws, so that the two sides of
    a gap are drawn apart.
    """
    import numpy as np

    weight = KEYS[key].weight
    found = [score["values"] for score in scores if key in score["values"]]
    if not found:
        return 0, None
    values = np.array([better(key, of_row[key], 0.0) for of_row in found])
    weights = np.array([of_row[weight] if weight else 1.0 for of_row in found])
    return len(found), Resampling(name, len(found), resamples).means(values, weights)


def gaps(
    metrics: dict[str, dict[str, float]],
    scores: dict[str, Score],
    sections: Sections,
    settings: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return the gaps of one model: test section -> the section beside it, and each key of both.

    Of a key: train, test (its values), gap = train - test (positive: better on what it was trained
    on, also for a loss), n_train, n_test, and low and high of an unpaired bootstrap.
    Source: Efron & Tibshirani 1993, An introduction to the bootstrap, section 8.3 (two samples)

    metrics: section -> key -> value, as metrics/models has it
    scores:  by row id
    """
    told: dict[str, dict[str, Any]] = {}
    for test, train in pairs(sections):
        keys: dict[str, dict[str, float]] = {}
        for key in sections[test]["metrics"]:
            values = [metrics.get(side, {}).get(key) for side in (train, test)]
            if key not in sections[train]["metrics"] or None in values:
                continue
            if KEYS[key].higher_is_better is None:
                continue
            (n_train, of_train), (n_test, of_test) = (
                means(key, section_scores(scores, sections[side]), side, settings["resamples"])
                for side in (train, test)
            )
            keys[key] = {
                "train": values[0],
                "test": values[1],
                "gap": better(key, *values),
                "n_train": n_train,
                "n_test": n_test,
                **interval(of_train - of_test, settings["confidence"]),
            }
        if keys:
            told[test] = {"train": train, "keys": keys}
    return told
