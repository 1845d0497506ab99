r"""Refuse well-formed records that say something else than was meant, where that is certain."""
# ruff: noqa: RUF001

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from stages.core.proof import Refused
from stages.core.proof.characters import strings
from stages.core.proof.leftovers import check_leftovers
from stages.core.proof.runaway import check_runaway
from stages.core.proof.schema import Schema
from stages.core.proof.strict import strict
from stages.core.spelling import ENTITY

ASKED = r"(?:insert|your|placeholder|fill|todo|tbd|here|goes|replace|add|enter|write|provide)"
KIND = r"(?:text|string|value|name|title|response|answer|content|number|integer|description)"
PLACEHOLDER = re.compile(
    rf"""\s*(?:[\[(<]?\s*(?:\.{{2,}}|…)\s*[\])>]?|_{{3,}}|-{{2,}}|\?{{3,}}|\{{\{{?\s*[\w.]+\s*\}}?\}}|\$\{{\w+\}}
    |<(?:[^<>=/]*\b{ASKED}\b[^<>=]*|{KIND}|[^<>=/]*[ _]{KIND}|[a-z]+[ _][a-z _]+)>
    |\[(?:[^\[\]]*\b{ASKED}\b[^\[\]]*|{KIND}|[^\[\]]*[ ]{KIND})\]
    |[(]?(?:TODO|TBD|TBA|TBC|FIXME)(?::[^\n]*)?[)]?|\[object[ ]Object\]|undefined
    |to[ ]be[ ](?:determined|added|completed|written|decided|filled(?:[ ]in)?)\.?
    |(?:\.{{3}}|…)\s*\(?(?:and[ ])?(?:\d+[ ])?(?:more|etc|others?|so[ ]on)[\w ]{{0,20}}\)?\.?
    |(?:sample|example|dummy|placeholder)[ ]{KIND}(?:[ ]here)?\.?|{KIND}[ ]here\.{{0,3}}|placeholder
    |your[ ][\w ]{{1,40}}[ ](?:goes[ ])?here\.{{0,3}}
    |(?:the[ ])?[\w ]{{0,20}}{KIND}[ ]goes[ ]here\.{{0,3}}
    |(?:insert|add|put|write|enter)[ ][\w ]{{0,30}}\b{KIND}[ ]here\.{{0,3}}
    |lorem[ ]ipsum\b.*|)\s*""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
MAY_STAND = re.compile(
    r"\s*(?:[.…_{$<\[(?-]|TODO|TB[ACD]\b|FIXME|\Z|placeholder|undefined|(?i:your|insert|add|put|write"
    rf"|enter|the|lorem|to|sample|example|dummy|placeholder|{KIND})\s)"
)
QUOTED = re.compile(r'"[^"]+"|“[^“”]+”')
LONGEST_PLACEHOLDER = 300
TYPES = frozenset({"string", "text", "str", "number", "integer", "boolean", "bool", "value"})


def texts(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value, without the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


class Said(NamedTuple):
    """What a schema says.

    choices:      strings that it names as values
    descriptions: of its keys
    names:        its keys
    swallowed:    how one of them looks within a string: in JSON, and in what was mended
    text:         the schema's own
    """

    choices: frozenset[str]
    descriptions: frozenset[str]
    names: frozenset[str]
    swallowed: "tuple[re.Pattern[str], re.Pattern[str]]"
    text: str


NEVER = re.compile(r"(?!)")
NOTHING = Said(frozenset(), frozenset(), frozenset(), (NEVER, NEVER), "")


@lru_cache(maxsize=8)
def said_by(schema: Schema) -> Said:
    """Return what a schema says, at every depth."""
    choices: set[str] = set()
    descriptions: set[str] = set()
    names: set[str] = set()
    level = [schema.schema]
    while level:
        each = level.pop()
        if isinstance(each, list):
            level += each
        elif isinstance(each, dict):
            choices |= {said for said in each.get("enum", ()) if isinstance(said, str)}
            choices |= {said for said in [each.get("const")] if isinstance(said, str)}
            told = each.get("description")
            descriptions |= {told} if isinstance(told, str) and len(told.split()) > 2 else set()
            known = each.get("properties")
            names |= known.keys() if isinstance(known, dict) else set()
            level += [inner for inner in each.values() if isinstance(inner, (dict, list))]
    text = json.dumps(schema.schema, ensure_ascii=False)
    either = "|".join(map(re.escape, sorted(names))) or "(?!)"
    loose = rf"""(?<!\w)({either})["'“”«»‘’`*]{{0,2}}\s*[:=]"""
    swallowed = re.compile(rf"""["']\s*,\s*["']({either})["']\s*:"""), re.compile(loose)
    return Said(frozenset(choices), frozenset(descriptions), frozenset(names), swallowed, text)


def check_meaning(value: Any, schema: Schema | None = None, mended: bool = False) -> None:
    """Refuse strings that stand for a text which is not there, or hold more than their own.

    mended: the text was no JSON, so that a member may be lost in a string in looser ways
    Raises: Refused (entities, placeholder, unproven).
    """
    choices, descriptions, _, swallowed, own = said_by(schema) if schema else NOTHING
    said = list(texts(value))
    for text in said:
        if "&" in text:
            for entity in ENTITY.finditer(text):
                # A number is one whatever it names, and may be too long for `unescape`.
                if entity[0][1] == "#" or unescape(entity[0]) != entity[0]:
                    raise Refused("entities", f"{entity[0][:12]} in {text[:60]!r}")
        if text in descriptions:
            raise Refused("placeholder", f"{text[:60]!r} is the schema's description")
        if text and text not in choices and is_placeholder(text):
            raise Refused("placeholder", f"{text!r} in place of a text")
        if text.startswith("{") and schema and schema.names and holds(text, schema):
            raise Refused("unproven", f"a record within a value: {text[:60]!r}")
        part = swallowed[mended].search(text) if ":" in text or "=" in text else None
        if part and part[1] not in strings(value):  # else the text only speaks of it
            raise Refused("unproven", f"a value that holds {part[0]!r}, another member")
    check_leftovers(value, said, choices, own, mended)
    check_runaway(said, own)
    if len(said) > 1 and all(QUOTED.fullmatch(text) for text in said):
        raise Refused("broken_text", "every text stands in quotes, which may be no part of it")
    bare = {text.strip(" <>[]{}.").lower() for text in said}
    alone = len(said) > 1 or bare <= {"string", "str"}
    if said and alone and bare <= TYPES and not set(said) & set(choices):
        raise Refused("placeholder", f"{said[0]!r} in place of every text")
    for key, text in value.items() if isinstance(value, dict) else ():
        if isinstance(text, str) and text.lstrip().startswith("{") and within_itself(key, text):
            raise Refused("unproven", f"the member {key!r} once more, within its own value")
    if isinstance(value, dict) and (key := named_itself(value)) and value[key] not in choices:
        raise Refused("placeholder", f"{value[key]!r} in place of a text")


def within_itself(key: str, text: str) -> bool:
    """Tell whether a member's text is JSON that says this member alone."""
    try:
        inner = strict(text)
    except (ValueError, Refused):
        return False
    return isinstance(inner, dict) and inner.keys() == {key}


def holds(text: str, schema: Schema) -> bool:
    """Tell whether a text is JSON that says all keys which the schema requires."""
    try:
        inner = strict(text)
    except (ValueError, Refused):
        return False
    due = schema.names & set(schema.schema.get("required", ())) or schema.names
    return isinstance(inner, dict) and due <= inner.keys()


def named_itself(record: dict[str, Any]) -> str:
    """Return a key whose value is but its name, as a template has it; or nothing.

    That is <key>, [key] or {key}, or every value of several the name of its key.
    """
    for key, said in record.items():
        if isinstance(said, str) and said[1:-1] == key and said[0] + said[-1] in ("<>", "[]", "{}"):
            return key
    own = all(key == said for key, said in record.items())
    own = own and (len(record) > 1 or bool(re.fullmatch(KIND, "".join(record))))
    return next(iter(record)) if own else ""


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands for one that is not there."""
    return bool(
        len(text) < LONGEST_PLACEHOLDER and MAY_STAND.match(text) and PLACEHOLDER.fullmatch(text)
    )


def is_draft(value: Any) -> bool:
    """Tell whether a value holds nothing but placeholders: a form, not a record."""
    said = list(texts(value))
    return bool(said) and all(is_placeholder(text) for text in said)
