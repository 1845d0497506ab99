"""Read a text again whose reading failed, after a change as a whole that alters no value.

Each change is made everywhere or nowhere, and stands only if the text is then JSON, or is read
without a raw line break, on which it might have fallen. All others leave the text refused.
"""
# ruff: noqa: RUF001

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.around import check_margin, check_not_taken_back
from stages.core.proof.characters import strings
from stages.core.proof.reading import read_object
from stages.core.proof.strict import DECODER, strict

FENCED = re.compile(r"\s*(?:```+|~~~+)\w*\n([\s\S]*?)\n?\s*(?:```+|~~~+)?\s*")
DIFF_HEAD = re.compile(r"\A(?:(?:diff |index |--- |\+\+\+ |@@ )[^\n]*\n)+")
SIGNS = {"+": "diff", "|": "quoted_lines", ">": "quoted_lines"}
NUMBERED = re.compile(r"[ \t]*(\d{1,5})(?:[:.)]|[ \t]*[|│→])?(?:[ \t]|(?=\Z|[{}\[\]\"]))")
BULLET = re.compile(r"(?m)^[ \t]*(?:[-*•+]|\d{1,2}[.)])[ \t]+(?=[\"'“]?\w[\w-]*[\"'”]?\s*[:=])")
MEMBER = re.compile(r"(?m)^[ \t]*[^\s{}\[\]`][^\n]*$")
SCALAR = r'(?:"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?)'
LOST_OPEN = re.compile(rf'("[\w-]{{1,64}}"\s*:\s*)({SCALAR}(?:\s*,\s*{SCALAR}){{0,500}}\s*\])')
# A quote that CSV doubled: not an empty string.
DOUBLED = re.compile(r'(?<![\[{:,\s])""(?!")|(?<=[\w.,!?:;)–—-] )""(?=[\w¿¡])')
LINE_VALUES = frozenset({"raw_newline", "backticks", "triple_quotes", "line_continuation"})
# Markdown wants a backslash before an underscore; JSON knows none.
MARKED, BARE_MARK = re.compile(r"\\(_)"), re.compile(r"(?<!\\)_")
OBJECTS = re.compile(r"(?:\A|\n)[ \t]*(?=\{)")


def rewritings(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text may have been before a change as a whole, and the operation to undo it.

    diff:     a plus before every line; quoted_lines: another sign
    numbered: a number before every line, each one more than the last
    bullets:  a dash before every member
    and a backslash behind every line, two colons, a backslash before every underscore
    """
    if found := FENCED.fullmatch(text):
        text = found[1]
    bare = DIFF_HEAD.sub("", text)
    lines = bare.strip("\n").split("\n")
    sign = bare[:1]
    if sign in SIGNS and all(line.startswith(sign) and line[-1] != "|" for line in lines):
        yield "\n".join(line[1:] for line in lines).strip(), SIGNS[sign]
    lines = text.strip("\n").split("\n")
    numbers = [NUMBERED.match(line) for line in lines] if len(lines) > 1 else [None]
    if all(numbers):
        first = int(numbers[0][1])
        if [int(found[1]) for found in numbers] == list(range(first, first + len(lines))):
            bare = (line[found.end() :] for line, found in zip(lines, numbers, strict=True))
            yield "\n".join(bare).strip(), "numbered"
    if len(lines) > 1 and all(line.endswith("\\") for line in lines[:-1]):
        yield "\n".join(line.removesuffix("\\") for line in lines).strip(), "line_continuation"
    if '"::' in text and '\\"::' not in text:  # in JSON a quote within a value has a backslash
        yield text.replace('"::', '":'), "other_sign"
    if MARKED.search(text) and not BARE_MARK.search(text) and "\\\\" not in text:
        yield MARKED.sub(r"\1", text), "markdown_escape"
    if (count := len(BULLET.findall(text))) and count == len(MEMBER.findall(text)):
        yield BULLET.sub("", text).strip(), "bullets"


def again(text: str) -> tuple[Any, set[str]] | None:
    """Read a text whose reading failed; return its object and the operations, or None."""
    for bare, operation in rewritings(text):
        with suppress(Refused):
            if not bare.startswith("{"):
                continue
            try:
                return strict(bare), {operation}
            except ValueError:
                read, met, end = read_object(bare)
            if not met & LINE_VALUES and not bare[end:].strip("` \n"):
                return read, met | {operation}
    for read, operation in (
        (unopened(text), "missing_open_bracket"),
        (undoubled(text), "doubled_inner_quotes"),
        (begun_again(text), "begun_again"),
    ):
        if read is not None:
            return read, {operation}
    return None


def whole(text: str) -> Any:
    """Return the one object that a text is, in a fence or without; or None."""
    found = FENCED.fullmatch(text)
    with suppress(ValueError, Refused):
        read = strict(found[1] if found else text)
        return read if isinstance(read, dict) else None
    return None


def unopened(text: str) -> Any:
    """Return the object of a text with one opening bracket of a list added; or None."""
    if text.count("]") != text.count("[") + 1 and text.count("]") != 1:
        return None
    reads = []
    for found in list(LOST_OPEN.finditer(text))[:4]:
        at = found.start(2)
        reads.append(whole(text[:at] + "[" + text[at:]))
    reads = [read for read in reads if read is not None]
    return reads[0] if len(reads) == 1 else None


def undoubled(text: str) -> Any:
    """Return the object of a text whose quotes within values are doubled, in pairs; or None."""
    if '""' not in text or '\\"' in text:
        return None
    read = whole(DOUBLED.sub('\\\\"', text))
    paired = read is not None and not any(said.count('"') % 2 for said in strings(read))
    return read if paired else None


def begun_again(text: str) -> Any:
    """Return the last object of a text, if what stands before is its own beginning; or None.

    Between them may be words, on lines of their own; behind it, too.
    """
    starts = [found.end() for found in OBJECTS.finditer(text)]
    for start in reversed([at for at in starts if text[at - 1 : at] in ("\n", "")] or starts[-3:]):
        try:
            read, end = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError, Refused):
            return None
        for at in reversed(breaks_off(text[:start], "".join(text[start:end].split()))[-3:]):
            with suppress(Refused):
                check_margin(text[at:start], False, True, read)
                check_margin(text[end:], True, True, read)
                check_not_taken_back(text[end:], read)
                return read
        return None
    return None


def breaks_off(head: str, said: str) -> list[int]:
    """Return where the lines of a text end up to which it is a beginning of what is said later.

    said: without white space
    """
    ends: list[int] = []
    at, end = 0, 0
    for line in head.split("\n")[:-1]:
        end += len(line) + 1
        piece = "".join(line.split())
        if not at and piece in ("", "```", "```json", "```JSON"):
            continue
        if not said.startswith(piece, at):
            break
        at += len(piece)
        if at < len(said):
            ends.append(end - 1)
    return ends
