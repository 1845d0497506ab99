"""Answers a second, against transformers' `generate` as a user would call it: same answers.

The user takes the rows as they come, eight at a time, padded on the left, and calls `generate`.
Ours is what the stage `answer` does: it also finds the likelihood of every reference, which the
user's call does not. Models: those of a project that is built, on its test rows; and a Llama of
20 million random weights on prompts of 20 to 200 random tokens, without references: once so that
one token of fifty ends an answer, once so that none does and all run to the limit. The last has no
bound: nothing can be saved there but what a small batch wastes. Both ways run in one process, one
thread, turn by turn; the lower CPU-seconds of the turns count. Answers may differ where two tokens
are as likely as each other to the digits that rounding leaves.
"""

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import Figure, report
from fresh import ROOT

CPU = {"device": "cpu", "threads": 1}
USERS_BATCH = 8
LLAMA = {
    "vocab_size": 8000, "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6,
    "num_attention_heads": 6, "num_key_value_heads": 6, "max_position_embeddings": 512,
    "initializer_range": 0.1,  # with less it says one token over and over
}  # fmt: skip


def random_llama(ends: bool) -> Any:
    """Return a Llama of random weights, in float32.

    ends: whether one token of fifty ends an answer, or one that it never says
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(13)
    config = LlamaConfig(**LLAMA, eos_token_id=list(range(7, 8000, 50)) if ends else 8000)
    return LlamaForCausalLM(config).eval()


def random_rows(count: int) -> list[Any]:
    """Return prompts of random tokens; no reference is known."""
    from stages.core.decoding.wanted import Wanted

    source = random.Random(13)
    return [
        Wanted([source.randrange(8000) for _ in range(source.randint(20, 200))], 96)
        for _ in range(count)
    ]


def by_user(model: Any, wanted: list[Any], pad: int, stops: set[int]) -> list[list[int]]:
    """Return the answers by `generate`, up to the token that ends each."""
    import torch

    answers = []
    for first in range(0, len(wanted), USERS_BATCH):
        batch = wanted[first : first + USERS_BATCH]
        longest = max(len(each.prompt) for each in batch)
        ids = torch.tensor([[pad] * (longest - len(each.prompt)) + each.prompt for each in batch])
        mask = torch.tensor(
            [[0] * (longest - len(each.prompt)) + [1] * len(each.prompt) for each in batch]
        )
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=batch[0].limit, do_sample=False,
            pad_token_id=pad,
        )  # fmt: skip
        for said in out[:, longest:].tolist():
            end = next((at for at, token in enumerate(said) if token in stops), None)
            answers.append(said[:end])
    return answers


def by_us(model: Any, wanted: list[Any], batch_tokens: int, stops: set[int]) -> list[list[int]]:
    """Return the answers by the project's own loop."""
    from stages.core.decoding import underway, unfit
    from stages.core.decoding.next_token import NextToken

    assert unfit(model, wanted) is None
    next_token = NextToken(None, [""] * len(wanted))
    found = dict(underway.decode(model, wanted, stops, batch_tokens, next_token))
    return [found[at].tokens for at in range(len(wanted))]


def seconds(run: Callable[[], list[list[int]]]) -> tuple[float, list[list[int]]]:
    """Return the CPU-seconds of a run, and its answers."""
    began = time.process_time()
    answers = run()
    return time.process_time() - began, answers


def compare(
    name: str, model: Any, wanted: list[Any], pad: int, args: Any, bound: bool = True
) -> list[Figure]:
    """Return the figures of one model."""
    ends = model.generation_config.eos_token_id
    stops = set(ends if isinstance(ends, list) else [ends])
    ours, users = [], []
    for _ in range(args.turns):
        ours.append(seconds(lambda: by_us(model, wanted, args.batch_tokens, stops)))
        users.append(seconds(lambda: by_user(model, wanted, pad, stops)))
    (our, said), (their, other) = min(ours), min(users)
    differ = sum(one != two for one, two in zip(said, other, strict=True))
    tokens = sum(map(len, said)) / len(said)
    print(f"{name}: {our:.2f} and {their:.2f} CPU-seconds", flush=True)
    return [
        Figure(
            f"{name}: ours against generate", their / our, "x", *((2.0, None, 4.0) if bound else ())
        ),
        Figure(f"{name}: ours", len(said) / our, "answers/s"),
        Figure(f"{name}: generate, batches of {USERS_BATCH}", len(said) / their, "answers/s"),
        Figure(f"{name}: tokens an answer", tokens),
        Figure(f"{name}: answers that differ, of {len(said)}", differ, at_most=len(said) // 100),
    ]


def of_project(project: Path, name: str) -> tuple[Any, list[Any], int]:
    """Return one model of a built project, the answers that are wanted of it, and its padding."""
    from stages import answer
    from stages.core import stack
    from stages.core.decoding.wanted import Wanted
    from stages.core.jsonl import read_rows
    from stages.core.params import read_yaml

    base = project / "models" / "base"
    tokenizer = stack.load_tokenizer(base)
    limit = read_yaml(project / "params.yaml")["answer"]["max_new_tokens"]
    encoded = [answer.encode(tokenizer, row) for row in read_rows(project / "data" / "test.jsonl")]
    wanted = [Wanted(prompt, limit, reference) for prompt, reference in encoded]
    return stack.load(base, project / "models" / name, CPU), wanted, tokenizer.pad_token_id


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=ROOT, help="a built one: models/, data/")
    parser.add_argument("--models", nargs="*", default=["base", "2b", "2c"], help="of the project")
    parser.add_argument("--rows", type=int, default=96, help="of the random Llama; 0: leave it out")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=16384)
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    from stages.core.torch_setup import prepare

    prepare(CPU)
    figures = []
    for name in args.models:
        model, wanted, pad = of_project(args.project, name)
        figures += compare(name, model, wanted, pad, args)
    if args.rows:
        wanted = random_rows(args.rows)
        figures += compare("20M, ends", random_llama(ends=True), wanted, 0, args)
        figures += compare("20M, never ends", random_llama(ends=False), wanted, 0, args, False)
    report(figures, args.json, batch_tokens=args.batch_tokens)


if __name__ == "__main__":
    main()
