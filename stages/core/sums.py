"""The sum of a chain of adapters as one ordinary adapter.

    B2 (A2 x) + B1 (A1 x)  =  [B1 B2] [A1; A2] x        rank r1 + r2, each A scaled beforehand

PEFT's own `add_weighted_adapter(combination_type="cat")` does the same but for two things: it keeps
`use_rslora`, so that a loaded sum is scaled twice, and it works in the dtype of the base, where
bfloat16 rounds it. Which knobs have such a sum is in `stages.core.knobs`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer
    from torch import Tensor, nn


def total_config(configs: list["LoraConfig"], changed: set[str]) -> "LoraConfig":
    """Return the config of the sum of these adapters.

    changed: full names of the modules that any of them changes; the sum names them all where an
             adapter chose its modules by more than a list of names
    """
    from dataclasses import replace

    rank = sum(max([config.r, *config.rank_pattern.values()]) for config in configs)
    chosen = [
        isinstance(each.target_modules, str)
        or each.exclude_modules is not None
        or each.layers_to_transform is not None
        for each in configs
    ]
    targets = changed if any(chosen) else set().union(*(each.target_modules for each in configs))
    return replace(
        configs[0],
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=targets,
        exclude_modules=None,
        layers_to_transform=None,
        layers_pattern=None,
        rank_pattern={},
        alpha_pattern={},
        use_rslora=False,
        init_lora_weights=True,
        inference_mode=True,
    )


def total_weights(model: "nn.Module", chain: list[str], rank: int) -> dict[str, "Tensor"]:
    """Return the weights of the sum, float32, by the names that PEFT gives them in a file.

    model: with PEFT's layers in it, every adapter of the chain loaded
    rank:  of the sum; a module with less of it is filled up with zeros
    """
    from peft.tuners.lora import LoraLayer

    weights = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            for key, tensor in _of_module(module, chain, rank).items():
                weights[f"base_model.model.{name}.{key}"] = tensor
    return weights


def _of_module(module: "LoraLayer", chain: list[str], rank: int) -> dict[str, "Tensor"]:
    import torch
    from torch.nn.functional import pad

    downs, ups = [], []
    for name in chain:
        if name in module.lora_A:
            down, up = module.lora_A[name].weight, module.lora_B[name].weight
        elif name in module.lora_embedding_A:
            down, up = module.lora_embedding_A[name], module.lora_embedding_B[name]
        else:
            continue
        downs.append(down.detach().float().cpu() * module.scaling[name])
        ups.append(up.detach().float().cpu())
    if not downs:
        return {}
    down, up = torch.cat(downs, dim=0), torch.cat(ups, dim=1)
    missing = rank - len(down)
    down, up = pad(down, (0, 0, 0, missing)), pad(up, (0, missing))
    kind, ending = ("embedding_", "") if len(module.lora_embedding_A) else ("", ".weight")
    return {
        f"lora_{kind}A{ending}": down.contiguous(),
        f"lora_{kind}B{ending}": up.contiguous(),
    }
