"""Find the record in what was read: in a list, under a key, in a call, in parts; and tell if whole.

What is taken off is form that a schema does not know. Where that takes away more than one list or
one key, the record stands only if it is whole: a closed schema, all of whose keys are there.
"""

import json
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.strict import strict

# The keys of a call or a chat message around a record, besides the one that holds it.
ENVELOPE = frozenset({
    "id", "type", "name", "role", "index", "status", "success", "ok", "model", "object", "created",
    "function", "tool", "tool_name", "call_id", "recipient_name", "finish_reason", "format",
    "language", "version", "refusal", "tool_calls", "usage", "logprobs",
})  # fmt: skip
ENDED = ("finish_reason", "stop_reason", "finishReason", "done_reason")
HOLDERS = frozenset({
    "arguments", "args", "parameters", "input", "function", "function_call", "tool_calls",
    "message", "content", "choices", "output", "result", "response", "answer", "data", "json",
    "record", "value", "text", "final", "final_answer", "payload", "body", "tool_input",
})  # fmt: skip
ARGUMENTS = frozenset({"arguments", "args", "parameters", "input"})
OF_A_SCHEMA = frozenset({
    "type", "properties", "required", "additionalProperties", "$schema", "title", "description",
    "$id", "strict",
})  # fmt: skip
DEEPEST_ENVELOPE = 5


def unwrapped(read: Any, names: frozenset[str], closed: bool = False) -> tuple[Any, list[str]]:
    """Take a record out of what a schema does not know; return it and the operations.

    in_list:        a list of one, or of several that say the same (repeated)
    under_key:      one key
    envelope:       a call, or a message of a chat
    as_a_schema:    the values in place of the schemas of `properties`
    double_encoded: a JSON string in one of those
    merged, pairs:  one object a key, or a list of keys with their values

    names:  the keys that the schema knows
    closed: it allows no others
    """
    done: list[str] = []
    if isinstance(read, list) and read:
        if isinstance(read[0], dict) and all(each == read[0] for each in read):
            done += ["in_list"] if len(read) == 1 else ["in_list", "repeated"]
            read = read[0]
        elif parts := merged(read, names):
            return parts, ["merged"]
        elif made := paired(read, names):
            return made, ["pairs"]
    if not isinstance(read, dict) or not names or read.keys() <= names:
        return read, done
    if read.keys() & names:  # a call's `name` and the record's: only if all of it is within
        inner = opened(read, names, operations := [])
        fits = isinstance(inner, dict) and (
            names <= inner.keys() or (closed and called(read, inner, names))
        )
        if fits:
            return inner, [*done, *operations, "envelope"]
        return read, done
    if len(read) == 1:
        [inner] = read.values()
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            inner = decoded(inner)
            done += ["double_encoded"] if isinstance(inner, dict) else []
        if isinstance(inner, list) and len(inner) == 1:
            [inner] = inner
            done += ["in_list"] if isinstance(inner, dict) and inner.keys() & names else []
        if isinstance(inner, dict) and inner.keys() & names:
            return inner, [*done, "under_key"]
    properties = read.get("properties")
    if is_schema(read, names) and properties.keys() & names:
        typed = any(isinstance(each, dict) and "type" in each for each in properties.values())
        return (read, done) if typed else (properties, [*done, "envelope"])
    operations: list[str] = []
    inner = opened(read, names, operations)
    if inner is not None:
        return inner, [*done, *operations, "envelope"]
    return read, [each for each in done if each != "double_encoded"]


def called(read: dict[str, Any], inner: dict[str, Any], names: frozenset[str]) -> bool:
    """Tell whether an object is a call by its name, and a record that knows it, too, all of it."""
    held = read.keys() - names
    call = read.keys() & names == {"name"} and len(held) == 1 and held <= ARGUMENTS
    return call and "name" in inner and inner.keys() <= names


def decoded(text: str) -> Any:
    """Return what a JSON string says, if it says something without a doubt."""
    try:
        return strict(text)
    except ValueError:
        return text


