"""Tell where the rows of a set come from."""

from stages.core.holdout import Side
from stages.core.records import Row


def origins(part: dict[Side, list[Row]]) -> dict[str, dict[str, dict[Side, int]]]:
    """Return how many rows of each side come from each source.

    Returns: requested (of teachers) and imported (of sources of finished rows), each by name
    """
    found: dict[str, dict[str, dict[Side, int]]] = {"requested": {}, "imported": {}}
    for side, its_rows in part.items():
        for row in its_rows:
            way = found["requested" if "request" in row else "imported"]
            way.setdefault(row["source"], dict.fromkeys(part, 0))[side] += 1
    return found
