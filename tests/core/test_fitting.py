"""What every trainer is told."""

from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, UserError
from stages.core.fitting import arguments, lowerable, telling_memory


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


@pytest.mark.parametrize("without", [{"val": False}, {"eval_strategy": "no"}])
@pytest.mark.parametrize("key", ["early_stopping_patience", "load_best_model_at_end"])
def test_refuses_the_best_of_nothing(without: dict[str, Any], key: str) -> None:
    """There are no validation rows, or they are not looked at."""
    with pytest.raises(ConfigError, match=rf"sft\.{key}: there are no validation rows"):
        told(**without, **{key: True})


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
