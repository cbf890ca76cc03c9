"""Bounds on the distances to some centers that are scored for all rows."""

import numpy as np
import pytest

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.yinyang import pack_movers
from numbakmeans._engine.kernels.certify import block_buffers
from numbakmeans._engine.kernels.movers import bound_movers
from numbakmeans._engine.shapes.passes import Frame, Rows
from numbakmeans._numba.compiler import kernel

MOVERS = np.array([3, 40, 7, 12, 55])
PLAN = _plan.sweep((1, 1), 1)


@kernel
def bound(turned, movers, frame, rows, least, room):
    """Write the bounds of all rows, which are one block."""
    block = block_buffers(rows.X, len(rows.X), 4, 2, turned, False, room)
    bound_movers(0, block, movers, frame, rows, least, room)


def bounds(dtype, centers, turned=False):
    """Return where centers are among the movers, the bounds of some rows, and the true distances."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, centers.shape[1])).astype(dtype)
    labels = rng.integers(len(centers), size=len(X)).astype(np.int32)
    least, upper, lower = np.empty((3, len(X)), np.float32)
    rows = Rows(X, labels, np.linalg.norm(X.astype(np.float64), axis=1), upper, lower[None, None])
    frame = Frame(np.zeros(centers.shape[1]), 1.0, True)
    some = pack_movers(PLAN, X.dtype, centers, frame, MOVERS)
    bound(turned, some, frame, rows, least)
    distances = np.sqrt(((X[:, None].astype(np.float64) - centers[MOVERS]) ** 2).sum(2))
    distances[labels[:, None] == MOVERS] = np.inf
    return some.places, least, distances.min(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_bounds_hold_and_are_tight(dtype, turned):
    places, least, distances = bounds(dtype, np.random.default_rng(0).normal(size=(60, 6)), turned)
    assert np.array_equal(np.flatnonzero(places >= 0), np.sort(MOVERS))
    assert np.array_equal(places[MOVERS], np.arange(len(MOVERS)))
    assert (least <= distances).all()
    assert (least > 0.999 * distances).all()


def test_of_movers_one_of_which_equals_another_nothing_is_known():
    centers = np.random.default_rng(0).normal(size=(60, 6))
    centers[7] = centers[40]
    places, _, _ = bounds(np.float64, centers)
    assert (places == -1).all()
