"""Get the one record out of a reply's text: strictly, or mended with proof, or not at all."""
# ruff: noqa: RUF001

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.around import FENCE_LINE, check_margin, check_not_taken_back, undone
from stages.core.proof.lines import read_lines
from stages.core.proof.meaning import is_draft
from stages.core.proof.reading import read_object
from stages.core.proof.rewritten import again
from stages.core.proof.shape import is_schema, merged, spelled
from stages.core.proof.strict import DECODER, strict
from stages.core.proof.tokens import KEY

LONGEST_TO_MEND = 200_000
LONGEST_TO_GUESS = 20_000
MOST_OBJECTS = 8
FIRST_KEY = re.compile(KEY)
# But for the {word} of a template and the {1, 2} of a set; and a [ before a key and its sign.
OBJECT = re.compile(
    r"[{｛](?!\{?\s?[\w.]{1,40}(?:,\s?[\w.]{1,40}){0,12}\s?\}|｝)"
    r"|\[(?=\s{0,40}([\"'])[\w-]{1,64}\1\s?(?::|=>))"
)
# Two backslashes: what a string of Python says by one.
DOUBLY = re.compile(r"\\\\(?![\"\\])|\w''|''\w|\\'")
EXTRA = re.compile(r"\s*[}\]][\s}\]]{0,3}(?=\Z|\s*[`~]|\s*\n|;)")
CALL = re.compile(r"(?:[\w.]+\s*=\s*|return\s+)?(?:dict)?\((?=\s*[\w\"'])")


def one(text: str, start: int) -> tuple[Any, set[str], int]:
    """Read the object that begins at `start`: strictly if it is JSON; return where it ends, too."""
    try:
        read, end = DECODER.raw_decode(text, start)
        return read, set(), end
    except RecursionError:
        raise Refused("too_long", "nested too deeply") from None
    except ValueError:
        read, operations, end = read_object(text[start:])
        return read, operations, start + end


def mend(
    text: str, names: frozenset[str] = frozenset(), deeper: frozenset[str] = frozenset()
) -> tuple[Any, list[str]]:
    """Read the one object of a malformed text, with proof.

    names:  the keys that the schema knows, to tell the record from what is none
    deeper: those that it knows within them
    Return what was read and the operations, sorted.
    Raises: Refused.
    """
    if len(text) > LONGEST_TO_MEND:
        raise Refused("too_long", f"{len(text)} characters")
    ended = text.endswith("\n")
    text, operations = undone(text)
    ended |= bool(operations & {"end_token", "tags"})
    if operations:
        try:
            return strict(text), sorted(operations)
        except ValueError:
            pass
    if text.endswith(("```", "~~~")):
        operations.add("fence")
        ended = True
        text = text.rstrip("`" if text[-1] == "`" else "~").rstrip()
    try:
        read, met = _objects(text, names, deeper, ended)
    except Refused as refused:
        if found := again(text):
            return found[0], sorted(operations | found[1])
        # A fence ends the object though its brace is missing; words may follow.
        fence = FENCE_LINE.search(text, text.find("{")) if refused.reason != "several" else None
        if not fence or "{" in text[fence.end() :] or "{" not in text[: fence.start()]:
            raise
        read, met = _objects(text[: fence.start()], names, deeper, True)
        check_not_taken_back(text[fence.end() :], read)
        met |= check_margin(text[fence.end() :], True, True, read) | {"fence"}
    return read, sorted(operations | met or {"white_space"})


