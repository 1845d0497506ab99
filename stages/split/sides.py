"""Decide the side of each row of one set."""

from collections import defaultdict
from typing import Any

from stages.core.errors import ConfigError, Fault
from stages.core.holdout import Side, position, side
from stages.core.records import Row


def prompt_text(row: Row) -> str:
    """Return all that the model is asked: every turn but the last."""
    return "\n".join(message["content"] for message in row["messages"][:-1])


def heads(groups: set[str], joined: list[set[str]], seed: int) -> dict[str, str]:
    """Return the group that stands for each group: of joined ones the first by position.

    The first positions are test's (`holdout.side`), so a join never takes a row out of test.
    """
    found = {group: group for group in groups}
    for members in joined:
        head = min(members, key=lambda group: (position(group, seed), group))
        found.update(dict.fromkeys(members, head))
    return found


def by_ids(rows: list[Row], ids: dict[str, list[str]], where: str) -> list[Side]:
    """Return the sides that explicit ids ask for; the rest is train.

    ids: side -> ids of rows, or of groups (a column of the table, `sources.<name>.group`), which
         stand for all of their rows
    Raises: ConfigError naming ids that neither a row nor a group has, and rows that are asked for
        on both sides.
    """
    test, val = set(ids.get("test", [])), set(ids.get("val", []))
    there = {name for row in rows for name in (row["id"], row["group"])}
    faults = [
        Fault(f"{where}.ids", f"no row and no group has the id {name!r}", "ids of this set")
        for name in sorted((test | val) - there)
    ]
    sides: list[Side] = []
    for row in rows:
        names = {row["id"], row["group"]}
        sides.append("test" if names & test else "val" if names & val else "train")
        if names & test and names & val:
            told = " or ".join(repr(name) for name in sorted(names & (test | val)))
            faults.append(Fault(f"{where}.ids", f"{told} is under val and under test", "one side"))
    if faults:
        raise ConfigError(*list(dict.fromkeys(faults))[:10])
    return sides


def stratum_of(row: Row, key: str, where: str) -> str:
    """Return the stratum of a row: its skill, its source, or a value of its record.

    Raises: ConfigError when the row has no such value.
    """
    if key == "skill":
        return row["skill"]
    if key == "source":
        return row["source"]
    try:
        return str(row["record"][key])
    except KeyError:
        known = ", ".join(["skill", "source", *row.get("record", {})])
        raise ConfigError(
            Fault(f"{where}.stratify", f"row {row['id']} has no `{key}`", f"one of: {known}")
        ) from None


def by_stratum(
    rows: list[Row], head: dict[str, str], spec: dict[str, Any], seed: int, where: str
) -> dict[str, Side]:
    """Return the side of each head, so that the shares hold within each stratum.

    Within a stratum the heads stand in the order of their hash; the first `test` of its rows are
    test, the next `val` are val. A head whose rows are of several strata counts with the first by
    name. More data moves only what stands beside a border.
    """
    sizes: dict[str, int] = defaultdict(int)
    strata: dict[str, str] = {}
    for row in rows:
        name, stratum = head[row["group"]], stratum_of(row, spec["stratify"], where)
        sizes[name] += 1
        strata[name] = min(strata.get(name, stratum), stratum)
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(sizes, key=lambda name: (position(name, seed), name)):
        members[strata[name]].append(name)
    sides: dict[str, Side] = {}
    for names in members.values():
        total, before = sum(sizes[name] for name in names), 0
        for name in names:
            middle = (before + sizes[name] / 2) / total
            before += sizes[name]
            held = middle < spec["test"] + spec["val"]
            sides[name] = "test" if middle < spec["test"] else "val" if held else "train"
    return sides


def sides_of(
    rows: list[Row], spec: dict[str, Any], joined: list[set[str]], seed: int, where: str
) -> list[Side]:
    """Return the side of each row of a set.

    joined: groups that must go together
    where:  the set's key, for messages
    Raises: ConfigError, see `by_ids` and `stratum_of`.
    """
    if spec.get("ids"):
        return by_ids(rows, spec["ids"], where)
    head = heads({row["group"] for row in rows}, joined, seed)
    if spec.get("stratify"):
        side_of = by_stratum(rows, head, spec, seed, where)
    else:
        names = set(head.values())
        side_of = {name: side(name, seed, spec["val"], spec["test"]) for name in names}
    return [side_of[head[row["group"]]] for row in rows]


def beyond_cap(
    rows: list[Row], sides: list[Side | None], cap: dict[str, dict[str, int]], seed: int
) -> set[int]:
    """Return the places of the rows that a side has too many of, by skill and the hash of the id.

    cap: side -> {skill: rows, default: rows}; what has neither is not capped
    """
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (row, its_side) in enumerate(zip(rows, sides, strict=True)):
        if its_side in cap:
            members[its_side, row["skill"]].append(place)
    beyond: set[int] = set()
    for (its_side, skill), places in members.items():
        limit = cap[its_side].get(skill, cap[its_side].get("default"))
        places.sort(key=lambda place: (position(f"cap {rows[place]['id']}", seed), place))
        beyond.update(places[limit:] if limit is not None else ())
    return beyond
