"""The base: made from scratch, taken from a folder, or refused by name."""

from pathlib import Path
from typing import Any

import pytest

from stages.base import __main__ as base_stage
from stages.base import scratch
from stages.core import stack
from stages.core.errors import ConfigError, LineageError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from stages.core.lineage import read_manifest

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")
CHAT = [{"role": "user", "content": "twice cat"}, {"role": "assistant", "content": "cat cat"}]


@pytest.fixture
def local(tiny: Any) -> Any:
    """Return the tiny project, its base now a folder that somebody brought along."""
    BASE.rename("brought")
    Path("brought/manifest.json").unlink()
    tiny.params["base"] |= {"source": "local", "id": "brought"}
    tiny.write_params()
    return tiny


def test_the_tokenizer_has_every_byte_and_single_digits(tiny):
    tokenizer = stack.load_tokenizer(BASE)
    text = "Ärger 🙂 日本\n\t\x00 1234"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.tokenize("1234") == ["1", "2", "3", "4"]
    assert len(tokenizer) == 300


def test_the_chat_template_marks_who_speaks_and_ends_the_answer(tiny):
    tokenizer = stack.load_tokenizer(BASE)
    chat = [{"role": "system", "content": "Be brief."}, *CHAT]
    whole = tokenizer.apply_chat_template(chat, tokenize=False)
    assert whole == "<s><|system|>Be brief.<|user|>twice cat<|assistant|>cat cat</s>"
    prompt = tokenizer.apply_chat_template(chat[:-1], tokenize=False, add_generation_prompt=True)
    assert whole == f"{prompt}cat cat</s>"


def test_labels_are_on_the_answer_and_its_end_alone(tiny):
    tokenizer = stack.load_tokenizer(BASE)
    [encoded] = scratch.encode(tokenizer, [{"messages": CHAT}])
    answered = [label for label in encoded["labels"] if label != scratch.IGNORED]
    assert tokenizer.decode(answered) == "cat cat</s>"
    assert len(encoded["labels"]) == len(encoded["input_ids"])
    assert encoded["input_ids"][-len(answered) :] == answered


def test_the_scratch_base_learns(tiny):
    rows = Path("metrics/curves/base.csv").read_text().splitlines()
    losses = [float(row.split(",")[3]) for row in rows[1:] if ",train," in row]
    assert len(losses) == 20
    assert losses[-1] < 0.6 * losses[0]
    assert read_json(Path("metrics/costs/base.json"))["tokens"] > 1000


def test_its_manifest_names_weights_template_and_data(tiny):
    manifest = read_manifest(BASE)
    assert (manifest["kind"], manifest["on"], manifest["chain"]) == ("base", None, ["base"])
    assert len(manifest["training_data"]) == len(manifest["base"]["chat_template"]) == 64
    assert manifest["base"]["weights"]


def test_adapters_stand_on_a_local_folder_too(local):
    local.base()
    local.train("m2b")
    local.train("m2c")
    names = {"chat_template.jinja", "manifest.json", "tokenizer.json", "tokenizer_config.json"}
    assert {file.name for file in BASE.iterdir()} == names  # the weights stay where they are
    base = read_manifest(BASE)["base"]
    assert (base["source"], base["id"]) == ("local", "brought")
    config = read_json(Path("models/2c/adapter_config.json"))
    assert config["base_model_name_or_path"] == "brought"
    from peft import AutoPeftModelForCausalLM

    assert AutoPeftModelForCausalLM.from_pretrained("models/2c")
    local.answer("2c")
    assert len(read_rows(Path("data/answers/2c.jsonl"))) == 10


