"""Classes, distances and associations: cases computed by hand, and against scipy."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association as scipy_association

from stages.core.intervals import Sampling
from stages.profile.association import association, cramers_v, joint, raked
from stages.profile.attributes import (
    INVALID,
    MISSING,
    Distribution,
    bin_names,
    class_of,
    classes,
    distribution,
    entropy,
)
from stages.profile.distances import (
    chi_square,
    drawn,
    to_dataset,
    to_model,
    total_variation,
)

AGE = {"field": "who.age", "bins": [18, 30, 50]}
GENDER = {"field": "gender", "values": ["Female", "male"]}
JOB = {"field": "job"}
SAMPLING = Sampling(0.95, 500, "test")


def counted(*rows: list[float]) -> Distribution:
    """Return a distribution of one row of counts a group."""
    return Distribution(np.array(rows, float), [f"g{at}" for at in range(len(rows))], 0, 0)


@pytest.mark.parametrize(
    ("record", "asked", "expected"),
    [
        ({"who": {"age": 17.9}}, AGE, "<18"),
        ({"who": {"age": 18}}, AGE, "18 to <30"),
        ({"who": {"age": "34"}}, AGE, "30 to <50"),
        ({"who": {"age": 50}}, AGE, "≥50"),
        ({"who": {"age": "young"}}, AGE, INVALID),
        ({"who": {"age": True}}, AGE, INVALID),
        ({"who": {"age": "nan"}}, AGE, INVALID),
        ({"who": {"age": [34]}}, AGE, INVALID),
        ({"who": {"age": None}}, AGE, "none"),
        ({"who": {}}, AGE, MISSING),
        ({"who": "me"}, AGE, MISSING),
        ({"who": {"age": 10**400}}, AGE, INVALID),
        ({"who": {"age": "inf"}}, AGE, INVALID),
        (None, AGE, INVALID),
        ([1], AGE, INVALID),
        ({"gender": " FEMALE "}, GENDER, "female"),
        ({"gender": "non-binary"}, GENDER, "other"),
        ({"gender": None}, GENDER, "none"),
        ({"gender": "  "}, GENDER, "none"),
        ({"job": "Head  Nurse"}, JOB, "head nurse"),
        ({"job": "x" * 99}, JOB, "x" * 59 + "…"),
        ({"job": False}, JOB, "false"),
        ({"job": 3}, JOB, "3"),
        ({"job": "missing"}, JOB, "missing"),
        ({"job": "half \ud800 of a pair"}, JOB, "half ? of a pair"),
        ({"job": {"title": "nurse"}}, JOB, INVALID),
    ],
)
def test_a_record_falls_into_a_class(record: Any, asked: dict[str, Any], expected: str):
    assert class_of(record, asked) == expected


def test_bins_and_declared_values_keep_their_order_and_null_is_a_class_where_there_is_one():
    assert bin_names([18, 30.5]) == ["<18", "18 to <30.5", "≥30.5"]
    assert bin_names([1234567, 1234568])[1] == "1234567 to <1234568"
    assert classes(AGE, [Counter({"<18": 1})]) == ["<18", "18 to <30", "30 to <50", "≥50"]
    seen = [Counter({"male": 3, "none": 1}), Counter({"other": 1, MISSING: 2, INVALID: 1})]
    assert classes(GENDER, seen) == ["female", "male", "none", "other"]


def test_free_texts_are_classes_by_how_often_they_are_said_the_rarer_ones_other():
    said = Counter({f"job {at:02}": 50 - at for at in range(25)} | {"none": 100})
    found = classes(JOB, [said, Counter({"job 24": 100})])
    assert found[0] == "job 24"
    assert len(found) == 20 + 2
    assert found[-2:] == ["none", "other"]
    held = [("g", {"job": "Job 24"}), ("g", {"job": "job 23"}), ("h", {"job": None}), ("i", {})]
    told = distribution(held, JOB, found)
    assert dict(zip(found, told.counts.sum(0), strict=True))["other"] == 1
    assert (told.n, told.missing, told.invalid, told.groups) == (3, 1, 0, ["g", "h"])


def test_total_variation_is_half_the_sum_of_the_differences():
    one, other = np.array([0.5, 0.5, 0.0]), np.array([0.8, 0.1, 0.1])
    assert total_variation(one, other) == pytest.approx(0.4)
    assert total_variation(one, one) == 0
    assert total_variation(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def test_chi_square_is_scipys_an_empty_class_left_out():
    numbers = np.random.default_rng(1)
    for shape in ((2, 2), (2, 5), (4, 3)):
        table = numbers.integers(1, 30, size=shape).astype(float)
        expected = chi2_contingency(table, correction=False).statistic
        assert chi_square(table) == pytest.approx(expected, rel=1e-9)
        wider = np.concatenate([table, np.zeros((shape[0], 1))], axis=1)
        assert chi_square(wider) == pytest.approx(expected, rel=1e-9)
    assert chi_square(np.array([[10.0, 20], [20, 10]])) == pytest.approx(20 / 3)


def test_answers_that_are_all_alike_within_a_prompt_count_once():
    alike = counted([4, 0], [0, 4], [4, 0], [0, 4])
    assert alike.design_effect == pytest.approx(4 * 4 / 3)  # of 4 prompts, CR1: times 4 / 3
    apart = counted([2, 2], [2, 2], [2, 2], [2, 2])
    assert apart.design_effect == 1.0
    assert counted([3, 1]).design_effect == 4  # one prompt says nothing about others


def test_p_to_the_dataset_is_that_of_the_chi_square_test_where_rows_are_independent():
    numbers = np.random.default_rng(2)
    for shift in (0.0, 0.1, 0.2):
        sides = []
        for size, shares in ((150, [0.5 + shift, 0.3 - shift, 0.2]), (300, [0.5, 0.3, 0.2])):
            drawn = numbers.choice(3, size=size, p=shares)
            sides.append(counted(*np.eye(3)[drawn]))
        found = to_dataset(*sides, Sampling(0.95, 4000, "test"))
        table = np.stack([side.counts.sum(0) for side in sides])
        assert found["p"] == pytest.approx(chi2_contingency(table).pvalue, abs=0.03)
        assert found["value"] == pytest.approx(total_variation(sides[0].shares, sides[1].shares))
        assert found["low"] <= found["value"] <= found["high"]
        assert found["n"] == 150


def test_runs_that_repeat_a_prompts_answer_show_no_more_than_the_prompts_do():
    dataset = counted(*[[1, 0]] * 50, *[[0, 1]] * 50)
    few = counted(*[[1, 0]] * 7, *[[0, 1]] * 3)
    many = counted(*[[20, 0]] * 7, *[[0, 20]] * 3)
    assert to_dataset(many, dataset, SAMPLING)["p"] == to_dataset(few, dataset, SAMPLING)["p"]
    assert to_dataset(few, dataset, SAMPLING)["p"] > 0.1


def test_a_class_that_the_dataset_never_has_is_a_distance_like_any_other():
    found = to_dataset(counted(*[[0, 1]] * 30), counted(*[[1, 0]] * 30), SAMPLING)
    assert (found["value"], found["high"]) == (1.0, 1.0)
    assert found["p"] == pytest.approx(1 / 501)


def test_a_rare_class_that_few_prompts_never_name_is_not_known_to_be_absent():
    dataset = counted(*[[0, 1]] * 10, *[[1, 0]] * 190)  # one in twenty
    silent = to_dataset(counted(*[[4, 0]] * 8), dataset, SAMPLING)
    assert (silent["value"], silent["low"]) == (pytest.approx(0.05), 0.0)
    stream = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        named = np.where(stream.random((8, 1)) < 0.05, [[0, 4]], [[4, 0]])
        found = to_dataset(counted(*named), dataset, SAMPLING)
        held += found["low"] == 0
    assert held >= 93


def test_a_large_dataset_is_drawn_in_bundles_and_says_the_same():
    numbers = np.random.default_rng(4)
    large = counted(*np.eye(3)[numbers.choice(3, size=5000, p=[0.5, 0.3, 0.2])])
    again = drawn(large.counts, SAMPLING, "dataset")
    assert again.shape == (500, 3)
    spread = (again / again.sum(1, keepdims=True)).std(0)
    expected = (large.shares * (1 - large.shares) / 5000) ** 0.5
    assert spread == pytest.approx(expected, rel=0.15)


def test_models_are_compared_over_the_prompts_that_both_answered_by_all_permutations():
    one = counted([2, 0], [2, 0], [2, 0])
    other = Distribution(
        np.array([[0.0, 2], [0, 2], [0, 2], [2, 0]]), ["g0", "g1", "g2", "x"], 0, 0
    )
    found = to_model(one, other, SAMPLING)
    assert (found["value"], found["n"]) == (1.0, 3)
    assert found["p"] == 2 / 8  # all swapped, and none: of eight ways
    assert found["chance"] == pytest.approx((2 * 1 + 6 * 1 / 3) / 8)
    assert to_model(one, counted(), SAMPLING) == {}


def test_models_that_answer_alike_are_no_distance_apart():
    one = counted([2, 1], [1, 2], [3, 0])
    found = to_model(one, one, SAMPLING)
    assert (found["value"], found["low"], found["p"]) == (0, 0, 1.0)


def test_many_prompts_are_swapped_at_random_the_same_way_in_every_run():
    one, other = counted(*[[3, 1]] * 30), counted(*[[1, 3]] * 30)
    found = to_model(one, other, SAMPLING)
    assert found["p"] == pytest.approx(1 / 501)
    assert found == to_model(one, other, SAMPLING)


def test_cramers_v_is_bergsmas():
    # chi-square 7.2 of n = 20: phi2 = 0.36; less 1/19; over (2 - 1/19) - 1
    table = np.array([[8.0, 2], [2, 8]])
    expected = ((0.36 - 1 / 19) / (1 - 1 / 19)) ** 0.5
    assert cramers_v(table, 20) == pytest.approx(expected)
    assert cramers_v(np.array([[10.0, 0], [0, 10]]), 20) == pytest.approx(1.0)
    assert cramers_v(np.array([[5.0, 5], [5, 5]]), 20) == 0
    assert cramers_v(np.array([[5.0, 5], [0, 0]]), 10) == 0  # one class only
    assert cramers_v(table, 1) == 0
    # Without the correction, which vanishes with n, it is scipy's.
    large = np.array([[500.0, 200, 90], [300, 400, 160]])
    plain = scipy_association(large.astype(int), method="cramer")
    assert cramers_v(large, 10**9) == pytest.approx(plain, rel=1e-6)
    assert cramers_v(np.stack([table, table]), 20) == pytest.approx([expected, expected])


def test_a_raked_table_has_the_margins_and_keeps_the_odds_ratios():
    table = np.array([[8.0, 2], [2, 8]])
    found = raked(table, np.array([30.0, 10]), np.array([20.0, 20]))
    assert found.sum() == pytest.approx(1)
    assert found.sum(1) == pytest.approx([0.75, 0.25])
    assert found.sum(0) == pytest.approx([0.5, 0.5])
    assert found[0, 0] * found[1, 1] / (found[0, 1] * found[1, 0]) == pytest.approx(16)


def held(*pairs: tuple[str, str], runs: int = 1) -> Any:
    """Return records of gender and job, each prompt's as often as there are runs."""
    return [
        (f"g{at}", {"gender": gender, "job": job})
        for at, (gender, job) in enumerate(pairs)
        for _ in range(runs)
    ]


