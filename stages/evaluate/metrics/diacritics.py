"""Diacritics: whether the words that an answer shares with its reference carry the same marks."""

import unicodedata
from collections import defaultdict

from stages.core.marks import words
from stages.evaluate.metrics.metric import RowMetric


def bare(word: str) -> str:
    """Return a word without the marks of its letters."""
    apart = unicodedata.normalize("NFD", word)
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def spelled_alike(text: str, reference: str) -> float | None:
    """Return the share of words in common, marks set aside, that have the reference's marks.

    Counted are those with a mark in either, each time that the answer has them; of several
    spellings in the reference each is right. Composed letters and letters in parts are the same,
    upper and lower case too.
    Returns: 0 to 1, or None where there is no such word
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for word in words(unicodedata.normalize("NFC", reference)):
        spellings[bare(word)].add(word)
    alike = [
        word in known
        for word in words(unicodedata.normalize("NFC", text))
        if (known := spellings.get(bare(word))) and known | {word} != {bare(word)}
    ]
    return sum(alike) / len(alike) if alike else None


class Diacritics(RowMetric):
    """Words in common with the reference that are spelled with its marks, 0 to 1; or None."""

    citation = "https://unicode.org/reports/tr15/"

    def _compute(
        self, predictions: list[str], references: list[str]
    ) -> dict[str, list[float | None]]:
        pairs = zip(predictions, references, strict=True)
        return {"diacritics": [spelled_alike(text, reference) for text, reference in pairs]}
