"""Figures put together: sums, means of sections, and a share, against published formulas."""

import numpy as np
import pytest

from stages.core.estimates import Estimate, average, correlation, share, total
from stages.core.intervals import Rows, Sampling
from stages.core.significance import paired

SAMPLING = Sampling(0.95, 9999, "section")
SCORE = (0.0, 1.0)


def test_sections_that_share_rows_are_no_independent_witnesses():
    stream = np.random.default_rng(11)
    rows = Rows(stream.normal(0.2, 0.3, 40), [f"g{at}" for at in range(40)])
    once = paired(rows, SAMPLING)
    twice = average([once, once], [rows, rows])
    assert (twice.low, twice.high, twice.groups) == pytest.approx((once.low, once.high, 40))
    assert total([once, once]).high < once.high - 0.02  # as if they were other rows
    others = Rows(stream.normal(0.2, 0.3, 40), [f"h{at}" for at in range(40)])
    apart = [once, paired(others, SAMPLING)]
    assert average(apart, [rows, others]) == total(apart)
    assert correlation([rows], [rows]) == pytest.approx(1)
    assert correlation([rows], [others]) == 0
    assert correlation([rows, others], [rows]) == pytest.approx(1 / 2**0.5, abs=0.1)


def test_a_sum_of_figures_adds_the_squares_of_their_sides():
    parts = [Estimate(0.5, 0.2, 0.9, 10, 5), Estimate(0.3, 0.2, 0.35, 20, 20)]
    both = total(parts)
    assert both.value == pytest.approx(0.4)
    assert both.low == pytest.approx(0.4 - (0.15**2 + 0.05**2) ** 0.5)
    assert both.high == pytest.approx(0.4 + (0.2**2 + 0.025**2) ** 0.5)
    assert (both.n, both.groups) == (30, 25)
    less = total(parts, (1, -1))
    assert less.low == pytest.approx(0.2 - (0.3**2 + 0.05**2) ** 0.5)
    assert total([parts[0], Estimate(0.1, None, None, 3, 3)]).low is None


def test_a_share_is_fiellers_where_its_sides_are_even():
    part, whole, hangs = Estimate(2.0, 1.0, 3.0, 9, 9), Estimate(8.0, 6.0, 10.0, 9, 9), 0.5
    low, high = share(part, whole, hangs)
    for end in (low, high):  # Fieller: where (part - end * whole) is just 1.96 of its errors off 0
        off = 1 + end**2 * 4 - 2 * hangs * end * 1 * 2
        assert (2 - end * 8) ** 2 == pytest.approx(off)
    assert low < 0.25 < high
    assert share(part, Estimate(1.0, -0.1, 2.0, 9, 9), hangs) is None


def test_a_share_may_be_of_either_sign():
    whole = Estimate(8.0, 6.0, 11.0, 9, 9)
    for value in (-2.0, 0.0, 2.0):
        part = Estimate(value, value - 1.0, value + 2.0, 9, 9)
        low, high = share(part, whole, 0.0)
        assert low < value / 8 < high
        # At its ends MOVER's interval of part - end * whole begins, or ends, at 0.
        for end, off in ((low, 1.0), (high, 2.0)):
            of_whole = (3.0 if (end > 0) == (end == low) else 2.0) * end
            assert (value - end * 8) ** 2 == pytest.approx(off**2 + of_whole**2)
        mirrored = share(Estimate(-value, -value - 2.0, -value + 1.0, 9, 9), whole, 0.0)
        assert mirrored == pytest.approx((-high, -low))
