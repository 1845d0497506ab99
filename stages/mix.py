"""Put together what one adapter trains on.

    adapters.<key>.mix:
      own: 1.0                        # the share of the set's training rows; above 1 repeats them
      more: {rows: 500, cap: 400}     # or a mapping with one of share, rows and ratio
      original: {ratio: 0.2}          # what the set makes up of the whole mix: replay

The sets without a ratio fix the size of the whole: with 300 rows of them, a ratio of 0.2 is 75 rows
(75 of 375). `cap` is the most rows that a set may give, repeated ones counted; what a cap takes
away is not made up by others. A larger share or ratio only adds rows.

Reads:   <splits>/<set>/{train,val}.jsonl of the sets that the adapter's mix names
Writes:  <mix>/train.jsonl, <mix>/val.jsonl
Network: none
"""

from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.draw import draw
from stages.core.errors import ConfigError, Fault
from stages.core.holdout import position
from stages.core.jsonl import read_rows, write_rows
from stages.core.params import load
from stages.core.records import Row

PARAMS = ("adapters.{key}.mix", "seed.data")
WAYS = ("share", "rows", "ratio")


def shuffle(rows: list[Row], seed: int) -> list[Row]:
    """Put rows into an order that follows from their ids; repeated ones end up apart."""
    seen: dict[str, int] = {}
    keyed = []
    for row in rows:
        copy = seen[row["id"]] = seen.get(row["id"], -1) + 1
        keyed.append((position(f"order {row['id']} {copy}", seed), row))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def faults_of(asked: dict[str, Any], available: int, where: str) -> list[Fault]:
    """Return what is wrong with one entry, spelled as a mapping.

    available: how many training rows its set has
    """
    if not available:
        what = "the set has no training rows"
        return [Fault(where, what, "one that has", "see metrics/splits.json")]
    found = []
    if len(ways := [way for way in WAYS if way in asked]) != 1:
        what = " and ".join(ways) if ways else "says neither share nor rows nor ratio"
        found.append(Fault(where, what, "one of share, rows and ratio"))
    if not (share := asked.get("share", 1)) > 0:
        found.append(Fault(where, f"a share of {share}", "above 0, or leave the set out"))
    if not 0 < (rows := asked.get("rows", 1)) <= available:
        found.append(Fault(where, f"rows: {rows}", f"1 to {available}, all that the set has"))
    if not 0 < (ratio := asked.get("ratio", 0.5)) < 1:
        expected = "above 0 and below 1: what the set makes up of the whole mix"
        found.append(Fault(where, f"a ratio of {ratio}", expected))
    if not (cap := asked.get("cap", 1)) >= 1:
        found.append(Fault(where, f"cap: {cap}", "1 row at least, or leave the set out"))
    return found


def counts_of(mix: dict[str, Any], available: dict[str, int], where: str) -> dict[str, int]:
    """Return how many rows each set of a mix gives, its caps kept; one at least.

    available: set -> how many training rows it has; a set that is none is not in it
    Raises: ConfigError with all that cannot be given.
    """
    faults = []
    spelled: dict[str, dict[str, Any]] = {
        name: asked if isinstance(asked, dict) else {"share": asked} for name, asked in mix.items()
    }
    for name, asked in spelled.items():
        if name not in available:
            faults.append(Fault(f"{where}.{name}", "no such set", "a set of `sets`"))
        else:
            faults += faults_of(asked, available[name], f"{where}.{name}")
    ratios = {name: asked["ratio"] for name, asked in spelled.items() if "ratio" in asked}
    if ratios and len(ratios) == len(mix):
        expected = "a share or rows at one set at least: it fixes how many rows a ratio is"
        faults.append(Fault(where, "every set has a ratio", expected))
    elif (together := sum(ratios.values())) > 1 - 1e-9 and len(ratios) > 1:
        what = f"the ratios of {', '.join(ratios)} make {together:g}"
        faults.append(Fault(where, what, "below 1 together: the rest is the other sets'"))
    if faults:
        raise ConfigError(*faults)

    def capped(name: str, asked_for: float) -> int:
        count, cap = max(1, round(asked_for)), spelled[name].get("cap")
        return count if cap is None else min(count, cap)

    counts = {
        name: capped(name, asked.get("rows") or asked["share"] * available[name])
        for name, asked in spelled.items()
        if name not in ratios
    }
    whole = sum(counts.values()) / (1 - sum(ratios.values()))
    counts |= {name: capped(name, ratio * whole) for name, ratio in ratios.items()}
    return {name: counts[name] for name in mix}


def mixed(
    splits: Path, mix: dict[str, Any], seed: int, where: str
) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
    """Return the training rows and the validation rows of each set of a mix.

    Validation rows come in the same share, and never twice: what a set weighs in training, it
    weighs in the validation loss.
    Raises: ConfigError with all that cannot be given.
    """
    rows = {
        name: read_rows(splits / name / "train.jsonl") for name in mix if (splits / name).is_dir()
    }
    counts = counts_of(mix, {name: len(of_set) for name, of_set in rows.items()}, where)
    train, val = {}, {}
    for name, count in counts.items():
        train[name] = draw(rows[name], count, seed)
        held = read_rows(splits / name / "val.jsonl")
        share = min(1.0, count / len(rows[name]))
        val[name] = draw(held, max(1, round(share * len(held))), seed)
    return train, val


def main() -> None:
    """Write one adapter's training and validation rows."""
    args = entry.flags(__doc__, "--splits", "--mix", names=("--adapter",))
    params = load(PARAMS, key=args.adapter)
    mix, seed = params["adapters"][args.adapter]["mix"], params["seed"]["data"]
    train, val = mixed(args.splits, mix, seed, f"params.yaml: adapters.{args.adapter}.mix")
    for side, sets in (("train", train), ("val", val)):
        rows = shuffle([row for rows in sets.values() for row in rows], seed)
        write_rows(args.mix / f"{side}.jsonl", rows)
    whole = sum(map(len, train.values()))
    told = ", ".join(
        f"{name} {len(rows)} (+{len(val[name])} val, {len(rows) / whole:.0%})"
        for name, rows in train.items()
    )
    entry.say("mix", f"{args.adapter}: {told}")


if __name__ == "__main__":
    entry.run(main)
