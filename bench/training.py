"""Measure the speed of training adapters against TRL's SFTTrainer and a bare PyTorch loop.

Same rows, same batches, same model, same dtype (float32, no gradient checkpointing), one thread,
each run in a process of its own, in turns; tokens without padding by CPU-second; the median of the
paired ratios counts. TRL is set up as a user does who reads its documentation: random batches,
padded, in a plain process. "In our process" gives it this project's settings of torch and of the
memory allocator. Its true defaults (bf16 autocast, gradient checkpointing) are measured as well.

(a) The adapters of params.yaml on what `dvc repro` has built here (or in --built).
(b) A Llama of 20 million random weights, on rows whose lengths spread as those of instruction data
    do: log-normal, median 100 tokens, 16 to 512, the second half of each a target.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from contenders import LOOP, OURS, TRAIN, TRL, TRL_OURS, TRL_TRUE, Case, Run
from figures import Figure, report

from stages.core.params import read_yaml
from tools.show import aligned

ROOT = Path(__file__).resolve().parents[1]
SIZES_20M = {
    "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 9,
    "num_attention_heads": 6, "num_key_value_heads": 6, "vocab_size": 10240,
    "max_position_embeddings": 1024, "tie_word_embeddings": True,
}  # fmt: skip
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}


def adapter_case(key: str, adapter: dict[str, Any], params: dict[str, Any], steps: int) -> Case:
    """Return one adapter of params.yaml, in the folder where everything is built."""
    from stages.core import stack
    from stages.core.jsonl import read_rows
    from stages.core.torch_setup import prepare
    from stages.train.rows import encode_sides

    on, mix = Path("models", adapter["on"]), Path("data/mix", adapter["name"], "train.jsonl")
    if not mix.is_file() or not Path(on, "manifest.json").is_file():
        sys.exit(f"there is no {mix} or no {on} here; dvc repro")
    sft = {
        name: each for name, each in adapter["sft"].items()
        if name not in ("eval_steps", "eval_strategy", "num_train_epochs")
    }  # fmt: skip
    compute = {"device": "cpu", "threads": 1}

    def load() -> tuple[Any, Any]:
        model = stack.begin(Path("models/base"), on, adapter, compute)
        return model, stack.load_tokenizer(Path("models/base"))

    return Case(
        f"adapter {adapter['name']}",
        sft,
        steps,
        lambda: prepare(compute, 13),
        load,
        lambda tokenizer: encode_sides(tokenizer, {"train": read_rows(mix)}, sft)["train"],
        lambda _: [
            {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}
            for row in read_rows(mix)
        ],
        adapter["sft"].get("num_train_epochs", 1.0),
    )


def mixed_rows(count: int, vocabulary: int, longest: int = 512) -> list[dict[str, list[int]]]:
    """Return rows of random tokens, log-normal in length; the second half is to be learned."""
    rng = random.Random(13)
    rows = []
    for _ in range(count):
        length = round(min(max(rng.lognormvariate(4.6, 0.7), 16), longest))
        ids = [rng.randrange(3, vocabulary) for _ in range(length)]
        rows.append({"input_ids": ids, "labels": [-100] * (length // 2) + ids[length // 2 :]})
    return rows


def random_llama(sizes: dict[str, Any]) -> tuple[Any, Any]:
    """Return a Llama of random weights with an adapter, and a tokenizer that only pads."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(13)
    model = LlamaForCausalLM(LlamaConfig(**sizes, attn_implementation="sdpa"))
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA)), padding_tokenizer()


