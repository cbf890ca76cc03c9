"""Building blocks for your own nopython code, which calls them as shown here from Python.

>>> import numpy as np
>>> from numbakmeans import jit
>>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
>>> result = jit.fit(X, jit.plus_plus(X, 2, np.random.default_rng(0)), 100)
>>> np.sort(result.centers.ravel()), result.converged, result.status == jit.OK
(array([ 0.5, 10.5]), True, True)

They run on one thread, and so are safe everywhere: inside a `prange`, under any threading layer, after a
fork. Those named `parallel_` use all threads, for calls outside any `prange`. All results have the same bits
as those of the Python functions, and random numbers are drawn from your generator in the same way.

Your function contains none of their code, only a call. Small problems are solved without the GIL; for larger
ones it is taken between passes, for some microseconds.

Arrays have shape (n_samples, n_features), any layout, and dtype float32, float64, integer or bool; integers
and bool are converted to float64, which is then the dtype of results. Nothing is raised, as inside a `prange`
Numba drops exceptions or turns them into others: bad input gives a `status` other than OK, and results of NaN
and -1. The same happens if your function comes from your own cache, and this package can no longer be
imported, or only a version that the function was not compiled for.

With a `workspace` as their last argument, the functions that run on one thread take the memory for a small
problem from it instead of the heap.
"""

from __future__ import annotations

import operator
import sys
from typing import Any, NamedTuple

import numpy as np

from numbakmeans import _nopython
from numbakmeans._engine.samples import working_dtype
from numbakmeans._numba import hook, runtime
from numbakmeans._numba.status import (
    BAD_COUNT,
    BAD_LABEL,
    BAD_SHAPE,
    BAD_WEIGHT,
    NOT_FINITE,
    OK,
    UNAVAILABLE,
)

