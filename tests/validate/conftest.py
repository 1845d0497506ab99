import pytest

SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string", "minLength": 1} for key in ("agree", "disagree")},
    "required": ["agree", "disagree"],
    "additionalProperties": False,
}


@pytest.fixture
def schema():
    return SCHEMA
