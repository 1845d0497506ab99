"""What may be wrong with the policy for cells that say nothing, told on the recipe's own table."""

from stages.check.meaning import Params
from stages.core.errors import Fault, UserError
from stages.core.nulls import settled
from stages.core.tables import Table

SHAPED = ("fields", "examples", "conversations")


def check_nulls(source: Params, table: Table, where: str) -> list[Fault]:
    """Hold that a policy names columns that there are, and leaves a row.

    source: of kind file, with its whole table
    where:  the source's key
    """
    if "policy" not in source.get("nulls", {}):
        return []  # none, or told already
    if not any(key in source for key in SHAPED):
        what = "the file holds seeds or examples already: no column of it is a template's variable"
        return [Fault(f"{where}.nulls", what, f"beside one of: {', '.join(SHAPED)}")]
    try:
        settled(table, source["nulls"], where)
    except UserError as error:
        return list(error.faults)
    return []
