r"""Read malformed JSON so that the reading is a proof: every character accounted for, none guessed.

The reader goes through the text once, from left to right. Each character is a part of a key or a
value that it stands in, or syntax, or one of a closed list of deviations that cannot change what is
said; each deviation met is named among the operations. At the first character that it cannot
account for, it refuses. It never drops, moves or adds a character of a value, and so cannot lie by
losing text.

What is left is ambiguity: where does a string end? A quote **closes** a string where what follows
goes on as JSON (`:` after a key; after a value `,` and a next key, `}`, `]`, or a next key on its
own). Were such a quote text, the value would hold JSON syntax unescaped, and the keys behind it
would be missing, or said twice: the schema (required keys, no others) and `duplicate_keys` refuse
both. With an open schema such a value cannot be told apart, in principle. Any other unescaped quote
is **text** only if the quotes of the string pair up as prose does it, "so", or mark inches behind a
number, none of them beside a colon, a bracket, a plus or another quote. Strings with a plus between
them are joined, which is exact; in a list, a sign lost between two strings is refused, unless every
item stands on a line of its own and is whole in itself: a list of JSON joins no strings.

Where a sign of the object itself is lost (a brace, a quote, a colon), the reading stands only if
nothing can be missing beside it: the schema names every key, allows no other, and all are there.
Those operations are `NEEDS_WHOLE`; `shape.whole` tells. Where a sign of one key or value is lost,
it is enough that the schema names every key that was read (`NEEDS_KNOWN`). In both, a string that
holds a key of the schema with its sign, where the record lacks that key, is refused (`meaning`).

What no reader can see: a letter, digit or word changed, lost or added within a value, so that a
value remains (also `\"n` that lost its quote and became `\n`); a whole optional member lost.
"""
# ruff: noqa: RUF001

import re
from typing import Any

from stages.core.proof import Refused, quoting
from stages.core.proof.keys import Keys
from stages.core.proof.strings import CLOSERS, DOUBLE, SINGLE
from stages.core.proof.tokens import (
    AFTER_ARGUMENT,
    AFTER_BRACKETED,
    AFTER_ELEMENT,
    AFTER_ITEM,
    AFTER_MEMBER,
    BRACKETED,
    COMMAS,
    JOINED,
    JOINING_KEY,
    LAST_BRACE,
    LINE_ITEMS,
    SECOND_BRACKET,
)

DEEPEST = 64
WRONG_BRACKET = re.compile(r"[\])]\s*\Z")
ELLIPSIS = re.compile(r"(?:\.\.\.|…)\s*(?=\})")
# The end of a last value that is whole: no space or opening sign before its quote.
LAST = re.compile(
    r"""[^\s"'“”„«‘`({\[\\:,–—-]["'“”’»`」＂]\Z|[}\]]\Z|\b(?:true|false|null|None)\Z"""
)
NEEDS_WHOLE = frozenset({
    "missing_brace", "missing_open_brace", "missing_open_bracket", "missing_inner_brace",
    "extra_comma", "ellipsis",
    "lines", "markup", "table", "merged",
})  # fmt: skip
NEEDS_KNOWN = frozenset({
    "wrong_bracket", "other_object", "missing_bracket", "extra_bracket", "square_brackets",
    "missing_quote", "missing_colon", "joined_members", "bare_text",
    "adjacent_strings",
})  # fmt: skip
AFTER_MEMBERS = {"}": AFTER_MEMBER, ")": AFTER_ARGUMENT, "]": AFTER_BRACKETED}
CLOSING = {"{": "}", "｛": "}", "(": ")", "[": "]", "［": "]"}


