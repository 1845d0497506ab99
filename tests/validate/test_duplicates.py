"""Rows that say again what a kept row says."""

import json
import subprocess
import sys
from random import Random

import pytest

from stages.core.proof import REASONS, REPEATS
from stages.split.near_duplicates import similar_pairs
from stages.validate.duplicates import LONGEST_SIGNATURE, MISSED, Duplicates, banding, shingles


def row(name, answer):
    return {"id": name, "request": f"r{name}", "messages": [{"content": "p"}, {"content": answer}]}


def record(agree, disagree="y"):
    return json.dumps({"agree": agree, "disagree": disagree})


TEXT = "one two three four five six seven eight nine ten"


def test_rows_that_are_the_same_are_kept_once(project):
    (project.folder / "instruction.md").write_text("Agree.")
    project.texts([record("x"), record("x"), record("x", "z")])
    project.validate()
    first, _ = project.rows()
    [reject] = project.rows("rejects")
    assert (reject["request"], reject["reason"]) == ("r1", "duplicate")
    assert "duplicate" in REPEATS
    assert reject["detail"] == f"of row {first['id']} (request r0)"
    assert reject["kept"] == first["id"]
    assert reject["text"] == record("x")
    metrics = project.metrics()
    assert (metrics["parsed"], metrics["rejected"]) == (3, 0)
    assert (metrics["duplicates"], metrics["near_duplicates"], metrics["rows"]) == (1, 0, 2)
    assert sum(metrics["rejected_by_reason"].values()) == 0


def test_near_duplicates_name_the_row_that_stays(project, capsys):
    project.settings(near_duplicate_similarity=0.6)
    texts = [record(TEXT), record(TEXT + " eleven"), record("a b c d e f g"), record(TEXT)]
    project.texts(texts)
    project.validate()
    first, _ = project.rows()
    near, same = project.rows("rejects")
    assert (near["request"], same["request"]) == ("r1", "r3")
    alike = len(shingles(texts[0]) & shingles(texts[1])) / len(
        shingles(texts[0]) | shingles(texts[1])
    )
    assert near["detail"] == f"of row {first['id']} (request r0), similarity {alike:.3f}"
    assert 0.6 < alike < 1
    assert same["detail"].endswith("(request r0), similarity 1.000")
    assert {near["reason"], same["reason"]} == {"near_duplicate"} < REPEATS.keys()
    assert not REPEATS.keys() & REASONS.keys()
    assert project.metrics()["near_duplicates"] == 2
    assert "2 rows: 4 without repair, 0 repaired, 0 rejected, 2 near-dup" in capsys.readouterr().out


def test_off_is_off_and_imports_nothing():
    code = (
        "import sys; from stages.validate.duplicates import Duplicates; Duplicates(None);"
        "print('rensa' in sys.modules); Duplicates(0.9); print('rensa' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["False", "True"]


def test_the_threshold_itself_is_alike_enough():
    """Eight trigrams of ten words, and nine of eleven: 8/9."""
    longer = f"{TEXT} eleven"
    assert Duplicates(8 / 9).add(row("a", TEXT)) is None
    at, above = Duplicates(8 / 9), Duplicates(8 / 9 + 1e-6)
    for duplicates in (at, above):
        assert duplicates.add(row("a", TEXT)) is None
    found = at.add(row("b", longer))
    assert (found.reason, found.row, found.request) == ("near_duplicate", "a", "ra")
    assert found.similarity == 8 / 9
    assert above.add(row("b", longer)) is None


def test_what_is_dropped_is_no_measure_for_others():
    """b is like a, c is like b but not like a: c stays, for b is gone."""
    a, b, c = TEXT, f"{TEXT} eleven twelve", f"{TEXT} eleven twelve thirteen fourteen"
    duplicates = Duplicates(0.75)
    assert duplicates.add(row("a", a)) is None
    assert duplicates.add(row("b", b)).row == "a"
    assert duplicates.add(row("c", c)) is None


@pytest.mark.parametrize(
    "answers",
    [
        ["positive", "positive", "Positive."],  # labels repeat by design
        ['{"label": "positive"}', '{"label":  "positive"}'],
        ["", "  ", "..."],
        ["😀 😃 😄 😁 😆", "🐶 🐱 🐭 🐹 🐰"],  # no words at all, and not alike
    ],
)
def test_short_answers_and_emojis_are_not_thrown_together(answers):
    duplicates = Duplicates(0.5)
    assert [duplicates.add(row(str(k), each)) for k, each in enumerate(answers)] == [None] * len(
        answers
    )


def test_emojis_can_be_near_duplicates():
    duplicates = Duplicates(0.5)
    assert duplicates.add(row("a", "😀😃😄😁😆")) is None
    assert duplicates.add(row("b", "😀 😃 😄 😁 😆 🐶")).similarity == 0.75


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0])
def test_banding_misses_hardly_any_pair(similarity):
    hashes, bands = banding(similarity)
    assert 1 <= hashes * bands <= LONGEST_SIGNATURE
    assert (1 - similarity**hashes) ** bands <= MISSED


@pytest.mark.parametrize("similarity", [0.001, 1e-300])
def test_banding_of_next_to_nothing(similarity):
    assert banding(similarity) == (1, LONGEST_SIGNATURE)


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9, 0.95])
def test_it_drops_what_the_exact_join_drops(similarity):
    """Seeded, so that it holds for ever or for no run; a miss has a chance of one in 10,000."""
    rng = Random(7)
    words = [f"w{k}" for k in range(400)]
    texts = []
    for _ in range(900):
        copied = texts and rng.random() < 0.5
        said = rng.choice(texts).split() if copied else rng.choices(words, k=40)
        for _ in range(rng.randint(0, 3)):
            said[rng.randrange(len(said))] = rng.choice(words)
        texts.append(" ".join(said))
    pairs = list(similar_pairs([shingles(text) for text in texts], similarity))
    wanted = {}
    for place in range(len(texts)):
        met = sorted(min(pair) for pair in pairs if max(pair) == place)
        if kept := [other for other in met if other not in wanted]:
            wanted[place] = kept[0]
    assert len(wanted) > 50
    duplicates = Duplicates(similarity)
    found = {
        place: int(repeats.row)
        for place, text in enumerate(texts)
        if (repeats := duplicates.add(row(str(place), text)))
    }
    assert found == wanted
