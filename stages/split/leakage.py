"""Find what stands on two sides: in one set, or in two sets that one adapter may train on."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from stages.core.holdout import Side
from stages.core.records import Row
from stages.split.sides import prompt_text

Reason = Literal["row", "prompt", "group"]
REASONS: tuple[Reason, ...] = ("row", "prompt", "group")


class Leak(NamedTuple):
    """A row that has to leave its side, and why."""

    set: str
    place: int
    side: Side
    reason: Reason


def _identities(row: Row, head: dict[str, str]) -> tuple[str, str, str]:
    """Return what a row must not share with a row that is held out, in the order of REASONS."""
    return row["id"], prompt_text(row), head[row["group"]]


def leaks(
    rows: dict[str, list[Row]], sides: dict[str, list[Side]], head: dict[str, str]
) -> Iterator[Leak]:
    """Yield the rows of train that val or test know, and those of val that test knows.

    Across all sets, because an adapter may train on any of them: the same row, the same prompt to
    the letter, or the same group. Test keeps what it has; val gives way to test, train to both.
    A test row that a set of test rows alone (the probes) holds, too, stays there: a row is answered
    once, in one set.

    rows, sides: by set, in the same order
    head:        the group that stands for each one (`sides.heads`): near-duplicates are of one
    """
    known = {name: [_identities(row, head) for row in its_rows] for name, its_rows in rows.items()}
    whole = {name for name, its_sides in sides.items() if {*its_sides} == {"test"}}
    asked = {each[0] for name in whole for each in known[name]}
    for name in [name for name in known if asked and name not in whole]:
        for place, (each, its_side) in enumerate(zip(known[name], sides[name], strict=True)):
            if its_side == "test" and each[0] in asked:
                yield Leak(name, place, its_side, "row")
    held: tuple[set[str], ...] = tuple(set() for _ in REASONS)
    for keeps, gives_way in (("test", "val"), ("val", "train")):
        for name, identities in known.items():
            for each, its_side in zip(identities, sides[name], strict=True):
                if its_side == keeps:
                    for seen, identity in zip(held, each, strict=True):
                        seen.add(identity)
        for name, identities in known.items():
            for place, (each, its_side) in enumerate(zip(identities, sides[name], strict=True)):
                if its_side != gives_way:
                    continue
                for reason, seen, identity in zip(REASONS, held, each, strict=True):
                    if identity in seen:
                        yield Leak(name, place, its_side, reason)
                        break