def padding_tokenizer() -> Any:
    """Return a tokenizer for rows that are tokens already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<s>": 1, "</s>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<pad>")),
        pad_token="<pad>", bos_token="<s>", eos_token="</s>",
    )  # fmt: skip


def llama_case(steps: int) -> Case:
    """Return the model of 20 million weights."""
    from stages.core.torch_setup import prepare
    from stages.train.rows import Encoded

    rows = mixed_rows(400, SIZES_20M["vocab_size"])
    return Case(
        "20M weights",
        {"learning_rate": 1e-3, "per_device_train_batch_size": 8, "max_length": 512},
        steps,
        lambda: prepare({"device": "cpu", "threads": 1}, 13),
        lambda: random_llama(SIZES_20M),
        lambda _: Encoded(rows, 0),
        lambda _: rows,
    )


def apart(case: Case, kind: str) -> Run:
    """Train in a process of its own, forked: what is imported is imported already.

    What the libraries print is shown only when it fails.
    """
    fork = multiprocessing.get_context("fork")
    reader, writer = fork.Pipe(duplex=False)
    with tempfile.TemporaryFile() as said:

        def child() -> None:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(said.fileno(), stream.fileno())
            writer.send(TRAIN[kind](case, kind))

        process = fork.Process(target=child)
        process.start()
        writer.close()
        try:
            return reader.recv()
        except EOFError:
            said.seek(0)
            sys.exit(f"{said.read().decode()}\n{case.name}: {kind} failed")
        finally:
            process.join()


def in_turns(case: Case, kinds: tuple[str, ...], repeats: int) -> dict[str, list[Run]]:
    """Run all contenders `repeats` times, each time in another order; print the rates."""
    runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
    for repeat in range(repeats):
        for kind in kinds if repeat % 2 else reversed(kinds):
            runs[kind].append(apart(case, kind))
    head = (case.name, "tokens/CPU-s", "from", "to", "padding", "loss at the end")
    rows = []
    for kind, each in runs.items():
        rates = [run.rate for run in each]
        rows.append(
            (
                kind,
                f"{statistics.median(rates):.0f}",
                f"{min(rates):.0f}",
                f"{max(rates):.0f}",
                f"{each[0].padding:.1%}",
                "" if kind == LOOP else f"{each[0].losses[-1]:.4f}",
            )
        )
    print(aligned([head, *rows]) + "\n", flush=True)
    return runs


def ratio(runs: dict[str, list[Run]], one: str, other: str) -> float:
    """Return the median of the paired ratios of two contenders' rates."""
    pairs = zip(runs[one], runs[other], strict=True)
    return statistics.median(first.rate / second.rate for first, second in pairs)


def whole(cases: list[Case], runs: list[dict[str, list[Run]]], one: str, other: str) -> float:
    """Return the ratio of two contenders' rates over several adapters, each trained to its end."""
    from stages.core import stack

    tokenizer = stack.load_tokenizer(Path("models/base"))
    weights = [
        case.epochs * sum(len(row["input_ids"]) for row in case.encoded(tokenizer).rows)
        for case in cases
    ]

    def seconds(kind: str) -> float:
        medians = (statistics.median(run.rate for run in each[kind]) for each in runs)
        return sum(tokens / rate for tokens, rate in zip(weights, medians, strict=True))

    return seconds(other) / seconds(one)


def learned_alike(runs: dict[str, list[Run]]) -> float:
    """Return how far our last loss is from TRL's, as a share of it: the batches are the same."""
    theirs, ours = (runs[kind][0].losses[-1] for kind in (TRL, OURS))
    return abs(ours - theirs) / theirs


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--steps", type=int, default=40, help="measured steps of an adapter")
    parser.add_argument("--large-steps", type=int, default=6, help="those of the 20M weights")
    parser.add_argument("--built", type=Path, default=ROOT, help="where `dvc repro` has run")
    parser.add_argument("--only", choices=("recipe", "20M"))
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    figures: list[Figure] = []
    rates: dict[str, dict[str, list[float]]] = {}

    def measured(case: Case, *kinds: str) -> dict[str, list[Run]]:
        runs = in_turns(case, kinds, args.repeats)
        rates[case.name] = {kind: [run.rate for run in each] for kind, each in runs.items()}
        figures.append(
            Figure(f"{case.name}: ours against TRL", ratio(runs, OURS, TRL), "x", 1.5, goal=2.5)
        )
        if TRL_OURS in kinds:
            name = f"{case.name}: ours against TRL in our process"
            figures.append(Figure(name, ratio(runs, OURS, TRL_OURS), "x"))
        figures.append(
            Figure(
                f"{case.name}: ours against TRL's true defaults", ratio(runs, OURS, TRL_TRUE), "x"
            )
        )
        name = f"{case.name}: distance of the loss at the end from TRL's"
        figures.append(Figure(name, learned_alike(runs), "", at_most=0.01))
        return runs

    keep = args.json.absolute() if args.json else None
    with chdir(args.built):
        imported()
        if args.only != "20M":
            params = read_yaml(Path("params.yaml"))
            cases = [
                adapter_case(key, adapter, params, args.steps)
                for key, adapter in params["adapters"].items()
            ]
            runs = [measured(case, TRL, TRL_OURS, TRL_TRUE, OURS) for case in cases]
            name = "all adapters, to their end: ours against TRL"
            figures.append(Figure(name, whole(cases, runs, OURS, TRL), "x", 1.5, goal=2.5))
        if args.only != "recipe":
            case = llama_case(args.large_steps)
            runs = measured(case, TRL, TRL_TRUE, OURS, LOOP)
            name = f"{case.name}: ours against a bare loop"
            figures.append(Figure(name, ratio(runs, OURS, LOOP), "x", 0.85, goal=0.95))
    report(figures, keep, tokens_per_cpu_s=rates)


def imported() -> None:
    """Import what takes seconds, once, and before there are threads: the runs are forked."""
    import torch
    import trl.trainer.sft_trainer  # noqa: F401
    from peft import LoraConfig  # noqa: F401

    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
