"""Every knob of `lora` and `sft`, really trained: it does what it says, and the model comes back.

Each case trains the tiny stack's 2b (knobs of the trainer) or 2c on 2b (knobs of LoRA) by the
stage itself, looks at what the knob should have changed, and loads the folder again.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stages.check.shape import SCHEMA
from stages.core import knobs, stack
from stages.core.errors import ConfigError
from stages.core.resuming import trained

pytestmark = [
    # PEFT and TRL call transformers by names that it has deprecated.
    pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning"),
    # What check tells of these knobs beforehand.
    pytest.mark.filterwarnings(r"ignore:Paged optimizers are not supported on CPU:UserWarning"),
    # PEFT's, of layers without a bias, and of biases that it takes for broken weights.
    pytest.mark.filterwarnings(r"ignore:`lora_bias=True` was passed but:UserWarning"),
    pytest.mark.filterwarnings(r"ignore:.*LoRA tensor.s. have invalid shape:UserWarning"),
]
CPU = {"device": "cpu", "threads": 1}
TEXT = [[5, 17, 33, 9, 71, 120, 44, 8]]


class Run(NamedTuple):
    """A training run: the model in memory, and the trainer that trained it."""

    model: Any
    trainer: Any

    @property
    def weights(self) -> dict[str, Any]:
        """Return what was trained, by name."""
        return trained(self.model)

    def logged(self, key: str) -> list[float]:
        """Return what was logged of one thing, in order."""
        return [each[key] for each in self.trainer.state.log_history if key in each]

    @property
    def steps(self) -> int:
        """Return how many steps were trained."""
        return self.trainer.state.global_step


def run(tiny: Any, key: str, changes: dict[str, Any]) -> Run:
    """Run the stage with other knobs, and return what it held in memory when it was done.

    changes: of `lora` or `sft`, after whose keys they are put
    """
    from stages.train import __main__ as stage

    kept: dict[str, Any] = {}

    def fit(trainer: Any, *rest: Any) -> Any:
        kept["trainer"] = trainer
        return begun(trainer, *rest)

    adapter = tiny.params["adapters"][key]
    for section, told in changes.items():
        adapter[section] = {**adapter[section], **told}
    tiny.write_params()
    begun = stage.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "fit", fit)
        tiny.train(key)
    trainer = kept["trainer"]
    # Mixed precision wraps the model's forward.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return Run(model.eval(), trainer)


def hold_reloads(tiny: Any, key: str, made: Run) -> None:
    """Hold that a model that is loaded from its folder is the one that was trained."""
    import torch

    name = tiny.params["adapters"][key]["name"]
    loaded = stack.load(Path("models/base"), Path("models", name), CPU)
    named = dict(loaded.named_parameters())
    assert len(made.weights) > 0
    for each, weight in made.weights.items():
        assert torch.equal(named[each], weight), each
    with torch.no_grad():
        was, is_ = (model(torch.tensor(TEXT)).logits for model in (made.model, loaded))
    assert was.std() > 0.01
    assert (was - is_).abs().max() < 1e-6


def apart(one: Run, other: Run) -> float:
    """Return the largest difference between what two runs trained."""
    assert one.weights.keys() == other.weights.keys()
    assert one.weights
    return max(float((one.weights[each] - other.weights[each]).abs().max()) for each in one.weights)


@pytest.fixture(scope="module")
def plain(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Return a function that trains with the fixture's own knobs and some others, once each."""
    import shutil

    done: dict[str, Run] = {}

    def trained_with(key: str, **changes: Any) -> Run:
        asked = json.dumps([key, changes], sort_keys=True)
        if asked not in done:
            made = type(built)(tmp_path_factory.mktemp("plain") / "tiny")
            shutil.copytree(built.folder, made.folder)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(made.folder)
                done[asked] = run(made, key, changes)
        return done[asked]

    return trained_with


