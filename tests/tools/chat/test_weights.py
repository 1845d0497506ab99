"""One base in memory: whatever was asked before, a model is what a fresh load gives, to the bit."""

import itertools
import random
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest

from stages.core import stack
from stages.core.errors import LineageError
from stages.core.jsonl import read_json, write_json
from tests.tools.chat.conftest import BASE, CPU, MODELS, listed, make
from tools.chat import weights
from tools.chat.models import models
from tools.chat.weights import Weights

# PEFT says that merging an adapter of tied weights is not easy; `stages.core.merging` does it.
pytestmark = pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
SWITCHED = ("base", "2b", "2c", "c2", "d3")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the models whose ground was loaded from here on."""
    found: list[str] = []
    load_below = weights.load_below

    def counted(*args: Any) -> Any:
        found.append(args[1].name)
        return load_below(*args)

    monkeypatch.setattr(weights, "load_below", counted)
    return found


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.arange(5, 45)[None]).logits


def each_by_itself(*names: str) -> dict[str, Any]:
    """Return the logits of models, each loaded afresh; no two are the same."""
    found = {name: logits(stack.load(BASE, MODELS / name, CPU)) for name in names}
    for one, other in itertools.combinations(found, 2):
        assert not found[one].equal(found[other]), (one, other)
    return found


def test_every_switch_gives_the_very_logits_of_a_fresh_load(project, loads):
    asked, fresh = listed(*SWITCHED), each_by_itself(*SWITCHED)
    held = Weights(BASE, CPU)
    order = [name for pair in itertools.product(SWITCHED, SWITCHED) for name in pair]
    assert len(order) == 50
    for name in order:
        model = held.switch(asked[name])
        assert logits(model).equal(fresh[name]), name
        assert not model.training
        assert not any(each.requires_grad for each in model.parameters())
    assert loads == ["base"]


def test_an_adapter_in_many_folders_is_in_memory_once(project):
    asked = listed("base", "2b", "2c", "2d", "c2")
    held = Weights(BASE, CPU)
    sizes = []
    for name in ("base", "2b", "2c", "2d", "c2", "2b", "base"):
        model = held.switch(asked[name])
        sizes.append(sum(each.numel() for each in model.parameters()))
    one = sizes[1] - sizes[0]
    assert one > 1000
    assert [size - sizes[0] for size in sizes] == [0, one, 2 * one, 3 * one, *[4 * one] * 3]


def test_merged_weights_take_the_base_s_place(project, loads):
    asked, fresh = listed("base", "2c", "m2"), each_by_itself("base", "2c", "m2")
    held = Weights(BASE, CPU)
    former = weakref.ref(held.switch(asked["2c"]))
    for name in ("m2", "base", "2c"):
        assert logits(held.switch(asked[name])).equal(fresh[name]), name
        assert former() is None
    assert loads == ["2c", "m2", "base"]


@pytest.mark.slow
def test_every_kind_of_model_in_any_order_is_a_fresh_load(project, loads):
    make("d4", "2b", use_dora=True, r=2)
    make("q3", "base", target_modules=["q_proj", "embed_tokens"], r=8, use_rslora=True)
    make("m3", "m2")
    make("m4", "m3", "merge")
    make("w3", "base", target_modules=["q_proj"], modules_to_save=["lm_head"])
    make("w4", "w3", target_modules=["v_proj"])
    switched = (*SWITCHED, "2d", "3b", "d4", "q3")
    reloaded = ("m2", "m3", "m4", "w3", "w4")
    asked, fresh = listed(*switched, *reloaded), each_by_itself(*switched, *reloaded)
    held = Weights(BASE, CPU)
    order = [name for pair in itertools.product(switched, switched) for name in pair]
    for name in order:
        assert logits(held.switch(asked[name])).equal(fresh[name]), name
    assert loads == ["base"]
    for name in ("m2", "m3", "m2", "m3"):
        assert logits(held.switch(asked[name])).equal(fresh[name]), name
    assert loads == ["base", "m2"]
    order = [*switched, *reloaded] * 3
    random.Random(13).shuffle(order)
    for name in order:
        assert logits(held.switch(asked[name])).equal(fresh[name]), name


@pytest.fixture(params=["4bit", "8bit"])
def quantized(tiny: Any, request: Any) -> Any:
    """Return the tiny stack with its base loaded in few bits, adapters of random weights on it."""
    tiny.params["base"]["quantize"] = request.param
    sizes = {"hidden_size": 128, "intermediate_size": 128}  # blocks of 64 weights of a row
    tiny.params["base"]["scratch"]["architecture"] |= sizes
    tiny.params["base"]["scratch"]["sft"] |= {"max_steps": 5}
    tiny.write_params()
    tiny.base()
    for name in ("2b", "2c", "2d", "3b"):
        shutil.rmtree(MODELS / name)
    make("2b", "base")
    # DoRA on 8 bits fails on a CPU at its second pass, however it is loaded (peft 0.21.2).
    make("2c", "2b", use_dora=request.param == "4bit")
    make("3b", "base")
    make("m2", "2b", "merge")
    return tiny


@pytest.mark.slow
def test_a_quantized_base_is_switched_as_exactly(quantized, loads):
    names = ("base", "2b", "2c", "3b", "m2")
    asked, fresh = listed(*names), each_by_itself(*names)
    held = Weights(BASE, CPU)
    for name in [each for pair in itertools.product(names[:4], names[:4]) for each in pair]:
        assert logits(held.switch(asked[name])).equal(fresh[name]), name
    assert loads == ["base"]
    for name in ("m2", "3b", "m2"):
        assert logits(held.switch(asked[name])).equal(fresh[name]), name


def test_a_merged_export_has_its_own_weights_and_template(project, loads, tmp_path):
    from tools import forms

    folder = tmp_path / "exports" / "2c"
    folder.mkdir(parents=True)
    rows = [[{"role": "user", "content": "twice oak"}]]
    forms.write_merged(BASE, MODELS / "2c", folder, CPU, (rows, "rows"), None)
    manifest = read_json(MODELS / "2c" / "manifest.json")
    write_json(folder / "export.json", {"format": "merged", "manifest": manifest})
    shutil.copytree(BASE, tmp_path / "models" / "base")
    found, told = models({"models": {}}, tmp_path)
    assert ([each.name for each in found], told) == (["base", "exports/2c"], [])
    held, fresh = Weights(BASE, CPU), each_by_itself("2c", "base")
    theirs = logits(held.switch(found[1]))
    assert 0 < (theirs - fresh["2c"]).abs().max() < 1e-5
    assert (theirs - fresh["base"]).abs().max() > 1e-3
    assert logits(held.switch(listed("2c")["2c"])).equal(fresh["2c"])
    assert logits(held.switch(found[1])).equal(theirs)
    assert loads == ["2c"]
    (folder / "tokenizer.json").write_text("{}")
    held.drop()
    with pytest.raises(LineageError, match="built again since this window opened"):
        held.switch(found[1])


def test_a_model_that_is_not_what_was_chosen_is_refused(project):
    asked = listed("2b", "2c")
    held = Weights(BASE, CPU)
    with pytest.raises(LineageError, match="built again since this window opened"):
        held.switch(asked["2b"]._replace(digest="0" * 64))
    held.switch(asked["2c"])
    with pytest.raises(LineageError, match="built again since this window opened"):
        held.switch(asked["2b"]._replace(digest="0" * 64))
    held.switch(asked["2b"])


def test_a_name_is_one_adapter(tiny):
    asked = listed("2b", "2c")
    file = Path("models/2c/manifest.json")
    shutil.copytree("models/3b/adapters/3b", "models/2c/adapters/2b", dirs_exist_ok=True)
    manifest = read_json(file)
    manifest["adapters"]["2b"] = read_json(Path("models/3b/manifest.json"))["adapters"]["3b"]
    write_json(file, manifest)
    changed = asked["2c"]._replace(digest=weights.file_digest(file))
    held = Weights(BASE, CPU)
    held.switch(changed)
    with pytest.raises(LineageError, match=r"its adapter 2b is .*, but that of another model is"):
        held.switch(asked["2b"])
    held.switch(asked["2b"])  # what was held was let go


def test_a_file_that_was_changed_is_refused_what_is_in_memory_stays(tiny):
    asked = listed("2b", "2c")
    held = Weights(BASE, CPU)
    said = logits(held.switch(asked["2b"]))
    file = Path("models/2c/adapters/2c/adapter_model.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(LineageError, match="models/2c/adapters/2c: the manifest says"):
        held.switch(asked["2c"])
    shutil.rmtree("models/2b")
    assert logits(held.switch(asked["2b"])).equal(said)
