"""Change how texts are spelled, and nothing of what they say: spaces, entities, letters."""

from stages.core.tables import Table


def spelled(table: Table, names: list[str]) -> tuple[Table, dict[str, int]]:
    """Return a table with every text normalised, and how many rows each normalisation changed."""
    raise NotImplementedError
