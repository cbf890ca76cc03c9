"""Building blocks for your own nopython code, where they are called as here from Python.

>>> import numpy as np
>>> from numbakmeans import jit
>>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
>>> result = jit.fit(X, jit.plus_plus(X, 2, np.random.default_rng(0)), 100)
>>> np.sort(result.centers.ravel()), result.converged, result.status == jit.OK
(array([ 0.5, 10.5]), True, True)

They run on one thread, and so are right everywhere: inside a `prange`, under any threading layer, after a
fork. Those named `parallel_` use all threads, for calls outside of any `prange`, from one Python thread at a
time, not after a fork. The bits of all are those of the Python functions, and random numbers are drawn from
your generator as there.
Arrays are (n_samples, n_features), of any layout, float32, float64, integers or bool; integers and bool are
worked on in float64, which results are then. Nothing is raised, as inside a `prange` Numba drops
exceptions, or turns them into others: bad input gives a `status` other than OK, and results of NaN and -1.

With a `workspace` as their last argument, those that run on one thread allocate nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numbakmeans import _hook
from numbakmeans._algorithms.many import solve, words_for
from numbakmeans._arrays import working_dtype
from numbakmeans._jit import kernel
from numbakmeans._kernels import canonical
from numbakmeans._kernels.means import exact_total, means
from numbakmeans._kernels.room import LINE_WORDS, empty, room_of
from numbakmeans._kernels.sums import add_labelled, empty_tables
from numbakmeans._nopython import (
    LANES,
    ONE_THREAD,
    all_finite,
    precision_of,
    rows_in,
    wide_in,
    write_narrow,
    write_rows,
)
from numbakmeans._seeding import draw_plus_plus, draw_points, pick_all, words_to_pick
from numbakmeans._slots import all_threads

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
    "parallel_fit",
    "parallel_nearest",
    "parallel_plus_plus",
    "parallel_update",
    "plus_plus",
    "points",
    "update",
    "workspace",
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


# Drivers, by names that compiled code knows.
_nearest_rows, _label_sq_dists = canonical.nearest.kernel, canonical.label_sq_dists.kernel
_add_labelled, _means = add_labelled.kernel, means.kernel


@kernel
def _share(n: int, n_slots: int) -> int:
    """Return how many of n make the one chunk of each slot."""
    return (n + n_slots - 1) // n_slots


@kernel
def workspace(n_samples: int, n_features: int, n_clusters: int) -> np.ndarray:
    """Return memory for calls of the others with no more rows, features and clusters.

    Returns
    -------
    ndarray (n_words,), int64
        For one thread, and one call at a time: what a call returned with it lies in it, and the next call
        writes over it, but for its own arguments. What is larger, has values that span far more than those of
        ordinary data, or takes what several calls before left there, is right all the same, but allocates.
    """
    sizes = np.int64(max(n_samples, 1)), np.int64(max(n_features, 1)), np.int64(max(n_clusters, 1))
    # Starting centers may lie in it.
    given = max(n_features, 1) * max(n_clusters, 1) + LINE_WORDS
    return room_of(max(words_for(*sizes), words_to_pick(*sizes)) + given)


@kernel
def _words_before(work: np.ndarray, array: np.ndarray) -> int:
    """Return how many words of a workspace an array may lie in, from the first; too many if it holds that."""
    low = high = array.ctypes.data
    for n, stride in zip(array.shape, array.strides):  # noqa: B905, Numba's zip is never strict
        low += min((n - 1) * stride, 0)
        high += max((n - 1) * stride, 0)
    start, high = work.ctypes.data, high + array.itemsize
    if array.size == 0 or high <= start or start + len(work) * work.itemsize <= low:
        return 0
    return len(work) + 1 if low < start + work.itemsize else -(-(high - start) // work.itemsize)


@kernel
def _emptied(work: np.ndarray, X: np.ndarray, centers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a workspace as a room of which nothing is taken but what the arguments of the call lie in.

    Or one without words, where it is too small to be a room, or where they leave nothing of it.
    """
    taken = max(_words_before(work, X), _words_before(work, centers), _words_before(work, labels))
    taken = (max(taken, 1) + LINE_WORDS - 1) // LINE_WORDS * LINE_WORDS
    if taken > len(work):
        return room_of(0)
    work[0] = taken
    return work


@kernel
def _status_of(X: Any, centers: Any) -> int:
    if X.size == 0 or centers.size == 0 or X.shape[1] != centers.shape[1]:
        return BAD_SHAPE
    return OK if all_finite(X) and all_finite(centers) else NOT_FINITE


