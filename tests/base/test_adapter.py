"""A base with an adapter of its own: copied, merged in at every loading, or refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.core import bases, merging, stack
from stages.core.errors import ConfigError, LineageError
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import adapter_folder, read_manifest

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits.float()


def apart(one: Any, other: Any) -> float:
    return (logits(one) - logits(other)).abs().max().item()


@pytest.fixture
def earlier(tiny: Any) -> Any:
    """Return a project whose base is that of an earlier one, with its stack 2c merged in."""
    Path("earlier").mkdir()
    MODELS.rename("earlier/models")
    MODELS.mkdir()
    tiny.params["base"] |= {
        "source": "local",
        "id": "earlier/models/base",
        "adapter": {"id": "earlier/models/2c", "revision": None},
    }
    tiny.write_params()
    return tiny


def test_an_earlier_stack_is_a_base(earlier):
    earlier.base()
    names = {"adapter", "chat_template.jinja", "manifest.json"}
    names |= {"tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in BASE.iterdir()} == names
    own = read_manifest(BASE)["base"]["adapter"]
    assert (own["id"], own["revision"], len(own["digest"])) == ("earlier/models/2c", None, 16)
    ours = stack.load_base(BASE, CPU)
    theirs = stack.load(Path("earlier/models/base"), Path("earlier/models/2c"), CPU)
    assert apart(ours, theirs) < 1e-5
    assert apart(ours, bases.load_plain(BASE, CPU)) > 1e-3

    shutil.rmtree("earlier/models/2c")  # it was copied
    earlier.train("m2b")
    earlier.train("m2c")
    assert {file.name for file in (MODELS / "2c" / "adapters").iterdir()} == {"2b", "2c"}
    assert not (MODELS / "2c" / "adapter").exists()
    whole = stack.load(BASE, MODELS / "2c", CPU)
    assert apart(whole, ours) > 1e-3
    from peft import AutoPeftModelForCausalLM

    # Float32: the sum holds the adapter of the base too, and stands on the base's own weights.
    assert read_manifest(MODELS / "2c")["portable"] == "sum"
    assert read_json(MODELS / "2c" / "adapter_config.json")["r"] == 4 * 4
    assert apart(whole, AutoPeftModelForCausalLM.from_pretrained(MODELS / "2c")) < 1e-5
    assert apart(whole, merging.merged(BASE, MODELS / "2c", CPU)) < 1e-5
    earlier.answer("2c")


def test_another_adapter_of_the_base_is_refused(earlier):
    earlier.base()
    earlier.train("m2b")
    earlier.params["base"]["adapter"]["id"] = "earlier/models/2b"
    earlier.write_params()
    earlier.base()
    with pytest.raises(LineageError, match=r"base.adapter: it was made on .*2c.* has .*2b"):
        stack.load(BASE, MODELS / "2b", CPU)


def test_a_harmed_adapter_of_the_base_is_refused(earlier):
    earlier.base()
    file = BASE / "adapter" / "adapter_config.json"
    write_json(file, read_json(file) | {"lora_alpha": 99})
    with pytest.raises(LineageError, match="base/adapter: the manifest says '"):
        stack.load(BASE, BASE, CPU)


@pytest.mark.parametrize("harm", ["pickle", "missing", "nothing", "pissa", "ia3", "no folder"])
def test_what_is_no_adapter_to_merge_is_refused(earlier, harm: str):
    folder = Path("earlier/models/2c")
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    then = ""
    match harm:
        case "pickle":
            weights.rename(folder / "adapter_model.bin")
            said = "no adapter_model.safetensors; adapter_model.bin is a pickle, which can run"
            then = "to do: load it where you trust it and `save_pretrained` it again"
        case "missing":
            weights.unlink()
            said = "2c: no adapter_model.safetensors"
        case "nothing":
            weights.unlink()
            config.unlink()
            manifest = folder / "manifest.json"
            write_json(manifest, read_json(manifest) | {"portable": "none"})
            said, then = "2c: no adapter_", "`tunegraph export` it there"
        case "pissa":
            write_json(config, read_json(config) | {"init_lora_weights": "pissa"})
            said = "init_lora_weights='pissa': it changes the weights of the base"
        case "ia3":
            write_json(config, {"peft_type": "IA3", "target_modules": ["q_proj"]})
            said = "it is of the kind IA3, not LORA"
        case "no folder":
            shutil.rmtree(folder)
            said = "2c: there is no such folder"
    with pytest.raises(ConfigError, match=f"params.yaml: base.adapter.id.*{said}") as told:
        earlier.base()
    assert then in str(told.value)
    assert not BASE.exists()


def test_an_adapter_of_the_hub_without_a_network_is_named(earlier, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    earlier.params["base"]["adapter"] = {"id": "nobody/nothing", "revision": "abc1234"}
    earlier.write_params()
    with pytest.raises(ConfigError, match=r"base.adapter.id: nobody/nothing: cannot be loaded"):
        earlier.base()


def test_an_adapter_of_the_hub_is_taken_from_its_cache(
    earlier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    revision = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--me--adapter" / "snapshots" / revision
    shutil.copytree("earlier/models/2c", snapshot)
    earlier.params["base"]["adapter"] = {"id": "me/adapter", "revision": revision}
    earlier.write_params()
    earlier.base()
    own = read_manifest(BASE)["base"]["adapter"]
    assert (own["id"], own["revision"]) == ("me/adapter", revision)
    theirs = stack.load(Path("earlier/models/base"), Path("earlier/models/2c"), CPU)
    assert apart(stack.load_base(BASE, CPU), theirs) < 1e-5


def test_a_part_of_an_earlier_stack_is_a_base(earlier):
    """An adapter of a chain, without its parents, where somebody asks for that."""
    folder = adapter_folder(Path("earlier/models/2c"), "2b")
    earlier.params["base"]["adapter"]["id"] = folder.as_posix()
    earlier.write_params()
    earlier.base()
    theirs = stack.load(Path("earlier/models/base"), Path("earlier/models/2b"), CPU)
    assert apart(stack.load_base(BASE, CPU), theirs) < 1e-5
