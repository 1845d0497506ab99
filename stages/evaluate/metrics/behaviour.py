"""Behaviour: what needs no reference: empty, how long, refusing, in a loop, how varied."""

from stages.core.marks import is_degenerate, is_empty, words
from stages.evaluate.metrics.metric import RowMetric, SectionMetric
from stages.evaluate.metrics.refusal import is_refusal


class Behaviour(RowMetric):
    """Empty answers, their length in words, refusals."""

    citation = "https://arxiv.org/abs/2307.15043"

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        return {
            "empty": [float(is_empty(text)) for text in predictions],
            "length": [float(len(words(text))) for text in predictions],
            "refusal": [float(is_refusal(text)) for text in predictions],
        }


class Degenerate(RowMetric):
    """Answers that ran to their limit in a loop."""

    citation = "https://arxiv.org/abs/1904.09751"

    def _compute(
        self, predictions: list[str], references: list[str], finish_reasons: list[str]
    ) -> dict[str, list[float]]:
        ends = zip(predictions, finish_reasons, strict=True)
        return {"degenerate": [float(is_degenerate(text, end)) for text, end in ends]}


def distinct(texts: list[str], n: int) -> float:
    """Return different word n-grams by all word n-grams of the texts, 0 to 1; 0 where none.

    Source: https://aclanthology.org/N16-1014, section 5.3
    """
    grams = [
        tuple(found[at : at + n]) for found in map(words, texts) for at in range(len(found) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


class Distinct(SectionMetric):
    """Distinct-1 and distinct-2 of all answers together."""

    citation = "https://aclanthology.org/N16-1014"

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {f"distinct_{n}": distinct(predictions, n) for n in (1, 2)}
