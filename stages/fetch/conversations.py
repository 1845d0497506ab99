"""Make chat rows of conversations as ShareGPT has them: a column of turns with speakers."""

from typing import Any

from stages.core.tables import Table


def as_conversations(
    table: Table, spec: dict[str, Any], group: str | None, where: str
) -> list[dict[str, Any]]:
    """Make an example of each conversation (see `stages.core.records.Example`)."""
    raise NotImplementedError
