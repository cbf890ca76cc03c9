"""Exact sums and means, against fractions."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._kernels import exact
from numbakmeans._samples import Samples, column_means, labelled_means

ANY = st.floats(allow_nan=False, allow_infinity=False)


def mean_of(values, dtype, divisor=None):
    samples = Samples(np.array(values, dtype).reshape(-1, 1))
    return dtype(column_means(samples, single=dtype is np.float32, divisor=divisor)[0])


@given(st.lists(ANY, min_size=1, max_size=30))
def test_means_of_any_doubles(values):
    assert mean_of(values, np.float64).tobytes() == oracle.exact_mean(values, np.float64).tobytes()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30))
def test_means_of_any_singles(values):
    values = np.array(values, np.float32)
    assert mean_of(values, np.float32).tobytes() == oracle.exact_mean(values, np.float32).tobytes()


@given(st.lists(ANY, min_size=1, max_size=20), st.integers(1, 2**34))
def test_any_divisor(values, divisor):
    got = mean_of(values, np.float64, divisor)
    assert got.tobytes() == oracle.exact_mean(values, np.float64, divisor).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_halves_round_to_even(dtype):
    one, above = dtype(1), np.nextafter(dtype(1), dtype(2))
    after = np.nextafter(above, dtype(2))
    assert mean_of([one, above], dtype) == one
    assert mean_of([above, after], dtype) == after


def test_signs_of_zero():
    assert not np.signbit(mean_of([-0.0, -0.0], np.float64))
    assert not np.signbit(mean_of([1.0, -1.0], np.float64))
    assert np.signbit(mean_of([-5e-324, 0.0, 0.0], np.float64))


def test_the_mean_of_huge_values_is_finite():
    huge = np.finfo(np.float64).max
    assert mean_of([huge, huge, huge], np.float64) == huge
    assert mean_of([huge, huge], np.float64, divisor=1) == np.inf


@given(st.integers(1, 2**35))
def test_no_sum_can_overflow(n_samples):
    bits = int(exact.part_bits(n_samples))
    assert n_samples * 2**bits <= 2**62
    assert 1 <= bits <= 50
    # Below 27 bits the constant of a second part could overflow.
    assert bits >= 27


@given(ANY.filter(bool))
def test_finest_bit(x):
    x = abs(x)
    bit = float(exact.finest_bit(x))
    assert Fraction(x) / Fraction(bit) % 2 == 1


@given(st.lists(ANY, min_size=1, max_size=12))
def test_parts_leave_nothing_over(values):
    samples = Samples(np.array(values).reshape(-1, 1))
    exponents, constants, scales = samples.grids
    for i, value in enumerate(values):
        table, other = np.zeros((2, len(exponents), 1), np.int64)
        exact.add_row(samples.X, i, constants, scales, np.empty(1), table)
        parts = zip(table[:, 0].tolist(), exponents[:, 0].tolist(), strict=True)
        assert sum(q * Fraction(2) ** e for q, e in parts) == Fraction(value)
        alone = table.copy()
        exact.move_row(samples.X, i, constants, scales, np.empty(1), table, other)
        assert not table.any()
        assert np.array_equal(other, alone)
        exact.add_lanes(samples.X[i : i + 1], 1, constants, scales, table)
        assert np.array_equal(table, alone)
        exact.add_totals(other, -1, table)
        assert not table.any()


def test_photo_pixels_need_one_part_and_normal_doubles_two():
    rng = np.random.default_rng(0)
    pixels = Samples(rng.integers(0, 256, size=(100_000, 3)).astype(np.float64))
    assert pixels.grids[0].shape == (1, 3)
    assert Samples(rng.normal(size=(10_000, 4))).grids[0].shape == (2, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 3, 7, 64, 65])
def test_ranges_of_columns(dtype, n_features, threads):
    rng = np.random.default_rng(n_features)
    X = (rng.normal(size=(1003, n_features)) * 10.0 ** rng.integers(-20, 20, n_features)).astype(dtype)
    X[:, 0] = 0
    largest, finest, finite = Samples(X).ranges
    assert len(largest) == threads
    assert finite
    assert np.array_equal(largest.max(0), np.abs(X).max(0))
    weights = [[exact.finest_bit(abs(float(x))) if x else np.inf for x in row] for row in X]
    assert np.array_equal(finest.min(0), np.min(weights, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(30))
def test_ranges_that_grow_row_by_row(dtype, seed):
    """Multiples of powers of two around every limit: from denormals up to the largest of float32."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(1, 400), rng.integers(1, 130)
    bits, lowest = rng.integers(1, 25), rng.integers(-149, 77)
    exponents = lowest + rng.integers(0, 28, size=(n_samples, 1))
    X = np.ldexp(rng.integers(-(2**bits), 2**bits, size=(n_samples, n_features)), exponents).astype(dtype)
    largest, finest, finite = Samples(X).ranges
    assert finite
    assert np.array_equal(largest.max(0), np.abs(X).max(0))
    # The weight of the lowest bit of an odd multiple.
    mantissas, powers = np.frexp(np.abs(X).astype(np.float64))
    wholes = np.ldexp(mantissas, 53).astype(np.int64)
    weights = np.where(X != 0, np.ldexp((wholes & -wholes).astype(np.float64), powers - 53), np.inf)
    assert np.array_equal(finest.min(0), weights.min(0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 511, 512, 1002])
def test_every_value_is_checked(bad, row, threads):
    X = np.ones((1003, 3))
    assert Samples(X).finite
    X[row, 2] = bad
    assert not Samples(X).finite


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_do_not_depend_on_threads(dtype, threads):
    rng = np.random.default_rng(5)
    X = (rng.normal(size=(9001, 3)) * 10.0 ** rng.integers(-8, 8, size=(9001, 1))).astype(dtype)
    labels = rng.integers(0, 5, len(X)).astype(np.int32)
    means, sizes = labelled_means(Samples(X), labels, 6)
    expected = oracle.update(X, labels, np.zeros((6, 3)))
    assert means.tobytes() == expected.tobytes()
    assert sizes.tolist() == np.bincount(labels, minlength=6).tolist()
