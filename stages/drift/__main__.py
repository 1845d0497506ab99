"""Tell how far each layer moved from model to model, and how alike a model's layers see prompts.

Reads:   data/layers/
Writes:  metrics/layers.json (what matters), metrics/layers.csv (every layer, to be plotted)
Network: none

Each adapter is set beside the model that it stands on and beside the base, on the same prompts:

    cosine      of a prompt's hidden state in both models, the mean over prompts, -1 to 1
    cka         linear CKA, debiased: do both models put the same prompts near each other? Up to 1,
                about 0 where they have nothing in common; the same under any rotation
    norm        length of the state by its length in the other model, less 1
    entropy     entropy of attention less that of the other model; of a model alone: itself, 0 to 1
    alike       mean cosine of the states of different prompts in one model

of the mean over a prompt's tokens, and (`_last`) of its last token.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import entry
from stages.core.errors import Fault, InputError
from stages.core.jsonl import replacing, write_json
from stages.core.params import load
from stages.core.rounding import rounded
from stages.core.significance import Rows, Sampling, mean
from stages.drift.essence import Line, of_one, of_two
from stages.drift.measures import alike, cka, cosine

if TYPE_CHECKING:
    from numpy import ndarray

PARAMS = (
    "layers",
    "adapters",
    "models",
    "transcripts",
    "compare.confidence",
    "compare.resamples",
)
COLUMNS = ("model", "against", "layer", "measure", "value", "low", "high", "n")
POOLS = {"mean": "", "last": "_last"}  # of the prompt's tokens -> what a measure's name ends in
BASE = "base"
# What all models that are compared must share, and what is said where they do not.
SHARED = {"base": "of another base", "rows": "of other prompts"}


def read(path: Path) -> dict[str, Any]:
    """Read what `layers` wrote of one model, its states in float64.

    Raises: InputError when it is not that, empty (`layers` was switched off), or has a NaN.
    """
    import json

    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        if not path.stat().st_size:
            what = "it is empty: layers was switched off when it was written"
            raise InputError(Fault(str(path), what, then="dvc repro"))
        with safe_open(path, framework="numpy") as file:
            found = json.loads(file.metadata()["layers"])
            names = ("mean", "last", "entropy", "layers", "attentions")
            found |= {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None
    except (SafetensorError, KeyError, TypeError) as error:
        what = f"not what the stage layers writes: {error}"
        raise InputError(Fault(str(path), what, then="dvc repro --force layers")) from None
    if odd := [name for name in names[:3] if not np.isfinite(found[name]).all()]:
        what = f"{', '.join(odd)}: not all are finite numbers"
        raise InputError(Fault(str(path), what, then="dvc repro --force layers"))
    return found | {name: found[name].astype(np.float64) for name in names[:3]}


def hold(found: dict[str, dict[str, Any]], folder: Path) -> None:
    """Hold that all models were asked the same prompts, stand on one base and have the same layers.

    Raises: InputError naming every model that does not fit the first one.
    """
    (first, expected), *others = found.items() or [("", {})]
    faults = []
    for name, one in others:
        odd = [f"{what} than {first}" for key, what in SHARED.items() if one[key] != expected[key]]
        for what in ("mean", "entropy"):
            shapes = one[what].shape, expected[what].shape
            if shapes[0] != shapes[1]:
                odd.append(f"{what} has the shape {shapes[0]}, that of {first} {shapes[1]}")
        then = "dvc repro; models of two bases have no layers in common"
        where = f"{folder / name}.safetensors"
        faults += [Fault(where, each, f"as {first}", then) for each in odd]
    if faults:
        raise InputError(*faults)


def told(measure: str, values: "ndarray", groups: list[str], sampling: Sampling) -> Line:
    """Return the mean of one value a prompt, with its interval where the values vary."""
    line = {"measure": measure, "value": float(values.mean()), "n": len(values)}
    if values.max() - values.min() < 1e-6:  # the same layer: nothing moved
        return line
    span = (-1.0, 1.0) if measure.startswith(("cosine", "alike")) else (float("-inf"), float("inf"))
    found = mean(Rows(values.tolist(), groups), sampling, span)
    return line | {"low": found.low, "high": found.high}


def of_pair(one: dict[str, Any], other: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    """Yield every measure of two models, layer by layer."""
    import numpy as np

    sampling, groups = Sampling(**settings, name="layers"), one["groups"]
    for pool, ending in POOLS.items():
        lengths = [np.linalg.norm(each[pool], axis=-1) for each in (one, other)]
        for at, layer in enumerate(one["layers"].tolist()):
            states = one[pool][:, at], other[pool][:, at]
            lines = [told(f"cosine{ending}", cosine(*states), groups, sampling)]
            if (found := cka(*states)) is not None:
                lines.append({"measure": f"cka{ending}", "value": found, "n": len(groups)})
            least = np.finfo(np.float32).tiny  # a state of nothing has no length to divide by
            changes = (lengths[0] - lengths[1])[:, at] / np.maximum(lengths[1][:, at], least)
            lines.append(told(f"norm{ending}", changes, groups, sampling))
            yield from ({"layer": layer, **line} for line in lines)
    for at, layer in enumerate(one["attentions"].tolist()):
        changes = one["entropy"][:, at] - other["entropy"][:, at]
        yield {"layer": layer, **told("entropy", changes, groups, sampling)}


def of_model(one: dict[str, Any], settings: dict[str, Any]) -> Iterator[Line]:
    """Yield how alike one model's states of different prompts are, and its attention's entropy."""
    sampling, groups = Sampling(**settings, name="layers"), one["groups"]
    for pool, ending in POOLS.items() if len(groups) > 1 else ():
        for at, layer in enumerate(one["layers"].tolist()):
            yield {"layer": layer} | told(
                f"alike{ending}", alike(one[pool][:, at]), groups, sampling
            )
    for at, layer in enumerate(one["attentions"].tolist()):
        yield {"layer": layer, **told("entropy", one["entropy"][:, at], groups, sampling)}


def write_lines(path: Path, lines: list[Line]) -> None:
    """Write every measure of every layer, a line each."""
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rounded(line) for line in lines)


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(__doc__, "--layers", "--drift", "--plot")
    params = load(PARAMS)
    transcripts = {each["name"] for each in params["transcripts"].values()}
    names = [each["name"] for each in params["models"].values()]
    names = [name for name in names if name not in transcripts] if params["layers"]["rows"] else []
    found = {name: read(args.layers / f"{name}.safetensors") for name in names}
    hold(found, args.layers)
    lines: list[Line] = []
    whole: dict[str, Any] = {"models": {}, "drift": {}}
    for name, one in found.items():
        own = list(of_model(one, params["compare"]))
        whole["models"][name] = of_one(own)
        lines += ({"model": name, "against": "", **line} for line in own)
    for adapter in params["adapters"].values():
        name = adapter["name"]
        for against in dict.fromkeys([adapter["on"], BASE] if found else []):
            pair = list(of_pair(found[name], found[against], params["compare"]))
            whole["drift"].setdefault(name, {})[against] = of_two(pair)
            lines += ({"model": name, "against": against, **line} for line in pair)
    if found:
        whole |= {"set": params["layers"]["set"], "n": len(found[names[0]]["rows"])}
    write_json(args.drift, rounded(whole) if found else {})
    write_lines(args.plot, lines)
    off = "switched off (layers.rows is 0)"
    entry.say("drift", f"{len(lines)} figures of {', '.join(names)}" if found else off)


if __name__ == "__main__":
    entry.run(main)
