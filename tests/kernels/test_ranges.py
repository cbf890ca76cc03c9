"""What columns span, against NumPy."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._kernels.ranges import finest_bit
from numbakmeans._samples import Samples


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_finest_bit(x):
    x = abs(x)
    bit = float(finest_bit(x))
    assert Fraction(x) / Fraction(bit) % 2 == 1


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
    weights = [[finest_bit(abs(float(x))) if x else np.inf for x in row] for row in X]
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
