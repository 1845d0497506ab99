"""Tell how an export is loaded: by transformers and PEFT, by vLLM, by lm-evaluation-harness."""

from stages.core.lineage import Manifest
from stages.report.markdown import fenced

KINDS = {
    "merged": "The chain {chain}, merged into one ordinary transformers model.",
    "adapter": "The chain {chain} as one PEFT adapter: the exact sum of its adapters.",
    "stack": "The chain {chain} as TuneGraph keeps it: a folder a model, its adapters apart.",
}
# The ranks that vLLM takes: https://docs.vllm.ai/en/latest/features/lora.html
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
QUANTIZED = {
    "4bit": 'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
    "bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.{dtype})",
    "8bit": "BitsAndBytesConfig(load_in_8bit=True)",
}


def code(language: str, text: str) -> list[str]:
    """Return a text as a block that nothing in it can end."""
    first, *others = fenced(text)
    return [first.removesuffix("text") + language, *others]


def merged(where: str) -> list[str]:
    """Return the lines for a merged folder."""
    python = f"""\
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{where}", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("{where}")"""
    shell = f"""\
vllm serve {where}
lm_eval --model hf --model_args pretrained={where} --apply_chat_template --tasks ...
transformers serve {where}"""
    return [*code("python", python), *code("sh", shell)]


def adapter(manifest: Manifest, where: str, rank: int) -> list[str]:
    """Return the lines for an adapter's folder.

    rank: of the adapter
    """
    base = manifest["base"]
    at = base["id"] or "base"
    imports, how = "from peft import AutoPeftModelForCausalLM\n", f'dtype="{base["dtype"]}"'
    if base["quantize"] != "none":
        imports = "import torch\nfrom transformers import BitsAndBytesConfig\n" + imports
        config = QUANTIZED[base["quantize"]].format(dtype=base["dtype"])
        how += f",\n    quantization_config={config},\n"
    python = f'{imports}\nmodel = AutoPeftModelForCausalLM.from_pretrained("{where}", {how})'
    room = next((each for each in RANKS if each >= rank), rank)
    revision = f" --revision {base['revision']}" if base["revision"] else ""
    harness = f",revision={base['revision']}" if base["revision"] else ""
    lora = f"--enable-lora --max-lora-rank {room} --lora-modules {manifest['name']}={where}"
    shell = f"""\
vllm serve {at}{revision} {lora}
lm_eval --model hf --model_args pretrained={at}{harness},peft={where} --apply_chat_template \\
  --tasks ..."""
    lines = [*code("python", python), *code("sh", shell)]
    if base["source"] == "scratch":
        lines += [
            "The base is on no hub: it is in `base/` beside this file, and the adapter names it by "
            "that relative path. So load it with this folder as the working directory.",
            "",
        ]
    elif base["source"] == "local":
        lines += [
            "The base is a folder of whoever trained this: put its path into "
            "`base_model_name_or_path` of adapter_config.json.",
            "",
        ]
    return lines


def stack(manifest: Manifest) -> list[str]:
    """Return the lines for a stack's folder."""
    python = f"""\
from pathlib import Path
from stages.core import stack

model = stack.load(Path("models/base"), Path("models/{manifest["name"]}"),
                   {{"device": "cpu", "threads": 1}})"""
    told = "With this folder as the working directory and TuneGraph on the path:"
    return [told, "", *code("python", python)]


def lines(manifest: Manifest, form: str, where: str, rank: int = 0) -> list[str]:
    """Return how an export of a kind is loaded, in Markdown."""
    if form == "merged":
        return merged(where)
    return adapter(manifest, where, rank) if form == "adapter" else stack(manifest)
