"""Read what stands between values: white space, comments, keys and the signs behind them."""
# ruff: noqa: RUF001

import re

from stages.core.proof.scalars import Scalars
from stages.core.proof.strings import CLOSERS, DOUBLE, SINGLE
from stages.core.proof.tokens import (
    AFTER_KEY,
    BARE_KEY,
    COMMENT,
    ESCAPED_SPACE,
    HALF_KEY,
    JSON_SPACE,
    NO_SIGN,
    PASS_SIGN,
    PLAIN_KEY,
    SPACE,
)

# A comment that stands for members or items.
OMITS = re.compile(
    r"(?i)\.{3}|…|\b(?:rest|remain(?:ing|der|s)?|omit(?:ted|s)?|unchanged|etc|so on|truncat\w*"
    r"|abbreviat\w*|skip(?:ped)?|elided|left out|shortened|and more|\d+ more"
    r"|(?:many|some) more|others"
    r"|more (?:items?|entries|here|of|to come|like|follow\w*|keywords|turns|examples|fields|keys)"
    r"|other (?:items?|entries|fields|keys)|similar(?:ly)?|same (?:as|for)|as (?:above|before)"
    r"|continue\w*|continuing|contd|to be|todo|tbd|fixme|fill|goes here|repeat\w*"
    r"|restul|celelalte)\b"
    r"|\A\W*more\W*\Z"
)
# A comment that is a value, or ends as an item does: one that was left out, or swallowed.
AN_ITEM = re.compile(
    r"""(?://+|\#+|/\*)\s*(?:(["'`“])[^\n]*["'`”]\s*|-?\d[\d.]*\s*)[,;]?\s*(?:\*/)?"""
    r"""|[^\n]*["'`”]\s*[,;]\s*(?:\*/)?"""
)
FULL_WIDTH = {"｝": "}", "］": "]", "，": ",", "；": ",", "、": ",", "：": ":"}


class Keys(Scalars):
    """The part of the reader that reads keys, and what is between.

    signs:    what stood between keys and values
    remarked: a comment held a double quote
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.signs: set[str] = set()
        self.remarked = False

    def peek(self) -> str:
        """Return the next character, or nothing at the end; a full-width sign as its own."""
        sign = self.text[self.at : self.at + 1]
        if sign in FULL_WIDTH:
            self.operations.add("full_width")
            return FULL_WIDTH[sign]
        return sign

    def skip(self) -> None:
        """Pass white space, and comments that can hold no member."""
        text = self.text
        while True:
            self.at = JSON_SPACE.match(text, self.at).end()
            sign = text[self.at : self.at + 1]
            if sign in "}\",:]'" or sign.isalnum():
                return
            if (space := SPACE.match(text, self.at)).end() > self.at:
                self.operations.add("white_space")
                self.at = space.end()
            elif comment := COMMENT.match(text, self.at):
                if OMITS.search(comment[0]) or AN_ITEM.fullmatch(comment[0]):
                    raise self.fail("a comment in place of a value", "truncated")
                self.operations.add("comment")
                self.remarked |= '"' in comment[0]
                self.at = comment.end()
            elif sign == "\\" and (space := ESCAPED_SPACE.match(text, self.at)):
                self.operations.add("escaped_space")
                self.at = space.end()
            else:
                return

    def key(self) -> str:
        """Read a key and the sign behind it."""
        text = self.text
        if plain := PLAIN_KEY.match(text, self.at):
            self.at = plain.end()
            self.signs.add(":")
            self.skip()
            return plain[1]
        bold = text.startswith("**", self.at)
        self.at += 2 if bold else 0
        first = text[self.at : self.at + 1]
        if first == "u" and text[self.at + 1 : self.at + 2] in (DOUBLE, SINGLE):
            self.at += 1
            first = text[self.at]
        if missing := NO_SIGN.match(text, self.at):
            self.operations.add("missing_colon")
            self.at = missing.end()
            return missing[2]
        name = BARE_KEY.match(text, self.at)
        if first and first in CLOSERS and not self.half(first):
            said = self.string(AFTER_KEY, key=True)
        elif half := HALF_KEY.match(text, self.at):
            self.operations.add("missing_quote")
            self.at, said = half.end(), half[1] or half[2]
        elif name:
            self.operations.add("unquoted_key")
            self.at, said = name.end(), name[0]
        else:
            raise self.fail("no key")
        if bold and not text.startswith("**", self.at):
            raise self.fail("no key")
        if bold:
            self.operations.add("bold_key")
            self.at += 2
        self.sign()
        return said

    def half(self, first: str) -> bool:
        """Tell whether a key has no quote at its end, or one that is not its own."""
        half = HALF_KEY.match(self.text, self.at)
        return bool(half and half[2] and self.text[half.end() - 1] not in CLOSERS[first])

    def sign(self) -> None:
        """Pass the sign between a key and its value: one for all of them."""
        sign = PASS_SIGN.match(self.text, self.at)
        if not sign:
            raise self.fail("no colon")
        self.at = sign.end()
        self.signs.add(FULL_WIDTH.get(sign[1], sign[1]))
        if sign[1] in FULL_WIDTH:
            self.operations.add("full_width")
        elif sign[1] != ":":
            self.operations.add("other_sign")
        if len(self.signs) > 1:
            raise self.fail("two signs between keys and values")
        self.skip()
