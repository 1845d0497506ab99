"""Round what goes into metrics/: digits beyond are the machine's, and would show as a change."""

from typing import Any

DIGITS = 5


def rounded(value: Any) -> Any:
    """Round every number inside to DIGITS; a p, or its correction, to two significant digits."""
    if isinstance(value, dict):
        return {
            key: float(f"{inner:.2g}")
            if key in ("p", "p_holm") and isinstance(inner, float)
            else rounded(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no -0.0
    return value
