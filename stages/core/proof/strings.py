r"""Read one string of malformed JSON: where it ends, and what its characters are.

A quote **closes** a string where what follows goes on as JSON. Any other is text or it is refused
(`quoting.py`). Literals that a language joins are joined as it does: `"a" + "b"`, and `"a" "b"`
where the space between two words shows that this was meant.
"""
# ruff: noqa: RUF001

import re

from stages.core.proof import quoting
from stages.core.proof.escapes import Escapes
from stages.core.proof.tokens import (
    AFTER_ELEMENT,
    AFTER_ITEM,
    AFTER_KEY,
    JOINING_KEY,
    NOTHING,
    PLUS,
    SPACED_PLUS,
)

DOUBLE, SINGLE, BACKTICK = '"', "'", "`"
# What opens a string, and what may close it.
CLOSERS = {'"': '"”', "'": "'", "“": "“”", "”": "“”", "„": "“”", "«": "»", "‘": "’", "`": "`",
           "「": "」", "＂": "＂"}  # fmt: skip
STYLES = {"'": "single_quotes", "`": "backticks"}  # every other: smart_quotes
STOPS = {opener: re.compile(rf"[^{closers}\\\x00-\x1f]*") for opener, closers in CLOSERS.items()}
ITEMS = (AFTER_ITEM, AFTER_ELEMENT)