class Reader(Keys):
    """One reading of a text.

    in_list: the object that is read is an item of a list
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.in_list = False

    def value(self, after: re.Pattern[str], depth: int) -> Any:
        """Read a value; `after` is what may follow it."""
        if depth > DEEPEST:
            raise self.fail("nested too deeply", "too_long")
        first = self.text[self.at : self.at + 1]
        if first == DOUBLE:
            return self.string(after)
        if not first:
            raise self.fail("the text ends before a value", "truncated")
        if first in "{｛":
            return self.object(depth)
        if first == "[" and BRACKETED.match(self.text, self.at):
            return self.object(depth)
        if first == "(" and (parts := JOINED.match(self.text, self.at)):
            return self.parenthesised(parts)
        if first in "[［(":
            return self.array(depth)
        if first in CLOSERS:
            return self.string(after)
        if first == "u" and self.text[self.at + 1 : self.at + 2] in (DOUBLE, SINGLE):
            self.operations.add("python_literal")
            self.at += 1
            return self.string(after)
        return self.scalar(after)

    def object(self, depth: int) -> dict[str, Any]:
        """Read an object, from its bracket on."""
        close = CLOSING[self.text[self.at]]
        after = AFTER_MEMBERS[close]
        if close == ")" or self.text[self.at] == "｛":
            self.operations.add("parentheses" if close == ")" else "full_width")
        elif close == "]":
            self.operations.add("square_brackets")
        self.at += 1
        record: dict[str, Any] = {}
        self.skip()
        if self.peek() == "{" and close == "}":
            return self.doubled(depth)
        commas = 1 if self.commas() else 0
        if commas:
            self.operations.add("extra_comma")
        while True:
            if self.peek() == close:
                if commas and record:
                    self.operations.add("trailing_comma")
                self.at += 1
                return record
            if record and self.ended(depth, commas):
                return record
            if self.at == len(self.text):
                raise self.fail("the text ends within the object", "truncated")
            key = self.key()
            self.in_list, outer = False, self.in_list
            if key in record:
                raise self.fail(f"the key {key!r} a second time", "duplicate_keys")
            record[key] = self.value(after, depth + 1)
            self.in_list = outer
            before = self.at
            self.skip()
            if isinstance(record[key], list) and close == "}":
                self.second_bracket()
            comma = self.at
            commas = self.commas()
            if commas == 1 and self.in_list and close == "}" and self.peek() == "{":
                self.operations.add("missing_inner_brace")
                self.at = comma
                return record
            if not commas and self.peek() not in (close, "", "]", ")"):
                if self.at > before:
                    self.operations.add("missing_comma")
                elif JOINING_KEY.match(self.text, self.at):
                    self.operations |= {"missing_comma", "joined_members"}
                else:
                    raise self.fail("no comma")

    def second_bracket(self) -> None:
        """Pass the bracket by which a list was closed a second time."""
        if second := SECOND_BRACKET.match(self.text, self.at):
            self.operations.add("extra_bracket")
            self.at = second.end()
            self.skip()

    def doubled(self, depth: int) -> dict[str, Any]:
        """Read an object whose braces are doubled, as templates escape them."""
        if depth > DEEPEST:
            raise self.fail("nested too deeply", "too_long")
        record = self.object(depth + 1)
        self.skip()
        if self.peek() != "}":
            raise self.fail("two braces opened, and one closed")
        self.operations.add("doubled_braces")
        self.at += 1
        return record

    def commas(self) -> int:
        """Pass the commas between two members, one or two; return how many."""
        count = 0
        while (sign := self.text[self.at : self.at + 1]) and sign in COMMAS:
            if sign != ",":
                self.operations.add("semicolon" if sign == ";" else "full_width")
            count += 1
            self.at += 1
            self.skip()
        if count > 2:
            raise self.fail("so many commas")
        if count == 2:
            self.operations.add("extra_comma")
        return count

    def ended(self, depth: int, commas: int) -> bool:
        """Tell whether an object ends without its brace.

        That is behind an ellipsis, with a bracket in place of the brace, or with the text. The last
        value must be whole: a quote that opened a phrase ends the text after a space or an opening
        sign, and looks like the end of the string.
        """
        text = self.text
        if commas and (sign := ELLIPSIS.match(text, self.at)):
            self.operations.add("ellipsis")
            self.at = sign.end()
            return self.ended(depth, 0)
        if text[self.at : self.at + 1] == "}" and "ellipsis" in self.operations:
            self.at += 1
            return True
        if not depth and WRONG_BRACKET.match(text, self.at):
            self.operations.add("wrong_bracket")
            self.at += 1
            return True
        if self.at < len(text):
            return False
        said = text.rstrip()
        if not LAST.search(said):
            raise self.fail("the text ends, perhaps within a value", "truncated")
        self.operations.add("missing_brace")
        return True

    def array(self, depth: int) -> list[Any]:
        """Read a list, from its bracket on; only between objects may a comma be missing."""
        if lines := LINE_ITEMS.match(self.text, self.at):
            return self.line_items(lines)
        close = CLOSING[opening := self.text[self.at]]
        after = AFTER_ITEM if close == "]" else AFTER_ELEMENT
        if opening != "[":
            self.operations.add("full_width" if opening == "［" else "parentheses")
        self.at += 1
        items: list[Any] = []
        commas = 0
        self.skip()
        while True:
            if self.peek() == close:
                if commas:
                    self.operations.add("trailing_comma")
                self.at += 1
                return items
            if depth == 1 and items and not commas and LAST_BRACE.match(self.text, self.at):
                self.operations.add("missing_bracket")
                return items
            if depth and items and commas == 1 and JOINING_KEY.match(self.text, self.at):
                return self.unclosed_array(items)
            outer, self.in_list = self.in_list, True
            items.append(self.value(after, depth + 1))
            self.in_list = outer
            self.skip()
            if commas := self.commas():
                if commas > 1:
                    raise self.fail("two commas, and perhaps nothing between")
            elif self.peek() != close:
                if not self.peek():
                    raise self.fail("the text ends within a list", "truncated")
                if LAST_BRACE.match(self.text, self.at) and depth == 1:
                    continue
                if self.peek() != "{" or not isinstance(items[-1], dict):
                    raise self.fail("no comma")
                self.operations.add("missing_comma")

    def unclosed_array(self, items: list[Any]) -> list[Any]:
        """End a list before a key of the object that it stands in; give back the comma."""
        self.operations.add("missing_bracket")
        while self.text[self.at] not in COMMAS:
            self.at -= 1
        return items


def read_object(text: str) -> tuple[Any, set[str], int]:
    """Read the object or list that a text begins with.

    Return it, the operations, and where it ends.
    Raises: Refused.
    """
    reader = Reader(text)
    listed = text[0] in "[［" and not BRACKETED.match(text)
    read = reader.array(0) if listed else reader.object(0)
    if not quoting.escaping(reader.operations, reader.escapes):
        raise Refused("unproven", "a backslash that may be meant as one", read)
    if {"bare_text", "unquoted_key"} <= reader.operations and reader.quoted:
        raise Refused("unproven", "quotes that may be a text's own, where others have none", read)
    met = reader.operations
    if {"bare_text", "comment"} <= met or (reader.remarked and "missing_quote" in met):
        raise Refused("unproven", "a comment that may be text, where a quote is lost", read)
    if "escaped_space" in reader.operations and "\\" in reader.escapes:
        raise Refused("unproven", "a backslash that may be meant as one", read)
    if quoting.wrapped(text, reader.breaks):
        raise Refused("unproven", "line breaks that may stand for spaces", read)
    return read, reader.operations, reader.at
