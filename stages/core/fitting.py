"""What every training run here has in common, whatever is trained by which trainer."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import checkpoints, entry
from stages.core.curve import log_last_step
from stages.core.errors import ConfigError, Fault, UserError
from stages.core.processes import from_first, true_for_all
from stages.core.resuming import trained

if TYPE_CHECKING:
    from transformers import Trainer, TrainerState, TrainingArguments

# Keys of the recipe that are not the trainer's arguments: EarlyStoppingCallback's, and the one that
# transformers takes only where every evaluation is a checkpoint.
STOPPING = ("early_stopping_patience", "early_stopping_threshold")
BEST = "load_best_model_at_end"


def arguments(
    sft: dict[str, Any], device: str, seed: int, folder: Path, val: bool
) -> dict[str, Any]:
    """Return what the arguments of a transformers.Trainer are made of.

    sft:    the recipe's own, by their own names: they count more than what is said here
    folder: where the trainer writes its checkpoints
    val:    whether there is anything to validate on
    Raises: ConfigError when the best is asked for, and there is nothing to tell it by.
    """
    by_epoch = sft.get("eval_strategy") == "epoch"
    settings = {
        "dataloader_pin_memory": device.startswith("cuda"),
        "eval_strategy": "steps" if val else "no",
        "logging_steps": sft.get("eval_steps", 25),
        "save_strategy": "epoch" if by_epoch else "steps",
        "save_steps": sft.get("eval_steps", 25),
        **sft,
        "output_dir": str(folder),
        "seed": seed,
        "data_seed": seed,
        "use_cpu": device == "cpu",
        "report_to": [],
        "disable_tqdm": not sys.stderr.isatty(),
    }
    asked = [key for key in (*STOPPING, BEST) if settings.pop(key, None)]
    if asked:
        if not val or settings["eval_strategy"] == "no":
            raise ConfigError(
                Fault(
                    f"params.yaml: sft.{asked[0]}",
                    "there are no validation rows to tell the best by",
                    "validation rows: `val` above 0 at a set of the mix",
                    f"raise `sets.<set>.val`, or leave {' and '.join(asked)} out",
                )
            )
        settings.setdefault("metric_for_best_model", "loss")
    return settings


def on_one_device(args: "TrainingArguments", device: str) -> "TrainingArguments":
    """Return arguments of a trainer that takes the GPU that the recipe names, and no other.

    Alone, transformers takes the first GPU of the machine and spreads each batch over all of them
    (nn.DataParallel): batches of another size, and another model, on another machine.
    """
    import torch
    from transformers.training_args import ParallelMode

    here = args.device  # sets torch up, and `_n_gpu`
    if here.type == "cuda" and args.parallel_mode != ParallelMode.DISTRIBUTED:
        args._n_gpu = 1
        if ":" in device:
            named = torch.device(device)
            args.__dict__["_setup_devices"] = args.distributed_state.device = named
            torch.cuda.set_device(named)
    return args


def fit(trainer: "Trainer", sft: dict[str, Any], lower: dict[str, Any]) -> "TrainerState":
    """Train what requires gradients, in place, and return the trainer's state with its log.

    It goes on from the latest whole checkpoint in the trainer's output_dir, if there is one.
    With `early_stopping_patience` it stops after so many evaluations in a row that were no better,
    and the best weights are what remains, unless `load_best_model_at_end` is false.
    trainer: one with `stages.core.resuming.Resumable` before it
    lower:   what can be lowered, or switched, when memory runs out: key of params.yaml -> value
    Raises:  UserError when memory runs out, when no step is trained, or training diverged
    """
    from transformers import EarlyStoppingCallback, PrinterCallback

    hold_batches(trainer)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(log_last_step())
    stopping = {key: sft[key] for key in STOPPING if sft.get(key) is not None}
    if "early_stopping_patience" in stopping:
        trainer.add_callback(EarlyStoppingCallback(**stopping))
    trainer.keeps_best = sft.get(BEST, "early_stopping_patience" in stopping)
    latest = _latest(trainer)
    if latest is not None:
        trainer.args.eval_on_start = False
    with telling_memory(lower):
        trainer.train(resume_from_checkpoint=latest)
    trainer.restore_best()
    hold_trained(trainer)
    return trainer.state


NO_STEP = Fault(
    "training",
    "no step is trained: the rows fill no batch, or no epoch is asked for",
    "one step at least",
    "lower sft.per_device_train_batch_size, write sft.dataloader_drop_last: false, or raise "
    "sft.num_train_epochs or sft.max_steps",
)


def hold_batches(trainer: "Trainer") -> None:
    """Hold that there is one batch at least: transformers divides by their number.

    Raises: ConfigError.
    """
    together = trainer.args.train_batch_size * trainer.args.world_size
    if trainer.args.dataloader_drop_last and len(trainer.train_dataset) < together:
        raise ConfigError(NO_STEP)


def hold_trained(trainer: "Trainer") -> None:
    """Hold that there were steps, and that the weights they ended with are numbers.

    The Trainer logs a loss that is no number as 0 (`logging_nan_inf_filter`).
    Raises: ConfigError, UserError.
    """
    import torch

    if trainer.state.global_step == 0:
        raise ConfigError(NO_STEP)
    if trainer.is_fsdp_enabled:  # each process holds a part
        return
    ended = trained(trainer.model)
    broken = [name for name, each in ended.items() if not torch.isfinite(each).all()]
    if broken:
        what = f"it diverged: {len(broken)} of {len(ended)} weights end as no numbers: {broken[0]}"
        then = "lower sft.learning_rate, or raise sft.warmup_steps"
        raise UserError(Fault("training", what, "finite weights", then))


def _latest(trainer: "Trainer") -> str | None:
    """Return the checkpoint to go on from, told in a line, or None."""
    folder, first = Path(trainer.args.output_dir), trainer.is_world_process_zero()
    if trainer.is_fsdp_enabled and first:
        entry.say("checkpoints", "none are kept of a model that FSDP shares out")
    path = from_first(checkpoints.latest(folder) if first else None)
    if path is None:
        return None
    # The disk of another machine may lack it: then all begin anew.
    if not true_for_all(trainer.running_in(path).is_file()):
        path = None
    if first:
        told = f"going on from {path}" if path else f"{folder} is not there on every machine"
        entry.say("checkpoints", told)
    return str(path) if path else None


def lowerable(key: str, adapter: dict[str, Any], quantize: str) -> dict[str, Any]:
    """Return what an adapter's parameters hold that decides how much memory its training takes.

    adapter: its `lora` and `sft`; what they leave out has PEFT's and TRL's defaults
    """
    sft = {"per_device_train_batch_size": 8, "max_length": 1024, "gradient_checkpointing": False}
    sft = {name: adapter["sft"].get(name, default) for name, default in sft.items()}
    return {
        **{f"adapters.{key}.sft.{name}": value for name, value in sft.items()},
        f"adapters.{key}.lora.r": adapter["lora"].get("r", 8),
        "base.quantize": quantize,
    }


@contextmanager
def telling_memory(lower: dict[str, Any]) -> Iterator[None]:
    """Turn running out of memory into a UserError that names what to lower, and its value.

    Source: https://huggingface.co/docs/accelerate/package_reference/utilities, the errors that
    `find_executable_batch_size` takes for that
    """
    from accelerate.utils.memory import should_reduce_batch_size

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not should_reduce_batch_size(error):
            raise
        present = ", ".join(f"{key} (now {value})" for key, value in lower.items())
        raise UserError(
            Fault(
                "training",
                f"out of memory: {str(error).splitlines()[0] if str(error) else 'MemoryError'}",
                "a batch, its activations and the optimizer in the memory of the device",
                f"lower one of these, or switch it: {present}",
            )
        ) from error
