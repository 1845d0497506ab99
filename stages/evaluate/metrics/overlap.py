"""Overlap as in machine translation: BLEU and chrF, of each answer and of a section as a corpus."""

from sacrebleu.metrics import BLEU, CHRF

from stages.evaluate.metrics.metric import RowMetric, SectionMetric


class Overlap(RowMetric):
    """BLEU and chrF2 of each answer alone, 0 to 100."""

    citation = "https://aclanthology.org/W18-6319"

    def _compute(
        self, predictions: list[str], references: list[str], keys: list[str]
    ) -> dict[str, list[float]]:
        metrics = {"sentence_bleu": BLEU(effective_order=True), "sentence_chrf": CHRF()}
        pairs = list(zip(predictions, references, strict=True))
        return {key: [metrics[key].sentence_score(p, [r]).score for p, r in pairs] for key in keys}


class CorpusOverlap(SectionMetric):
    """BLEU and chrF2 of all answers as one corpus, 0 to 100."""

    citation = "https://aclanthology.org/W18-6319"

    def _compute(
        self, predictions: list[str], references: list[str], keys: list[str]
    ) -> dict[str, float]:
        # Its advice to give texts without tokens split off would go to standard error.
        metrics = {"sacrebleu": BLEU(force=True), "chrf": CHRF()}
        return {key: metrics[key].corpus_score(predictions, [references]).score for key in keys}
