"""Consistency and bias: a part of metrics/report.md."""

from typing import Any


def section(found: dict[str, Any]) -> list[str]:
    """Return the part's lines of Markdown; none where it is switched off."""
    return []
