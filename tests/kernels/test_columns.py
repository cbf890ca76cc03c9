"""Exact means and deviations of columns, checked against fractions, and rows divided by numbers."""

import numpy as np
import oracle
import pytest

from numbakmeans._engine import columns
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.columns import column_means, deviations, divided
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
RNG = np.random.default_rng(0)


def ordinary(n_samples, n_features):
    return RNG.normal(size=(n_samples, n_features)) * 3 + 1


#: Data, and whether one call of a kernel finds its deviations.
DATA = {
    "one value": (np.array([[3.25]]), True),
    "one feature": (ordinary(500, 1), True),
    "lines that do not end with a run": (ordinary(77, 13), True),
    "more features than a run": (ordinary(30, 150), True),
    "constant": (np.full((50, 3), 0.1), True),
    "integers": (RNG.integers(-9, 9, size=(200, 4)).astype(float), True),
    "far from zero": (ordinary(100, 3) + 1e8, True),
    "small": (ordinary(100, 3) * 1e-30, True),
    "zeros": (np.zeros((20, 2)), True),
    "of any magnitude": (ordinary(100, 3) * 10.0 ** RNG.integers(-30, 30, size=(100, 3)), True),
    "of any magnitude about zero": (np.array([[1e30, 1e-10], [-1e30, -1e-10], [3.0, 1e-30]]), False),
    "subnormal": (ordinary(100, 3) * 1e-310, False),
    "large": (ordinary(100, 3) * 1e200, False),
    "huge": (ordinary(100, 3) * 1e307, False),
    "not finite": (np.where(RNG.random((50, 4)) < 0.1, np.inf, ordinary(50, 4)), False),
}


def right_deviations(X):
    with np.errstate(over="ignore", invalid="ignore"):
        means = [oracle.exact_mean(column, np.float64) for column in X.T]
        squares = [(column - mean) ** 2 for column, mean in zip(X.T, means, strict=True)]
        return np.array(means), np.sqrt([oracle.exact_mean(column, np.float64) for column in squares])


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("dtype", DTYPES)
def test_means_and_deviations_are_exact(name, dtype, threads, monkeypatch):
    data, _ = DATA[name]
    with np.errstate(over="ignore", under="ignore"):
        X = data.astype(dtype)
    means, expected = right_deviations(X.astype(np.float64))
    for size in (at.MAX_SMALL_VALUES, 0):
        monkeypatch.setattr(at, "MAX_SMALL_VALUES", size)
        assert np.array_equal(column_means(Samples(X)), means, equal_nan=True)
        assert np.array_equal(deviations(Samples(X)), expected, equal_nan=True)
    # In slabs.
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 0)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 0)
    monkeypatch.setattr(at, "MIN_SLAB_ROWS", 7)
    assert np.array_equal(column_means(Samples(np.asfortranarray(X))), means, equal_nan=True)
    assert np.array_equal(deviations(Samples(np.asfortranarray(X))), expected, equal_nan=True)


@pytest.mark.parametrize("name", DATA)
def test_one_call_finds_the_deviations_of_ordinary_data(name):
    data, at_once = DATA[name]
    found = np.empty((1, data.shape[1]))
    assert columns.VARIANCES.on(False)(data, 1, False, found) == at_once
    assert not at_once or np.array_equal(np.sqrt(found[0]), right_deviations(data)[1])


def test_bins_of_many_rows_give_the_same_means():
    X = DATA["lines that do not end with a run"][0]
    whole, halved = np.empty((2, 1, X.shape[1]))
    for many, found in ((False, whole), (True, halved)):
        assert columns.VARIANCES.on(False)(X, 1, many, found)
    assert whole.tobytes() == halved.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (100, 3), (33, 150)])
def test_rows_are_divided(dtype, shape, threads):
    X = ordinary(*shape).astype(dtype)
    divisors = np.abs(X[0]) + dtype(0.1)
    assert divided(Samples(X), divisors).tobytes() == (X / divisors).tobytes()
