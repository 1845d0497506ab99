"""Parse JSON as RFC 8259 has it, each key said once and each number finite."""

import json
import math
from typing import Any

from stages.core.proof import Refused


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, unless it says a key twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Refused("duplicate_keys", f"the key {twice!r} stands twice")
    return made


def _constant(name: str) -> float:
    raise Refused("not_finite", f"{name} is no JSON number")


def _float(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise Refused("not_finite", f"{digits} is beyond what a number can hold")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def strict(text: str) -> Any:
    """Parse a whole text as RFC 8259 has it, each key said once and each number finite.

    Raises: ValueError when it is not JSON; Refused (duplicate_keys, not_finite, too_long).
    """
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise Refused("too_long", "nested too deeply") from None
