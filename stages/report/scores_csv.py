"""metrics/scores.csv: every model's figures with their intervals, for `dvc plots`."""

from pathlib import Path
from typing import Any

from stages.core.jsonl import replacing
from stages.core.records import Score


def write_scores(
    path: Path,
    models: dict[str, dict[str, dict[str, float]]],
    scores: dict[str, list[Score]],
    sections: dict[str, Any],
    confidence: float,
) -> None:
    """Write model, section, metric, value, low, high and n, a line each."""
    with replacing(path) as file:
        file.write("model,section,metric,value,low,high,n\n")
