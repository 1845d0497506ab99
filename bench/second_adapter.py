"""Peak memory of training a second adapter on the first, against the first on the base.

A base of random weights, in float32 and in 4 bits; the same rows, the same batches, a fresh process
each, on a CPU. What may come on top is the first adapter, frozen: the base is loaded once. A run
that holds a second base on purpose shows that one would be noticed. A peak varies by tens of MiB
from run to run with what the allocator holds in pieces: the lowest of a few counts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from figures import Figure, report
from fresh import ROOT
from generating import scratch

SIZES = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 6}
SIZES |= {"num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": 4096}
# Beyond the frozen adapter: what the allocator does, and noise. A share of the base in float32,
# for 4 bits too: a second base in 4 bits would be more than twice that.
ALLOWED = 0.1
ASKED = "Put these words into the other order: {}."
WORDS = ("ash", "bee", "cat", "dog", "elm", "fir", "gnu", "hen", "ivy", "jay", "kit", "lark", "oak")

# Makes a local base, and models/base of it, in the working directory.
MAKE = """
import json, sys
from pathlib import Path
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from stages.base.scratch import make_tokenizer
from stages.base.__main__ import main
texts = [m["content"] for l in Path("mix/train.jsonl").read_text().splitlines()
         for m in json.loads(l)["messages"]]
tokenizer = make_tokenizer(texts, 400)
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(**json.loads(sys.argv[1]))).save_pretrained("own")
tokenizer.save_pretrained("own")
sys.argv = ["base", "--corpus", "mix", "--model", "models/base", "--curve", "c", "--costs", "k"]
main()
"""


def params(quantize: str, steps: int) -> dict[str, Any]:
    """Return the parameters of a base and of two adapters of the same knobs and rows."""
    lora = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
    sft = {"learning_rate": 1e-4, "max_steps": steps, "per_device_train_batch_size": 2}
    sft |= {"max_length": 128, "eval_steps": steps}
    adapters = {
        f"m{name}": {"name": name, "on": on, "mode": "stack", "lora": lora, "sft": sft}
        for name, on in (("2b", "base"), ("2c", "2b"))
    }
    base = {"source": "local", "id": "own", "dtype": "float32", "quantize": quantize}
    return {
        "seed": {"data": 13, "base": 13, "train": 13},
        "compute": {"device": "cpu", "threads": 1},
        "launch": {"launcher": "python", "processes": 1, "nodes": 1, "fsdp": False},
        "base": {**base, "set": "own", "attn_implementation": "sdpa"},
        "adapters": adapters,
    }


def rows(count: int) -> list[dict[str, Any]]:
    """Return rows as data/mix holds them."""
    found = []
    for at in range(count):
        words = [WORDS[(at * 7 + step * (at % 5 + 1)) % len(WORDS)] for step in range(12)]
        asked = {"role": "user", "content": ASKED.format(" ".join(words))}
        answer = {"role": "assistant", "content": " ".join(reversed(words))}
        found.append(
            {
                **{"id": f"{at:016x}", "set": "own", "skill": "order", "group": str(at)},
                "messages": [asked, answer],
            }
        )
    return found


def python(at: Path, *words: str) -> str:
    """Run a Python in a folder with TuneGraph in reach, and return what it printed."""
    kept = {"TUNEGRAPH_CHECKPOINTS": str(at / "checkpoints"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    environment = {**os.environ, **kept, "DVC_ROOT": str(at)}
    ran = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{words[0]}: exit {ran.returncode}\n{ran.stderr[-4000:]}")
    return ran.stdout


def train(at: Path, name: str, on: str, held: int = 0) -> dict[str, Any]:
    """Train an adapter in a fresh process and return what training_memory.py tells."""
    words = ["--adapter", f"m{name}", "--base", "models/base", "--on", f"models/{on}"]
    words += ["--mix", "mix", "--model", f"models/{name}", "--curve", "c", "--costs", "k"]
    script = ROOT / "bench" / "alone" / "training_memory.py"
    told = python(at, str(script), json.dumps({"words": words, "held": held}))
    return json.loads(told.splitlines()[-1])


def measure(at: Path, quantize: str, steps: int, repeats: int) -> tuple[list[Figure], list[Any]]:
    """Return the figures of one precision, and what each run told."""
    shutil.rmtree(at / "models", ignore_errors=True)
    (at / "params.yaml").write_text(json.dumps(params(quantize, steps)), encoding="utf-8")
    python(at, "-c", MAKE, json.dumps(SIZES))
    first, second = [], []
    for _ in range(repeats):
        first.append(train(at, "2b", "base"))
        second.append(train(at, "2c", "2b"))
    doubled = train(at, "2b", "base", held=1)

    def least(runs: list[Any], key: str) -> float:
        return min(run[key] for run in runs)

    base, frozen = (second[0]["sizes_mib"][kind] for kind in ("base", "frozen"))
    assert first[0]["sizes_mib"]["frozen"] == 0.0 < frozen
    # In 4 bits two weights are a byte: what the base was made with, in float32, tells the noise.
    full = sum(file.stat().st_size for file in (at / "own").glob("*.safetensors")) / 2**20
    bound = frozen + ALLOWED * full
    label = {"none": "float32", "4bit": "4 bits"}[quantize]
    figures = [Figure(f"{label}: base", base, "MiB")]
    figures += [
        Figure(f"{label}: {said}", value, "MiB")
        for said, value in (
            ("the first adapter, frozen (expected)", frozen),
            ("the second, and its optimizer", first[0]["sizes_mib"]["trained"] * 3),
            ("peak of training 2b on base", least(first, "training_mib")),
            ("peak of training 2c on 2b", least(second, "training_mib")),
        )
    ]
    for said, key in (("while training", "training_mib"), ("whole process", "whole_mib")):
        more = least(second, key) - least(first, key)
        figures.append(Figure(f"{label}: more, {said}", more, "MiB", None, bound))
    noticed = doubled["training_mib"] - least(first, "training_mib")
    figures.append(Figure(f"{label}: a second base held", noticed, "MiB", 0.8 * base))
    return figures, [*first, *second, doubled]


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="the lowest peak of them counts")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    figures: list[Figure] = []
    runs: dict[str, Any] = {}
    with scratch() as at:
        (at / "mix").mkdir()
        lines = "".join(json.dumps(row) + "\n" for row in rows(16))
        for side in ("train", "val"):
            (at / "mix" / f"{side}.jsonl").write_text(lines, encoding="utf-8")
        for quantize in ("none", "4bit"):
            found, runs[quantize] = measure(at, quantize, args.steps, args.repeats)
            figures += found
    report(figures, args.json, sizes=SIZES, runs=runs)


if __name__ == "__main__":
    main()
