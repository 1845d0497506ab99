import pytest

from stages.core.proof.check import check, compiled

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
    settings = {"repair": True, "normalise": ["trim"]}
    usual = compiled(SCHEMA, "schema.json")

    def run(text, finish_reason="stop", schema=None, **changes):
        validator = compiled(schema, "schema.json") if schema else usual
        reply = {"text": text, "finish_reason": finish_reason, "error": None}
        return check(reply, validator, settings | changes)

    return run
