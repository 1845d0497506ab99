"""Normalisations change what they are named for, and nothing else."""

import unicodedata
from itertools import permutations
from random import Random

import pytest

from stages.core.proof import OPERATIONS
from stages.core.spelling import NORMALISE, normalise, spelled

WITH_CEDILLA, WITH_COMMA = "\u015e\u015f\u0162\u0163", "\u0218\u0219\u021a\u021b"
# Romanian's letters in every spelling, their neighbours in other languages, marks that combine
# with them, signs that normalisations look at, spaces of several kinds, emoji with a joiner.
SIGNS = [
    *"aăâiîsștțAĂÂIÎSȘTȚ",
    *WITH_CEDILLA,
    *"çÇģņķļàáäåąęčšžñıİğöüßœøđłŷ",
    *("s\u0327", "t\u0327", "S\u0326", "t\u0326", "a\u0306", "i\u0302", "c\u0327", "e\u0301"),
    *("\u0327", "\u0326", "\u0301", "\u1e9e", "\ufb01", "\u2126", "\u212b", "\u1e61"),
    *(" ", "\u00a0", "\n", "\t", "\u200d", "<br>", "<br />", "<b>", "&amp;", "&#537;", "&", ";"),
    *("\u0219i", "\u015fi", "1", "-", "\u2014", "„", "”", "👩‍💻", "Ș\u0327"),
]


WORDED = [each for each in SIGNS if each[-1] not in "\u0301\u0326\u0327" or each[:-1] in [*"stST"]]


def texts(seed: int, many: int, signs: list[str] = SIGNS) -> list[str]:
    """Return strings that nobody would write."""
    rng = Random(seed)
    return ["".join(rng.choices(signs, k=rng.randrange(1, 12))) for _ in range(many)]


def test_every_normalisation_is_an_operation_that_is_counted():
    assert list(NORMALISE) == ["trim", "entities", "breaks", "nfc", "comma_below"]
    assert NORMALISE.keys() <= OPERATIONS.keys()


def test_a_cedilla_becomes_a_comma_composed_or_not():
    expected = dict(zip(WITH_CEDILLA, WITH_COMMA, strict=True))
    for letter, comma in expected.items():
        assert unicodedata.normalize("NFD", comma)[1] == "\u0326"
        for spelling in (letter, unicodedata.normalize("NFD", letter)):
            assert NORMALISE["comma_below"](f"a{spelling}i") == f"a{comma}i"
    said = "Şi ţara, aşa şi-aşa; \u015etiin\u0163\u0103"
    assert normalise(said, ["comma_below"])[0] == "Și țara, așa și-așa; Știință"


@pytest.mark.parametrize("name", NORMALISE)
def test_a_normalisation_changes_only_its_own(name: str):
    """Compare with what is known of Unicode, sign by sign, over strings of all kinds."""
    changed = 0
    for text in texts(1, 4_000):
        made = NORMALISE[name](text)
        changed += made != text
        if name == "nfc":
            assert unicodedata.is_normalized("NFC", made)
            assert unicodedata.normalize("NFD", made) == unicodedata.normalize("NFD", text)
        elif name == "comma_below":
            # Taking the mark for the letter's own, cedilla or comma, nothing differs: each letter
            # stays where it is and keeps every other mark.
            def same(each: str) -> str:
                for bare in "STst":
                    for mark in ("\u0326", "\u0327"):
                        letter = unicodedata.normalize("NFC", bare + mark)
                        each = each.replace(letter, f"{bare}_").replace(bare + mark, f"{bare}_")
                return each

            assert same(made) == same(text)
            assert not set(WITH_CEDILLA) & set(made)
        elif name == "trim":
            assert made == text.strip()
        elif name == "entities":
            assert made == text.replace("&amp;", "&").replace("&#537;", "ș")
        else:
            kept = "".join(text.replace("<br />", "").replace("<br>", "").split())
            assert "".join(made.split()) == kept
    assert changed > 200


@pytest.mark.parametrize("name", [name for name in NORMALISE if name != "entities"])
def test_twice_is_once(name: str):
    change = NORMALISE[name]
    assert all(change(change(text)) == change(text) for text in texts(2, 3_000))


def test_composed_letters_and_commas_come_in_either_order():
    """Of letters with one mark below each: where there are two, only form C knows the first."""
    assert "s\u0327" in WORDED
    for text in texts(3, 2_000, WORDED):
        ends = {normalise(text, list(order))[0] for order in permutations(["nfc", "comma_below"])}
        assert len(ends) == 1
        assert unicodedata.is_normalized("NFC", ends.pop())


def test_the_order_that_a_recipe_names_is_kept():
    assert normalise("&#351;i", ["entities", "comma_below"]) == (
        "și",
        ["entities", "comma_below"],
    )
    assert normalise("&#351;i", ["comma_below", "entities"]) == ("şi", ["entities"])


def test_a_turkish_word_stays_turkish_unless_asked():
    said = "Işıl, şöyle: Şişli'de çay, Kırşehir"  # noqa: RUF001
    unasked = [name for name in NORMALISE if name != "comma_below"]
    assert normalise(said, unasked) == (said, [])
    assert normalise(said, [])[0] == said


def test_a_table_is_normalised_at_every_depth_and_rows_are_counted():
    table = [
        ("a:1", {"ţară": " şi ", "said": [{"from": "human", "value": "ţ\u0103"}], "n": 1}),
        ("a:2", {"ţară": "și", "said": [], "n": None}),
        ("a:3", {"ţară": "t\u0327", "said": ["a\u0306"], "n": 2.5}),
    ]
    made, counts = spelled(table, ["nfc", "trim", "comma_below"])
    assert made == [
        ("a:1", {"ţară": "și", "said": [{"from": "human", "value": "ță"}], "n": 1}),
        ("a:2", {"ţară": "și", "said": [], "n": None}),
        ("a:3", {"ţară": "ț", "said": ["ă"], "n": 2.5}),
    ]
    assert counts == {"nfc": 1, "trim": 1, "comma_below": 2}
    assert table[0][1]["ţară"] == " şi "
    assert spelled(table, []) == (table, {})
