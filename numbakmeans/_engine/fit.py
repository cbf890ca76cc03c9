"""From arrays to a result: seed -> plan -> iterate -> FitResult. All orchestration is here.

Nothing here is specific to SciPy: names and messages of `scipy.cluster.vq` are in `_scipy` and `_arguments`.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import ALGORITHMS, REFERENCE
from numbakmeans._engine.algorithms.base import Progress
from numbakmeans._engine.assignment import nearest as nearest
from numbakmeans._engine.assignment import pad_centers, rows_of
from numbakmeans._engine.samples import (
    MAX_SAMPLES,
    NO_TRANSFORM,
    Samples,
    as_real,
    as_working,
    column_means,
    exact_sum,
)
from numbakmeans._engine.seeding import SEEDINGS
from numbakmeans._numba.drivers import Driver

LABEL_SQ_DISTS, ROOTS = (
    Driver("numbakmeans._engine.kernels.reference", name) for name in ("label_sq_dists", "roots_single")
)


class FitResult(NamedTuple):
    """Result of a fit; all attributes belong to the same centers and labels.

    Attributes
    ----------
    centers : ndarray (n_clusters, n_features), float32 or float64
        The exact means of the labeled rows, rounded once.
    labels : ndarray (n_samples,), int32
        The nearest center of each row, among those that the last pass started from; if converged, among
        `centers`.
    inertia : float
        The exact sum of the squared distances of the rows to the centers of their labels, rounded once.
    n_iter : int
        Number of passes. The last pass of a converged fit only confirms that no label changes.
    converged : bool
        Whether no label changed in the last pass, so that further passes would change nothing.
    n_empty : int
        Number of clusters without rows; each keeps its previous center.
    """

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    n_empty: int


class Passes(NamedTuple):
    """Result of `iterate`; `centers` are float64 and have padded features.

    n_decided, n_pairs and kept_bytes are those of `algorithms.base.Run`.
    """

    centers: np.ndarray
    labels: np.ndarray
    n_iter: int
    converged: bool
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int
    kept_bytes: int


def _label_sq_dists(samples: Samples, wide: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return D from every row to the (padded) center of its label."""
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    sq_dists = np.empty(len(samples))
    run = LABEL_SQ_DISTS.on(plan.parallel)
    for rows, X in rows_of(samples):
        run(X, wide, labels[rows], plan, sq_dists[rows])
    return sq_dists


def roots(sq_dists: np.ndarray, single: bool) -> np.ndarray:
    """Return the square roots of squared distances, rounded once to float32 or float64."""
    if not single:
        return np.sqrt(sq_dists)
    plan = _plan.sweep((len(sq_dists), 1), work=16 * len(sq_dists))
    dists = np.empty(len(sq_dists), np.float32)
    ROOTS.on(plan.parallel)(sq_dists, plan.n_tasks, dists)
    return dists


def exact_average(values: np.ndarray) -> np.floating:
    """Return the exact mean of a float32 or float64 array, rounded once to its dtype."""
    samples = Samples(values.reshape(-1, 1))
    return values.dtype.type(column_means(samples, single=samples.single)[0])


def inertia_of(samples: Samples, centers: np.ndarray, labels: np.ndarray) -> float:
    """Return the exact sum of D from the rows to the (padded) centers of their labels."""
    return exact_sum(_label_sq_dists(samples, centers, labels))


def seed(samples: Samples, n_clusters: int, method: str, rng: Any) -> np.ndarray:
    """Return starting centers (n_clusters, n_features), float64.

    method : a key of `SEEDINGS`; rng : a Generator or a legacy RandomState
    """
    row = SEEDINGS[method]
    integers, reals = row.draw(rng, len(samples), n_clusters, samples.shape[1], samples.weights)
    return row.place(samples, n_clusters, integers, reals)


