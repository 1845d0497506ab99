"""The loss of a training run by step, at rest: one CSV a model, for `dvc plots` and the report."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.jsonl import replacing

if TYPE_CHECKING:
    from transformers import TrainerCallback

COLUMNS = ("step", "epoch", "split", "loss", "token_accuracy")


def log_last_step() -> "TrainerCallback":
    """Return a callback that logs the last step too, and every one that is evaluated.

    The last one is a run's end, and all of a run that is shorter than a log. Early stopping ends a
    run at an evaluation: what was trained up to it stands in the curve, too.
    """
    from transformers import TrainerCallback

    class LogLastStep(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_log |= control.should_evaluate or state.global_step >= state.max_steps

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_log |= control.should_evaluate

    return LogLastStep()


def write_curve(path: Path, log_history: list[dict[str, Any]]) -> None:
    """Write what a Trainer logged: loss (nats a token) and token accuracy of train and val.

    log_history: of transformers.TrainerState; token accuracy (0..1) only where the trainer has it
    """
    rows = []
    for logged in log_history:
        for split, prefix in (("train", ""), ("val", "eval_")):
            if f"{prefix}loss" in logged:
                loss = f"{logged[f'{prefix}loss']:.6f}"
                accuracy = logged.get(f"{prefix}mean_token_accuracy")
                shown = "" if accuracy is None else f"{accuracy:.6f}"
                rows.append((logged["step"], f"{logged['epoch']:.4f}", split, loss, shown))
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