def opened(read: Any, names: frozenset[str], operations: list[str], depth: int = 0) -> Any:
    """Return the one object in an envelope that knows the schema's keys, or None."""
    if depth > DEEPEST_ENVELOPE:
        return None
    if isinstance(read, list) and len(read) == 1:
        return opened(read[0], names, operations, depth + 1)
    if isinstance(read, str) and read.lstrip()[:1] == "{":
        inner = decoded(read)
        if isinstance(inner, dict):
            operations[:] = ["double_encoded"]
            return opened(inner, names, operations, depth + 1)
    if not isinstance(read, dict):
        return None
    ended = [read[key] for key in ENDED if isinstance(read.get(key), str) and key not in names]
    if any(each.lower() in ("length", "max_tokens") for each in ended):
        raise Refused("length", "the envelope says that the limit was met")
    may_hold = read.keys() & HOLDERS - names
    holds = [key for key in may_hold if isinstance(read[key], (dict, list))]
    holds = holds or [key for key in may_hold if isinstance(read[key], str)]
    if depth and read.keys() & names and not holds:
        return read
    if len(holds) != 1 or not read.keys() - set(holds) <= ENVELOPE:
        return None
    return opened(read[holds[0]], names, operations, depth + 1)


def merged(parts: list[Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the record that objects give together, which share no key; or nothing."""
    if len(parts) < 2 or not all(isinstance(part, dict) and part for part in parts):
        return {}
    keys = [key for part in parts for key in part]
    if len(set(keys)) < len(keys) or not names >= set(keys):
        return {}
    return {key: said for part in parts for key, said in part.items()}


def paired(parts: list[Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the record that a list of keys with their values gives; or nothing."""
    made: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, dict) and list(part) in (["key", "value"], ["name", "value"]):
            part = list(part.values())
        if not isinstance(part, list) or len(part) != 2:
            return {}
        key, said = part
        if not isinstance(key, str) or key not in names or key in made:
            return {}
        made[key] = said
    return made


def whole(record: Any, schema: Any) -> bool:
    """Tell whether nothing can be missing: closed schemas, all of whose keys are there.

    At every depth. What this cannot follow (allOf, a reference to elsewhere) is not whole.
    """
    return _named(record, schema, schema, True, 0)


def known(record: Any, schema: Any) -> bool:
    """Tell whether a schema names every key of a record, at every depth."""
    return _named(record, schema, schema, False, 0)


def _named(record: Any, schema: Any, root: Any, closed: bool, depth: int) -> bool:
    if depth > 64:
        return False
    if isinstance(schema, dict) and str(schema.get("$ref", "")).startswith("#"):
        target = root
        for part in filter(None, schema["$ref"].lstrip("#/").split("/")):
            target = target.get(part) if isinstance(target, dict) else None
        return _named(record, target, root, closed, depth + 1)
    if not isinstance(record, (dict, list)):
        return True
    if not isinstance(schema, dict):
        return not record
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return any(_named(record, each, root, closed, depth + 1) for each in schema[choice])
    if isinstance(record, list):
        items = schema.get("items", True)
        return all(_named(each, items, root, closed, depth + 1) for each in record)
    names = schema.get("properties", {})
    if closed and (schema.get("additionalProperties") is not False or names.keys() - record.keys()):
        return False
    return record.keys() <= names.keys() and all(
        _named(each, names[key], root, closed, depth + 1) for key, each in record.items()
    )


def is_schema(read: Any, names: frozenset[str]) -> bool:
    """Tell whether a model gave back a schema in place of a record."""
    if not isinstance(read, dict) or read.keys() & names & {"type", "properties"}:
        return False
    kind, known = read.get("type"), read.get("properties")
    return kind == "object" and isinstance(known, dict) and read.keys() <= OF_A_SCHEMA


def spelled(value: Any) -> str:
    """Spell a value so that equal ones, and no others, are alike (1 is not true)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
