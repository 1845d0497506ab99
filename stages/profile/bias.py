"""Whom each model's answers describe, beside the training rows and the other models."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

from stages.core.intervals import SPARSE, Sampling
from stages.core.significance import correct
from stages.profile.association import Attribute, association, joint
from stages.profile.attributes import (
    Distribution,
    Held,
    class_of,
    classes,
    distribution,
    entropy,
)
from stages.profile.distances import to_dataset, to_model

# No name of a model: those have no space.
DATASET = "the dataset"
ONE_OF_SEVERAL = "the set {}"


def called(sets: Sequence[str]) -> dict[str, str]:
    """Return what the training rows of each set are called: the dataset, where there is one."""
    return {each: DATASET if len(sets) == 1 else ONE_OF_SEVERAL.format(each) for each in sets}


def bias(
    held: Mapping[str, Held],
    datasets: Mapping[str, Held],
    attributes: Mapping[str, Any],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Tell the distribution of attributes, their distances and their associations.

    held:       model -> group and record of each of its answers
    datasets:   what a set is called (`called`) -> group and record of each of its training rows
    attributes: `profile.attributes`
    settings:   the section `compare` of params.yaml
    Returns: datasets (their names), attributes (name -> classes, distributions, distances, and by,
    where it is asked for) and
    associations (pair of attributes -> who -> value, n; of a model also to: the distance to each
    dataset's)
    p_holm: corrected for the number of attributes that the same two were compared by, or of pairs
    of attributes of one model. enough: there are groups of prompts enough to show anything.
    """
    everyone = {**datasets, **held}
    told: dict[str, Any] = {"datasets": list(datasets), "attributes": {}, "associations": {}}
    tested: dict[tuple[str, str], list[dict[str, float]]] = {}
    known: dict[str, tuple[Any, list[str]]] = {}
    for name, asked in attributes.items():
        counted = [Counter(class_of(record, asked) for _, record in of) for of in everyone.values()]
        names = classes(asked, counted)
        known[name] = asked, names
        found = {who: distribution(of, asked, names) for who, of in everyone.items()}
        sampling = Sampling(settings["confidence"], settings["resamples"], name)
        pairs = distances(found, list(datasets), list(held), sampling)
        for pair, distance in pairs.items():
            tested.setdefault(pair, []).append(distance)
        told["attributes"][name] = {
            "classes": names,
            "distributions": {who: figures(each, names) for who, each in found.items()},
            "distances": nested(pairs),
        }
    for name, asked in attributes.items():
        if by := asked.get("by"):
            held_by = crossed(everyone, known[by], known[name])
            told["attributes"][name]["by"] = {"attribute": by, "classes": held_by}
    for pair, family in tested.items():
        correct(family)
        if not {*pair} & datasets.keys():
            for each in family:  # no permutation of so few gives a p that outlives the correction
                least = 2 ** (1 - each["n"]) * len(family)
                each["enough"] = each["enough"] and least < 1 - settings["confidence"]
    related: dict[tuple[str, str], list[dict[str, float]]] = {}
    for one, other in combinations(known, 2):
        sampling = Sampling(settings["confidence"], settings["resamples"], f"{one} {other}")
        shape = len(known[one][1]), len(known[other][1])
        tables = {who: joint(of, known[one], known[other]) for who, of in everyone.items()}
        pair = told["associations"][f"{one} and {other}"] = {}
        for who in held:
            pair[who] = related_to(tables, who, list(datasets), shape, sampling)
            for name, each in pair[who].get("to", {}).items():
                related.setdefault((who, name), []).append(each)
    for family in related.values():
        correct(family)
    return told


def crossed(
    everyone: Mapping[str, Held], by: Attribute, asked: Attribute
) -> dict[str, dict[str, Any]]:
    """Return the shares of an attribute's classes within each class of another one, and n.

    Returns: class of the other one -> who -> n (answers with a class of both), shares
    """
    shape = len(by[1]), len(asked[1])
    tables = {
        who: joint(of, by, asked).counts.sum(0).reshape(shape) for who, of in everyone.items()
    }
    told: dict[str, dict[str, Any]] = {}
    for at, each in enumerate(by[1]):
        told[each] = {}
        for who, counts in tables.items():
            n = int(counts[at].sum())
            shares = dict(zip(asked[1], (counts[at] / max(n, 1)).tolist(), strict=True))
            told[each][who] = {"n": n, "shares": shares}
    return told


def related_to(
    tables: Mapping[str, Distribution],
    who: str,
    datasets: Sequence[str],
    shape: tuple[int, int],
    sampling: Sampling,
) -> dict[str, Any]:
    """Return how strongly two attributes hang together in a model's answers, beside each dataset.

    tables: of the datasets and of the models
    Returns: value, n (groups of prompts), enough; to: dataset -> its value (dataset), delta, low,
    high, p. Nothing where nobody was counted.
    """
    told: dict[str, Any] = {}
    for name in datasets:
        each = association(tables[who], tables[name], shape, sampling)
        if not each:
            return {}
        told |= {"value": each.pop("value"), "n": each.pop("n")}
        if each:
            told.setdefault("to", {})[name] = each
    return told | {"enough": told["n"] >= SPARSE}


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
    found: Mapping[str, Distribution], datasets: list[str], models: list[str], sampling: Sampling
) -> dict[tuple[str, str], dict[str, float]]:
    """Return the distances of all models to each dataset, and of each two models."""
    pairs = {}
    for model, dataset in product(models, datasets):
        if found[model].n and found[dataset].n:
            pairs[model, dataset] = to_dataset(found[model], found[dataset], sampling)
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
