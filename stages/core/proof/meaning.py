r"""Refuse well-formed records that say something else than was meant, where that is certain."""
# ruff: noqa: RUF001

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from stages.core.proof import Refused
from stages.core.proof.schema import Schema

ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd]")
# A backslash of LaTeX or of a path that was read as an escape: a carriage return alone, a tab
# before `heta`.
UNDOUBLED = re.compile(
    r"[\n\r\t](?:(?<=\r)(?=[A-Za-z])|(?<=\t)(?=heta\b|imes\b|ext(?:bf|it|rm)?\{|ilde\{|au\b|frac\b)"
    r"|(?<=\n)(?=abla\b|eq\b)|(?<=[C-F]:[\n\t])(?=[a-z]+(?:\\|\Z|\.\w)))"
)
# UTF-8 read as Windows-1252: Ã©, â€™, È™, emoji. Signs that also close a quotation are left out.
MAY_BE_MOJIBAKE = re.compile("[ÃÂâÄÅÈð]")
MOJIBAKE = re.compile(
    "Ã[¡-ª¬-º¼-¿\xa0\x80-\x9f€‚ƒ„†‡ˆ‰Š‹Œ‘•˜š›œžŸ§¨©]|Â[¡-ª¬-º¼-¿\xa0]|â€[\x80-\xbf“”™œ˜¦¢¹º]"
    "|Ä[ƒ‚™‡„\x81\x8d]|[ÄÅ][Ÿ¡-ª¬-º¼-¿\x81]|È[™›˜š]|ðŸ[\x80-\xbf˜™‘’“”¤¥¦š€]"
)
# An escape that was escaped: caf\u00e9, it\u2019s, and a line break between two sentences.
ESCAPED_TWICE = re.compile(
    r"\\(?:(?<=[^\W\d_]\\)u0[0-2][0-9a-fA-F]{2}|(?<![\[\"'/\\-]\\)u20[12][0-9a-fA-F](?![\]\"'/-])"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(?<=[.!?:]\\)n(?:\\n)*(?:[A-Z]|[-*] ))"
)
# Every quote of a text has a backslash, as within JSON, and two of them enclose a phrase.
ESCAPED_QUOTES = re.compile(r"(?<![^\s(])\\\"[^\"\\]+\\\"(?![^\s.,;:!?)])")
# What a program has and prose has not: its strings may hold escapes.
PROGRAM = re.compile(r"[`\n]|[(=,\[+]\s?'")
BARE_QUOTE = re.compile(r"(?<!\\)\"")
ASKED = r"(?:insert|your|placeholder|fill|todo|tbd|here|goes|replace|add|enter|write|provide)"
KIND = r"(?:text|string|value|name|title|response|answer|content|number|integer|description)"
PLACEHOLDER = re.compile(
    rf"""\s*(?:\.{{2,}}|…|_{{3,}}|\{{\{{?\s*[\w.]+\s*\}}?\}}|\$\{{\w+\}}
    |<(?:[^<>=/]*\b{ASKED}\b[^<>=]*|{KIND}|[^<>=/]*[ _]{KIND}|[a-z]+[ _][a-z _]+)>
    |\[(?:[^\[\]]*\b{ASKED}\b[^\[\]]*|{KIND}|[^\[\]]*[ ]{KIND})\]
    |(?:TODO|TBD|FIXME)(?::[^\n]*)?
    |your[ ][\w ]{{1,40}}[ ](?:goes[ ])?here\.{{0,3}}
    |(?:the[ ])?[\w ]{{0,20}}{KIND}[ ]goes[ ]here\.{{0,3}}
    |(?:insert|add|put|write|enter)[ ][\w ]{{0,30}}\b{KIND}[ ]here\.{{0,3}}
    |lorem[ ]ipsum\b.*|)\s*""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
MAY_STAND = re.compile(
    r"\s*(?:[.…_{$<\[]|TODO|TBD|FIXME|(?i:your|insert|add|put|write|enter|the|lorem)\s|\Z)"
)
LONGEST_PLACEHOLDER = 300
TYPES = frozenset({"string", "text", "str"})


def strings(value: Any) -> Iterator[str]:
    """Yield every key and every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def texts(value: Any) -> Iterator[str]:
    """Yield every string of a JSON value, without the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def check_characters(value: Any) -> None:
    """Refuse what is no text, before any of it is trimmed away.

    A form feed or a backspace is nearly always a LaTeX command or a path whose backslash was not
    doubled; a text with them says something else than was meant.

    Raises: Refused (broken_text).
    """
    for text in strings(value):
        if bad := CONTROL.search(text):
            raise Refused("broken_text", f"U+{ord(bad[0]):04X} in {text[:60]!r}")
        if not text.isprintable() and (bad := UNDOUBLED.search(text)):
            raise Refused("broken_text", f"{bad[0]!r}, perhaps a backslash, in {text[:60]!r}")
        prose = "\\" in text and not BARE_QUOTE.search(text) and not PROGRAM.search(text)
        if prose and (bad := ESCAPED_TWICE.search(text) or ESCAPED_QUOTES.search(text)):
            raise Refused("broken_text", f"{bad[0]!r} was escaped twice in {text[:60]!r}")
        if text.isascii() or not MAY_BE_MOJIBAKE.search(text):
            continue
        if bad := MOJIBAKE.search(text):
            raise Refused("broken_text", f"{bad[0]!r}, perhaps of another encoding, {text[:60]!r}")


class Said(NamedTuple):
    """What a schema says.

    choices:      strings that it names as values
    descriptions: of its keys
    names:        its keys
    swallowed:    how one of them looks within a string: in JSON, and in what was mended
    """

    choices: frozenset[str]
    descriptions: frozenset[str]
    names: frozenset[str]
    swallowed: "tuple[re.Pattern[str], re.Pattern[str]]"


NEVER = re.compile(r"(?!)")
NOTHING = Said(frozenset(), frozenset(), frozenset(), (NEVER, NEVER))


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
    either = "|".join(map(re.escape, sorted(names))) or "(?!)"
    loose = rf"""(?<!\w)({either})["'“”«»‘’`*]{{0,2}}\s*[:=]"""
    swallowed = re.compile(rf"""["']\s*,\s*["']({either})["']\s*:"""), re.compile(loose)
    return Said(frozenset(choices), frozenset(descriptions), frozenset(names), swallowed)


def check_meaning(value: Any, schema: Schema | None = None, mended: bool = False) -> None:
    """Refuse strings that stand for a text which is not there, or hold more than their own.

    mended: the text was no JSON, so that a member may be lost in a string in looser ways
    Raises: Refused (entities, placeholder, unproven).
    """
    choices, descriptions, _, swallowed = said_by(schema) if schema else NOTHING
    said = list(texts(value))
    for text in said:
        if "&" in text:
            for entity in ENTITY.finditer(text):
                if unescape(entity[0]) != entity[0]:
                    raise Refused("entities", f"{entity[0]} in {text[:60]!r}")
        if text in descriptions:
            raise Refused("placeholder", f"{text[:60]!r} is the schema's description")
        if text and text not in choices and is_placeholder(text):
            raise Refused("placeholder", f"{text!r} in place of a text")
        part = swallowed[mended].search(text) if ":" in text or "=" in text else None
        if part and part[1] not in strings(value):  # else the text only speaks of it
            raise Refused("unproven", f"a value that holds {part[0]!r}, another member")
    if len(said) > 1 and TYPES.issuperset(said) and not set(said) & set(choices):
        raise Refused("placeholder", f"{said[0]!r} in place of every text")


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands for one that is not there."""
    return bool(
        len(text) < LONGEST_PLACEHOLDER and MAY_STAND.match(text) and PLACEHOLDER.fullmatch(text)
    )


def is_draft(value: Any) -> bool:
    """Tell whether a value holds nothing but placeholders: a form, not a record."""
    said = list(texts(value))
    return bool(said) and all(is_placeholder(text) for text in said)
