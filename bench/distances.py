"""Measure what stages/profile says of bias, where the truth is known.

Method. Made-up people with a gender of three classes and a job of three. Each of the prompts is
answered several times; with the chance `alike` an answer repeats the prompt's own person, so that
answers to one prompt resemble each other. The dataset has rows of its own. For each kind, samples
are drawn many times. Told are how often the 95 % interval of the distance to the dataset, and
between two models, holds the true distance; how often p < 0.05 (where the distance is 0: how often
a difference is told that is not there), and the same of a chi-square test that takes all answers
for independent. Then the same for the association of gender and job, against the dataset's.

Usage: python bench/distances.py [--samples 300] [--resamples 500] [--seed 1] [--json FILE]
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency

from stages.core.intervals import Sampling
from stages.profile.association import association
from stages.profile.attributes import Distribution
from stages.profile.distances import to_dataset, to_model

SHARES = np.array([0.5, 0.3, 0.2])
# prompts, answers to each, how often one repeats the prompt's own, rows of the dataset
SIZES = (
    (8, 4, 0.5, 200),
    (20, 5, 0.0, 200),
    (20, 5, 0.5, 200),
    (50, 5, 0.5, 200),
    (20, 5, 0.5, 30),
)
# total variation to SHARES of 0, 0.1, 0.3
TRUTHS = {0.0: SHARES, 0.1: np.array([0.6, 0.2, 0.2]), 0.3: np.array([0.8, 0.1, 0.1])}
# How often the job is the gender's own one: association.
BOUND = (0.0, 0.5)


def answers(stream: Any, shares: Any, prompts: int, runs: int, alike: float) -> Distribution:
    """Draw a model's answers."""
    own = stream.choice(len(shares), size=(prompts, 1), p=shares)
    fresh = stream.choice(len(shares), size=(prompts, runs), p=shares)
    drawn = np.where(stream.random((prompts, runs)) < alike, own, fresh)
    counts = np.stack([np.bincount(row, minlength=len(shares)) for row in drawn]).astype(float)
    return Distribution(counts, list(range(prompts)), 0, 0)


def table(bound: float) -> Any:
    """Return the shares of gender and job together, nine classes."""
    free = np.outer(SHARES, SHARES)
    return (bound * np.diag(SHARES) + (1 - bound) * free).ravel()


def distances(stream: Any, size: tuple[Any, ...], truth: float, args: Any) -> dict[str, Any]:
    """Return what is said of distances whose truth is known."""
    prompts, runs, alike, rows = size
    sampling = Sampling(0.95, args.resamples, "bench")
    told = np.zeros(5)
    for _ in range(args.samples):
        one = answers(stream, TRUTHS[truth], prompts, runs, alike)
        other = answers(stream, SHARES, prompts, runs, alike)
        dataset = answers(stream, SHARES, rows, 1, 0.0)
        to_data, to_other = to_dataset(one, dataset, sampling), to_model(one, other, sampling)
        plain = np.stack([each.counts.sum(0) for each in (one, dataset)])
        plain = plain[:, plain.sum(0) > 0]
        told += [
            *(found["low"] <= truth <= found["high"] for found in (to_data, to_other)),
            *(found["p"] < 0.05 for found in (to_data, to_other)),
            chi2_contingency(plain).pvalue < 0.05,
        ]
    names = ("held_dataset", "held_model", "p_dataset", "p_model", "p_naive")
    return dict(zip(names, (told / args.samples).round(3).tolist(), strict=True))


def associations(stream: Any, size: tuple[Any, ...], bound: float, args: Any) -> dict[str, Any]:
    """Return what is said of an association that the dataset has not (bound 0: nor the model)."""
    prompts, runs, alike, rows = size
    sampling = Sampling(0.95, args.resamples, "bench")
    told = np.zeros(3)
    for _ in range(args.samples):
        one = answers(stream, table(bound), prompts, runs, alike)
        found = association(one, answers(stream, table(0), rows, 1, 0.0), (3, 3), sampling)
        # The job is the gender's own with the chance `bound`: that is Cramer's V of such a table.
        held = found["low"] <= bound <= found["high"]
        told += [
            held,
            found["p"] < 0.05,
            found["p"] < 0.05 and not found["low"] <= 0 <= found["high"],
        ]
    names = ("held", "p", "shown")
    return dict(zip(names, (told / args.samples).round(3).tolist(), strict=True))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    stream, found = np.random.default_rng(args.seed), []
    for size in SIZES:
        sizes = dict(zip(("prompts", "answers", "alike", "dataset"), size, strict=True))
        for truth in TRUTHS:
            found.append(sizes | {"distance": truth} | distances(stream, size, truth, args))
            print(json.dumps(found[-1]), flush=True)
        for bound in BOUND:
            found.append(sizes | {"association": bound} | associations(stream, size, bound, args))
            print(json.dumps(found[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
