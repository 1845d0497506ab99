"""How an adapter stands on its parents: beside them, in the place of one, or on them merged."""

from pathlib import Path
from typing import Any

import pytest

from stages.core import merging, portable, stack
from stages.core.errors import ConfigError, LineageError
from stages.core.lineage import (
    adapter_digest,
    adapter_folder,
    adapter_manifest,
    groups,
    read_manifest,
    write_manifest,
)

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"}


def load(name: str) -> Any:
    return stack.load(BASE, MODELS / name, CPU)


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits.float()


def apart(one: Any, other: Any) -> float:
    """Return the largest difference between two models' logits."""
    return (logits(one) - logits(other)).abs().max().item()


def make(name: str, on: str, mode: str, move: float = 0.1, **lora: Any) -> Any:
    """Put an adapter on a model, move its weights, and write its folder; return it from memory."""
    import torch

    adapter = {"name": name, "mode": mode, "lora": LORA | lora}
    grown = stack.begin(BASE, MODELS / on, adapter, CPU)
    torch.manual_seed(5)
    for key, parameter in sorted(grown.named_parameters()):
        if parameter.requires_grad:
            assert stack.inside(name) in key
            parameter.data.add_(torch.randn_like(parameter), alpha=move)
    folder = MODELS / name
    told = portable.save(grown, adapter, BASE, MODELS / on, folder)
    below, data = read_manifest(MODELS / on), Path("data/test.jsonl")
    write_manifest(folder, adapter_manifest(adapter, folder, below, data, told))
    return grown


def test_a_continued_adapter_takes_its_parent_s_place(tiny):
    begun = make("c2", "2c", "continue", move=0.0)
    assert apart(begun, load("2c")) == 0.0
    manifest = read_manifest(MODELS / "c2")
    assert (manifest["on"], manifest["chain"]) == ("2c", ["base", "2b", "c2"])
    parent = adapter_folder(MODELS / "2c", "2c")
    assert manifest["continues"] == {"name": "2c", "adapter": adapter_digest(parent)}
    assert {file.name for file in (MODELS / "c2" / "adapters").iterdir()} == {"2b", "c2"}
    moved = make("c3", "c2", "continue")
    assert apart(moved, load("2c")) > 0.1
    assert apart(moved, load("c3")) == 0.0


def test_the_stage_trains_a_continued_and_a_merged_adapter(tiny):
    adapters = tiny.params["adapters"]
    adapters["m2c"] |= {"name": "c2", "mode": "continue", "on": "2c"}
    adapters["m2d"] |= {"name": "m2", "mode": "merge", "on": "c2"}
    tiny.params["adapters"]["m2c"]["lora"] = LORA | {"lora_dropout": 0.1}
    tiny.write()
    tiny.train("m2c")
    tiny.train("m2d")
    assert read_manifest(MODELS / "m2")["merged"] == [["2b", "c2"]]
    assert apart(load("c2"), load("2c")) > 1e-3
    assert apart(load("m2"), load("c2")) > 1e-3
    for name in ("2b", "c2"):
        own = adapter_folder(MODELS / name, name)
        assert adapter_digest(adapter_folder(MODELS / "m2", name)) == adapter_digest(own)
    tiny.answer("m2")


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"r": 8}, "lora.r: 8, but 2c, which it continues, has 4"),
        ({"lora_alpha": 9}, "lora.lora_alpha: 9, but 2c, which it continues, has 8"),
        ({"use_dora": True}, "lora.use_dora: True, but 2c, which it continues, has False"),
        ({"target_modules": ["q_proj"]}, r"lora.target_modules: \['q_proj'\], but 2c, which"),
    ],
)
def test_only_the_same_adapter_is_continued(tiny, lora: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said) as told:
        make("c2", "2c", "continue", **lora)
    assert len(told.value.faults) == 1
    make("c2", "2c", "continue", lora_dropout=0.3, init_lora_weights="gaussian")


@pytest.mark.parametrize("mode", ["continue", "merge"])
def test_the_base_is_no_adapter_to_go_on_from_or_to_merge(tiny, mode: str):
    with pytest.raises(ConfigError, match=f"{mode}, but it is on 'base', which is no adapter"):
        make("c2", "base", mode)


def test_a_merged_base_is_its_stack_and_holds_nothing_large(tiny):
    begun = make("m2", "2c", "merge", move=0.0)
    assert apart(begun, load("2c")) < 1e-5
    moved = make("m3", "2c", "merge")
    assert apart(moved, load("m3")) == 0.0
    assert apart(moved, load("2c")) > 0.1
    manifest = read_manifest(MODELS / "m3")
    assert (manifest["chain"], manifest["merged"]) == (["base", "2b", "2c", "m3"], [["2b", "2c"]])
    assert groups(manifest) == [["2b", "2c"], ["m3"]]
    weights = sorted(file.parent.name for file in (MODELS / "m3").rglob("*.safetensors"))
    assert weights == ["2b", "2c", "m3", "m3"]
    active = moved.base_model.active_adapters
    assert active == ["stacked_m3"]


