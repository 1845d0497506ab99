"""Rows that say again what a kept row says: the same, or nearly.

The first row in the order of the requests stays. A near-duplicate is judged by its answer alone,
the last message. The prompts are the recipe's own: the words that every one shares would lift each
pair's similarity, and a teacher that repeats itself does so in its answers.

Every row is compared with kept rows only, and with those exactly: what is dropped is as alike as
the recipe says to a row that stays. MinHash only finds the rows to compare with.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

SHINGLE = 3
# Words, and signs beyond ASCII: an answer of emojis holds no word. JSON's own signs say nothing.
WORD = re.compile(r"\w+|[^\w\s!-~]")
LONGEST_SIGNATURE = 512
MISSED = 1e-4  # share of the pairs at the very threshold that may go unseen; less above it
SEED = 13


def shingles(text: str) -> frozenset[str]:
    """Return the word trigrams of a text, in lower case; none where it has fewer words."""
    words = WORD.findall(text.lower())
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def banding(similarity: float) -> tuple[int, int]:
    """Return how many hashes a band has, and how many bands: long bands meet few other rows.

    Two sets of Jaccard similarity s meet in one of b bands of r hashes with the probability
    1 - (1 - s^r)^b.
    Source: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4, http://www.mmds.org
    """
    best = 1, LONGEST_SIGNATURE
    for hashes in range(1, LONGEST_SIGNATURE + 1):
        if (missed := 1 - similarity**hashes) == 1:
            break
        bands = math.ceil(math.log(MISSED) / math.log(missed)) if missed else 1
        if hashes * bands > LONGEST_SIGNATURE:
            break
        best = hashes, bands
    return best


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that stays."""

    row: str
    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class Found:
    """Why a row goes.

    reason: duplicate or near_duplicate
    of:     the row that stays, by id and request
    """

    reason: str
    row: str
    request: str
    similarity: float

    def __str__(self) -> str:
        """Name the kept row."""
        said = f"of row {self.row} (request {self.request})"
        return said if self.reason == "duplicate" else f"{said}, similarity {self.similarity:.3f}"


class NearDuplicates:
    """The kept answers, and which of them a new one is nearly the same as.

    similarity: Jaccard similarity of word trigrams from which on a row is dropped, in (0, 1]
    """

    def __init__(self, similarity: float) -> None:
        from rensa import RMinHash, RMinHashLSH

        hashes, bands = banding(similarity)
        self.similarity = similarity
        self._length = hashes * bands
        self._signature = RMinHash
        self._index = RMinHashLSH(similarity, self._length, bands)
        self._kept: list[Kept] = []
        self._sizes: list[int] = []

    def add(self, row: str, request: str, answer: str) -> Found | None:
        """Keep an answer, or return the earliest kept one that it is nearly the same as.

        Answers of fewer than three words are kept: labels repeat by design.
        """
        members = shingles(answer)
        if not members:
            return None
        signature = self._signature(self._length, SEED)
        signature.update(members)
        for place in sorted(self._index.query(signature)):
            alike = self._alike(members, place)
            if alike >= self.similarity:
                kept = self._kept[place]
                return Found("near_duplicate", kept.row, kept.request, alike)
        self._index.insert(len(self._kept), signature)
        self._kept.append(Kept(row, request, answer))
        self._sizes.append(len(members))
        return None

    def _alike(self, members: frozenset[str], place: int) -> float:
        """Return the Jaccard similarity to a kept answer, or its bound where that is too low."""
        small, large = sorted((len(members), self._sizes[place]))
        if (bound := small / large) < self.similarity:
            return bound
        # Made again: the trigrams of all kept answers would take ten times the room of the texts.
        others = shingles(self._kept[place].answer)
        shared = len(members & others)
        return shared / (len(members) + len(others) - shared)


class Duplicates:
    """The rows that are kept.

    similarity: as in NearDuplicates; None looks for exact duplicates only
    """

    def __init__(self, similarity: float | None) -> None:
        self._requests: dict[str, str] = {}
        self._near = None if similarity is None else NearDuplicates(similarity)

    def add(self, row: dict[str, Any]) -> Found | None:
        """Keep a row, or return what it repeats."""
        name, request = row["id"], row["request"]
        if name in self._requests:
            return Found("duplicate", name, self._requests[name], 1.0)
        if self._near and (found := self._near.add(name, request, row["messages"][-1]["content"])):
            return found
        self._requests[name] = request
        return None
