r"""Read what stands in no quotes: numbers, true, false and null, and texts that lost theirs.

Numbers and words are read as JSON, JSON5, JavaScript and Python write them. A text without quotes
is one only if nothing in it could be syntax, and if it is not like a word that was misspelled. And
what a pattern tells as a whole: literals that Python joins in parentheses, a list an item a line.
"""

import re
from difflib import get_close_matches
from typing import Any

from stages.core.proof import quoting
from stages.core.proof.strict import strict
from stages.core.proof.strings import Strings
from stages.core.proof.tokens import (
    AFTER_ELEMENT,
    AFTER_ITEM,
    BARE_TEXT,
    IN_PARENTHESES,
    LOOSE_NUMBER,
    NEXT_ITEM,
    NOT_FINITE,
    NUMBER,
    ONE_LITERAL,
    SHOWN_NUMBER,
    UNDEFINED,
    UNOPENED,
    WORD,
    WORDS,
)

UNSURE = re.compile(r"\s*(?:\Z|,\s*[,}])")  # where a text without quotes has no sure end
LONGEST_NUMBER = 4000  # digits; Python reads no more than 4,300
LONGEST_TEXT = 2000


class Scalars(Strings):
    """The part of the reader that reads what has no quotes."""

    def scalar(self, after: re.Pattern[str]) -> Any:
        """Read a number, a word or a text without quotes; `after` is what may follow it."""
        if number := LOOSE_NUMBER.match(self.text, self.at):
            return self.number(number)
        if shown := SHOWN_NUMBER.match(self.text, self.at):
            self.operations.add("loose_number")
            self.at, said = shown.end(), shown["one"] or shown["two"]
            return float(said) if "." in said else int(said)
        if NOT_FINITE.match(self.text, self.at):
            raise self.fail("no finite number", "not_finite")
        if (word := WORD.match(self.text, self.at)) and word[0].lower() in WORDS:
            self.at = word.end()
            if word[0] not in WORDS or word[0] == "none":
                self.operations.add("python_literal")
            return WORDS[word[0].lower()]
        return self.bare_text(after)

    def number(self, found: re.Match[str]) -> int | float:
        """Take a number, as JSON, JSON5 or Python write it."""
        said = found[0]
        self.at = found.end()
        if self.at == len(self.text):
            raise self.fail("the text ends in a number", "truncated")
        if len(said) > LONGEST_NUMBER:
            raise self.fail("a number of so many digits", "too_long")
        if not NUMBER.fullmatch(said):
            self.operations.add("loose_number")
            said = said.replace("_", "")
        if said.lstrip("+-")[:2] in ("0x", "0X"):
            return int(said, 16)
        if not set(said) & set(".eE"):
            return int(said)
        if (number := float(said)) in (float("inf"), float("-inf")):
            raise self.fail(f"{said} is beyond what a number can hold", "not_finite")
        return number

    def bare_text(self, after: re.Pattern[str]) -> str:
        """Take a text without quotes, or without its opening one."""
        found = BARE_TEXT.match(self.text, self.at)
        if not found or after in (AFTER_ITEM, AFTER_ELEMENT):
            raise self.fail("no value")
        opened = UNOPENED.match(self.text, self.at)
        if opened and after.match(self.text, opened.end()):
            self.operations.add("missing_quote")
            self.at = opened.end()
            return opened[0][:-1]
        said = found[0].rstrip()
        if said.lower() in UNDEFINED or len(said) > LONGEST_TEXT or like_a_word(said):
            raise self.fail("no value")
        self.at += len(said)
        if UNSURE.match(self.text, self.at) or not after.match(self.text, self.at):
            raise self.fail("a text without quotes, and with no sure end")
        self.operations.add("bare_text")
        return said

    def parenthesised(self, parts: re.Match[str]) -> str:
        """Join the literals in parentheses, as Python does."""
        self.operations |= {"parentheses", "concatenated"}
        self.quoted = True
        said: list[str] = []
        for part in re.finditer(ONE_LITERAL, parts[0]):
            self.at = parts.start() + part.start()
            said.append(self.literal(IN_PARENTHESES, False, first=False))
            if self.at != parts.start() + part.end():
                raise self.fail("a quote that may end the string")
        self.at = parts.end()
        value = "".join(said)
        if quoting.STRUCTURE.search(value):
            raise self.fail("a value that looks like JSON")
        return value

    def line_items(self, lines: re.Match[str]) -> list[Any]:
        """Take a list that has an item a line, with commas or without: no item is joined."""
        items = []
        for item in NEXT_ITEM.finditer(lines["items"]):
            if not item["comma"] and item.end() < len(lines["items"]):
                self.operations.add("missing_comma")
            try:
                items.append(strict(item["item"]))
            except ValueError:
                raise self.fail("an item that is no JSON") from None
        self.quoted = True
        self.escapes |= set(re.findall(r"\\(.)", lines["items"]))
        self.at = lines.end()
        return items


def like_a_word(said: str) -> bool:
    """Tell whether a text may be `true`, `false` or `null` that was misspelled."""
    said = said.lower()
    begun = any(word.startswith(said) or said.startswith(word[:3]) for word in WORDS)
    return begun or (len(said) < 8 and bool(get_close_matches(said, WORDS, 1, 0.6)))
