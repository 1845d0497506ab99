"""Write the summary, the report, its page, the probes side by side, and the curves of all models.

Reads:   metrics/{data,sources,splits,diversity,ablation,profile,layers,judge}.json,
         metrics/{models,comparison,curves,costs}/, data/{answers,scores}/, data/rejects.jsonl,
         metrics/layers.csv, models/*/manifest.json, dvc.yaml, the recipe's noise and verdicts
Writes:  metrics/summary.json, metrics/report.md, metrics/probes.md, metrics/{curves,scores}.csv,
         report.html
Network: none
"""

import csv
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.jsonl import replacing, write_json
from stages.core.params import load
from stages.report import (
    ablation,
    judge,
    layers,
    noise,
    preferences,
    price,
    profile,
    sources,
    transcripts,
    verdicts,
)
from stages.report.build import COLUMNS, Build, read
from stages.report.first_table import first_table
from stages.report.page import page
from stages.report.probes import probes
from stages.report.scores_csv import write_scores
from stages.report.tables import report

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
    "compute",
)


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


def markdown(build: Build) -> str:
    """Return metrics/report.md."""
    adapters, recipe = build.params["adapters"], build.params["recipe"]
    parts = [
        *sources.section(build.origins),
        *verdicts.section(build.verdicts, build.answers, adapters, recipe),
        *preferences.section(build.preferences, build.names, recipe),
        *transcripts.section(build.answers),
        *price.section(build.prices, build.confidence),
        *ablation.section(build.ablation),
        *profile.section(build.profile),
        *judge.section(build.judge),
        *layers.section(build.layers),
        *noise.section(build.noise, build.comparisons, build.params),
    ]
    return report(
        recipe,
        first_table(build.params["evaluate"]["table"], build.names, build.figures),
        build.sections,
        build.models,
        build.comparisons,
        (build.data, build.splits, build.diversity),
        build.costs,
        build.rose,
        build.transfers,
        parts,
        build.confidence,
    )


def main() -> None:
    """Read by the names of params.yaml, in its order; write."""
    paths = "--data", "--diversity", "--splits", "--models", "--comparison", "--curves", "--costs"
    paths += "--ablation", "--profile", "--layers", "--judge", "--noise", "--answers", "--scores"
    paths += "--origins", "--verdicts", "--rejects", "--manifests", "--graph", "--layer-lines"
    paths += "--summary", "--report", "--probes", "--all-curves", "--all-scores", "--page"
    args = entry.flags(__doc__, *paths)
    build = read(args, load(PARAMS))
    write_json(args.summary, build.summary)
    write_text(args.report, markdown(build))
    write_scores(args.all_scores, build.figures)
    of_rows = {name: list(of_model.values()) for name, of_model in build.scores.items()}
    shown = build.params["evaluate"]["probes"]
    write_text(args.probes, probes(build.answers, shown, of_rows, build.sections))
    write_curves(args.all_curves, [row for curve in build.curves.values() for row in curve])
    write_text(args.page, page(build))
    entry.say("report", f"{', '.join(build.names)}: {args.report}, {args.page}")


if __name__ == "__main__":
    entry.run(main)
