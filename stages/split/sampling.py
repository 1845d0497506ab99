"""Take some of the training rows to be answered and scored beside the test rows, on purpose."""

from typing import Any

from stages.core.draw import draw, train_sample
from stages.core.errors import ConfigError, Fault
from stages.core.holdout import Side
from stages.core.records import Row


def train_samples(
    parts: dict[str, dict[Side, list[Row]]], sets: dict[str, Any], seed: int
) -> dict[str, list[Row]]:
    """Return set -> so many of its training rows as `train_sample` says, or all that there are.

    They are of a set of their own (`<set>_train`), and are the ones that every mix draws first: an
    adapter that takes as many rows of the set trains on all of them. No row is sampled twice, since
    an answer is known by its row's id.

    parts: the rows of each set by side
    Raises: ConfigError where a set has none to sample, or bears the name of a sample.
    """
    faults = [
        Fault(f"params.yaml: sets.{taken}", f"is what the training sample of {name!r} is called")
        for name in sets
        if (taken := train_sample(name)) in sets
    ]
    seen = {row["id"] for by_side in parts.values() for row in by_side["test"]}
    samples: dict[str, list[Row]] = {}
    for name, spec in sets.items():
        asked, trained = spec.get("train_sample", 0), parts[name]["train"]
        if asked and not trained and any(parts[name].values()):
            what = "there are no training rows to sample"
            faults.append(
                Fault(f"params.yaml: sets.{name}.train_sample", what, "0, or leave it out")
            )
        fresh = {row["id"]: row for row in trained if row["id"] not in seen}
        drawn = draw(list(fresh.values()), min(asked, len(fresh)), seed)
        seen.update(row["id"] for row in drawn)
        if asked:
            samples[name] = [{**row, "set": train_sample(name)} for row in drawn]
    if faults:
        raise ConfigError(*faults)
    return samples
