"""Ticks are round and inside, labels apart, coordinates the same everywhere."""

from itertools import pairwise

import pytest

from stages.report.page.axes import Scale, cut, log_ticks, place, rounded_span, spread, ticks, wide


def test_a_scale_maps_its_ends_and_keeps_what_is_beyond_inside():
    scale = Scale(10, 20, 100, 0)
    assert [scale.at(value) for value in (10, 15, 20, 25, 5)] == [100, 50, 0, 0, 100]
    log = Scale(0.01, 100, 0, 400, log=True)
    assert [log.at(value) for value in (0.01, 0.1, 1, 100, 1e9)] == [0, 100, 200, 400, 400]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.92, 1), (-1, 1), (50, 417), (0.3, 0.7), (1e-6, 3e-6), (0, 9.5e5)]
)
def test_ticks_are_round_evenly_apart_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert low <= found[0]
    assert found[-1] <= high
    steps = [after - before for before, after in pairwise(found)]
    assert max(steps) == pytest.approx(min(steps))
    assert ticks(3, 3) == [3]


def test_log_ticks_are_few_and_inside():
    assert log_ticks(0.1, 10) == [0.1, 0.3, 1, 3, 10]
    assert log_ticks(1, 10) == [1, 2, 5, 10]
    many = log_ticks(1e-9, 1e9)
    assert 2 <= len(many) <= 5
    assert all(1e-9 <= each <= 1e9 for each in many)


def test_a_span_begins_and_ends_at_ticks_and_is_never_empty():
    assert rounded_span(0.457, 0.599) == (0.45, 0.6)
    assert rounded_span(2, 2) == (1, 3)
    assert rounded_span(0, 0) == (-1, 1)
    low, high = rounded_span(1, 1 + 1e-15)  # one value, but for how it was computed
    assert (low, high) == pytest.approx((0.5, 1.5))
    low, high = rounded_span(1e-14, 2e-14)
    assert low <= 1e-14 < 2e-14 <= high


def test_labels_are_spread_in_their_order_and_kept_inside():
    assert spread([50, 10], [0, 10], 0, 100) == [50, 60]
    found = spread([98, 99, 100], [14, 14, 14], 0, 100)
    assert found == [72, 86, 100]
    assert spread([5, 5, 5], [14, 14, 14], 4, 20) == [4, 18, 32]  # too many: beyond the end


def test_what_is_too_long_is_cut_and_says_so():
    assert cut("short", 100, 12) == "short"
    told = cut("a name that is far too long", 60, 12)
    assert told.endswith("…")
    assert wide(told, 12) <= 60
    assert wide("漢字", 12) == 24
    assert place(1.04) == 1
    assert isinstance(place(1.04), int)
    assert place(1.26) == 1.3
