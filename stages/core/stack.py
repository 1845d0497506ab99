"""Load a model: a base with all the adapters of its chain on top, parents frozen.

    base ── 2b ── 2c          logits = base + 2b + 2c: every adapter of the chain is active,
       └─── 3b                only the newest one is ever trained; a tree is as good as a chain

What lies in the folders, and what is refused, is in `stages.core.lineage`; how an adapter's folder
is written, in `stages.core.portable`.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.lineage import adapter_folder, read_manifest, unreachable, verify

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Files of a base folder that are not its tokenizer's.
NOT_TOKENIZER = ("manifest.json", "config.json", "generation_config.json")


def inside(name: str) -> str:
    """Return what an adapter is called inside PEFT: never written, and clear of other names.

    PEFT finds an adapter's tensors by `.<name>.` and keeps them in a ModuleDict: one called `1`
    would be taken for layer 1 (whose weights would then train), one called `train` is refused.
    """
    return f"stacked_{name}"


def load_tokenizer(base: Path) -> "PreTrainedTokenizerBase":
    """Load the tokenizer, with its chat template, that every model on this base shares."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def copy_tokenizer(base: Path, model: Path) -> None:
    """Give a model folder its base's tokenizer and chat template, to the byte.

    Saving it again would write what the trainer did to it, and where it was loaded from.
    """
    for file in sorted(base.iterdir()):
        if file.is_dir():
            shutil.copytree(file, model / file.name, copy_function=shutil.copyfile)
        elif file.name not in NOT_TOKENIZER and ".safetensors" not in file.suffixes:
            shutil.copyfile(file, model / file.name)


def quantization(quantize: str, dtype: str) -> Any:
    """Return the BitsAndBytesConfig of `4bit` (nf4, double quantization) or `8bit`, or None."""
    if quantize == "none":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def load_base(base: Path, compute: dict[str, Any]) -> "PreTrainedModel":
    """Load the base that a folder holds (scratch) or names (hub, local).

    Raises: ConfigError when it cannot be had.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    identity = read_manifest(base)["base"]
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base if identity["source"] == "scratch" else identity["id"],
            revision=identity["revision"] or "main",
            dtype=getattr(torch, identity["dtype"]),
            attn_implementation=identity["attn_implementation"],
            quantization_config=quantization(identity["quantize"], identity["dtype"]),
            device_map={"": compute["device"]} if identity["quantize"] != "none" else None,
            use_safetensors=True,  # a pickle can run code
        )
    except (OSError, ValueError) as error:
        raise unreachable(identity, error) from error
    if identity["quantize"] == "none":
        model = model.to(compute["device"])
    if identity["quantize"] == "4bit":
        _keep_4bit_weights(model)
    # What a model of the hub ships for chatting (temperature, a penalty for repetition) would
    # change greedy answers too; only which tokens begin, end and fill a text belongs to the model.
    shipped = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=shipped.bos_token_id,
        eos_token_id=shipped.eos_token_id,
        pad_token_id=shipped.pad_token_id,
    )
    return model


def _keep_4bit_weights(model: "PreTrainedModel") -> None:
    """Forbid bitsandbytes to repack 4-bit weights in place on CPUs with AVX512-BF16.

    One forward in eval mode would do it, `.train()` does not undo it, and every LoRA gradient after
    it is wrong (cosine 0.33 with the true one); measured with bitsandbytes 0.50.2.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def load(base: Path, model: Path, compute: dict[str, Any]) -> "PreTrainedModel | PeftModel":
    """Load a model folder on its base, verified, all adapters of its chain active, in eval mode.

    Raises: LineageError when the folder and the base do not belong together; ConfigError when the
    base cannot be had.
    """
    manifest = verify(base, model)
    loaded = load_base(base, compute)
    names = manifest["chain"][1:]
    if names:
        from peft import PeftModel

        first, *others = names
        loaded = PeftModel.from_pretrained(
            loaded, adapter_folder(model, first), adapter_name=inside(first)
        )
        for name in others:
            loaded.load_adapter(adapter_folder(model, name), adapter_name=inside(name))
        # PeftModel.set_adapter refuses a list; the tuner below it takes one.
        loaded.base_model.set_adapter([inside(name) for name in names])
        _silence_dropout(loaded)
    return loaded.requires_grad_(False).eval()


def _silence_dropout(loaded: "PeftModel") -> None:
    """Take the dropout out of loaded adapters: a frozen parent is the same while a child trains."""
    from peft.tuners.lora import LoraLayer
    from torch.nn import Identity

    for module in loaded.modules():
        if isinstance(module, LoraLayer):
            for name in module.lora_dropout:
                module.lora_dropout[name] = Identity()


def grow(loaded: "PreTrainedModel | PeftModel", name: str, lora: dict[str, Any]) -> "PeftModel":
    """Put a new adapter on a loaded model: the only one that trains, beside all active parents.

    lora: keys of peft.LoraConfig, by their own names
    Raises: ConfigError with what PEFT says against them.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    try:
        config = LoraConfig(task_type="CAUSAL_LM", **lora)
        if not isinstance(loaded, PeftModel):
            return get_peft_model(loaded, config, adapter_name=inside(name))
        parents = loaded.base_model.active_adapters
        loaded.add_adapter(inside(name), config)
    except (TypeError, ValueError) as error:
        where = f"params.yaml: adapters: {name}: lora"
        raise ConfigError(Fault(where, str(error), "keys and values of peft.LoraConfig")) from error
    loaded.base_model.set_adapter([*parents, inside(name)])
    # set_adapter makes every active adapter trainable; the parents must stay what they are.
    loaded.requires_grad_(False)
    loaded.set_requires_grad(inside(name))
    return loaded
