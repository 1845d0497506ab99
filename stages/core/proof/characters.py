r"""Refuse texts whose characters are not those that were meant: misdecoded, escaped twice or not.

Each rule is for what prose never holds. Where a text speaks of characters, or is a program, it may
hold anything.
"""
# ruff: noqa: RUF001

import re
from collections.abc import Iterator
from typing import Any

from stages.core.proof import Refused

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
# A backslash of LaTeX or of a path that was read as an escape: a carriage return alone, a tab
# before `heta`, a tab or a line break within C:\new\table.
NO_WORD = r"(?:emp|mp|ests?|ools?|xt|ypes?|imes?|okens?|argets?|emplates?|utorials?|emporary)\b"
LATEX_T = (
    r"heta\b|imes\b|ext(?:bf|it|rm|tt|sf)?\{|ilde\b|au\b|frac\b|riangle|herefore\b|anh\b|an\\|o\\"
)
LATEX_N = r"abla\b|eq\b|eg\b|otin\b|ewline\b|ewcommand\b|parallel\b|otes\b|ode_modules|ginx\b"
UNDOUBLED = re.compile(
    rf"[\n\r\t](?:(?<=\r)(?=[A-Za-z])|(?<=\t)(?={LATEX_T}|{NO_WORD})|(?<=\n)(?={LATEX_N})"
    r"|(?<=[^A-Za-z][C-H]:\t)(?=[a-z])|(?<=\A[C-H]:\t)(?=[a-z])"
    r"|(?<=[A-Z]:[\n\t])(?=[\w-]+(?:[\\\t]|\.\w|\n[a-z]))|(?<=[C-H]:\n)(?=[a-z]+(?:\Z|[,;)]))"
    r"|(?<=[\w.]\n)(?=(?:ew|ode|ames?|et|ull)[\\\t])|(?<=[\w.]\t)(?=[a-z]+\\))"
    r"|\A\t[a-z](?![\s\S]*\n\t)|\A\n(?:u|e|i|ot|eg)\b"
    r"|\\[\w.-]+\t[a-z]|\\[\w.-]+\n(?:ew|ame|ode|et|ull|pm|umpy)\b"
)
# In a formula a tab or a line break before such a letter is the head of a command.
FORMULA = re.compile(r"\$[^$]*(?:[\t\n](?:o|an|op|u|i|e|ot|eq|le|ge)\b)[^$]*\$")
# UTF-8 read as Windows-1252: Ã©, â€™, È™, emoji. Signs that also close a quotation are left out.
MAY_BE_MOJIBAKE = re.compile("[ÃÂâÄÅÈð√Ð-Ññ-öØ-ßà-ïÆ-Ï]")
MOJIBAKE = re.compile(
    "Ã[¡-ª¬-º¼-¿\xa0\x80-\x9f€‚ƒ„†‡ˆ‰Š‹Œ‘•˜š›œžŸ§¨©]|Â[¡-ª¬-º¼-¿\xa0]|â€[\x80-\xbf“”™œ˜¦¢¹º]"
    "|Ä[ƒ‚™‡„\x81\x8d]|[ÄÅ][Ÿ¡-ª¬-º¼-¿\x81]|È[™›˜š]|(?<=[a-z])Ã[«»]|â‚¬|ðŸ[\x80-\xbf˜™‘’“”¤¥¦š€]"
    "|â[¡-ª¬®-º¼-¿]|â\xad(?![^\\W\\d_])|‚Ä[ôúùìî¶¢]|√[©®°†≠≥¢£ß∂ª´]"
)
# An escape that was escaped: caf\u00e9, it\u2019s, and a line break between two sentences.
LETTER = re.compile(
    r"\\(?:(?<=[^\W\d_]\\)u0[0-2][0-9a-fA-F]{2}(?![\]-])"
    r"|(?<![\[\"'/\\-]\\)u(?!00[0-7])[0-9a-fA-F]{4}(?![\]\"'/}-])"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(?<![\[\"'/\\-]\\)U000[01][0-9a-fA-F]{4}"
    r"|(?<=[a-z]\\)x[c-fC-F][0-9a-fA-F](?![0-9a-fA-F\]-]))"
)
BREAK = re.compile(
    r"(?<=[.!?:,;)…])(?<![A-Za-z]:)\\n(?:\\n)*(?=(?!(?:Right|Left)arrow)[A-Z]|[-*#] |\d+[.)] )"
    r"|[\s,;]'?[^\W\d_]+\\n(?=[A-Z][a-z' ])"
    r"|(?<=\w)\\n(?=[-*•] \w|\d{1,2}[.)] \w)|(?<=[\w.!?:;)…])\\n\\n(?=\w)"
)
EMPTY_LINE = re.compile(r"[.!?:,;)…]\\n\\n")
# Every quote of a text has a backslash, as within JSON, and one of them ends a phrase.
ESCAPED_QUOTES = re.compile(r"[^\W_]?[\w.,!?…%)'’]\\\"(?![^\s.,;:!?)—–-])")
ESCAPED_APOSTROPHE = re.compile(
    r"[A-Za-z]\\'(?:(?:s|t|re|ll|ve|m|d)\b|[A-Z][a-z]|(?![^\s.,;:!?)]))|(?<!\S)\\'\w+\\'"
)
BARE_QUOTE, BARE_APOSTROPHE = re.compile(r"(?<!\\)\""), re.compile(r"(?<!\\)'")
# What a program has and prose has not: its strings may hold escapes.
PROGRAM = re.compile(r"[(=,\[+]\s?'|[(=\[+{]\s?\"|[;{}]\s*\n|=>|\bdef \w|\w\(\w*\)")
CODE_SPAN = re.compile(r"```[\s\S]*?(?:```|\Z)|`[^`]*`")
SPEAKS_OF_ESCAPES = re.compile(r"(?i)unicode|escap|code ?points?|regex|characters?\b|U\+|encod")
# The escapes of a URL, in what is none.
PERCENT, NO_PART = re.compile(r"%(?:20|2C|27|3F|22|0A|3A|21)"), re.compile(r"[\s/\\=]|www\.")
# A question mark in place of a letter: near an end within a word, or at the head of one.
WITHIN_A_WORD = re.compile(
    r"\b[^\W\d_]{1,2}\?[^\W\d_A-Z]|[^\W\d_]\?[^\W\d_A-Z]{1,2}(?:\b|\?)"  # not Who?what?
)
HEADS_A_WORD = re.compile(r"(?<!\S)\?{1,2}[^\W\d_A-Z]{2}")
NO_PROSE = re.compile(r"\S*(?://|[/=&\\|^$*+{}()\[\]<>`]|\?[.?:]|\w\.\w+/)\S*")


def strings(value: Any) -> Iterator[str]:
    """Yield every key and every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def check_characters(value: Any) -> None:
    """Refuse what is no text, before any of it is trimmed away.

    A form feed or a backspace is nearly always a LaTeX command or a path whose backslash was not
    doubled; a text with them says something else than was meant.

    Raises: Refused (broken_text).
    """
    asked: list[str] = []
    for text in strings(value):
        if bad := CONTROL.search(text):
            raise Refused("broken_text", f"U+{ord(bad[0]):04X} in {text[:60]!r}")
        if not text.isprintable() and (bad := UNDOUBLED.search(text) or FORMULA.search(text)):
            raise Refused("broken_text", f"{bad[0]!r}, perhaps a backslash, in {text[:60]!r}")
        if "\\" in text and (bad := escaped_twice(text)):
            raise Refused("broken_text", f"{bad!r} was escaped twice in {text[:60]!r}")
        if "%" in text and of_an_address(text):
            raise Refused("broken_text", f"escapes of a URL in {text[:60]!r}")
        if "?" in text:
            asked.append(text)
        if text.isascii() or not MAY_BE_MOJIBAKE.search(text):
            continue
        if (bad := MOJIBAKE.search(text)) or (bad := as_utf8(text)):
            raise Refused("broken_text", f"{bad[0]!r}, perhaps of another encoding, {text[:60]!r}")
    if asked and (bad := in_place_of_letters(asked)):
        raise Refused("broken_text", f"question marks in place of letters, as in {bad!r}")


def as_utf8(text: str) -> "list[str]":
    """Return what a text says if its signs, as bytes, are UTF-8: no prose is that by chance.

    Two signs, for a letter and a ™ behind it may be; or one of three bytes.
    """
    try:
        read = text.encode("cp1252").decode()
    except ValueError:
        return []
    signs = [sign for sign in read if not sign.isascii()]
    return signs if len(signs) > 1 or any(sign > "\u07ff" for sign in signs) else []


def of_an_address(text: str) -> bool:
    """Tell whether a text is written as a part of an address: no spaces, but %20 and its kind."""
    return len(PERCENT.findall(text)) > 1 and not NO_PART.search(text)


def escaped_twice(text: str) -> str:
    """Return what of a text that is prose was escaped twice, or nothing."""
    prose = CODE_SPAN.sub("", text) if "`" in text else text
    bad: re.Match[str] | None = None
    if not PROGRAM.search(prose):
        bad = LETTER.search(prose) if not SPEAKS_OF_ESCAPES.search(prose) else None
        bad = bad or EMPTY_LINE.search(prose)
        bad = bad or (None if BARE_QUOTE.search(prose) else BREAK.search(prose))
        if not bad and '\\"' in prose and not BARE_QUOTE.search(prose):
            bad = ESCAPED_QUOTES.search(prose)
        if not bad and "\\'" in prose and not BARE_APOSTROPHE.search(prose):
            bad = ESCAPED_APOSTROPHE.search(prose)
    return bad[0] if bad else ""


def in_place_of_letters(texts: list[str]) -> str:
    """Return a piece of a text in which `?` took the place of letters: twice, to be sure.

    What may be an address, a pattern or a program counts for nothing.
    """
    prose = [NO_PROSE.sub(" ", text) for text in texts]
    within = [found[0] for text in prose for found in WITHIN_A_WORD.finditer(text)]
    if not within:
        return ""
    heads = sum(len(HEADS_A_WORD.findall(text)) for text in prose)
    return within[0] if len(within) + heads > 1 else ""