@pytest.mark.slow
def test_modes_stand_on_one_another(tiny):
    """Each reloads exactly, and is what its parents, summed, and its own delta make it."""
    made = {
        "s1": ("2b", "merge", "self"),
        "s2": ("s1", "stack", "sum"),
        "s3": ("s2", "continue", "sum"),
        "s4": ("s3", "merge", "sum"),
        "s5": ("s4", "continue", "sum"),
        "s6": ("s5", "stack", "sum"),
    }
    from peft import AutoPeftModelForCausalLM

    for name, (on, mode, _) in made.items():
        grown = make(name, on, mode, move=0.05)
        assert apart(grown, load(name)) == 0.0, name
        assert apart(grown, load(on)) > 0.01, name
        # Float32, not quantized: the sum of everything that was ever merged is exact.
        assert read_manifest(MODELS / name)["portable"] == "sum"
        scale = apart(grown, stack.load_base(BASE, CPU))
        assert apart(grown, AutoPeftModelForCausalLM.from_pretrained(MODELS / name)) < 1e-5 * max(
            1.0, scale
        )
    manifest = read_manifest(MODELS / "s6")
    assert manifest["chain"] == ["base", "2b", "s1", "s3", "s5", "s6"]
    assert groups(manifest) == [["2b"], ["s1", "s3"], ["s5", "s6"]]


def test_a_harmed_merged_parent_is_refused(tiny):
    make("m2", "2c", "merge")
    file = adapter_folder(MODELS / "m2", "2b") / "adapter_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(LineageError, match="adapters/2b: the manifest says '"):
        load("m2")


KINDS = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "lora_bias": {"lora_bias": True},
    "a whole module": {"modules_to_save": ["norm"]},
    "embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "head": {"target_modules": ["lm_head", "q_proj"]},
    "dora on embeddings": {"use_dora": True, "target_modules": ["embed_tokens", "v_proj"]},
}


# What differs from a plain sum comes with every run, the rest with the slow tests.
FAST = ("dora", "lora_bias", "embeddings")


@pytest.mark.filterwarnings("ignore")  # PEFT warns of some of these knobs
@pytest.mark.parametrize(
    "kind",
    [kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS],
)
def test_merging_is_exact_for_every_knob_below_and_above_others(tiny, kind: str):
    make("k1", "2b", "stack", move=0.05, **KINDS[kind])
    make("k2", "k1", "stack", move=0.05)
    for name in ("k1", "k2"):
        whole = load(name)
        assert apart(whole, stack.load_base(BASE, CPU)) > 0.1
        assert apart(whole, merging.merged(BASE, MODELS / name, CPU)) < 1e-5
        assert apart(whole, load(name)) == 0.0
    merged = make("k3", "k2", "merge", move=0.0)
    assert apart(merged, load("k2")) < 1e-5


def test_dora_with_dropout_stands_on_no_other_adapter(tiny):
    """PEFT scales what its parents add afterwards, but not while it trains with dropout."""
    knobs = {"use_dora": True, "lora_dropout": 0.1}
    with pytest.raises(ConfigError, match="computes another model in training than afterwards"):
        make("d1", "2b", "stack", **knobs)
    make("d2", "base", "stack", **knobs)
    make("d3", "2b", "merge", **knobs)
    make("d4", "2b", "stack", use_dora=True)


def test_dora_in_training_is_dora_afterwards(tiny):
    """The reason for the refusal above, and that without dropout there is none."""
    import torch

    make("d4", "2b", "stack", use_dora=True)
    trained = load("d4").train()
    with torch.inference_mode():
        told = trained(input_ids=torch.arange(5, 45)[None]).logits
    assert (told - logits(load("d4"))).abs().max() == 0.0


@pytest.mark.filterwarnings("ignore")  # PEFT warns of tied weights
@pytest.mark.parametrize(
    "lora", [{}, {"modules_to_save": ["lm_head"], "target_modules": ["q_proj"]}]
)
def test_what_a_parent_keeps_whole_is_not_changed_again(tiny, lora: dict[str, Any]):
    """PEFT would put the adapter into the parent's own copy, and not find it again."""
    make("w1", "base", "stack", modules_to_save=["lm_head"])
    said = r"it changes lm_head, which a parent keeps whole \(modules_to_save\)"
    with pytest.raises(ConfigError, match=said):
        make("w2", "w1", "stack", **lora)
    grown = make("w3", "w1", "stack", target_modules=["q_proj", "v_proj"])
    assert apart(grown, load("w3")) == 0.0
    grown = make("w4", "w1", "merge", **lora)
    assert apart(grown, load("w4")) == 0.0
