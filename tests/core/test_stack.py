"""A stack of adapters on disk and in memory: what it stands on, what trains, what is refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.core import portable, stack
from stages.core.errors import ConfigError, InputError, LineageError
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import (
    adapter_digest,
    adapter_folder,
    adapter_manifest,
    read_manifest,
    verify,
    write_manifest,
)

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")
LORA = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}


def load(name: str) -> Any:
    return stack.load(BASE, MODELS / name, CPU)


def logits(model: Any) -> Any:
    """Return the logits of fixed tokens, (1, 40, vocabulary)."""
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits


def apart(one: Any, other: Any) -> float:
    """Return the largest difference between two models' logits."""
    return (logits(one) - logits(other)).abs().max().item()


def put(grown: Any, name: str, below: Path) -> dict[str, Any]:
    """Write a grown adapter's folder with its manifest; return what is said of its root."""
    adapter = {"name": name, "mode": "stack"}
    told = portable.save(grown, adapter, BASE, below, MODELS / name)
    data = Path("data/test.jsonl")
    manifest = adapter_manifest(adapter, MODELS / name, read_manifest(below), data, told)
    write_manifest(MODELS / name, manifest)
    return told


def set_json(path: Path, **values: Any) -> None:
    write_json(path, read_json(path) | values)


def set_base(model: str, **values: Any) -> None:
    """Change a manifest's identity of the base."""
    file = MODELS / model / "manifest.json"
    manifest = read_json(file)
    write_json(file, manifest | {"base": manifest["base"] | values})


def test_the_manifests_tell_the_tree(tiny):
    told = {name: read_manifest(MODELS / name) for name in ("base", "2b", "2c", "2d", "3b")}
    assert {name: one["chain"] for name, one in told.items()} == {
        "base": ["base"],
        "2b": ["base", "2b"],
        "2c": ["base", "2b", "2c"],
        "2d": ["base", "2b", "2c", "2d"],
        "3b": ["base", "3b"],
    }
    assert [one["on"] for one in told.values()] == [None, "base", "2b", "2c", "base"]
    assert [one.get("portable") for one in told.values()] == [None, "self", "sum", "sum", "self"]
    assert len({one["training_data"] for one in told.values()}) == 5
    assert told["2d"]["adapters"].keys() == {"2b", "2c", "2d"}
    assert told["2d"]["adapters"]["2b"] == told["2b"]["adapters"]["2b"]


def test_parents_are_the_same_bytes_after_training_children(tiny):
    for child, parents in (("2c", ["2b"]), ("2d", ["2b", "2c"])):
        for parent in parents:
            files = sorted(adapter_folder(MODELS / parent, parent).iterdir())
            assert len(files) == 2
            for file in files:
                copy = adapter_folder(MODELS / child, parent) / file.name
                assert copy.read_bytes() == file.read_bytes()


def test_every_model_answers_otherwise_than_the_one_it_stands_on(tiny):
    for name, on in (("2b", "base"), ("2c", "2b"), ("2d", "2c"), ("3b", "base"), ("3b", "2b")):
        assert apart(load(name), load(on)) > 1e-3, f"{name} is {on}"


def test_a_stack_reloads_exactly(tiny):
    assert apart(load("2d"), load("2d")) == 0.0


def test_an_adapter_in_memory_is_the_one_that_is_read_back(tiny):
    grown = stack.grow(load("2c"), "4e", LORA)
    for name, parameter in grown.named_parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.05)
            assert ".stacked_4e." in name
    assert put(grown, "4e", MODELS / "2c") == {"portable": "sum"}
    assert apart(grown, load("4e")) == 0.0


def test_only_the_new_adapter_trains(tiny):
    for on, count in (("base", 2 * 14), ("2c", 2 * 14)):
        grown = stack.grow(load(on), "new", LORA)
        trained = [name for name, one in grown.named_parameters() if one.requires_grad]
        assert len(trained) == count
        assert all(".stacked_new." in name for name in trained)
        active = set(grown.base_model.active_adapters)
        chain = [*read_manifest(MODELS / on)["chain"][1:], "new"]
        assert active == {stack.inside(name) for name in chain}


@pytest.mark.parametrize("name", ["1", "train", "lora", "weight", "0"])
def test_any_name_will_do_for_an_adapter(tiny, name: str):
    """`1` must not be taken for a layer's number, nor `train` for torch's method."""
    from safetensors import safe_open

    below = BASE
    for each in (name, "child"):
        grown = stack.grow(stack.load(BASE, below, CPU), each, LORA)
        trained = [key for key, one in grown.named_parameters() if one.requires_grad]
        assert len(trained) == 2 * 14
        assert all("lora_" in key for key in trained)
        put(grown, each, below)
        below = MODELS / each
        file = adapter_folder(below, each) / "adapter_model.safetensors"
        with safe_open(file, "pt") as weights:
            assert len(weights.keys()) == 2 * 14
    load("child")


