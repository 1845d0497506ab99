"""Digests of what a model consists of: weights, adapters, a tokenizer, a chat template."""

import hashlib
from pathlib import Path

from stages.core.digest import digest, file_digest

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
CHAT_TEMPLATE = "chat_template.jinja"
# What a base folder holds that is not its tokenizer's.
NOT_TOKENIZER = ("adapter", "manifest.json", "config.json", "generation_config.json")
# What decides which model weights are: another rope_theta is another one.
OF_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "config.json")


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text (a chat template), 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def weights_digest(folder: Path) -> str | None:
    """Return one digest over a folder's safetensors files and their config, names and contents.

    None where there are no weights.
    """
    if not any(folder.glob("*.safetensors")):
        return None
    return digest({file.name: file_digest(file) for of in OF_WEIGHTS for file in folder.glob(of)})


def adapter_digest(folder: Path) -> str | None:
    """Return one digest over an adapter's config and weights; None where either is missing.

    The config too: another `lora_alpha` beside the same weights is another adapter.
    """
    files = [folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS]
    if not all(file.is_file() for file in files):
        return None
    return digest({file.name: file_digest(file) for file in files})


def lacking(folder: Path) -> str:
    """Say why an adapter's folder has no digest."""
    files = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    missing = " and ".join({ADAPTER_CONFIG, ADAPTER_WEIGHTS} - set(files))
    pickles = [name for name in files if Path(name).suffix in (".bin", ".pt", ".pth", ".pkl")]
    said = f"; {pickles[0]} is a pickle, which can run code and is not loaded" if pickles else ""
    return f"no {missing}{said}"


def tokenizer_files(base: Path) -> list[Path]:
    """Return the files and folders of a base folder that are its tokenizer's, template included."""
    return [
        file
        for file in sorted(base.iterdir())
        if file.name not in NOT_TOKENIZER and ".safetensors" not in file.suffixes
    ]


def tokenizer_digest(base: Path) -> str:
    """Return one digest over the files of a base folder's tokenizer, but the chat template."""
    found = [file for file in tokenizer_files(base) if file.is_file()]
    return digest({file.name: file_digest(file) for file in found if file.name != CHAT_TEMPLATE})
