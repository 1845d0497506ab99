"""How alike a model's answers to one prompt are, and how good: agreement, spread, diversity."""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Any

from stages.core.digest import canonical
from stages.core.intervals import Ends, Rows, Sampling
from stages.core.marks import words
from stages.core.significance import mean
from stages.profile.runs import Run

SHARE = (0.0, 1.0)
ABSENT = object()


def by_prompt(runs: Sequence[Run]) -> list[list[Run]]:
    """Return the runs, those of one prompt together."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.prompt, []).append(run)
    return list(found.values())


def agreement(values: Sequence[Hashable]) -> float | None:
    """Return the share of pairs of values that are the same, 0 to 1; None without a pair.

    Source: Fleiss 1971, https://doi.org/10.1037/h0031619 (the extent of agreement on a subject)
    """
    n = len(values)
    if n < 2:
        return None
    return sum(count * (count - 1) for count in Counter(values).values()) / (n * (n - 1))


def agreement_across(prompts: Sequence[Sequence[Hashable]]) -> float | None:
    """Return the share of pairs from different prompts that are the same: what chance alone gives.

    A model that says the same whatever it is asked agrees with itself, too.
    """

    def pairs(values: Sequence[Hashable]) -> tuple[int, int]:
        n = len(values)
        return sum(count * (count - 1) for count in Counter(values).values()), n * (n - 1)

    same, every = pairs([value for values in prompts for value in values])
    within = [pairs(values) for values in prompts]
    same, every = same - sum(each[0] for each in within), every - sum(each[1] for each in within)
    return same / every if every else None


def figure(
    values: Sequence[float], groups: Sequence[Hashable], sampling: Sampling, span: Ends = SHARE
) -> dict[str, float]:
    """Return a mean, n, and its interval over groups: value, n, low, high; nothing without rows."""
    if not values:
        return {}
    found = mean(Rows(values, groups), sampling, span)
    told = found.told()
    del told["groups"]
    return {"value": found.value} | told


def averaged(
    prompts: Sequence[Sequence[Run]], of_prompt: Any, sampling: Sampling
) -> dict[str, float]:
    """Return the mean of a figure of each prompt; n is how many prompts have one."""
    found = [(of_prompt(runs), runs[0].group) for runs in prompts]
    told = [(value, group) for value, group in found if value is not None]
    return figure([value for value, _ in told], [group for _, group in told], sampling)


def similarity(texts: Sequence[str]) -> float | None:
    """Return how alike texts are: the mean Jaccard similarity of their words, over pairs, 0 to 1.

    Source: https://en.wikipedia.org/wiki/Jaccard_index
    """
    sets = [frozenset(words(text)) for text in texts]
    found = [
        len(one & other) / len(one | other) if one | other else 1.0
        for at, one in enumerate(sets)
        for other in sets[at + 1 :]
    ]
    return sum(found) / len(found) if found else None


def spread(prompts: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the standard deviation of a score within a prompt, and between prompts.

    within: between the runs of one prompt; between: what is left of the variance of the prompts'
    means when the part that comes from the runs is taken off, 0 where that is all
    Source: the ANOVA estimators of one-way random effects, Searle, Casella & McCulloch 1992,
    Variance Components, chapter 3
    """
    filled = [values for values in prompts if values]
    n, count = sum(map(len, filled)), len(filled)
    if n == count or not filled:
        return {}
    means = [sum(values) / len(values) for values in filled]
    inside = sum(
        (value - middle) ** 2
        for values, middle in zip(filled, means, strict=True)
        for value in values
    )
    within = inside / (n - count)
    told = {"within_sd": sqrt(within)}
    if count > 1:
        whole = sum(sum(values) for values in filled) / n
        outside = sum(
            len(values) * (middle - whole) ** 2
            for values, middle in zip(filled, means, strict=True)
        )
        size = (n - sum(len(values) ** 2 for values in filled) / n) / (count - 1)
        told["between_sd"] = sqrt(max(0.0, (outside / (count - 1) - within) / size))
    return told


def value_of(record: Any, field: str) -> Any:
    """Return what stands at a dotted path of a record, or ABSENT."""
    for key in field.split("."):
        if not isinstance(record, dict) or key not in record:
            return ABSENT
        record = record[key]
    return record


def field_agreement(
    prompts: Sequence[Sequence[Run]], field: str, sampling: Sampling
) -> dict[str, float]:
    """Return how often two runs of one prompt have the same value of a field.

    Of the runs that hold an object; a field that both lack is the same. `across` is how often two
    runs of different prompts do.
    """

    def held(runs: Sequence[Run]) -> list[str]:
        found = (value_of(run.record, field) for run in runs if isinstance(run.record, dict))
        return ["" if value is ABSENT else canonical(value) for value in found]

    told = averaged(prompts, lambda runs: agreement(held(runs)), sampling)
    across = agreement_across([held(runs) for runs in prompts])
    return told | ({} if across is None else {"across": across})


def consistency(
    runs: Sequence[Run], fields: Sequence[str] | None, span: Ends, sampling: Sampling
) -> dict[str, Any]:
    """Return how alike and how good a model's runs are.

    fields: the keys of a record that are looked at; None where the answers need be no JSON
    span:   of the primary metric
    Returns: answers, prompts, groups (of prompts that belong together), distinct (of all answers),
    distinct_in_prompt, self_similarity; quality, within_sd, between_sd of the primary metric; with
    `fields`: parses, schema_valid, schema_agreement, fields. Each with n and its interval over
    groups.
    """
    prompts = by_prompt(runs)
    told: dict[str, Any] = {"answers": len(runs), "prompts": len(prompts)}
    told["groups"] = len({run.group for run in runs})
    told["distinct"] = len({run.text for run in runs})

    def distinct(of_prompt: Sequence[Run]) -> float | None:
        return len({run.text for run in of_prompt}) / len(of_prompt) if of_prompt[1:] else None

    told["distinct_in_prompt"] = averaged(prompts, distinct, sampling)
    told["self_similarity"] = averaged(
        prompts, lambda of_prompt: similarity([run.text for run in of_prompt]), sampling
    )
    scored = [(run.score, run.group) for run in runs if run.score is not None]
    told["quality"] = figure([s for s, _ in scored], [g for _, g in scored], sampling, span)
    told |= spread([[r.score for r in each if r.score is not None] for each in prompts])
    if fields is not None:
        groups = [run.group for run in runs]
        told["parses"] = figure([float(run.parses) for run in runs], groups, sampling)
        told["schema_valid"] = figure([float(run.valid) for run in runs], groups, sampling)
        told["schema_agreement"] = averaged(
            prompts, lambda of_prompt: agreement([run.valid for run in of_prompt]), sampling
        )
        told["fields"] = {field: field_agreement(prompts, field, sampling) for field in fields}
    return told
