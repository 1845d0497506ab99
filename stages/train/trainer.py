"""TRL's SFTTrainer, as the recipe sets it up."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.fitting import arguments
from stages.core.records import Row
from stages.train.rows import conversations

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase
    from trl import SFTTrainer


def make_trainer(
    model: "PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: dict[str, list[Row]],
    sft: dict[str, Any],
    device: str,
    seed: int,
    folder: Path,
) -> "SFTTrainer":
    """Return a trainer of what requires gradients in the model.

    rows:   `train` and `val`; val may be empty
    sft:    keys of trl.SFTConfig, by their own names
    folder: where the trainer writes what it must write
    """
    from trl import SFTConfig, SFTTrainer

    tokenizer.padding_side = "right"
    # TRL's defaults are for large models on a GPU: both on, unless told.
    settings = {"bf16": False, "gradient_checkpointing": False, **sft}
    return SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=conversations(rows["train"]),
        eval_dataset=conversations(rows["val"]) if rows["val"] else None,
        args=SFTConfig(**arguments(settings, device, seed, folder, bool(rows["val"]))),
    )
