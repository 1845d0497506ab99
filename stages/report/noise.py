"""Each difference beside its spread over training seeds: a part of metrics/report.md.

`tunegraph noise --write` gathers recipes/<recipe>/noise.json from experiments over `seed.train`:

    digest      of the parameters that decide the figures (DECIDES)
    confidence  of the t-quantile, as `compare.confidence`
    seeds       the training seeds, sorted
    base_varies whether the base was trained with several seeds, too (seed.base)
    models      name -> section -> key -> seed -> figure
"""

from collections.abc import Iterator
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from stages.core.digest import digest
from stages.core.errors import Fault, InputError
from stages.core.scores import better
from stages.report.markdown import escape, table

# What of params.yaml decides the figures, as far as the report reads it; the rest shows in that the
# figures of a gathered seed are no longer what was gathered.
DECIDES = ("adapters", "models", "base.set", "seed.data", "evaluate.sections")
FEWEST = 3
TOLERANCE = 1.5e-5  # figures are rounded to five digits, twice
HEAD = (
    *("model", "against", "figure", "difference [interval over rows]", "mean over seeds", "sd"),
    *("range", "this build", "the mean"),
)
FIELDS = {"digest", "confidence", "seeds", "base_varies", "models"}

HOW_TO_READ = """\
Data, test rows and code are the same; `seed.train` alone differs. sd: the standard deviation of the
difference over n seeds; t: Student's quantile for n - 1 degrees of freedom, {confidence:.0%}. This
build's difference is larger than the spread where |difference| > t x sd; the mean over the seeds is
shown where |mean| > t x sd / sqrt(n). The intervals are over rows and know nothing of seeds; these
know nothing of rows: trust what holds in both.
"""


def pick(params: dict[str, Any], dotted: str) -> Any:
    """Return what stands at a dotted path of params.yaml, or None."""
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def decided_by(params: dict[str, Any]) -> str:
    """Return the digest of the parameters that decide the figures."""
    return digest({dotted: pick(params, dotted) for dotted in DECIDES})


def student(n: int, confidence: float) -> float:
    """Return Student's two-sided quantile for n values."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, (1 + confidence) / 2))


def spread(deltas: dict[str, float], confidence: float) -> dict[str, float]:
    """Return what the seeds say of one difference.

    deltas: seed -> difference, or figure
    Returns: n, mean, low, high (the range); from FEWEST seeds on also sd, build_bound = t x sd and
    mean_bound = t x sd / sqrt(n)
    """
    values = list(deltas.values())
    told = {"n": len(values), "mean": fmean(values), "low": min(values), "high": max(values)}
    if len(values) >= FEWEST:
        sd = stdev(values)
        t = student(len(values), confidence)
        told |= {"sd": sd, "build_bound": t * sd, "mean_bound": t * sd / sqrt(len(values))}
    return told


def verdicts(delta: float | None, told: dict[str, float]) -> tuple[str, str]:
    """Say of a build's difference, and of the mean over seeds, whether it exceeds the spread."""
    if "sd" not in told:
        few = f"not enough seeds ({told['n']})"
        return few, few
    build = ""
    if delta is not None:
        build = (
            "larger than the spread" if abs(delta) > told["build_bound"] else "within the spread"
        )
    mean = "shown over seeds" if abs(told["mean"]) > told["mean_bound"] else "not shown over seeds"
    return build, mean


def hold(found: Any) -> None:
    """Hold that noise.json is what `tunegraph noise --write` writes.

    Raises: InputError.
    """
    what = None
    if not isinstance(found, dict) or (found and found.keys() != FIELDS):
        what = f"holds {', '.join(sorted(found)) if isinstance(found, dict) else 'no object'}"
    elif found and not _nested(found["models"], 3):
        what = "has something else than figures by model, section, key and seed"
    if what:
        expected = "{}, or what the command writes"
        raise InputError(Fault("noise.json", what, expected, "tunegraph noise --write"))


def _nested(value: Any, depth: int) -> bool:
    if not isinstance(value, dict):
        return False
    if depth:
        return all(_nested(inner, depth - 1) for inner in value.values())
    return all(isinstance(figure, int | float) for figure in value.values())


def figures(found: dict[str, Any], model: str, part: str, key: str) -> dict[str, float]:
    """Return a model's figure by seed."""
    return found["models"].get(model, {}).get(part, {}).get(key, {})


