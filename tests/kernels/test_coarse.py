"""Coarse rows and centers: what is kept of them, and that it bounds the distances."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from support import edge_cases

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import coarse
from numbakmeans._engine.algorithms.panels import places_of
from numbakmeans._engine.distances import pad_centers
from numbakmeans._engine.kernels.certify import block_buffers
from numbakmeans._engine.kernels.coarse_pairs import find_close, find_first
from numbakmeans._engine.kernels.pairs import pair_buffers
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.structs.passes import Clusters, Coarse, Rows
from numbakmeans._numba.compiler import kernel

COSTS = _plan.Costs(*[0.0] * 8)


def made(X, centers, parallel=False):
    """Return coarse rows and centers, whatever they cost; None for data of extreme size, or without any."""
    samples, plan = Samples(X), _plan.Plan(parallel, 3, 100, 0)
    places, transform = places_of(np.arange(len(centers)), 32), samples.transform(pad_centers(centers))
    rows = coarse.coarse_rows(samples, plan, centers, COSTS) if transform.scale else None
    if rows is None:
        return None
    clusters = Clusters(pad_centers(centers), transform, None, places, None, None, None, None)
    return coarse.pack_coarse(plan, rows, clusters, places, 1)


def steps_of_centers(packed, n_clusters, n_features):
    """Return the steps of the centers, from their words."""
    words = packed.panels.transpose(0, 2, 1).reshape(-1, packed.panels.shape[1])
    return np.ascontiguousarray(words).view(np.int8)[:n_clusters, :n_features].astype(np.int64)


def exact_sq_error(values, origin, step, steps):
    """Return the squared length of the error of one row, in steps."""
    step = Fraction(step)
    parts = zip(values.tolist(), origin.tolist(), steps.tolist(), strict=True)
    return sum(((Fraction(x) - Fraction(o)) / step - q) ** 2 for x, o, q in parts)


def count_wrong(X, centers, packed):
    """Return how many rows and centers have an error beyond the bound that is kept."""
    rows, (n_samples, n_features) = packed.rows, X.shape
    steps = rows.values[:, :n_features].astype(np.int64) - 128
    assert (rows.values[:, n_features:] == 128).all()
    assert np.array_equal(rows.squares, (steps**2).sum(1))
    others = steps_of_centers(packed, len(centers), n_features)
    halves = (others**2).sum(1) // 2 + 128 * others.sum(1)
    distinct = packed.distinct
    assert np.array_equal(packed.begins.ravel()[: len(centers)][distinct], -halves[distinct])
    assert (packed.begins.ravel()[: len(centers)][~distinct] == -(2**31)).all()
    n_wrong = 0
    for i in range(n_samples):
        sq_error = exact_sq_error(X[i].astype(float), rows.origin, rows.step, steps[i])
        n_wrong += sq_error > Fraction(float(rows.errors[i])) ** 2
    for j in np.flatnonzero(distinct):
        sq_error = exact_sq_error(centers[j].astype(float), rows.origin, rows.step, others[j])
        n_wrong += sq_error > Fraction(float(packed.panel_errors[j // 32])) ** 2
    return n_wrong


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_no_error_is_beyond_its_bound(name, dtype):
    X, centers = edge_cases.cases(dtype)[name]
    X, packed = X[:200], made(X[:200], centers.astype(np.float64))
    if packed is None:  # all values are equal, or of extreme size
        with np.errstate(over="ignore", invalid="ignore"):
            centered = np.abs(np.vstack([X, centers]).astype(float) - X.astype(float).mean(0))
        assert not 1e-130 < centered.max() < 1e130
        return
    assert count_wrong(X, centers, packed) == 0


@pytest.mark.parametrize("parallel", [False, True])
def test_many_rows_with_outliers_and_odd_numbers_of_features(parallel):
    rng = np.random.default_rng(1)
    for n_features in (1, 3, 4, 9):
        X = rng.normal(size=(300, n_features))
        X[7] *= 1e6
        packed = made(X, X[20:60].copy(), parallel)
        assert count_wrong(X, X[20:60], packed) == 0
        assert packed.rows.errors[7] == packed.rows.errors.max()


def test_a_bound_that_is_too_small_is_noticed():
    """The negative control."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 6))
    packed = made(X, X[:5])
    packed.rows.errors[...] = np.nextafter(packed.rows.errors * np.float32(1 - 2.0**-20), 0)
    assert count_wrong(X, X[:5], packed) == 50


