"""Bounds on the distances to the fast centers, which are scored for all rows."""

import numpy as np
import pytest

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.yinyang import pack_fast
from numbakmeans._engine.kernels.certify import block_buffers
from numbakmeans._engine.kernels.fast_centers import bound_fast
from numbakmeans._engine.structs.passes import Rows, Transform
from numbakmeans._numba.compiler import kernel

FAST_CENTERS = np.array([3, 40, 7, 12, 55])
PLAN = _plan.sweep((1, 1), 1)


@kernel
def bound(transposed, fast, transform, rows, least, arena):
    """Write the bounds of all rows, in one block."""
    block = block_buffers(rows.X, len(rows.X), 4, 2, transposed, False, arena)
    bound_fast(0, block, fast, transform, rows, least, arena)


def bounds(dtype, centers, transposed=False):
    """Return the places of centers among the fast ones, the bounds of some rows, and the true distances."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, centers.shape[1])).astype(dtype)
    labels = rng.integers(len(centers), size=len(X)).astype(np.int32)
    least, upper, lower = np.empty((3, len(X)), np.float32)
    rows = Rows(X, labels, np.linalg.norm(X.astype(np.float64), axis=1), upper, lower[None, None])
    transform = Transform(np.zeros(centers.shape[1]), 1.0, True)
    some = pack_fast(PLAN, X.dtype, centers, transform, FAST_CENTERS)
    bound(transposed, some, transform, rows, least)
    distances = np.sqrt(((X[:, None].astype(np.float64) - centers[FAST_CENTERS]) ** 2).sum(2))
    distances[labels[:, None] == FAST_CENTERS] = np.inf
    return some.places, least, distances.min(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
def test_bounds_hold_and_are_tight(dtype, transposed):
    places, least, distances = bounds(dtype, np.random.default_rng(0).normal(size=(60, 6)), transposed)
    assert np.array_equal(np.flatnonzero(places >= 0), np.sort(FAST_CENTERS))
    assert np.array_equal(places[FAST_CENTERS], np.arange(len(FAST_CENTERS)))
    assert (least <= distances).all()
    assert (least > 0.999 * distances).all()


def test_duplicate_fast_centers_get_no_bounds():
    centers = np.random.default_rng(0).normal(size=(60, 6))
    centers[7] = centers[40]
    places, _, _ = bounds(np.float64, centers)
    assert (places == -1).all()
