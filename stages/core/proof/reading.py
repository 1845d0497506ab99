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
is **text** only if the quotes of the string pair up as prose does it, "so", none of them beside a
colon, a bracket, a plus or another quote. A lost or doubled quote, a missing comma or colon, `"a" +
"b"` break that pattern, and are refused.

What no reader can see: a letter, digit or word changed, lost or added within a value, so that a
value remains (also `\"n` that lost its quote and became `\n`); a whole optional member lost.
"""

import re
from typing import Any

from stages.core.proof import Refused, quoting

DEEPEST = 64
DOUBLE, SINGLE, SMART = '"', "'", "“”"
CLOSERS = {'"': '"', "'": "'", "“": "“”", "”": "“”"}
ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r",
           "t": "\t", "“": "“", "”": "”"}  # fmt: skip
WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}

SPACE = re.compile(r"\s*")
# A comment that could hold a member is not skipped: quotes, braces and colons end the match.
COMMENT = re.compile(
    r"""//[^\n"'“”{}\[\]:]*(?=\n)|\#[^\n"'“”{}\[\]:]*(?=\n)|/\*[^"'“”{}\[\]:]*?\*/"""
)
GAP = r"""(?:\s|//[^\n"'“”{}\[\]:]*\n|\#[^\n"'“”{}\[\]:]*\n|/\*[^"'“”{}\[\]:]*?\*/)*"""
KEY = r"""(?:"[^"“”\n]{0,64}"|'[^'\n]{0,64}'|[“”][^"“”\n]{0,64}[“”]|[A-Za-z_]\w{0,64})\s*:"""
AFTER_KEY = re.compile(r"\s*:")
AFTER_MEMBER = re.compile(rf"{GAP}(?:\}}|\Z|,{GAP}(?:\}}|\Z|{KEY}))|\s{GAP}{KEY}")
AFTER_ITEM = re.compile(
    rf"""{GAP}(?:\]|,{GAP}(?:["'“”\[{{\-\d\]]|true|false|null|True|False|None))"""
)
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])")
WORD = re.compile(r"[A-Za-z_]\w*")
HEX4 = re.compile(r"[0-9a-fA-F]{4}")


