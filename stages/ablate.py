"""Set the wordings of the prompt side by side, model by model: what each changes, and how surely.

Reads:   data/scores/, data/variation_scores/
Writes:  metrics/ablation.json
Network: none

All deltas are to the wording that the model was trained with, over the same rows, positive when
better. The same rows, too, whatever the model, so that a column of the matrix is one of figures.
"""

from itertools import combinations
from typing import Any

from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_rows, write_json
from stages.core.pairing import (
    Scores,
    differences,
    having,
    read_scores,
    section_rows,
    span,
    values,
)
from stages.core.params import load
from stages.core.records import VariationScore
from stages.core.rounding import rounded
from stages.core.scores import KEYS
from stages.core.sections import alone
from stages.core.significance import Sampling, correct, paired, shown

PARAMS = ("ablation", "models", "transcripts", "evaluate.sections", "compare")
TRAINED = "as trained"  # no name of a variant: those have no space


def by_wording(
    own: Scores, varied: list[VariationScore], wordings: list[str], model: str
) -> dict[str, Scores]:
    """Return wording -> row id -> score, of the rows that were asked in every wording.

    own:    the model's scores of all test rows, in the wording as trained
    varied: its scores in other wordings; those of repeated answers are passed over
    model:  its name, for messages
    Raises: InputError naming each wording that lacks rows, or has some that `own` lacks.
    """
    found: dict[str, Scores] = {name: {} for name in wordings}
    for score in varied:
        if score["variant"] in found:
            found[score["variant"]][score["row"]] = score
    rows = {row for scores in found.values() for row in scores}
    faults = []
    for name, scores in {TRAINED: own, **found}.items():
        if missing := sorted(rows - scores.keys()):
            what = f"{len(missing)} rows are not scored, such as {missing[0]}"
            faults.append(
                Fault(f"{model}, wording {name}", what, "the same rows in all", "dvc repro")
            )
    if faults:
        raise InputError(*faults)
    return {TRAINED: {row: own[row] for row in own if row in rows}, **found}


def ablate(
    models: dict[str, dict[str, Scores]],
    sections: dict[str, dict[str, Any]],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Compare each model's wordings.

    models:   model -> wording -> row id -> score
    sections: those of `evaluate.sections` that hold the rows
    settings: the section `compare` of params.yaml
    Returns: models (model -> wording -> section -> key -> value, n, groups; and to the wording as
    trained delta, low, high, p, p_holm), primary (section -> key), best (model -> section, see
    `best`), order (of models and wordings, as params.yaml has them).
    p_holm is p corrected for the number of all tests of one model.
    """
    told: dict[str, Any] = {"models": {}, "best": {}, "confidence": settings["confidence"]}
    wordings_of = next(iter(models.values()), {})
    told["order"] = {"models": list(models), "wordings": list(wordings_of)}
    told["primary"] = {
        name: asked["primary"] for name, asked in sections.items() if "primary" in asked
    }
    for model, wordings in models.items():
        tested = []
        matrix: dict[str, Any] = {name: {} for name in wordings}
        for section, asked in sections.items():
            sampling = Sampling(settings["confidence"], settings["resamples"], section)
            for key in asked["metrics"]:
                if KEYS[key].higher_is_better is None:
                    continue
                trained = wordings[TRAINED]
                for name, scores in wordings.items():
                    rows = having(key, section_rows(trained, asked), scores, trained)
                    if not rows:
                        continue
                    own = values(key, scores, rows)
                    figure = {"value": own.mean, "n": own.n, "groups": own.groups}
                    if name != TRAINED:
                        figure |= change(key, scores, trained, rows, sampling)
                        tested.append(figure)
                    matrix[name].setdefault(section, {})[key] = figure
            if primary := asked.get("primary"):
                found = best(primary, wordings, asked, sampling)
                if found:
                    told["best"].setdefault(model, {})[section] = found
        correct(tested)
        told["models"][model] = matrix
    return rounded(told)


def change(
    key: str, own: Scores, other: Scores, rows: list[str], sampling: Sampling
) -> dict[str, float]:
    """Return by how much one wording is better than another: delta, n, groups, low, high, p."""
    found = paired(differences(key, own, other, rows), sampling, span(key))
    return {"delta": found.value} | found.told()


def best(
    key: str, wordings: dict[str, Scores], asked: dict[str, Any], sampling: Sampling
) -> dict[str, Any]:
    """Return a model's best wording by a key, and whether it is shown to be better than the others.

    Returns: wording, next (the one that comes closest to it), the difference to that, and shown:
    it is better than every other one, corrected for all pairs, since any might have come first
    """
    trained = wordings[TRAINED]
    rows = having(key, section_rows(trained, asked), *wordings.values())
    if not rows:
        return {}
    means = {name: values(key, scores, rows).mean for name, scores in wordings.items()}
    higher = KEYS[key].higher_is_better
    # Of equals the first of params.yaml, the wording as trained before all.
    ranked = sorted(means, key=lambda name: -means[name] if higher else means[name])
    pairs = {
        (one, other): change(key, wordings[one], wordings[other], rows, sampling)
        for one, other in combinations(ranked, 2)
    }
    correct(pairs.values())
    leading = [pairs[ranked[0], other] for other in ranked[1:]]
    return {
        "wording": ranked[0],
        "next": ranked[1],
        **pairs[ranked[0], ranked[1]],
        "shown": all(shown(pair, sampling.confidence) for pair in leading),
    }


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(__doc__, "--scores", "--variation-scores", "--ablation")
    params = load(PARAMS)
    ablation, wordings = params["ablation"], list(params["ablation"]["variants"])
    if not ablation["rows"] or not wordings:
        write_json(args.ablation, {})
        entry.say("ablate", "switched off: no rows or no variants in `ablation`")
        return
    transcripts = {each["name"] for each in params["transcripts"].values()}
    names = [each["name"] for each in params["models"].values()]
    models = {
        name: by_wording(
            read_scores(args.scores / f"{name}.jsonl"),
            read_rows(args.variation_scores / f"{name}.jsonl"),
            wordings,
            name,
        )
        for name in names
        if name not in transcripts  # nobody can ask those again
    }
    sections = {
        name: asked
        for name, asked in params["evaluate"]["sections"].items()
        if alone(asked, ablation["set"])
    }
    told = ablate(models, sections, params["compare"])
    write_json(args.ablation, told)
    clear = [
        f"{model}: {found['wording']}"
        for model, of in told["best"].items()
        for found in of.values()
        if found["shown"]
    ]
    message = f"{len(wordings)} wordings of {len(models)} models"
    entry.say("ablate", f"{message}; best: {', '.join(clear) or 'not shown for any'}")


if __name__ == "__main__":
    entry.run(main)