def related(model: Any, dataset: Any) -> dict[str, float]:
    """Return the association of gender and job."""
    known = (GENDER, ["female", "male"]), (JOB, ["nurse", "smith"])
    return association(joint(model, *known), joint(dataset, *known), (2, 2), SAMPLING)


EVEN = [("female", "nurse"), ("female", "smith"), ("male", "nurse"), ("male", "smith")] * 10
STRICT = [("female", "nurse"), ("male", "smith")] * 20


def test_an_association_that_the_dataset_has_not_is_shown():
    found = related(held(*STRICT), held(*EVEN))
    assert found["value"] == pytest.approx(1.0)
    assert found["dataset"] == 0
    assert (found["p"] < 0.01, found["low"] > 0) == (True, True)


def test_the_datasets_own_association_is_none_of_the_models():
    found = related(held(*STRICT), held(*STRICT))
    assert (found["delta"], found["p"]) == (0, 1.0)


def test_other_shares_of_the_classes_alone_are_no_other_association():
    skewed = [*[("female", "nurse")] * 27, *[("female", "smith")] * 3]
    skewed += [*[("male", "nurse")] * 9, ("male", "smith")]
    found = related(held(*skewed), held(*EVEN))
    assert found["p"] > 0.2


def test_what_has_no_class_of_either_is_left_out():
    whole = joint(
        [*held(("female", "nurse")), ("x", {"gender": "male"}), ("y", None)],
        (GENDER, ["female", "male"]),
        (JOB, ["nurse"]),
    )
    assert (whole.n, whole.invalid, whole.groups) == (1, 2, ["g0"])


