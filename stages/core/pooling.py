"""How a sentence encoder makes one vector of many, as its own files declare it."""

import json
from pathlib import Path
from typing import Any

from stages.core.errors import ConfigError, Fault

POOLINGS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
MODULES = ("Transformer", "Pooling", "Normalize")


def declared_pooling(path: str, where: str, revision: str = "main") -> tuple[str, bool, int | None]:
    """Read pooling, normalisation and the longest input, as the encoder's own files declare them.

    Without modules.json: mean pooling, which is what sentence-transformers takes for granted.
    Source: https://sbert.net/docs/package_reference/sentence_transformer/modules.html
    """
    modules = _read(path, "modules.json", revision, where)
    if modules is None:
        return "mean", False, None
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    unknown = [kind for kind in kinds if kind not in MODULES]
    pooling = {}
    for module, kind in zip(modules, kinds, strict=True):
        if kind == "Pooling":
            pooling = _read(path, f"{module['path']}/config.json", revision, where) or {}
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
    if pooling.get("pooling_mode"):  # how newer encoders spell it
        modes = [f"pooling_mode_{pooling['pooling_mode']}_token"]
        modes = [mode if mode in POOLINGS else f"{mode}s" for mode in modes]
    if unknown or len(modes) != 1 or modes[0] not in POOLINGS:
        what = f"the encoder pools by {', '.join(unknown or modes) or 'nothing known'}"
        raise ConfigError(Fault(where, what, "cls or mean pooling, normalised or not"))
    limits = _read(path, "sentence_bert_config.json", revision, where) or {}
    return POOLINGS[modes[0]], "Normalize" in kinds, limits.get("max_seq_length")


def _read(path: str, name: str, revision: str, where: str) -> Any:
    """Read a JSON file of a folder or of the hub; None when the model has no such file.

    Raises: ConfigError where that cannot be told: the cache lacks it and the hub does not answer.
        To take it for absent would pool in another way than the model does, and say nothing.
    """
    if Path(path).is_dir():
        found = Path(path, name)
        return json.loads(found.read_text(encoding="utf-8")) if found.is_file() else None
    from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if try_to_load_from_cache(path, name, revision=revision) is _CACHED_NO_EXIST:
        return None  # the hub said so once
    try:
        found = Path(hf_hub_download(path, name, revision=revision))
    except LocalEntryNotFoundError:
        what = f"{path!r}: its {name} is not in the cache, and the hub does not answer"
        then = "run it once with the hub at hand; or download the model and give its folder"
        raise ConfigError(Fault(where, what, "all that says how it pools", then)) from None
    except EntryNotFoundError:
        return None
    return json.loads(found.read_text(encoding="utf-8"))
