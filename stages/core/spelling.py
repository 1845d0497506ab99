"""Change how texts are spelled, and nothing of what they say: spaces, entities, letters.

Diacritics are letters here: no normalisation takes one away, and none is applied unasked.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from html.entities import html5
from typing import Any

from stages.core.tables import Table

ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z]\w{1,30});")
# The look-behind takes a run of spaces from its head on only: else it is quadratic in them.
BREAK = re.compile(r"(?:(?<!\s)\s+)?<br\s*/?>\s*", re.IGNORECASE)
# Romanian's two letters as old fonts and keyboards wrote them: as Turkish's s with a cedilla, and a
# t with one that no language has; composed, and as a letter with a combining cedilla.
# Source: https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-7/ (Romanian)
CEDILLA = re.compile("[\u015e\u015f\u0162\u0163]|[STst]\u0327")
COMMA = {
    **{"\u015e": "\u0218", "\u015f": "\u0219", "\u0162": "\u021a", "\u0163": "\u021b"},
    **{"S\u0327": "\u0218", "s\u0327": "\u0219", "T\u0327": "\u021a", "t\u0327": "\u021b"},
}


def character(entity: "re.Match[str]") -> str:
    """Return what one HTML entity stands for, or itself where that is nothing, or only begins so.

    What stays is refused as an entity later (stages/core/proof/meaning.py).
    """
    said = entity[0]
    try:
        known = said[1] == "#" or said[1:] in html5
        return (html.unescape(said) if known else said) or said
    except ValueError:  # too long to be a number
        return said


def unescaped(text: str) -> str:
    """Undo HTML entities, those with their semicolon: `?a=1&copy=2` is an address."""
    return ENTITY.sub(character, text) if "&" in text else text


def composed(text: str) -> str:
    """Write each letter and its marks as one character, where there is one: form C.

    Source: https://unicode.org/reports/tr15/
    """
    return unicodedata.normalize("NFC", text)


def with_commas(text: str) -> str:
    """Write the Romanian letters with a comma below that are spelled with a cedilla.

    For texts in Romanian alone: a Turkish word has its cedilla by right.
    """
    return CEDILLA.sub(lambda letter: COMMA[letter[0]], text)


# What a recipe may allow by name (params.yaml: validate.normalise, sources.<name>.normalise).
NORMALISE: dict[str, Callable[[str], str]] = {
    "trim": str.strip,
    "entities": unescaped,
    "breaks": lambda text: BREAK.sub("\n", text) if "<" in text else text,
    "nfc": composed,
    "comma_below": with_commas,
}


def normalised(value: Any, change: Callable[[str], str]) -> Any:
    """Change every string of a JSON value; keys stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: normalised(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [normalised(each, change) for each in value]
    return value


def normalise(record: Any, allowed: list[str]) -> tuple[Any, list[str]]:
    """Apply the allowed normalisations in order; return the record and those that changed it."""
    done = []
    for name in allowed:
        if name in NORMALISE and (changed := normalised(record, NORMALISE[name])) != record:
            done.append(name)
            record = changed
    return record, done


def spelled(table: Table, names: list[str]) -> tuple[Table, dict[str, int]]:
    """Return a table with every text normalised, and how many rows each normalisation changed.

    names: of NORMALISE, in the order in which they are applied; texts at every depth are changed,
           the names of columns are not
    """
    counts = dict.fromkeys(names, 0)
    made: Table = []
    for where, row in table:
        changed, done = normalise(row, names)
        made.append((where, changed))
        for name in done:
            counts[name] += 1
    return made, counts