__all__ = [
    "BAD_COUNT",
    "BAD_LABEL",
    "BAD_SHAPE",
    "BAD_WEIGHT",
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
    """Result of `fit`; the attributes are those of `numbakmeans.FitResult`, and `status`."""

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    n_empty: int
    status: int


class Nearest(NamedTuple):
    """Result of `nearest`: labels (n_samples,), int32, and squared distances (n_samples,), float64."""

    labels: np.ndarray
    sq_dists: np.ndarray
    status: int


class Update(NamedTuple):
    """Result of `update`: centers (n_clusters, n_features), and the rows of each (n_clusters,), int64."""

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
    """Return the number of words of a workspace; also called in nopython code."""
    n, d, k = max(n_samples, 1), max(n_features, 1), max(n_clusters, 1)
    # Rows as given, rows packed, and the parts of their sums; centers, sums and means; data per column; and
    # the alignment of tables to cache lines.
    return (n + 256) * (7 * d + 12) + k * (20 * d + 40) + 600 * (d + 8) + 4096


def workspace(n_samples: int, n_features: int, n_clusters: int) -> np.ndarray:
    """Return scratch memory for calls with at most these numbers of rows, features and clusters.

    With it, the functions that run on one thread solve small problems without allocating memory, which the
    threads of a `prange` might otherwise wait for.

    Parameters
    ----------
    n_samples, n_features, n_clusters : int
        Those of the largest problem.

    Returns
    -------
    ndarray (n_words,), int64
        For one thread, and one call at a time. Larger problems are solved as well, but allocate memory.

    See Also
    --------
    fit, nearest, update, points, plus_plus : What takes a workspace.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> work = jit.workspace(n_samples=4, n_features=1, n_clusters=2)
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> jit.nearest(X, X[1:3], work).labels
    array([0, 0, 1, 1], dtype=int32)
    """
    return np.empty(workspace_words(n_samples, n_features, n_clusters), np.int64)


def _require_weights(weights: Any) -> None:
    real = isinstance(weights, np.ndarray) and weights.ndim == 1 and weights.dtype.kind in "biuf"
    if weights is not None and not (real and weights.dtype.itemsize <= 8):
        raise TypeError("sample_weight must be a 1-D array of float32, float64, integers or bool, or None")


def _fit(X: np.ndarray, centers: np.ndarray, max_iter: int, weights: Any) -> Fit:
    status, found = _nopython.fit_arrays(X, centers, operator.index(max_iter), weights)
    if found is not None:
        return Fit(*found, status)
    nothing = np.full((len(centers), X.shape[1]), np.nan, working_dtype(X))
    return Fit(nothing, np.full(len(X), -1, np.int32), np.nan, 0, False, 0, status)


def fit(
    X: np.ndarray, centers: np.ndarray, max_iter: int, work: Any = None, sample_weight: Any = None
) -> Fit:
    """Run Lloyd's algorithm from given centers: `numbakmeans.fit`, on one thread.

    Passes end once no label changes, or after `max_iter` of them. It is safe inside a `prange`.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.
    max_iter : int
        The maximum number of passes.
    work : ndarray, optional
        Scratch memory, from `workspace`.
    sample_weight : ndarray (n_samples,), optional
        As in `numbakmeans.fit`, of the dtypes that rows may have. A call with weights takes the GIL.

    Returns
    -------
    Fit
        Unless its `status` is OK, centers and inertia are NaN, and labels are -1. The status is BAD_WEIGHT
        if a weight is negative or not finite, or if all are zero.

    See Also
    --------
    parallel_fit : The same on all threads.
    numbakmeans.fit : From Python, with more options, and errors instead of a status.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> result = jit.fit(X, X[:2], 100)
    >>> result.centers.ravel(), result.labels, result.status == jit.OK
    (array([ 0.5, 10.5]), array([0, 0, 1, 1], dtype=int32), True)
    """
    _require_rows(X=X, centers=centers)
    _require_weights(sample_weight)
    with runtime.one_thread():
        return _fit(X, centers, max_iter, sample_weight)


def parallel_fit(X: np.ndarray, centers: np.ndarray, max_iter: int, sample_weight: Any = None) -> Fit:
    """Do what `fit` does, with all threads.

    For calls outside any `prange`. The result has the same bits.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.
    max_iter : int
        The maximum number of passes.
    sample_weight : ndarray (n_samples,), optional
        As in `numbakmeans.fit`, of the dtypes that rows may have. A call with weights takes the GIL.

    Returns
    -------
    Fit
        Unless its `status` is OK, centers and inertia are NaN, and labels are -1. The status is BAD_WEIGHT
        if a weight is negative or not finite, or if all are zero.

    See Also
    --------
    fit : The same on one thread.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> jit.parallel_fit(X, X[:2], 100).inertia
    1.0
    """
    _require_rows(X=X, centers=centers)
    _require_weights(sample_weight)
    return _fit(X, centers, max_iter, sample_weight)


def _nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    status, found = _nopython.nearest_arrays(X, centers)
    if found is not None:
        return Nearest(found[0], found[1], status)
    return Nearest(np.full(len(X), -1, np.int32), np.full(len(X), np.nan), status)


def nearest(X: np.ndarray, centers: np.ndarray, work: Any = None) -> Nearest:
    """Return the nearest center of each row, the lowest index winning ties, and the squared distance to it.

    Labels are exact, also far from the origin. It is safe inside a `prange`.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.
    work : ndarray, optional
        Scratch memory, from `workspace`.

    Returns
    -------
    Nearest
        Unless its `status` is OK, labels are -1, and squared distances are NaN.

    See Also
    --------
    parallel_nearest : The same on all threads.
    numbakmeans.vq : From Python, with distances that are not squared.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> found = jit.nearest(X, X[1:3])
    >>> found.labels, found.sq_dists
    (array([0, 0, 1, 1], dtype=int32), array([1., 0., 0., 1.]))
    """
    _require_rows(X=X, centers=centers)
    with runtime.one_thread():
        return _nearest(X, centers)


def parallel_nearest(X: np.ndarray, centers: np.ndarray) -> Nearest:
    """Do what `nearest` does, with all threads.

    For calls outside any `prange`. The result has the same bits.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.

    Returns
    -------
    Nearest
        Unless its `status` is OK, labels are -1, and squared distances are NaN.

    See Also
    --------
    nearest : The same on one thread.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> jit.parallel_nearest(X, X[1:3]).labels
    array([0, 0, 1, 1], dtype=int32)
    """
    _require_rows(X=X, centers=centers)
    return _nearest(X, centers)


def _update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    status, found = _nopython.update_arrays(X, labels, centers)
    if found is not None:
        return Update(found[0], found[1], status)
    return Update(np.full(centers.shape, np.nan, working_dtype(X)), np.zeros(len(centers), np.int64), status)


def update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray, work: Any = None) -> Update:
    """Return the exact mean of the rows with each label, rounded once to float32 if X is, else to float64.

    Sums are exact, so that a mean does not depend on the order of the rows. It is safe inside a `prange`.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    labels : ndarray (n_samples,)
        Integers from 0 to n_clusters - 1.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.
    work : ndarray, optional
        Scratch memory, from `workspace`.

    Returns
    -------
    Update
        A center without rows is kept, rounded. Unless `status` is OK, centers are NaN and sizes 0.

    See Also
    --------
    parallel_update : The same on all threads.
    nearest : The other half of a pass.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> labels = np.array([0, 0, 0, 1])
    >>> jit.update(X, labels, X[:2]).centers.ravel()
    array([ 3.66666667, 11.        ])
    """
    _require_rows(X=X, centers=centers)
    _require_labels(labels)
    with runtime.one_thread():
        return _update(X, labels, centers)


