"""The contenders of the benches of training, on the same case: TRL, this project, a bare loop."""

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WARM_UP = 3  # steps that are not measured
TRL, TRL_OURS, TRL_TRUE, OURS, LOOP = (
    *("TRL", "TRL in our process", "TRL, its true defaults"),
    *("ours", "bare loop"),
)


@dataclass
class Case:
    """What is trained.

    prepare: sets torch up as this project does
    load:    returns the model with a new adapter, and its tokenizer
    encoded: returns rows as `stages.train.rows.Encoded`, given the tokenizer
    plain:   returns rows as a user gives them to TRL
    """

    name: str
    sft: dict[str, Any]
    steps: int
    prepare: Callable[[], None]
    load: Callable[[], tuple[Any, Any]]
    encoded: Callable[[Any], Any]
    plain: Callable[[Any], list[dict[str, Any]]]
    epochs: float = 1.0
    device: str = "cpu"


@dataclass
class Run:
    """What one run did: steps after the warm-up only."""

    seconds: float = 0.0
    tokens: int = 0
    places: int = 0  # tokens and padding
    losses: list[float] = field(default_factory=list)
    peak_gpu_memory_mb: float = 0.0

    @property
    def rate(self) -> float:
        """Return tokens a second."""
        return self.tokens / self.seconds

    @property
    def padding(self) -> float:
        """Return the share of padding, 0 to 1."""
        return 1 - self.tokens / self.places


class Meter:
    """A clock that is read at the beginning of each step; the last step only ends the one before.

    CPU-seconds of this process on a CPU, seconds after all is done on a GPU.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.at: list[float] = []
        self.batches: list[tuple[int, int]] = []

    def step(self, inputs: dict[str, Any]) -> None:
        """Note the beginning of a step on these inputs."""
        import torch

        if self.device != "cpu":
            torch.cuda.synchronize()
        mask = inputs.get("attention_mask")
        places = inputs["input_ids"].numel()
        self.batches.append((places if mask is None else int(mask.sum()), places))
        self.at.append(time.process_time() if self.device == "cpu" else time.perf_counter())

    def run(self, losses: list[float]) -> Run:
        """Return what was measured."""
        import torch

        measured = self.batches[WARM_UP:-1]
        tokens, places = (sum(each) for each in zip(*measured, strict=True))
        peak = torch.cuda.max_memory_allocated() / 2**20 if self.device != "cpu" else 0.0
        return Run(self.at[-1] - self.at[WARM_UP], tokens, places, losses, peak)


def metered(trainer: Any, case: Case) -> Run:
    """Let a trainer train, and measure it."""
    import torch

    if case.device != "cpu":  # a model is made in full precision before it is quantized
        torch.cuda.reset_peak_memory_stats()
    meter, step = Meter(case.device), trainer.training_step

    def training_step(model: Any, inputs: dict[str, Any], *args: Any) -> Any:
        meter.step(inputs)
        return step(model, inputs, *args)

    trainer.training_step = training_step
    trainer.train()
    return meter.run([each["loss"] for each in trainer.state.log_history if "loss" in each])


def settings(case: Case) -> dict[str, Any]:
    """Return what all contenders are told alike."""
    return {
        **case.sft,
        "max_steps": case.steps + WARM_UP + 1,
        "logging_steps": min(10, case.steps + WARM_UP + 1),
        "save_strategy": "no",
        "eval_strategy": "no",
    }


def train_trl(case: Case, kind: str) -> Run:
    """Train with TRL's SFTTrainer."""
    import torch
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    if kind == TRL_OURS:
        case.prepare()
    else:
        if case.device == "cpu":
            torch.set_num_threads(1)
        set_seed(13)
    same = {} if kind == TRL_TRUE else {"bf16": False, "gradient_checkpointing": False}
    model, tokenizer = case.load()
    with tempfile.TemporaryDirectory() as folder:
        told = {key: each for key, each in settings(case).items() if key != "packing"}
        config = SFTConfig(
            **same, **told, output_dir=folder, seed=13, data_seed=13, use_cpu=case.device == "cpu",
            report_to=[], disable_tqdm=True,
        )  # fmt: skip
        rows = Dataset.from_list(case.plain(tokenizer))
        trainer = SFTTrainer(
            model=model, processing_class=tokenizer, train_dataset=rows, args=config
        )
        return metered(trainer, case)


def our_trainer(case: Case, folder: Path) -> Any:
    """Return the trainer that the stage train uses."""
    from stages.train.rows import Encoded
    from stages.train.trainer import make_trainer

    case.prepare()
    model, tokenizer = case.load()
    rows = {"train": case.encoded(tokenizer), "val": Encoded([], 0)}
    return make_trainer(model, tokenizer, rows, settings(case), case.device, 13, folder)


def train_ours(case: Case, _: str) -> Run:
    """Train as the stage train does."""
    with tempfile.TemporaryDirectory() as folder:
        return metered(our_trainer(case, Path(folder)), case)


def train_loop(case: Case, _: str) -> Run:
    """Train with nothing but PyTorch, on the batches of our trainer, flattened as they are."""
    import torch
    from torch.nn.functional import cross_entropy

    with tempfile.TemporaryDirectory() as folder:
        trainer = our_trainer(case, Path(folder))
        batches = itertools.chain.from_iterable(itertools.repeat(trainer.get_train_dataloader()))
        batches = list(itertools.islice(batches, case.steps + WARM_UP + 1))
        args, model = trainer.args, trainer.model
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=args.learning_rate, betas=(args.adam_beta1, args.adam_beta2),
        weight_decay=args.weight_decay, fused=True,
    )  # fmt: skip
    model.train()
    meter, losses = Meter(case.device), []
    for batch in batches:
        meter.step(batch)
        labels = batch.pop("labels")[0, 1:]
        at = (labels != -100).nonzero().flatten()
        logits = model(**batch, logits_to_keep=at, use_cache=False).logits[0]
        loss = cross_entropy(logits.float(), labels[at])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, args.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    return meter.run([float(each) for each in losses])


TRAIN = {
    **dict.fromkeys((TRL, TRL_OURS, TRL_TRUE), train_trl), OURS: train_ours, LOOP: train_loop
}  # fmt: skip