def deltas(found: dict[str, Any], names: tuple[str, str], part: str, key: str) -> dict[str, float]:
    """Return by how much one model is better than another one, by seed.

    names: the model, the other one
    """
    own, other = (figures(found, name, part, key) for name in names)
    return {seed: better(key, own[seed], other[seed]) for seed in own if seed in other}


def compared(comparisons: dict[str, Any], name: str, part: str, key: str) -> dict[str, Any]:
    """Return what metrics/comparison has of a key of an adapter, or nothing."""
    return comparisons.get(name, {}).get("sections", {}).get(part, {}).get("keys", {}).get(key, {})


def stale(found: dict[str, Any], comparisons: dict[str, Any], params: dict[str, Any]) -> str | None:
    """Say why the gathered numbers are not of the present build's kind, or None where they are."""
    if found["digest"] != decided_by(params):
        return f"the parameters are others now ({', '.join(DECIDES)})"
    seed = str(pick(params, "seed.train"))
    for adapter in params["adapters"].values():
        name = adapter["name"]
        for part, keys in found["models"].get(name, {}).items():
            for key in keys:
                now = compared(comparisons, name, part, key)
                pairs = [(name, now.get("value")), (adapter["on"], now.get("on", {}).get("value"))]
                for model, value in pairs:
                    known = figures(found, model, part, key).get(seed)
                    if known is not None and value is not None and abs(value - known) > TOLERANCE:
                        return (
                            f"the figures of seed {seed} are others now ({model}: {part}.{key}): "
                            "other data, another base, other code or another machine"
                        )
    return None


def section(
    found: dict[str, Any], comparisons: dict[str, Any], params: dict[str, Any]
) -> list[str]:
    """Return the part's lines of Markdown; none where no seeds were gathered.

    found:       what recipes/<recipe>/noise.json holds
    comparisons: adapter -> what metrics/comparison holds
    params:      the sections that the report reads
    Raises: InputError when noise.json is none.
    """
    hold(found)
    if not found:
        return []
    seeds = ", ".join(map(str, found["seeds"]))
    lines = [f"## Differences over {len(found['seeds'])} training seeds ({seeds})", ""]
    if why := stale(found, comparisons, params):
        lines += [f"**Stale:** {escape(why)}. Gather again: `tunegraph noise --write`.", ""]
    if found["base_varies"]:
        lines += ["The base was trained with several seeds, too: its noise is in the spread.", ""]
    rows = [
        [escape(name), escape(other), f"{escape(part)} `{key}`", *map(escape, told)]
        for name, other, part, key, *told in differences(found, comparisons, params)
    ]
    lines += table(list(HEAD), rows, left=3)
    return [*lines, HOW_TO_READ.format(confidence=found["confidence"])]


def differences(
    found: dict[str, Any],
    comparisons: dict[str, Any],
    params: dict[str, Any],
    everything: bool = False,
) -> Iterator[list[str]]:
    """Yield the columns HEAD of each difference, in the order of params.yaml.

    everything: of every key, not of the primary ones alone
    """
    for adapter in params["adapters"].values():
        name, sides = adapter["name"], {"on": adapter["on"], "base": "base"}
        for part, asked in pick(params, "evaluate.sections").items():
            for key in asked["metrics"] if everything else filter(None, [asked.get("primary")]):
                now = compared(comparisons, name, part, key)
                # What stands on the base has one difference; a yardstick was not gathered.
                for side in ("on",) if adapter["on"] == "base" else sides:
                    told = deltas(found, (name, sides[side]), part, key)
                    if told:
                        figures_of = cells(now.get(side, {}), spread(told, found["confidence"]))
                        yield [name, sides[side], part, key, *figures_of]


def cells(now: dict[str, float], told: dict[str, float]) -> list[str]:
    """Spell one difference and its spread."""
    shown = f"{now['delta']:+.3f}" if "delta" in now else ""
    if "low" in now:
        shown += f" [{now['low']:+.3f}, {now['high']:+.3f}]"
    sd = f"{told['sd']:.4f}" if "sd" in told else ""
    build, mean = verdicts(now.get("delta"), told)
    return [shown, f"{told['mean']:+.3f}", sd, f"{told['low']:+.3f} to {told['high']:+.3f}",
            build, mean]  # fmt: skip
