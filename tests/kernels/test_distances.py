"""Distances from all rows to all centers."""

import numpy as np
import oracle
import pytest
from support import edge_cases

from numbakmeans._engine import thresholds as at
from numbakmeans._engine.distances import distances
from numbakmeans._engine.samples import Samples


def expected_distances(X, centers):
    result = np.float32 if X.dtype == centers.dtype == np.float32 else np.float64
    rows = [[oracle.root(sq_dist, result) for sq_dist in row] for row in oracle.sq_dists(X, centers)]
    return np.array(rows, result)


@pytest.mark.parametrize("of_centers", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 4, 5, 33])
@pytest.mark.parametrize("n_samples", [1, 129, 300])
@pytest.mark.parametrize("widened", [False, True])
def test_distances(n_samples, n_features, dtype, of_centers, widened, threads, monkeypatch):
    """Few rows are widened to float64, whatever their dtype: here all rows are, or none."""
    monkeypatch.setattr(at, "MAX_SMALL_VALUES", 10**9 if widened else 0)
    rng = np.random.default_rng(n_features)
    X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    centers = rng.normal(size=(3, n_features)).astype(of_centers)
    found, expected = distances(Samples(X), centers), expected_distances(X, centers)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_ugly_data(name, dtype):
    X, centers = edge_cases.cases(dtype)[name]
    X, centers = X[:200], centers[:8]
    found = distances(Samples(X), centers)
    assert found.tobytes() == expected_distances(X, centers).tobytes()


def test_roots_near_the_midpoint_of_two_singles():
    """The second feature makes D so little larger that its float64 root still is the midpoint itself."""
    rows = np.zeros((200, 2), np.float32)
    rows[:, 0] = 1 + np.arange(200) * 2.0**-23
    tiny = np.random.default_rng(0).integers(1, 1 << 23, size=(2000, 2)) * 2.0**-149
    rows = np.vstack([rows, tiny.astype(np.float32)])
    centers = np.array([[-(2.0**-24), 2.0**-26], [0.0, 0.0], [-(2.0**-24), 0.0]], np.float32)
    expected = expected_distances(rows, centers)
    assert distances(Samples(rows), centers).tobytes() == expected.tobytes()
    # The negative control: rounding twice is wrong for every other row.
    twice = np.sqrt(oracle.sq_dists(rows, centers)).astype(np.float32)
    assert (twice != expected)[:200].sum(0).tolist() == [100, 0, 0]
