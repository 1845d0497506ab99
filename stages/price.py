"""Tell what a point of the chosen metric cost, in money and in seconds.

    price: {section: own}       a point is a hundredth of its primary metric's highest value
                                (of 1 where there is none): 0.01 of a share, 1 BLEU

Reads:   metrics/comparison/<name>.json, metrics/costs/{generate,train.<name>,answer.<name>}.json
Writes:  metrics/costs/price.<name>.json
Network: none

The price of a point is what this adapter cost (its rows, its training) by the points that it gained
on the model it stands on. What that one cost is not in it: the report sums the chain. Answering and
judging measure the gain and do not make it, so they are told apart.
"""

from math import isfinite
from typing import Any

from stages.core import entry
from stages.core.jsonl import read_json, write_json
from stages.core.params import load
from stages.core.scores import KEYS

PARAMS = ("price", "evaluate.sections", "adapters.{key}.mix", "sets")
ROWS = "rows"  # what a set is made from whose rows a teacher's replies became
POINTS = 100  # in the highest value
KINDS = ("usd", "cpu_s", "gpu_s")


def buys(mix: dict[str, float], sets: dict[str, dict[str, Any]]) -> bool:
    """Tell whether an adapter trains on rows that a teacher's replies became."""
    origins = [sets[name]["from"] for name, share in mix.items() if share]
    return any(ROWS in ([each] if isinstance(each, str) else each) for each in origins)


def spent(
    generate: dict[str, Any], train: dict[str, Any], answer: dict[str, Any], bought: bool
) -> dict[str, float]:
    """Return what one adapter cost.

    usd:          of all replies to the requests, whenever they were paid; 0 where it uses none
    cpu_s, gpu_s: of its training; gpu_s only where it ran on one
    answer_cpu_s, answer_gpu_s: of answering the test rows, which measures and does not train
    """
    found = {"usd": (generate.get("usd", 0) + generate.get("found_usd", 0)) if bought else 0}
    found |= {kind: train[kind] for kind in ("cpu_s", "gpu_s") if kind in train}
    return found | {f"answer_{kind}": answer[kind] for kind in ("cpu_s", "gpu_s") if kind in answer}


def gained(key: str, compared: dict[str, Any]) -> dict[str, Any]:
    """Return a difference in points: points, low and high (where there is an interval), n, p."""
    highest = KEYS[key].high
    point = (highest if isfinite(highest) else 1) / POINTS
    told = {"points": round(compared["delta"] / point, 3), "n": compared["n"]}
    ends = {end: compared.get(end) for end in ("low", "high")}
    told |= {end: round(at / point, 3) for end, at in ends.items() if at is not None}
    return told | {key: compared[key] for key in ("p", "p_holm", "shown") if key in compared}


def price(
    comparison: dict[str, Any], section: str, primary: str, cost: dict[str, float]
) -> dict[str, Any]:
    """Return metrics/costs/price.<name>.json.

    on:   the gain on the model it stands on, and usd, cpu_s and gpu_s per point of it; these are
          absent where there is no gain to pay for
    base: the gain on the base, where that is another model
    """
    told: dict[str, Any] = {"model": comparison["model"], "stands_on": comparison["on"]}
    told |= {"section": section, "metric": primary, "spent": cost}
    found = comparison["sections"].get(section, {}).get("keys", {}).get(primary, {})
    for side in ("on", "base"):
        if side in found and not (side == "base" and comparison["on"] == comparison["base"]):
            told[side] = gained(primary, found[side])
    points = told.get("on", {}).get("points", 0)
    if points > 0:
        told["per_point"] = {kind: round(cost[kind] / points, 9) for kind in KINDS if kind in cost}
    return told


def main() -> None:
    """Read, divide, write."""
    flags = "--comparison", "--generate", "--train", "--answer", "--price"
    args = entry.flags(__doc__, *flags, names=("--adapter", "--name"))
    params = load(PARAMS, key=args.adapter)
    section = params["price"]["section"]
    primary = params["evaluate"]["sections"][section]["primary"]
    bought = buys(params["adapters"][args.adapter]["mix"], params["sets"])
    costs = (read_json(path) for path in (args.generate, args.train, args.answer))
    told = price(read_json(args.comparison), section, primary, spent(*costs, bought))
    write_json(args.price, told)
    what = f"{args.name} on {told['stands_on']}, {section}.{primary}"
    if "per_point" not in told:
        entry.say("price", f"{what}: no gain to pay for")
        return
    each = ", ".join(f"{value:.3g} {kind}" for kind, value in told["per_point"].items())
    entry.say("price", f"{what}: {told['on']['points']:.1f} points, each {each}")


if __name__ == "__main__":
    entry.run(main)
