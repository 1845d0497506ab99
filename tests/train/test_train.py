"""Training adapters: the same bytes twice, loss on the answer alone, what is logged."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import answer
from stages.core import stack
from stages.core.digest import file_digest
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
ROOT = Path(__file__).resolve().parents[2]


def digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file_digest(file) for file in files}


def curve(name: str) -> list[dict[str, str]]:
    with Path("metrics/curves", f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_training_again_gives_the_same_bytes(tiny):
    before = {name: digests(Path("models", name)) for name in ("base", "2b", "2c")}
    curves = digests(Path("metrics/curves"))
    assert [len(one) for one in before.values()] == [7, 8, 10]
    tiny.base()
    tiny.train("m2b")
    tiny.train("m2c")
    assert {name: digests(Path("models", name)) for name in before} == before
    assert digests(Path("metrics/curves")) == curves


@pytest.mark.slow
def test_other_processes_with_other_hash_seeds_give_the_same_bytes(tiny):
    before = digests(Path("models/2c"))
    for seed in ("1", "2"):
        words = [sys.executable, "-m", "stages.train", "--adapter", "m2c", "--base", "models/base"]
        words += ["--on", "models/2b", "--mix", "data/mix/2c", "--model", f"models/again{seed}"]
        words += ["--curve", f"again{seed}.csv", "--costs", f"again{seed}.json"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout == "train: 2c: 20 rows, 4 steps\n"
        assert digests(Path("models", f"again{seed}")) == before


def test_another_seed_gives_another_adapter(tiny):
    before = digests(Path("models/2b"))
    tiny.params["seed"]["train"] = 14
    tiny.write_params()
    tiny.train("m2b")
    changed = {name for name, one in digests(Path("models/2b")).items() if before[name] != one}
    weights = {"adapter_model.safetensors", "adapters/2b/adapter_model.safetensors"}
    assert changed == weights | {"manifest.json"}


def test_the_loss_is_that_of_the_answer_and_its_end_alone(tiny):
    """The trainer's last val loss is what `answer` finds on the same rows with the saved model."""
    rows = read_rows(Path("data/mix/2c/val.jsonl"))
    model = stack.load(Path("models/base"), Path("models/2c"), CPU)
    tokenizer = stack.load_tokenizer(Path("models/base"))
    settings = {"max_new_tokens": 1, "batch_tokens": 512}
    answers, _, _ = answer.answer_all("2c", model, tokenizer, rows, settings)
    nll = sum(one["reference_nll"] for one in answers)
    tokens = sum(one["reference_tokens"] for one in answers)
    last = [row for row in curve("2c") if row["split"] == "val"][-1]
    assert last["step"] == "4"
    assert float(last["loss"]) == pytest.approx(nll / tokens, rel=1e-4)


def test_the_curve_has_train_and_val_to_the_last_step(tiny):
    assert [(row["step"], row["split"]) for row in curve("2b")] == [
        ("3", "train"), ("3", "val"), ("4", "train"), ("4", "val"),
    ]  # fmt: skip
    assert all(0.0 <= float(row["token_accuracy"]) <= 1.0 for row in curve("2b"))
    assert read_json(Path("metrics/costs/train.2b.json"))["tokens"] > 100


def test_a_run_shorter_than_its_logging_is_logged_too(tiny):
    tiny.params["adapters"]["m2b"]["sft"] |= {"eval_steps": 50}
    tiny.write_params()
    tiny.train("m2b")
    assert [(row["step"], row["split"]) for row in curve("2b")] == [("4", "train"), ("4", "val")]


def test_without_val_rows_it_trains_without_evaluating(tiny):
    write_rows(Path("data/mix/2b/val.jsonl"), [])
    tiny.train("m2b")
    assert {row["split"] for row in curve("2b")} == {"train"}


def test_what_the_recipe_says_of_the_trainer_is_what_the_trainer_does(tiny):
    sft = {"logging_steps": 1, "eval_steps": 2, "warmup_steps": 2, "weight_decay": 0.1}
    tiny.params["adapters"]["m2b"]["sft"] |= sft
    tiny.write_params()
    tiny.train("m2b")
    assert [row["step"] for row in curve("2b") if row["split"] == "train"] == ["1", "2", "3", "4"]
    assert [row["step"] for row in curve("2b") if row["split"] == "val"] == ["2", "4"]


def test_a_fault_leaves_the_model_that_was_there(tiny):
    before = digests(Path("models/2b"))
    tiny.params["adapters"]["m2b"]["lora"] |= {"r": 0}
    tiny.write_params()
    with pytest.raises(ConfigError, match="adapters: 2b: lora"):
        tiny.train("m2b")
    Path("data/mix/2c/train.jsonl").write_text('{"id": "1"}\n{"id": \n', encoding="utf-8")
    with pytest.raises(InputError, match=r"data/mix/2c/train.jsonl:2: not JSON at column 7"):
        tiny.train("m2c")
    assert digests(Path("models/2b")) == before


def test_a_package_that_is_not_here_is_told_of(tiny):
    manifest = read_json(Path("models/base/manifest.json"))
    manifest["base"]["attn_implementation"] = "flash_attention_2"
    write_json(Path("models/base/manifest.json"), manifest)
    with pytest.raises(
        ConfigError, match=r"base.attn_implementation: flash_attention_2: .*install"
    ):
        tiny.train("m2b")


def test_gradient_checkpointing_trains_the_same(tiny):
    tiny.params["adapters"]["m2c"]["sft"] |= {"gradient_checkpointing": True}
    tiny.write_params()
    before: Any = [row["loss"] for row in curve("2c")]
    tiny.train("m2c")
    assert [row["loss"] for row in curve("2c")] == before