def layers(made: Run, name: str = "2c") -> dict[str, Any]:
    """Return PEFT's layers that hold weights of an adapter, by their names."""
    from peft.tuners.lora import LoraLayer

    inside = stack.inside(name)
    found = made.model.base_model.model.named_modules()
    return {
        path: module
        for path, module in found
        if isinstance(module, LoraLayer) and inside in module.lora_A
    }


def ranks(made: Run) -> dict[str, int]:
    return {path: layer.r[stack.inside("2c")] for path, layer in layers(made).items()}


def scalings(made: Run) -> dict[str, float]:
    return {path: layer.scaling[stack.inside("2c")] for path, layer in layers(made).items()}


def spread(made: Run) -> float:
    """Return the standard deviation of the first A of 2c, which an init decides."""
    return float(next(iter(layers(made).values())).lora_A[stack.inside("2c")].weight.detach().std())


# Knobs of LoRA, and what must be true of 2c on 2b, given it and one of the same without the knob.
# The fixture's own: r 4, alpha 8, all-linear: 7 layers in each of 2 blocks.
LORA: dict[str, tuple[dict[str, Any], Callable[[Run, Run], bool]]] = {
    "r": ({"r": 2}, lambda made, _: set(ranks(made).values()) == {2}),
    "lora_alpha": ({"lora_alpha": 4}, lambda made, _: set(scalings(made).values()) == {1.0}),
    "lora_dropout": ({"lora_dropout": 0.5}, lambda made, was: apart(made, was) > 1e-3),
    "target_modules": (
        {"target_modules": ["q_proj"]},
        lambda made, _: [path.rpartition(".")[2] for path in layers(made)] == ["q_proj"] * 2,
    ),
    "target_modules, a pattern": (
        {"target_modules": r".*layers\.1\.mlp\.(up|down)_proj"},
        lambda made, _: len(layers(made)) == 2,
    ),
    "exclude_modules": (
        {"exclude_modules": ["q_proj", "k_proj"]},
        lambda made, _: len(layers(made)) == 10,
    ),
    "use_rslora": (
        {"use_rslora": True},
        lambda made, _: set(scalings(made).values()) == {8 / math.sqrt(4)},
    ),
    "use_dora": (
        {"use_dora": True},
        lambda made, _: sum("magnitude" in name for name in made.weights) == 14,
    ),
    "lora_bias": (
        {"lora_bias": True},
        lambda made, _: sum(name.endswith(".bias") for name in made.weights) == 14,
    ),
    "init_lora_weights": (
        {"init_lora_weights": "gaussian"},
        lambda made, was: spread(made) > 1.5 * spread(was),
    ),
    "init_lora_weights, none": (
        {"init_lora_weights": False},
        lambda made, was: apart(made, was) > 0.1,
    ),
    "init_lora_weights, orthogonal": (
        {"init_lora_weights": "orthogonal"},
        lambda made, was: apart(made, was) > 0.1,
    ),
    "modules_to_save": (
        {"modules_to_save": ["norm"]},
        lambda made, _: any("modules_to_save" in name for name in made.weights),
    ),
    "layers_to_transform": (
        {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
        lambda made, _: ["layers.1" in path for path in layers(made)] == [True] * 2,
    ),
    "layers_pattern": (
        {
            "target_modules": ["q_proj", "v_proj"],
            "layers_to_transform": 0,
            "layers_pattern": "layers",
        },
        lambda made, _: ["layers.0" in path for path in layers(made)] == [True] * 2,
    ),
    "rank_pattern": (
        {"rank_pattern": {"q_proj": 8}},
        lambda made, _: sorted(ranks(made).values()) == [4] * 12 + [8] * 2,
    ),
    "alpha_pattern": (
        {"alpha_pattern": {"down_proj": 16}},
        lambda made, _: sorted(scalings(made).values()) == [2.0] * 12 + [4.0] * 2,
    ),
}
# Not tried here, and why.
LORA_APART = {
    "bias": "the tiny base has no biases: test_biases_are_trained_and_come_back",
    "fan_in_fan_out": "for layers that GPT-2 has; PEFT sets it where it belongs, and warns",
}
FAST = {"lora_dropout", "use_rslora", "use_dora"}
FAST |= {"packing", "neftune_noise_alpha", "gradient_accumulation_steps", "warmup_steps, a share"}
FAST |= {"max_steps", "load_best_model_at_end"}


def cases(named: dict[str, Any]) -> list[Any]:
    """Return the names of cases, the ones that are not FAST marked slow."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[] if name in FAST else slow, id=name) for name in named]


@pytest.mark.parametrize("name", cases(LORA))
def test_a_knob_of_lora_does_what_it_says_and_comes_back(
    tiny: Any, plain: Callable[..., Run], name: str
):
    changes, holds = LORA[name]
    made = run(tiny, "m2c", {"lora": changes})
    assert made.steps == 4
    assert holds(made, plain("m2c"))
    hold_reloads(tiny, "m2c", made)


@pytest.mark.slow
@pytest.mark.parametrize("bias", ["all", "lora_only"])
def test_biases_are_trained_and_come_back(tiny: Any, bias: str):
    tiny.params["base"]["scratch"]["architecture"]["attention_bias"] = True
    tiny.write_params()
    tiny.base()
    made = run(tiny, "m2b", {"lora": {"bias": bias}})
    assert sum(name.endswith(".bias") for name in made.weights) == 8
    hold_reloads(tiny, "m2b", made)
    above = run(tiny, "m2c", {})
    hold_reloads(tiny, "m2c", above)
    named = dict(above.model.named_parameters())
    for name, weight in made.weights.items():
        assert (named[name] - weight).abs().max() == 0


def rates(made: Run) -> list[float]:
    """Return the learning rate of each step, as logged."""
    return [
        each["learning_rate"] for each in made.trainer.state.log_history if "learning_rate" in each
    ]


def targets(made: Run) -> int:
    """Return how many tokens of the training rows are learned."""
    return sum(label != -100 for row in made.trainer.train_dataset["labels"] for label in row)


ONCE = {"num_train_epochs": 1, "max_steps": -1}
EACH = {"logging_steps": 1}
# Knobs of the trainer: what is changed, what the run beside it is changed by, what must be true.
# The fixture's own: 4 steps of 4 rows, of 20, learning rate 0.01, evaluated every 3 steps.
Case = tuple[dict[str, Any], dict[str, Any], Callable[[Run, Run], bool]]


def same(made: Run, was: Run) -> bool:
    return apart(made, was) == 0


def close(made: Run, was: Run) -> bool:
    return apart(made, was) < 1e-5


def other(made: Run, was: Run) -> bool:
    return apart(made, was) > 1e-5


SFT: dict[str, Case] = {
    "packing": (
        {**ONCE, "packing": True, "max_length": 128},
        ONCE,
        lambda made, was: was.steps == 5 and made.steps < 4,
    ),
    "packing_strategy": (
        {**ONCE, "packing": True, "max_length": 64, "packing_strategy": "bfd"},
        {**ONCE, "packing": True, "max_length": 64},
        same,
    ),
    "eval_packing": (
        {"eval_packing": True, "max_length": 128},
        {},
        lambda made, was: (
            len(made.trainer.eval_dataset) < len(was.trainer.eval_dataset) == 4
            and made.logged("eval_loss") == pytest.approx(was.logged("eval_loss"), abs=1e-5)
            and same(made, was)
        ),
    ),
    "max_length": (
        {"max_length": 9},
        {},
        lambda made, was: 0 < len(made.trainer.train_dataset) < len(was.trainer.train_dataset),
    ),
    "completion_only_loss": (
        {"completion_only_loss": False},
        {},
        lambda made, was: targets(made) > 1.5 * targets(was) and other(made, was),
    ),
    "assistant_only_loss": (
        # In these rows the only words of an assistant are the completion.
        {"assistant_only_loss": True},
        {},
        lambda made, was: targets(made) == targets(was) and same(made, was),
    ),
    "padding_free": ({"padding_free": False}, {}, close),
    "pad_to_multiple_of": (
        {"padding_free": False, "pad_to_multiple_of": 16},
        {"padding_free": False},
        close,
    ),
    "warmup_steps": (
        {**EACH, "warmup_steps": 2},
        EACH,
        lambda made, was: rates(made)[:3] == [0.0, 0.005, 0.01] and rates(was)[0] == 0.01,
    ),
    "warmup_steps, a share": ({"warmup_steps": 0.5}, {"warmup_steps": 2}, same),
    "learning_rate": ({"learning_rate": 0.001}, {}, other),
    "num_train_epochs": (
        {"num_train_epochs": 2, "max_steps": -1},
        ONCE,
        lambda made, was: (made.steps, was.steps) == (10, 5),
    ),
    "max_steps": (
        {"num_train_epochs": 2},
        {},
        lambda made, was: made.steps == 4 and same(made, was),
    ),
    "per_device_train_batch_size": (
        {**ONCE, "per_device_train_batch_size": 10},
        ONCE,
        lambda made, was: (made.steps, was.steps) == (2, 5),
    ),
    "gradient_accumulation_steps": (
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        {},
        close,
    ),
    "average_tokens_across_devices": ({"average_tokens_across_devices": False}, {}, same),
    "gradient_checkpointing": ({"gradient_checkpointing": True}, {}, same),
    "gradient_checkpointing_kwargs": (
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
        {},
        same,
    ),
    "optim_args": (
        {"optim": "sgd", "optim_args": "momentum=0.9"},
        {"optim": "sgd"},
        other,
    ),
    "neftune_noise_alpha": ({"neftune_noise_alpha": 5}, {"padding_free": False}, other),
    "weight_decay": ({"weight_decay": 0.5}, {}, other),
    "adam_beta1": ({"adam_beta1": 0.5}, {}, other),
    "adam_beta2": ({"adam_beta2": 0.9}, {}, other),
    "adam_epsilon": ({"adam_epsilon": 1e-2}, {}, other),
    "max_grad_norm": ({"max_grad_norm": 1e-3}, {}, other),
    "loss_type": ({"loss_type": "dft"}, {}, other),
    "lr_scheduler_kwargs": (
        {
            **EACH,
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr": 0.009},
        },
        EACH,
        lambda made, was: min(rates(made)) >= 0.009 > min(rates(was)),
    ),
    "train_sampling_strategy": ({"train_sampling_strategy": "sequential"}, {}, other),
    "load_best_model_at_end": (
        {"learning_rate": 0.1, "eval_steps": 1, "load_best_model_at_end": True},
        {"learning_rate": 0.1, "eval_steps": 1},
        lambda made, was: (
            (losses := made.logged("eval_loss")) == was.logged("eval_loss")
            and min(losses) < losses[-1]
            and other(made, was)
            and made.trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), abs=1e-4)
        ),
    ),
    "early_stopping_patience": (
        {"learning_rate": 0.1, "max_steps": 12, "eval_steps": 1, "early_stopping_patience": 2},
        {"learning_rate": 0.1, "max_steps": 12, "eval_steps": 1},
        lambda made, was: made.steps < was.steps == 12,
    ),
    "early_stopping_threshold": (
        # So high a rate that the loss, broken by the first step, only falls from there on.
        {
            **{"learning_rate": 1.0, "max_steps": 12, "eval_steps": 1},
            **{"early_stopping_patience": 1, "early_stopping_threshold": 9.0},
        },
        {"learning_rate": 1.0, "max_steps": 12, "eval_steps": 1, "early_stopping_patience": 1},
        lambda made, was: made.steps == 2 < was.steps,
    ),
    "metric_for_best_model": (
        {
            **{"learning_rate": 1.0, "eval_steps": 1, "load_best_model_at_end": True},
            "metric_for_best_model": "mean_token_accuracy",
        },
        {},
        lambda made, _: (
            made.trainer.state.best_metric == max(made.logged("eval_mean_token_accuracy"))
        ),
    ),
    "greater_is_better": (
        {
            **{"learning_rate": 1.0, "eval_steps": 1, "load_best_model_at_end": True},
            "greater_is_better": True,
        },
        {},
        lambda made, _: made.trainer.state.best_metric == max(made.logged("eval_loss")),
    ),
    "save_steps": ({"save_steps": 2}, {}, same),
    "eval_steps": (
        {"eval_steps": 2},
        {},
        lambda made, was: len(made.logged("eval_loss")) == 2 and same(made, was),
    ),
    "eval_strategy": (
        {**ONCE, "eval_strategy": "epoch"},
        ONCE,
        lambda made, was: len(made.logged("eval_loss")) == 1 and same(made, was),
    ),
    "eval_delay": ({"eval_delay": 4}, {}, lambda made, was: len(made.logged("eval_loss")) == 1),
    "eval_on_start": (
        {"eval_on_start": True},
        {},
        lambda made, was: len(made.logged("eval_loss")) == len(was.logged("eval_loss")) + 1,
    ),
    "eval_accumulation_steps": ({"eval_accumulation_steps": 1}, {}, same),
    "per_device_eval_batch_size": (
        {"per_device_eval_batch_size": 1},
        {},
        lambda made, was: made.logged("eval_loss") == pytest.approx(was.logged("eval_loss"), 1e-5),
    ),
    "logging_steps": (
        EACH,
        {},
        lambda made, was: len(made.logged("loss")) == 4 and same(made, was),
    ),
    "logging_first_step": (
        {"logging_first_step": True},
        {},
        lambda made, was: len(made.logged("loss")) == len(was.logged("loss")) + 1,
    ),
    "logging_nan_inf_filter": ({"logging_nan_inf_filter": False}, {}, same),
    "bf16": ({"bf16": True}, {}, lambda made, was: other(made, was) and apart(made, was) < 0.05),
    "bf16_full_eval": ({"bf16_full_eval": True}, {}, lambda made, was: True),
    "dataloader_drop_last": (
        {**ONCE, "per_device_train_batch_size": 8, "dataloader_drop_last": True},
        {**ONCE, "per_device_train_batch_size": 8},
        lambda made, was: (made.steps, was.steps) == (2, 3),
    ),
    "dataloader_pin_memory": ({"dataloader_pin_memory": False}, {}, same),
    "dataloader_num_workers": ({"dataloader_num_workers": 1}, {}, same),
    "dataloader_persistent_workers": (
        {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
        {},
        same,
    ),
    "dataloader_prefetch_factor": (
        {"dataloader_num_workers": 1, "dataloader_prefetch_factor": 3},
        {},
        same,
    ),
    "full_determinism": ({"full_determinism": True}, {}, same),
    "torch_empty_cache_steps": ({"torch_empty_cache_steps": 1}, {}, same),
}
OPTIMIZERS = [
    *("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop", "adamw_8bit"),
    *("adamw_bnb_8bit", "ademamix", "ademamix_8bit", "lion_32bit", "lion_8bit", "rmsprop_bnb"),
    *("paged_adamw_32bit", "paged_adamw_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit"),
    *("paged_lion_32bit", "paged_lion_8bit", "rmsprop_bnb_32bit", "rmsprop_bnb_8bit"),
]
# The default of transformers is adamw_torch_fused. bitsandbytes keeps the state of so few weights
# in 32 bits; on a CPU it pages nothing.
SFT |= {
    f"optim, {name}": ({"optim": name}, {}, close if "adamw" in name else other)
    for name in OPTIMIZERS
}
SCHEDULES = {
    "linear": {},
    "cosine": {},
    "cosine_with_restarts": {"num_cycles": 2},
    "polynomial": {"power": 2.0},
    "constant": {},
    "constant_with_warmup": {},
    "inverse_sqrt": {},
    "reduce_lr_on_plateau": {"factor": 0.5, "patience": 0},
    "cosine_with_min_lr": {"min_lr_rate": 0.5},
    "cosine_warmup_with_min_lr": {"min_lr_rate": 0.5},
    "warmup_stable_decay": {"num_decay_steps": 1},
    "greedy": {"factor": 0.5, "patience": 0},
}
SFT |= {
    f"lr_scheduler_type, {name}": (
        {**EACH, "lr_scheduler_type": name, "warmup_steps": 1, "lr_scheduler_kwargs": told or None},
        {**EACH, "warmup_steps": 1},
        lambda made, was, name=name: (name == "linear") == same(made, was),
    )
    for name, told in SCHEDULES.items()
}
# Not tried here, and why.
SFT_APART = {
    "activation_offloading": "moves what a GPU holds",
    "fp16": "needs a GPU; check says so",
    "fp16_full_eval": "needs a GPU",
    "tf32": "needs a GPU; check says so",
    "label_smoothing_factor": "TRL warns of it: test_label_smoothing_warns_and_trains",
    "router_aux_loss_coef": "for mixtures of experts; the tiny base is none",
    "torch_compile": "needs a C compiler, and minutes",
    "torch_compile_backend": "with torch_compile",
    "torch_compile_mode": "with torch_compile",
}


@pytest.mark.parametrize("name", cases(SFT))
def test_a_knob_of_the_trainer_does_what_it_says_and_comes_back(
    tiny: Any, plain: Callable[..., Run], name: str
):
    changes, beside, holds = SFT[name]
    made = run(tiny, "m2b", {"sft": changes})
    assert holds(made, plain("m2b", sft=beside))
    hold_reloads(tiny, "m2b", made)


@pytest.mark.slow
def test_label_smoothing_warns_and_trains(tiny: Any, plain: Callable[..., Run]):
    with pytest.warns(FutureWarning, match="label_smoothing_factor"):
        made = run(tiny, "m2b", {"sft": {"label_smoothing_factor": 0.2}})
    assert other(made, plain("m2b"))
    hold_reloads(tiny, "m2b", made)


@pytest.mark.slow
def test_all_knobs_of_the_seeds_together_train_and_come_back(tiny: Any):
    """Seed 003's, as far as a CPU goes."""
    lora = {"r": 8, "lora_alpha": 16, "use_rslora": True, "use_dora": True}
    sft = {
        **{"num_train_epochs": 3, "max_steps": -1, "per_device_train_batch_size": 1},
        **{"gradient_accumulation_steps": 2, "gradient_checkpointing": True, "packing": True},
        **{"max_length": 128, "optim": "paged_adamw_8bit", "lr_scheduler_type": "cosine"},
        **{"warmup_steps": 0.03, "weight_decay": 0.01, "neftune_noise_alpha": 5, "eval_steps": 1},
        **{"early_stopping_patience": 2, "load_best_model_at_end": True},
    }
    made = run(tiny, "m2c", {"lora": lora, "sft": sft})
    assert made.steps > 2
    hold_reloads(tiny, "m2c", made)


def test_every_knob_of_the_schema_is_tried_or_said_to_be_not():
    offered = json.loads(SCHEMA.read_bytes())["$defs"]
    asked = {"lora": (LORA, LORA_APART), "sft": (SFT, SFT_APART)}
    for section, (tried, not_tried) in asked.items():
        known = set(offered[section]["properties"])
        known -= set(knobs.REFUSED) - {"init_lora_weights"} if section == "lora" else set()
        names = {name.partition(",")[0] for name in tried}
        assert names | set(not_tried) == known
        assert not names & set(not_tried)
    choices = offered["sft"]["properties"]
    assert set(OPTIMIZERS) == set(choices["optim"]["enum"])
    assert set(SCHEDULES) == set(choices["lr_scheduler_type"]["enum"])
    assert set(LORA) | set(SFT) >= FAST


def test_biases_of_a_child_are_refused(tiny: Any):
    with pytest.raises(ConfigError, match="bias=all: on other adapters, PEFT would leave every"):
        run(tiny, "m2c", {"lora": {"bias": "all"}})
