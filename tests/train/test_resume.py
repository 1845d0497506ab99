"""A training that is killed and run again ends with the bytes of one that was not."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import transformers

from stages.core import checkpoints, folders
from stages.core.errors import ConfigError, UserError
from stages.core.resuming import BEST, WEIGHTS


class Killed(BaseException):
    """What no code catches: it stands for SIGKILL, within one process."""


class Stage:
    """The stage that makes one model of the tiny stack, to be killed and run again."""

    def __init__(self, tiny: Any, key: str = "m2c", **sft: Any) -> None:
        self.tiny, self.key = tiny, key
        params = tiny.params["base"]["scratch"] if key == "base" else tiny.params["adapters"][key]
        params["sft"] = params["sft"] | {"max_steps": 13, "save_steps": 3, "eval_steps": 4} | sft
        if key != "base":
            params["lora"] = params["lora"] | {"lora_dropout": 0.2}
        tiny.write_params()
        self.params = params
        self.name = params.get("name", "base")
        self.folder = Path("models", self.name)

    def run(self) -> list[int]:
        """Run it; return which steps were trained."""
        trained: list[int] = []
        step = transformers.Trainer.training_step

        def counted(trainer: Any, *args: Any) -> Any:
            trained.append(trainer.state.global_step)
            return step(trainer, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transformers.Trainer, "training_step", counted)
            self.tiny.base() if self.key == "base" else self.tiny.train(self.key)
        return trained

    def killed(self, at: int) -> None:
        """Run it and kill it in the training step after step `at`."""
        step = transformers.Trainer.training_step

        def dies(trainer: Any, *args: Any) -> Any:
            if trainer.state.global_step == at:
                raise Killed
            return step(trainer, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transformers.Trainer, "training_step", dies)
            with pytest.raises(Killed):
                self.run()

    def made(self) -> dict[str, bytes]:
        """Return the bytes of the model and of its curve, and remove them."""
        curve = Path("metrics/curves", f"{self.name}.csv")
        files = [file for file in [*self.folder.rglob("*"), curve] if file.is_file()]
        found = {str(file): file.read_bytes() for file in files}
        assert len(found) > 5
        shutil.rmtree(self.folder)
        curve.unlink()
        return found

    def straight(self) -> dict[str, bytes]:
        """Return what it makes without a kill."""
        self.run()
        assert self.kept() == []
        return self.made()

    def kept(self) -> list[str]:
        """Return the checkpoints of this model that lie there, under all keys."""
        return sorted(path.name for path in self.checkpoints())

    def checkpoints(self) -> list[Path]:
        """Return the folders of the checkpoints, the oldest first."""
        return sorted(
            checkpoints.root().glob(f"{self.name}/*/checkpoint-*"),
            key=lambda path: int(path.name.partition("-")[2]),
        )


FAST = {
    "accumulated": {"gradient_accumulation_steps": 2, "neftune_noise_alpha": 5.0},
}
SLOW = {
    "by length": {"train_sampling_strategy": "group_by_length", "logging_steps": 2},
    "plain": {"eval_on_start": True},
    "at the end of an epoch": {"save_steps": 5, "max_steps": 18},
    "packed": {"packing": True, "max_length": 24, "save_steps": 2},
    "padded": {"padding_free": False, "save_steps": 2},
    "by epoch": {"eval_strategy": "epoch", "max_steps": -1, "num_train_epochs": 3},
    "shares": {"eval_steps": 0.3, "save_steps": 0.2},
    "plateau": {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_steps": 2},
    "8bit": {"optim": "adamw_8bit"},
}
slow = [pytest.param(knobs, marks=pytest.mark.slow) for knobs in SLOW]


@pytest.mark.parametrize("knobs", [*FAST, *slow])
def test_goes_on_as_if_it_had_not_been_killed(tiny: Any, knobs: str) -> None:
    """Killed twice: right after a checkpoint, and later on."""
    stage = Stage(tiny, **(FAST | SLOW)[knobs])
    unkilled = stage.straight()
    every = {"at the end of an epoch": 5, "by epoch": 5, "packed": 2, "padded": 2}.get(knobs, 3)
    stage.killed(at=every)
    assert not stage.folder.exists()
    assert stage.kept() == [f"checkpoint-{every}"]
    stage.killed(at=3 * every - 1)
    steps = stage.run()
    assert steps[0] == 2 * every
    assert stage.made() == unkilled
    assert stage.kept() == []


def test_a_base_goes_on(tiny: Any) -> None:
    """Every weight of it trains, and the tied ones are one."""
    stage = Stage(tiny, "base")
    unkilled = stage.straight()
    stage.killed(at=8)
    assert stage.kept() == ["checkpoint-3", "checkpoint-6"]
    assert stage.run()[0] == 6
    assert stage.made() == unkilled


@pytest.mark.slow
def test_patience_and_the_best_survive(tiny: Any) -> None:
    """The val loss only rises: the first evaluation, at step 2, is the best, the third the last.

    The weights that stay are those of a run of two steps.
    """
    rising = {"learning_rate": 0.05, "lr_scheduler_type": "constant", "logging_steps": 3}
    often = {"eval_steps": 2, "save_steps": 5, "early_stopping_patience": 2}
    stage = Stage(tiny, "m2b", **rising, **often)
    stage.params["lora"] = stage.params["lora"] | {"lora_dropout": 0.0}
    tiny.write_params()
    stopped = stage.straight()
    stage.killed(at=5)
    (kept,) = stage.checkpoints()
    assert (kept / BEST).read_bytes() != (kept / WEIGHTS).read_bytes()
    assert stage.run() == [5]
    found = stage.made()
    curve = found["metrics/curves/2b.csv"].decode().splitlines()
    assert [line.split(",")[0] for line in curve if ",val," in line] == ["2", "4", "6"]
    assert [line.split(",")[0] for line in curve if ",train," in line] == ["2", "3", "4", "6"]
    assert found == stopped

    del stage.params["sft"]["early_stopping_patience"]
    stage.params["sft"] |= {"max_steps": 2, "eval_steps": 1, "logging_steps": 1}
    tiny.write_params()
    stage.run()
    weights = "models/2b/adapter_model.safetensors"
    assert stage.made()[weights] == found[weights]


def test_leaves_a_damaged_checkpoint_out(tiny: Any, capsys: Any) -> None:
    """It goes on from the one before, with a word."""
    stage = Stage(tiny)
    stage.killed(at=7)
    before, last = stage.checkpoints()
    whole = (last / "optimizer.pt").read_bytes()
    (last / "optimizer.pt").write_bytes(whole[: len(whole) // 2])
    assert stage.run()[0] == 3
    said = capsys.readouterr().out
    assert f"{last} is damaged: left out" in said
    assert f"{before}\n" in said.partition("going on from ")[2]


def test_takes_no_half_of_a_checkpoint(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when all of it is written, and it has not got its name yet."""
    stage = Stage(tiny)
    unkilled = stage.straight()
    put = checkpoints.put

    def puts_one(written: Path, path: Path) -> None:
        die() if path.name == "checkpoint-6" else put(written, path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "put", puts_one)
        with pytest.raises(Killed):
            stage.run()
    assert stage.kept() == ["checkpoint-3"]
    (saving,) = stage.checkpoints()[0].parent.glob(".saving/checkpoint-*")
    assert (saving / WEIGHTS).is_file()
    assert stage.run()[0] == 3
    assert stage.made() == unkilled


