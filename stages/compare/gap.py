"""How much better a model is on rows that it was trained on than on rows that it never saw."""

from collections.abc import Iterable, Iterator
from typing import Any

from stages.core.draw import train_sample
from stages.core.pairing import Scores, having, section_rows, span
from stages.core.pairing import values as of_rows
from stages.core.scores import KEYS, better
from stages.core.sections import is_trained, sets_of
from stages.core.significance import Sampling, correct, unpaired

Sections = dict[str, dict[str, Any]]  # evaluate.sections


def train_sections(sections: Sections) -> set[str]:
    """Return the names of the sections of training rows."""
    return {name for name, section in sections.items() if is_trained(section, sections)}


def pairs(sections: Sections) -> Iterator[tuple[str, str]]:
    """Yield each section of test rows with the section of training rows beside it.

    Their sets belong together, their skill and language are the same.
    """

    def kind(names: Iterable[str], section: dict[str, Any]) -> tuple[set[str], Any, Any]:
        return set(names), section.get("skill"), section.get("language")

    for test, asked in sections.items():
        wanted = kind(map(train_sample, sets_of(asked)), asked)
        for train, other in sections.items():
            if kind(sets_of(other), other) == wanted:
                yield test, train
                break


def gaps(
    metrics: dict[str, dict[str, float]],
    scores: Scores,
    sections: Sections,
    settings: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return the gaps of one model: test section -> the section beside it, and each key of both.

    Of a key: train, test (its values), gap = train - test (positive: better on what it was trained
    on, also for a loss), n_train, n_test, groups_train, groups_test, low and high of two samples,
    p, and p_holm over all gaps of the model.

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
            sides = [
                having(key, section_rows(scores, sections[side]), scores) for side in (train, test)
            ]
            keys[key] = {"train": values[0], "test": values[1], "gap": better(key, *values)}
            keys[key] |= {"n_train": len(sides[0]), "n_test": len(sides[1])}
            if all(sides):
                of_train, of_test = (of_rows(key, scores, rows) for rows in sides)
                sampling = Sampling(settings["confidence"], settings["resamples"], test)
                found = unpaired(of_train, of_test, sampling, span(key))
                found = found if KEYS[key].higher_is_better else found.negated()
                keys[key] |= {"groups_train": of_train.groups, "groups_test": of_test.groups}
                keys[key] |= {of: v for of, v in found.told().items() if of not in ("n", "groups")}
        if keys:
            told[test] = {"train": train, "keys": keys}
    correct([key for of in told.values() for key in of["keys"].values()])
    return told
