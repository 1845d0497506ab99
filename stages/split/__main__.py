"""Split every set.

Reads:   data/rows.jsonl, data/sources/<source>.jsonl
Writes:  data/splits/<set>/{train,val,test}.jsonl, metrics/splits.json,
         data/test.jsonl (the test rows of all sets; after them the samples of training rows that
         `train_sample` asks for, as sets of their own: <set>_train)
Network: none
"""

import shutil
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError, UserError
from stages.core.holdout import Side
from stages.core.jsonl import read_rows, write_json, write_rows
from stages.core.params import load
from stages.core.records import Row
from stages.split.leakage import REASONS, Leak, leaks
from stages.split.near_duplicates import joined_groups
from stages.split.origins import origins
from stages.split.sampling import train_samples
from stages.split.sides import beyond_cap, heads, prompt_text, sides_of

PARAMS = ("sets", "split", "seed.data")
SIDES: tuple[Side, ...] = ("train", "val", "test")


def read_set(spec: dict[str, Any], rows: Path, sources: Path, where: str) -> list[Row]:
    """Read the rows of a set from where it says.

    Raises: ConfigError when that is no source, or one of seeds.
    """
    names = spec["from"] if isinstance(spec["from"], list) else [spec["from"]]
    found: list[Row] = []
    for name in names:
        file = rows if name == "rows" else sources / f"{name}.jsonl"
        if not file.is_file():
            raise ConfigError(Fault(f"{where}.from", f"no source `{name}`", "rows, or a source"))
        found += read_rows(file)
    if any("messages" not in row for row in found):
        what = f"{spec['from']} holds seeds, which are no rows yet"
        raise ConfigError(Fault(f"{where}.from", what, "rows, or a source of examples"))
    return found


def asks_for(spec: dict[str, Any]) -> set[Side]:
    """Return the sides on which a set must have rows.

    A set of explicit ids and one with a test share below 1 must have training rows.
    """
    held = spec.get("ids") or spec
    sides: set[Side] = {side for side in ("val", "test") if held.get(side)}
    return sides if "ids" not in spec and spec["test"] == 1 else sides | {"train"}


def impossible(sets: dict[str, Any], counts: dict[str, dict[str, Any]]) -> list[Fault]:
    """Return a fault for each side that a set asks for and that got no row."""
    return [
        Fault(
            f"params.yaml: sets.{name}",
            f"impossible split: no row on the {side} side (of {counts[name]['rows']} rows, "
            f"{counts[name]['capped']} capped, {sum(counts[name]['leaking'].values())} leaking)",
            "a row at least on each side that the shares or ids ask for",
            "give that side a larger share, get more rows or groups, or take another seed.data",
        )
        for name, spec in sets.items()
        if counts[name]["rows"]
        for side in SIDES
        if side in asks_for(spec) and not counts[name][side]
    ]


def placed(
    rows: dict[str, list[Row]], sets: dict[str, Any], rules: dict[str, Any], seed: int
) -> tuple[dict[str, list[Side | None]], list[Leak], dict[str, int]]:
    """Return the side of each row of each set, what leaks there, and how many groups were joined.

    rules: the section `split`
    Raises: ConfigError, see `sides_of`.
    """
    grouping = [name for name, spec in sets.items() if spec["near_duplicates"] == "group"]
    alike = [row for name in grouping for row in rows[name]]
    prompts, groups = [prompt_text(row) for row in alike], [row["group"] for row in alike]
    joined = joined_groups(prompts, groups, rules["near_duplicate_similarity"])
    head = heads({row["group"] for its_rows in rows.values() for row in its_rows}, joined, seed)
    sides: dict[str, list[Side | None]] = {}
    joins: dict[str, int] = {}
    for name, spec in sets.items():
        its_joined = joined if name in grouping else []
        its_groups = {row["group"] for row in rows[name]} if its_joined else set()
        joins[name] = sum(head[group] != group for group in its_groups)
        sides[name] = sides_of(rows[name], spec, its_joined, seed, f"params.yaml: sets.{name}")
    return sides, list(leaks(rows, sides, head)), joins