@kernel
def _fit(loop: int, n_slots: int, X: Any, centers: Any, dtype: Any, max_iter: int, room: Any) -> Fit:
    n_samples, n_features = X.shape
    labels = empty(room, (n_samples,), np.int32)
    found = empty(room, (centers.shape[0], n_features), dtype)
    labels[:], found[:] = -1, np.nan
    status = _status_of(X, centers)
    if status == OK and max_iter < 1:
        status = BAD_COUNT
    if status != OK:
        return Fit(found, labels, np.nan, 0, False, 0, status)
    rows, wide = rows_in(room, X, dtype), wide_in(room, centers)
    # Of one type, whatever the caller's: one more would compile everything once more.
    options = (np.int64(max_iter), False, *precision_of(rows.itemsize == 4))
    n_iter, moved, n_empty, _ = solve(loop, n_slots, rows, *options, wide, labels, room)
    write_narrow(wide, found)
    sq_dists = empty(room, (n_samples,), np.float64)
    _label_sq_dists(loop, rows, wide, labels, n_slots, _share(n_samples, n_slots), sq_dists)
    return Fit(found, labels, exact_total(sq_dists, room), n_iter, moved == 0, n_empty, status)


@kernel
def fit(X: np.ndarray, centers: np.ndarray, max_iter: int, work: Any = None) -> Fit:
    """Run Lloyd's algorithm from given centers: `numbakmeans.fit`, on one thread.

    Parameters
    ----------
    X : ndarray (n_samples, n_features), float32, float64, integers or bool
    centers : ndarray (n_clusters, n_features), as X
    max_iter : int, passes at most
    work : ndarray, optional, from `workspace`

    Returns
    -------
    Fit
        Unless its `status` is OK, with NaN as centers and inertia, and labels of -1.

    Notes
    -----
    Takes 16 bytes for each value of X (48 with up to 8 features and 20 clusters), and about 48 for each value
    of the centers, of `work`, or allocated.
    """
    dtype = working_dtype(X, centers)
    # Only the branch for the type of work is compiled.
    if work is None:
        return _fit(*ONE_THREAD, X, centers, dtype, max_iter, room_of(0))
    return _fit(*ONE_THREAD, X, centers, dtype, max_iter, _emptied(work, X, centers, centers))


@kernel
def parallel_fit(X: np.ndarray, centers: np.ndarray, max_iter: int) -> Fit:
    """Do what `fit` does, with all threads."""
    return _fit(*all_threads(), X, centers, working_dtype(X, centers), max_iter, room_of(0))


@kernel
def _nearest(loop: int, n_slots: int, X: Any, centers: Any, dtype: Any, room: Any) -> Nearest:
    n_samples = X.shape[0]
    labels, sq_dists = empty(room, (n_samples,), np.int32), empty(room, (n_samples,), np.float64)
    labels[:], sq_dists[:] = -1, np.nan
    status = _status_of(X, centers)
    if status == OK:
        rows, wide, share = rows_in(room, X, dtype), wide_in(room, centers), _share(n_samples, n_slots)
        _nearest_rows(loop, rows, wide, n_slots, share, LANES, labels, sq_dists, room)
    return Nearest(labels, sq_dists, status)


@kernel
def nearest(X: np.ndarray, centers: np.ndarray, work: Any = None) -> Nearest:
    """Return the nearest center of each row, the lowest index winning ties, and the squared distance to it.

    X, centers, work : as of `fit`
    """
    dtype = working_dtype(X, centers)
    if work is None:
        return _nearest(*ONE_THREAD, X, centers, dtype, room_of(0))
    return _nearest(*ONE_THREAD, X, centers, dtype, _emptied(work, X, centers, centers))


@kernel
def parallel_nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    """Do what `nearest` does, with all threads."""
    return _nearest(*all_threads(), X, centers, working_dtype(X, centers), room_of(0))


