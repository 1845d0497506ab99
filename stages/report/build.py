"""Read what a build has left: all that the report and its page tell, once."""

import csv
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.digest import file_digest
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json, read_rows
from stages.core.lineage import Manifest, read_manifest
from stages.core.pairing import read_scores
from stages.core.params import read_yaml
from stages.core.records import Answer, Reject, Score
from stages.core.verdicts import Verdict, on_answers, on_pairs, read_all
from stages.report.overfitting import Rise, rises
from stages.report.preferences import Preferences, gather
from stages.report.scores_csv import lines
from stages.report.summary import alarms, summarise
from stages.report.transfer import backward_transfer

COLUMNS = ("step", "split", "loss", "token_accuracy")
OF_LAYERS = ("model", "against", "layer", "measure", "value", "low", "high", "n")


@dataclass
class Build:
    """One build: what its stages have written, as they wrote it. Names are in params.yaml's order.

    params:      the sections of the stage's PARAMS
    names:       of all models; adapters: of the adapters; trained: of all but transcripts
    data, splits, diversity, origins, ablation, profile, layers, judge, noise:
                 metrics/{data,splits,diversity,sources,ablation,profile,layers,judge}.json and the
                 recipe's noise.json
    models, comparisons: metrics/models and metrics/comparison, by name
    costs:       metrics/costs, by stage (`generate`, `train.2b`, `answer.base`, ...)
    prices:      metrics/costs/price.<adapter>.json, by adapter
    curves:      metrics/curves of the trained ones, by name: {model, step, split, loss,
                 token_accuracy}, all texts
    answers, scores: by name; of scores: row id -> its score
    manifests:   of all models, by name
    verdicts:    the recipe's, on answers, by hand
    preferences: what came of the recipe's verdicts on pairs
    rejects:     the replies that made no row
    graph:       dvc.yaml
    figures:     the lines of metrics/scores.csv: every metric of every model with its interval
    summary:     what metrics/summary.json says
    rose:        validation losses that rose; transfers: `stages.report.transfer`
    layer_lines: metrics/layers.csv, every measure of every layer, all texts; none where it is off
    """

    params: dict[str, Any]
    names: list[str]
    adapters: list[str]
    trained: list[str]
    data: dict[str, Any]
    splits: dict[str, Any]
    diversity: dict[str, Any]
    origins: dict[str, Any]
    ablation: dict[str, Any]
    profile: dict[str, Any]
    layers: dict[str, Any]
    judge: dict[str, Any]
    noise: dict[str, Any]
    models: dict[str, dict[str, Any]]
    comparisons: dict[str, dict[str, Any]]
    costs: dict[str, dict[str, Any]]
    prices: dict[str, dict[str, Any]]
    curves: dict[str, list[dict[str, Any]]]
    answers: dict[str, list[Answer]]
    scores: dict[str, dict[str, Score]]
    manifests: dict[str, Manifest]
    verdicts: list[Verdict]
    rejects: list[Reject]
    graph: dict[str, Any]
    figures: list[dict[str, Any]]
    summary: dict[str, Any]
    rose: list[Rise]
    transfers: dict[str, Any]
    layer_lines: list[dict[str, str]] = field(default_factory=list)
    preferences: Preferences = field(default_factory=lambda: Preferences([], [], []))

    @property
    def sections(self) -> dict[str, Any]:
        """Return `evaluate.sections`."""
        return self.params["evaluate"]["sections"]

    @property
    def confidence(self) -> float:
        """Return that of the intervals, 0 to 1."""
        return self.params["compare"]["confidence"]


def read_columns(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read these columns of a CSV file.

    Raises: InputError when it is missing or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            lacking = sorted(set(columns) - set(rows.fieldnames or ()))
            if lacking:
                what = f"lacks the columns {', '.join(lacking)}"
                raise InputError(Fault(str(path), what, ", ".join(columns), "dvc repro"))
            return [{key: row[key] for key in columns} for row in rows]
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None


def read_curve(path: Path, model: str) -> list[dict[str, Any]]:
    """Read one model's curve; see `read_columns`."""
    return [{"model": model, **row} for row in read_columns(path, COLUMNS)]


def read(args: Namespace, params: dict[str, Any]) -> Build:
    """Read a build.

    args: the stage's flags
    Raises: InputError with the first file that is missing or is not what it should be.
    """
    sections, compare = params["evaluate"]["sections"], params["compare"]
    names = [model["name"] for model in params["models"].values()]
    stack = {adapter["name"]: adapter for adapter in params["adapters"].values()}
    pasted = {entry["name"] for entry in params["transcripts"].values()}
    trained = [name for name in names if name not in pasted]
    spent = ["generate", "base", *(f"train.{name}" for name in stack)]
    spent += [f"{stage}.{name}" for name in names for stage in ("answer", "vary", "layers")]
    spent.append("judge")

    models = {name: read_json(args.models / f"{name}.json") for name in names}
    comparisons = {name: read_json(args.comparison / f"{name}.json") for name in stack}
    curves = {name: read_curve(args.curves / f"{name}.csv", name) for name in trained}
    scores = {name: read_scores(args.scores / f"{name}.jsonl") for name in names}
    of_rows = {name: list(of_model.values()) for name, of_model in scores.items()}
    diversity = read_json(args.diversity)
    verdicts = read_all(args.verdicts)
    manifests = {name: read_manifest(args.manifests / name) for name in names}
    digests = {name: file_digest(args.manifests / name / "manifest.json") for name in names}
    rose = rises(params["adapters"], curves, compare["overfit_alarm"])
    transfers = backward_transfer(stack, params["base"]["set"], sections, scores, compare)
    headline = params["evaluate"]["headline"]
    return Build(
        params=params,
        names=names,
        adapters=list(stack),
        trained=trained,
        data=read_json(args.data),
        splits=read_json(args.splits),
        diversity=diversity,
        origins=read_json(args.origins),
        ablation=read_json(args.ablation),
        profile=read_json(args.profile),
        layers=read_json(args.layers),
        judge=read_json(args.judge),
        noise=read_json(args.noise),
        models=models,
        comparisons=comparisons,
        costs={name: read_json(args.costs / f"{name}.json") for name in spent},
        prices={name: read_json(args.costs / f"price.{name}.json") for name in stack},
        curves=curves,
        answers={name: read_rows(args.answers / f"{name}.jsonl") for name in names},
        scores=scores,
        manifests=manifests,
        verdicts=on_answers(verdicts),
        preferences=gather(on_pairs(verdicts), digests, compare),
        rejects=read_rows(args.rejects),
        graph=read_yaml(args.graph),
        figures=list(lines(models, of_rows, sections, compare)),
        summary=summarise(comparisons, headline, sections, transfers) | alarms(diversity, rose),
        rose=rose,
        transfers=transfers,
        layer_lines=read_columns(args.layer_lines, OF_LAYERS),
    )
