r"""Tell when a quote, a backslash or a line break within a string is text, and may not be syntax.

Pure rules, each of which errs towards "it may be syntax": the reading is then refused.
"""

import re
from collections.abc import Iterator

# A path whose backslash may not have been doubled.
PATH = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\[bfnrtx]")
BARE, ESCAPED = re.compile(r'(?<!\\)"'), re.compile(r'\\"')
# A backslash before a letter that JSON does not escape, nor any language to say a character.
LITERAL = re.compile(r"\\(?![bfnrtu]|x[0-9a-fA-F]|U[01]0|N\{)[A-Za-z]")
# A raw line break before a small letter: perhaps a wrapped line, which meant a space.
SMALL = re.compile(r"""\S[ \t\r]*\n\\?["'“(]?[^\W\d_A-Z]""")
# Every further line indented: perhaps a wrapped text, unless code or a list is.
INDENTED = re.compile(r"[^\n]*[^\s\n][^\n]*(?:\n(?:[ \t]{2,}|\t)[^\s\n][^\n]*|\n[ \t]*(?=\n))+\s*")
HEAD_OF_CODE = re.compile(
    r"\A(?:\W*(?:def|class|if|for|while|with|try|else|elif|async|do)\b[^\n]*:"
    r"|[^\n]*(?:[{(\[>;]|\b(?:do|then|else|begin)))[ \t]*\n"
    r"|\A[^\n]*\n[ \t]*(?:[-*+•] |\d{1,2}[.)] |[>|#])"
)
# The end of an object, or of a code block, on lines of its own.
ENDED = re.compile(r"[}\]]\s*\n\s*\n|\n\s*```\s*(?:\n|\Z)")
# A quote beside a colon, or a comma and a key: a part of the object that a string swallowed.
SWALLOWED = re.compile(r"""["'“”]\s*,\s*["'“”][^"'“”]*["'“”]\s*:""")
STRUCTURE = re.compile(
    r"""["'“”`]\s*[:=]\s*["'“”`{\[\d-]|["'“”]\s*:|["“”]\s*,\s*["“”][^"“”]*["“”]\s*:"""
)
# How prose sets "a phrase" in quotes: what stands before it, ends it, and stands after it.
BEFORE_PHRASE = re.compile(
    r"[\w,.;!?)\u2013\u2014-]\s{1,6}\Z|\w\s?[(\u2013\u2014-]\Z"
    r"|[^\W\d_] [^\W\d_]{1,12}: \Z|[\w)] = \Z|[?!.,]\" \Z"
)
PHRASE_START = re.compile(r"[^\W_]|[¿¡$€£#@/.-]?[^\W_]")
PHRASE_END = re.compile(r"[\w.!?,…%)]")
AFTER_PHRASE = re.compile(r"[ .!?;)\u2013\u2014-]|, [^\W\d_]|'s\b")
# Inches, seconds: a quote behind a number.
MEASURE = re.compile(r"[ ,-] ?[^\W\d_]|[.;)] ?[^\W\d_]")
APOSTROPHE = re.compile(r"\w| \w|[.!?;] [^\W\d_]")  # It's, the actors' work
ELISION = re.compile(r"[\w,.;!?)\u2013\u2014-] \Z")
NEXT_WORD = re.compile(r"\S*")
WIDEST = 160  # no text is wrapped at more
SPACED = re.compile(r"[ \n]\Z"), re.compile(r"[ \n]")


def phrases(text: str, quotes: list[int], start: int, end: int, measures: bool) -> bool:
    """Tell whether the unescaped quotes of text[start:end] pair up as prose sets them.

    quotes:   where they are
    measures: a quote behind a number may stand alone
    """
    opened = False
    if quotes[0] == start and quotes[-1] == end - 1:
        return False  # doubled at both ends: nobody can say whether they are meant
    for at in quotes:
        before, behind = text[max(start, at - 18) : at], text[at + 1 : min(end, at + 4)]
        opens = (at == start or BEFORE_PHRASE.search(before)) and PHRASE_START.match(behind)
        closes = before and PHRASE_END.match(before[-1])
        closes = closes and (AFTER_PHRASE.match(behind) or not behind)
        if opened and closes:
            opened = False
        elif not opened and opens:
            opened = True
        elif not (measures and before[-1:].isdigit() and MEASURE.match(behind)):
            return False
    return not opened


def apostrophes(text: str, quotes: list[int], start: int, end: int, commas: bool) -> bool:
    """Tell whether the unescaped single quotes of text[start:end] are those of words.

    quotes: where they are
    commas: a comma may stand behind one (in a list it may part two items)
    """
    closed = False  # an opening one behind would part two strings: 'x' key 'y'
    for at in quotes:
        before, behind = text[max(start, at - 4) : at], text[at + 1 : min(end, at + 4)]
        if not commas and "," in before[-2:] + behind[:1]:
            return False
        if before[-1:].isalnum() and APOSTROPHE.match(behind):
            closed |= not behind[0].isalnum()
            continue
        if closed or not (ELISION.search(before) and behind[:1].isalpha()):
            return False
    return True


def joint(ahead: str, behind: str, plus: bool) -> bool:
    """Tell whether two literals, joined, say one text: not a plus quoted in prose, nor two words.

    plus: a plus joins them, which is exact; without one, a space at the joint must show it
    """
    left, right = SPACED[0].search(ahead), SPACED[1].match(behind)
    if not ahead or not behind or (left and right):
        return False
    if left and behind[0] in ",.;:!?)…":
        return False
    return plus or bool(left or right)


def backslash_meant(raw: str, bare: bool) -> bool:
    """Tell whether a string holds a backslash that may be one.

    That is a path, or a double quote with its backslash beside one without.

    bare: a double quote needs no backslash in this string
    """
    if "\\" not in raw:
        return False
    return bool(PATH.search(raw) or (bare and ESCAPED.search(raw) and BARE.search(raw)))


def escaping(operations: set[str], escapes: set[str]) -> bool:
    r"""Tell whether the backslashes of a text can be trusted to escape.

    Who leaves quotes or line breaks bare may write `C:\new` and mean it. An escaped quote can be
    nothing else; `\uXXXX` is nobody's path. Where one backslash is text, no other may be an escape.
    """
    if "bare_backslash" in operations:
        return not escapes - {'"', "'", "b", "f"}  # \b and \f: `literal` tells, CONTROL refuses
    if operations & {"unescaped_quotes", "bare_apostrophe", "smart_quotes"}:
        return not escapes & set("bfnrt\\/")
    return "raw_newline" not in operations or not escapes & set("bfnrt")


def breaks(raw: str) -> Iterator[int]:
    """Yield where the raw line breaks of a string are, but for those at its edges."""
    left = len(raw) - len(raw.lstrip())
    return (at for at in range(left, len(raw.rstrip())) if raw[at] == "\n")


def indented(raw: str) -> bool:
    """Tell whether the raw lines of a string are those of a text that was wrapped and indented."""
    return bool("\n" in raw and INDENTED.fullmatch(raw) and not HEAD_OF_CODE.match(raw))


def wrapped(text: str, breaks: list[int]) -> bool:
    """Tell whether line breaks can be those of a text wrapped at some width, and so mean spaces.

    A line is only wrapped where the next word did not fit.
    """
    width = max(map(len, text.split("\n"))) if breaks else 0
    if width > WIDEST:
        return False
    for at in breaks:
        line = at - text.rfind("\n", 0, at) - 1
        word = len(NEXT_WORD.match(text, at + 1)[0])
        if line + 1 + word <= width:
            return False
    return bool(breaks)
