"""`tunegraph export`: one ordinary folder that is the stack, and no other."""

import json
import math
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from stages.core import stack
from stages.core.errors import ConfigError, InputError, LineageError
from stages.core.jsonl import read_json, write_json
from tools import card, cli, export
from tools.export import Asked
from tools.facts import Facts

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
ROOT = Path(__file__).resolve().parents[2]
BASE, MODELS, OUT = Path("models/base"), Path("models"), Path("exports")
MIX = {"m2b": {"own": 1.0}, "m2c": {"own": 1.0, "original": 0.5}, "m2d": {"own": 1.0}}


@pytest.fixture
def project(tiny: Any) -> Any:
    """Return the tiny stack with the parts of params.yaml that a card tells of."""
    tiny.params |= {
        "recipe": "tiny",
        "models": {"base": {"name": "base"}, "m2c": {"name": "2c"}},
        "transcripts": {"chat": {"name": "chat", "file": "chat.csv"}},
        "sources": {"seeds": {"kind": "hub", "path": "some/data"}, "skills": {"kind": "skills"}},
        "prompt": {"source": "seeds"},
        "sets": {"own": {"from": "rows"}, "original": {"from": "skills"}},
        "evaluate": {"sections": {"code": {"metrics": ["passes", "parses"]}}},
    }
    for key, adapter in tiny.params["adapters"].items():
        adapter["mix"] = MIX.get(key, {"own": 1.0})
    tiny.write_params()
    write_json(Path("metrics/models/2c.json"), {"code": {"n": 7, "passes": 0.571, "parses": 1.0}})
    return tiny


def logits(model: Any) -> Any:
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.arange(5, 45)[None]).logits.float()