def die(*_: Any, **__: Any) -> None:
    """Die as if by SIGKILL."""
    raise Killed


@pytest.mark.slow
def test_takes_no_half_of_a_model(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it writes the model: what was there is whole, and training is not lost."""
    stage = Stage(tiny)
    before = Path("models/2c/manifest.json").read_bytes()
    for part in ("stages.core.stack.copy_tokenizer", "stages.core.folders.sync"):
        with monkeypatch.context() as patch:
            patch.setattr(part, die if "stack" in part else dies_for("2c"))
            with pytest.raises(Killed):
                stage.run()
        assert Path("models/2c/manifest.json").read_bytes() == before
        assert stage.kept() == ["checkpoint-12", "checkpoint-9"]
    assert stage.run() == [12]
    assert stage.kept() == []


def dies_for(name: str) -> Any:
    """Return what dies where a folder of that name is brought to the disk."""
    sync = folders.sync
    return lambda path: die() if path.name == f".{name}.written" else sync(path)


@pytest.mark.slow
def test_goes_on_from_nothing_else(tiny: Any) -> None:
    """A checkpoint under other parameters, or of other rows, is none of its own."""
    stage = Stage(tiny)
    stage.killed(at=4)
    stage.params["sft"] = stage.params["sft"] | {"learning_rate": 0.02}
    tiny.write_params()
    stage.killed(at=4)
    rows = Path("data/mix/2c/train.jsonl")
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[1:]))
    assert stage.run()[0] == 0
    assert stage.kept() == ["checkpoint-3", "checkpoint-3"]


@pytest.mark.slow
def test_trains_without_while_another_run_holds_them(tiny: Any, capsys: Any) -> None:
    """What the other run keeps is left alone, and both end with the same bytes."""
    stage = Stage(tiny)
    stage.killed(at=4)
    (kept,) = stage.checkpoints()
    with checkpoints.kept() as other:
        other("2c", kept.parent.name)
        assert stage.run()[0] == 0
        mine = stage.made()
        assert "another run holds them; training without" in capsys.readouterr().out
        assert stage.kept() == ["checkpoint-3"]
        shutil.copytree(kept, "copy")
    kept.parent.mkdir()
    shutil.copytree("copy", kept)
    assert stage.run()[0] == 3
    assert stage.made() == mine


def test_writes_only_what_trains(tiny: Any) -> None:
    """Neither the base nor the parents are in a checkpoint."""
    from safetensors import safe_open

    stage = Stage(tiny)
    stage.killed(at=4)
    (kept,) = stage.checkpoints()
    with safe_open(kept / WEIGHTS, "pt") as file:
        names = list(file.keys())
    assert len(names) == 28  # A and B of seven modules in two layers
    assert all(".stacked_2c." in name for name in names)
    assert not list(kept.rglob("*token*"))
    optimizer = (kept / "optimizer.pt").stat().st_size
    assert optimizer < 3 * (kept / WEIGHTS).stat().st_size + 20_000


@pytest.mark.parametrize("knob", [{"early_stopping_patience": 2}, {"load_best_model_at_end": True}])
def test_needs_val_rows_to_tell_the_best(tiny: Any, knob: dict[str, Any]) -> None:
    """There is nothing to tell it by; nothing is trained."""
    stage = Stage(tiny, **knob)
    Path("data/mix/2c/val.jsonl").write_text("")
    (key,) = knob
    with pytest.raises(ConfigError, match=rf"sft\.{key}: there are no validation rows"):
        stage.run()


@pytest.mark.parametrize("key", ["m2c", "base"])
def test_says_what_to_lower(tiny: Any, key: str) -> None:
    """Out of memory is no traceback; what is named has its value beside it."""
    stage = Stage(tiny, key)

    def fails(*_: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.Trainer, "training_step", fails)
        with pytest.raises(UserError, match="out of memory") as told:
            tiny.train(key) if key == "m2c" else tiny.base()
    expected = {
        "m2c": [
            "adapters.m2c.sft.per_device_train_batch_size (now 4)",
            "adapters.m2c.sft.max_length (now 1024)",
            "adapters.m2c.sft.gradient_checkpointing (now False)",
            "adapters.m2c.lora.r (now 4)",
            "base.quantize (now none)",
        ],
        "base": ["base.scratch.batch_tokens (now 128)"],
    }[key]
    assert all(words in str(told.value) for words in expected)
    assert stage.folder.exists()


def test_says_that_the_disk_is_full(tiny: Any) -> None:
    """torch tells it as a RuntimeError; no half of a checkpoint stays."""
    stage = Stage(tiny)

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:855] . PytorchStreamWriter failed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.save", full)
        with pytest.raises(UserError, match="checkpoints cannot be written there"):
            stage.run()
    assert stage.kept() == []


def command(stage: Stage) -> list[str]:
    """Return the command line of a stage."""
    words = [sys.executable, "-m", f"stages.{'base' if stage.key == 'base' else 'train'}"]
    if stage.key == "base":
        words += ["--corpus", "data/splits/original"]
    else:
        words += ["--adapter", stage.key, "--base", "models/base", "--on", "models/2b"]
        words += ["--mix", "data/mix/2c"]
    words += ["--model", str(stage.folder), "--costs", "metrics/costs/x.json"]
    return [*words, "--curve", f"metrics/curves/{stage.name}.csv"]


def killed_by_the_kernel(stage: Stage) -> None:
    """Run a stage with processes of its own; SIGKILL them once a second checkpoint is there."""
    run = subprocess.Popen(command(stage), start_new_session=True)
    until = time.monotonic() + 600
    while len(stage.kept()) < 2 and run.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert len(stage.kept()) >= 2
    assert not stage.folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["m2c", "base"])
def test_survives_sigkill(tiny: Any, key: str) -> None:
    """A process of its own, killed by the kernel."""
    stage = Stage(tiny, key, max_steps=60, save_steps=5, eval_steps=5)
    unkilled = stage.straight()
    killed_by_the_kernel(stage)
    # A process again: this one has imported more, and what is imported is part of the key.
    again = subprocess.run(command(stage), check=True, stdout=subprocess.PIPE, text=True)
    assert int(re.search(r"going on from .*/checkpoint-(\d+)", again.stdout)[1]) >= 10
    assert stage.made() == unkilled


@pytest.mark.slow
def test_two_processes_survive_sigkill(tiny: Any) -> None:
    """Each has random numbers of its own, and rows of its own of the epoch."""
    tiny.params["launch"] |= {"launcher": "torchrun", "processes": 2}
    stage = Stage(tiny, max_steps=30, save_steps=5, eval_steps=5)
    subprocess.run(command(stage), check=True)
    unkilled = stage.made()
    killed_by_the_kernel(stage)
    again = subprocess.run(command(stage), check=True, stdout=subprocess.PIPE, text=True)
    assert "going on from" in again.stdout
    assert stage.made() == unkilled
