"""Structure: the JSON that parses, that fits the schema, whose fields agree with the reference."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from stages.evaluate.metrics.metric import RowMetric

Path = tuple[str | int, ...]


def parse(text: str) -> Any:
    """Return the JSON object or array that the text as a whole is; None when it is none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the end of every path of a JSON value: its scalars, and what is empty."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from fields(inner, (*path, key))
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            yield from fields(inner, (*path, at))
    else:
        yield path, value


def agree(one: Any, other: Any) -> bool:
    """Say whether two values are equal as JSON; texts whatever their case and white space."""
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.casefold().split()) == " ".join(other.casefold().split())
    # In Python True == 1, in JSON it is not.
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def field_agreement(text: str, reference: str) -> float | None:
    """Return the share of the reference's fields whose value the answer has, 0 to 1.

    None where the reference is no JSON object or array, or an empty one.
    """
    wanted = parse(reference)
    if not wanted:
        return None
    answered = parse(text)
    there = {} if answered is None else dict(fields(answered))
    missing = object()
    pairs = list(fields(wanted))
    return sum(agree(value, there.get(path, missing)) for path, value in pairs) / len(pairs)


class FieldAgreement(RowMetric):
    """Share of the reference's fields whose value the answer has."""

    citation = "https://en.wikipedia.org/wiki/Precision_and_recall"

    def _compute(
        self, predictions: list[str], references: list[str]
    ) -> dict[str, list[float | None]]:
        pairs = zip(predictions, references, strict=True)
        return {"field_agreement": [field_agreement(text, wanted) for text, wanted in pairs]}


class Structure(RowMetric):
    """JSON that parses, and that is valid against the schema."""

    citation = "https://json-schema.org/draft/2020-12"

    def _compute(
        self, predictions: list[str], references: list[str], schema: dict[str, Any]
    ) -> dict[str, list[float]]:
        validator = Draft202012Validator(schema)
        values = [parse(text) for text in predictions]
        return {
            "parses": [float(value is not None) for value in values],
            "schema_valid": [float(v is not None and validator.is_valid(v)) for v in values],
        }