def iterate(
    samples: Samples,
    centers: np.ndarray,
    max_iter: int,
    *,
    stop_on_empty: bool = False,
    progress: Progress = None,
    algorithm: str | None = None,
) -> Passes:
    """Run up to max_iter passes of Lloyd's algorithm, and stop at the fixed point.

    Parameters
    ----------
    centers : (n_clusters, n_features), any float dtype; converted to float64 without rounding
    stop_on_empty : stop after the first pass that leaves a cluster empty
    progress : called after each pass with its number and the number of rows that moved
    algorithm : a key of `ALGORITHMS`, all of which give the same bits; the plan chooses if None
    """
    n_clusters = len(centers)
    if algorithm is None:
        sizes = (samples.shape, n_clusters)
        algorithm = _plan.algorithm(*sizes, samples.dtype.itemsize, max_iter, samples.memory)
    plan = _plan.sweep(samples.shape, work=samples.size * n_clusters)
    wide = pad_centers(centers)
    chosen = ALGORITHMS[algorithm]
    transform = samples.transform(wide) if chosen.needs_transform else NO_TRANSFORM
    unfit = (chosen.needs_transform and not transform.scale) or (chosen.finite and not samples.finite)
    if unfit or (chosen.whole and not samples.memory.whole):
        chosen = ALGORITHMS[REFERENCE]
    labels = np.full(len(samples), -1, np.int32)
    run = chosen(samples, plan, transform).run_all(wide, labels, max_iter, stop_on_empty, progress)
    return Passes(wide, labels, *run)


def fit(
    X: Any,
    centers: Any,
    *,
    max_iter: int = 300,
    check_finite: bool = True,
    progress: Progress = None,
) -> FitResult:
    """Run Lloyd's algorithm from given centers, and report how it ended.

    Parameters
    ----------
    X : array_like (n_samples, n_features)
        float32 and float64 are used as they are, float16 as float32, integers and bool as float64.
    centers : array_like (n_clusters, n_features)
        Starting centers.
    max_iter : int
        Maximum number of passes. The fit stops earlier at the fixed point, once no label changes.
    check_finite : bool
        Whether to reject NaN and infinities. Without the check a NaN distance counts as +inf.
    progress : callable, optional
        Called after each pass with its number, from 1, and the number of rows that changed their label. An
        exception from it ends the fit and propagates to the caller.

    Returns
    -------
    FitResult
        A named tuple: centers, labels, inertia, n_iter, converged, n_empty.

    Raises
    ------
    TypeError
        `X` or `centers` does not hold real numbers, `max_iter` is not an integer, or `progress` is not
        callable.
    ValueError
        An array has a wrong shape, is empty, or holds NaN or infinities; or `max_iter` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import fit
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> result = fit(X, X[:2])
    >>> result.centers.ravel(), result.labels, result.inertia
    (array([ 0.5, 10.5]), array([0, 0, 1, 1], dtype=int32), 1.0)
    >>> result.n_iter, result.converged, result.n_empty
    (3, True, 0)
    """
    rows, start = as_real(X, "X"), as_working(centers, "centers")
    for name, array in (("X", rows), ("centers", start)):
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"{name} must be a non-empty 2-D array, got shape {array.shape}")
    if start.shape[1] != rows.shape[1]:
        raise ValueError(f"centers has {start.shape[1]} features, but X has {rows.shape[1]}")
    if len(rows) >= MAX_SAMPLES:
        raise ValueError(f"X has {len(rows)} rows; fewer than {MAX_SAMPLES} are supported")
    try:
        passes_at_most = operator.index(max_iter)
    except TypeError:
        raise TypeError(f"max_iter must be an integer, got {max_iter!r}") from None
    if passes_at_most < 1:
        raise ValueError(f"max_iter must be at least 1, got {max_iter}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {progress!r}")
    samples = Samples(rows)
    if check_finite:
        for name, finite in (("X", samples.finite), ("centers", bool(np.isfinite(start).all()))):
            if not finite:
                raise ValueError(f"{name} must not contain infs or NaNs")
    passes = iterate(samples, start, passes_at_most, progress=progress)
    return as_result(samples, passes)


def as_result(samples: Samples, passes: Passes) -> FitResult:
    """Return the result of passes in the caller's shape and dtype, with the inertia."""
    inertia = inertia_of(samples, passes.centers, passes.labels)
    centers = passes.centers[:, : samples.shape[1]].astype(samples.dtype)
    return FitResult(centers, passes.labels, inertia, passes.n_iter, passes.converged, passes.n_empty)
