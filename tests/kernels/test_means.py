"""Exact means, against fractions."""

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_do_not_depend_on_threads(dtype, threads):
    rng = np.random.default_rng(5)
    X = (rng.normal(size=(9001, 3)) * 10.0 ** rng.integers(-8, 8, size=(9001, 1))).astype(dtype)
    labels = rng.integers(0, 5, len(X)).astype(np.int32)
    means, sizes = labelled_means(Samples(X), labels, 6)
    expected = oracle.update(X, labels, np.zeros((6, 3)))
    assert means.tobytes() == expected.tobytes()
    assert sizes.tolist() == np.bincount(labels, minlength=6).tolist()
