"""From arrays to a result: seed -> plan -> iterate -> FitResult. All orchestration is here.

Nothing here is specific to SciPy: names and messages of `scipy.cluster.vq` are in `_scipy` and `_arguments`.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import ALGORITHMS, REFERENCE
from numbakmeans._engine.algorithms.base import Algorithm, Progress, Rules
from numbakmeans._engine.assignment import nearest_labels
from numbakmeans._engine.columns import column_means
from numbakmeans._engine.constraints import (
    METRICS,
    Constraints,
    as_fixed,
    unit_centers,
    with_unit_rows,
)
from numbakmeans._engine.distances import inertia_of, pad_centers
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import (
    MAX_SAMPLES,
    Samples,
    as_real,
    as_working,
)
from numbakmeans._engine.seeding import SEEDINGS
from numbakmeans._engine.transforms import NO_TRANSFORM
from numbakmeans._engine.weights import as_weights

#: What `fit` can do about clusters without rows.
EMPTY_CLUSTERS = "keep", "relocate"


class FitResult(NamedTuple):
    """Result of a fit; all attributes belong to the same centers and labels.

    A named tuple: it can be unpacked in the order of its attributes.

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
        Whether no label changed in the last pass, so that further passes would change nothing, or the centers
        moved by no more than the tolerance.
    n_empty : int
        Number of clusters without rows; each keeps its previous center.

    See Also
    --------
    fit : What returns it.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import fit
    >>> centers, labels, *_ = fit(np.array([[0.0], [1.0], [10.0], [11.0]]), [[0.0], [1.0]])
    >>> centers.ravel()
    array([ 0.5, 10.5])
    """

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    n_empty: int


class Passes(NamedTuple):
    """Result of `iterate`: centers, float64 with padded features, labels, and a `algorithms.base.Run`."""

    centers: np.ndarray
    labels: np.ndarray
    n_iter: int
    converged: bool
    settled: bool
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int
    kept_bytes: int


def mean_variance(samples: Samples) -> float:
    """Return the mean of the variances of the features: D to the mean, summed exactly, over all values."""
    rows = samples if samples.weights is None else Samples(samples.array)
    mean = pad_centers(column_means(rows)[None])
    return inertia_of(rows, mean, np.zeros(len(rows), np.int32)) / rows.size


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
    relocates: bool = False,
    tol: float = 0.0,
    constraints: Constraints | None = None,
    progress: Progress = None,
    labels: np.ndarray | None = None,
    algorithm: str | None = None,
) -> Passes:
    """Run up to max_iter passes of Lloyd's algorithm, and stop at the fixed point.

    Parameters
    ----------
    centers : (n_clusters, n_features), any float dtype; converted to float64 without rounding
    stop_on_empty, relocates, tol, constraints : as in `algorithms.base.Rules`
    progress : called after each pass with its number and the number of rows that moved
    labels : OUT (n_samples,), int32, what they are written to; an array of their own if None
    algorithm : a key of `ALGORITHMS`, all of which give the same bits; the plan chooses if None
    """
    rules = Rules(max_iter, stop_on_empty, relocates, tol, constraints)
    if algorithm is None:
        sizes = (samples.shape, len(centers))
        algorithm = _plan.algorithm(*sizes, samples.dtype.itemsize, max_iter, samples.memory)
    wide, labels = pad_centers(centers), np.empty(len(samples), np.int32) if labels is None else labels
    labels[:] = -1
    run = algorithm_for(samples, wide, algorithm, constraints).run_all(wide, labels, rules, progress)
    return Passes(wide, labels, *run)


def algorithm_for(
    samples: Samples, wide: np.ndarray, key: str, constraints: Constraints | None = None
) -> Algorithm:
    """Return an algorithm for passes from (padded) starting centers: that of a key, if it suits the data."""
    plan = _plan.sweep(samples.shape, work=samples.size * len(wide))
    chosen = ALGORITHMS[key]
    transform = samples.transform(wide) if chosen.needs_transform else NO_TRANSFORM
    unfit = (chosen.needs_transform and not transform.scale) or (chosen.finite and not samples.finite)
    unfit = unfit or (constraints is not None and not chosen.constrains)
    if unfit or not samples.summable or (chosen.whole and not samples.memory.whole):
        chosen = ALGORITHMS[REFERENCE]
    return chosen(samples, plan, transform)


def fit(
    X: Any,
    centers: Any,
    *,
    max_iter: int = 300,
    tol: float = 0.0,
    sample_weight: Any = None,
    empty_clusters: str = "keep",
    metric: str = "euclidean",
    fixed: Any = None,
    check_finite: bool = True,
    progress: Progress = None,
    labels: Any = None,
) -> FitResult:
    """Run Lloyd's algorithm from given centers, and report how it ended.

    Rows are assigned to their nearest centers, and centers become the exact means of their rows, until no
    label changes. The bits of the result do not depend on threads, memory layout, blocks or machine.

    Parameters
    ----------
    X : array_like (n_samples, n_features), or Blocks
        The rows. float32 and float64 are used as they are, float16 as float32, integers and bool as float64.
    centers : array_like (n_clusters, n_features)
        Starting centers.
    max_iter : int
        Maximum number of passes. The fit stops earlier at the fixed point, once no label changes.
    tol : float
        The fit stops as well when the squared shifts of all centers in a pass sum up to at most `tol` times
        the mean variance of the features. Then the labels are found once more, for the centers returned.
    sample_weight : array_like (n_samples,), optional
        A weight for each row, finite and not negative. A weight of 2 counts like two copies of the row, and
        gives the same bits; a row of weight 0 gets a label, and counts nowhere else.
    empty_clusters : {'keep', 'relocate'}
        Whether a cluster without rows keeps its center, or takes the row that costs most where it is, as
        scikit-learn does: that with the largest weighted squared distance to its center, among rows that are
        not alone in their cluster.
    metric : {'euclidean', 'cosine'}
        With 'cosine', this is spherical k-means [1]_: rows and starting centers are divided by their lengths,
        and so is each mean, all rounded once (a mean of zero leaves the center where it is). The inertia is
        the sum of the squared distances between these, which is twice that of ``1 - cos`` but for rounding.
    fixed : array_like of int or bool, optional
        The starting centers that stay: their indices, or a mask (n_clusters,). They are rounded to the dtype
        of the result; their clusters take no rows where empty clusters do.
    check_finite : bool
        Whether to reject NaN and infinities. Without the check a NaN distance counts as +inf. Data with
        weights, or for 'cosine', is always checked.
    progress : callable, optional
        Called after each pass with its number, from 1, and the number of rows that changed their label. An
        exception from it ends the fit and propagates to the caller.
    labels : ndarray (n_samples,), int32, optional
        What the labels are written to, such as an array that is mapped from a file (`numpy.memmap`).

    Returns
    -------
    FitResult
        A named tuple: centers, labels, inertia, n_iter, converged, n_empty.

    Raises
    ------
    TypeError
        `X` or `centers` does not hold real numbers, `fixed` neither indices nor bools, `max_iter` is not an
        integer, or `progress` is not callable.
    ValueError
        An array has a wrong shape, is empty, or holds NaN, infinities or missing values; a weight is
        negative, or all are zero; `max_iter` is below 1, `tol` negative, `empty_clusters` or `metric`
        unknown, or an index in `fixed` out of range. With 'cosine': a row or center is zero.

    See Also
    --------
    KMeans : Chooses starting centers as well.
    kmeans2 : The same passes, as in SciPy.

    References
    ----------
    .. [1] I. S. Dhillon, D. S. Modha, "Concept decompositions for large sparse text data using clustering",
       Machine Learning 42, 2001, doi 10.1023/A:1007612920971.

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
    passes_at_most = _as_passes(max_iter)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {progress!r}")
    if not tol >= 0:
        raise ValueError(f"tol must not be negative, got {tol!r}")
    for name, value, known in (
        ("empty_clusters", empty_clusters, EMPTY_CLUSTERS),
        ("metric", metric, METRICS),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
    rows, start = _as_rows_and_centers(X, centers)
    if labels is not None:
        _require_labels(labels, len(rows))
    mask = None if fixed is None else as_fixed(fixed, len(start))
    weights = None if sample_weight is None else as_weights(sample_weight, len(rows))
    samples, unit = Samples(rows, weights), metric == "cosine"
    if check_finite or weights is not None or unit:
        for name, given, array in (("X", X, samples), ("centers", centers, Samples(start))):
            if not array.finite:
                raise ValueError(
                    f"{name} must not contain infs or NaNs, but has {array.first_not_finite(given)}"
                )
    if unit:
        samples, start = with_unit_rows(samples, "X"), unit_centers(start, "centers")
    constraints = Constraints(mask, unit) if unit or mask is not None else None
    relocates, limit = empty_clusters == "relocate", tol and tol * mean_variance(samples)
    passes = iterate(
        samples,
        start,
        passes_at_most,
        relocates=relocates,
        tol=limit,
        constraints=constraints,
        progress=progress,
        labels=labels,
    )
    if passes.converged and not passes.settled:
        passes.labels[:] = nearest_labels(samples, passes.centers[:, : start.shape[1]])
    return as_result(samples, passes)


def _require_labels(labels: Any, n_samples: int) -> None:
    """Check an array that labels are to be written to."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int32:
        found = getattr(labels, "dtype", type(labels).__qualname__)
        raise TypeError(f"labels must be an array of int32, got {found}")
    if labels.shape != (n_samples,):
        raise ValueError(f"labels must have shape {(n_samples,)}, got {labels.shape}")
    if not (labels.flags.c_contiguous and labels.flags.aligned and labels.flags.writeable):
        raise ValueError("labels must be writeable, aligned and contiguous")


def _as_passes(max_iter: Any) -> int:
    """Return a number of passes."""
    try:
        n_passes = operator.index(max_iter)
    except TypeError:
        raise TypeError(f"max_iter must be an integer, got {max_iter!r}") from None
    if n_passes < 1:
        raise ValueError(f"max_iter must be at least 1, got {max_iter}")
    return n_passes


def _as_rows_and_centers(X: Any, centers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and starting centers as arrays that match."""
    rows: Any = X if isinstance(X, RowSource) else as_real(X, "X")
    start = as_working(centers, "centers")
    for name, array in (("X", rows), ("centers", start)):
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"{name} must be a non-empty 2-D array, got shape {array.shape}")
    if start.shape[1] != rows.shape[1]:
        raise ValueError(f"centers has {start.shape[1]} features, but X has {rows.shape[1]}")
    if len(rows) >= MAX_SAMPLES:
        raise ValueError(f"X has {len(rows)} rows; fewer than {MAX_SAMPLES} are supported")
    return rows, start


def as_result(samples: Samples, passes: Passes) -> FitResult:
    """Return the result of passes in the caller's shape and dtype, with the inertia."""
    inertia = inertia_of(samples, passes.centers, passes.labels)
    centers = passes.centers[:, : samples.shape[1]].astype(samples.dtype)
    return FitResult(centers, passes.labels, inertia, passes.n_iter, passes.converged, passes.n_empty)
