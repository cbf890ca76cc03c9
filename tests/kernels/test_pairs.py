"""Pairs that heads leave open: all that matter are among them, and what is said of the others holds."""

import numpy as np
import pytest

from numbakmeans._kernels import certify, heads, pairs
from numbakmeans._slots import ALONE

MULTIPLY = heads.multiplies(False, 1)


def found(X, centers, n_directions, reach=1.0, spoil=0.0):
    """Return which pairs are open, the lower bounds of the groups, all distances, and upper bounds.

    reach : upper bounds over the smallest distances; spoil : taken from what heads may be off
    """
    n_samples, n_features = X.shape
    wide, origin = centers.astype(np.float64), np.zeros(n_features)
    columns = certify.panel_columns(np.empty((0, 1), np.float32), len(centers))
    n_panels = -(-len(centers) // columns)
    members = np.where(np.arange(n_panels * columns) < len(centers), np.arange(n_panels * columns), -1)
    points = centers.astype(np.float32)
    basis = heads.basis_of(*heads.directions(points, heads.spanning(points, n_directions), MULTIPLY))
    norms = np.linalg.norm(X.astype(np.float64), axis=1)
    of_rows = np.empty((n_samples, n_directions + 1), np.float32)
    heads.heads_of_rows.kernel(ALONE, X, 1, 32, origin, 1.0, basis.chunks, norms, of_rows)
    distinct, groups = np.ones(len(centers), bool), np.arange(n_panels)
    packed = heads.pack_heads(ALONE, 1, of_rows, basis, wide, distinct, members, groups, origin, 1.0)
    packed.slacks[:] -= spoil
    distances = np.linalg.norm(X.astype(np.float64)[:, None] - wide, axis=2)
    upper = (distances.min(1) * reach * (1 + 1e-6)).astype(np.float32)
    lower, needs = np.zeros((n_panels, n_samples), np.float32), np.ones((n_panels, n_samples), bool)
    some = pairs.pair_buffers(packed, n_samples)
    picks = np.arange(n_samples)
    pairs.find_pairs(0, picks, n_samples, packed, norms, np.zeros(n_panels, bool), upper, lower, needs, some)
    bits = some.hits[:, :, None] >> np.arange(columns) & 1
    is_open = np.concatenate(list(bits), axis=1)[:, : len(centers)].astype(bool)
    return is_open, lower, distances, upper


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
    width = certify.panel_columns(np.empty((0, 1), np.float32), is_open.shape[1])
    for g in range(len(lower)):
        of_group = slice(g * width, (g + 1) * width)
        closed = np.where(is_open[:, of_group], np.inf, distances[:, of_group]).min(1)
        assert (lower[g] <= closed).all()
        assert (lower[g] > upper).all()
    # The control: not everything is open, and bounds are not for nothing.
    assert is_open.mean() < 0.3
    assert lower[np.isfinite(lower)].mean() > 0.5 * distances.min()


def test_pairs_that_are_left_out_are_noticed():
    """All of the spread lies along the directions: heads are the distances themselves, but for rounding."""
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
