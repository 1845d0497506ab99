"""What an adapter lost of the base's skill, and what came back of what the model below had lost."""

from typing import Any

from stages.compare.significance import Section, interval
from stages.core.records import Score
from stages.core.scores import KEYS, better


def primary_means(
    key: str, models: dict[str, dict[str, Score]], section: Section
) -> dict[str, Any] | None:
    """Return each model's value of a primary key: `observed`, and in each resample (`drawn`).

    Oriented so that higher is better (a loss is negated). None where a model lacks the key.
    """
    import numpy as np

    weight = KEYS[key].weight
    every = models.values()
    rows = [row for row in section.rows if all(key in of[row]["values"] for of in every)]
    if not rows:
        return None
    resampling = section.resampling(len(rows))
    means: dict[str, Any] = {}
    for model, scores in models.items():
        values = np.array([better(key, scores[row]["values"][key], 0.0) for row in rows])
        weights = np.array([scores[row]["values"][weight] if weight else 1.0 for row in rows])
        observed = float((values * weights).sum() / weights.sum())
        means[model] = {"observed": observed, "drawn": resampling.means(values, weights)}
    return means


def forgetting_and_recovery(
    means: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Return forgetting = base - self and recovery = (self - on) / (base - on), with intervals.

    means: of one section, or of several that count alike (their mean is compared)
    Recovery is absent where base - on < eps: the model below had lost nothing to speak of (one that
    stands on the base itself, a skill that the base never had). Its interval is absent where that
    holds for more than one resample in 20. Forgetting: higher is worse.
    """
    import numpy as np

    def mean(model: str, which: str) -> Any:
        return np.mean([of_section[model][which] for of_section in means], axis=0)

    eps, confidence = settings["eps"], settings["confidence"]
    (own, on, base), of_draws = (
        [mean(model, which) for model in ("self", "on", "base")] for which in ("observed", "drawn")
    )
    lost = interval(of_draws[2] - of_draws[0], confidence)
    told = {"forgetting": {"value": float(base - own)} | lost}
    if base - on >= eps:
        told["recovery"] = {"value": float((own - on) / (base - on))}
        gap = of_draws[2] - of_draws[1]
        sure = gap >= eps
        if sure.mean() >= 0.95:
            ratio = (of_draws[0] - of_draws[1])[sure] / gap[sure]
            told["recovery"] |= interval(ratio, confidence)
    return told
