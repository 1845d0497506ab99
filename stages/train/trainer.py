"""TRL's SFTTrainer, as the recipe sets it up."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.fitting import arguments, on_one_device
from stages.core.resuming import Resumable
from stages.train.attention import flatten, keeps_apart
from stages.train.losses import TargetLoss
from stages.train.rows import MAX_LENGTH, Encoded, dataset

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase
    from trl import SFTTrainer

# Keys of trl.SFTConfig that `rows` has heeded; TRL would refuse them for rows of tokens.
HEEDED = ("assistant_only_loss", "completion_only_loss", "max_length")


def make_trainer(
    model: "PeftModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: dict[str, Encoded],
    sft: dict[str, Any],
    device: str,
    seed: int,
    folder: Path,
) -> "SFTTrainer":
    """Return a trainer of what requires gradients in the model.

    rows:   `train` and `val`, encoded; val may be empty
    sft:    keys of trl.SFTConfig, by their own names
    folder: where the trainer writes what it must write
    Raises: ConfigError when nothing is there to train on, or what is trained would not be.
    """
    from trl import SFTConfig, SFTTrainer

    hold_trainable(model, rows)

    class AdapterTrainer(Resumable, TargetLoss, SFTTrainer):
        """TRL's, whose checkpoints are exact and small, and whose loss costs what it must."""

    tokenizer.padding_side = "right"
    packing, eval_packing = sft.get("packing"), sft.get("eval_packing")
    packed = {"train": packing, "val": packing if eval_packing is None else eval_packing}
    data = {
        side: dataset(rows[side].rows, sft.get("max_length", MAX_LENGTH) if packs else None)
        for side, packs in packed.items()
    }
    settings = {
        # TRL's defaults are for large models on a GPU: both on, unless told.
        "bf16": False,
        "gradient_checkpointing": False,
        **{key: value for key, value in sft.items() if key not in HEEDED},
        "padding_free": padding_free(model, sft, any(packed.values())),
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }
    exact = [(one, one.data) for one in model.parameters() if one.requires_grad]
    trainer = AdapterTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=data["train"],
        eval_dataset=data["val"],
        args=on_one_device(
            SFTConfig(**arguments(settings, device, seed, folder, data["val"] is not None)), device
        ),
    )
    # TRL rounds the adapter of a quantized base to bfloat16: small updates would be lost, one that
    # continues another would begin otherwise, and what is read back is computed in float32.
    for parameter, weights in exact:
        parameter.data = weights
    return trainer


def hold_trainable(model: "PeftModel", rows: dict[str, Encoded]) -> None:
    """Hold that there are rows, and that no adapter is on the head, which TRL refuses.

    Raises: ConfigError.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    faults = []
    if not rows["train"].rows:
        then = "raise its shares of `mix`, or `train` of its sets"
        faults.append(Fault("data/mix: train", "there is no row to train on", "one at least", then))
    if isinstance(model.get_output_embeddings(), BaseTunerLayer):
        what = "they reach the output embeddings: TRL multiplies with these without the adapter"
        faults.append(Fault("params.yaml: lora.target_modules", what, "other modules"))
    if faults:
        raise ConfigError(*faults)


def padding_free(model: "PeftModel", sft: dict[str, Any], packed: bool) -> bool:
    """Tell whether batches are flattened, which the model is prepared for, or padded.

    Padded are those of a model that would mix rows up, of one whose attention is `eager` by the
    recipe, with `padding_free: false`, with NEFTune, whose noise depends on a row's length, and
    batches of one row, which have no padding; never those of packed rows.
    Raises: ConfigError when rows are packed, and the model would mix them up.
    """
    wanted = (
        sft.get("padding_free") is not False
        and sft.get("neftune_noise_alpha") is None
        and sft.get("per_device_train_batch_size") != 1
    )
    base = model.get_base_model()
    if (wanted or packed) and flatten(base):
        return True
    # Packed rows can be kept apart by transformers' own mask, too, at a price.
    if packed and not keeps_apart(base):
        raise ConfigError(
            Fault(
                "params.yaml: sft.packing",
                f"the attention of {type(base).__name__} would mix packed rows up",
                "packing: false",
            )
        )
    return packed


def spent(trainer: "SFTTrainer") -> dict[str, float]:
    """Return what a training run took: `tokens` in all, and what this process did of it.

    train_s:      seconds of training here, evaluation apart
    tokens_per_s: tokens trained here by these seconds
    """
    return rates(trainer.state.log_history, trainer._initial_global_step)


def rates(log_history: list[dict[str, Any]], begun_at: int) -> dict[str, float]:
    """Return `tokens`, `train_s` and `tokens_per_s` of a log.

    begun_at: the step at which this process began; what was logged up to it is another one's
    """

    def tokens(logged: list[dict[str, Any]]) -> int:
        return int(max((each.get("num_tokens", 0) for each in logged), default=0))

    earlier = [logged for logged in log_history if logged["step"] <= begun_at]
    evaluating_s = sum(
        logged.get("eval_runtime", 0.0) for logged in log_history if logged["step"] > begun_at
    )
    runs_s = [logged["train_runtime"] for logged in log_history if "train_loss" in logged]
    train_s = max(runs_s[-1] - evaluating_s, 0.0)
    here = tokens(log_history) - (tokens(earlier) if begun_at else 0)
    return {
        "tokens": tokens(log_history),
        "train_s": round(train_s, 2),
        "tokens_per_s": round(here / train_s, 1) if train_s else 0.0,
    }
