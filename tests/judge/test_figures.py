"""What the verdicts amount to, against known truths and against scikit-learn."""

import random

import pytest

from stages.judge.agreement import agreement, kappa
from stages.judge.comparisons import Comparison
from stages.judge.figures import figures, lengths, positions, win_rate
from stages.judge.verdicts import together, verdict

MODELS = ("old", "new")
COMPARE = {"confidence": 0.95, "resamples": 500}


def about(k, texts=("no", "yes"), exact=(0.0, 1.0), group=None):
    values = tuple({"exact": value, "loss": 1.0} for value in exact)
    return Comparison(MODELS, f"{k:016x}", "own", group or f"g{k}", "q", "yes", texts, values)


def said(k, *winners, judge="j", **changes):
    """A comparison, and the verdict of a judge who says so in the two orders."""
    orders = [
        {"first": first, "winner": winner, "reason": "r", "request": "0" * 16}
        for first, winner in zip(MODELS, winners, strict=True)
    ]
    compared = about(k, **changes)
    return compared, verdict(judge, compared, orders)


@pytest.mark.parametrize(
    ("winners", "expected"),
    [
        (("new", "new"), ("new", "agreed")),
        (("tie", "tie"), ("tie", "agreed")),
        (("new", "old"), ("tie", "flipped")),
        (("new", "tie"), ("tie", "flipped")),
        (("new", None), (None, "failed")),
        ((None, None), (None, "failed")),
    ],
)
def test_a_model_wins_what_it_wins_in_both_orders(winners, expected):
    assert together([{"winner": winner} for winner in winners]) == expected


def test_kappa_is_scikit_learn_s():
    from sklearn.metrics import cohen_kappa_score

    rng = random.Random(13)
    for n in (3, 20, 200):
        one = [rng.choice([-1, 0, 1, 1]) for _ in range(n)]
        two = [value if rng.random() < 0.6 else rng.choice([-1, 0, 1]) for value in one]
        expected = cohen_kappa_score(one, two)
        assert kappa(list(zip(one, two, strict=True))) == pytest.approx(expected, abs=1e-12)
    assert kappa([(1, 1)] * 5) is None  # chance alone agrees
    assert kappa([]) is None


def test_agreement_sets_ties_apart_and_corrects_for_chance():
    pairs = [(1, 1)] * 6 + [(1, -1)] * 2 + [(0, 1)] * 3 + [(1, 0)]
    told = agreement(pairs)
    assert (told["n"], told["rows"], told["agree"]) == (8, 12, 0.75)
    always = agreement([(1, 1)] * 9 + [(-1, 1)])  # a metric that always says so agrees by chance
    assert (always["agree"], always["kappa"]) == (0.9, 0.0)
    assert agreement([(0, 1)] * 3) == {"rows": 3, "n": 0, "kappa": 0.0}


def test_the_win_rate_counts_ties_as_halves_and_tests_by_signs():
    judged = [said(k, "new", "new") for k in range(8)] + [said(8, "old", "old")]
    judged += [said(9, "new", "old")]
    told = win_rate(judged, COMPARE, "x")
    assert told["value"] == pytest.approx((8 + 0.5) / 10)
    assert told["p"] == pytest.approx(2 * (1 + 9) / 2**9)  # the sign test of 8 against 1
    assert 0.5 < told["low"] < told["value"] < told["high"] <= 1
    turned = [said(k, "old", "old") for k in range(8)] + [said(8, "new", "new")]
    turned += [said(9, "new", "old")]
    mirrored = win_rate(turned, COMPARE, "x")
    assert mirrored["low"] == pytest.approx(1 - told["high"])


def test_rows_of_one_group_are_one_witness():
    alone = win_rate([said(k, "new", "new") for k in range(12)], COMPARE, "x")
    herd = [said(k, "new", "new", group=f"g{k % 3}") for k in range(12)]
    told = win_rate(herd, COMPARE, "x")
    assert (told["groups"], told["n"]) == (3, 12)
    assert told["p"] > 10 * alone["p"]
    assert told["low"] < alone["low"]


def test_the_position_is_found_in_what_is_turned():
    judged = [said(k, "old", "new") for k in range(9)]  # whatever stands first
    judged += [said(9, "new", "new"), said(10, "new", "old"), said(11, "tie", "new")]
    told = positions([line for _, line in judged])
    assert (told["both_first"], told["both_second"], told["n"]) == (9, 1, 12)
    assert told["consistency"] == pytest.approx(1 / 12)
    assert told["first"] == pytest.approx((18 + 1 + 0 + 1) / 23)
    assert told["first_n"] == 23
    assert told["p"] == pytest.approx(2 * (1 + 10) / 2**10)
    assert positions([]) == {"n": 0}


def test_a_judge_that_likes_length_stands_beside_the_metric():
    texts = ("a much longer answer", "yes")
    long = [said(k, "old", "old", texts=texts) for k in range(6)]  # the longer one is wrong
    short = [said(k, "new", "new", texts=texts) for k in range(6, 8)]
    same = [said(8, "new", "new", texts=("abc", "yes"))]
    told = lengths([*long, *short, *same], lambda skill: "exact")
    assert told == {"n": 8, "judge": 0.75, "metric": 0.0, "metric_n": 8}
    assert lengths([*long], lambda skill: None) == {"n": 6, "judge": 1.0}
    assert lengths(same, lambda skill: "exact") == {"n": 0}


def test_a_metric_that_has_no_direction_or_no_say_is_left_out():
    sections = {
        "own": {"set": "own", "metrics": ["exact", "rouge_l_floor", "loss", "rouge_l"]},
        "other": {"set": "other", "metrics": ["empty"]},
    }
    teachers = [{"name": name, "weight": 1, "base_url": "http://x"} for name in "jk"]
    params = {"judge": {"set": "own", "teachers": teachers}, "compare": COMPARE}
    judged = [said(k, "new", "new", judge=judge) for judge in "jk" for k in range(4)]
    told = figures(judged, sections, lambda skill: "exact", params)
    pair = told["judges"]["j"]["old and new"]
    assert set(pair["metrics"]) == {"exact"}  # the loss is the same, rouge_l was not measured
    assert (pair["win_rate"]["p"], pair["win_rate"]["p_holm"]) == (0.12, 0.25)  # two were tested
    assert told["between"]["old and new"]["j and k"] == {"agree": 1.0, "n": 4, "rows": 4}
    assert "offline" not in told