def plainly(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("name", ["base", "2c", "2d"])
def test_a_merged_folder_is_the_stack(project: Any, name: str, capsys: Any):
    before = {file: file.read_bytes() for file in MODELS.rglob("*") if file.is_file()}
    export.main(Asked(name))
    ours = logits(stack.load(BASE, MODELS / name, CPU))
    theirs = logits(plainly(OUT / name))
    assert (ours - theirs).abs().max() < 1e-5
    if name != "base":
        assert (ours - logits(plainly(BASE))).abs().max() > 1e-3
    assert {file: file.read_bytes() for file in before} == before
    said = capsys.readouterr().out
    assert f"export: exports/{name}: {name} of the workspace, merged" in said
    told = read_json(OUT / name / "export.json")["difference"]
    assert told["largest"] < 1e-5 < told["deviation"]
    assert (told["rows"], told["of"], told["agreement"]) == (10, "test rows", 1.0)
    assert f"largest logit difference {told['largest']:.2g}" in said
    assert not list(OUT.glob(".*"))


def test_a_merged_folder_has_template_and_end_of_the_training(project: Any):
    from transformers import AutoTokenizer

    export.main(Asked("2c"))
    ours, theirs = stack.load_tokenizer(BASE), AutoTokenizer.from_pretrained(OUT / "2c")
    assert theirs.chat_template == ours.chat_template
    model = plainly(OUT / "2c")
    assert model.generation_config.eos_token_id == ours.eos_token_id
    assert model.generation_config.pad_token_id == ours.pad_token_id
    config = read_json(OUT / "2c" / "config.json")
    assert config["dtype"] == "float32"
    text = (OUT / "2c" / "config.json").read_text(encoding="utf-8")
    assert str(Path.cwd()) not in text
    assert "_name_or_path" not in text
    assert {file.suffix for file in (OUT / "2c").iterdir()} == {
        *(".json", ".jinja", ".md", ".safetensors")
    }
    assert (OUT / "2c" / "model.safetensors").stat().st_mode & 0o777 == 0o644


def run_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the Python lines of a README in its folder and return the model that they make."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.count("```python\n") == 1
    lines = text.split("```python\n")[1].split("\n```")[0]
    told: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        exec(lines, told)
    return told["model"]


@pytest.mark.parametrize("form", ["merged", "adapter", "stack"])
def test_the_lines_of_the_card_load_the_model_from_any_place(
    project: Any, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    out = tmp_path / "elsewhere" / "mine"
    export.main(Asked("2c", out, form=form))
    ours = logits(stack.load(BASE, MODELS / "2c", CPU))
    for folder in (MODELS, BASE):
        shutil.rmtree(folder, ignore_errors=True)  # nothing of the workspace is needed
    theirs = logits(run_lines(out, monkeypatch))
    assert (ours - theirs).abs().max() < 1e-5


def retrained(project: Any, **changes: Any) -> None:
    """Train 2b and 2c anew, with other settings of the base or of `lora`."""
    project.params["base"] |= changes.get("base", {})
    # Blocks of 64 weights; out-features divisible by 32 (bitsandbytes).
    sizes = {"hidden_size": 128, "intermediate_size": 128}
    project.params["base"]["scratch"]["architecture"] |= sizes
    for key, told in {"m2b": "lora", "m2c": "lora_2c"}.items():
        project.params["adapters"][key]["lora"] |= changes.get(told, {})
        project.params["adapters"][key]["sft"]["learning_rate"] = 0.05
    project.params["adapters"]["m2c"]["mode"] = changes.get("mode", "stack")
    project.write_params()
    if "base" in changes:
        project.base()
    project.train("m2b")
    project.train("m2c")


def dequantised(folder: Path) -> Any:
    """Return what a 4-bit base computes with, written out by bitsandbytes, adapters on top."""
    import bitsandbytes as bnb
    import torch
    from peft import PeftModel

    model = stack.load(BASE, BASE, CPU)
    count = 0
    for name, module in list(model.named_modules()):
        if isinstance(module, bnb.nn.Linear4bit):
            weight = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain = torch.nn.Linear(module.in_features, module.out_features, bias=False)
            plain.weight.data = weight.float()
            model.set_submodule(name, plain)
            count += 1
    assert count == 14
    for mark in ("is_loaded_in_4bit", "is_quantized"):
        setattr(model, mark, False)
    model.hf_quantizer = None
    return PeftModel.from_pretrained(model, folder)


@pytest.mark.slow
def test_a_merged_four_bit_model_is_what_was_trained_on(project: Any):
    import torch
    from safetensors.torch import load_file

    retrained(project, base={"quantize": "4bit"})
    export.main(Asked("2c"))
    theirs = logits(plainly(OUT / "2c"))
    assert (logits(stack.load(BASE, MODELS / "2c", CPU)) - theirs).abs().max() < 1e-4
    assert (logits(dequantised(MODELS / "2c")) - theirs).abs().max() < 1e-4
    config = read_json(OUT / "2c" / "config.json")
    assert "quantization_config" not in config
    assert {each.dtype for each in load_file(OUT / "2c/model.safetensors").values()} == {
        torch.float32
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # bitsandbytes tells of its casts
def test_an_eight_bit_model_is_merged_up_to_its_rounded_activations(project: Any):
    retrained(project, base={"quantize": "8bit"})
    export.main(Asked("2c"))
    told = read_json(OUT / "2c" / "export.json")["difference"]
    assert 0 < told["mean"] < 0.02 * told["deviation"]
    assert "quantization_config" not in read_json(OUT / "2c" / "config.json")


@pytest.mark.slow
def test_deltas_on_weights_without_the_round_trip_are_refused(
    project: Any, monkeypatch: pytest.MonkeyPatch
):
    """The folder of before stays, what was written is told: the check above can fail."""
    from peft import PeftModel

    retrained(project, base={"quantize": "4bit"})
    export.main(Asked("2c"))
    before = {file.name: file.read_bytes() for file in (OUT / "2c").iterdir()}

    def naive(base: Path, model: Path, *_: Any) -> Any:
        return PeftModel.from_pretrained(plainly(base), model).merge_and_unload()

    monkeypatch.setattr("stages.core.merging.merged", naive)
    with pytest.raises(LineageError, match=r"exports/.2c.partial: it is not the stack: the larg"):
        export.main(Asked("2c", force=True))
    assert {file.name: file.read_bytes() for file in (OUT / "2c").iterdir()} == before
    assert (OUT / ".2c.partial" / "model.safetensors").is_file()
    monkeypatch.undo()
    monkeypatch.chdir(project.folder)
    export.main(Asked("2c", force=True))
    assert {file.name: file.read_bytes() for file in (OUT / "2c").iterdir()} == before
    assert not list(OUT.glob(".*"))


KNOBS = {
    "rslora": {"lora": {"use_rslora": True}, "lora_2c": {"use_rslora": True, "r": 2}},
    "dora": {"lora": {"use_dora": True}, "lora_2c": {"use_dora": True}},
    "dora below": {"lora": {"use_dora": True}},
    "saved whole": {"lora": {"modules_to_save": ["norm"]}},
    "embeddings": {"lora": {"target_modules": ["embed_tokens", "v_proj"]}},
    "merge": {"mode": "merge"},
    "continue": {"mode": "continue"},
    "merge of dora": {"mode": "merge", "lora": {"use_dora": True}},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PEFT warns of some of these knobs
@pytest.mark.parametrize("knobs", KNOBS)
def test_every_knob_is_merged_exactly(project: Any, knobs: str):
    shared = project.params["adapters"]["m2c"]["lora"]
    project.params["adapters"]["m2c"]["lora"] = dict(shared)
    project.params["adapters"]["m2b"]["lora"] = dict(shared)
    retrained(project, **KNOBS[knobs])
    export.main(Asked("2c"))
    theirs = logits(plainly(OUT / "2c"))
    assert (logits(stack.load(BASE, MODELS / "2c", CPU)) - theirs).abs().max() < 1e-4
    assert (logits(stack.load(BASE, MODELS / "2b", CPU)) - theirs).abs().max() > 1e-2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PEFT warns of this knob
def test_a_bias_that_the_architecture_has_no_place_for_is_refused_by_name(project: Any):
    shared = project.params["adapters"]["m2c"]["lora"]
    project.params["adapters"]["m2b"]["lora"] = dict(shared)
    retrained(project, lora={"lora_bias": True, "target_modules": ["q_proj"]})
    with pytest.raises(
        ConfigError, match=r"no place for model.layers.0.self_attn.q_proj.bias, mod"
    ):
        export.main(Asked("2c"))
    export.main(Asked("2c", form="stack"))
    assert (OUT / "2c" / "models" / "2c").is_dir()


@pytest.mark.slow
def test_weights_of_a_sixteen_bit_base_may_be_float32(project: Any):
    import torch
    from safetensors.torch import load_file

    retrained(project, base={"dtype": "bfloat16"})
    found = {}
    for dtype in (None, "float32"):
        export.main(Asked("2c", dtype=dtype, force=True))
        found[dtype] = load_file(OUT / "2c" / "model.safetensors")
    assert {each.dtype for each in found[None].values()} == {torch.bfloat16}
    assert {each.dtype for each in found["float32"].values()} == {torch.float32}
    name = "model.layers.0.mlp.up_proj.weight"
    one, other = found[None][name], found["float32"][name]
    assert torch.equal(one, other.bfloat16())
    assert not torch.equal(one.float(), other)  # the deltas are not rounded before they are added


def test_an_adapter_without_an_exact_sum_is_refused(project: Any):
    shared = project.params["adapters"]["m2c"]["lora"]
    project.params["adapters"]["m2b"]["lora"] = dict(shared)
    retrained(project, lora={"use_dora": True})
    with pytest.raises(
        ConfigError, match=r"sum for 2b: use_dora=True(?s:.)*to do: tunegraph export 2c$"
    ):
        export.main(Asked("2c", form="adapter"))
    assert not OUT.exists()
    with pytest.raises(
        ConfigError, match="it is no one adapter: it has no adapter: it is the base"
    ):
        export.main(Asked("base", form="adapter"))


FAULTS = {
    "bse": r"the workspace: params.yaml: there is no model 'bse'; did you mean 'base'\?\n.*2b, 2c",
    "chat": r"'chat' is a transcript: answers without a model\n.*one of: base, 2b, 2c",
    "2d": r"models/2d: not built yet\n.*dvc repro, or `dvc pull`",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_that_there_is_not_is_told(project: Any, name: str):
    shutil.rmtree(MODELS / "2d")
    with pytest.raises((ConfigError, InputError), match=FAULTS[name]):
        export.main(Asked(name))
    assert not OUT.exists()


def test_what_is_there_is_not_replaced_unasked(project: Any):
    export.main(Asked("2c", form="stack"))
    with pytest.raises(ConfigError, match=r"exports/2c: there is an export already\n.*--force"):
        export.main(Asked("2c"))
    for place in (Path("models"), Path(".")):
        with pytest.raises(ConfigError, match="this is there, and no export: it will not be"):
            export.main(Asked("2c", place, force=True))
    assert (MODELS / "2c" / "manifest.json").is_file()
    assert (OUT / "2c" / "models" / "2c" / "manifest.json").is_file()


def test_a_swapped_parent_is_refused_in_every_form(project: Any):
    file = MODELS / "2c" / "adapters" / "2b" / "adapter_model.safetensors"
    shutil.copyfile(MODELS / "3b" / "adapters" / "3b" / "adapter_model.safetensors", file)
    for form in export.FORMATS:
        with pytest.raises(LineageError, match="the manifest says"):
            export.main(Asked("2c", form=form))
    assert not list(OUT.iterdir())


def test_without_rows_there_is_nothing_to_compare_on(project: Any):
    probes = Path("recipes/tiny/sources/probes.jsonl")
    rows = Path("data/test.jsonl").read_text(encoding="utf-8").splitlines()
    Path("data/test.jsonl").unlink()
    with pytest.raises(InputError, match=r"data/test.jsonl or .*: no rows to compare"):
        export.main(Asked("2c"))
    project.params["sources"]["probes"] = {"kind": "file", "file": "probes.jsonl"}
    project.write_params()
    probes.parent.mkdir(parents=True)
    probes.write_text("\n".join(rows[:3]), encoding="utf-8")
    export.main(Asked("2c"))
    told = read_json(OUT / "2c" / "export.json")["difference"]
    assert (told["rows"], told["of"]) == (3, "probes")


@pytest.mark.parametrize("line", ['{"mess', '{"prompt": 1}', "3"])
def test_rows_that_are_none_are_told(project: Any, line: str):
    Path("data/test.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"workspace: data/test\.jsonl: a line is no row: \w+Error"
    ):
        export.main(Asked("2c"))
    assert not list(OUT.glob("*"))


def test_a_disk_without_room_is_told_before_anything_is_written(
    project: Any, monkeypatch: pytest.MonkeyPatch
):
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(InputError, match=r"exports/.2c.partial: .* GB are needed, 0.0 GB are free"):
        export.main(Asked("2c"))
    assert not list(OUT.iterdir())


def test_a_disk_that_fills_up_is_told(project: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["tunegraph", "export", "2c"])
    Path("dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(SystemExit, match="no room left on the disk"):
            cli.main()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(OUT.iterdir())


def test_what_people_wrote_cannot_break_out_of_the_card(project: Any):
    hostile = "a|b](x)<script>`*_\n# c"
    project.params["recipe"] = hostile
    project.params["evaluate"]["sections"][hostile] = {"metrics": ["passes"]}
    project.params["adapters"]["m2c"]["sft"]["note"] = "```\n# out"
    project.write_params()
    metrics = {"code": {"n": 7, "passes": 0.571}, hostile: {"n": 1, "passes": 1.0}}
    write_json(Path("metrics/models/2c.json"), metrics)
    export.main(Asked("2c", form="stack"))
    text = (OUT / "2c" / "README.md").read_text(encoding="utf-8")
    assert r"# 2c of a\|b\]\(x)\<script\>".replace(r"\(", "(") in text
    assert "\n# c" not in text
    assert "| code (n = 7) | `passes` ↑ | 0.571 |" in text
    assert "````text\n" in text


def test_the_card_has_its_figures_from_the_files(project: Any):
    rows = Path("data/mix/2c/train.jsonl").read_text(encoding="utf-8").splitlines()
    own = [json.dumps(json.loads(row) | {"set": "own"}) for row in rows[:5]]
    Path("data/mix/2c/train.jsonl").write_text("\n".join(own + rows[5:]), encoding="utf-8")
    span = {"value": 0.25, "low": 0.1, "high": 0.4}
    keys = {"passes": {"value": 0.5, "base": {"p": 0.1, "p_holm": 0.2}}}
    section = {"n": 7, "primary": "passes", "recovery": span, "keys": keys}
    section["forgetting"] = span | {"n": 7}
    comparison = {"model": "2c", "on": "2b", "base": "base", "sections": {"code": section}}
    write_json(Path("metrics/comparison/2c.json"), comparison)
    outs = [{"path": "models/2c", "md5": "0123abcd.dir"}]
    deps = [{"path": "data/mix/2c", "md5": "4567abcd.dir"}]
    write_json(Path("dvc.lock"), {"stages": {"train@m2c": {"outs": outs, "deps": deps}}})
    export.main(Asked("2c"))
    text = (OUT / "2c" / "README.md").read_text(encoding="utf-8")
    data = ModelCard(text).data.to_dict()
    assert data["datasets"] == ["some/data"]
    assert data["library_name"] == "transformers"
    assert "license" not in data
    assert "base_model" not in data
    assert "| code (n = 7) | `passes` ↑ | 0.571 |" in text
    assert "| 7 | not shown +0.250 [+0.100, +0.400], p 0.2 | 0.250 [0.100, 0.400] |" in text
    digest = read_json(MODELS / "2c" / "manifest.json")["adapters"]["2c"]
    assert (
        f"| 2c | 2b | stack | original: 15, own: 5 | 4567abcd.dir | {digest} | 0123abcd.dir |"
        in text
    )
    assert str(Path.cwd()) not in text
    told = read_json(OUT / "2c" / "export.json")["difference"]
    assert f"largest logit difference {told['largest']:.2g}" in text
    assert math.isfinite(told["deviation"])


def test_a_model_of_before_the_newer_keys_of_the_manifest_is_exported(project: Any):
    for name in ("base", "2b", "2c"):
        told = read_json(MODELS / name / "manifest.json")
        for key in ("contract", "rows"):
            told.pop(key, None)
        for key in ("attn_implementation", "tokenizer"):
            del told["base"][key]
        write_json(MODELS / name / "manifest.json", told)
    ours = logits(stack.load(BASE, MODELS / "2c", CPU))
    export.main(Asked("2c"))
    assert (ours - logits(plainly(OUT / "2c"))).abs().max() < 1e-5


def test_the_card_says_how_the_model_was_trained_to_be_asked(project: Any):
    manifest = read_json(MODELS / "2c" / "manifest.json")
    manifest["contract"]["system"] = [{"text": "Be ```brief```.", "rows": 3}]
    write_json(MODELS / "2c" / "manifest.json", manifest)
    export.main(Asked("2c", form="stack"))
    text = (OUT / "2c" / "README.md").read_text(encoding="utf-8")
    assert "With this system prompt: 3 rows.\n\n````text\nBe ```brief```.\n````\n" in text
    assert f"tokens {manifest['contract']['eos'][0]} end an answer" in text


def test_a_base_of_the_hub_is_named_by_id_and_revision(project: Any):
    params = project.params
    base = {"source": "hub", "id": "some/base", "revision": "0123", "quantize": "4bit"}
    manifest: Any = read_json(MODELS / "2c" / "manifest.json")
    manifest["base"] |= base | {"dtype": "bfloat16"}
    facts = Facts(params=params, manifest=manifest, commit="c" * 40)
    licence = {"license": "llama3.2"}
    text = card.card(facts, "adapter", None, "me/2c", licence, rank=40)
    data = ModelCard(text).data.to_dict()
    assert data["base_model"] == "some/base"
    assert data["base_model_relation"] == "adapter"
    assert data["library_name"] == "peft"
    assert data["license"] == "llama3.2"
    vllm = "vllm serve some/base --revision 0123 --enable-lora --max-lora-rank 64"
    assert f"{vllm} --lora-modules 2c=me/2c\n" in text
    assert 'bnb_4bit_quant_type="nf4"' in text
    code = text.split("```python\n")[1].split("\n```")[0]
    compile(code, "README.md", "exec")
    assert "pretrained=some/base,revision=0123,peft=me/2c" in text
    params["sets"]["own"]["from"] = ["skills", "rows"]  # a set of several sources
    data = ModelCard(card.card(facts, "merged", None, "me/2c", {})).data.to_dict()
    assert data["base_model_relation"] == "finetune"
    assert data["datasets"] == ["some/data"]


def test_an_adapter_on_a_local_base_names_it(project: Any, tmp_path: Path):
    theirs = tmp_path / "theirs"
    shutil.copytree(BASE, theirs)
    project.params["base"] |= {"source": "local", "id": str(theirs), "revision": None}
    project.write_params()
    project.base()
    project.train("m2b")
    export.main(Asked("2b", form="adapter"))
    assert read_json(OUT / "2b/adapter_config.json")["base_model_name_or_path"] == str(theirs)
    assert not (OUT / "2b" / "base").exists()
    assert "put its path into" in (OUT / "2b" / "README.md").read_text(encoding="utf-8")


def test_help_is_light():
    lines = "import sys; from tools import cli; cli.parser(); assert 'torch' not in sys.modules"
    lines += "; assert 'dvc' not in sys.modules; import tools.export; print('torch' in sys.modules)"
    words = [sys.executable, "-c", lines]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n"