@kernel
def _update(loop: int, n_slots: int, X: Any, labels: Any, centers: Any, dtype: Any, room: Any) -> Update:
    n_clusters, n_features = centers.shape
    found = empty(room, (n_clusters, n_features), dtype)
    sizes = empty(room, (n_clusters,), np.int64)
    found[:], sizes[:] = np.nan, 0
    status = BAD_SHAPE if len(labels) != len(X) else _status_of(X, centers)
    for i in range(len(labels)):
        if status == OK and not 0 <= labels[i] < n_clusters:
            status = BAD_LABEL
    if status != OK:
        return Update(found, sizes, status)
    rows, wide = rows_in(room, X, dtype), wide_in(room, centers)
    grids, sums, counts = empty_tables(loop, n_slots, rows, n_clusters, room)
    _add_labelled(loop, rows, labels, _share(len(rows), n_slots), *grids[1:], sums, counts, room)
    bits = precision_of(rows.itemsize == 4)
    _means(loop, sums, counts, grids[0], *bits, _share(n_clusters, n_slots), wide, sizes, room)
    write_narrow(wide, found)
    return Update(found, sizes, status)


@kernel
def update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray, work: Any = None) -> Update:
    """Return the exact mean of the rows of each label, rounded once to float32 if X is that, else to float64.

    X, centers, work : as of `fit`; labels : (n_samples,), integers from 0 to n_clusters - 1

    A center without rows stays, rounded. Unless `status` is OK, the centers are NaN and the sizes 0.
    """
    dtype = working_dtype(X, centers)
    if work is None:
        return _update(*ONE_THREAD, X, labels, centers, dtype, room_of(0))
    return _update(*ONE_THREAD, X, labels, centers, dtype, _emptied(work, X, centers, labels))


@kernel
def parallel_update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    """Do what `update` does, with all threads."""
    return _update(*all_threads(), X, labels, centers, working_dtype(X, centers), room_of(0))


@kernel
def _no_centers(n_clusters: int, X: Any, dtype: Any, room: Any) -> np.ndarray:
    centers = empty(room, (max(n_clusters, 0), X.shape[1]), dtype)
    centers[:] = np.nan
    return centers


@kernel
def _points(X: Any, dtype: Any, n_clusters: int, rng: Any, room: Any) -> np.ndarray:
    n_samples, count = np.int64(X.shape[0]), np.int64(n_clusters)
    centers = _no_centers(count, X, dtype, room)
    if 1 <= count <= n_samples:
        write_rows(X, draw_points(rng, n_samples, count, room), centers)
    return centers


@kernel
def points(X: np.ndarray, n_clusters: int, rng: np.random.Generator, work: Any = None) -> np.ndarray:
    """Return different rows of X at random: the start of ``kmeans2(minit="points")``.

    X, work : as of `fit`; n_clusters : int; rng : numpy.random.Generator

    Without so many rows: NaN, and the generator is left alone.
    """
    dtype = working_dtype(X, X)
    if work is None:
        return _points(X, dtype, n_clusters, rng, room_of(0))
    return _points(X, dtype, n_clusters, rng, _emptied(work, X, X, X))


@kernel
def _plus_plus(loop: int, n_slots: int, X: Any, centers: Any, dtype: Any, rng: Any, room: Any) -> np.ndarray:
    n_samples, count = np.int64(X.shape[0]), len(centers)
    if count >= 1 and X.size > 0 and all_finite(X):
        first, uniforms = draw_plus_plus(rng, n_samples, count, room)
        picks = pick_all(loop, n_slots, rows_in(room, X, dtype), first, uniforms, room)
        write_rows(X, picks, centers)
    return centers


@kernel
def plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator, work: Any = None) -> np.ndarray:
    """Return rows of X chosen by k-means++: the start of ``kmeans2(minit="++")``.

    X : as of `fit`, finite; n_clusters : int; rng : numpy.random.Generator; work : as of `fit`

    Without rows, or where they are not finite: NaN, and the generator is left alone.
    """
    dtype = working_dtype(X, X)
    if work is None:
        centers = _no_centers(np.int64(n_clusters), X, dtype, room_of(0))
        # One array to work in instead of a dozen for each pick.
        words = words_to_pick(np.int64(X.shape[0]), np.int64(X.shape[1]), len(centers))
        return _plus_plus(*ONE_THREAD, X, centers, dtype, rng, room_of(words))
    room = _emptied(work, X, X, X)
    centers = _no_centers(np.int64(n_clusters), X, dtype, room)
    return _plus_plus(*ONE_THREAD, X, centers, dtype, rng, room)


@kernel
def parallel_plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Do what `plus_plus` does, with all threads."""
    dtype = working_dtype(X, X)
    centers = _no_centers(np.int64(n_clusters), X, dtype, room_of(0))
    return _plus_plus(*all_threads(), X, centers, dtype, rng, room_of(0))


_hook.init()
