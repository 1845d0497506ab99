"""Set an adapter beside the model it stands on and beside the base: what changed, and how surely.

Reads:   metrics/models/{<name>,<on>,<base>}.json, data/scores/{<name>,<on>,<base>}.jsonl
Writes:  metrics/comparison/<name>.json
Network: none

All deltas are positive when better. The rows are paired: both models answered the same ones.
Sections of training rows are not compared; they are one side of the gap between train and test.
"""

from pathlib import Path
from typing import Any

from stages.compare.forgetting import forgetting_and_recovery, primary_means
from stages.compare.gap import gaps, section_scores, train_sections
from stages.compare.significance import Section, interval
from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json, read_rows, write_json
from stages.core.params import load
from stages.core.records import Score
from stages.core.scores import KEYS, better

PARAMS = ("base.set", "evaluate.sections", "compare")
DIGITS = 5
Scores = dict[str, Score]  # by row id, of one model


def paired(key: str, own: Scores, other: Scores, rows: list[str]) -> tuple[list, list, list]:
    """Return the differences (positive when better), their weights, and the rows that have both."""
    weight = KEYS[key].weight
    differences, weights, found = [], [], []
    for row in rows:
        one, two = own[row]["values"], other[row]["values"]
        if key in one and key in two:
            differences.append(better(key, one[key], two[key]))
            weights.append(one[weight] if weight else 1.0)
            found.append(row)
    return differences, weights, found


def delta(
    key: str, values: tuple[float, float], own: Scores, other: Scores, section: Section
) -> dict[str, float]:
    """Compare two models by one key of one section.

    values: this model's and the other's, as metrics/models has them
    Returns: value (the other's), delta, n, low, high, p
    """
    import numpy as np

    differences, weights, found = paired(key, own, other, section.rows)
    told = {"value": values[1], "delta": better(key, *values), "n": len(found)}
    if found:
        resampling = section.resampling(len(found))
        arrays = np.array(differences), np.array(weights)
        told |= interval(resampling.means(*arrays), section.settings["confidence"])
        told["p"] = resampling.p(*arrays)
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
    Returns: sections, all (see `forgetting_and_recovery`) and gap (see `gaps`), where there are any
    """
    on_base = names["on"] == names["base"]
    told: dict[str, Any] = {"model": names["self"], "on": names["on"], "base": names["base"]}
    told["sections"] = {}
    of_base_set = {}
    trained_on = train_sections(sections)
    for name, asked in sections.items():
        if name in trained_on:
            continue
        rows = [score["row"] for score in section_scores(scores["self"], asked)]
        section = Section(name, rows, settings)
        found: dict[str, Any] = {"n": len(rows), "keys": {}}
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
                    found["keys"][key][side] = delta(
                        key, pair, scores["self"], scores[side], section
                    )
        primary = asked.get("primary")
        means = primary_means(primary, scores, section) if primary else None
        if means:
            found["primary"] = primary
            found |= forgetting_and_recovery([means], settings)
            if asked["set"] == base_set:
                of_base_set[name] = means
        told["sections"][name] = found
    if found_gaps := gaps(metrics["self"], scores["self"], sections, settings):
        told["gap"] = found_gaps
    if of_base_set:
        together = forgetting_and_recovery(list(of_base_set.values()), settings)
        told["all"] = {"sections": list(of_base_set)} | together
    return rounded(told)


def rounded(value: Any) -> Any:
    """Round every number inside to DIGITS: what differs beyond that is the machine's.

    A p keeps two significant digits instead.
    """
    if isinstance(value, dict):
        return {
            key: float(f"{inner:.2g}") if key == "p" else rounded(inner)
            for key, inner in value.items()
        }
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no -0.0
    return value


def read_scores(path: Path) -> Scores:
    """Read one model's scores, by row id."""
    return {score["row"]: score for score in read_rows(path)}


def main() -> None:
    """Read three models, compare, write."""
    args = entry.flags(
        __doc__, "--metrics", "--scores", "--comparison", names=("--name", "--on", "--base")
    )
    params = load(PARAMS)
    names = {"self": args.name, "on": args.on, "base": args.base}
    metrics = {side: read_json(args.metrics / f"{name}.json") for side, name in names.items()}
    scores = {side: read_scores(args.scores / f"{name}.jsonl") for side, name in names.items()}
    for side in ("on", "base"):
        if scores[side].keys() != scores["self"].keys():
            where = str(args.scores / f"{names[side]}.jsonl")
            what = f"scores other rows than {names['self']}.jsonl"
            raise InputError(Fault(where, what, "the same test rows", "dvc repro"))
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
    entry.run(main)
