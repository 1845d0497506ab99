"""Run the train stage: see `stages.train`."""

import shutil
import tempfile
from pathlib import Path

from stages.core import entry, portable, stack
from stages.core.costs import spending
from stages.core.curve import write_curve
from stages.core.fitting import fit
from stages.core.jsonl import read_rows
from stages.core.lineage import adapter_manifest, read_manifest, write_manifest
from stages.core.params import load
from stages.core.torch_setup import prepare
from stages.train import __doc__ as about
from stages.train.trainer import make_trainer

PARAMS = (
    "adapters.{key}.name",
    "adapters.{key}.mode",
    "adapters.{key}.lora",
    "adapters.{key}.sft",
    "compute",
    "launch",
    "seed.train",
)


def main() -> None:
    """Train `--adapter` on `--on` and write its folder."""
    args = entry.flags(
        about, "--base", "--on", "--mix", "--model", "--curve", "--costs", names=("--adapter",)
    )
    params = load(PARAMS, key=args.adapter)
    adapter, compute = params["adapters"][args.adapter], params["compute"]
    rows = {side: read_rows(args.mix / f"{side}.jsonl") for side in ("train", "val")}
    with spending(args.costs) as costs:
        prepare(compute, params["seed"]["train"])
        tokenizer = stack.load_tokenizer(args.base)
        model = stack.grow(
            stack.load(args.base, args.on, compute), adapter["name"], adapter["lora"]
        )
        with tempfile.TemporaryDirectory() as scratch:
            trainer = make_trainer(
                model, tokenizer, rows, adapter["sft"], compute["device"],
                params["seed"]["train"], Path(scratch),
            )  # fmt: skip
            state = fit(trainer)
        shutil.rmtree(args.model, ignore_errors=True)
        told = portable.save(model, adapter["name"], args.on, args.model)
        stack.copy_tokenizer(args.base, args.model)
        below = read_manifest(args.on)
        manifest = adapter_manifest(
            adapter["name"], args.model, below, args.mix / "train.jsonl", told
        )
        write_manifest(args.model, manifest)
        write_curve(args.curve, state.log_history)
        costs["tokens"] = int(max(logged.get("num_tokens", 0) for logged in state.log_history))
    entry.say("train", f"{adapter['name']}: {len(rows['train'])} rows, {state.global_step} steps")


if __name__ == "__main__":
    entry.run(main)
