"""Measure the repair of replies on a corpus with known truth, against json-repair in the same run.

Method. Every kind of malformed or treacherous reply (kinds_seen.py, and kinds_unseen.py and
kinds_fresh.py where they lie beside this file or are named; the first two are halves of one set,
the third came later and is no half) spells records of every shape (corpus.py) that it applies to.
Each text goes through stages.core.proof.check, as in `validate` with `normalise: [trim]`, and
through json-repair alone with the same schema; json-repair is given the finish reason, too, and its
strings are trimmed before they are compared. The truth is the record that was spelled.

    exact            the truth came back
    rejected         no record came back
    silently wrong   a record came back that fits the schema and is not the truth
    recovered        exact, as a share of the texts of kinds that are recoverable
    of all certain   the same, with the `foreign` kinds, that are certain but no JSON at all

A kind that happens to spell well-formed, right JSON for a record counts as it is. `lost` kinds ask
for a rejection; a record that is nevertheless the truth is not wrong ("exact though lost").

Fuzzing. One to three random edits (a character deleted, inserted, changed, two swapped, a few
deleted or said twice) of texts of recoverable kinds. No reader can see an edit within a value, so
a record counts as "the edit", not as wrong, when it differs from the truth by no more characters
than the edits account for: one for each character touched, two more for white space that an edit
lays bare at the edge of a value and that is trimmed, eight more for an edit beside a backslash or
an ampersand, which undoes an escape. Both are compared as sequences of characters and of signs of
structure, so that a lost tail, a lost key or a value in another's place is wrong.

Usage: python bench/repair.py [--seeds 6] [--fuzz 6000] [--unseen FILE] [--fresh FILE]
       [--only seen|unseen|fresh] [--json FILE] [--failures FILE]
Exit: 1 when anything is silently wrong, or less than 85 % of what is recoverable is recovered.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import corpus
import json_repair
from jsonschema_rs import Draft202012Validator

from stages.core.proof import Refused
from stages.core.proof.check import check
from stages.core.proof.schema import Schema, compiled

HERE = Path(__file__).resolve().parent
SETTINGS = {"repair": True, "normalise": ["trim"], "aliases": {}}
LEAST_RECOVERED = 0.85
SIGNS = "\"'{}[],:\\\n `a.“”/#-7"


class Case(NamedTuple):
    """A text whose truth is known."""

    kind: corpus.Kind
    shape: str
    text: str
    finish_reason: str
    truth: corpus.Record


class Outcome(NamedTuple):
    """What a reader made of a text: exact, rejected, wrong (or, after an edit, edit)."""

    name: str
    detail: str
    seconds: float
    record: Any = None


def load(path: Path) -> list[corpus.Kind]:
    """Import a module of kinds and return them; in a half, each is where its name belongs."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds = [each for each in vars(module).values() if hasattr(each, "due")]
    halves = path.stem in ("kinds_seen", "kinds_unseen")
    wrong = [
        kind.__name__
        for kind in kinds
        if halves and f"kinds_{corpus.half(kind.__name__)}" != path.stem
    ]
    assert kinds
    assert not wrong, f"{path.name}: of the other half: {wrong}"
    return kinds


