"""Merge adapters into full-precision weights: what `mode: merge` stands on, and what is exported.

    W + delta(2b) + delta(2c)      summed in float32, rounded once to the dtype of the base

Adapters that were active together are one group: each has its delta against the weights that they
all stood on, so that the sum is the stack. A merge on a merge is a group on what the group before
gave. Merging is done in the CPU's memory whatever the device: the same weights come out everywhere.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.adapters import put_on
from stages.core.bases import load_full, load_plain, requantized
from stages.core.lineage import Manifest, adapter_folder, groups, read_manifest, verify

if TYPE_CHECKING:
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer
    from transformers import PreTrainedModel


def merged(
    base: Path, model: Path, compute: dict[str, Any], dtype: str | None = None
) -> "PreTrainedModel":
    """Return a whole chain as one model without adapters, in the dtype of its base, to be saved.

    base:  models/base
    model: a model folder that stands on it, or the base itself
    dtype: of the result, where it is not to be the base's: the sum is not rounded to that then
    On a quantized base the adapters were trained on what quantization had left of its weights: it
    is those, written out again (the NF4 round trip), that their deltas are added to. So the result
    equals what was trained on up to rounding to the dtype; the activations of `8bit`, which are
    quantized too, are not imitated.

    It is on `compute.device`, without gradients, in eval mode; `tie_word_embeddings` is off in its
    config where an adapter changed tied weights; generation_config holds the special tokens alone.
    Raises: LineageError and ConfigError as `stages.core.stack.load`.
    """
    manifest = verify(base, model)
    below = dequantized(load_below(base, model, manifest, compute))
    if dtype:
        import torch

        below = below.to(getattr(torch, dtype))
    if active := groups(manifest)[-1]:
        below = put_in(below, {name: adapter_folder(model, name) for name in active})
    return below.requires_grad_(False).eval()


def load_below(
    base: Path, model: Path, manifest: Manifest, compute: dict[str, Any]
) -> "PreTrainedModel":
    """Load what a model's active adapters stand on: its base, and into it what is merged there.

    manifest: of the model
    """
    layers = [
        {name: adapter_folder(model, name) for name in group} for group in groups(manifest)[:-1]
    ]
    if manifest["base"].get("adapter"):
        layers.insert(0, {"base": base / "adapter"})
    if not layers:
        return load_plain(base, compute)
    full = load_full(base)
    for folders in layers:
        full = put_in(full, folders)
    return requantized(full, manifest["base"], compute)


def load_base(base: Path, compute: dict[str, Any]) -> "PreTrainedModel":
    """Load models/base itself, its own adapter merged in where it has one.

    Raises: ConfigError when it cannot be had.
    """
    return load_below(base, base, read_manifest(base), compute)


def put_in(model: "PreTrainedModel", folders: dict[str, Path]) -> "PreTrainedModel":
    """Merge one group of adapters into an unquantized model, and return it without PEFT's layers.

    folders: name of each adapter, and the folder that holds it
    """
    import torch
    from peft.tuners.lora import LoraLayer

    loaded = put_on(model, folders)
    _untie(loaded)
    with torch.no_grad():
        for module in loaded.modules():
            if isinstance(module, LoraLayer):
                _merge(module)
    # Takes the layers of PEFT away, and puts whole modules that were saved beside in place.
    return loaded.base_model.unload()


def _merge(module: "LoraLayer") -> None:
    """Put what a layer's active adapters do, one after the other as PEFT does it, into its weights.

    An adapter adds its delta. DoRA then scales each output of what it has found, the adapters
    before it included, by its magnitude over the norm of the base's weight with its own delta:
    m (R + B A) with m = magnitude / |W + B A|.
    """
    import torch

    layer = module.get_base_layer()
    weight, bias = layer.weight.detach().float(), getattr(layer, "bias", None)
    began = 0.0 if bias is None else bias.detach().float()
    summed, shift = weight.clone(), began
    for name in module.active_adapters:
        if name not in module.scaling:
            continue
        delta = module.get_delta_weight(name).float()
        summed = summed + delta
        if name in module.lora_magnitude_vector:
            # Outputs are the columns of an embedding, and of a layer that is stored transposed.
            across = 0 if isinstance(layer, torch.nn.Embedding) or module.fan_in_fan_out else 1
            norm = torch.linalg.norm(weight + delta, dim=across, keepdim=True)
            magnitude = module.lora_magnitude_vector[name].weight.float().view_as(norm) / norm
            summed = summed * magnitude
            shift = (shift - began) * magnitude.flatten() + began
        if module.lora_bias[name]:
            shift = shift + module.lora_B[name].bias.float() * module.scaling[name]
    layer.weight.data = summed.to(layer.weight.dtype)
    # DoRA alone leaves zeros: no bias, which most architectures have no place for.
    if isinstance(shift, torch.Tensor) and (bias is not None or shift.any()):
        layer.bias = torch.nn.Parameter(shift.to(layer.weight.dtype), requires_grad=False)


def _untie(loaded: "PeftModel") -> None:
    """Give both embeddings weights of their own where they share what an adapter changes."""
    import torch
    from peft.tuners.lora import LoraLayer

    model = loaded.base_model.model
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    layers = [end.get_base_layer() if isinstance(end, LoraLayer) else end for end in ends]
    if None in ends or layers[0].weight is not layers[1].weight:
        return
    if any(isinstance(end, LoraLayer) for end in ends):
        layers[1].weight = torch.nn.Parameter(layers[1].weight.data.clone(), requires_grad=False)
        model.config.tie_word_embeddings = False


def dequantized(model: "PreTrainedModel") -> "PreTrainedModel":
    """Return a model with its quantized weights written out in the dtype they are computed in."""
    if not getattr(model, "is_quantized", False):
        return model
    import torch
    from bitsandbytes.nn import Linear4bit, Linear8bitLt
    from transformers.integrations.bitsandbytes import dequantize_bnb_weight

    dtype = model.dtype
    for name, module in list(model.named_modules()):
        if isinstance(module, Linear4bit | Linear8bitLt):
            weight = dequantize_bnb_weight(module.weight, getattr(module, "state", None)).to(dtype)
            plain = torch.nn.Linear(
                module.in_features, module.out_features, module.bias is not None, device="meta"
            )
            plain.weight = torch.nn.Parameter(weight, requires_grad=False)
            plain.bias = module.bias
            model.set_submodule(name, plain)
    for mark in ("is_loaded_in_4bit", "is_loaded_in_8bit", "is_quantized"):
        setattr(model, mark, False)
    model.hf_quantizer = None
    del model.config.quantization_config
    return model
