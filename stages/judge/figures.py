"""What the verdicts amount to: metrics/judge.json."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

from stages.core.rounding import rounded
from stages.core.scores import KEYS
from stages.core.sections import alone
from stages.core.significance import Rows, Sampling, correct, mcnemar, paired
from stages.judge.agreement import agreement, sign
from stages.judge.comparisons import Comparison
from stages.judge.verdicts import TIE

Judged = tuple[Comparison, dict[str, Any]]


def preference(about: Comparison, verdict: dict[str, Any]) -> int | None:
    """Return 1 where the second model of the pair won, -1 the first, 0 a tie; None: no verdict."""
    winner = verdict["winner"]
    return None if winner is None else 0 if winner == TIE else 2 * about.models.index(winner) - 1


def win_rate(judged: list[Judged], settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the share of rows that the pair's second model wins, a tie as half of one.

    Returns: value; low, high, n, groups; p, two-sided, of no preference: the sign test of the rows
    that one model won (McNemar's exact), or of whole groups, where rows share one
    """
    values = [float(preference(*each) or 0) for each in judged]
    if not values:
        return {"n": 0}
    sampling = Sampling(settings["confidence"], settings["resamples"], name)
    found = paired(Rows(values, [about.group for about, _ in judged]), sampling, (0, 1))
    ends = {end: (1 + at) / 2 for end, at in found.told().items() if end in ("low", "high")}
    return {"value": (1 + found.value) / 2} | found.told() | ends


def positions(asked: list[dict[str, Any]]) -> dict[str, float]:
    """Return what the order of the answers decides; asked: verdicts of both orders.

    consistency: share of the `n` rows with one verdict in both orders
    first:       share of the `first_n` verdicts, ties apart, for the answer that stood first; 0.5
                 without a bias, since every pair is asked in both orders
    both_first, both_second: rows where one position won in both orders; p: their sign test
    """
    if not asked:
        return {"n": 0}
    orders = [each["orders"] for each in asked]
    told: dict[str, float] = {"n": len(asked)}
    told["consistency"] = sum(each["how"] == "agreed" for each in asked) / len(asked)
    decided = [one for both in orders for one in both if one["winner"] != TIE]
    if decided:
        told["first"] = sum(one["winner"] == one["first"] for one in decided) / len(decided)
        told["first_n"] = len(decided)
    sides = [
        tuple(one["winner"] == one["first"] for one in both)
        for both in orders
        if TIE not in (both[0]["winner"], both[1]["winner"])
    ]
    first, second = sides.count((True, True)), sides.count((False, False))
    return told | {"both_first": first, "both_second": second, "p": mcnemar(first, second)}


def lengths(judged: list[Judged], primary: Callable[[str], str | None]) -> dict[str, float]:
    """Return how often the longer answer wins, by the judge and by the primary metric.

    judge:  of the `n` rows that one model won, with answers of unlike length
    metric: of those `metric_n` that differ by the primary metric, too. A judge whose share is well
            above the metric's may like length for itself.
    """
    unlike = []
    for about, verdict in judged:
        longer = sign(len(about.texts[1]) - len(about.texts[0]))
        key = primary(about.skill)
        scored = sign((about.gain(key) or 0.0) if key else 0.0)
        if longer and (won := preference(about, verdict)):
            unlike.append((longer == won, (longer == scored) if scored else None))
    told: dict[str, float] = {"n": len(unlike)}
    if unlike:
        told["judge"] = sum(won for won, _ in unlike) / len(unlike)
    if scores := [scored for _, scored in unlike if scored is not None]:
        told |= {"metric": sum(scores) / len(scores), "metric_n": len(scores)}
    return told


def with_metrics(judged: list[Judged], keys: list[str]) -> dict[str, dict[str, float]]:
    """Return the agreement with each metric, over the rows that were asked and have its score.

    A metric that prefers neither model where the judge prefers one is left out: it says nothing.
    """
    told = {}
    for key in keys:
        pairs = [
            (preference(about, verdict) or 0, sign(gain))
            for about, verdict in judged
            if (gain := about.gain(key)) is not None
        ]
        if (found := agreement(pairs))["n"]:
            told[key] = found
    return told


def of_pair(
    judged: list[Judged],
    keys: list[str],
    primary: Callable[[str], str | None],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return one judge's figures of one pair; settings: section `compare` of params.yaml."""
    (about, _), *_ = judged
    how = Counter(verdict["how"] for _, verdict in judged)
    settled = [each for each in judged if each[1]["winner"] is not None]
    asked = [each for each in settled if each[1]["how"] != "identical"]
    wins = Counter(verdict["winner"] for _, verdict in settled)
    return {
        "models": list(about.models),
        "rows": len(judged),
        "identical": how["identical"],
        "judged": len(asked),
        "failed": how["failed"],
        "wins": {model: wins[model] for model in about.models},
        "ties": wins[TIE],
        "flipped": how["flipped"],
        "win_rate": win_rate(settled, settings, " ".join(about.models)),
        "position": positions([verdict for _, verdict in asked]),
        "length": lengths(asked, primary),
        "metrics": with_metrics(asked, keys),
    }


def figures(
    judged: list[Judged],
    sections: dict[str, dict[str, Any]],
    primary: Callable[[str], str | None],
    params: dict[str, Any],
) -> dict[str, Any]:
    """Return metrics/judge.json.

    offline: the judges that are the fake one, where there are any
    judges:  name -> pair ("<first> and <second>") -> figures
    between: pair -> "<judge> and <judge>" -> agreement, where there are several
    p_holm is p corrected for the number of all pairs of all judges.
    """
    name = params["judge"]["set"]
    keys = dict.fromkeys(
        key
        for section in sections.values()
        if alone(section, name)
        for key in section["metrics"]
        if key in KEYS and KEYS[key].higher_is_better is not None
    )
    by: dict[str, dict[str, list[Judged]]] = {}
    for about, verdict in judged:
        pair = " and ".join(about.models)
        by.setdefault(verdict["judge"], {}).setdefault(pair, []).append((about, verdict))
    told: dict[str, Any] = {"set": name, "confidence": params["compare"]["confidence"]}
    judges = params["judge"]["teachers"]
    if offline := [each["name"] for each in judges if each["base_url"] == "offline"]:
        told["offline"] = offline
    told["judges"] = {
        judge: {
            pair: of_pair(found, list(keys), primary, params["compare"])
            for pair, found in pairs.items()
        }
        for judge, pairs in by.items()
    }
    correct(found["win_rate"] for pairs in told["judges"].values() for found in pairs.values())
    for one, two in combinations(by, 2):
        for pair in by[one]:
            said = [[preference(*each) for each in by[judge][pair]] for judge in (one, two)]
            asked = [not about.identical for about, _ in by[one][pair]]
            both = [
                (a, b)
                for a, b, was in zip(*said, asked, strict=True)
                if was and a is not None and b is not None
            ]
            between = told.setdefault("between", {}).setdefault(pair, {})
            between[f"{one} and {two}"] = agreement(both)
    return rounded(told)
