"""The ranges of columns, checked against NumPy."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.bins import MANY_ROWS, part_exponent
from numbakmeans._engine.kernels.ranges import exponent_above, finest_bit, power_of_two
from numbakmeans._engine.samples import SURVEY, Samples

SIZES = st.floats(allow_nan=False, allow_infinity=False).filter(bool).map(abs)


def survey(X):
    """Return largest magnitude, finest bit and bin of each column, n_parts, and whether all are finite."""
    plan = _plan.sweep(X.shape, work=8 * X.size)
    largest, finest = np.zeros(X.shape[1]), np.full(X.shape[1], np.inf)
    ends = np.empty(X.shape[1], np.int64)
    n_parts, finite = SURVEY.on(plan.parallel)(plan.n_tasks, X, False, (largest, finest, ends))
    return largest, finest, ends, n_parts, finite


def check_parts(largest, finest, ends, n_parts):
    """Check that the parts, from the end of the first bin down, hold all values, and none is superfluous."""
    wanted = 1
    for high, low, end in zip(largest.tolist(), finest.tolist(), ends.tolist(), strict=True):
        assert Fraction(high) < Fraction(2) ** end
        if high == 0.0:
            continue
        assert Fraction(high) >= Fraction(2) ** part_exponent(end, 0, False)
        exponents = [part_exponent(end, p, False) for p in range(60)]
        wanted = max(wanted, 1 + sum(Fraction(2) ** e > Fraction(low) for e in exponents))
    assert n_parts == wanted


def bin_end(exponent):
    """Return the end of the bin of a value just above 2**(exponent - 1)."""
    top = np.nextafter(np.ldexp(1.0, exponent - 1), np.inf)
    return int(Samples(np.array([[top]])).ranges.ends[0])


@given(st.integers(-1072, 1024), st.integers(-1072, 1024))
def test_bins_are_the_same_for_any_data(exponent, other):
    end = bin_end(exponent)
    assert exponent <= end < exponent + 43
    assert (end - bin_end(other)) % 43 == 0


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("end", [-1067, -981, 8, 911, 954, 997, 1040])
def test_parts_of_a_bin_never_overflow(end, halved):
    """Neither sums nor constants overflow, and every end of a whole bin is one of a half bin."""
    exponents = [part_exponent(end, p, halved) for p in range(110)]
    assert exponents[-1] == -1074
    rows = 2**35 - 1 if halved else MANY_ROWS - 1
    tops = [min(end, 1024), *exponents]
    for p, exponent in enumerate(exponents):
        # A first part may be as large as its bin; the others at most half, as they are rounded to nearest.
        largest = 2 ** (tops[p] - exponent) // (2 if p else 1)
        assert rows * largest < 2**63
        shift = 128 if p == 0 and end > 997 else 0
        assert np.isfinite(np.ldexp(1.5, 52 + exponent - shift))
    whole = {part_exponent(end, p, False) for p in range(60)}
    assert whole <= set(exponents)


@given(SIZES)
def test_the_finest_bit_is_the_lowest_one_set(x):
    bit = finest_bit(x)
    assert Fraction(x) / Fraction(bit) % 2 == 1


@given(SIZES)
def test_the_exponent_above_is_the_next_one(x):
    assert Fraction(2) ** (exponent_above(x) - 1) <= Fraction(x) < Fraction(2) ** exponent_above(x)


@pytest.mark.parametrize("e", [*range(-1074, 1024, 97), -1074, -1023, -1022, -1021, 0, 1023])
def test_powers_of_two_are_exact(e):
    assert Fraction(power_of_two(e)) == Fraction(2) ** e


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 3, 7, 64, 65])
def test_ranges_of_columns_are_exact(dtype, n_features, threads):
    rng = np.random.default_rng(n_features)
    X = (rng.normal(size=(1003, n_features)) * 10.0 ** rng.integers(-20, 20, n_features)).astype(dtype)
    X[:, 0] = 0
    assert _plan.sweep(X.shape, work=8 * X.size).n_tasks == threads
    largest, finest, ends, n_parts, finite = survey(X)
    assert finite
    assert np.array_equal(largest, np.abs(X).max(0))
    weights = [[finest_bit(abs(float(x))) if x else np.inf for x in row] for row in X]
    assert np.array_equal(finest, np.min(weights, axis=0))
    check_parts(largest, finest, ends, n_parts)
    # What Samples keep of it; their rows are widened to float64 if they are few.
    measured, finest_of_samples, ranges = Samples(X).measured
    assert np.array_equal(finest_of_samples, finest)
    assert np.array_equal(measured, largest)
    assert np.array_equal(ranges.ends, ends)
    assert ranges[1:] == (n_parts, True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(30))
def test_ranges_that_grow_row_by_row_are_exact(dtype, seed):
    """Multiples of powers of two around every limit, from denormals to the largest float32."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(1, 400), rng.integers(1, 130)
    bits, lowest = rng.integers(1, 25), rng.integers(-149, 77)
    exponents = lowest + rng.integers(0, 28, size=(n_samples, 1))
    X = np.ldexp(rng.integers(-(2**bits), 2**bits, size=(n_samples, n_features)), exponents).astype(dtype)
    largest, finest, ends, n_parts, finite = survey(X)
    assert finite
    assert np.array_equal(largest, np.abs(X).max(0))
    # The weight of the lowest bit of an odd multiple.
    mantissas, powers = np.frexp(np.abs(X).astype(np.float64))
    wholes = np.ldexp(mantissas, 53).astype(np.int64)
    weights = np.where(X != 0, np.ldexp((wholes & -wholes).astype(np.float64), powers - 53), np.inf)
    assert np.array_equal(finest, weights.min(0))
    check_parts(largest, finest, ends, n_parts)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 511, 512, 1002])
def test_every_value_is_checked(bad, row, dtype, threads):
    X = np.ones((1003, 3), dtype)
    assert survey(X)[-1]
    assert Samples(X).finite
    X[row, 2] = bad
    assert not survey(X)[-1]
    assert not Samples(X).finite