def parallel_update(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> Update:
    """Do what `update` does, with all threads.

    For calls outside any `prange`. The result has the same bits.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    labels : ndarray (n_samples,)
        Integers from 0 to n_clusters - 1.
    centers : ndarray (n_clusters, n_features)
        The centers, of the dtypes that rows may have.

    Returns
    -------
    Update
        A center without rows is kept, rounded. Unless `status` is OK, centers are NaN and sizes 0.

    See Also
    --------
    update : The same on one thread.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> jit.parallel_update(X, np.array([0, 0, 0, 1]), X[:2]).sizes
    array([3, 1])
    """
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
    """Return distinct rows of X, drawn at random: the start of ``kmeans2(minit="points")``.

    They are drawn without replacement; rows of equal values can be drawn together. It is safe inside a
    `prange`.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows: float32, float64, integers or bool, in any layout.
    n_clusters : int
        The number of rows to return.
    rng : numpy.random.Generator
        What is drawn from.
    work : ndarray, optional
        Scratch memory, from `workspace`.

    Returns
    -------
    ndarray (n_clusters, n_features)
        If there are fewer rows than clusters, NaN, and the generator is not advanced.

    See Also
    --------
    plus_plus : Rows that are far from each other.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> jit.points(X, 4, np.random.default_rng(0)).shape
    (4, 1)
    """
    _require_rows(X=X)
    with runtime.one_thread():
        return _start(X, n_clusters, "points", rng)


def plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator, work: Any = None) -> np.ndarray:
    """Return rows of X chosen by k-means++: the start of ``kmeans2(minit="++")``.

    Each row is drawn with a probability in proportion to its squared distance to the nearest of those drawn
    before (Arthur and Vassilvitskii 2007). The random numbers are SciPy's. It is safe inside a `prange`.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows, finite: float32, float64, integers or bool, in any layout.
    n_clusters : int
        The number of rows to return.
    rng : numpy.random.Generator
        What is drawn from.
    work : ndarray, optional
        Scratch memory, from `workspace`.

    Returns
    -------
    ndarray (n_clusters, n_features)
        If there are no rows, or not all values are finite, NaN, and the generator is not advanced.

    See Also
    --------
    parallel_plus_plus : The same on all threads.
    points : Rows drawn at random.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> bool(np.ptp(jit.plus_plus(X, 2, np.random.default_rng(0))) > 8)
    True
    """
    _require_rows(X=X)
    with runtime.one_thread():
        return _start(X, n_clusters, "++", rng)


def parallel_plus_plus(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Do what `plus_plus` does, with all threads.

    For calls outside any `prange`. The result has the same bits.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        The rows, finite: float32, float64, integers or bool, in any layout.
    n_clusters : int
        The number of rows to return.
    rng : numpy.random.Generator
        What is drawn from.

    Returns
    -------
    ndarray (n_clusters, n_features)
        If there are no rows, or not all values are finite, NaN, and the generator is not advanced.

    See Also
    --------
    plus_plus : The same on one thread.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import jit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> bool(np.ptp(jit.parallel_plus_plus(X, 2, np.random.default_rng(0))) > 8)
    True
    """
    _require_rows(X=X)
    return _start(X, n_clusters, "++", rng)


hook.register_jit(sys.modules[__name__], [name for name in __all__ if name[0].islower()])