def test_a_frozen_parent_has_no_dropout_while_its_child_trains(tiny):
    from torch.nn import Dropout

    set_json(adapter_folder(MODELS / "2b", "2b") / "adapter_config.json", lora_dropout=0.5)
    digested = adapter_digest(adapter_folder(MODELS / "2b", "2b"))
    set_json(MODELS / "2b" / "manifest.json", adapters={"2b": digested})
    grown = stack.grow(load("2b"), "new", LORA | {"lora_dropout": 0.25}).train()
    drops = [module.p for module in grown.modules() if isinstance(module, Dropout)]
    assert drops == [0.25] * 14


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"r": 0}, "should be a positive integer"),
        ({"target_modules": ["nothing_like_it"]}, "nothing_like_it"),
        ({"rank": 4}, "unexpected keyword argument 'rank'"),
    ],
)
def test_what_peft_refuses_is_told_with_its_place(tiny, lora: dict[str, Any], said: str):
    for on in ("base", "2b"):
        with pytest.raises(ConfigError, match=said) as told:
            stack.grow(load(on), "2x", LORA | lora)
        assert "params.yaml: adapters: 2x: lora" in str(told.value)


def test_a_swapped_parent_is_refused(tiny):
    own, other = adapter_folder(MODELS / "2c", "2b"), adapter_folder(MODELS / "3b", "3b")
    said, here = adapter_digest(own), adapter_digest(other)
    assert said != here
    shutil.copyfile(other / "adapter_model.safetensors", own / "adapter_model.safetensors")
    shutil.copyfile(other / "adapter_config.json", own / "adapter_config.json")
    with pytest.raises(LineageError, match=f"says '{said}', but here is '{here}'"):
        load("2c")


@pytest.mark.parametrize("harm", ["config", "truncated", "missing", "pickle"])
def test_a_harmed_adapter_is_refused(tiny, harm: str):
    folder = adapter_folder(MODELS / "2c", "2b")
    weights = folder / "adapter_model.safetensors"
    match harm:
        case "config":
            set_json(folder / "adapter_config.json", lora_alpha=9)
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:-8])
        case "missing":
            weights.unlink()
        case "pickle":
            weights.rename(folder / "adapter_model.bin")
    said = r"adapters/2b: the manifest says '\w+', but here is"
    with pytest.raises(LineageError, match=said) as told:
        load("2c")
    assert "to do: dvc checkout" in str(told.value)
    assert len(told.value.faults) == 1


def test_an_adapter_of_the_chain_that_the_manifest_has_no_digest_of_is_refused(tiny):
    known = read_manifest(MODELS / "2c")["adapters"]
    set_json(MODELS / "2c" / "manifest.json", adapters={"2c": known["2c"]})
    with pytest.raises(LineageError, match="adapters/2b: the manifest says 'nothing', but here is"):
        load("2c")


def test_a_chain_without_one_of_its_adapters_is_refused(tiny):
    """It would be loaded without it, and answer as another model."""
    set_json(MODELS / "2c" / "manifest.json", chain=["base", "2c"])
    told = r"its chain is \['base', '2c'\], its adapters are \['2b', '2c'\]"
    with pytest.raises(LineageError, match=told):
        load("2c")


@pytest.mark.parametrize("what", [{}, [], {"name": "2c"}])
def test_a_manifest_that_is_none_is_refused(tiny, what: Any):
    write_json(MODELS / "2c" / "manifest.json", what)
    with pytest.raises(LineageError, match="does not say which model this is"):
        load("2c")


def test_another_model_in_the_place_of_a_parent_is_refused(tiny):
    """What trains on 2b, and what answers as 2b, would be on 3b."""
    shutil.rmtree(MODELS / "2b")
    shutil.copytree(MODELS / "3b", MODELS / "2b")
    for run in (lambda: load("2b"), lambda: tiny.train("m2c"), lambda: tiny.answer("2b")):
        with pytest.raises(
            LineageError, match=r"models/2b: it holds .3b.\n.*the model of that name"
        ):
            run()