class Reader:
    """One reading of a text.

    operations: what was mended so far
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.operations: set[str] = set()
        self.escapes: set[str] = set()
        self.breaks: list[int] = []  # raw line breaks within a value, not at its edges
        self.at = 0

    def fail(self, what: str, reason: str = "unproven") -> Refused:
        """Return a refusal that says where."""
        around = self.text[max(0, self.at - 20) : self.at + 20]
        return Refused(reason, f"{what} at character {self.at}, near {around!r}")

    def peek(self) -> str:
        """Return the next character, or nothing at the end."""
        return self.text[self.at : self.at + 1]

    def skip(self) -> None:
        """Pass white space, and comments that can hold no member."""
        self.at = SPACE.match(self.text, self.at).end()
        while comment := COMMENT.match(self.text, self.at):
            self.operations.add("comment")
            self.at = SPACE.match(self.text, comment.end()).end()

    def value(self, after: re.Pattern[str], depth: int) -> Any:
        """Read a value; `after` is what may follow it."""
        if depth > DEEPEST:
            raise self.fail("nested too deeply", "too_long")
        first = self.peek()
        if first == "{":
            return self.object(depth)
        if first == "[":
            return self.array(depth)
        if first and first in CLOSERS:
            return self.string(after)
        if number := NUMBER.match(self.text, self.at):
            self.at = number.end()
            if self.at == len(self.text):
                raise self.fail("the text ends in a number", "truncated")
            return float(number[0]) if set(number[0]) & set(".eE") else int(number[0])
        if (word := WORD.match(self.text, self.at)) and word[0] in WORDS:
            self.at = word.end()
            if word[0][0].isupper():
                self.operations.add("python_literal")
            return WORDS[word[0]]
        if not first:
            raise self.fail("the text ends before a value", "truncated")
        raise self.fail("no value")

    def object(self, depth: int) -> dict[str, Any]:
        """Read an object, from its brace on."""
        self.at += 1
        record: dict[str, Any] = {}
        comma = False
        while True:
            self.skip()
            if self.peek() == "}":
                if comma:
                    self.operations.add("trailing_comma")
                self.at += 1
                return record
            if self.at == len(self.text):
                return self.unclosed(record, depth)
            key = self.key()
            if key in record:
                raise self.fail(f"the key {key!r} a second time", "duplicate_keys")
            self.skip()
            record[key] = self.value(AFTER_MEMBER, depth + 1)
            before = self.at
            self.skip()
            if comma := self.peek() == ",":
                self.at += 1
            elif self.peek() not in ("}", ""):
                if self.at == before:
                    raise self.fail("no comma")
                self.operations.add("missing_comma")

    def unclosed(self, record: dict[str, Any], depth: int) -> dict[str, Any]:
        """Accept that the text ends before the outermost object; the caller must know all keys.

        The last value must be whole: a quote that opened a phrase ends the text after a space or an
        opening sign, and looks like the end of the string.
        """
        said = self.text.rstrip()
        if depth > 0 or not record or not said.endswith(('"', "'", "“", "”", "}", "]")):
            raise self.fail("the text ends within the object", "truncated")
        last = next(reversed(record.values()))
        if isinstance(last, str) and not re.search(r"[\w.!?…)]\Z", last):
            raise self.fail("the text ends, perhaps within a value", "truncated")
        self.operations.add("missing_brace")
        return record

    def key(self) -> str:
        """Read a key and its colon."""
        first = self.peek()
        if first in CLOSERS:
            return self.string(AFTER_KEY, key=True)
        name = WORD.match(self.text, self.at)
        if not name:
            raise self.fail("no key")
        self.at = name.end()
        self.operations.add("unquoted_key")
        self.colon()
        return name[0]

    def colon(self) -> None:
        """Pass the colon behind a key."""
        self.at = SPACE.match(self.text, self.at).end()
        if self.peek() != ":":
            raise self.fail("no colon")
        self.at += 1

    def array(self, depth: int) -> list[Any]:
        """Read an array, from its bracket on. Nothing in it may be missing: strings would merge."""
        self.at += 1
        items: list[Any] = []
        comma = False
        while True:
            self.skip()
            if self.peek() == "]":
                if comma:
                    self.operations.add("trailing_comma")
                self.at += 1
                return items
            items.append(self.value(AFTER_ITEM, depth + 1))
            self.skip()
            if comma := self.peek() == ",":
                self.at += 1
            elif self.peek() != "]":
                raise self.fail("no comma", "unproven" if self.peek() else "truncated")

    def string(self, after: re.Pattern[str], key: bool = False) -> str:
        """Read a string, from its quote on."""
        text, opened = self.text, self.peek()
        closers = CLOSERS[opened]
        self.at += 1
        start = self.at
        said: list[str] = []
        inner: list[int] = []  # where unescaped quotes are text
        while True:
            if self.at >= len(text):
                raise self.fail("the text ends within a string", "truncated")
            char = text[self.at]
            if char == "\\":
                said.append(self.escape())
                continue
            if char in closers:
                if after.match(text, self.at + 1):
                    break
                inner.append(self.at)
            elif char < " ":
                if key or char not in "\n\r\t":
                    raise self.fail("a control character", "unproven" if key else "broken_text")
                self.operations.add("raw_newline")
            said.append(char)
            self.at += 1
        end = self.at
        self.at += 1
        if inner:
            if key:
                raise self.fail("a quote within a key")
            if opened == SINGLE:
                self.operations.add("bare_apostrophe")
                fits = quoting.apostrophes(text, inner, end)
            else:
                self.operations.add("unescaped_quotes")
                fits = quoting.phrases(text, inner, start, end)
            if not fits:
                raise self.fail("a quote that may end the string")
        if opened == SINGLE:
            self.operations.add("single_quotes")
        elif opened in SMART:
            self.operations.add("smart_quotes")
        value = "".join(said)
        raw = text[start:end]
        if quoting.backslash_meant(raw, opened != DOUBLE):
            raise self.fail("a backslash that may be meant as one")
        if "\n" in raw:
            if quoting.SMALL.search(raw):
                raise self.fail("a line break that may stand for a space")
            self.breaks += [start + at for at in quoting.breaks(raw)]
        if (inner or opened != DOUBLE) and quoting.STRUCTURE.search(value):
            raise self.fail("a value that looks like JSON")
        if key:
            self.colon()
        return value

    def escape(self) -> str:
        r"""Read an escape. `\'` can only mean an apostrophe; what JSON does not know is refused."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "u":
            return self.unicode()
        if letter not in ESCAPES or not letter:
            raise self.fail("an escape that JSON does not know")
        if letter in "'“”":
            self.operations.add("invalid_escape")
        self.escapes.add(letter)
        self.at += 2
        return ESCAPES[letter]

    def unicode(self) -> str:
        r"""Read `\uXXXX`, and the second half of a pair."""
        digits = HEX4.match(self.text, self.at + 2)
        if not digits:
            raise self.fail("an escape that JSON does not know")
        self.at += 6
        code = int(digits[0], 16)
        if 0xD800 <= code < 0xDC00 and self.text[self.at : self.at + 2] == "\\u":
            low = HEX4.match(self.text, self.at + 2)
            if low and 0xDC00 <= (second := int(low[0], 16)) < 0xE000:
                self.at += 6
                return chr(0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00))
        return chr(code)


def read_object(text: str) -> tuple[Any, set[str], int]:
    """Read the object or list that a text begins with.

    Return it, the operations, and where it ends.
    Raises: Refused.
    """
    reader = Reader(text)
    read = reader.object(0) if text.startswith("{") else reader.array(0)
    if not quoting.escaping(reader.operations, reader.escapes):
        raise Refused("unproven", "a backslash that may be meant as one", read)
    if quoting.wrapped(text, reader.breaks):
        raise Refused("unproven", "line breaks that may stand for spaces", read)
    return read, reader.operations, reader.at
