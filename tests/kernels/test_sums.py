"""Exact sums, against fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._kernels import sums
from numbakmeans._samples import Samples

ANY = st.floats(allow_nan=False, allow_infinity=False)


@given(st.integers(1, 2**35))
def test_no_sum_can_overflow(n_samples):
    bits = int(sums.part_bits(n_samples))
    assert n_samples * 2**bits <= 2**62
    assert 1 <= bits <= 50
    # Below 27 bits the constant of a second part could overflow.
    assert bits >= 27


@given(st.lists(ANY, min_size=1, max_size=12))
def test_parts_leave_nothing_over(values):
    samples = Samples(np.array(values).reshape(-1, 1))
    exponents, constants, scales = samples.grids
    for i, value in enumerate(values):
        table, other = np.zeros((2, len(exponents), 1), np.int64)
        sums.add_row(samples.X, i, constants, scales, np.empty(1), table)
        parts = zip(table[:, 0].tolist(), exponents[:, 0].tolist(), strict=True)
        assert sum(q * Fraction(2) ** e for q, e in parts) == Fraction(value)
        alone = table.copy()
        sums.move_row(samples.X, i, constants, scales, np.empty(1), table, other)
        assert not table.any()
        assert np.array_equal(other, alone)
        sums.add_lanes(samples.X[i : i + 1], 1, constants, scales, table)
        assert np.array_equal(table, alone)
        sums.add_totals(other, -1, table)
        assert not table.any()


def test_photo_pixels_need_one_part_and_normal_doubles_two():
    rng = np.random.default_rng(0)
    pixels = Samples(rng.integers(0, 256, size=(100_000, 3)).astype(np.float64))
    assert pixels.grids[0].shape == (1, 3)
    assert Samples(rng.normal(size=(10_000, 4))).grids[0].shape == (2, 4)
