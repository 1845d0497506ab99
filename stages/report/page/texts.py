"""Texts as somebody wrote them: folded where they are long, cut, what differs marked."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from stages.report.page.differences import Piece

FOLDED = 600  # characters: a longer text is folded away
LONGEST = 4_000  # characters that are shown of a text
EXCERPT = 72  # characters of a prompt in its line
BLANK = re.compile(r"(^\s+|\s*\n\s*|\s+$)")


class Shown(NamedTuple):
    """A text: its beginning where it is long, its pieces, how many characters are not shown."""

    pieces: list[Piece]
    beginning: str
    length: int
    cut: int


def excerpt(text: str) -> str:
    """Return the beginning of a text, on one line."""
    words = " ".join(text[: 4 * EXCERPT].split())
    return words[:EXCERPT] + ("…" if len(words) > EXCERPT or len(text) > 4 * EXCERPT else "")


def unstruck(piece: Piece) -> Iterator[Piece]:
    """Yield a piece with its line ends and indentation unmarked: struck spaces look like text."""
    if piece.mark == "same":
        yield piece
        return
    for part in BLANK.split(piece.text):
        if part:
            yield Piece(piece.mark if part.strip() else "same", part)


def folded(text: str, found: list[Piece] | None = None) -> Shown:
    """Return a text to show, cut at LONGEST; unmarked without pieces."""
    parts, room = [], LONGEST
    for mark, part in (
        each for piece in found or [Piece("same", text)] for each in unstruck(piece)
    ):
        parts.append(Piece(mark, part[:room]))
        room -= len(part)
        if room <= 0:
            break
    beginning = excerpt(text) if len(text) > FOLDED else ""
    return Shown(parts, beginning, len(text), max(0, -room))
