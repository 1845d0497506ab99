"""What every trainer is told."""

from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, UserError
from stages.core.fitting import arguments, lowerable, on_one_device, telling_memory


def told(val: bool = True, **sft: Any) -> dict[str, Any]:
    """Return the arguments that come of a recipe's keys."""
    return arguments({"eval_steps": 50, **sft}, "cpu", 1, Path("x"), val)


def test_saves_as_often_as_it_evaluates() -> None:
    """Unless the recipe says how often; by epochs, where it evaluates by epochs."""
    assert (told()["save_strategy"], told()["save_steps"]) == ("steps", 50)
    assert told(val=False)["save_steps"] == 50
    assert told(save_steps=7)["save_steps"] == 7
    assert told(eval_strategy="epoch")["save_strategy"] == "epoch"


def test_what_the_trainer_does_not_take_is_not_among_them() -> None:
    """EarlyStoppingCallback's, and the one that needs a checkpoint at every evaluation."""
    asked = {"early_stopping_patience": 2, "early_stopping_threshold": 0.1}
    found = told(**asked, load_best_model_at_end=True)
    assert not {*asked, "load_best_model_at_end"} & set(found)
    assert found["metric_for_best_model"] == "loss"
    assert "metric_for_best_model" not in told()
    assert "load_best_model_at_end" not in told(load_best_model_at_end=False, val=False)


@pytest.mark.parametrize(("device", "taken"), [("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_one_gpu_is_taken_of_several(monkeypatch: Any, device: str, taken: str) -> None:
    """transformers alone would take the first, and spread each batch over both."""
    import torch
    from accelerate import Accelerator
    from transformers import TrainingArguments

    current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda each: current.append(str(each)))
    args = TrainingArguments("x", per_device_train_batch_size=4, report_to=[])
    assert (args.n_gpu, args.train_batch_size) == (2, 8)
    args = on_one_device(args, device)
    assert (args.n_gpu, args.train_batch_size) == (1, 4)
    assert str(args.device) == current[-1] == taken
    # accelerate refuses 4-bit weights that lie on another one than it will use.
    assert Accelerator().device == torch.device(device)


def test_a_cpu_stays_one() -> None:
    from transformers import TrainingArguments

    args = on_one_device(TrainingArguments("x", use_cpu=True, report_to=[]), "cpu")
    assert (args.device.type, args.n_gpu) == ("cpu", 0)


@pytest.mark.parametrize("without", [{"val": False}, {"eval_strategy": "no"}])
@pytest.mark.parametrize("key", ["early_stopping_patience", "load_best_model_at_end"])
def test_refuses_the_best_of_nothing(without: dict[str, Any], key: str) -> None:
    """There are no validation rows, or they are not looked at."""
    with pytest.raises(ConfigError, match=rf"sft\.{key}: there are no validation rows"):
        told(**without, **{key: True})


NOTHING = {"dataloader_drop_last": True, "per_device_train_batch_size": 64, "max_steps": -1}


@pytest.mark.parametrize(
    "sft", [NOTHING, NOTHING | {"max_steps": 4}, {"num_train_epochs": 0, "max_steps": -1}]
)
def test_an_adapter_that_nothing_trained_is_refused(tiny: Any, sft: dict[str, Any]) -> None:
    """It would be written as whole; the one of before stays."""
    before = Path("models/3b/adapter_model.safetensors").read_bytes()
    tiny.params["adapters"]["m3b"]["sft"] |= sft
    tiny.write_params()
    with pytest.raises(UserError, match=r"training: no step is trained: .*\n.*\n.*drop_last: f"):
        tiny.train("m3b")
    assert Path("models/3b/adapter_model.safetensors").read_bytes() == before


def test_a_base_that_nothing_trained_is_refused(tiny: Any) -> None:
    """The other trainer."""
    tiny.params["base"]["scratch"]["sft"] |= {"num_train_epochs": 0, "max_steps": -1}
    tiny.write_params()
    with pytest.raises(UserError, match="training: no step is trained"):
        tiny.base()


def test_weights_that_are_no_numbers_are_refused(tiny: Any) -> None:
    """The trainer logs a loss that is no number as 0."""
    tiny.params["adapters"]["m3b"]["sft"] |= {"learning_rate": 1e38}
    tiny.write_params()
    with pytest.raises(
        UserError, match=r"it diverged: \d+ of 28 weights .*lora_A.*\n.*\n.*learnin"
    ):
        tiny.train("m3b")


def test_the_best_weights_are_kept_of_a_run_that_diverged_later(tiny: Any) -> None:
    """They are numbers: what was thrown away need not be."""
    from safetensors.torch import load_file

    # The first step has a rate of 0.
    rate = {"learning_rate": 1e38, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 1}
    best = {"load_best_model_at_end": True, "eval_steps": 1}
    tiny.params["adapters"]["m3b"]["sft"] |= rate | best
    tiny.write_params()
    tiny.train("m3b")
    weights = load_file("models/3b/adapter_model.safetensors")
    assert len(weights) == 28
    assert all(each.isfinite().all() for each in weights.values())


ADAPTER = {"lora": {"r": 64}, "sft": {"per_device_train_batch_size": 32}}


@pytest.mark.parametrize("kind", ["cuda", "cpu", "python"])
def test_running_out_of_memory_names_what_to_lower(kind: str) -> None:
    """With the value that it has now, the libraries' own where the recipe is silent."""
    import torch

    error: Exception = {
        "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
        "cpu": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"),
        "python": MemoryError(),
    }[kind]
    with pytest.raises(UserError) as raised, telling_memory(lowerable("m2b", ADAPTER, "none")):
        raise error
    words = str(raised.value)
    assert "out of memory" in words
    assert "adapters.m2b.sft.per_device_train_batch_size (now 32)" in words
    assert "adapters.m2b.sft.max_length (now 1024)" in words
    assert "adapters.m2b.lora.r (now 64)" in words
    assert "base.quantize (now none)" in words


def test_other_errors_stay_what_they_are() -> None:
    """A defect keeps its traceback."""
    with pytest.raises(RuntimeError, match="shapes"), telling_memory({}):
        raise RuntimeError("shapes cannot be multiplied")
