"""Reference distances, nearest centers, and correctly rounded roots."""

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._engine import thresholds as at
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.distances import roots
from numbakmeans._engine.kernels.reference import root_single
from numbakmeans._engine.samples import Samples


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3, 4, 5, 16, 33])
@pytest.mark.parametrize("n_samples", [1, 15, 127, 128, 129, 1500])
@pytest.mark.parametrize("widened", [False, True])
def test_labels_and_distances_are_the_oracles(dtype, n_features, n_samples, widened, threads, monkeypatch):
    """Few rows are widened to float64, whatever their dtype: here all rows are, or none."""
    monkeypatch.setattr(at, "MAX_SMALL_VALUES", 10**9 if widened else 0)
    rng = np.random.default_rng(n_features)
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    centers = rng.normal(size=(6, n_features)).astype(dtype)
    labels, sq_dists = nearest(Samples(X), centers)
    expected_labels, expected = oracle.assign(X, centers)
    assert np.array_equal(labels, expected_labels)
    assert sq_dists.tobytes() == expected.tobytes()


def test_the_lowest_index_wins_ties():
    X = np.zeros((200, 2))
    centers = np.array([[2.0, 0], [0, 1], [1, 0], [0, -1]])
    assert set(nearest(Samples(X), centers)[0]) == {1}


@given(st.floats(min_value=0, allow_nan=False))
def test_roots_are_rounded_once(sq_dist):
    assert root_single(sq_dist) == float(oracle.root(sq_dist, np.float32))


@given(st.floats(min_value=0, max_value=2.0**126, width=32), st.sampled_from([-1, 0, 1]))
def test_roots_near_the_midpoint_of_two_singles_are_rounded_once(x, side):
    x = np.float32(x)
    middle = (np.float64(x) + np.float64(np.nextafter(x, np.float32(np.inf)))) / 2
    sq_dist = middle**2 if side == 0 else np.nextafter(middle**2, np.inf * side)
    sq_dist = max(sq_dist, 0.0)
    # As a Python float: NumPy would round the other side of a comparison with a float32.
    assert root_single(sq_dist) == float(oracle.root(sq_dist, np.float32))


def test_rounding_the_double_root_again_would_be_wrong():
    """The negative control of the tests above: they detect the naive way."""
    rng = np.random.default_rng(0)
    x = rng.random(1000).astype(np.float32)
    middle = (x.astype(np.float64) + np.nextafter(x, np.float32(2))) / 2
    sq_dists = np.nextafter(middle**2, np.inf)
    plain = np.sqrt(sq_dists).astype(np.float32)
    right = [oracle.root(v, np.float32) for v in sq_dists]
    assert (plain != right).any()
    assert roots(sq_dists, single=True).tolist() == right
