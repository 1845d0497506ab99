"""Load the base that models/base holds or names: precision, quantization, and what goes wrong.

Weights come in the dtype that the manifest says and on the device that `compute` says. A base with
an adapter of its own (`base.adapter`) gets it merged in, in full precision, before it is quantized;
so does what a `mode: merge` stands on (`stages.core.merging`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.lineage import read_manifest
from stages.core.reaching import reaching

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
        # The type that holds the packed bits, for nothing but FSDP: it shares out floats only.
        bnb_4bit_quant_storage=getattr(torch, dtype),
    )


def load_plain(base: Path, compute: dict[str, Any]) -> "PreTrainedModel":
    """Load the base as its source has it, quantized as its manifest says, on the device.

    Raises: ConfigError when it cannot be had.
    """
    identity = read_manifest(base)["base"]
    model = _from_source(base, identity, identity["quantize"], compute["device"])
    return settled(model, identity, compute["device"])


def load_full(base: Path) -> "PreTrainedModel":
    """Load the base as its source has it, not quantized, in the CPU's memory, to merge into it.

    Raises: ConfigError when it cannot be had.
    """
    return _from_source(base, read_manifest(base)["base"], "none", "cpu")


def _from_source(
    base: Path, identity: dict[str, Any], quantize: str, device: str
) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    with reaching(identity):
        return AutoModelForCausalLM.from_pretrained(
            base if identity["source"] == "scratch" else identity["id"],
            revision=identity["revision"] or "main",
            use_safetensors=True,  # a pickle can run code
            trust_remote_code=False,  # not given, it asks at a terminal
            **_how(identity, quantize, device),
        )


def _how(identity: dict[str, Any], quantize: str, device: str) -> dict[str, Any]:
    """Return how transformers is to load weights; refuse what would not be the same model."""
    import torch

    if quantize != "none" and device == "mps":
        raise ConfigError(
            Fault(
                "params.yaml: base.quantize",
                f"{quantize}, but compute.device is mps: what bitsandbytes does there depends on "
                "the system's release and on code that it fetches while it runs",
                "quantize: none on mps; 4bit and 8bit on cuda or cpu",
            )
        )
    return {
        "dtype": getattr(torch, identity["dtype"]),
        "attn_implementation": identity.get("attn_implementation"),  # a model of before may lack it
        "quantization_config": quantization(quantize, identity["dtype"]),
        "device_map": {"": device} if quantize != "none" else None,
    }


def requantized(
    model: "PreTrainedModel", identity: dict[str, Any], compute: dict[str, Any]
) -> "PreTrainedModel":
    """Return a full-precision model as its base is loaded: quantized, on the device.

    The weights go through transformers' own loading, so that they equal what `from_pretrained`
    with a quantization_config makes of the same weights in a folder. A full-precision copy stays
    in the CPU's memory while that is done.
    """
    if identity["quantize"] != "none":
        how = _how(identity, identity["quantize"], compute["device"])
        state = dict(model.state_dict())
        generation = model.generation_config
        model = type(model).from_pretrained(None, config=model.config, state_dict=state, **how)
        model.generation_config = generation
    return settled(model, identity, compute["device"])


def settled(model: "PreTrainedModel", identity: dict[str, Any], device: str) -> "PreTrainedModel":
    """Return a loaded model on its device, with what holds for every base here."""
    from transformers import GenerationConfig

    if identity["quantize"] == "none":
        model = model.to(device)
    if identity["quantize"] == "4bit":
        keep_4bit_weights(model)
    # What a model of the hub ships for chatting (temperature, a penalty for repetition) would
    # change greedy answers too; only which tokens begin, end and fill a text belongs to the model.
    shipped = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=shipped.bos_token_id,
        eos_token_id=shipped.eos_token_id,
        pad_token_id=shipped.pad_token_id,
    )
    return model


def keep_4bit_weights(model: "PreTrainedModel") -> None:
    """Forbid bitsandbytes to repack 4-bit weights in place on CPUs with AVX512-BF16.

    One forward in eval mode would do it, `.train()` does not undo it, and every LoRA gradient after
    it is wrong (cosine 0.33 with the true one); measured with bitsandbytes 0.50.2.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
