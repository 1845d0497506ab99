"""What every training run here has in common, whatever is trained by which trainer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.curve import log_last_step

if TYPE_CHECKING:
    from transformers import Trainer, TrainerState


def arguments(
    sft: dict[str, Any], device: str, seed: int, folder: Path, val: bool
) -> dict[str, Any]:
    """Return what the arguments of a transformers.Trainer are made of.

    sft:    the recipe's own, by their own names: they count more than what is said here
    folder: where the trainer writes what it must write
    val:    whether there is anything to validate on
    """
    return {
        "dataloader_pin_memory": device.startswith("cuda"),
        "eval_strategy": "steps" if val else "no",
        "logging_steps": sft.get("eval_steps", 25),
        "save_strategy": "no",
        **sft,
        "output_dir": str(folder),
        "seed": seed,
        "data_seed": seed,
        "use_cpu": device == "cpu",
        "report_to": [],
        "disable_tqdm": not sys.stderr.isatty(),
    }


def fit(trainer: "Trainer") -> "TrainerState":
    """Train what requires gradients, in place, and return the trainer's state with its log."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(log_last_step())
    trainer.train()
    return trainer.state
