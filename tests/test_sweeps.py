"""`dvc exp run -S` changes what it names in every recipe, and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.check.aliases import shared
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "recipes").glob("*/params*.yaml"))
# The six of seed 003, and early stopping.
KNOBS = {
    "lora.r": 8,
    "lora.lora_alpha": 16,
    "lora.use_rslora": True,
    "sft.packing": "flip",
    "sft.warmup_steps": 7,
    "sft.learning_rate": 0.5,
    "sft.early_stopping_patience": 2,
}


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_sweep_changes_the_knob_that_it_names_alone(file: Path, tmp_path: Path):
    from dvc.utils.hydra import apply_overrides

    before = dict(flat(read_yaml(file)))
    assert list(shared(read_yaml(file))) == []
    adapters = read_yaml(file)["adapters"]
    for key in adapters:
        edits, swept = [], {}
        for knob, value in KNOBS.items():
            path = f"adapters.{key}.{knob}"
            swept[path] = not before.get(path, False) if value == "flip" else value
            # What params.yaml does not say yet has to be added with a plus.
            edits.append(f"{'' if path in before else '+'}{path}={str(swept[path]).lower()}")
        copy = tmp_path / f"{key}.yaml"
        shutil.copyfile(file, copy)
        apply_overrides(str(copy), edits)
        after = dict(flat(read_yaml(copy)))
        assert {path: after[path] for path in swept} == swept
        changed = {path for path in before if after.get(path) != before[path]}
        assert changed <= swept.keys()
        assert len(changed) >= 3
        # A new key reaches the adapters below that take over all of this one's with `<<`.
        added = after.keys() - before.keys()
        assert {path.split(".", 2)[2] for path in added} <= KNOBS.keys()


def test_there_are_recipes_to_sweep():
    assert len(FILES) >= 3
