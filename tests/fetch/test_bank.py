"""The bank: 440 reviews, no two alike, and what a split by group promises about them."""

from itertools import combinations as pairs
from pathlib import Path
from random import Random

import pytest

from stages.core.digest import digest
from stages.core.holdout import side
from stages.core.params import read_yaml
from stages.fetch.bank import combinations, compose, draw_two, seeds
from stages.fetch.draft import Draft

ROWS, SEED = 440, 13


@pytest.fixture(scope="module")
def bank():
    return read_yaml(Path(__file__).parents[2] / "recipes/reviews/sources/bank.yaml")


@pytest.fixture(scope="module")
def rows(bank):
    return list(seeds(bank, ROWS, SEED))


def reviews(rows):
    return [row["fields"]["review"] for row in rows]


def said(row):
    """The (aspect, word) pairs of a row, in the review and in both answers."""
    return {
        pair
        for words in row["keywords"].values()
        for pair in zip(words[::2], words[1::2], strict=True)
    }


def test_no_two_reviews_are_alike(rows):
    assert len(rows) == ROWS
    assert len(set(reviews(rows))) == ROWS
    assert len({row["id"] for row in rows}) == ROWS


def test_two_builds_are_the_same_and_another_seed_is_not(bank, rows):
    assert digest(list(seeds(bank, ROWS, SEED))) == digest(rows)
    assert not set(reviews(seeds(bank, ROWS, SEED + 1))) & set(reviews(rows))


def test_fewer_rows_are_the_first_rows(bank, rows):
    assert list(seeds(bank, 50, SEED)) == rows[:50]


def test_rows_of_every_kind_and_the_markup_of_imdb(rows):
    openings = {row["truth"]["agree"].split(",")[0] for row in rows}
    assert openings == {"I agree", "Sadly true", "Fair enough"}
    mixed = [row for row in rows if " but " in row["truth"]["agree"]]
    assert 60 <= len(mixed) <= 120
    assert sum("<br />" in text for text in reviews(rows)) >= 100


def test_no_slot_is_left_and_no_text_is_untidy(rows):
    for text in reviews(rows):
        assert not set("{}") & set(text)
        assert "  " not in text
        assert text == text.strip()
        assert text[0].isupper()


def test_keywords_are_words_of_the_truth_and_of_the_review(rows):
    for row in rows:
        for key, words in row["keywords"].items():
            assert len(words) == 4
            assert all(f" {word}" in row["truth"][key] for word in words)
        assert all(word in row["fields"]["review"] for word in row["keywords"]["agree"])


def test_no_word_to_look_for_is_part_of_another(bank):
    words = [*bank["aspects"], *(word for pair in bank["judgements"] for word in pair)]
    assert len(words) == len(set(words)) == 72
    assert not [(a, b) for a, b in pairs(words, 2) if f" {a} " in f" {b} " or f" {b} " in f" {a} "]


def test_a_group_holds_whole_combinations(bank, rows):
    groups = combinations(bank)
    assert list(groups) == [f"film:{k}" for k in range(40)]
    members = [member for group in groups.values() for member in group]
    assert len(members) == len(set(members)) == 24 * 24
    for row in rows:
        here = {(aspect, word) for aspect, pair in groups[row["group"]] for word in pair}
        assert said(row) <= here


def test_what_is_held_out_is_never_said_in_training(rows):
    sides = {"train": set(), "val": set(), "test": set()}
    counts = dict.fromkeys(sides, 0)
    for row in rows:
        where = side(row["group"], SEED, val=0.1, test=0.15)
        sides[where] |= said(row)
        counts[where] += 1
    assert counts["train"] > 250
    assert min(counts["val"], counts["test"]) >= 20
    assert not sides["train"] & (sides["val"] | sides["test"])


def test_texts_for_elsewhere_are_never_own_texts(bank):
    rng = Random(1)
    members = [member for group in combinations(bank).values() for member in group]
    titles = bank["elsewhere"]["title"]
    others = [compose(bank, members, rng, elsewhere=True) for _ in range(500)]
    own = [compose(bank, members, rng) for _ in range(500)]
    assert len({text.text for text in others}) == len({text.text for text in own}) == 500
    assert all(text.slots["title"] in text.text for text in others + own)
    assert not {text.slots["title"] for text in others} & {text.slots["title"] for text in own}
    assert not set(titles) & set(bank["rules"]["title"])


def test_the_two_combinations_of_a_text_share_nothing(bank):
    rng = Random(2)
    members = combinations(bank)["film:0"]
    for _ in range(100):
        first, second = draw_two(members, rng)
        assert first.aspect != second.aspect
        assert first.judgements != second.judgements


def test_a_group_of_one_is_refused(bank):
    with pytest.raises(ValueError, match="no two of 1 combinations differ"):
        draw_two(combinations(bank)["film:0"][:1], Random(0))


def test_a_slot_without_a_rule_is_named():
    with pytest.raises(ValueError, match=r"no rule for the slot \{who\}"):
        Draft({"rules": {"start": ["Ask {who}."]}}, Random(0)).expand("{start}")


def test_a_bank_that_is_too_small_says_so(bank):
    small = bank | {"groups": 1, "aspects": ["plot", "music"]}
    small["judgements"] = [["a", "b"], ["c", "d"]]
    small["kinds"] = {"k": {"share": 1, "poles": [[0, 0]], "text": ["{aspect} {judgement}"]}}
    with pytest.raises(ValueError, match="the bank holds 4 different texts, asked for 5"):
        list(seeds(small, 5, SEED))


def test_a_bank_without_a_teacher_makes_seeds_without_truth(bank):
    """Another recipe's bank: other field, no answers, no keywords."""
    other = {
        "name": "dish",
        "groups": 2,
        "field": "note",
        "aspects": ["soup", "bread", "salad"],
        "judgements": [["hot", "cold"], ["soft", "hard"], ["big", "small"]],
        "rules": {"said": ["The {aspect} was {judgement}, the {aspect2} {judgement2}."]},
        "kinds": {"only": {"share": 1, "poles": [[0, 1]], "text": ["{said}", "Well. {said}"]}},
    }
    made = list(seeds(other, 10, SEED))
    assert len({row["fields"]["note"] for row in made}) == 10
    assert all(set(row) == {"id", "group", "fields"} for row in made)
    assert {row["group"] for row in made} <= {"dish:0", "dish:1"}
