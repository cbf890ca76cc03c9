"""Building blocks for your own nopython code, where they are called as here from Python.

>>> import numpy as np
>>> from numbakmeans import jit
>>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
>>> result = jit.fit(X, jit.plus_plus(X, 2, np.random.default_rng(0)), 100)
>>> np.sort(result.centers.ravel()), result.converged, result.status == jit.OK
(array([ 0.5, 10.5]), True, True)

They run on one thread, and so are right everywhere: inside a `prange`, under any threading layer, after a
fork. Those named `parallel_` use all threads, for calls outside of any `prange`. The bits of all are those
of the Python functions, and random numbers are drawn from your generator as there.

Your function carries none of their code, only a call. Small problems are solved without the GIL; for larger
ones it is taken between passes, for some microseconds.

Arrays are (n_samples, n_features), of any layout, float32, float64, integers or bool; integers and bool are
worked on in float64, which results are then. Nothing is raised, as inside a `prange` Numba drops exceptions,
or turns them into others: bad input gives a `status` other than OK, and results of NaN and -1. So does a
function from your own cache where this package cannot be loaded any more, or only in a version that it was
not compiled for.

With a `workspace` as their last argument, those that run on one thread take the memory that a small problem
needs from it, instead of the heap.
"""

from __future__ import annotations

import operator
import sys
from typing import Any, NamedTuple

import numpy as np

from numbakmeans import _nopython
from numbakmeans._engine.samples import working_dtype
from numbakmeans._numba import hook, runtime
from numbakmeans._numba.status import BAD_COUNT, BAD_LABEL, BAD_SHAPE, NOT_FINITE, OK, UNAVAILABLE

__all__ = [
    "BAD_COUNT",
    "BAD_LABEL",
    "BAD_SHAPE",
    "NOT_FINITE",
    "OK",
    "UNAVAILABLE",
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


def _require_rows(**arrays: Any) -> None:
    for name, array in arrays.items():
        fine = isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "biuf"
        if not fine or (array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8)):
            found = f"{array.ndim}-D {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            raise TypeError(f"{name} must be a 2-D array of float32, float64, integers or bool, got {found}")


def _require_labels(labels: np.ndarray) -> None:
    if not (isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "biu"):
        raise TypeError("labels must be a 1-D array of integers")


def workspace_words(n_samples: int, n_features: int, n_clusters: int) -> int:
    """Return how many words a workspace has; in nopython code, too."""
    n, d, k = max(n_samples, 1), max(n_features, 1), max(n_clusters, 1)
    # Rows as they come, packed, and the parts of their sums; centers, sums and means; what goes with
    # columns; and the lines of the cache that tables begin on.
    return (n + 256) * (7 * d + 12) + k * (20 * d + 40) + 600 * (d + 8) + 4096


def workspace(n_samples: int, n_features: int, n_clusters: int) -> np.ndarray:
    """Return memory for calls of the others with no more rows, features and clusters.

    Returns
    -------
    ndarray (n_words,), int64
        For one thread, and one call at a time. What is larger is right all the same, but allocates.
    """
    return np.empty(workspace_words(n_samples, n_features, n_clusters), np.int64)


def _fit(X: np.ndarray, centers: np.ndarray, max_iter: int) -> Fit:
    status, found = _nopython.fit_arrays(X, centers, operator.index(max_iter))
    if found is not None:
        return Fit(*found, status)
    nothing = np.full((len(centers), X.shape[1]), np.nan, working_dtype(X))
    return Fit(nothing, np.full(len(X), -1, np.int32), np.nan, 0, False, 0, status)


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
    """
    _require_rows(X=X, centers=centers)
    with runtime.one_thread():
        return _fit(X, centers, max_iter)


def parallel_fit(X: np.ndarray, centers: np.ndarray, max_iter: int) -> Fit:
    """Do what `fit` does, with all threads."""
    _require_rows(X=X, centers=centers)
    return _fit(X, centers, max_iter)


def _nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    status, found = _nopython.nearest_arrays(X, centers)
    if found is not None:
        return Nearest(found[0], found[1], status)
    return Nearest(np.full(len(X), -1, np.int32), np.full(len(X), np.nan), status)


def nearest(X: np.ndarray, centers: np.ndarray, work: Any = None) -> Nearest:
    """Return the nearest center of each row, the lowest index winning ties, and the squared distance to it.

    X, centers, work : as of `fit`
    """
    _require_rows(X=X, centers=centers)
    with runtime.one_thread():
        return _nearest(X, centers)


def parallel_nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    """Do what `nearest` does, with all threads."""
    _require_rows(X=X, centers=centers)
    return _nearest(X, centers)


def _update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    status, found = _nopython.update_arrays(X, labels, centers)
    if found is not None:
        return Update(found[0], found[1], status)
    return Update(np.full(centers.shape, np.nan, working_dtype(X)), np.zeros(len(centers), np.int64), status)


def update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray, work: Any = None) -> Update:
    """Return the exact mean of the rows of each label, rounded once to float32 if X is that, else to float64.

    X, centers, work : as of `fit`; labels : (n_samples,), integers from 0 to n_clusters - 1

    A center without rows stays, rounded. Unless `status` is OK, the centers are NaN and the sizes 0.
    """
    _require_rows(X=X, centers=centers)
    _require_labels(labels)
    with runtime.one_thread():
        return _update(X, labels, centers)


def parallel_update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    """Do what `update` does, with all threads."""
    _require_rows(X=X, centers=centers)
    _require_labels(labels)
    return _update(X, labels, centers)


def _start(X: np.ndarray, n_clusters: int, method: str, rng: np.random.Generator) -> np.ndarray:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {type(rng).__name__}")
    count = operator.index(n_clusters)
    _, centers = _nopython.start_arrays(X, count, method, rng)
    if centers is not None:
        return centers
    return np.full((max(count, 0), X.shape[1]), np.nan, working_dtype(X))


def points(X: np.ndarray, n_clusters: int, rng: np.random.Generator, work: Any = None) -> np.ndarray:
    """Return different rows of X at random: the start of ``kmeans2(minit="points")``.

    X, work : as of `fit`; n_clusters : int; rng : numpy.random.Generator

    Without so many rows: NaN, and the generator is left alone.
    """
    _require_rows(X=X)
    with runtime.one_thread():
        return _start(X, n_clusters, "points", rng)


def plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator, work: Any = None) -> np.ndarray:
    """Return rows of X chosen by k-means++: the start of ``kmeans2(minit="++")``.

    X : as of `fit`, finite; n_clusters : int; rng : numpy.random.Generator; work : as of `fit`

    Without rows, or where they are not finite: NaN, and the generator is left alone.
    """
    _require_rows(X=X)
    with runtime.one_thread():
        return _start(X, n_clusters, "++", rng)


def parallel_plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Do what `plus_plus` does, with all threads."""
    _require_rows(X=X)
    return _start(X, n_clusters, "++", rng)


hook.register_jit(sys.modules[__name__], [name for name in __all__ if name[0].islower()])
