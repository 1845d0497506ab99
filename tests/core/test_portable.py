"""The root of an adapter folder: an ordinary PEFT adapter that equals the stack, or nothing."""

from pathlib import Path
from typing import Any

import pytest

from stages.core import portable, stack
from stages.core.errors import ConfigError
from stages.core.jsonl import read_json
from stages.core.lineage import read_manifest

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")
LORA = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits.float()


def grown(tiny: Any, *loras: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Stack adapters with weights of some size on the base, save each; return the top and its root.

    The models are s0, s1, ...
    """
    from stages.core.lineage import adapter_manifest, write_manifest

    below, told, made = BASE, {}, None
    for number, lora in enumerate(loras):
        name, folder = f"s{number}", MODELS / f"s{number}"
        made = stack.grow(stack.load(BASE, below, CPU), name, LORA | lora)
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.data.normal_(std=0.1)
        adapter = {"name": name, "mode": "stack"}
        told = portable.save(made, adapter, BASE, below, folder)
        data = Path("data/test.jsonl")
        write_manifest(folder, adapter_manifest(adapter, folder, read_manifest(below), data, told))
        below = folder
    return made, told


def difference(folder: Path) -> tuple[float, float]:
    """Return the largest difference of logits between a stack and what PEFT loads at its root.

    And how far the stack is from its base, so that the first figure means something.
    """
    from peft import AutoPeftModelForCausalLM

    whole = logits(stack.load(BASE, folder, CPU))
    plain = logits(AutoPeftModelForCausalLM.from_pretrained(folder))
    return (whole - plain).abs().max().item(), (
        whole - logits(stack.load_base(BASE, CPU))
    ).abs().max().item()


@pytest.mark.parametrize("name", ["2b", "2c", "2d", "3b"])
def test_plain_peft_loads_a_trained_model_from_its_folder(tiny, name: str):
    apart, from_base = difference(MODELS / name)
    assert apart < 1e-5
    assert from_base > 1e-3
    config = read_json(MODELS / name / "adapter_config.json")
    assert config["base_model_name_or_path"] == "models/base"
    assert config["r"] == 4 * (len(read_manifest(MODELS / name)["chain"]) - 1)


SUMS = {
    "rslora first": ({"use_rslora": True}, {}),
    "rslora second": ({}, {"use_rslora": True}),
    "rslora twice": ({"use_rslora": True}, {"use_rslora": True, "r": 2}),
    "other targets": ({"target_modules": ["q_proj"]}, {"target_modules": ["v_proj", "up_proj"]}),
    "a pattern": ({"target_modules": r".*\.0\..*(q|v)_proj"}, {"target_modules": ["v_proj"]}),
    "ranks": ({"rank_pattern": {"q_proj": 7}, "alpha_pattern": {"v_proj": 3}}, {"r": 2}),
    "dropout": ({"lora_dropout": 0.5}, {"lora_dropout": 0.1}),
    "embeddings": ({"target_modules": ["embed_tokens", "q_proj"]}, {}),
    "gaussian": ({"init_lora_weights": "gaussian"}, {"init_lora_weights": "orthogonal"}),
    "layers": ({"layers_to_transform": [0], "target_modules": ["q_proj"]}, {}),
    "layers of a name": (
        {"target_modules": ["q_proj"]},
        {"layers_to_transform": [1], "layers_pattern": "layers", "target_modules": ["q_proj"]},
    ),
    "excluded": ({"exclude_modules": ["up_proj"]}, {"exclude_modules": r".*\.0\..*"}),
    "three": ({"use_rslora": True}, {"r": 2}, {"lora_alpha": 3}),
}


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
@pytest.mark.parametrize("kind", SUMS)
def test_the_sum_is_exact(tiny, kind: str):
    _, told = grown(tiny, *SUMS[kind])
    assert told == {"portable": "sum"}
    apart, from_base = difference(MODELS / f"s{len(SUMS[kind]) - 1}")
    assert from_base > 0.1
    assert apart < 1e-5 * max(1.0, from_base)


NO_SUM = {
    "use_dora=True": {"use_dora": True},
    "lora_bias=True": {"lora_bias": True},
    "modules_to_save=": {"modules_to_save": ["norm"]},
    "bias='all'": {"bias": "all"},
}


@pytest.mark.filterwarnings("ignore")  # PEFT warns of some of these knobs
@pytest.mark.parametrize("knob", NO_SUM)
@pytest.mark.parametrize("first", [True, False])
def test_where_no_sum_is_exact_none_is_written_and_the_manifest_says_why(
    tiny, knob: str, first: bool
):
    if knob.startswith("bias") and not first:
        with pytest.raises(ConfigError, match="bias=all: on other adapters, PEFT would leave"):
            grown(tiny, {}, NO_SUM[knob])
        return
    loras = (NO_SUM[knob], {}) if first else ({}, NO_SUM[knob])
    _, told = grown(tiny, *loras)
    assert told["portable"] == "none"
    assert f"s{0 if first else 1}: {knob}" in told["portable_reason"]
    root = {file.name for file in (MODELS / "s1").iterdir()}
    assert root == {"adapters", "manifest.json"}
    manifest = read_manifest(MODELS / "s1")
    assert (manifest["portable"], manifest["portable_reason"]) == tuple(told.values())
    assert manifest["chain"] == ["base", "s0", "s1"]
    # Alone on the base, the adapter is its own portable form.
    assert read_manifest(MODELS / "s0")["portable"] == "self"


@pytest.mark.filterwarnings("ignore")  # PEFT warns of some of these knobs
@pytest.mark.parametrize("knob", ["use_dora=True", "lora_bias=True", "modules_to_save="])
def test_one_adapter_alone_is_portable_whatever_its_knobs(tiny, knob: str):
    grown(tiny, NO_SUM[knob])
    apart, from_base = difference(MODELS / "s0")
    assert apart == 0.0
    assert from_base > 0.01


def test_the_sum_is_not_rounded_to_the_dtype_of_the_base(tiny):
    """PEFT's own `cat` works in the base's dtype: bfloat16 loses half of the digits."""
    import torch
    from safetensors.torch import load_file

    tiny.params["base"]["dtype"] = "bfloat16"
    tiny.write_params()
    tiny.base()
    made, told = grown(tiny, {}, {})
    assert told == {"portable": "sum"}
    weights = load_file(MODELS / "s1" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert made.base_model.model.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16
    key = "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"
    parts = [
        load_file(MODELS / "s1" / "adapters" / name / "adapter_model.safetensors")[key]
        for name in ("s0", "s1")
    ]
    assert torch.equal(weights[key], torch.cat(parts) * 2)
