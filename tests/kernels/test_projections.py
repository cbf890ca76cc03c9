"""Products of rows and vectors, and the directions of the projections."""

import numpy as np
import pytest

from numbakmeans._engine.algorithms import projections


@pytest.mark.parametrize("n_rows", [0, 1, 2, 15, 100])
@pytest.mark.parametrize("n_vectors", [1, 31, 32, 70])
@pytest.mark.parametrize("n_tasks", [1, 3, 8])
@pytest.mark.parametrize("parallel", [False, True])
def test_products_are_numpys(n_rows, n_vectors, n_tasks, parallel):
    rng = np.random.default_rng(n_vectors)
    # Small integers: every order of the additions gives the same sum.
    rows = rng.integers(-9, 9, size=(n_rows, 21)).astype(np.float32)
    vectors = rng.integers(-9, 9, size=(n_vectors, 21)).astype(np.float32)
    assert np.array_equal(projections.multiplies(parallel, n_tasks)(rows, vectors), rows @ vectors.T)


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_directions_have_the_most_variance(n_tasks):
    rng = np.random.default_rng(0)
    spread = np.where(np.arange(30) < 4, 10.0, 0.1)
    points = (rng.normal(size=(500, 30)) * spread).astype(np.float32)
    basis, off = projections.directions(
        points, projections.spanning(points, 4), projections.multiplies(n_tasks > 1, n_tasks)
    )
    right = np.linalg.norm(basis.astype(float) @ basis.T - np.eye(4))
    assert right <= off * 1.01 + 1e-12
    assert off < 1e-5

    def kept(directions):
        return np.square(points @ directions.T).sum() / np.square(points).sum()

    assert kept(basis) > 0.99
    assert kept(np.eye(30)[10:14]) < 0.01  # the control
