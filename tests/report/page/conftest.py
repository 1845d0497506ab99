"""A build made by hand: base, 2b, 2c, answers from elsewhere; of a metric lower is better."""

from pathlib import Path
from typing import Any

import pytest

from stages.core.params import read_yaml
from stages.report.build import Build

LEVELS = {
    "loss": lambda value: None,
    "exact": float,
    "passes": float,
    "rouge_l_floor": lambda _: None,
}
ARROWS = {"loss": "↓", "exact": "↑", "passes": "↑", "rouge_l_floor": ""}


def figure(section: str, metric: str, model: str, value: float, primary: int) -> dict[str, Any]:
    """Return a line of metrics/scores.csv."""
    ends = {"low": round(value - 0.05, 3), "high": round(value + 0.05, 3), "n": 20}
    line = {"section": section, "metric": metric, "model": model, "value": value, **ends}
    level = LEVELS[metric](value)
    return line | {"unit": "share", "better": ARROWS[metric], "level": level, "primary": primary}


def delta(value: float, sure: bool = True, n: int = 20) -> dict[str, float]:
    """Return a difference as metrics/comparison has it."""
    wide = 0.05 if sure else 2.0
    ends = {"low": value - wide, "high": value + wide, "p": 0.001, "p_holm": 0.004}
    return {"delta": value, "value": 0.5, "n": n, "groups": n, **ends}


def lost(value: float, back: float | None = None, **more: Any) -> dict[str, Any]:
    """Return forgetting and recovery as metrics/comparison has them."""
    ends = {"n": 20, "groups": 20}
    found = {"forgetting": {"value": value, "low": value - 0.1, "high": value + 0.1, **ends}}
    if back is not None:
        found["recovery"] = {"value": back, "low": back - 0.1, "high": back + 0.1, **ends}
    return found | more


@pytest.fixture
def build(root: Path) -> Build:
    """Return a build of three models and a transcript, as `stages.report.build.read` would."""
    sections = {
        "own": {"set": "own", "primary": "loss", "metrics": ["exact", "loss", "rouge_l_floor"]},
        "code": {"set": "original", "primary": "passes", "metrics": ["passes"]},
    }
    values = {
        ("own", "exact"): {"base": 0.1, "2b": 0.8, "2c": 0.8, "chat": 0.4},
        ("own", "loss"): {"base": 7.5, "2b": 0.5, "2c": 0.6},
        ("own", "rouge_l_floor"): {"base": 0.3, "2b": 0.3, "2c": 0.3},
        ("code", "passes"): {"base": 0.9, "2b": 0.1, "2c": 0.85},
    }
    figures = [
        figure(section, key, model, value, int(sections[section]["primary"] == key))
        for (section, key), of in values.items()
        for model, value in of.items()
    ]
    own = {
        "2b": {"exact": delta(0.7), "loss": delta(7.0)},
        "2c": {"exact": delta(0.0, sure=False), "loss": delta(-0.1)},
    }
    code = {"2b": {"passes": delta(-0.8)}, "2c": {"passes": delta(0.75)}}
    base = {"2b": (own["2b"], code["2b"])}
    base["2c"] = {"exact": delta(0.7), "loss": delta(6.9)}, {"passes": delta(-0.05, sure=False)}

    def keys(of: dict[str, Any], against: dict[str, Any], model: str, section: str) -> Any:
        return {
            key: {"value": values[section, key][model], "on": found, "base": against[key]}
            for key, found in of.items()
        }

    comparisons = {}
    for model, on, back in (("2b", "base", None), ("2c", "2b", 0.94)):
        gone = 0.8 if model == "2b" else 0.05
        of_own = {"n": 20, "groups": 5, "primary": "loss", **lost(-7.0)}
        of_code = {"n": 20, "groups": 20, "primary": "passes", **lost(gone, back)}
        of_own["keys"] = keys(own[model], base[model][0], model, "own")
        of_code["keys"] = keys(code[model], base[model][1], model, "code")
        comparisons[model] = {
            "model": model,
            "on": on,
            "base": "base",
            "all": lost(gone, back, sections=["code"]),
            "sections": {"own": of_own, "code": of_code},
            "gap": {},
        }
    names = ["base", "2b", "2c", "chat"]
    models: dict[str, Any] = {name: {"own": {"n": 20}, "code": {"n": 20}} for name in names}
    for (section, key), of in values.items():
        for model, value in of.items():
            models[model][section][key] = value
    params = read_yaml(root / "params.yaml") | {
        "recipe": "films",
        "adapters": {"m2b": {"name": "2b", "on": "base"}, "m2c": {"name": "2c", "on": "2b"}},
        "models": {f"m{name}": {"name": name} for name in names},
        "transcripts": {"chat": {"name": "chat"}},
        "base": {"set": "original"},
        "seed": {"data": 13, "base": 13, "train": 13},
        "evaluate": {
            "sections": sections,
            "table": ["own.loss", "code.passes"],
            "headline": [],
            "probes": "probes",
        },
        "compare": {"confidence": 0.95, "resamples": 9999, "eps": 0.02, "overfit_alarm": 0.05},
    }
    spent = {"generate": {"usd": 0.25, "found_usd": 1.0, "wall_s": 60}, "base": {"wall_s": 240.0}}
    return Build(
        params=params,
        names=names,
        adapters=["2b", "2c"],
        trained=["base", "2b", "2c"],
        data={"requested": 440, "rows": 418},
        splits={"own": {"train": 1000, "test": 20}, "probes": {"rows": 10}},
        diversity={},
        origins={},
        ablation={},
        profile={},
        layers={},
        judge={},
        noise={},
        models=models,
        comparisons=comparisons,
        costs=spent,
        prices={},
        curves={
            name: [
                {"model": name, "step": step, "split": split, "loss": loss, "token_accuracy": ""}
                for step, loss in (("10", "2.5"), ("20", "1.5"))
                for split in ("train", "val")
            ]
            for name in names[:3]
        },
        answers={name: [] for name in names},
        scores={name: {} for name in names},
        manifests={},
        verdicts=[],
        rejects=[],
        graph={"stages": {}},
        figures=figures,
        summary={},
        rose=[],
        transfers={},
    )