def _objects(
    text: str, names: frozenset[str], deeper: frozenset[str], ended: bool
) -> tuple[Any, set[str]]:
    """Read every object of a text, and what stands around them."""
    operations: set[str] = set()
    found = OBJECT.search(text)
    start = found.start() if found else -1
    if FIRST_KEY.match(text) and (start < 0 or _in_object(text[:start])):
        if start < 0:
            with suppress(Refused):
                record, operation = read_lines(text, ended)
                if record:
                    return record, {operation}
        # The brace that a prompt may have put before the answer; the schema tells if a key is lost.
        operations.add("missing_open_brace")
        text, start = "{" + text, 0
    if start < 0:
        if text.startswith("["):
            read, met, end = read_object(text)
            return read, met | check_margin(text[end:], True, False, read)
        bare = re.sub(r"\A```\w*\n|\A---\n", "", text)
        record, operation = read_lines(bare, ended)
        if record:
            return record, {operation} | ({"fence"} if bare != text else set())
        if call := CALL.match(text):
            return _call(text, call.end() - 1)
        raise Refused("no_object", "there is no brace in the text")
    if start > 0 and (FIRST_KEY.match(text) or text.startswith("[(")):
        with suppress(Refused):
            if text.startswith("["):
                read, met, end = read_object(text)
                return read, met | check_margin(text[end:], True, False, read)
            record, operation = read_lines(text, ended)
            if record and record.keys() <= names:
                return record, {operation}
    if (call := CALL.match(text)) and call.end() <= start:
        with suppress(Refused):
            return _call(text, call.end() - 1)
    ahead = text[:start].rstrip()
    if ahead.endswith("[") and re.fullmatch(r"[^\[\]]*", ahead[:-1]):
        start = len(ahead) - 1
    margins, reads, alone = [text[:start]], [], []
    at = start
    while start >= 0:
        read, met, at = one(text, start)
        if text[start - 1 : start] == text[at : at + 1] == "'" and DOUBLY.search(text[start:at]):
            raise Refused("unproven", "signs that apostrophes around may have doubled", read)
        reads.append(read)
        alone.append(not met)
        if len(reads) > MOST_OBJECTS:
            raise Refused("several", f"more than {MOST_OBJECTS} objects")
        operations |= met
        found = OBJECT.search(text, at)
        start = found.start() if found else -1
        margins.append(text[at:] if start < 0 else text[at:start])
    if extra := EXTRA.match(margins[-1]):
        operations.add("extra_brace")
        margins[-1] = margins[-1][extra.end() :]
    record = reads[0]
    if len(reads) > 1:
        record, operation = the_one(reads, names, deeper)
        operations.add(operation)
        apart = all("\n" in margin for margin in margins[1:-1])
        if operation != "repeated" and (not apart or "extra_brace" in operations):
            raise Refused("several", f"{len(reads)} objects that differ", reads[-1])
    place = max((at for at, read in enumerate(reads) if read == record), default=-1)
    for number, margin in enumerate(margins):
        check_not_taken_back(margin if number > place else "", record)
        operations |= check_margin(margin, bool(number), alone[number - 1], record)
    return record, operations


def _call(text: str, at: int) -> tuple[Any, set[str]]:
    """Read a record in parentheses, as the arguments of a call or in place of braces."""
    read, met, end = read_object(text[at:])
    return read, met | check_margin(text[at + end :], True, False, read)


def _in_object(ahead: str) -> bool:
    """Tell whether a text that begins with a key goes on as an object, not as prose."""
    return not ahead or bool(re.search(r"""["'“”`]\s*[:=]\s*\S|\A\w+\s*:\s*["'“]""", ahead))


def the_one(reads: list[Any], names: frozenset[str], deeper: frozenset[str]) -> tuple[Any, str]:
    """Return the record among several objects, and the operation.

    repeated:     all say the same
    blank_form:   the others are schemas, or hold placeholders alone
    merged:       they are parts of one, a key or more each
    other_object: one alone knows the schema's keys
    Raises: Refused (several).
    """
    said = {spelled(read): read for read in reads}
    if len(said) == 1:
        return reads[0], "repeated"
    if parts := merged(reads, names):
        return parts, "merged"
    filled = [read for read in said.values() if not is_schema(read, names) and not is_draft(read)]
    if len(filled) == 1:
        return filled[0], "blank_form"
    if names:
        records = [read for read in filled if not isinstance(read, dict) or read.keys() & names]
        others = [read for read in filled if read not in records]
        told = {bare(name) for name in names | deeper}
        strange = not any(alike(key, told) for read in others for key in every_key(read))
        if strange and len(records) == 1 and isinstance(records[0], dict):
            return records[0], "other_object"
    raise Refused("several", f"{len(said)} objects that differ", reads[-1])


def bare(key: str) -> str:
    """Return a key without case, and without what is no letter or digit."""
    return re.sub(r"[\W_]", "", key).casefold()


def alike(key: str, told: set[str]) -> bool:
    """Tell whether a key may be one of those told, spelled otherwise: one holds the other."""
    said = bare(key)
    return any(said in each or each in said for each in told if len(each) > 2) or said in told


def every_key(value: Any) -> Iterator[str]:
    """Yield every key of a value, at every depth."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from every_key(each)


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
