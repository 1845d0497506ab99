"""A base with an adapter of its own: one that was trained elsewhere, merged in at every loading."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.fingerprints import ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_digest, lacking
from stages.core.jsonl import read_json
from stages.core.knobs import refused
from stages.core.reaching import reaching

if TYPE_CHECKING:
    from peft import PeftConfig


def fetch_adapter(adapter: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the adapter of a base into `folder`, and return what the manifest says of it.

    adapter: `id` and `revision`: of the hub where a revision is given, else a folder: one that PEFT
             wrote, an adapter of an earlier project (its root, or one of its `adapters/`)
    Copied, so that the model stands when its source has gone; a few MB.
    Raises: ConfigError when it cannot be had, has no safetensors, or cannot be merged exactly.
    """
    name, revision = adapter["id"], adapter.get("revision")
    where = f"params.yaml: base.adapter.id: {name}"
    source = Path(name)
    if revision:
        from huggingface_hub import snapshot_download

        with reaching({"source": "hub", **adapter}, "base.adapter"):
            found = snapshot_download(
                name, revision=revision, allow_patterns=[ADAPTER_CONFIG, ADAPTER_WEIGHTS]
            )
        source = Path(found)
    elif not source.is_dir():
        expected = "a folder, or an id of the hub with base.adapter.revision"
        raise ConfigError(Fault(where, "there is no such folder", expected))
    if adapter_digest(source) is None:
        raise ConfigError(
            Fault(where, lacking(source), "an adapter that PEFT wrote", _then(source))
        )
    folder.mkdir()
    for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copyfile(source / file, folder / file)
    config = _config(folder, where)
    if faults := [Fault(where, what, "an adapter that can be merged") for what in _against(config)]:
        raise ConfigError(*faults)
    return {"id": name, "revision": revision, "digest": adapter_digest(folder)}


def _then(source: Path) -> str:
    """Return what to do about a folder that holds no adapter."""
    manifest = source / "manifest.json"
    if manifest.is_file() and read_json(manifest).get("portable") == "none":
        return (
            "it is a stack without a sum: `tunegraph export` it there, and name the folder as "
            "base.id with source: local"
        )
    return "load it where you trust it and `save_pretrained` it again"


def _config(folder: Path, where: str) -> "PeftConfig":
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(folder)
    except (KeyError, TypeError, ValueError) as error:
        what = f"its {ADAPTER_CONFIG} cannot be read: {error}"
        raise ConfigError(Fault(where, what, "an adapter that PEFT wrote")) from error


def _against(config: "PeftConfig") -> list[str]:
    """Return why an adapter cannot be merged into a base."""
    if (kind := str(getattr(config.peft_type, "value", config.peft_type))) != "LORA":
        return [f"it is of the kind {kind}, not LORA"]
    return refused(config.to_dict())
