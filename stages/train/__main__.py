"""Run the train stage: see `stages.train`."""

from argparse import Namespace
from typing import Any

from stages.core import checkpoints, contract, entry, portable, stack
from stages.core.costs import spending
from stages.core.curve import write_curve
from stages.core.fitting import fit, lowerable
from stages.core.folders import replacing_folder
from stages.core.jsonl import read_rows
from stages.core.lineage import adapter_manifest, read_manifest, write_manifest
from stages.core.params import load
from stages.core.torch_setup import prepare
from stages.train import __doc__ as about
from stages.train import workers
from stages.train.launch import arguments, gather, hold_trainer, is_first, own_compute
from stages.train.rows import counted, encode_sides
from stages.train.trainer import make_trainer, spent

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
    workers.run(lambda: train(args, params), params)


def train(args: Namespace, params: dict[str, Any]) -> None:
    """Train in this process, alone or with others; the first one writes."""
    adapter, compute = params["adapters"][args.adapter], params["compute"]
    rows = {side: read_rows(args.mix / f"{side}.jsonl") for side in ("train", "val")}
    launch, first = params["launch"], is_first()
    with checkpoints.kept() as kept, spending(args.costs if first else None) as costs:
        prepare(compute, params["seed"]["train"])
        tokenizer = stack.load_tokenizer(args.base)
        model = stack.begin(args.base, args.on, adapter, own_compute(args.base, launch, compute))
        agreed = contract.made(tokenizer, model.generation_config, rows["train"])
        inputs = [args.mix / f"{side}.jsonl" for side in rows] + [args.base, args.on]
        encoded = encode_sides(tokenizer, rows, adapter["sft"])
        trainer = make_trainer(
            model, tokenizer, encoded, arguments(launch) | adapter["sft"], compute["device"],
            params["seed"]["train"],
            kept(adapter["name"], checkpoints.key_of("train", params, inputs)),
        )  # fmt: skip
        hold_trainer(launch, trainer)
        below = read_manifest(args.on)
        lower = lowerable(args.adapter, adapter, below["base"]["quantize"])
        state = fit(trainer, adapter["sft"], lower)
        gather(model)
        if not first:
            return
        with replacing_folder(args.model) as folder:
            told = portable.save(model, adapter, args.base, args.on, folder)
            stack.copy_tokenizer(args.base, folder)
            told |= {"contract": agreed, "rows": encoded["train"].counts}
            manifest = adapter_manifest(adapter, folder, below, args.mix / "train.jsonl", told)
            write_manifest(folder, manifest)
        write_curve(args.curve, state.log_history)
        costs |= spent(trainer)
    entry.say("train", f"{adapter['name']}: {counted(encoded)}, {state.global_step} steps")


if __name__ == "__main__":
    entry.run(main)
