import json

import pytest

from stages.core.proof.check import check
from stages.core.proof.schema import compiled

SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string", "minLength": 1} for key in ("agree", "disagree")},
    "required": ["agree", "disagree"],
    "additionalProperties": False,
}


@pytest.fixture(scope="session")
def schema():
    return SCHEMA


@pytest.fixture(scope="session")
def checked():
    """Check a text as a reply: its record and operations, or Refused."""
    settings = {"repair": True, "normalise": ["trim"], "aliases": {}}
    known = {}

    def run(text, finish_reason="stop", schema=None, **changes):
        said = json.dumps(schema or SCHEMA)
        if said not in known:
            known[said] = compiled(schema or SCHEMA, "schema.json")
        reply = {"text": text, "finish_reason": finish_reason, "error": None}
        return check(reply, known[said], settings | changes)

    return run
