"""The shape of params.yaml: a JSON Schema as data, and its errors in words.

What is of a wrong shape is told and taken out, so that the checks of meaning that follow can trust
all that is left: what is there has the right type.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from stages.core.errors import Fault

Place = tuple[str | int, ...]

SCHEMA = Path(__file__).with_name("params.schema.json")
WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}

# How most providers begin their keys.
BEGINNING = r"\b(?:AIza|(?:sk|rk|pk|gsk|hf|xai|pplx|nvapi)[-_])"
# A key wherever it stands: nothing else that begins so is that long and holds a digit.
LEAKED = re.compile(rf"{BEGINNING}(?=[\w-]*\d)[\w-]{{16,}}")
# What is not shown of a value: an address's user and password, what may be a key.
SECRET = re.compile(rf"(?<=//)[^/@\s]+(?=@)|{BEGINNING}(?=[\w-]*\d)[\w-]{{6,}}")
EMPTY = {"minItems", "minProperties", "minLength"}
# A value that breaks one of these is not what the checks of meaning take it for.
UNSOUND = {
    *("type", "enum", "pattern", "minLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}


def kind(value: Any) -> str:
    """Say in words what a value is."""
    types = {
        **{str: "string", bool: "boolean", int: "integer", float: "number"},
        **{list: "array", dict: "object", type(None): "null"},
    }
    return WORDS[types[type(value)]] if type(value) in types else f"a {type(value).__name__}"


def spell(path: Iterable[str | int]) -> str:
    """Spell where a value stands: `teachers[0].weight`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def shown(value: Any) -> str:
    """Quote a value, cut where it is long, without what may be a key or a password."""
    text = SECRET.sub("***", repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def is_number(text: Any) -> bool:
    """Tell whether a text would be a number without its quotes."""
    try:
        return isinstance(text, str) and isfinite(float(text))
    except ValueError:
        return False


def ensured(types: str | list[str]) -> list[str]:
    """Return a schema's `type` as a list, which it may be already."""
    return [types] if isinstance(types, str) else types


def wanted(schema: dict[str, Any]) -> str:
    """Say what a (sub)schema asks for."""
    words = [WORDS[name] for name in ensured(schema.get("type", []))]
    if "enum" in schema:
        words = ["one of: " + ", ".join(map(str, schema["enum"]))]
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    limits = [f"{word} {schema[bound]}" for bound, word in bounds.items() if bound in schema]
    text = " or ".join(words) + (", " + " and ".join(limits) if limits else "")
    described = schema.get("description", "")
    return f"{text}: {described}" if text and described else text or described


def resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Follow a part's `$ref` into `$defs`; what the part says itself counts more."""
    reference = part.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] | part if reference else part


def refused(schema: dict[str, Any], key: str) -> str | None:
    """Return what to do instead of giving a key that a library knows and a mapping refuses.

    schema: its `refused` (no word of JSON Schema's) holds patterns of keys, and what to do instead
    """
    found = (then for keys, then in schema.get("refused", {}).items() if re.search(keys, key))
    return next(found, None)


def unknown_keys(file: str, error: Any) -> list[Fault]:
    """Return a fault for each key that a closed mapping does not have, with the one meant."""
    path, known = list(error.absolute_path), error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    faults = []
    for key in error.instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        if then := refused(error.schema, key):
            where = f"{file}: {spell([*path, key])}"
            faults.append(Fault(where, f"{key!r} is no key of this section", then=then))
            continue
        near = difflib.get_close_matches(key, known, 1)
        what = f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        expected = "one of: " + ", ".join(sorted(known or patterns))
        faults.append(Fault(f"{file}: {spell([*path, key])}", what, expected))
    return faults


