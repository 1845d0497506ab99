"""What the families share: two columns of text in; out, one value a row and key, or one a key."""

import tempfile
from typing import Any

import datasets

from stages.evaluate.imports import without

# For its evaluators, which are not used here; its metrics need neither.
with without("transformers", "scipy"):
    import evaluate


class RowMetric(evaluate.Metric):
    """A metric over predictions and references that gives a value for each row.

    What else a row carries (keywords, cases, other references) goes to `compute` as a keyword, one
    entry a row: only features pass through Arrow, which has no type for "any JSON value".
    """

    description = ""
    citation = ""

    def __init__(self, **options: Any) -> None:
        """Keep the columns in memory; the library would leave a folder in the user's home."""
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(keep_in_memory=True, cache_dir=folder, **options)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation=self.citation,
            inputs_description="predictions, references: texts, one a row",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(
        self, predictions: list[str], references: list[str], **extra: Any
    ) -> dict[str, Any]:
        raise NotImplementedError


class SectionMetric(RowMetric):
    """A metric that gives one value a key, for all rows together."""
