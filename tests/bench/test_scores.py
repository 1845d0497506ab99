"""The comparison with the reference implementations, on fewer pairs."""

import pytest


@pytest.fixture(scope="module")
def tallies(bench):
    return bench("scores").compared(32)


def test_nothing_differs_without_a_reason_whose_cause_was_checked(tallies):
    assert set(tallies) == {"rouge-score", "sacrebleu", "bert-score", "scipy", "codebleu"}
    for name, tally in tallies.items():
        assert tally.unexplained == [], name
        assert tally.largest <= 1e-9, name


def test_every_reason_is_one_of_the_named_and_most_of_them_occur(bench, tallies):
    met = {name for tally in tallies.values() for name in tally.named}
    assert met <= set(bench("scores").EXPLAINED)
    assert {"blank reference", "words of any script", "blank answer"} <= met
    # What has no reason is told: a value beside another one, and one beside none.
    tally = bench("scores").Tally()
    tally.add("x", 0.5, 0.5 + 1e-8, ("no", False))
    tally.add("y", None, 0.5)
    tally.add("z", 0.5, 0.5)
    assert len(tally.unexplained) == 2


def test_the_pairs_are_the_same_each_time_and_strange(bench):
    pairs = bench("scores").pairs(500)
    assert pairs == bench("scores").pairs(500)
    assert len(pairs) == 500
    texts = [text for pair in pairs for text in pair]
    assert {len(text) for text in texts} >= {0, 10_000}
    assert any("\x00" in text for text in texts)
    assert any("مرحبا" in text for text in texts)
