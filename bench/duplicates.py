"""Measure the removal of near-duplicates: rows a second, what is found, what is dropped wrongly.

Answers are made up; among them are copies of earlier ones with some words changed, so that their
similarity is known. What is found is held against those, and on fewer rows against the exact join
(`stages.split.near_duplicates`). datasketch does the same in the same run. Rows by CPU-second.
"""

import argparse
import sys
import time
from collections import Counter
from random import Random
from typing import Any

from validate import sentence

from stages.split.near_duplicates import similar_pairs
from stages.validate.duplicates import Duplicates, shingles

LEAST_ROWS_PER_S = 10_000
LEAST_RECALL = 0.99


def answers(count: int, planted: float, rng: Random) -> tuple[list[str], dict[int, int]]:
    """Return answers, and for each that is a changed copy the place of what it was made from."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(3000)]
    texts: list[str] = []
    copies: dict[int, int] = {}
    while len(texts) < count:
        if texts and rng.random() < planted:
            source = rng.randrange(len(texts))
            if source in copies:
                continue
            said = texts[source].split()
            for _ in range(rng.randint(0, 4)):  # each word changes up to three trigrams
                said[rng.randrange(len(said))] = rng.choice(words)
            copies[len(texts)] = source
            texts.append(" ".join(said))
        else:
            half = " ".join(sentence(rng, words) for _ in range(4))
            texts.append(f'{{"agree": "{half}", "disagree": "{sentence(rng, words)}"}}')
    return texts, copies


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the similarity of two sets, 0 to 1."""
    return len(one & other) / len(one | other)


def stage(texts: list[str], similarity: float) -> tuple[dict[int, int], float]:
    """Return what validate drops, each with the row that stays; and the CPU-seconds."""
    found: dict[int, int] = {}
    started = time.process_time()
    duplicates = Duplicates(similarity)
    for place, text in enumerate(texts):
        row = {"id": f"{place:x}", "request": f"{place:x}", "messages": [{"content": text}]}
        if repeats := duplicates.add(row):
            found[place] = int(repeats.row, 16)
    return found, time.process_time() - started


def datasketch(texts: list[str], similarity: float) -> tuple[dict[int, int], float]:
    """Do the same with datasketch, as its documentation does, at 128 permutations."""
    from datasketch import MinHash, MinHashLSH

    found: dict[int, int] = {}
    started = time.process_time()
    index = MinHashLSH(threshold=similarity, num_perm=128)
    for place, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        signature.update_batch([each.encode() for each in shingles(text)])
        if met := index.query(signature):
            found[place] = min(met)
        else:
            index.insert(place, signature)
    return found, time.process_time() - started


def exact(texts: list[str], similarity: float) -> set[int]:
    """Return what goes when all pairs are known: each row that is so alike to one that stays."""
    earlier: dict[int, list[int]] = {}
    for one, other in similar_pairs([shingles(text) for text in texts], similarity):
        earlier.setdefault(max(one, other), []).append(min(one, other))
    gone: set[int] = set()
    for place in sorted(earlier):
        if any(each not in gone for each in earlier[place]):
            gone.add(place)
    return gone


def compare(
    texts: list[str], copies: dict[int, int], found: dict[int, int], similarity: float
) -> dict[str, Any]:
    """Return the recall on the planted copies, by similarity, and the share dropped rightly."""
    wanted: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for place, source in copies.items():
        alike = jaccard(shingles(texts[place]), shingles(texts[source]))
        if alike < similarity or source in found:
            continue
        bucket = f"{int(alike * 20 + 1e-9) / 20:.2f}"
        wanted[bucket] += 1
        met[bucket] += place in found
    right = sum(
        jaccard(shingles(texts[place]), shingles(texts[kept])) >= similarity
        for place, kept in found.items()
    )
    return {
        "planted": wanted.total(),
        "recall": met.total() / max(1, wanted.total()),
        "by_similarity": {key: (met[key], wanted[key]) for key in sorted(wanted)},
        "dropped": len(found),
        "precision": right / max(1, len(found)),
    }


def told(name: str, rows: int, cpu_s: float, figures: dict[str, Any]) -> str:
    """Spell one tool's figures."""
    lines = [f"{name}: {rows / cpu_s:.0f} rows/s ({rows} rows, {cpu_s:.2f} CPU-s)"]
    lines.append(f"  recall {figures['recall']:.4f} of {figures['planted']} planted")
    lines.append(f"  precision {figures['precision']:.4f} of {figures['dropped']} dropped")
    each = (f"{key}: {m} of {n}" for key, (m, n) in figures["by_similarity"].items())
    return "\n".join([*lines, "  found by similarity " + ", ".join(each)])


def main() -> None:
    """Measure, print, exit 1 below the least figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peer-rows", type=int, default=5_000, help="for the exact join, the peer")
    parser.add_argument("--planted", type=float, default=0.2, help="share of copies, 0 to 1")
    parser.add_argument("--similarity", type=float, default=0.8, help="from which on rows go")
    args = parser.parse_args()
    texts, copies = answers(args.rows, args.planted, Random(13))
    found, cpu_s = stage(texts, args.similarity)
    figures = compare(texts, copies, found, args.similarity)
    rate = args.rows / cpu_s
    print(f"similarity {args.similarity}, one row in {1 / args.planted:.0f} a changed copy")
    print(told("validate (rensa, then exactly)", args.rows, cpu_s, figures))

    texts = texts[: args.peer_rows]
    copies = {place: source for place, source in copies.items() if place < len(texts)}
    found, cpu_s = stage(texts, args.similarity)
    wanted = exact(texts, args.similarity)
    missed, more = len(wanted - found.keys()), len(found.keys() - wanted)
    print(f"against the exact join of {len(texts)} rows: {len(wanted)} go, {missed} of them")
    print(f"  missed, {more} dropped that should stay")
    theirs, theirs_s = datasketch(texts, args.similarity)
    theirs_figures = compare(texts, copies, theirs, args.similarity)
    print(told("datasketch", len(texts), theirs_s, theirs_figures))
    print(f"validate is {theirs_s / cpu_s:.1f} times as fast, on the same {len(texts)} rows")
    met = rate >= LEAST_ROWS_PER_S and figures["recall"] >= LEAST_RECALL
    sys.exit(not met or figures["precision"] < 1 or more > 0)


if __name__ == "__main__":
    main()