def cases(kinds: list[corpus.Kind], seeds: int) -> Iterator[Case]:
    """Spell records of every shape by every kind; no text of a kind twice."""
    for kind in kinds:
        met = set()
        for shape, draw in corpus.DRAW.items():
            for seed in range(seeds):
                record = draw(Random(f"{shape}/{seed}"))
                said = kind(record, Random(f"{kind.__name__}/{shape}/{seed}"))
                if said is None:
                    continue
                text, truth, finish = said, record, "stop"
                if isinstance(said, corpus.Changed):
                    text, truth = said
                elif isinstance(said, tuple):
                    text, finish = said
                if (text, finish) not in met:
                    met.add((text, finish))
                    yield Case(kind, shape, text, finish, truth)


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same: true is not 1; 5.0 is 5; order of keys is free."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def ours(case: Case, schema: Schema) -> Outcome:
    """Ask the project's proof."""
    reply = {"text": case.text, "finish_reason": case.finish_reason, "error": None}
    start = time.perf_counter()
    try:
        record, operations = check(reply, schema, SETTINGS)
    except Refused as refused:
        detail = f"{refused.reason}: {refused.detail}"
        return Outcome("rejected", detail, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    name = "exact" if same(record, case.truth) else "wrong"
    return Outcome(name, ", ".join(operations), seconds, record)


def peer(case: Case, judge: Any) -> Outcome:
    """Ask json-repair alone, and the schema."""
    start = time.perf_counter()
    try:
        read = json_repair.loads(case.text)
        if case.finish_reason != "stop" or not judge.is_valid(read):
            return Outcome("rejected", "", time.perf_counter() - start)
    except (RecursionError, ValueError) as error:
        return Outcome("rejected", str(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    record = corpus.changed(read, str.strip)
    return Outcome("exact" if same(record, case.truth) else "wrong", "", seconds, record)


def signs(value: Any, beside: Any = None) -> list[str]:
    """Spell a JSON value as characters and signs of structure.

    beside: the value it is compared with; keys that both have come first, in alphabetical order
    """
    if isinstance(value, str):
        return ['"', *value.strip(), '"']
    if isinstance(value, dict):
        other = beside if isinstance(beside, dict) else {}
        keys = sorted(value, key=lambda key: (key not in other, key))
        inner = ([*key, ":", *signs(value[key], other.get(key))] for key in keys)
        return ["{", *(sign for each in inner for sign in each), "}"]
    if isinstance(value, list):
        others = beside if isinstance(beside, list) else []
        inner = (
            [*signs(each, other), ","] for each, other in zip_longest(value, others[: len(value)])
        )
        return ["[", *(sign for each in inner for sign in each), "]"]
    return list(json.dumps(value))


def within(one: list[str], other: list[str], limit: int) -> bool:
    """Tell whether at most `limit` signs were deleted, inserted or changed (Levenshtein)."""
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    ahead = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    ahead = min(len(one), len(other)) if ahead is None else ahead
    one, other = one[ahead:], other[ahead:]
    if abs(len(one) - len(other)) > limit:
        return False
    row = {k: k for k in range(limit + 1)}
    for i, a in enumerate(one, 1):
        new = {}
        for j in range(max(0, i - limit), min(len(other), i + limit) + 1):
            put = new.get(j - 1, limit + 1) + 1
            changed = row.get(j - 1, limit + 1) + (j == 0 or a != other[j - 1])
            new[j] = min(put, row.get(j, limit + 1) + 1, changed if j else limit + 1)
        row = new
    return row.get(len(other), limit + 1) <= limit


def edited(text: str, rng: Random) -> tuple[str, int]:
    """Edit a text once; return it and how many characters of a value that can account for."""
    at, size = rng.randrange(len(text)), 1
    how = rng.choice(["delete", "insert", "change", "swap", "lose", "repeat"])
    near = text[max(0, at - 7) : at + 7]
    said = rng.choice(SIGNS)
    if how == "delete":
        made = text[:at] + text[at + 1 :]
    elif how == "insert":
        made = text[:at] + said + text[at:]
    elif how == "change":
        made = text[:at] + said + text[at + 1 :]
    elif how == "swap":
        made, size = text[:at] + text[at : at + 2][::-1] + text[at + 2 :], 2
    else:
        size = rng.randrange(2, 7)
        piece = text[at : at + size]
        made = text[:at] + ("" if how == "lose" else piece * 2) + text[at + size :]
    return made, size + 2 + 8 * any(sign in near + said for sign in "\\&")


def fuzzed(cases: list[Case], count: int, seed: str) -> Iterator[tuple[Case, int]]:
    """Edit texts of recoverable kinds one to three times; return each with what that can change."""
    rng = Random(seed)
    by_kind = defaultdict(list)
    for case in cases:
        if case.kind.due == "recoverable":
            by_kind[case.kind].append(case)
    for _ in range(count):
        case = rng.choice(by_kind[rng.choice(list(by_kind))])
        if rng.random() < 0.5:
            case = case._replace(text=corpus.plain(case.truth, rng))
        text, limit = case.text, 0
        for _ in range(rng.randrange(1, 4)):
            text, more = edited(text or " ", rng)
            limit += more
        yield case._replace(text=text), limit


def judged(outcome: Outcome, case: Case, limit: int) -> Outcome:
    """Call a wrong record `edit` where the edits account for it."""
    if outcome.name == "wrong" and within(
        signs(outcome.record, case.truth), signs(case.truth, outcome.record), limit
    ):
        return outcome._replace(name="edit")
    return outcome


Row = tuple[str, str, Counter, Counter]  # a kind: its name, what is due, our counts, the peer's


def figures(met: list[tuple[Case, Outcome, Outcome]]) -> dict[str, Any]:
    """Count what both readers made of the texts."""
    texts = Counter(case.kind.due for case, *_ in met)

    def of(place: int) -> dict[str, Any]:
        outcomes = [each[place] for each in met]
        count = Counter(outcome.name for outcome in outcomes)
        exact = Counter(each[0].kind.due for each in met if each[place].name == "exact")
        return {
            "exact": count["exact"],
            "edit": count["edit"],
            "rejected": count["rejected"],
            "wrong": count["wrong"],
            "recovered": exact["recoverable"] / texts["recoverable"],
            "recovered_of_all_certain": (exact["recoverable"] + exact["foreign"])
            / (texts["recoverable"] + texts["foreign"]),
            "exact_though_lost": exact["lost"],
            "ms": 1000 * sum(each.seconds for each in outcomes) / len(outcomes),
            "slowest_ms": 1000 * max(each.seconds for each in outcomes),
        }

    kinds = {case.kind for case, *_ in met}
    return {
        "kinds": len(kinds),
        "kinds_by_due": dict(sorted(Counter(kind.due for kind in kinds).items())),
        "new_to_the_developers": sum(not hasattr(kind, "known") for kind in kinds),
        "texts": len(met),
        "texts_by_due": dict(sorted(texts.items())),
        "ours": of(1),
        "json_repair": of(2),
    }


def by_kind(met: list[tuple[Case, Outcome, Outcome]]) -> list[Row]:
    """Count by kind."""
    table: dict[corpus.Kind, tuple[Counter, Counter]] = defaultdict(lambda: (Counter(), Counter()))
    for case, ours_, peer_ in met:
        table[case.kind][0][ours_.name] += 1
        table[case.kind][1][peer_.name] += 1
    return [(kind.__name__, kind.due, *counts) for kind, counts in table.items()]


def below(row: Row) -> bool:
    """Tell whether a kind has a text that is wrong, or due and not recovered."""
    _, due, count, _ = row
    return bool(count["wrong"] or (due == "recoverable" and count["rejected"]))


def show(half: str, found: dict[str, Any], rows: list[Row]) -> None:
    """Print the figures of a half, or of the fresh kinds."""
    of_kinds, of_texts = (", ".join(f"{count} {due}" for due, count in found[part].items())
                          for part in ("kinds_by_due", "texts_by_due"))  # fmt: skip
    print(f"{half}: {found['kinds']} kinds ({of_kinds}; {found['new_to_the_developers']} new to "
          f"the developers), {found['texts']} texts ({of_texts})")  # fmt: skip
    for name in ("ours", "json_repair"):
        got = found[name]
        counts = f"exact {got['exact']}, rejected {got['rejected']}, silently wrong {got['wrong']}"
        if rows:
            shares = (
                f"recovered {got['recovered']:.3f} (of all certain "
                f"{got['recovered_of_all_certain']:.3f}), exact though lost "
                f"{got['exact_though_lost']}"
            )
        else:
            shares = f"the edit {got['edit']}"
        speed = f"{got['ms']:.2f} ms a text (slowest {got['slowest_ms']:.0f})"
        print(f"  {name:12} {counts}, {shares}, {speed}")
    for name, due, count, theirs in filter(below, rows):
        print(f"    {name:34} {due:11} exact {count['exact']:3} "
              f"rejected {count['rejected']:3} wrong {count['wrong']:3}   json-repair: exact "
              f"{theirs['exact']:3} wrong {theirs['wrong']:3}")  # fmt: skip


def failures(met: list[tuple[Case, Outcome, Outcome]], edits: list) -> str:
    """Write the failures as markdown: up to three texts of a kind, whole where they are short."""
    lines = ["| kind | due | exact | rejected | wrong |", "|---|---|---|---|---|"]
    rows = [row for row in by_kind(met) if below(row)]
    for name, due, count, _ in rows:
        counts = f"{count['exact']} | {count['rejected']} | {count['wrong']}"
        lines.append(f"| {name} | {due} | {counts} |")
    for name, due, *_ in rows:
        failed = {"wrong", "rejected"} if due == "recoverable" else {"wrong"}
        bad = [
            (case, got) for case, got, _ in met if case.kind.__name__ == name and got.name in failed
        ]
        bad.sort(key=lambda each: (each[1].name != "wrong", len(each[0].text)))
        doc = (bad[0][0].kind.__doc__ or "").strip()
        lines += ["", f"## {name} ({due}): {doc}"]
        for case, got in bad[:3]:
            lines += ["", f"{case.shape}: {got.name} ({got.detail})", "", *indented(case.text)]
            lines += ["", "truth: " + corpus.dumps(case.truth)[:600]]
            if got.record is not None:
                lines += ["", "read as: " + corpus.dumps(got.record)[:600]]
    lines += ["", "# silently wrong after edits", ""]
    for case, got, _ in edits:
        if got.name == "wrong":
            lines += [f"{case.kind.__name__}, {case.shape} ({got.detail})", "",
                      *indented(case.text), "", "truth: " + corpus.dumps(case.truth)[:800], "",
                      "read as: " + corpus.dumps(got.record)[:800], ""]  # fmt: skip
    return "\n".join(lines) + "\n"


def indented(text: str) -> list[str]:
    """Show a text as a block of markdown."""
    return ["    " + line for line in text[:1000].split("\n")]


def main() -> int:
    """Run the corpus."""
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--seeds", type=int, default=6, help="records a shape")
    flags.add_argument("--fuzz", type=int, default=6000, help="edited texts a half")
    flags.add_argument("--unseen", type=Path, default=HERE / "kinds_unseen.py")
    flags.add_argument("--fresh", type=Path, default=HERE / "kinds_fresh.py")
    flags.add_argument("--only", choices=["seen", "unseen", "fresh"])
    flags.add_argument("--json", type=Path, help="write the figures there")
    flags.add_argument("--failures", type=Path, help="write texts that failed there (markdown)")
    asked = flags.parse_args()
    schemas = {shape: compiled(schema, shape) for shape, schema in corpus.SCHEMAS.items()}
    judges = {shape: Draft202012Validator(schema) for shape, schema in corpus.SCHEMAS.items()}
    named = {"seen": HERE / "kinds_seen.py", "unseen": asked.unseen, "fresh": asked.fresh}
    files = {half: file for half, file in named.items() if file.exists()}
    files = {half: file for half, file in files.items() if asked.only in (None, half)}
    assert files, "no kinds"
    found, written = {}, ""
    for half, file in files.items():
        drawn = list(cases(load(file), asked.seeds))
        met = [
            (case, ours(case, schemas[case.shape]), peer(case, judges[case.shape]))
            for case in drawn
        ]
        edits = [
            (
                case,
                judged(ours(case, schemas[case.shape]), case, limit),
                judged(peer(case, judges[case.shape]), case, limit),
            )
            for case, limit in fuzzed(drawn, asked.fuzz, half)
        ]
        found[half] = figures(met)
        found[f"{half}_edited"] = figures(edits)
        found[half]["below"] = [row[0] for row in by_kind(met) if below(row)]
        show(half, found[half], by_kind(met))
        show(f"{half}, edited", found[f"{half}_edited"], [])
        written += f"# {half}\n\n{failures(met, edits)}\n"
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    if asked.failures:
        asked.failures.write_text(written)
    wrong = sum(each["ours"]["wrong"] for each in found.values())
    halves = [each["ours"]["recovered"] for name, each in found.items() if "edited" not in name]
    good = not wrong and min(halves) >= LEAST_RECOVERED
    print("good" if good else f"NOT good: silently wrong {wrong}, recovered {min(halves):.3f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
