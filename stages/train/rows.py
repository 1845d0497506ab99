"""The rows that an adapter trains on, as the trainer takes them."""

from typing import TYPE_CHECKING

from stages.core.records import Row

if TYPE_CHECKING:
    from datasets import Dataset


def conversations(rows: list[Row]) -> "Dataset":
    """Return rows as a conversational prompt-completion dataset: the loss is on the last turn only.

    Source: https://huggingface.co/docs/trl/dataset_formats#prompt-completion
    """
    from datasets import Dataset

    return Dataset.from_list(
        [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows]
    )
