"""Get the one record out of a reply's text: strictly, or mended with proof, or not at all."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.reading import KEY, read_object

LONGEST_TO_MEND = 200_000
LONGEST_TO_GUESS = 20_000
MOST_OBJECTS = 8
# What prose around an object may not hold, for it may have been part of it: braces, a key with a
# value, a backslash; behind the object any quote.
MARGIN = re.compile(r"[{}\[\]\\]|[\"'“”]\s*:\s*\S")
BEHIND = re.compile(r"[{}\[\]\\\"“”]|'\s*[,:]")
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")
ESCAPED = {"&quot;": '"', "&#34;": '"', "&#x22;": '"', "&#39;": "'", "&#x27;": "'", "&apos;": "'",
           "&lt;": "<", "&gt;": ">", "&amp;": "&"}  # fmt: skip
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd]")
PLACEHOLDER = re.compile(r"\s*(?:\.{2,}|…|<[^<>]*>|\[[^\[\]]*\]|)\s*")
THINKING = re.compile(r"\s*<think>.*?</think>", re.DOTALL)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, unless it says a key twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise Refused("duplicate_keys", f"the key {twice!r} stands twice")
    return made


def _constant(name: str) -> float:
    raise Refused("not_finite", f"{name} is no JSON number")


def _float(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise Refused("not_finite", f"{digits} is beyond what a number can hold")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def strict(text: str) -> Any:
    """Parse a whole text as RFC 8259 has it, each key said once and each number finite.

    Raises: ValueError when it is not JSON; Refused (duplicate_keys, not_finite, too_long).
    """
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise Refused("too_long", "nested too deeply") from None


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


def check_characters(value: Any) -> None:
    """Refuse what is no text, before any of it is trimmed away.

    A form feed or a backspace is nearly always a LaTeX command or a path whose backslash was not
    doubled; a text with them says something else than was meant.

    Raises: Refused (broken_text).
    """
    for text in strings(value):
        if bad := CONTROL.search(text):
            raise Refused("broken_text", f"U+{ord(bad[0]):04X} in {text[:60]!r}")


def check_meaning(value: Any) -> None:
    """Refuse strings that stand for a text which is not there.

    Raises: Refused (entities, placeholder).
    """
    for text in strings(value):
        if "&" in text and (entity := ENTITY.search(text)):
            raise Refused("entities", f"{entity[0]} in {text[:60]!r}")
        if text and PLACEHOLDER.fullmatch(text):
            raise Refused("placeholder", f"{text!r} in place of a text")


def unwrap(text: str) -> tuple[str, list[str]]:
    """Undo what was done to a text as a whole and can be undone exactly.

    thinking:       a reasoning model's notes before its answer
    html_escaped:   every quote, ampersand and angle bracket is an entity: the inverse is exact
    double_encoded: the text is one JSON string
    backslashed:    the inside of a JSON string: every quote has its backslash
    """
    done = []
    if thought := THINKING.match(text):
        done.append("thinking")
        text = text[thought.end() :]
    text = text.strip().removeprefix("\ufeff").strip()
    if "&quot;" in text and not re.search(r"[\"'<>]", text):
        bare = ENTITY.sub(lambda entity: "" if entity[0] in ESCAPED else "&", text)
        if "&" not in bare:
            done.append("html_escaped")
            text = ENTITY.sub(lambda entity: ESCAPED[entity[0]], text)
    for operation, spelled in (("double_encoded", text), ("backslashed", f'"{text}"')):
        if '\\"' in text:
            try:
                inner = strict(spelled)
            except ValueError:
                continue
            if isinstance(inner, str) and inner.lstrip().startswith("{"):
                done.append(operation)
                return inner.strip(), done
    return text, done


def mend(text: str) -> tuple[Any, list[str]]:
    """Read the one object of a malformed text, with proof.

    Return what was read and the operations, sorted.
    Raises: Refused.
    """
    if len(text) > LONGEST_TO_MEND:
        raise Refused("too_long", f"{len(text)} characters")
    text, done = unwrap(text)
    operations = set(done)
    if done:
        try:
            return strict(text), sorted(operations)
        except ValueError:
            pass
    if text.endswith("```"):
        operations.add("fence")
        text = text.removesuffix("```").rstrip()
    start = text.find("{")
    if re.match(KEY, text) and MARGIN.search(text[: max(start, 0)] or "{"):
        # The brace that a prompt may have put before the answer; the schema tells if a key is lost.
        operations.add("missing_open_brace")
        text, start = "{" + text, 0
    if start < 0:
        raise Refused("no_object", "there is no brace in the text")
    if text[:start].rstrip().endswith("["):
        start = text[:start].rstrip().rfind("[")
    margins, found = [text[:start]], []
    while start >= 0:
        text = text[start:]
        read, met, end = read_object(text)
        found.append(read)
        if len(found) > MOST_OBJECTS:
            raise Refused("several", f"more than {MOST_OBJECTS} objects")
        operations |= met
        text = text[end:]
        start = text.find("{")
        margins.append(text if start < 0 else text[:start])
    if any(other != found[0] for other in found[1:]):
        raise Refused("several", f"{len(found)} objects that differ", found[-1])
    if len(found) > 1:
        operations.add("repeated")
    for number, margin in enumerate(margins):
        if bad := (BEHIND if number else MARGIN).search(margin):
            raise Refused("unproven", f"{bad[0]!r} in the text around the object", found[0])
        if "```" in margin:
            operations.add("fence")
        if re.sub(r"```\w*", "", margin).strip():
            operations.add("prose")
    return found[0], sorted(operations)


def guess(text: str) -> Any:
    """Return json-repair's attempt at a record, for the eye of whoever mends it by hand, or None.

    It stays an attempt: on malformed JSON it returns schema-valid but wrong records, too.
    """
    if len(text) > LONGEST_TO_GUESS:
        return None
    import json_repair

    try:
        guessed = json_repair.loads(text)
        json.dumps(guessed, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError, TypeError):
        return None
    return guessed or None
