"""Every knob of LoRA has an exact sum, has none and says so, or is refused by name."""

from dataclasses import fields
from typing import Any

import pytest

from stages.core import knobs, stack
from stages.core.errors import ConfigError

REFUSED = {
    "init_lora_weights": "pissa",
    "loftq_config": {"loftq_bits": 4},
    "eva_config": {"rho": 2.0},
    "corda_config": {"corda_method": "ipm"},
    "lora_ga_config": {"direction": "ArB2r"},
    "kasa_config": {"beta": 0.1},
    "target_parameters": ["q_proj.weight"],
    "layer_replication": [[0, 2], [0, 2]],
    "trainable_token_indices": [5, 6],
    "ensure_weight_tying": True,
    "alora_invocation_tokens": [5],
    "megatron_config": {"tensor_model_parallel_size": 1},
    "use_qalora": True,
    "arrow_config": {"top_k": 2},
    "monteclora_config": {"buffer_size": 4},
    "velora_config": {"num_groups": 4},
    "use_bdlora": {"nblocks": 2},
}


def test_every_field_of_peft_s_config_is_known():
    """A new release of PEFT that adds one fails here, and not in somebody's stack."""
    from peft import LoraConfig

    named = {field.name for field in fields(LoraConfig)}
    judged = knobs.EXACT | knobs.NO_SUM | knobs.REFUSED.keys()
    assert named == judged
    assert len(named) > 40
    assert not knobs.EXACT & knobs.NO_SUM
    assert not (knobs.EXACT | knobs.NO_SUM) & knobs.REFUSED.keys()
    assert knobs.REFUSED.keys() == REFUSED.keys()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stacked_exactly_is_refused_with_a_reason(name: str):
    lora = {"r": 4, "target_modules": "all-linear", name: REFUSED[name]}
    [said] = knobs.refused(lora)
    assert said == f"{name}={REFUSED[name]!r}: {knobs.REFUSED[name]}"
    with pytest.raises(ConfigError, match=r"params\.yaml: adapters: 2x: lora: ") as told:
        stack.grow(None, "2x", lora)
    assert said in str(told.value)
    assert "to do: leave it out" in str(told.value)


@pytest.mark.parametrize(
    "start",
    ["pissa_niter_16", "olora", "eva", "corda", "loftq", "lora_ga", "mica"],
)
def test_starts_that_change_the_base_are_refused(start: str):
    assert len(knobs.refused({"init_lora_weights": start})) == 1


@pytest.mark.parametrize("value", [None, False, "none", {}, []])
def test_a_knob_that_says_nothing_is_none(value: Any):
    lora = {"bias": value, "modules_to_save": value, "layer_replication": value}
    assert (knobs.refused(lora), knobs.without_sum(lora)) == ([], [])


def test_what_has_no_sum_is_named_with_its_value():
    lora = {"r": 4, "use_dora": True, "bias": "lora_only", "use_rslora": True}
    assert knobs.without_sum(lora) == ["bias='lora_only'", "use_dora=True"]
    assert knobs.refused(lora) == []
    assert knobs.refused({"init_lora_weights": "orthogonal"}) == []


def test_a_saved_config_says_the_same():
    from peft import LoraConfig

    for lora, said in (({}, []), ({"use_dora": True}, ["use_dora=True"])):
        assert knobs.without_sum(LoraConfig(**lora).to_dict()) == said
        assert knobs.refused(LoraConfig(**lora).to_dict()) == []
