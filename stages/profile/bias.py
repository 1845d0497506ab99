"""Whom each model's answers describe, beside the dataset and the other models."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from stages.core.intervals import SPARSE, Sampling
from stages.core.significance import correct
from stages.profile.association import association, joint
from stages.profile.attributes import (
    Distribution,
    Held,
    class_of,
    classes,
    distribution,
    entropy,
)
from stages.profile.distances import to_dataset, to_model

DATASET = "the dataset"  # no name of a model: those have no space


def bias(
    held: Mapping[str, Held], dataset: Held, attributes: Mapping[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Tell the distribution of attributes, their distances and their associations.

    held:       model -> group and record of each of its answers
    dataset:    group and record of each training row
    attributes: `profile.attributes`
    settings:   the section `compare` of params.yaml
    Returns: attributes (name -> classes, shares, apart, distances) and associations
    p_holm: corrected for the number of attributes that the same two were compared by, or of pairs
    of attributes of one model. enough: there are groups of prompts enough to show anything.
    """
    everyone = {DATASET: dataset, **held}
    told: dict[str, Any] = {"attributes": {}, "associations": {}}
    tested: dict[tuple[str, str], list[dict[str, float]]] = {}
    known: dict[str, tuple[Any, list[str]]] = {}
    for name, asked in attributes.items():
        counted = [Counter(class_of(record, asked) for _, record in of) for of in everyone.values()]
        names = classes(asked, counted)
        known[name] = asked, names
        found = {who: distribution(of, asked, names) for who, of in everyone.items()}
        sampling = Sampling(settings["confidence"], settings["resamples"], name)
        pairs = distances(found, list(held), sampling)
        for pair, distance in pairs.items():
            tested.setdefault(pair, []).append(distance)
        told["attributes"][name] = {
            "classes": names,
            "distributions": {who: figures(each, names) for who, each in found.items()},
            "distances": nested(pairs),
        }
    for pair, family in tested.items():
        correct(family)
        if DATASET not in pair:
            for each in family:  # no permutation of so few gives a p that outlives the correction
                least = 2 ** (1 - each["n"]) * len(family)
                each["enough"] = each["enough"] and least < 1 - settings["confidence"]
    related: dict[str, list[dict[str, float]]] = {}
    for one, other in combinations(known, 2):
        sampling = Sampling(settings["confidence"], settings["resamples"], f"{one} {other}")
        shape = len(known[one][1]), len(known[other][1])
        whole = joint(dataset, known[one], known[other])
        found_ = {
            who: association(joint(of, known[one], known[other]), whole, shape, sampling)
            for who, of in held.items()
        }
        told["associations"][f"{one} and {other}"] = found_
        for who, each in found_.items():
            if each:
                each["enough"] = each["n"] >= SPARSE
                related.setdefault(who, []).append(each)
    for family in related.values():
        correct(family)
    return told


def figures(found: Distribution, names: list[str]) -> dict[str, Any]:
    """Return what is told of a distribution: shares, evenness, n, and what fell into no class."""
    return {
        "shares": dict(zip(names, map(float, found.shares), strict=True)) if found.n else {},
        "evenness": entropy(found.shares),
        "n": found.n,
        "missing": found.missing,
        "invalid": found.invalid,
    }


def distances(
    found: Mapping[str, Distribution], models: list[str], sampling: Sampling
) -> dict[tuple[str, str], dict[str, float]]:
    """Return the distances of all models to the dataset, and of each two models."""
    pairs = {}
    for model in models:
        if found[model].n and found[DATASET].n:
            pairs[model, DATASET] = to_dataset(found[model], found[DATASET], sampling)
    for one, other in combinations(models, 2):
        if distance := to_model(found[one], found[other], sampling):
            pairs[one, other] = distance
    for distance in pairs.values():
        distance["enough"] = distance["n"] >= SPARSE
    return pairs


def nested(pairs: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    """Return pairs as a mapping of mappings, as JSON has them."""
    told: dict[str, dict[str, Any]] = {}
    for (one, other), distance in pairs.items():
        told.setdefault(one, {})[other] = distance
    return told
