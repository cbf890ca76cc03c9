"""Building blocks for your own nopython code, where they are called as here from Python.

>>> import numpy as np
>>> from numbakmeans import jit
>>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
>>> result = jit.fit(X, jit.plus_plus(X, 2, np.random.default_rng(0)), 100)
>>> np.sort(result.centers.ravel()), result.converged, result.status == jit.OK
(array([ 0.5, 10.5]), True, True)

They run on one thread, and so are right everywhere: inside a `prange`, under any threading layer, after a
fork. The bits are those of the Python functions, and random numbers are drawn from your generator as there.
Arrays are float32 or float64, of any layout, (n_samples, n_features). Nothing is raised, as Numba would drop
it inside a `prange`: bad input gives a `status` other than OK, and results of NaN and -1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numbakmeans import _hook
from numbakmeans._algorithms.many import solve
from numbakmeans._jit import kernel
from numbakmeans._kernels.canonical import label_sq_dists_chunk
from numbakmeans._kernels.canonical import nearest_chunk as nearest_rows
from numbakmeans._kernels.exact import add_labelled_slot, empty_tables, exact_total, means_chunk
from numbakmeans._nopython import LANES, all_finite, narrow_of, precision_of, rows_of, take, wide_of
from numbakmeans._seeding import draw_plus_plus, draw_points, pick_all

__all__ = [
    "BAD_COUNT",
    "BAD_LABEL",
    "BAD_SHAPE",
    "NOT_FINITE",
    "OK",
    "Fit",
    "Nearest",
    "Update",
    "fit",
    "nearest",
    "plus_plus",
    "points",
    "update",
]

#: What `status` says: all is well; no rows, centers or features, or not as many features; NaN or infinities;
#: fewer than one pass; a label that no center has.
OK, BAD_SHAPE, NOT_FINITE, BAD_COUNT, BAD_LABEL = 0, 1, 2, 3, 4


class Fit(NamedTuple):
    """What `fit` found; the attributes are those of `numbakmeans.FitResult`, and `status`."""

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    n_empty: int
    status: int


class Nearest(NamedTuple):
    """What `nearest` found: labels (n_samples,), int32, and squared distances (n_samples,), float64."""

    labels: np.ndarray
    sq_dists: np.ndarray
    status: int


class Update(NamedTuple):
    """What `update` found: centers (n_clusters, n_features), and rows of each, sizes (n_clusters,), int64."""

    centers: np.ndarray
    sizes: np.ndarray
    status: int


@kernel
def _status_of(X: Any, centers: Any) -> int:
    if X.size == 0 or centers.size == 0 or X.shape[1] != centers.shape[1]:
        return BAD_SHAPE
    return OK if all_finite(X) and all_finite(centers) else NOT_FINITE


@kernel
def fit(X: np.ndarray, centers: np.ndarray, max_iter: int) -> Fit:
    """Run Lloyd's algorithm from given centers: `numbakmeans.fit`, on one thread.

    Parameters
    ----------
    X : ndarray (n_samples, n_features), float32 or float64
    centers : ndarray (n_clusters, n_features), float32 or float64
    max_iter : int, passes at most

    Returns
    -------
    Fit
        Unless its `status` is OK, with NaN as centers and inertia, and labels of -1.

    Notes
    -----
    Takes 8 bytes for each value of X and for each value of the centers about 48, allocated in each call.
    """
    n_samples, n_features = X.shape
    n_clusters = centers.shape[0]
    labels = np.full(n_samples, -1, np.int32)
    found = np.full((n_clusters, n_features), np.nan, X.dtype)
    status = _status_of(X, centers)
    if status == OK and max_iter < 1:
        status = BAD_COUNT
    if status != OK:
        return Fit(found, labels, np.nan, 0, False, 0, status)
    rows, wide = rows_of(X, X.dtype), wide_of(centers)
    # Of one type, whatever the caller's: one more would compile everything once more.
    n_iter, moved, n_empty, _ = solve(
        rows, np.int64(max_iter), False, *precision_of(X.itemsize == 4), wide, labels
    )
    found = narrow_of(wide, n_features, X.dtype)
    sq_dists = np.empty(n_samples)
    label_sq_dists_chunk(rows, wide, labels, 0, n_samples, sq_dists)
    return Fit(found, labels, exact_total(sq_dists), n_iter, moved == 0, n_empty, status)


@kernel
def nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    """Return the nearest center of each row, the lowest index winning ties, and the squared distance to it.

    X, centers : as of `fit`
    """
    n_samples = X.shape[0]
    labels, sq_dists = np.full(n_samples, -1, np.int32), np.full(n_samples, np.nan)
    status = _status_of(X, centers)
    if status == OK:
        nearest_rows(rows_of(X, X.dtype), wide_of(centers), 0, n_samples, LANES, labels, sq_dists)
    return Nearest(labels, sq_dists, status)


@kernel
def update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    """Return the exact mean of the rows of each label, rounded once to the dtype of X.

    X, centers : as of `fit`; labels : (n_samples,), integers from 0 to n_clusters - 1

    A center without rows stays, rounded. Unless `status` is OK, the centers are NaN and the sizes 0.
    """
    n_clusters, n_features = centers.shape
    found = np.full((n_clusters, n_features), np.nan, X.dtype)
    sizes = np.zeros(n_clusters, np.int64)
    status = BAD_SHAPE if len(labels) != len(X) else _status_of(X, centers)
    for i in range(len(labels)):
        if status == OK and not 0 <= labels[i] < n_clusters:
            status = BAD_LABEL
    if status != OK:
        return Update(found, sizes, status)
    rows, wide = rows_of(X, X.dtype), wide_of(centers)
    grids, sums, counts = empty_tables(rows, n_clusters)
    add_labelled_slot(0, rows, labels, len(rows), *grids[1:], sums, counts)
    means_chunk(0, sums, counts, grids[0], *precision_of(X.itemsize == 4), n_clusters, wide, sizes)
    found = narrow_of(wide, n_features, X.dtype)
    return Update(found, sizes, status)


@kernel
def points(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Return different rows of X at random: the start of ``kmeans2(minit="points")``.

    X : as of `fit`; n_clusters : int; rng : numpy.random.Generator

    Without so many rows: NaN, and the generator is left alone.
    """
    n_samples, n_features = X.shape
    picks = np.full(max(n_clusters, 0), -1)
    if 1 <= n_clusters <= n_samples:
        picks = draw_points(rng, n_samples, np.int64(n_clusters), n_features)[0]
    return take(X, picks)


@kernel
def plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows of X chosen by k-means++: the start of ``kmeans2(minit="++")``.

    X : as of `fit`, finite; n_clusters : int; rng : numpy.random.Generator

    Without rows, or where they are not finite: NaN, and the generator is left alone.
    """
    n_samples, n_features = X.shape
    picks = np.full(max(n_clusters, 0), -1)
    if n_clusters >= 1 and X.size > 0 and all_finite(X):
        first, uniforms = draw_plus_plus(rng, n_samples, np.int64(n_clusters), n_features)
        picks = pick_all(rows_of(X, X.dtype), first[0], uniforms)
    return take(X, picks)


_hook.init()