def split(
    rows: dict[str, list[Row]], sets: dict[str, Any], rules: dict[str, Any], seed: int
) -> tuple[dict[str, dict[Side, list[Row]]], dict[str, dict[str, Any]]]:
    """Return the rows of each set by side, in their order, and what metrics/splits.json says.

    rules: the section `split`
    Raises: ConfigError for an impossible split; InputError for leaking rows, if `leakage: error`.
    """
    sides, leaking, joins = placed(rows, sets, rules, seed)
    if leaking and rules["leakage"] == "error":
        raise InputError(
            *(
                Fault(
                    f"params.yaml: sets.{leak.set}",
                    f"row {rows[leak.set][leak.place]['id']} of {leak.side} leaks: "
                    f"its {leak.reason} is held out too",
                    f"no such row (there are {len(leaking)})",
                    "take it out, or set split.leakage to remove",
                )
                for leak in leaking[:5]
            )
        )
    counts: dict[str, dict[str, Any]] = {}
    parts: dict[str, dict[Side, list[Row]]] = {}
    for name, spec in sets.items():
        removed = [leak for leak in leaking if leak.set == name]
        for leak in removed:
            sides[name][leak.place] = None
        beyond = beyond_cap(rows[name], sides[name], spec.get("cap", {}), seed)
        parts[name] = {side: [] for side in SIDES}
        for place, (row, side) in enumerate(zip(rows[name], sides[name], strict=True)):
            if side and place not in beyond:
                parts[name][side].append({**row, "set": name})
        counts[name] = {side: len(part) for side, part in parts[name].items()} | {
            "rows": len(rows[name]),
            "capped": len(beyond),
            "joined": joins[name],
            "leaking": {why: sum(leak.reason == why for leak in removed) for why in REASONS},
            "sources": origins(parts[name]),
        }
    if faults := impossible(sets, counts):
        raise ConfigError(*faults)
    return parts, counts


def in_two_sets(parts: dict[str, dict[Side, list[Row]]]) -> list[Fault]:
    """Return a fault for each test row that is one of another set, too: it has one answer."""
    first: dict[str, str] = {}
    faults = []
    for name, by_side in parts.items():
        for row in by_side["test"]:
            if (other := first.setdefault(row["id"], name)) != name:
                prompt = " ".join(row["messages"][-2]["content"].split())
                what = f"test row {row['id']} ({prompt:.60}) is a test row of {other} too"
                then = "take it out of one of them, or word it otherwise"
                faults.append(Fault(f"params.yaml: sets.{name}", what, "each in one set", then))
    return faults


def main() -> None:
    """Split all sets, then write them: a fault leaves what was there before."""
    paths = entry.flags(__doc__, "--rows", "--sources", "--splits", "--test", "--metrics")
    params = load(PARAMS)
    rows: dict[str, list[Row]] = {}
    faults: list[Fault] = []
    for name, spec in params["sets"].items():
        where = f"params.yaml: sets.{name}"
        try:
            rows[name] = read_set(spec, paths.rows, paths.sources, where)
        except UserError as error:
            faults.extend(error.faults)
        shares = (spec.get("val", 0), spec.get("test", 0))
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            what = f"impossible split: val {shares[0]} and test {shares[1]}"
            faults.append(Fault(where, what, "shares in [0, 1], together at most 1"))
    if faults:
        raise UserError(*faults)
    sets, seed = params["sets"], params["seed"]["data"]
    parts, counts = split(rows, sets, params["split"], seed)
    if faults := in_two_sets(parts):
        raise InputError(*faults[:10])
    samples = train_samples(parts, sets, seed)
    for name, sample in samples.items():
        counts[name]["train_sample"] = len(sample)
    shutil.rmtree(paths.splits, ignore_errors=True)
    for name, by_side in parts.items():
        for side, part in by_side.items():
            write_rows(paths.splits / name / f"{side}.jsonl", part)
    answered = [*(by_side["test"] for by_side in parts.values()), *samples.values()]
    write_rows(paths.test, (row for of_set in answered for row in of_set))
    write_json(paths.metrics, counts)
    told = (
        f"{name} {count['train']}/{count['val']}/{count['test']}"
        + (f" (+{count['train_sample']} of train)" if count.get("train_sample") else "")
        if count["rows"]
        else f"{name} empty (switched off)"
        for name, count in counts.items()
    )
    entry.say("split", ", ".join(told) + " (train/val/test)")


if __name__ == "__main__":
    entry.run(main)