@pytest.mark.parametrize("how", ["swapped", "truncated", "missing"])
def test_another_sum_at_the_root_is_refused(tiny, how: str):
    """Other tools load it unverified; `tunegraph export --format adapter` hands it out."""
    file = MODELS / "2c" / "adapter_model.safetensors"
    if how == "swapped":
        shutil.copyfile(MODELS / "2b" / file.name, file)
    elif how == "truncated":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    with pytest.raises(LineageError, match=r"models/2c: the manifest says '\w{16}', but here is"):
        verify(BASE, MODELS / "2c")


def test_other_weights_of_the_base_are_refused(tiny):
    file = BASE / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    said = r"models/base: the manifest says '\w+', but here is '\w+'"
    with pytest.raises(LineageError, match=said):
        load("2c")


def test_another_base_is_refused_and_both_are_named(tiny):
    there = read_manifest(BASE)["base"]["weights"]
    tiny.params["seed"]["base"] = 14
    tiny.write_params()
    tiny.base()
    here = read_manifest(BASE)["base"]["weights"]
    assert here != there
    told = rf"models/2c: base.weights: it was made on '{there}', but models/base has '{here}'"
    with pytest.raises(LineageError, match=told):
        load("2c")


@pytest.mark.parametrize(
    ("key", "made_on", "has"),
    [
        ("quantize", "none", "4bit"),
        ("dtype", "float32", "bfloat16"),
        ("revision", None, "e626168"),
    ],
)
def test_another_loading_of_the_base_is_refused(tiny, key: str, made_on: Any, has: str):
    set_base("base", **{key: has})
    told = f"base.{key}: it was made on {made_on!r}, but models/base has {has!r}"
    with pytest.raises(LineageError, match=told):
        load("2c")


def test_another_way_to_compute_attention_is_no_other_base(tiny):
    set_base("base", attn_implementation="eager")
    loaded = load("2c")
    assert loaded.config._attn_implementation == "eager"
    set_base("base", attn_implementation="sdpa")
    assert apart(loaded, load("2c")) < 1e-4


def test_another_chat_template_is_refused(tiny):
    file = BASE / "chat_template.jinja"
    file.write_text(file.read_text() + " ")
    said = r"chat_template.jinja: the manifest says .* but here is"
    with pytest.raises(LineageError, match=said):
        load("2c")


def test_all_mismatches_are_told_at_once(tiny):
    set_base("base", dtype="bfloat16", quantize="8bit")
    adapter_folder(MODELS / "2c", "2c").joinpath("adapter_config.json").unlink()
    with pytest.raises(LineageError) as told:
        verify(BASE, MODELS / "2c")
    assert len(told.value.faults) == 3


def test_a_transcript_is_no_model_to_load(tiny):
    (MODELS / "chat").mkdir()
    manifest = {"name": "chat", "kind": "transcript", "on": None, "chain": ["chat"]}
    write_json(MODELS / "chat" / "manifest.json", manifest)
    with pytest.raises(LineageError, match="it is a transcript"):
        load("chat")


def test_the_tokenizer_of_an_adapter_is_its_base_s_to_the_byte(tiny):
    names = {"chat_template.jinja", "tokenizer.json", "tokenizer_config.json"}
    own = {"adapter_config.json", "adapter_model.safetensors", "adapters", "manifest.json"}
    for name in ("2b", "2c", "2d", "3b"):
        assert {file.name for file in (MODELS / name).iterdir()} == names | own
        for file in names:
            assert (MODELS / name / file).read_bytes() == (BASE / file).read_bytes()


def test_no_file_of_a_model_tells_where_it_was_made(tiny, built):
    texts = [file for file in MODELS.rglob("*") if file.is_file() and file.suffix != ".safetensors"]
    assert len(texts) > 30
    for file in texts:
        said = file.read_text(encoding="utf-8")
        for place in (str(built.folder), "/tmp", "is_local", "local_files_only"):
            assert place not in said, f"{file} says {place}"


def test_sampling_settings_of_a_base_do_not_reach_its_answers(tiny):
    set_json(
        BASE / "generation_config.json",
        do_sample=True, temperature=0.6, repetition_penalty=1.5, eos_token_id=[2, 7],
    )  # fmt: skip
    settings = stack.load(BASE, BASE, CPU).generation_config
    assert settings.eos_token_id == [2, 7]
    assert (settings.do_sample, settings.temperature, settings.repetition_penalty) == (None,) * 3


def test_a_folder_without_a_manifest_is_not_a_model_yet(tiny):
    """It is written last: what was killed before is not taken for whole."""
    (MODELS / "2c" / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"2c/manifest.json: there is no such file\n.*dvc repro"):
        load("2c")
