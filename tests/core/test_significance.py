"""The intervals and tests are those of the books: against scipy, by hand, as published."""

import time

import numpy as np
import pytest
from scipy import stats

from stages.core.errors import InputError
from stages.core.intervals import Sampling, bootstrap_t, bounded
from stages.core.jsonl import write_rows
from stages.core.pairing import differences, having, read_scores, same_rows, span, values
from stages.core.significance import Rows, correct, holm, mcnemar, mean, paired, shown, unpaired

SAMPLING = Sampling(0.95, 9999, "section")
SCORE = (0.0, 1.0)


def test_wilson_is_scipys():
    checked = 0
    for n in (1, 7, 20, 200):
        for passed in {0, 1, n // 2, n - 1, n}:
            found = mean(Rows([1.0] * passed + [0.0] * (n - passed)), SAMPLING, SCORE)
            known = stats.binomtest(passed, n).proportion_ci(method="wilson")
            assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-12)
            assert (found.n, found.groups, found.p) == (n, n, None)
            checked += 1
    assert checked == 17


def test_bonett_and_price_by_hand():
    """Their example's shape: 20 rows, 6 won, 1 lost: (7/22 - 2/22) and its error."""
    found = paired(Rows([1.0] * 6 + [-1.0] + [0.0] * 13), SAMPLING, SCORE)
    won, lost = 7 / 22, 2 / 22
    half = 1.959963984540054 * ((won + lost - (won - lost) ** 2) / 22) ** 0.5
    assert found.value == pytest.approx(0.25)
    assert found.low == pytest.approx(won - lost - half)
    assert found.high == pytest.approx(won - lost + half)
    assert found.p == pytest.approx(stats.binomtest(6, 7).pvalue)


def test_mcnemar_is_the_binomial_test_of_what_changed():
    assert mcnemar(0, 0) == 1
    for won, lost in ((5, 5), (8, 0), (1, 9), (9, 1), (3, 14)):
        assert mcnemar(won, lost) == pytest.approx(stats.binomtest(won, won + lost).pvalue)


def test_the_bootstrap_t_is_that_of_many_rows_and_close_to_students_for_few():
    stream = np.random.default_rng(1)
    many = stream.normal(0.3, 1, 400)
    found = paired(Rows(many), SAMPLING)
    known = stats.bootstrap((many,), np.mean, rng=stream, method="BCa").confidence_interval
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.01)
    few = stream.normal(0, 1, 20)
    known = stats.ttest_1samp(few, 0).confidence_interval(0.95)
    found = paired(Rows(few), SAMPLING)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.15)
    assert found.high - found.low > 0.9 * (known.high - known.low)


def test_the_bootstrap_t_leans_to_the_long_tail():
    long = stats.lognorm(1).ppf((np.arange(20) + 0.5) / 20)
    found = paired(Rows(long), SAMPLING)
    assert found.high - found.value > 1.5 * (found.value - found.low)


def test_with_pass_and_fail_the_bounded_interval_is_clopper_and_pearsons():
    for passed, n in ((0, 20), (20, 20), (17, 20), (3, 200)):
        found = bounded(Rows([1.0] * passed + [0.0] * (n - passed)), SCORE, SAMPLING)
        known = stats.binomtest(passed, n).proportion_ci(method="exact")
        assert found == pytest.approx((known.low, known.high), abs=0.012)


def test_no_difference_in_any_row_is_no_certainty():
    same = paired(Rows(np.zeros(20)), SAMPLING, SCORE)
    assert same.low == pytest.approx(-same.high)
    assert 0.1 < same.high < 0.15
    assert same.p == 1
    fewer = paired(Rows(np.zeros(5)), SAMPLING, SCORE)
    assert fewer.high > same.high
    # A wider range, a wider interval; without a range the rows cannot tell.
    wide = paired(Rows(np.zeros(20)), SAMPLING, (-1.0, 1.0))
    assert wide.high == pytest.approx(2 * 0.168, abs=0.03)
    unknown = paired(Rows(np.zeros(20)), SAMPLING, (0.0, np.inf))
    assert (unknown.low, unknown.high, unknown.p) == (None, None, 1)
    assert "low" not in unknown.told()
    assert not shown(unknown.told(), 0.95)


