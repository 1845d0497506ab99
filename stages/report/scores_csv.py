"""metrics/scores.csv: every model's figures with their intervals, for `dvc plots`.

    value      what metrics/models has
    low, high  its interval over the section's rows; empty where only the section has a value
    n          rows that have the key
    better     ↑ or ↓, which direction is; level: where in its range the value is, 0 the worst,
               1 the best; empty where the key has no direction, or no end
    primary    1 where it is the section's primary metric, else 0

A line stands where it does in params.yaml: sections, then metrics, then models.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from math import isinf
from pathlib import Path
from typing import Any

from stages.core.jsonl import replacing
from stages.core.pairing import having, section_rows, span, values
from stages.core.records import Score
from stages.core.rounding import rounded
from stages.core.scores import KEYS, arrow
from stages.core.significance import Sampling, mean

COLUMNS = (
    *("section", "metric", "model", "value", "low", "high", "n", "unit", "better", "level"),
    "primary",
)


def level(key: str, value: float) -> float | None:
    """Return where in its range a value is: 0 the worst, 1 the best; None where that has no end."""
    known = KEYS[key]
    if known.higher_is_better is None or isinf(known.low) or isinf(known.high):
        return None
    share = (value - known.low) / (known.high - known.low)
    return share if known.higher_is_better else 1 - share


def lines(
    models: Mapping[str, Mapping[str, Mapping[str, float]]],
    scores: Mapping[str, list[Score]],
    sections: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """Yield a line for each key that a model has in a section.

    models, scores: what metrics/models and data/scores hold, by name, in the order of params.yaml
    sections:       `evaluate.sections`; settings: `compare`
    """
    by_row = {name: {score["row"]: score for score in of} for name, of in scores.items()}
    for section, asked in sections.items():
        sampling = Sampling(settings["confidence"], settings["resamples"], section)
        rows = {name: section_rows(of, asked) for name, of in by_row.items()}
        for key in asked["metrics"]:
            for name, found in models.items():
                value = found.get(section, {}).get(key)
                if value is None:
                    continue
                with_key = having(key, rows[name], by_row[name])
                ends: dict[str, Any] = {"n": found[section]["n"]}
                if with_key and KEYS[key].over == "row":
                    told = mean(values(key, by_row[name], with_key), sampling, span(key))
                    ends = {"low": told.low, "high": told.high, "n": told.n}
                line = {"section": section, "metric": key, "model": name, "value": value, **ends}
                line |= {"unit": KEYS[key].unit, "better": arrow(key), "level": level(key, value)}
                yield line | {"primary": int(key == asked.get("primary"))}


def write_scores(path: Path, figures: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines of all figures."""
    with replacing(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for line in figures:
            writer.writerow(rounded(dict(line)))
