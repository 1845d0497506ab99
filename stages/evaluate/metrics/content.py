"""Content: the keywords of the reference that the answer holds."""

import re
from typing import Any

from stages.core.digest import canonical
from stages.evaluate.metrics.metric import RowMetric
from stages.evaluate.metrics.structure import parse


def found(keyword: str, text: str) -> bool:
    """Say whether a keyword stands in a text as whole words, whatever its case."""
    # A combining mark behind it makes it another word: fata is not fată, in two parts as in one.
    whole = rf"(?<!\w){re.escape(keyword)}(?![\w\u0300-\u036f])"
    return re.search(whole, text, re.IGNORECASE) is not None


def recall(text: str, keywords: dict[str, list[str]], language: str) -> float | None:
    """Return the share of the keywords that the answer holds, 0 to 1; None without keywords.

    keywords: by key of the record; a word counts once a key
    language: json: each is looked for in the value of its key, and nothing is found in an answer
        that is no JSON object; otherwise in the whole text
    """
    wanted = [(key, word) for key in sorted(keywords) for word in sorted(set(keywords[key]))]
    if not wanted:
        return None
    if language != "json":
        places = dict.fromkeys(keywords, text)
    else:
        record = parse(text)
        values = record if isinstance(record, dict) else {}
        places = {key: _text(values.get(key, "")) for key in keywords}
    return sum(found(word, places[key]) for key, word in wanted) / len(wanted)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


class ContentRecall(RowMetric):
    """Share of the reference's keywords in the answer."""

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        keywords: list[dict[str, list[str]]],
        language: str,
    ) -> dict[str, list[float | None]]:
        pairs = zip(predictions, keywords, strict=True)
        return {"content_recall": [recall(text, words, language) for text, words in pairs]}
