"""Load a model: a base with all the adapters of its chain on top, parents frozen.

    base ── 2b ── 2c          logits = base + 2b + 2c: every adapter of the chain is active,
       └─── 3b                only the newest one is ever trained; a tree is as good as a chain

What lies in the folders, and what is refused, is in `stages.core.lineage`; how an adapter's folder
is written, in `stages.core.portable`; how parents are merged (`mode: merge`), in
`stages.core.merging`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import contract
from stages.core.adapters import inside, put_on
from stages.core.errors import ConfigError, Fault
from stages.core.fingerprints import ADAPTER_WEIGHTS, tokenizer_files
from stages.core.knobs import FREE, refused
from stages.core.lineage import adapter_folder, groups, standing, verify
from stages.core.merging import load_base as load_base
from stages.core.merging import load_below

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    for file in tokenizer_files(base):
        if file.is_dir():
            shutil.copytree(file, model / file.name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(file, model / file.name)


def load(base: Path, model: Path, compute: dict[str, Any]) -> "PreTrainedModel | PeftModel":
    """Load a model folder on its base, verified, all adapters of its chain active, in eval mode.

    Raises: LineageError when the folder and the base do not belong together; ConfigError when the
    base cannot be had.
    """
    manifest = verify(base, model)
    loaded = load_below(base, model, manifest, compute)
    contract.hold(model, manifest.get("contract"), load_tokenizer(base), loaded.generation_config)
    if active := groups(manifest)[-1]:
        loaded = put_on(loaded, {name: adapter_folder(model, name) for name in active})
    return loaded.requires_grad_(False).eval()


def begin(base: Path, on: Path, adapter: dict[str, Any], compute: dict[str, Any]) -> "PeftModel":
    """Return the model that an adapter trains on, with the adapter on top: it alone trains.

    on:      folder of the model it is trained on
    adapter: its `name`, `mode` and `lora`, as params.yaml has them
    Raises: LineageError and ConfigError as `load`; ConfigError where PEFT refuses the adapter, or
    the mode does not fit the model or the adapter.
    """
    below, mode, name = verify(base, on), adapter["mode"], adapter["name"]
    if mode != "stack" and len(below["chain"]) == 1:
        where = f"params.yaml: adapters: {name}: mode"
        what = f"{mode}, but it is on {below['name']!r}, which is no adapter"
        raise ConfigError(Fault(where, what, f"on: the adapter to {mode}", "write mode: stack"))
    parents, merged = standing(below, mode)
    # What the new adapter will stand on, told as if it were a model of its own.
    stood = below | {"chain": [below["chain"][0], *parents], "merged": merged}
    loaded = load_below(base, on, stood, compute)
    contract.hold(on, below.get("contract"), load_tokenizer(base), loaded.generation_config)
    if active := groups(stood)[-1]:
        loaded = put_on(loaded, {each: adapter_folder(on, each) for each in active})
    grown = grow(loaded.requires_grad_(False).eval(), name, adapter["lora"])
    if mode == "continue":
        go_on_from(grown, name, adapter_folder(on, below["chain"][-1]))
    return grown


def go_on_from(grown: "PeftModel", name: str, parent: Path) -> None:
    """Give the newest adapter of a model the weights of another one of the same shape.

    parent: folder of the adapter whose weights it starts from
    Raises: ConfigError with every knob in which the two differ.
    """
    from peft import LoraConfig, set_peft_model_state_dict
    from safetensors.torch import load_file

    own, its = (
        config.to_dict()
        for config in (grown.peft_config[inside(name)], LoraConfig.from_pretrained(parent))
    )
    faults = [
        Fault(
            f"params.yaml: adapters: {name}: lora.{key}",
            f"{shown(own[key])}, but {parent.name}, which it continues, has {shown(its[key])}",
            "the same: of a `continue` only lora_dropout may differ",
        )
        for key in sorted(own.keys() - FREE)
        if shown(own[key]) != shown(its[key])
    ]
    if faults:
        raise ConfigError(*faults)
    set_peft_model_state_dict(grown, load_file(parent / ADAPTER_WEIGHTS), adapter_name=inside(name))


def shown(value: Any) -> Any:
    """Return a value of a config in the one form that a file and PEFT's memory of it share."""
    return sorted(value) if isinstance(value, set | list | tuple) else value


def grow(loaded: "PreTrainedModel | PeftModel", name: str, lora: dict[str, Any]) -> "PeftModel":
    """Put a new adapter on a loaded model: the only one that trains, beside all active parents.

    lora: keys of peft.LoraConfig, by their own names
    Raises: ConfigError with what PEFT, or `stages.core.knobs`, says against them.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    where = f"params.yaml: adapters: {name}: lora"
    if faults := [Fault(where, what, then="leave it out") for what in refused(lora)]:
        raise ConfigError(*faults)
    try:
        config = LoraConfig(task_type="CAUSAL_LM", **lora)
        if not isinstance(loaded, PeftModel):
            return get_peft_model(loaded, config, adapter_name=inside(name))
        parents = loaded.base_model.active_adapters
        loaded.add_adapter(inside(name), config)
    except (TypeError, ValueError) as error:
        raise ConfigError(Fault(where, str(error), "keys and values of peft.LoraConfig")) from error
    if faults := [Fault(where, *told) for told in clashes(loaded, name, config)]:
        raise ConfigError(*faults)
    loaded.base_model.set_adapter([*parents, inside(name)])
    # set_adapter makes every active adapter trainable; the parents must stay what they are.
    loaded.requires_grad_(False)
    loaded.set_requires_grad(inside(name))
    return loaded


def clashes(loaded: "PeftModel", name: str, config: "LoraConfig") -> Iterator[tuple[str, str, str]]:
    """Yield what PEFT would do wrong in silence with a new adapter on these parents.

    Each is what is wrong, what was expected, what to do.
    """
    from peft.utils.other import ModulesToSaveWrapper

    if config.use_dora and config.lora_dropout > 0:
        yield (
            f"use_dora with lora_dropout={config.lora_dropout}: on other adapters, PEFT computes "
            "another model in training than afterwards",
            "lora_dropout=0.0 for DoRA on a stack",
            "or mode: merge, which leaves no adapter below it",
        )
    if config.bias != "none":
        yield (
            f"bias={config.bias}: on other adapters, PEFT would leave every bias as it is",
            "bias=none on a stack",
            "or mode: merge, which leaves no adapter below it",
        )
    mine = inside(name)
    for path, module in loaded.base_model.model.named_modules():
        if isinstance(module, ModulesToSaveWrapper) and set(module.modules_to_save) - {mine}:
            within = (f".{key}" for key, _ in module.named_parameters())
            if mine in module.modules_to_save or any(f".{mine}." in key for key in within):
                yield (
                    f"it changes {path}, which a parent keeps whole (modules_to_save)",
                    "other modules than its parents keep whole",
                    "name target_modules without it, or mode: merge",
                )