def test_evenness_is_0_for_one_class_and_1_for_all_alike():
    assert entropy(np.array([1.0, 0, 0])) == 0
    assert entropy(np.array([0.25] * 4)) == pytest.approx(1)
    assert entropy(np.array([0.5, 0.5, 0, 0])) == pytest.approx(0.5)
    assert entropy(np.array([1.0])) == 0


@pytest.mark.slow
def test_five_of_a_hundred_equals_are_called_different_though_runs_are_alike():
    numbers = np.random.default_rng(3)
    shares, wrong, covered, naive = np.array([0.5, 0.3, 0.2]), 0, 0, 0
    trials = 200

    def model(prompts: int) -> Distribution:
        counts = np.zeros((prompts, 3))
        for own, row in zip(numbers.choice(3, size=prompts, p=shares), counts, strict=True):
            for run in numbers.choice(3, size=5, p=shares):
                row[own if numbers.random() < 0.5 else run] += 1
        return counted(*counts)

    for _ in range(trials):
        dataset = counted(*np.eye(3)[numbers.choice(3, size=200, p=shares)])
        one = model(20)
        found = to_dataset(one, dataset, SAMPLING)
        wrong += found["p"] < 0.05
        covered += found["low"] <= 0 <= found["high"]
        table = np.stack([one.counts.sum(0), dataset.counts.sum(0)])
        naive += chi2_contingency(table).pvalue < 0.05
    assert 0.01 <= wrong / trials <= 0.1
    assert 0.9 <= covered / trials <= 0.99
    assert naive / trials > 0.1  # what the correction is for
