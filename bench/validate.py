"""Measure validate: rows a second on one core, a tenth of the replies malformed.

The whole stage runs, from its files to its files, imports included, in a process of its own; the
best of some runs counts, for others use the machine, too. json-repair alone runs over the same
texts for the ratio: it reads them, and neither checks a schema nor proves anything. Each figure is
by CPU-second.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes/reviews"
LEAST_ROWS_PER_S = 10_000
OUTS = ("rows.jsonl", "rejects.jsonl", "data.json")


def sentence(rng: Random, words: list[str]) -> str:
    """Make up a sentence of a review, with what is hard to spell now and then."""
    said = [rng.choice(words) for _ in range(rng.randint(6, 12))]
    if rng.random() < 0.1:
        said.insert(3, '"so to speak"')
    if rng.random() < 0.1:
        said.insert(2, "isn't")
    return " ".join(said).capitalize() + "."


def records(count: int, rng: Random) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield reviews, each with its record, about as long as those of the default recipe."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(3000)]
    for _ in range(count):
        review = " ".join(sentence(rng, words) for _ in range(4))
        yield review, {"agree": sentence(rng, words), "disagree": sentence(rng, words)}


def prepare(
    folder: Path, count: int, malformed: float, similarity: float | None
) -> tuple[list[str], list[str]]:
    """Write what the stage reads; return the texts of the replies, and the malformed ones."""
    from stages.core.asking.offline.malform import malform, plain
    from stages.core.digest import digest
    from stages.core.jsonl import encode, write_json

    rng = Random(13)
    validate = {
        "repair": True, "normalise": ["trim"], "aliases": {}, "skill": "own",
        "near_duplicate_similarity": similarity,
    }  # fmt: skip
    write_json(folder / "params.yaml", {"validate": validate})
    (folder / "overrides.jsonl").write_text("")
    texts: list[str] = []
    bad_texts: list[str] = []
    with (
        (folder / "requests.jsonl").open("w") as requests,
        (folder / "replies.jsonl").open("w") as replies,
        (folder / "truth.jsonl").open("w") as truths,
    ):
        for review, record in records(count, rng):
            name = digest(review)
            bad = rng.random() < malformed
            text, finish_reason = malform(record, rng) if bad else (plain(record, rng), "stop")
            asked = f"Write two responses, as JSON. Review: {review}"
            seed = {"id": name, "group": name, "fields": {"review": review}}
            request = {
                "id": name, "teacher": "offline", "model": "offline", "parameters": {},
                "sample": 0, "schema": None, "seed": seed,
                "messages": [{"role": "user", "content": asked}],
            }  # fmt: skip
            reply = {
                "request": name, "attempts": 1, "text": text, "finish_reason": finish_reason,
                "model": "offline", "prompt_tokens": 100, "completion_tokens": 60,
                "cost_usd": None, "error": None,
            }  # fmt: skip
            requests.write(encode(request) + "\n")
            replies.write(encode(reply) + "\n")
            truths.write(encode({"request": name, "record": record}) + "\n")
            texts.append(text)
            bad_texts += [text] if bad else []
    return texts, bad_texts


def flags(folder: Path) -> list[str]:
    """Return the stage's command line."""
    paths = {
        "requests": folder / "requests.jsonl", "replies": folder / "replies.jsonl",
        "truth": folder / "truth.jsonl", "overrides": folder / "overrides.jsonl",
        "schema": RECIPE / "schema.json", "instruction": RECIPE / "prompts/instruction.md",
        "answer": RECIPE / "prompts/answer.md", "rows": folder / OUTS[0],
        "rejects": folder / OUTS[1], "metrics": folder / OUTS[2],
    }  # fmt: skip
    return [part for name, path in paths.items() for part in (f"--{name}", str(path))]


def alone(texts: list[str]) -> float:
    """Return the CPU-seconds that json-repair alone takes, without a schema and without a proof."""
    import json_repair

    started = time.process_time()
    for text in texts:
        json_repair.loads(text)
    return time.process_time() - started


def proved(texts: list[str]) -> float:
    """Return the CPU-seconds that the proof takes, best attempts for the rejects included."""
    from stages.core.jsonl import read_json
    from stages.core.proof import Refused
    from stages.core.proof.check import check
    from stages.core.proof.schema import compiled

    schema = compiled(read_json(RECIPE / "schema.json"), "schema.json")
    settings = {"repair": True, "normalise": ["trim"], "aliases": {}}
    started = time.process_time()
    for text in texts:
        with suppress(Refused):
            check({"text": text, "finish_reason": "stop", "error": None}, schema, settings)
    return time.process_time() - started


def measure(folder: Path) -> dict[str, Any]:
    """Run the stage in a process of its own; return its CPU-seconds, memory and metrics."""
    started = time.perf_counter()
    if not (child := os.fork()):
        from stages.validate.__main__ import main as validate

        sys.argv = ["validate", *flags(folder)]
        with chdir(folder):
            validate()
        sys.stdout.flush()
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit("validate failed")
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.perf_counter() - started,
        "memory_mb": used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "metrics": json.loads((folder / OUTS[2]).read_text()),
    }


def main() -> None:
    """Measure, print, exit 1 below the least rate or with a wrong row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="replies to check")
    parser.add_argument("--malformed", type=float, default=0.1, help="share of them, 0 to 1")
    parser.add_argument("--similarity", type=float, help="look for near-duplicates, too")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the best counts")
    parser.add_argument("--peer", type=int, default=5_000, help="texts for json-repair alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, bad = prepare(folder, args.rows, args.malformed, args.similarity)
        texts, bad = texts[: args.peer], bad[: args.peer]
        peer, peer_bad = len(texts) / alone(texts), len(bad) / alone(bad)
        own_bad = len(bad) / proved(bad)
        runs = [measure(folder) for _ in range(args.repeats)]
    found = min(runs, key=lambda run: run["cpu_s"])
    rate = args.rows / found["cpu_s"]
    metrics = found["metrics"]
    print(f"{args.rows} replies, {args.malformed:.0%} malformed, best of {args.repeats}")
    print(f"validate: {rate:.0f} rows/s ({found['cpu_s']:.2f} CPU-s, {found['wall_s']:.2f} s)")
    print(f"  peak memory {found['memory_mb']:.0f} MB")
    print(f"json-repair alone: {peer:.0f} texts/s; validate {rate / peer:.2f} of that")
    print(f"malformed texts only: json-repair {peer_bad:.0f} texts/s, the proof {own_bad:.0f}")
    print(json.dumps({key: each for key, each in metrics.items() if not isinstance(each, dict)}))
    wrong = metrics["silently_wrong"]
    sys.exit(rate < LEAST_ROWS_PER_S or wrong > 0)


if __name__ == "__main__":
    main()
