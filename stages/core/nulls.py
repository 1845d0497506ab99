"""Settle cells that say nothing: drop the row, say unknown, or leave the field out."""

from typing import Any

from stages.core.tables import Table


def settled(table: Table, spec: dict[str, Any], where: str) -> tuple[Table, dict[str, Any]]:
    """Return the table with its nulls settled, and how many each policy met, by column."""
    raise NotImplementedError
