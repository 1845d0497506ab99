"""Adapters inside PEFT: what they are called there, and how several are put on one model."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def inside(name: str) -> str:
    """Return what an adapter is called inside PEFT: never written, and clear of other names.

    PEFT finds an adapter's tensors by `.<name>.` and keeps them in a ModuleDict: one called `1`
    would be taken for layer 1 (whose weights would then train), one called `train` is refused.
    """
    return f"stacked_{name}"


def put_on(model: "PreTrainedModel", folders: dict[str, Path]) -> "PeftModel":
    """Put adapters on a model, one at least, all active, in their order.

    folders: name of each adapter, and the folder that holds it
    """
    from peft import PeftModel

    (first, folder), *others = folders.items()
    loaded = PeftModel.from_pretrained(model, folder, adapter_name=inside(first))
    for name, folder in others:
        loaded.load_adapter(folder, adapter_name=inside(name))
    # PeftModel.set_adapter refuses a list; the tuner below it takes one.
    loaded.base_model.set_adapter([inside(name) for name in folders])
    _silence_dropout(loaded)
    return loaded


def _silence_dropout(loaded: "PeftModel") -> None:
    """Take the dropout out of loaded adapters: a frozen parent is the same while a child trains."""
    from peft.tuners.lora import LoraLayer
    from torch.nn import Identity

    for module in loaded.modules():
        if isinstance(module, LoraLayer):
            for name in module.lora_dropout:
                module.lora_dropout[name] = Identity()
