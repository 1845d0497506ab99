"""Seeds and examples that a recipe ships as they are, and what the offline teacher says to them."""

from collections.abc import Iterator

from stages.check.meaning import Params, section
from stages.core.errors import Fault
from stages.core.given import misshapen
from stages.core.proof import Refused
from stages.core.proof.schema import Schema
from stages.core.tables import Table

OFFLINE = "offline"
MOST_TOLD = 10
MADE = {"fields", "examples", "conversations"}


def check_given(source: Params, table: Table) -> list[Fault]:
    """Hold that rows of which the source makes nothing are seeds or examples already."""
    if MADE & source.keys():
        return []
    faults = misshapen(table)
    if len(faults) < len(table):
        return faults[:MOST_TOLD]
    (where, row), columns = table[0], ", ".join(map(str, table[0][1]))
    if {"fields", "messages"} & row.keys():
        return faults[:MOST_TOLD]
    # No row is one, nor begins to be: a table, of which something is to be made.
    what = f"no row is a seed, with `fields`, or an example, with `messages`: columns {columns}"
    then = "say in params.yaml what to make of them, with `fields` or `examples` at the source"
    return [Fault(where.rpartition(":")[0], what, then=then)]


def asks_offline(params: Params) -> bool:
    """Tell whether the offline teacher answers, which says the truth of a seed."""
    teachers = section(params, "teachers") or []
    return any(
        teacher.get("base_url") == OFFLINE and teacher.get("weight", 0) > 0 for teacher in teachers
    )


def check_truths(
    params: Params, tables: dict[str, Table], schema: Schema | None
) -> Iterator[Fault]:
    """Hold that the offline teacher knows an answer to every seed, and that it fits the schema.

    tables: source -> its seeds, where they are a file's rows
    """
    asked = section(params, "prompt").get("source")
    if asked not in tables or not asks_offline(params):
        return
    found: list[Fault] = []
    for where, seed in tables[asked]:
        if not isinstance(seed.get("fields"), dict):
            continue  # told already
        if not isinstance(seed.get("truth"), dict):
            then = "give the seed a `truth`, or ask a teacher who answers by itself"
            found.append(Fault(where, "no `truth`, which the offline teacher says", then=then))
            continue
        try:
            wrong = schema and schema.mismatch(seed["truth"])
        except Refused as refused:
            wrong = refused.detail
        if wrong:
            what = f"the truth does not fit the schema: {wrong}"
            found.append(Fault(where, what, "params.yaml: validate.schema"))
    yield from found[:MOST_TOLD]
    if len(found) > MOST_TOLD:
        file = found[0].where.rpartition(":")[0]
        yield Fault(file, f"{len(found) - MOST_TOLD} more rows like that")
