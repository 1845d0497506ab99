"""Set an adapter beside the model it stands on and beside the base: what changed, and how surely.

Reads:   metrics/models/{<name>,<on>,<base>}.json, data/scores/{<name>,<on>,<base>}.jsonl
Writes:  metrics/comparison/<name>.json
Network: none

All deltas are positive when better. The rows are paired: both models answered the same ones.
Sections of training rows are not compared; they are one side of the gap between train and test.
"""

import os
from typing import Any

from stages.compare.forgetting import Lost, forgetting_and_recovery, lost
from stages.compare.gap import gaps, train_sections
from stages.core import entry
from stages.core.jsonl import read_json, write_json
from stages.core.pairing import (
    Scores,
    differences,
    having,
    read_scores,
    same_rows,
    section_rows,
    span,
)
from stages.core.params import load
from stages.core.rounding import rounded
from stages.core.scores import KEYS, better
from stages.core.sections import alone
from stages.core.significance import Sampling, correct, paired

PARAMS = ("base.set", "evaluate.sections", "compare")


def delta(
    key: str,
    values: tuple[float, float],
    models: tuple[Scores, Scores],
    rows: list[str],
    sampling: Sampling,
) -> dict[str, float]:
    """Compare two models by one key of one section.

    values: this model's and the other's, as metrics/models has it
    models: likewise
    Returns: value (the other's), delta, n, groups, low, high, p
    """
    told = {"value": values[1], "delta": better(key, *values), "n": 0}
    if found := having(key, rows, *models):
        told |= paired(differences(key, *models, found), sampling, span(key)).told()
    return told


def compare(
    names: dict[str, str],
    metrics: dict[str, dict[str, dict[str, float]]],
    scores: dict[str, Scores],
    sections: dict[str, dict[str, Any]],
    base_set: str | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Compare one adapter with the model it stands on and with the base.

    names:    self, on, base -> the models' names
    metrics:  self, on, base -> section -> key -> value
    scores:   self, on, base -> row id -> Score
    base_set: the set that the base is good at: `all` is over its sections that have a primary key
              (one that spans several sets is compared, and is not in `all`: its rows are already)
    Returns: sections, all (see `forgetting_and_recovery`), gap (see `gaps`), where there are any.
    p_holm is p corrected for the number of tests of this model against the same other one: a
    primary metric's for those of the sections' primary metrics, another one's for all the others.
    """
    on_base = names["on"] == names["base"]
    told: dict[str, Any] = {"model": names["self"], "on": names["on"], "base": names["base"]}
    told["sections"] = {}
    of_base_set: dict[str, Lost] = {}
    trained_on = train_sections(sections)
    for name, asked in sections.items():
        if name in trained_on:
            continue
        rows = section_rows(scores["self"], asked)
        sampling = Sampling(settings["confidence"], settings["resamples"], name)
        groups = {scores["self"][row].get("group", row) for row in rows}
        found: dict[str, Any] = {"n": len(rows), "groups": len(groups), "keys": {}}
        for key in asked["metrics"]:
            values = {side: of_model.get(name, {}).get(key) for side, of_model in metrics.items()}
            if values["self"] is None or KEYS[key].higher_is_better is None:
                continue
            found["keys"][key] = {"value": values["self"]}
            for side in ("on", "base"):
                if side == "base" and on_base:
                    if "on" in found["keys"][key]:
                        found["keys"][key]["base"] = found["keys"][key]["on"]
                elif values[side] is not None:
                    pair = values["self"], values[side]
                    models = scores["self"], scores[side]
                    found["keys"][key][side] = delta(key, pair, models, rows, sampling)
        primary = asked.get("primary")
        if primary and (of_primary := lost(primary, scores, rows, name)):
            found["primary"] = primary
            found |= forgetting_and_recovery([of_primary], settings)
            if base_set is not None and alone(asked, base_set):
                of_base_set[name] = of_primary
        told["sections"][name] = found
    # Few questions are asked beforehand, the primary ones: the many others must not drown them.
    for primary in (True, False):
        family = [
            found
            for name, of in told["sections"].items()
            for key, found in of["keys"].items()
            if (key == sections[name].get("primary")) is primary
        ]
        for side in ("on",) if on_base else ("on", "base"):
            correct(found[side] for found in family if side in found)
    if found_gaps := gaps(metrics["self"], scores["self"], sections, settings):
        told["gap"] = found_gaps
    if of_base_set:
        together = forgetting_and_recovery(list(of_base_set.values()), settings)
        told["all"] = {"sections": list(of_base_set)} | together
    return rounded(told)


def main() -> None:
    """Read three models, compare, write."""
    args = entry.flags(
        __doc__, "--metrics", "--scores", "--comparison", names=("--name", "--on", "--base")
    )
    params = load(PARAMS)
    names = {"self": args.name, "on": args.on, "base": args.base}
    metrics = {side: read_json(args.metrics / f"{name}.json") for side, name in names.items()}
    files = {side: args.scores / f"{name}.jsonl" for side, name in names.items()}
    scores = {side: read_scores(path) for side, path in files.items()}
    same_rows({files[side]: of_model for side, of_model in scores.items()})
    told = compare(
        names, metrics, scores, params["evaluate"]["sections"], params["base"]["set"],
        params["compare"],
    )  # fmt: skip
    write_json(args.comparison, told)
    whole = told.get("all", {})
    both = [what for what in ("forgetting", "recovery") if what in whole]
    figures = ", ".join(f"{what} {whole[what]['value']:.2f}" for what in both)
    entry.say("compare", f"{args.name} with {args.on} and {args.base}: {figures or 'done'}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the products are small: threads only wait
    entry.run(main)