def test_few_rows_that_differ_do_not_make_an_interval_certain():
    """Scores of near-perfect answers: three of twenty are not 1."""
    near = mean(Rows([1.0] * 17 + [0.9, 0.8, 0.7]), SAMPLING, SCORE)
    assert near.low < 0.9
    assert near.high == 1 or near.high > 0.99
    perfect = mean(Rows([0.5] * 20), SAMPLING, SCORE)
    assert perfect.low < 0.45
    assert perfect.high > 0.55


def test_too_few_to_draw_from_are_left_to_students_t():
    loss = [2.0, 2.5, 3.5]
    found = paired(Rows(loss), SAMPLING, (0.0, np.inf))
    known = stats.ttest_1samp(loss, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert paired(Rows([2.0]), SAMPLING, (0.0, np.inf)).low is None
    assert paired(Rows([0.25]), SAMPLING, SCORE).low < -0.9


def test_groups_are_drawn_and_flipped_as_a_whole():
    stream = np.random.default_rng(4)
    latent = stream.normal(0.5, 1, 40)
    groups = np.repeat(np.arange(40), 5)
    together = Rows(latent[groups] + stream.normal(0, 0.01, 200), groups.tolist())
    as_one = paired(together, SAMPLING)
    as_many = paired(Rows(together.values), SAMPLING)
    ratio = (as_one.high - as_one.low) / (as_many.high - as_many.low)
    assert ratio == pytest.approx(5**0.5, rel=0.1)
    of_groups = paired(Rows(latent), SAMPLING)
    assert (as_one.low, as_one.high) == pytest.approx((of_groups.low, of_groups.high), abs=0.03)
    assert as_one.p == pytest.approx(of_groups.p, abs=0.005)
    assert as_one.p > 10 * as_many.p
    assert (as_one.n, as_one.groups) == (200, 40)


def test_pass_and_fail_in_groups_count_for_less():
    values = [1.0] * 30 + [0.0] * 70
    alone = paired(Rows(values), SAMPLING, SCORE)
    groups = [at // 5 for at in range(100)]
    alike = paired(Rows(values, groups), SAMPLING, SCORE)
    assert alike.high - alike.low > 1.5 * (alone.high - alone.low)
    # Twenty groups, six of them +1: the signs of groups, not McNemar's 30 to 0.
    assert alike.p == pytest.approx(2 / 2**6)
    assert alone.p == pytest.approx(2 / 2**30)
    # All rows alike: as many witnesses as groups.
    told = mean(Rows([1.0] * 100, groups), SAMPLING, SCORE)
    known = stats.binomtest(20, 20).proportion_ci(method="wilson")
    assert (told.low, told.high) == pytest.approx((known.low, known.high))


def test_few_groups_of_several_rows_are_judged_by_students_t():
    agree = paired(Rows([1.0] * 40, [at // 5 for at in range(40)]), SAMPLING, SCORE)
    # With one more group of no difference t is 8: the p of 8 groups is no smaller, ever.
    assert agree.p == pytest.approx(2 * stats.t.sf(8, 8))
    nothing = paired(Rows([0.0] * 40, [at // 5 for at in range(40)]), SAMPLING, SCORE)
    assert nothing.p == 1


def test_sign_flips_are_scipys_permutations_all_of_them_where_there_are_few():
    values = [0.31, -0.1, 0.22, 0.44, 0.05, 0.27, -0.02, 0.36]
    known = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert paired(Rows(values), SAMPLING).p == pytest.approx(known.pvalue)
    assert paired(Rows(values + [0.0] * 30), SAMPLING).p == pytest.approx(known.pvalue)
    stream = np.random.default_rng(6)
    many = stream.normal(0.25, 1, 60)
    known = stats.permutation_test(
        (many,), np.mean, permutation_type="samples", vectorized=True, rng=stream
    )
    assert paired(Rows(many), SAMPLING).p == pytest.approx(known.pvalue, abs=0.012)
    assert paired(Rows(many + 2), SAMPLING).p == pytest.approx(1e-4)


def test_p_of_no_difference_is_as_small_as_chance_has_it():
    stream = np.random.default_rng(3)
    ps = [paired(Rows(stream.normal(0, 1, 20)), Sampling(0.95, 999)).p for _ in range(300)]
    assert 0.02 <= np.mean(np.array(ps) < 0.05) <= 0.09


def test_the_weighted_mean_is_a_ratio_of_sums():
    found = Rows([1.0, 2.0, 4.0], None, [1.0, 1.0, 2.0])
    assert found.mean == pytest.approx(11 / 4)
    assert found.error == pytest.approx((3 / 2 * (1.75**2 + 0.75**2 + 2.5**2) / 16) ** 0.5)
    stream = np.random.default_rng(9)
    weights = stream.integers(1, 50, 300)
    values_ = stream.normal(0, 1, 300)
    ends = bootstrap_t(Rows(values_, None, weights), SAMPLING)
    known = stats.bootstrap(
        (values_, weights), lambda v, w: (v * w).sum() / w.sum(), paired=True, vectorized=False,
        n_resamples=1999, rng=stream, method="percentile",
    ).confidence_interval  # fmt: skip
    assert ends == pytest.approx((known.low, known.high), abs=0.02)


def test_two_samples_are_welchs_and_newcombes():
    stream = np.random.default_rng(5)
    one, other = stream.normal(0.6, 0.1, 60), stream.normal(0.5, 0.2, 90)
    found = unpaired(Rows(one), Rows(other), SAMPLING)
    known = stats.ttest_ind(one, other, equal_var=False)
    ends = known.confidence_interval(0.95)
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.01)
    assert found.p == pytest.approx(known.pvalue)
    # Newcombe 1998, table II (a): 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    passed = [Rows([1.0] * k + [0.0] * (n - k)) for k, n in ((56, 70), (48, 80))]
    found = unpaired(*passed, SAMPLING, SCORE)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    alike = unpaired(Rows(np.ones(20)), Rows(np.ones(30)), SAMPLING, SCORE)
    assert alike.p == 1
    assert alike.low < -0.1
    assert alike.high > 0.1
    assert unpaired(Rows([2.0] * 3), Rows([1.0] * 3), SAMPLING).p == pytest.approx(2 / 20)
    # One group: how far another one would be off is not known, however many its rows.
    assert unpaired(Rows([0.1, 0.2, 0.3], ["a"] * 3), Rows(one), SAMPLING, SCORE).p == 1


def test_many_groups_are_drawn_in_bundles():
    stream = np.random.default_rng(11)
    many = Rows(stream.exponential(1, 3000))
    assert (many.n, many.groups, len(many.sums)) == (3000, 3000, 500)
    found = paired(many, SAMPLING, (0.0, 10.0))
    known = stats.ttest_1samp(many.values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.008)
    # Two of 3,000 pass: one group more at either end, not one bundle more.
    rare = bounded(Rows([1.0] * 2 + [0.0] * 2998), SCORE, SAMPLING)
    known = stats.binomtest(2, 3000).proportion_ci(method="exact")
    assert rare == pytest.approx((known.low, known.high), rel=0.1)


def test_holm_against_published_numbers():
    # https://en.wikipedia.org/wiki/Holm%E2%80%93Bonferroni_method: the first and the last rejected.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []
    family = [{"p": 0.01}, {"delta": 0.0}, {"p": 0.04}]
    correct(family)
    assert [found.get("p_holm") for found in family] == [0.02, None, 0.04]


def test_shown_asks_for_both_the_interval_and_the_corrected_p():
    found = {"low": 0.1, "high": 0.2, "p": 0.01, "p_holm": 0.04}
    assert shown(found, 0.95)
    assert not shown(found, 0.99)
    assert not shown(found | {"p_holm": 0.06}, 0.95)
    assert not shown(found | {"low": -0.1}, 0.95)
    assert not shown({"low": 0.1, "high": 0.2}, 0.95)
    rounded_from_0_0504 = found | {"p_holm": 0.05}
    assert not shown(rounded_from_0_0504, 0.95)
    assert not shown(found | {"p_holm": 0.1}, 0.9)


def test_the_same_name_draws_the_same_and_another_otherwise():
    some = np.random.default_rng(8).exponential(1, 30)
    one, same, other = (
        paired(Rows(some), Sampling(0.95, 999, name)) for name in ("a", "a", "b")
    )  # fmt: skip
    assert one == same
    assert one.high != other.high


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (([],), "one at least"),
        (([1.0], ["a", "b"]), "of the same rows"),
        (([1.0, float("nan")],), "no finite number"),
        (([1.0, 2.0], None, [1.0, 0.0]), "not above 0"),
    ],
)
def test_what_is_no_row_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Rows(*bad)


def score(row, value=1.0, **more):
    return {"model": "m", "set": "own", "skill": "s", "row": row, "values": {"loss": value}} | more


def test_a_value_that_is_no_number_is_named(tmp_path):
    path = tmp_path / "2b.jsonl"
    path.write_text(
        '{"row": "a", "values": {"rouge_l": 1e999}}\n{"row": "b", "values": {"exact": null}}\n'
    )
    with pytest.raises(InputError, match=r"row a: rouge_l: inf is no finite") as told:
        read_scores(path)
    assert "row b: exact: None is no finite number" in str(told.value)
    path.write_text('{"row": "a", "values": {"rouge_l": NaN}}\n')
    with pytest.raises(InputError, match=r"2b\.jsonl:1: .*NaN is no JSON number"):
        read_scores(path)


def test_models_of_other_rows_are_all_named(tmp_path):
    models = {}
    for name, ids in (("2c", "abc"), ("2b", "ab"), ("base", "abc"), ("chat", "abcd")):
        write_rows(tmp_path / f"{name}.jsonl", [score(row) for row in ids])
        models[tmp_path / f"{name}.jsonl"] = read_scores(tmp_path / f"{name}.jsonl")
    with pytest.raises(InputError, match=r"2b\.jsonl: .*than 2c\.jsonl: 1, such as") as told:
        same_rows(models)
    assert "chat.jsonl: scores other rows" in str(told.value)
    assert "base.jsonl" not in str(told.value)


def test_a_score_without_a_group_is_a_group_of_its_own():
    own = {row: score(row, 1.0) for row in "abcd"}
    other = {row: score(row, 2.0) for row in "abcd"}
    for of in (own, other):
        for one in of.values():
            one["values"]["reference_tokens"] = 3.0
    ids = having("loss", list("abcd"), own, other)
    found = differences("loss", own, other, ids)
    assert (found.n, found.groups, found.mean) == (4, 4, 1.0)  # lower is better
    for row in "ab":
        own[row]["group"] = "same"
    assert differences("loss", own, other, ids).groups == 3
    assert values("loss", own, ids).groups == 3
    own["c"]["values"]["reference_tokens"] = 0
    assert having("loss", list("abcd"), own, other) == ["a", "b", "d"]
    assert span("loss") == (0, np.inf)


def test_it_is_light():
    stream = np.random.default_rng(0)
    begun = time.process_time()
    for _ in range(30):
        paired(Rows(stream.normal(0, 1, 260)), SAMPLING)
    assert time.process_time() - begun < 2