def test_what_stays_open_is_estimated():
    """Where clusters are apart, next to nothing; where steps are too wide, all."""
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(20, 8)) * 10
    points = centers[rng.integers(20, size=300)] + rng.normal(size=(300, 8))

    def multiply(rows, vectors):
        return rows @ vectors.T

    step = coarse.best_step(points, centers)
    assert coarse.opened_by(points, centers, step, multiply) < 0.001
    assert coarse.opened_by(points, centers, 1e4 * step, multiply) > 0.9
    # It reaches all centers.
    assert step >= np.abs(centers).max() / 127


class Duplicates(NamedTuple):
    duplicates: np.ndarray


class Compared(NamedTuple):
    """What is compared, as the kernels take it from `bounds.Centers`."""

    coarse: Coarse
    drifts: Duplicates


@kernel
def hits_of(first, centers, rows, hits, labels, arena):
    """Write which pairs are open, one bit per center; hits : OUT (n_panels, rows), int64."""
    n_rows = len(rows.X)
    block = block_buffers(rows.X, n_rows, 1, len(centers.drifts.duplicates), False, True, arena)
    block.group_mask[:] = True
    for i in range(n_rows):
        block.selected[i] = i
    pairs = pair_buffers(len(hits), centers.coarse.singles, n_rows, arena)
    if first:
        find_first(0, block, centers, rows, pairs, arena)
    else:
        find_close(0, block, n_rows, centers, rows, pairs, arena)
    for p in range(len(hits)):
        hits[p] = pairs.hits[p]
    for i in range(n_rows):
        labels[i] = block.labels[i]


def opened(X, centers, first, spoil=0.0):
    """Return which pairs are open, the lower bounds, all distances, and the labels that are left out.

    first : whether as in the first pass; spoil : subtracted from the errors of rows and centers
    """
    packed = made(X, centers)
    packed.rows.errors[...] -= spoil
    packed.group_errors[...] -= spoil
    scale = packed.unit / packed.rows.step
    distances = np.linalg.norm(X.astype(float)[:, None] - centers, axis=2) * scale
    upper = (distances.min(1) * (1 + 1e-6)).astype(np.float32)
    lower, labels = np.zeros((1, 1, len(X)), np.float32), distances.argmin(1).astype(np.int32)
    rows = Rows(X, labels, np.linalg.norm(X.astype(float), axis=1), upper, lower)
    hits = np.empty((len(packed.panels), len(X)), np.int64)
    found = np.empty(len(X), np.int64)
    hits_of(first, Compared(packed, Duplicates(np.zeros(1, bool))), rows, hits, found)
    width = packed.panels.shape[2]
    is_open = np.concatenate(list(hits[:, :, None] >> np.arange(width) & 1), axis=1)[:, : len(centers)]
    return is_open.astype(bool), lower[0, 0], distances, found if first else labels.astype(np.int64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [3, 16, 70])
@pytest.mark.parametrize("first", [False, True])
def test_pairs_that_matter_are_open(dtype, n_features, first):
    rng = np.random.default_rng(n_features)
    X, centers = rng.random((500, n_features)).astype(dtype), rng.random((70, n_features))
    is_open, lower, distances, own = opened(X, centers, first)
    every = np.arange(len(X))
    assert not is_open[every, own].any()
    least = distances.min(1)
    matters = distances <= least[:, None]
    matters[every, own] = False
    assert not (matters & ~is_open).any()
    others = distances.copy()
    others[every, own] = np.inf
    assert (lower <= np.where(is_open, np.inf, others).min(1)).all()
    # The control: few pairs are open, and the bounds are not trivial.
    assert is_open.mean() < 0.1
    assert (lower > 0.8 * least).all()
    if first:
        # About the nearest.
        assert 0.9 < (own == distances.argmin(1)).mean() <= 1


@pytest.mark.parametrize("first", [False, True])
def test_errors_that_are_too_small_are_noticed(first):
    """The negative control, for many rows that are nearly as far from two centers."""
    rng = np.random.default_rng(5)
    X, centers, every = rng.random((4000, 2)), rng.random((70, 2)), np.arange(4000)
    wrong = []
    for spoil in (0.0, 0.7):
        is_open, lower, distances, own = opened(X, centers, first, spoil)
        nearest = distances.argmin(1)
        lost = (nearest != own) & ~is_open[every, nearest]
        distances[every, own] = np.inf
        broken = lower > np.where(is_open, np.inf, distances).min(1)
        wrong.append((lost if first else broken).sum())
    assert wrong[0] == 0
    assert wrong[1] > 0