def test_a_local_folder_that_changed_is_refused(local):
    local.base()
    local.train("m2b")
    file = Path("brought/model.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(LineageError, match=r"brought: the manifest says .* but here is") as told:
        stack.load(BASE, Path("models/2b"), CPU)
    assert "to do: dvc repro --force base" in str(told.value)


def test_a_local_folder_whose_config_changed_is_another_model(local):
    local.base()
    local.train("m2b")
    config = read_json(Path("brought/config.json"))
    assert config["rms_norm_eps"] == 1e-6
    write_json(Path("brought/config.json"), config | {"rms_norm_eps": 1.0})
    with pytest.raises(LineageError, match=r"brought: the manifest says .* but here is"):
        stack.load(BASE, Path("models/2b"), CPU)


def test_a_folder_that_bears_the_name_of_a_hub_model_is_not_taken_for_it(local):
    local.params["base"] |= {"source": "hub", "revision": "0" * 40}
    local.write_params()
    with pytest.raises(ConfigError, match="id: brought: there is a folder of that name here"):
        local.base()


@pytest.mark.parametrize("revision", [None, "main", "v1.0"])
def test_a_revision_of_the_hub_that_moves_is_refused(tiny, revision: str | None):
    """The manifest would hold the same word for other weights."""
    tiny.params["base"] |= {"source": "hub", "id": "some/model", "revision": revision}
    tiny.write_params()
    with pytest.raises(ConfigError, match=rf"base\.revision: {revision or 'main'} moves"):
        tiny.base()


def test_a_local_base_is_not_looked_up_on_the_hub(local):
    local.params["base"]["id"] = "brougt"
    local.write_params()
    with pytest.raises(ConfigError, match=r"base\.id: brougt: there is no such folder"):
        local.base()


def test_a_local_folder_of_pickles_is_refused(local):
    Path("brought/model.safetensors").rename("brought/pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"base.id: brought: the folder holds no \*.safetensors"):
        local.base()


def test_a_base_without_a_chat_template_is_refused(local):
    Path("brought/chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="its tokenizer has no chat template"):
        local.base()


def test_a_base_by_its_short_name_is_the_one_that_it_stands_for(tiny, monkeypatch):
    """The manifest, and so all that reads it, knows the real id and revision."""
    tokenizer, asked = stack.load_tokenizer(BASE), []
    monkeypatch.setattr(
        base_stage, "fetch_tokenizer", lambda *words: asked.append(words) or tokenizer
    )
    choices = {name: {"id": f"some/{name}", "revision": name * 3} for name in ("1b", "3b")}
    for name in choices:
        tiny.params["base"] = {"source": "hub", "id": name, "choices": choices} | {
            key: tiny.params["base"][key]
            for key in ("set", "dtype", "quantize", "attn_implementation")
        }
        tiny.write_params()
        tiny.base()
        said = read_manifest(BASE)["base"]
        assert (said["id"], said["revision"], said["weights"]) == (f"some/{name}", name * 3, None)
        assert asked[-1][0]["id"] == f"some/{name}"
        assert asked[-1][1] == f"base.choices.{name}"
    assert len(asked) == 2


def test_a_choice_that_cannot_be_had_is_named_where_it_stands(tiny, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    choices = {"1b": {"id": "nobody-at-all/nothing-there", "revision": "abc1234"}}
    tiny.params["base"] |= {"source": "hub", "id": "1b", "choices": choices}
    tiny.write_params()
    where = r"base\.choices\.1b\.id: nobody-at-all/nothing-there: cannot be loaded at revision abc"
    with pytest.raises(ConfigError, match=where):
        tiny.base()


def test_a_base_that_cannot_be_had_is_named(tiny, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub.constants

    name = "nobody-at-all/nothing-there"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    tiny.params["base"] |= {"source": "hub", "id": name, "revision": "abc1234"}
    tiny.write_params()
    with pytest.raises(ConfigError, match=f"base.id: {name}: cannot be loaded at revision abc1234"):
        tiny.base()
    manifest = read_manifest(Path("models/2b"))
    identity = manifest["base"] | {"source": "hub", "id": name, "revision": "abc1234"}
    BASE.mkdir(exist_ok=True)
    write_json(BASE / "manifest.json", manifest | {"base": identity})
    with pytest.raises(ConfigError, match="connect and unset HF_HUB_OFFLINE, or fill the hub's"):
        stack.load_base(BASE, CPU)


def test_a_template_does_not_know_what_day_it_is():
    asks = (
        "{%- if strftime_now is defined %}{%- set date = strftime_now(\"%d %b %Y\") %}"
        "{%- else %}{%- set date = '26 Jul 2024' %}{%- endif %}{{ date }}"
    )  # fmt: skip
    assert base_stage.undated(asks) == asks.replace('strftime_now("%d %b %Y")', "'26 Jul 2024'")
    assert base_stage.undated("{{ strftime_now( '%Y-%m' ) }}") == "{{ '2024-07' }}"
    assert base_stage.undated(scratch.CHAT_TEMPLATE) == scratch.CHAT_TEMPLATE


def test_the_day_is_fixed_in_what_a_hub_s_template_writes(local):
    file = Path("brought/chat_template.jinja")
    file.write_text("{{ strftime_now('%d %b %Y') }}" + file.read_text())
    local.base()
    tokenizer = stack.load_tokenizer(BASE)
    assert tokenizer.apply_chat_template(CHAT, tokenize=False).startswith("26 Jul 2024<s><|user|>")


def test_where_a_tokenizer_was_loaded_from_is_not_written(local):
    local.base()
    said = read_json(BASE / "tokenizer_config.json")
    assert said["tokenizer_class"]
    assert not set(base_stage.WHENCE) & said.keys()


def test_a_scratch_base_trains_without_val_rows(tiny):
    write_rows(Path("data/splits/original/val.jsonl"), [])
    tiny.params["base"]["scratch"]["sft"] |= {"max_steps": 4}
    tiny.write_params()
    tiny.base()
    rows = Path("metrics/curves/base.csv").read_text().splitlines()
    assert [row.split(",")[::2][:2] for row in rows[1:]] == [["3", "train"], ["4", "train"]]


def test_no_row_is_lost_to_a_batch_size_for_the_scratch_base(tiny):
    """An item of its data set is a whole batch already."""
    before = Path("metrics/curves/base.csv").read_bytes()
    tiny.params["base"]["scratch"]["sft"] |= {"per_device_train_batch_size": 8}
    tiny.write_params()
    tiny.base()
    assert Path("metrics/curves/base.csv").read_bytes() == before
