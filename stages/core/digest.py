"""Content identities: the same content has the same id on every machine and in every run."""

import hashlib
import json
from pathlib import Path
from typing import Any

# Made once: json.dumps makes one at every call with settings of its own.
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """Spell a JSON value in exactly one way: sorted keys, no spaces, no escapes."""
    return ENCODER.encode(value)


def digest(value: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits, read in blocks (weights are large)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
