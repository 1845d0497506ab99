"""Meaning: cosines of sentence embeddings and BERTScore, of texts that are embedded already."""

from typing import TYPE_CHECKING, Any

from stages.evaluate.imports import bare
from stages.evaluate.metrics.metric import RowMetric

if TYPE_CHECKING:
    from torch import Tensor

    from stages.core.encoder import Embedding


def cosine(one: "Tensor", other: "Tensor") -> float:
    """Return the cosine of two sentence embeddings, -1 to 1."""
    import torch

    return float(torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=0))


def bertscore_f1(hypothesis: "Embedding", reference: "Embedding") -> float:
    """Return BERTScore F1 of one pair, by the package's own matching.

    Special tokens may be matched but do not count, as in the package (`BERTScorer.score`).
    """
    import torch

    with bare("bert_score"):  # it imports matplotlib and pandas, to draw
        from bert_score.utils import greedy_cos_idf

    sides = []
    for side in (reference, hypothesis):
        counted = (~side.special).float().unsqueeze(0)
        mask = torch.ones(1, len(side.special), dtype=torch.bool)
        # Cloned: the package scales embeddings and weights in place.
        sides += [side.tokens.clone().unsqueeze(0), mask, counted]
    return float(greedy_cos_idf(*sides)[2][0])


class Similarity(RowMetric):
    """Cosine of two texts' embeddings: 1 where they are the same, 0 where one is blank."""

    citation = "https://arxiv.org/abs/1908.10084"

    def _compute(
        self, predictions: list[str], references: list[str], vectors: dict[str, Any], key: str
    ) -> dict[str, list[float]]:
        """Compare.

        vectors: text without white space around -> its embedding, of all that differ
        key:     what the values are called
        """
        values = []
        for text, other in zip(
            map(str.strip, predictions), map(str.strip, references), strict=True
        ):
            if text == other:
                values.append(1.0)
            else:
                values.append(cosine(vectors[text], vectors[other]) if text and other else 0.0)
        return {key: values}


class BertScore(RowMetric):
    """BERTScore F1: 1 where both are the same, 0 where one is blank."""

    citation = "https://arxiv.org/abs/1904.09675"

    def _compute(
        self, predictions: list[str], references: list[str], embedded: dict[str, Any]
    ) -> dict[str, list[float]]:
        """Compare.

        embedded: text without white space around -> its `Embedding`, of all that differ
        """
        values = []
        for text, other in zip(
            map(str.strip, predictions), map(str.strip, references), strict=True
        ):
            if text == other:
                values.append(1.0)
            elif text and other:
                values.append(bertscore_f1(embedded[text], embedded[other]))
            else:
                values.append(0.0)
        return {"bertscore_f1": values}


class OffTopic(RowMetric):
    """Answers no closer to their own question and reference than `limit`; None where blank."""

    citation = "https://arxiv.org/abs/1908.10084"

    def _compute(
        self,
        predictions: list[str],
        references: list[str],
        questions: list[str],
        vectors: dict[str, Any],
        limit: float,
    ) -> dict[str, list[float | None]]:
        values = []
        for text, *others in zip(predictions, references, questions, strict=True):
            close = [cosine(vectors[text], vectors[other]) for other in others if text and other]
            values.append(float(max(close) <= limit) if close else None)
        return {"off_topic": values}
