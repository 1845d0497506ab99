"""Mark what an answer says that its reference does not, and what it leaves out.

Words (in code: tokens with the white space behind them) are compared by difflib; what two changes
leave between them is taken as changed, too, where it is shorter than both: a text in which every
second word is marked cannot be read.
Source: https://github.com/google/diff-match-patch, its semantic cleanup
"""

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

WORD = re.compile(r"\w+\s*|[^\w\s]\s*|^\s+")
# Beyond so many pairs of words nothing is compared: the time may grow with them.
PAIRS = 4_000_000
# Below this share of words in common nearly everything would be marked, which marks nothing.
ALIKE = 0.3

Mark = Literal["same", "more", "less"]


class Piece(NamedTuple):
    """A part of an answer (`same`, `more`), or of its reference alone (`less`)."""

    mark: Mark
    text: str


class Change(NamedTuple):
    """A run of words: as the reference has them, and as the answer has them; equal or not."""

    equal: bool
    old: list[str]
    new: list[str]

    @property
    def longest(self) -> int:
        """Return its length in characters, on the longer side."""
        return max(sum(map(len, self.old)), sum(map(len, self.new)))


def comparable(reference: str, text: str) -> bool:
    """Say whether two texts are short enough to be compared."""
    return len(WORD.findall(reference)) * len(WORD.findall(text)) <= PAIRS


def pieces(reference: str, text: str, code: bool = False) -> list[Piece] | None:
    """Return an answer in pieces, in order; None where there is too little to mark.

    So it is where an answer has hardly anything of its reference, or is not `comparable` with it.
    code: white space counts
    `same` and `more` together are the answer, character by character.
    """
    if reference == text:
        return [Piece("same", text)]
    if not comparable(reference, text):
        return None
    old, new = WORD.findall(reference), WORD.findall(text)
    keys = [words if code else [word.rstrip() for word in words] for words in (old, new)]
    matcher = SequenceMatcher(None, *keys, autojunk=False)
    if matcher.ratio() < ALIKE:
        return None
    changes = [
        Change(tag == "equal", old[low:high], new[at:end])
        for tag, low, high, at, end in matcher.get_opcodes()
    ]
    found: list[Piece] = []
    for change in joined(changes):
        if change.equal:
            found.append(Piece("same", "".join(change.new)))
        else:
            found += [Piece("less", "".join(change.old))] if change.old else []
            found += [Piece("more", "".join(change.new))] if change.new else []
    return found


def joined(changes: list[Change]) -> list[Change]:
    """Return changes without equal runs that are shorter than the changes on both sides."""
    found: list[Change] = []
    for change in changes:
        found.append(change)
        while len(found) > 2 and not found[-1].equal and found[-2].equal:
            before, between, after = found[-3:]
            if between.longest >= min(before.longest, after.longest):
                break
            old = before.old + between.old + after.old
            found[-3:] = [Change(False, old, before.new + between.new + after.new)]
    return found
