r"""Read the escapes of one string of malformed JSON; and what every part of the reader shares."""
# ruff: noqa: RUF001

import re

from stages.core.proof import Refused, quoting
from stages.core.proof.tokens import HEX4

ESCAPES = {'"': '"', "'": "'", "`": "`", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n",
           "r": "\r", "t": "\t", "“": "“", "”": "”", "’": "’", "»": "»"}  # fmt: skip
# As Python and JavaScript write a character; only one that is no ASCII letter or control.
CODE_ESCAPE = re.compile(
    r"\\(?:U(000[01][0-9a-fA-F]{4}|0010[0-9a-fA-F]{4})|x(2[0-9a-fA-F]|[a-fA-F][0-9a-fA-F]))"
)
CODE_POINT = re.compile(r"\\u\{(0{0,4}[0-9a-fA-F]{2,6})\}")  # ECMAScript 6
CONTINUED = re.compile(r"\\\r?\n")


class Escapes:
    """The part of the reader that reads escapes.

    text, at:   what is read, and where the reader stands
    operations: what was mended so far
    escapes:    the letters behind backslashes
    breaks:     raw line breaks within a value, not at its edges
    quoted:     a value stood in quotes
    bare:       how many backslashes were text
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.operations: set[str] = set()
        self.escapes: set[str] = set()
        self.breaks: list[int] = []
        self.quoted = False
        self.bare = 0

    def fail(self, what: str, reason: str = "unproven") -> Refused:
        """Return a refusal that says where."""
        around = self.text[max(0, self.at - 20) : self.at + 20]
        return Refused(reason, f"{what} at character {self.at}, near {around!r}")

    def escape(self) -> str:
        r"""Read an escape. `\'` can only mean an apostrophe; `\alpha` a backslash; others: refused.

        A backslash before a letter that no language escapes is one; that every other backslash of
        the text is one, too, is for `quoting.escaping` to tell.
        """
        letter = self.text[self.at + 1 : self.at + 2]
        if letter == "u":
            return self.unicode()
        if letter in "\r\n" and letter:
            return self.continued()
        if code := CODE_ESCAPE.match(self.text, self.at):
            self.operations.add("code_escape")
            self.escapes.add(letter)
            self.at = code.end()
            return chr(int(code[1] or code[2], 16))
        if letter in ESCAPES and letter:
            if letter in "'`“”’»":
                self.operations.add("invalid_escape")
            self.escapes.add(letter)
            self.at += 2
            return ESCAPES[letter]
        if quoting.LITERAL.match(self.text, self.at):
            self.operations.add("bare_backslash")
            self.bare += 1
            self.at += 1
            return "\\"
        raise self.fail("an escape that JSON does not know")

    def continued(self) -> str:
        """Pass a backslash at the end of a line, where the space between two words shows it."""
        line = CONTINUED.match(self.text, self.at)
        left, right = self.text[self.at - 1].isspace(), self.text[line.end() : line.end() + 1]
        if left == right.isspace() or self.text[line.end() : line.end() + 2].isspace():
            raise self.fail("a line that goes on in the next, perhaps with a space")
        self.operations.add("line_continuation")
        self.escapes.add(line[0])
        self.at = line.end()
        return ""

    def unicode(self) -> str:
        r"""Read `\uXXXX`, and the second half of a pair."""
        digits = HEX4.match(self.text, self.at + 2)
        point = CODE_POINT.match(self.text, self.at)
        code = int(point[1], 16) if point else 0
        if 0xA0 <= code < 0xD800 or 0xE000 <= code < 0x110000:
            self.operations.add("code_escape")
            self.escapes.add("u")
            self.at = point.end()
            return chr(code)
        if not digits:
            raise self.fail("an escape that JSON does not know")
        self.escapes.add("u")
        self.at += 6
        code = int(digits[0], 16)
        if 0xD800 <= code < 0xDC00 and self.text[self.at : self.at + 2] == "\\u":
            low = HEX4.match(self.text, self.at + 2)
            if low and 0xDC00 <= (second := int(low[0], 16)) < 0xE000:
                self.at += 6
                return chr(0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00))
        return chr(code)

    def meant(self, said: list[str], bare: int) -> str:
        r"""Return the text; where a backslash is one, nobody means a form feed by `\frac`."""
        value = "".join(said)
        if self.bare > bare:
            value = value.replace("\b", "\\b").replace("\f", "\\f")
        return value