class Strings(Escapes):
    """The part of the reader that reads strings."""

    def string(self, after: re.Pattern[str], key: bool = False) -> str:
        """Read a string, from its quote on; `after` is what may follow it."""
        text, opened = self.text, self.text[self.at]
        if not key and opened in "\"'" and text.startswith(opened * 3, self.at):
            return self.triple(opened * 3, after)
        self.quoted |= not key
        value = self.literal(after, key)
        while not key and not after.match(text, self.at):
            value = self.joined(value, after)
        return value

    def joined(self, value: str, after: re.Pattern[str]) -> str:
        """Read the literal behind a plus, or behind nothing, and join it."""
        if plus := (SPACED_PLUS if after in ITEMS else PLUS).match(self.text, self.at):
            self.operations.add("concatenated")
            self.at = plus.end()
        elif after not in ITEMS and (nothing := NOTHING.match(self.text, self.at)):
            self.operations.add("adjacent_strings")
            self.at = nothing.end()
        else:
            raise self.fail("no end of a string")
        behind = self.literal(after, False, first=False)
        if not quoting.joint(value, behind, bool(plus)):
            raise self.fail("two strings, of which nobody can say how they join")
        value += behind
        if quoting.SWALLOWED.search(value):
            raise self.fail("a value that looks like JSON")
        return value

    def triple(self, quotes: str, after: re.Pattern[str]) -> str:
        """Read a string in three quotes, as Python does: the next three close it."""
        text, start, bare = self.text, self.at + 3, self.bare
        said: list[str] = []
        self.at = start
        while not text.startswith(quotes, self.at):
            if self.at >= len(text):
                raise self.fail("the text ends within a string", "truncated")
            if text[self.at] == "\\":
                said.append(self.escape())
            elif text[self.at] < " " and text[self.at] not in "\n\r\t":
                raise self.fail("a control character", "broken_text")
            else:
                said.append(text[self.at])
                self.at += 1
        while text[self.at + 3 : self.at + 4] == quotes[0]:  # the text's own last quote
            said.append(quotes[0])
            self.at += 1
        raw, value = text[start : self.at], self.meant(said, bare)
        self.at += 3
        if quoting.indented(raw):
            raise self.fail("lines that may be one, wrapped and indented")
        own = value[:1] == quotes[0] or value[-1:] == quotes[0]
        if own and (value.count(quotes[0]) % 2 or value[-2:] == quotes[:2]):
            raise self.fail("three quotes that may be something else")
        if not after.match(text, self.at) or not value or value != value.strip():
            raise self.fail("three quotes that may be something else")
        if value[0] == value[-1] == quotes[0] or quoting.backslash_meant(raw, True):
            raise self.fail("three quotes that may be something else")
        if quoting.STRUCTURE.search(value):
            raise self.fail("a value that looks like JSON")
        self.operations.add("triple_quotes")
        return value

    def literal(self, after: re.Pattern[str], key: bool, first: bool = True) -> str:
        """Read one literal. Leave the reader behind its closing quote."""
        text, opened = self.text, self.text[self.at]
        closers, run = CLOSERS[opened], STOPS[opened]
        self.at += 1
        start = self.at
        said: list[str] = []
        inner: list[int] = []  # where unescaped quotes are text
        raw_break, bare = False, self.bare
        while True:
            stop = run.match(text, self.at).end()
            if stop > self.at:
                said.append(text[self.at : stop])
                self.at = stop
            if stop >= len(text):
                raise self.fail("the text ends within a string", "truncated")
            char = text[stop]
            if char == "\\":
                if opened == BACKTICK and text.startswith("$", stop + 1):
                    self.at += 1
                    said.append("$")
                    self.at += 1
                else:
                    said.append(self.escape())
                continue
            if char in closers and (opened != DOUBLE or char == DOUBLE or self.closes(start)):
                if after.match(text, stop + 1):
                    break
                if not key and not inner and opened == char and self.joins(opened, after):
                    break
                if cut := self.unclosed_string(after, opened, start, inner, first):
                    self.operations.add("missing_quote")
                    self.at = cut
                    return "".join(said)[: cut - stop]
                if opened != DOUBLE or char == DOUBLE:
                    inner.append(stop)
            elif char < " ":
                if key or char not in "\n\r\t":
                    raise self.fail("a control character", "unproven" if key else "broken_text")
                raw_break = True
            said.append(char)
            self.at += 1
        end = self.at
        self.at += 1
        value = self.meant(said, bare)
        plain = not inner and not raw_break and opened == DOUBLE and char == DOUBLE
        if not plain:
            self.judge(text[start:end], value, (opened, char), inner, start, after)
            if inner and (key or not first or not after.match(text, self.at)):
                raise self.fail("a quote that may end the string")
        elif quoting.PATH.search(value if "\\" not in text[start:end] else text[start:end]):
            raise self.fail("a backslash that may be meant as one")
        return value

    def closes(self, start: int) -> bool:
        """Tell whether ” may close what a straight quote opened: only if nothing opened it."""
        return "“" not in self.text[start : self.at]

    def joins(self, opened: str, after: re.Pattern[str]) -> bool:
        """Tell whether another literal follows this one, to be joined to it."""
        if opened not in "\"'`" or after is AFTER_KEY:
            return False
        if after in ITEMS:
            return bool(SPACED_PLUS.match(self.text, self.at + 1))
        return bool(PLUS.match(self.text, self.at + 1) or NOTHING.match(self.text, self.at + 1))

    def unclosed_string(
        self, after: re.Pattern[str], opened: str, start: int, inner: list[int], first: bool
    ) -> int:
        """Return where a string ended whose closing quote is lost, or 0.

        That is before the comma before this quote, if it opens a key and no other quote is near.
        """
        text = self.text
        if opened != DOUBLE or inner or not first or after in ITEMS or after is AFTER_KEY:
            return 0
        if not JOINING_KEY.match(text, self.at):
            return 0
        comma = self.at - 1
        while comma > start and text[comma] in " \t\n\r":
            comma -= 1
        if text[comma] != "," or "\n" in text[start:comma]:
            return 0
        return comma if text[comma - 1].isalnum() or text[comma - 1] in ".!?…)" else 0

    def judge(
        self, raw: str, value: str, signs: tuple[str, str], inner: list[int], start: int,
        after: re.Pattern[str],
    ) -> None:  # fmt: skip
        """Refuse a string whose quotes, backslashes or line breaks may be something else."""
        opened, closed = signs
        if inner:
            if "\\" + opened in raw:
                raise self.fail("a quote without a backslash beside one with it")
            if opened in (SINGLE, "‘"):
                self.operations.add("bare_apostrophe")
                end = start + len(raw)
                fits = quoting.apostrophes(self.text, inner, start, end, after not in ITEMS)
            elif opened == BACKTICK:
                fits = False
            else:
                self.operations.add("unescaped_quotes")
                fits = quoting.phrases(
                    self.text, inner, start, start + len(raw), after not in ITEMS
                )
            if not fits:
                raise self.fail("a quote that may end the string")
        if opened != DOUBLE or closed != DOUBLE:
            self.operations.add(STYLES.get(opened, "smart_quotes"))
        if opened == BACKTICK and re.search(r"(?<!\\)\$\{", raw):
            raise self.fail("a value to be filled in")
        if quoting.backslash_meant(raw, opened != DOUBLE):
            raise self.fail("a backslash that may be meant as one")
        if quoting.indented(raw):
            raise self.fail("lines that may be one, wrapped and indented")
        if re.search(r"[\n\r\t]", raw) and opened != BACKTICK:
            self.operations.add("raw_newline")
            if quoting.ENDED.search(raw):
                raise self.fail("an end of the object that a value may have swallowed")
            if quoting.SMALL.search(raw):
                raise self.fail("a line break that may stand for a space")
            self.breaks += [start + at for at in quoting.breaks(raw)]
        looks = quoting.SWALLOWED if not inner and opened in STYLES else quoting.STRUCTURE
        if looks.search(value):
            raise self.fail("a value that looks like JSON")
