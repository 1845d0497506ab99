"""From what was read to a checked record: shape, the normalisations a recipe allows, schema."""

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.proof import Refused
from stages.core.proof.parse import check_characters, check_meaning, guess, mend, strict

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

# What a recipe may allow by name (params.yaml: validate.normalise), on every string of a record.
NORMALISE: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "entities": html.unescape,
    "breaks": lambda text: re.sub(r"\s*<br\s*/?>\s*", "\n", text),
}
ACCEPTED = ("stop", "unknown")  # `unknown`: a server that names no finish reason
FINISH = {"length": "length", "content_filter": "content_filter", "refusal": "refusal"}


def compiled(schema: Any, where: str) -> "Draft202012Validator":
    """Return the validator of a schema.

    Raises: ConfigError when it is not a JSON Schema.
    """
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        what = f"not a JSON Schema at {error.json_path}: {error.message}"
        raise ConfigError(Fault(where, what, "JSON Schema, draft 2020-12")) from None
    return Draft202012Validator(schema)


def mismatch(validator: "Draft202012Validator", record: Any) -> str | None:
    """Return where and how a record does not fit the schema, or None when it does."""
    if validator.is_valid(record):
        return None
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(record))
    return f"{error.json_path}: {error.message}"[:300]


def unwrapped(read: Any, names: set[str]) -> tuple[Any, list[str]]:
    """Take a record out of a list of one, or from under one key that the schema does not know.

    names: the keys that the schema knows
    """
    done = []
    if isinstance(read, list) and len(read) == 1 and isinstance(read[0], dict):
        done.append("in_list")
        read = read[0]
    if isinstance(read, dict) and len(read) == 1:
        [(key, inner)] = read.items()
        if key not in names and isinstance(inner, dict) and inner.keys() & names:
            done.append("under_key")
            read = inner
    return read, done


def recased(record: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Spell keys as the schema does, where case, spaces and dashes are all that differs."""

    def bare(key: str) -> str:
        return re.sub(r"[\s_-]", "", key).casefold()

    known = {bare(name): name for name in names}
    spelled = {known.get(bare(key), key): said for key, said in record.items()}
    return spelled if len(spelled) == len(record) else record


def normalised(value: Any, change: Callable[[str], str]) -> Any:
    """Change every string of a JSON value."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: normalised(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [normalised(each, change) for each in value]
    return value


def normalise(record: Any, allowed: list[str]) -> tuple[Any, list[str]]:
    """Apply the allowed normalisations in order; return the record and those that changed it."""
    done = []
    for name in allowed:
        if name in NORMALISE and (changed := normalised(record, NORMALISE[name])) != record:
            done.append(name)
            record = changed
    return record, done


def whole(record: dict[str, Any], schema: Any) -> bool:
    """Tell whether nothing can be missing: a closed schema, all of whose keys are there."""
    closed = isinstance(schema, dict) and schema.get("additionalProperties") is False
    return closed and schema.get("properties", {}).keys() <= record.keys()


def check(
    reply: dict[str, Any], validator: "Draft202012Validator", settings: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a reply's record and the operations that led to it.

    First come those that mended the text, in alphabetical order, then what was unwrapped, then the
    normalisations.

    settings: section `validate` of params.yaml (repair, normalise)
    Raises: Refused, with json-repair's guess as the best attempt where there is a text.
    """
    text, finish_reason = reply["text"], reply["finish_reason"]
    if reply["error"] is not None:
        raise Refused("no_reply", reply["error"])
    try:
        if finish_reason not in ACCEPTED:
            reason = FINISH.get(finish_reason, "unproven")
            raise Refused(reason, f"finish_reason {finish_reason!r}")
        if not text or not text.strip():
            raise Refused("empty")
        try:
            return _record(text, validator, settings)
        except RecursionError:
            raise Refused("too_long", "nested too deeply") from None
    except Refused as refused:
        if refused.best is None and text:
            refused.best = guess(text)
        raise


def _record(
    text: str, validator: "Draft202012Validator", settings: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    schema = validator.schema
    names = set(schema.get("properties", {})) if isinstance(schema, dict) else set()
    operations: list[str] = []
    try:
        read = strict(text)
        if isinstance(read, str):
            raise ValueError("a JSON string, perhaps an object encoded twice")
    except ValueError as error:
        if not settings["repair"]:
            raise Refused("unproven", f"not JSON: {error}") from None
        read, operations = mend(text)
    record, done = unwrapped(read, names)
    operations += done
    if not isinstance(record, dict):
        raise Refused("schema", "not an object", read)
    if "key_case" in settings["normalise"] and (spelled := recased(record, names)) != record:
        operations.append("key_case")
        record = spelled
    check_characters(record)
    record, done = normalise(record, settings["normalise"])
    operations += done
    check_meaning(record)
    if wrong := mismatch(validator, record):
        raise Refused("schema", wrong, record)
    if {"missing_brace", "missing_open_brace"} & set(operations) and not whole(record, schema):
        raise Refused("truncated", "a brace is missing, and with it perhaps a key", record)
    return record, operations
