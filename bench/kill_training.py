"""Kill trainings by SIGKILL at five random moments each, repeat them, and compare the bytes.

A base from scratch and an adapter on it are trained by the stages themselves, in processes of
their own, with the sizes of the default recipe and fewer steps. Each is killed, started again,
killed again ..., and at last runs to its end: model and curve have to be byte for byte those of a
run that nobody disturbed. What a kill costs is the steps that were trained twice; that is at most
one interval between checkpoints. A moment is a random step and a random part of a step after it.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Figure, report

from stages.core.jsonl import write_json, write_rows
from stages.core.params import read_yaml
from tools.show import aligned

ROOT = Path(__file__).resolve().parents[1]
WORDS = ("cat", "dog", "sun", "sea", "ash", "oak", "elm", "fir", "bee", "fox", "hen", "owl", "yak")


def trained(stage: str, file: str) -> None:
    """Run a stage in this process and note each step as it begins: what `main` starts.

    file: gets a line of JSON for each step, and a last one with what was spent on checkpoints
    """
    import importlib

    from stages.core.torch_setup import hush_bitsandbytes

    hush_bitsandbytes()
    import transformers

    from stages.core.resuming import Resumable

    notes = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    spent = [0.0]

    def note(**what: float) -> None:
        os.write(notes, (json.dumps(what) + "\n").encode())

    step, save = transformers.Trainer.training_step, Resumable._save_checkpoint

    def noted(trainer: Any, *args: Any) -> Any:
        note(step=trainer.state.global_step)
        return step(trainer, *args)

    def timed(trainer: Any, *args: Any) -> None:
        before = time.process_time()
        save(trainer, *args)
        spent[0] += time.process_time() - before

    transformers.Trainer.training_step, Resumable._save_checkpoint = noted, timed
    importlib.import_module(f"stages.{stage}.__main__").main()
    note(spent_s=spent[0], cpu_s=time.process_time())


@dataclass
class Training:
    """One training: `stage` with these words, in a folder with params.yaml and rows."""

    name: str
    stage: str
    folder: Path
    words: list[str]

    def __post_init__(self) -> None:
        self.model, self.curve = f"models/{self.name}", f"curves/{self.name}.csv"
        self.steps = f"{self.name}.jsonl"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the stage."""
        path = os.pathsep.join((str(ROOT), str(ROOT / "bench")))
        more = {"PYTHONPATH": path, "TUNEGRAPH_CHECKPOINTS": str(self.folder / "kept")}
        more |= {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
        code = f"from kill_training import trained; trained({self.stage!r}, {self.steps!r})"
        said = ["--model", self.model, "--curve", self.curve, "--costs", "costs.json"]
        words = [sys.executable, "-c", code, *self.words, *said]
        env = os.environ | more
        return subprocess.Popen(words, cwd=self.folder, env=env, stdout=subprocess.DEVNULL)

    def run(self) -> dict[str, float]:
        """Run it to its end; return what it spent."""
        if self.start().wait():
            raise SystemExit(f"{self.stage} failed in {self.folder}")
        return self.noted()[-1]

    def noted(self) -> list[dict[str, float]]:
        """Return all that was noted so far."""
        file = self.folder / self.steps
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def kill(self, at: int, later_s: float, most_s: float = 300.0) -> int:
        """Kill a run once it is in that step; return the step in which it died.

        Raises: SystemExit when it ended before, or takes too long.
        """
        run, until = self.start(), time.monotonic() + most_s
        before = len(self.noted())
        while len(noted := self.noted()) == before or noted[-1].get("step", -1) < at:
            if run.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{self.stage} came to no step {at}")
            time.sleep(0.01)
        time.sleep(later_s)
        run.send_signal(signal.SIGKILL)
        run.wait()
        return int(self.noted()[-1]["step"])

    def made(self) -> dict[str, bytes]:
        """Return the bytes of the model and of the curve."""
        files = [*(self.folder / self.model).rglob("*"), self.folder / self.curve]
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in files
            if file.is_file()
        }


def write(folder: Path, steps: int, interval: int, rows: int) -> list[Training]:
    """Write parameters and rows; return the trainings, of the base first."""
    params = read_yaml(ROOT / "params.yaml")
    told = {"max_steps": steps, "eval_steps": interval, "save_steps": interval}
    params["base"]["scratch"]["sft"] |= told
    for adapter in params["adapters"].values():
        adapter["sft"] |= told
        adapter["lora"] |= {"lora_dropout": 0.1}  # draws random numbers at every step
    write_json(folder / "params.yaml", params)
    draw = random.Random(13)
    for side, count in (("train", rows), ("val", 40)):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(4, 24))) for _ in range(count)]
        turns = [(f"Say it backwards: {text}", " ".join(text.split()[::-1])) for text in texts]
        write_rows(
            folder / "rows" / f"{side}.jsonl",
            (
                {
                    "id": f"{at:016x}",
                    "messages": [
                        {"role": "user", "content": asked},
                        {"role": "assistant", "content": answer},
                    ],
                }
                for at, (asked, answer) in enumerate(turns)
            ),
        )
    on = ["--base", "models/base", "--on", "models/base", "--mix", "rows"]
    adapter = ["--adapter", next(iter(params["adapters"])), *on]
    return [
        Training("base", "base", folder, ["--corpus", "rows"]),
        Training("adapter", "train", folder, adapter),
    ]


def disturb(
    training: Training, kills: int, steps: int, moments: random.Random
) -> list[tuple[int, int]]:
    """Kill a training so many times and let it end; return where it died and where it went on."""
    died, begun = [], []
    share = (steps - 1) // kills
    for kill in range(kills):
        before = len(training.noted())
        at = kill * share + moments.randint(1, share)
        died.append(training.kill(at, moments.uniform(0, 0.2)))
        begun.append(int(training.noted()[before]["step"]))
    before = len(training.noted())
    training.run()
    begun.append(int(training.noted()[before]["step"]))
    assert begun[0] == 0
    return list(zip(died, begun[1:], strict=True))


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--interval", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=3, help="of the moments")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    moments, figures = random.Random(args.seed), []
    lines = [("model", "kill", "in step", "went on from", "trained twice", "interval")]
    with tempfile.TemporaryDirectory(prefix="tunegraph-bench-") as scratch:
        sizes = (args.steps, args.interval, args.rows)
        alone, disturbed = (write(Path(scratch, name), *sizes) for name in ("alone", "killed"))
        for undisturbed, training in zip(alone, disturbed, strict=True):
            name, spent = training.name, undisturbed.run()
            kills = disturb(training, args.kills, args.steps, moments)
            twice = [at - on for at, on in kills]
            for number, (at, on) in enumerate(kills, 1):
                lines.append((name, *map(str, (number, at, on, at - on, args.interval))))
            made = training.made()
            assert len(made) > 5
            left = [path for path in (training.folder / "kept").rglob("*") if path.is_file()]
            share, count = (
                100 * spent["spent_s"] / spent["cpu_s"],
                (args.steps - 1) // args.interval,
            )
            figures += [
                Figure(f"{name}: kills before the end", len(kills), "", at_least=args.kills),
                Figure(f"{name}: trained twice, at most", max(twice), "steps", None, args.interval),
                Figure(f"{name}: as undisturbed", made == undisturbed.made(), "(1: yes)", 1),
                Figure(f"{name}: files left of checkpoints", len(left), "", at_most=0),
                Figure(f"{name}: CPU time for {count} checkpoints", share, "%"),
            ]
    print(aligned(lines), end="\n\n")
    report(figures, args.json, steps=args.steps, interval=args.interval, seed=args.seed)


if __name__ == "__main__":
    main()
