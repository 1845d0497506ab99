"""Measure 4-bit LoRA on a GPU: Llamas of the shapes of 1B and 8B, random weights, sequence 1,024.

Ours packs rows into sequences of 1,024 tokens; TRL's SFTTrainer runs with its defaults (bf16,
gradient checkpointing, as many random rows a batch, padded) on the same model and rows, each in a
process of its own. Tokens without padding by second; peak memory as torch counts it; the share of
the chip's dense bf16 peak by 4 floating-point operations a weight and token (a frozen weight has no
gradient), without attention and without what checkpointing computes again.
Without a CUDA device there is nothing to measure.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from contenders import OURS, TRAIN, TRL_TRUE, Case
from figures import Figure, report
from training import LORA, mixed_rows, padding_tokenizer

ROOT = Path(__file__).resolve().parents[1]
SIZES: dict[str, dict[str, Any]] = {
    "1B": {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": True,
    },
    "8B": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False,
    },
}  # fmt: skip
VOCABULARY, SEQUENCE = 128_256, 1024
# Dense bf16, in 10^12 operations a second, by the makers' data sheets.
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "4090": 165}


def quantised_llama(sizes: dict[str, Any], device: str, vocabulary: int = VOCABULARY) -> Any:
    """Return a Llama of random weights, its layers in nf4 with double quantization, and an adapter.

    It is made in bf16 on the device: what `from_pretrained` does needs a folder of weights.
    """
    import bitsandbytes as bnb
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(13)
    config = LlamaConfig(
        **sizes, vocab_size=vocabulary, max_position_embeddings=SEQUENCE, dtype="bfloat16",
        attn_implementation="sdpa",
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, linear in list(part.named_children()):
                if isinstance(linear, torch.nn.Linear):
                    small = bnb.nn.Linear4bit(
                        linear.in_features, linear.out_features, bias=False,
                        compute_dtype=torch.bfloat16, compress_statistics=True, quant_type="nf4",
                        device="meta",
                    )  # fmt: skip
                    small.weight = bnb.nn.Params4bit(
                        linear.weight.data, requires_grad=False, compress_statistics=True,
                        quant_type="nf4",
                    )  # fmt: skip
                    setattr(part, name, small.to(device))
    model.is_loaded_in_4bit = True
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA))


def case_of(size: str, sizes: dict[str, Any], steps: int, batch: int, device: str) -> Case:
    """Return what is trained: rows up to the sequence, log-normal in length."""
    from stages.core.torch_setup import prepare
    from stages.train.rows import Encoded

    rows = mixed_rows(max(40 * batch, 20 * batch * steps), VOCABULARY, SEQUENCE)
    sft = {
        "learning_rate": 2e-4, "per_device_train_batch_size": batch, "max_length": SEQUENCE,
        "packing": True, "bf16": True, "gradient_checkpointing": True,
    }  # fmt: skip
    return Case(
        size,
        sft,
        steps,
        lambda: prepare({"device": device, "threads": 4}, 13),
        lambda: (quantised_llama(sizes, device), padding_tokenizer()),
        lambda _: Encoded(rows, 0),
        lambda _: rows,
        device=device,
    )


def weights(sizes: dict[str, Any]) -> int:
    """Return how many weights a token is multiplied with: those of the layers and of the head."""
    hidden, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    grouped = hidden * sizes["num_key_value_heads"] // heads
    layer = 2 * hidden * (hidden + grouped) + 3 * hidden * sizes["intermediate_size"]
    return sizes["num_hidden_layers"] * layer + hidden * VOCABULARY


def measure(size: str, kind: str, args: argparse.Namespace) -> dict[str, float]:
    """Run one contender in a process of its own and return its figures."""
    command = [
        sys.executable, __file__, "--child", kind, "--size", size, "--steps", str(args.steps),
        "--batch", str(args.batch),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\n{size}: {kind} failed")
    return json.loads(done.stdout.splitlines()[-1])


def figures_of(size: str, args: argparse.Namespace, name: str) -> list[Figure]:
    """Return the figures of one size."""
    ours, theirs = (measure(size, kind, args) for kind in (OURS, TRL_TRUE))
    peak = args.peak_tflops or next(
        (tflops for chip, tflops in PEAK_TFLOPS.items() if chip in name), None
    )
    found = [Figure(f"{size}: ours against TRL", ours["rate"] / theirs["rate"], "x", 1.5, goal=2.5)]
    for who, run in ((OURS, ours), (TRL_TRUE, theirs)):
        found += [
            Figure(f"{size}: {who}", run["rate"], "tokens/s"),
            Figure(f"{size}: {who}, padding", run["padding"]),
            Figure(f"{size}: {who}, peak memory", run["peak_gpu_memory_mb"], "MiB"),
        ]
        if peak:
            share = 4 * weights(SIZES[size]) * run["rate"] / (peak * 1e12)
            found.append(Figure(f"{size}: {who}, share of {peak} TFLOP/s", share))
    return found


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=tuple(SIZES), help="this one only")
    parser.add_argument("--steps", type=int, default=20, help="measured steps")
    parser.add_argument("--batch", type=int, default=8, help="sequences (TRL: rows) a step")
    parser.add_argument("--peak-tflops", type=float, help="of this chip, dense, bf16")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    parser.add_argument("--child", choices=(OURS, TRL_TRUE), help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("gpu: skipped, there is no CUDA device here")
        return
    if args.child:
        case = case_of(args.size, SIZES[args.size], args.steps, args.batch, "cuda")
        run = TRAIN[args.child](case, args.child)
        told = {"rate": run.rate, "padding": run.padding}
        print(json.dumps(told | {"peak_gpu_memory_mb": run.peak_gpu_memory_mb}))
        return
    name = torch.cuda.get_device_name()
    print(name)
    sizes = [args.size] if args.size else list(SIZES)
    found = [figure for size in sizes for figure in figures_of(size, args, name)]
    report(found, args.json, device=name)


if __name__ == "__main__":
    main()