def in_words(file: str, schema: dict[str, Any], error: Any) -> list[Fault]:
    """Turn one error of jsonschema into faults."""
    path, got, rule = list(error.absolute_path), error.instance, error.validator
    where = f"{file}: {spell(path)}" if path else file
    asked = wanted(error.schema)
    if rule == "additionalProperties":
        return unknown_keys(file, error)
    if rule == "required":
        # jsonschema makes an error of each missing key; only its message says which.
        missing = (key for key in error.validator_value if key not in got)
        key = next(key for key in missing if error.message.startswith(repr(key)))
        expected = wanted(resolved(schema, error.schema.get("properties", {}).get(key, {})))
        return [Fault(f"{file}: {spell([*path, key])}", "is missing", expected)]
    if "propertyNames" in error.absolute_schema_path:
        return [Fault(f"{file}: {spell([*path, got])}", f"{got!r} cannot be a key", asked)]
    if rule == "type":
        types = ensured(error.validator_value)
        if {"number", "integer"} & {*types} and is_number(got):
            what = f"the number is given as quoted text: {got!r}"
            return [Fault(where, what, asked, f"write {got}")]
        then = f'write "{got}"' if "string" in types and isinstance(got, int | float) else ""
        return [Fault(where, f"{shown(got)} is {kind(got)}", asked, then)]
    if rule in EMPTY:
        return [Fault(where, "is empty", asked)]
    if rule == "uniqueItems":
        twice = sorted({str(item) for item in got if got.count(item) > 1})
        return [Fault(where, f"named twice: {', '.join(twice)}", "each entry once")]
    if rule == "enum":
        near = difflib.get_close_matches(str(got), map(str, error.validator_value), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return [Fault(where, f"{shown(got)} is none of the choices{hint}", asked)]
    if path and path[-1] == "api_key_env":
        return [Fault(where, "is no name of a variable (not shown: it may be a key)", asked)]
    said = "cannot be used here" if rule == "pattern" else "is out of range"
    return [Fault(where, f"{shown(got)} {said}", asked)]


def strange(value: Any, path: Place = ()) -> Iterator[tuple[Place, str, str]]:
    """Yield where a value is none that JSON Schema has a rule for, what it is, what is expected."""
    if isinstance(value, float) and not isfinite(value):
        yield path, "is not a finite number", "a number"
    items = enumerate(value) if isinstance(value, list) else getattr(value, "items", tuple)()
    for key, item in items:
        if isinstance(value, dict) and not isinstance(key, str):
            yield (*path, key), f"the key is {kind(key)}", f'text: write "{key}"'
        else:
            yield from strange(item, (*path, key))


def textual(value: Any) -> Any:
    """Copy a nested value without the keys that are no text."""
    if isinstance(value, dict):
        return {key: textual(item) for key, item in value.items() if isinstance(key, str)}
    return [textual(item) for item in value] if isinstance(value, list) else value


def without(value: Any, faulty: set[Place], path: Place = ()) -> Any:
    """Copy a nested value without what stands at the faulty paths."""
    if isinstance(value, dict):
        kept = [key for key in value if (*path, key) not in faulty]
        return {key: without(value[key], faulty, (*path, key)) for key in kept}
    if isinstance(value, list):
        kept = [at for at in range(len(value)) if (*path, at) not in faulty]
        return [without(value[at], faulty, (*path, at)) for at in kept]
    return value


def check_shape(
    params: Any, file: str = "params.yaml", schema_file: Path = SCHEMA
) -> tuple[list[Fault], dict[str, Any]]:
    """Return the faults of shape, and the parameters without what is at fault."""
    from jsonschema import Draft202012Validator

    if not isinstance(params, dict):
        return [Fault(file, f"holds {kind(params)}", "a mapping of keys to values")], {}
    schema = json.loads(schema_file.read_bytes())
    found = list(strange(params))
    faults = [Fault(f"{file}: {spell(path)}", what, expected) for path, what, expected in found]
    faulty = {path for path, _, _ in found}
    # jsonschema fails on keys that are no text; to infinity it has no objection.
    for error in Draft202012Validator(schema).iter_errors(textual(params)):
        faults += in_words(file, schema, error)
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            faulty |= {(*path, key) for key in error.instance if key not in known}
        elif error.validator in UNSOUND and "propertyNames" not in error.absolute_schema_path:
            faulty.add(path)
    return sorted(set(faults), key=lambda fault: (fault.where, fault.what)), without(params, faulty)
