r"""Tell when a quote, a backslash or a line break within a string is text, and may not be syntax.

Pure rules, each of which errs towards "it may be syntax": the reading is then refused.
"""

import re
from collections.abc import Iterator

# A path whose backslash may not have been doubled.
PATH = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\[bfnrt]")
BARE, ESCAPED = re.compile(r'(?<!\\)"'), re.compile(r'\\"')
# A raw line break before a small letter: perhaps a wrapped line, which meant a space.
SMALL = re.compile(r"""\S[ \t\r]*\n\\?["'“(]?[^\W\d_A-Z]""")
STRUCTURE = re.compile(r"""["'“”]\s*:\s*["'“”{\[]|["“”]\s*,\s*["“”][^"“”]*["“”]\s*:""")
# How prose sets "a phrase" in quotes: what stands before it, ends it, and stands after it.
BEFORE_PHRASE = re.compile(r"[\w,.;!?)\u2013\u2014-]\s{1,6}\Z|\w\s?[(\u2013\u2014-]\Z")
PHRASE_END = re.compile(r"[\w.!?,]")
AFTER_PHRASE = re.compile(r"[ .!?;)\u2013\u2014-]|, [^\W\d_]")
APOSTROPHE = re.compile(r"\w| \w")  # It's, the actors' work


def phrases(text: str, quotes: list[int], start: int, end: int) -> bool:
    """Tell whether the unescaped quotes of text[start:end] pair up as prose sets them.

    quotes: where they are
    """
    return len(quotes) % 2 == 0 and all(
        BEFORE_PHRASE.search(text[max(start, opening - 8) : opening])
        and text[opening + 1].isalnum()
        and PHRASE_END.match(text[closing - 1])
        and AFTER_PHRASE.match(text[closing + 1 : min(end, closing + 4)])
        for opening, closing in zip(quotes[::2], quotes[1::2], strict=True)
    )


def apostrophes(text: str, quotes: list[int], end: int) -> bool:
    """Tell whether the unescaped single quotes before `end` are apostrophes of words."""
    return all(
        text[place - 1].isalnum() and APOSTROPHE.match(text[place + 1 : min(end, place + 3)])
        for place in quotes
    )


def backslash_meant(raw: str, bare: bool) -> bool:
    """Tell whether a string holds a backslash that may be one.

    That is a path, or a double quote with its backslash beside one without.

    bare: a double quote needs no backslash in this string
    """
    return bool(PATH.search(raw) or (bare and ESCAPED.search(raw) and BARE.search(raw)))


def escaping(operations: set[str], escapes: set[str]) -> bool:
    r"""Tell whether the backslashes of a text can be trusted to escape.

    Who leaves quotes or line breaks bare may write `C:\new` and mean it. An escaped quote can be
    nothing else; `\uXXXX` is nobody's path.
    """
    if operations & {"unescaped_quotes", "bare_apostrophe", "smart_quotes"}:
        return not escapes & set("bfnrt\\/")
    return "raw_newline" not in operations or not escapes & set("bfnrt")


def breaks(raw: str) -> Iterator[int]:
    """Yield where the raw line breaks of a string are, but for those at its edges."""
    left = len(raw) - len(raw.lstrip())
    return (at for at in range(left, len(raw.rstrip())) if raw[at] == "\n")


def wrapped(text: str, breaks: list[int]) -> bool:
    """Tell whether line breaks can be those of a text wrapped at some width, and so mean spaces.

    A line is only wrapped where the next word did not fit.
    """
    if not breaks:
        return False
    width = max(map(len, text.split("\n")))
    for at in breaks:
        line = at - text.rfind("\n", 0, at) - 1
        word = len(re.match(r"\S*", text[at + 1 :])[0])
        if line + 1 + word <= width:
            return False
    return True
