"""Wording: ROUGE-1, -2 and -L, exact match."""

from stages.core.marks import words
from stages.evaluate.imports import without
from stages.evaluate.metrics.metric import RowMetric

# rouge_score asks nltk for a stemmer that is not used here, and nltk both of them for more.
with without("scipy", "sklearn"):
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import Tokenizer

NAMES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


class UnicodeTokenizer(Tokenizer):
    """Split any script into words; on ASCII text as rouge_score's own tokenizer does.

    The package's drops all but a-z and 0-9: answers in Arabic or in emoji would score 0.
    """

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text, in lower case."""
        return words(text)


class Rouge(RowMetric):
    """ROUGE F-measures against the reference."""

    citation = "https://aclanthology.org/W04-1013"

    def _compute(
        self, predictions: list[str], references: list[str], keys: list[str]
    ) -> dict[str, list[float]]:
        scorer = RougeScorer([NAMES[key] for key in keys], tokenizer=UnicodeTokenizer())
        pairs = zip(references, predictions, strict=True)
        found = [scorer.score(reference, text) for reference, text in pairs]
        return {key: [float(of[NAMES[key]].fmeasure) for of in found] for key in keys}


class Exact(RowMetric):
    """Exact match, white space at both ends apart."""

    citation = "https://github.com/huggingface/evaluate/tree/main/metrics/exact_match"

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, list[float]]:
        pairs = zip(predictions, references, strict=True)
        return {"exact": [float(p.strip() == r.strip()) for p, r in pairs]}
