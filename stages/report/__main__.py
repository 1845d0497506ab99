"""Write the summary, the report, the probes side by side, and the curves of all models.

Reads:   metrics/{data,sources,splits,diversity,ablation,profile,layers,judge}.json,
         metrics/{models,comparison,curves,costs}/, data/answers/, data/scores/, the recipe's noise
         and verdicts
Writes:  metrics/summary.json, metrics/report.md, metrics/probes.md, metrics/{curves,scores}.csv
Network: none
"""

import csv
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json, read_rows, replacing, write_json
from stages.core.pairing import read_scores
from stages.core.params import load
from stages.core.verdicts import read_verdicts
from stages.report import (
    ablation,
    judge,
    layers,
    noise,
    price,
    profile,
    sources,
    transcripts,
    verdicts,
)
from stages.report.first_table import first_table
from stages.report.overfitting import rises
from stages.report.probes import probes
from stages.report.scores_csv import lines, write_scores
from stages.report.summary import alarms, summarise
from stages.report.tables import report
from stages.report.transfer import backward_transfer

PARAMS = (
    "recipe",
    "adapters",
    "models",
    "transcripts",
    "base.set",
    "seed",
    "evaluate.probes",
    "evaluate.headline",
    "evaluate.table",
    "evaluate.sections",
    "compare",
)
COLUMNS = ("step", "split", "loss", "token_accuracy")


def read_curve(path: Path, model: str) -> list[dict[str, Any]]:
    """Read one model's curve.

    Raises: InputError when it is missing or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            lacking = sorted(set(COLUMNS) - set(rows.fieldnames or ()))
            if lacking:
                what = f"lacks the columns {', '.join(lacking)}"
                raise InputError(Fault(str(path), what, ", ".join(COLUMNS), "dvc repro"))
            return [{"model": model} | {key: row[key] for key in COLUMNS} for row in rows]
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None


def write_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write all curves in one file, so that one chart draws them."""
    with replacing(path) as file:
        writer = csv.DictWriter(file, ("model", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_text(path: Path, text: str) -> None:
    """Write a text."""
    with replacing(path) as file:
        file.write(text)


def main() -> None:
    """Read by the names of params.yaml, in its order; write."""
    paths = "--data", "--diversity", "--splits", "--models", "--comparison", "--curves", "--costs"
    paths += "--ablation", "--profile", "--layers", "--judge", "--noise", "--answers", "--scores"
    paths += "--origins", "--verdicts"
    paths += "--summary", "--report", "--probes", "--all-curves", "--all-scores"
    args = entry.flags(__doc__, *paths)
    params = load(PARAMS)
    sections, headline = params["evaluate"]["sections"], params["evaluate"]["headline"]
    names = [model["name"] for model in params["models"].values()]
    adapters = [adapter["name"] for adapter in params["adapters"].values()]
    pasted = {entry["name"] for entry in params["transcripts"].values()}
    trained = [name for name in names if name not in pasted]

    comparisons = {name: read_json(args.comparison / f"{name}.json") for name in adapters}
    models = {name: read_json(args.models / f"{name}.json") for name in names}
    answers = {name: read_rows(args.answers / f"{name}.jsonl") for name in names}
    data = read_json(args.data), read_json(args.splits), read_json(args.diversity)
    spent = ["generate", "base", *(f"train.{name}" for name in adapters)]
    spent += [f"{stage}.{name}" for name in names for stage in ("answer", "vary", "layers")]
    spent.append("judge")
    costs = {name: read_json(args.costs / f"{name}.json") for name in spent}
    prices = {name: read_json(args.costs / f"price.{name}.json") for name in adapters}
    curves = {name: read_curve(args.curves / f"{name}.csv", name) for name in trained}
    rose = rises(params["adapters"], curves, params["compare"]["overfit_alarm"])

    scores = {name: read_scores(args.scores / f"{name}.jsonl") for name in names}
    stack = {adapter["name"]: adapter for adapter in params["adapters"].values()}
    transfers = backward_transfer(stack, params["base"]["set"], sections, scores, params["compare"])

    summary = summarise(comparisons, headline, sections, transfers) | alarms(data[2], rose)
    write_json(args.summary, summary)
    confidence = params["compare"]["confidence"]
    parts = [
        *sources.section(read_json(args.origins)),
        *verdicts.section(
            read_verdicts(args.verdicts), answers, params["adapters"], params["recipe"]
        ),
        *transcripts.section(answers),
        *price.section(prices, confidence),
        *ablation.section(read_json(args.ablation)),
        *profile.section(read_json(args.profile)),
        *judge.section(read_json(args.judge)),
        *layers.section(read_json(args.layers)),
        *noise.section(read_json(args.noise), comparisons, params),
    ]
    of_rows = {name: list(of_model.values()) for name, of_model in scores.items()}
    figures = list(lines(models, of_rows, sections, params["compare"]))
    told = report(
        params["recipe"],
        first_table(params["evaluate"]["table"], names, figures),
        sections,
        models,
        comparisons,
        data,
        costs,
        rose,
        transfers,
        parts,
        confidence,
    )
    write_text(args.report, told)
    write_scores(args.all_scores, figures)
    shown = params["evaluate"]["probes"]
    write_text(args.probes, probes(answers, shown, of_rows, sections))
    write_curves(args.all_curves, [row for curve in curves.values() for row in curve])
    entry.say("report", f"{', '.join(names)}: {args.report}")


if __name__ == "__main__":
    entry.run(main)
