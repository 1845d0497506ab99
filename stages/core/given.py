"""Rows that a recipe ships as they are: seeds and examples, as `stages.core.records` has them."""

from stages.core.digest import digest
from stages.core.errors import Fault
from stages.core.tables import Table

TURN = ["user", "assistant"]
TEXT = {"type": "string", "minLength": 1}
KEYWORDS = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": TEXT, "minItems": 1},
}
SEED = {
    "type": "object",
    "required": ["fields"],
    "properties": {
        "id": TEXT,
        "group": TEXT,
        "fields": {"type": "object", "minProperties": 1},
        "keywords": KEYWORDS,
        "truth": {"type": "object"},
    },
    "additionalProperties": False,
}
EXAMPLE = {
    "type": "object",
    "required": ["skill", "messages"],
    "properties": {
        "id": TEXT,
        "skill": TEXT,
        "group": TEXT,
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"enum": ["system", "user", "assistant"]},
                    "content": TEXT,
                },
                "additionalProperties": False,
            },
        },
        "cases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["call", "args", "returns"],
                "properties": {"call": TEXT, "args": {"type": "array"}, "returns": {}},
                "additionalProperties": False,
            },
        },
        "keywords": KEYWORDS,
    },
    "additionalProperties": False,
}


def misshapen(table: Table) -> list[Fault]:
    """Return what is wrong with each row that is to be a seed, or an example, already.

    All rows are what the first one is: an example where it has messages, a seed otherwise. An id
    may be absent; one that is there must be the digest of what the row holds.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    example = "messages" in table[0][1]
    validator = Draft202012Validator(EXAMPLE if example else SEED)
    kind, content = ("an example", "messages") if example else ("a seed", "fields")
    faults: list[Fault] = []
    for where, row in table:
        if error := best_match(validator.iter_errors(row)):
            what = f"not {kind}: at {error.json_path}: {error.message}"
            expected = "{fields, truth, ...}" if not example else "{skill, messages, ...}"
            faults.append(Fault(where, what, f"{expected}: stages/core/records.py"))
            continue
        made = digest(row[content])
        if row.get("id", made) != made:
            faults.append(Fault(where, f"id {row['id']!r}", f"{made!r}, or no id"))
        if example and [message["role"] for message in row["messages"]][-2:] != TURN:
            faults.append(Fault(where, "the messages do not end with user, assistant"))
    return faults
