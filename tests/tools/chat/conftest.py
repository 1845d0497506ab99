"""The stack of `tests/conftest.py`, and on it a model of each kind that is switched or reloaded."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.core import portable, stack
from stages.core.lineage import adapter_manifest, read_manifest, write_manifest
from tools.chat.models import Model, models

CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"}


def make(name: str, on: str, mode: str = "stack", **lora: Any) -> None:
    """Write an adapter of random weights."""
    import torch

    adapter = {"name": name, "mode": mode, "lora": LORA | lora}
    grown = stack.begin(BASE, MODELS / on, adapter, CPU)
    torch.manual_seed(sum(map(ord, name)))
    for _, parameter in sorted(grown.named_parameters()):
        if parameter.requires_grad:
            parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    folder = MODELS / name
    told = portable.save(grown, adapter, BASE, MODELS / on, folder)
    below, data = read_manifest(MODELS / on), Path("data/test.jsonl")
    write_manifest(folder, adapter_manifest(adapter, folder, below, data, told))


def listed(*names: str) -> dict[str, Model]:
    """Return the models that params.yaml would name, by name; the base, which is always there."""
    found, told = models({"models": {name: {"name": name} for name in names}})
    assert told == []
    assert [model.name for model in found] == list(dict.fromkeys(["base", *names]))
    return {model.name: model for model in found}


@pytest.fixture(scope="session")
def stacked(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with c2 (continue 2c), d3 (DoRA on the base) and m2 (merge 2c) besides."""
    folder = tmp_path_factory.mktemp("chat") / "tiny"
    shutil.copytree(built.folder, folder)
    here = Path.cwd()
    os.chdir(folder)
    try:
        make("c2", "2c", "continue")
        make("d3", "base", use_dora=True)
        make("m2", "2c", "merge")
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(scope="module")
def project(stacked: Path) -> Iterator[Path]:
    """Go to that folder, for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(stacked)
        yield stacked
