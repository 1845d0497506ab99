"""Write an adapter folder: its chain, and at its root their exact sum, which any PEFT tool loads.

How the sum is made is in `stages.core.sums`, and which adapters have one in `stages.core.knobs`.
"""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.adapters import inside, put_on
from stages.core.bases import load_plain
from stages.core.jsonl import read_json, write_json
from stages.core.knobs import without_sum
from stages.core.lineage import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    Manifest,
    adapter_folder,
    read_manifest,
    standing,
)
from stages.core.sums import total_config, total_weights

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

MERGED = "use the merged model: tunegraph export"


def describe(
    configs: dict[str, "LoraConfig"], merged: bool, identity: dict[str, Any]
) -> dict[str, Any]:
    """Return what a manifest says of the root of an adapter folder: `portable`, and why if `none`.

    configs:  of every adapter between the base's own weights and the model, by name
    merged:   whether some of them are merged into the base
    identity: of the base
    One adapter alone is its own portable form, whatever its knobs. Where adapters are merged into
    weights of less than float32, these are rounded to what no adapter on the base can say.
    """
    if len(configs) == 1:
        return {"portable": "self"}
    precision = identity["dtype"] if identity["quantize"] == "none" else identity["quantize"]
    if merged and precision != "float32":
        reason = f"parents are merged into a base of {precision}, which rounds them"
        return {"portable": "none", "portable_reason": f"{reason}; {MERGED}"}
    found = [
        f"{name}: {', '.join(knobs)}"
        for name, config in configs.items()
        if (knobs := without_sum(config.to_dict()))
    ]
    if not found:
        return {"portable": "sum"}
    reason = "no exact sum for " + "; ".join(found)
    return {"portable": "none", "portable_reason": f"{reason}; {MERGED}"}


def save(
    grown: "PeftModel", adapter: dict[str, Any], base: Path, on: Path, model: Path
) -> dict[str, Any]:
    """Write an adapter folder: copies of the parents, the new adapter, and their sum at the root.

    adapter: its `name` and `mode`, as params.yaml has them
    base:    models/base, by the path that the root's config names it with
    on:      the folder of the model that it was trained on, whose parents are copied
    Returns what the manifest says of the root: `portable`, and why if there is no exact sum.
    """
    from peft import LoraConfig

    name, below = adapter["name"], read_manifest(on)
    parents, merged = standing(below, adapter["mode"])
    for parent in parents:
        shutil.copytree(
            adapter_folder(on, parent),
            adapter_folder(model, parent),
            copy_function=shutil.copyfile,
        )
    _save_adapter(grown, name, adapter_folder(model, name), base, below)
    folders = {each: adapter_folder(model, each) for each in [*parents, name]}
    own = below["base"].get("adapter")
    if own:
        folders = {"base": base / "adapter"} | folders
    configs = {each: LoraConfig.from_pretrained(folder) for each, folder in folders.items()}
    told = describe(configs, bool(merged or own), below["base"])
    if told["portable"] == "self":
        for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(adapter_folder(model, name) / file, model / file)
    elif told["portable"] == "sum":
        if merged or own:  # they are no layers of the model any more
            grown = put_on(load_plain(base, {"device": "cpu"}), folders)
        _save_sum(grown, list(folders), model, base, below)
    return told


def _save_adapter(grown: "PeftModel", name: str, folder: Path, base: Path, below: Manifest) -> None:
    """Save one adapter as PEFT does, in bytes that do not change from run to run."""
    from peft import LoraConfig

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # No new tokens here; "auto" would look the base up on the hub to see whether there are.
        grown.save_pretrained(
            scratch, selected_adapters=[inside(name)], save_embedding_layers=False
        )
        # PEFT puts every adapter but "default" into a folder of its name.
        saved = Path(scratch) / inside(name)
        _save_config(LoraConfig.from_pretrained(saved), folder, base, below)
        shutil.copyfile(saved / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)


def _save_sum(
    whole: "PeftModel", chain: list[str], folder: Path, base: Path, below: Manifest
) -> None:
    """Save the sum of the chain as one ordinary adapter of rank r1 + r2 + ..., float32."""
    from safetensors.torch import save_file

    names = [inside(each) for each in chain]
    configs = [whole.peft_config[each] for each in names]
    rank = total_config(configs, set()).r
    weights = total_weights(whole.base_model.model, names, rank)
    changed = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in weights}
    save_file(weights, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    (folder / ADAPTER_WEIGHTS).chmod(0o644)
    _save_config(total_config(configs, changed), folder, base, below)


def _save_config(config: "LoraConfig", folder: Path, base: Path, below: Manifest) -> None:
    """Save an adapter's config as PEFT does, with its lists in order, the base and its revision.

    The base is called as the repository calls it: `models/base`, where it holds the weights.
    """
    identity = below["base"]
    config.base_model_name_or_path = (
        base.as_posix() if identity["source"] == "scratch" else identity["id"]
    )
    config.revision = identity["revision"]
    config.save_pretrained(folder)
    saved = read_json(folder / ADAPTER_CONFIG)
    # Lists that PEFT made from sets come in the order of this process's hash seed.
    for key, value in saved.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            saved[key] = sorted(value)
    write_json(folder / ADAPTER_CONFIG, saved)
