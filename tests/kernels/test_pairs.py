"""Pairs that projections leave open: all relevant ones are among them, and bounds on the others hold."""

import numpy as np
import pytest

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import panels, projections
from numbakmeans._engine.kernels.certify import block_buffers
from numbakmeans._engine.kernels.pairs import find_pairs, pair_buffers
from numbakmeans._engine.structs.passes import Clusters, Places, Rows, Transform
from numbakmeans._numba.compiler import kernel

MULTIPLY = projections.multiplies(False, 1)
PLAN = _plan.sweep((1, 1), 1)
WIDTH = panels.tile_columns(np.dtype(np.float32))


@kernel
def hits_of(some_projections, duplicates, rows, hits, arena):
    """Write which pairs are open, one bit per center; hits : OUT (n_panels, rows), int64."""
    n_rows = len(rows.X)
    block = block_buffers(rows.X, n_rows, 1, len(duplicates), False, True, arena)
    block.group_mask[:] = True
    for i in range(n_rows):
        block.selected[i] = i
    some = pair_buffers(len(hits), some_projections.singles, n_rows, arena)
    find_pairs(0, block, n_rows, some_projections, duplicates, rows, some)
    for p in range(len(hits)):
        hits[p] = some.hits[p]


def found(X, centers, n_directions, reach=1.0, spoil=0.0):
    """Return which pairs are open, the lower bounds of the groups, all distances, and upper bounds.

    reach : upper bounds divided by the smallest distances; spoil : subtracted from the projection errors
    """
    n_samples, n_features = X.shape
    wide, transform = centers.astype(np.float64), Transform(np.zeros(n_features), 1.0, True)
    members = panels.places_of(np.arange(len(centers)), WIDTH).members
    n_panels = len(members) // WIDTH
    points = centers.astype(np.float32)
    basis = projections.basis_of(
        *projections.directions(points, projections.spanning(points, n_directions), MULTIPLY)
    )
    norms = np.linalg.norm(X.astype(np.float64), axis=1)
    of_rows = np.empty((n_samples, n_directions + 1), np.float32)
    projections.projections_of_rows.on(False)(X, (1, 32), transform, basis.chunks, (norms, of_rows))
    clusters = Clusters(wide, transform, norms, None, None, None, None, None)
    packed = projections.pack_projections(
        PLAN, of_rows, basis, clusters, Places(members, np.arange(n_panels))
    )
    packed.panel_errors[:] -= spoil
    distances = np.linalg.norm(X.astype(np.float64)[:, None] - wide, axis=2)
    upper = (distances.min(1) * reach * (1 + 1e-6)).astype(np.float32)
    lower = np.zeros((1, n_panels, n_samples), np.float32)
    rows = Rows(X, np.zeros(n_samples, np.int32), norms, upper, lower)
    hits = np.empty((n_panels, n_samples), np.int64)
    hits_of(packed, np.zeros(n_panels, bool), rows, hits)
    bits = hits[:, :, None] >> np.arange(WIDTH) & 1
    is_open = np.concatenate(list(bits), axis=1)[:, : len(centers)].astype(bool)
    return is_open, lower[0], distances, upper


def data(dtype, n_features, shift=0.0):
    rng = np.random.default_rng(n_features)
    means = rng.normal(size=(70, n_features))
    means[:, n_features // 3 :] *= 0.2
    X = means[rng.integers(70, size=300)] + rng.normal(size=(300, n_features)) * 0.3 + shift
    return X.astype(dtype), means.astype(dtype) + dtype(shift)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [9, 130, 300])
@pytest.mark.parametrize("reach", [0.5, 1.0, 1.3])
def test_pairs_that_matter_are_open(dtype, n_features, reach):
    is_open, lower, distances, upper = found(*data(dtype, n_features), n_features // 3, reach)
    assert not (~is_open & (distances <= upper[:, None])).any()
    for g in range(len(lower)):
        of_group = slice(g * WIDTH, (g + 1) * WIDTH)
        closed = np.where(is_open[:, of_group], np.inf, distances[:, of_group]).min(1)
        assert (lower[g] <= closed).all()
        assert (lower[g] > upper).all()
    # The control: few pairs are open, and the bounds are not trivial.
    assert is_open.mean() < 0.3
    assert lower[np.isfinite(lower)].mean() > 0.5 * distances.min()


def test_missing_pairs_are_detected():
    """All variance lies along the directions: projections give the distances themselves, up to rounding."""
    rng = np.random.default_rng(0)
    centers = np.zeros((70, 200))
    centers[:, :60] = rng.normal(size=(70, 60))
    X = np.repeat(centers, 20, axis=0)
    X[:, :60] += rng.normal(size=(1400, 60)) * 0.1
    X = X.astype(np.float32)
    missing = []
    for spoil in (0.0, 0.5):
        is_open, _, distances, upper = found(X, centers, 60, spoil=spoil)
        missing.append(int((~is_open & (distances <= upper[:, None])).sum()))
    assert missing[0] == 0
    assert missing[1] > 0
