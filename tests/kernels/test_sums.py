"""Exact sums, against fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._engine import grids
from numbakmeans._engine.kernels import sums
from numbakmeans._engine.kernels.ranges import part_bits
from numbakmeans._engine.samples import Samples
from numbakmeans._numba.compiler import kernel

ANY = st.floats(allow_nan=False, allow_infinity=False)


@kernel
def compiled_part_bits(n_samples):
    return part_bits(n_samples)


@kernel
def make_grids(tops, bits, exponents, constants, scales):
    sums.make_grids(tops, bits, exponents, constants, scales)


@given(st.integers(1, 2**35))
def test_no_sum_can_overflow(n_samples):
    bits = grids.part_bits(n_samples)
    assert compiled_part_bits(n_samples) == bits
    assert n_samples * 2**bits <= 2**62
    assert 1 <= bits <= 50
    # Below 27 bits the constant of a second part could overflow.
    assert bits >= 27


@given(st.lists(st.lists(ANY, min_size=3, max_size=3), min_size=1, max_size=8))
def test_grids_of_kernels_are_those_of_python(rows):
    samples = Samples(np.array(rows))
    wanted, found = samples.grids, tuple(map(np.empty_like, samples.grids))
    make_grids(samples.ranges.tops, grids.part_bits(len(rows)), *found)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


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


@given(st.lists(st.tuples(ANY, ANY, st.integers(0, 3)), min_size=1, max_size=140))
def test_lanes_are_labelled_as_rows_are(rows):
    samples = Samples(np.array([row[:2] for row in rows]))
    new_labels = np.array([row[2] for row in rows])
    n_rows, (_, constants, scales) = len(rows), samples.grids

    def outputs():
        return np.full(n_rows, -1, np.int32), np.zeros((4, *constants.shape), np.int64), np.zeros(4, np.int64)

    by_rows, by_lanes = outputs(), outputs()
    parts = np.empty((*constants.shape, n_rows), np.int64)
    sums.split_lanes(samples.X.T.copy(), n_rows, constants, scales, np.empty(n_rows), parts)
    for turn, label in enumerate((sums.label_lanes, sums.relabel_lanes)):
        # The second time, some rows have other labels.
        new_labels[:: 1 + turn] = (new_labels[:: 1 + turn] + turn) % 4
        moved = sums.relabel(samples.X, 0, n_rows, new_labels, constants, scales, np.empty(2), *by_rows)
        assert label(parts, 0, n_rows, new_labels, *by_lanes) == moved > 0
        for wanted, found in zip(by_rows, by_lanes, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_photo_pixels_need_one_part_and_normal_doubles_two():
    rng = np.random.default_rng(0)
    pixels = Samples(rng.integers(0, 256, size=(100_000, 3)).astype(np.float64))
    assert pixels.grids[0].shape == (1, 3)
    assert Samples(rng.normal(size=(10_000, 4))).grids[0].shape == (2, 4)
