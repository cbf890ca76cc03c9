"""How many clusters to ask for: fits for several numbers of clusters, and what is measured of each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.assignment import nearest_labels
from numbakmeans._engine.distances import distances, exact_sum, exact_weighted_sum, inertia_of, pad_centers
from numbakmeans._engine.fit import iterate, mean_variance, seed
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import Samples, as_real, labeled_totals
from numbakmeans._engine.weights import as_weights

#: Distances that are held at once.
MAX_DISTANCES = 1 << 22


class Choice(NamedTuple):
    """What `choose_k` has measured; the arrays have an element for each number of clusters.

    A named tuple. The measures need not agree: look at all of them.

    Attributes
    ----------
    k : ndarray of int64
        The numbers of clusters, ascending.
    inertia : ndarray of float64
        The sum of the squared distances to the nearest centers. It always falls with more clusters.
    silhouette : ndarray of float64
        The mean of the simplified silhouette of each row (Hruschka and others 2004): 1 minus its distance to
        the nearest center over that to the second nearest; from 0 to 1, more is better. NaN for one cluster.
    davies_bouldin : ndarray of float64
        The index of Davies and Bouldin (1979), the mean over the clusters of how much the worst neighbour
        overlaps; less is better. NaN for one cluster.
    elbow : int
        Where the curve of the inertia bends most: the number of clusters that is farthest below the straight
        line between the ends of the curve, both axes scaled to 1.
    best : int
        The number of clusters with the largest silhouette, the smallest of equals.
    centers : tuple of ndarray (n_clusters, n_features)
        The centers of each fit.

    See Also
    --------
    choose_k : What returns it.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import choose_k
    >>> choice = choose_k(np.arange(20.0)[:, None] % 10, [2, 3, 4], rng=0)
    >>> choice.k, bool(np.all(np.diff(choice.inertia) < 0)), len(choice.centers)
    (array([2, 3, 4]), True, 3)
    """

    k: np.ndarray
    inertia: np.ndarray
    silhouette: np.ndarray
    davies_bouldin: np.ndarray
    elbow: int
    best: int
    centers: tuple[np.ndarray, ...]


def choose_k(
    X: Any,
    k: Iterable[int] = range(2, 13),
    *,
    n_init: int = 3,
    rng: Any = None,
    sample_weight: Any = None,
    max_iter: int = 300,
    tol: float = 1e-4,
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Fit several numbers of clusters, and measure how well each describes the rows.

    No measure knows what the clusters are for. Look at the curves, which `numbakmeans sweep` draws. The
    measures are the inertia, the simplified silhouette [1]_ and the index of Davies and Bouldin [2]_.

    Parameters
    ----------
    X : array_like (n_samples, n_features), or Blocks
        The rows.
    k : iterable of int
        The numbers of clusters.
    n_init : int
        The number of starts for each, of which the one with the smallest inertia counts. A start is made
        once, by greedy k-means++ for the largest number of clusters; smaller numbers take its first centers.
    rng : None, int, Generator, optional
        What `numpy.random.default_rng` takes.
    sample_weight : array_like (n_samples,), optional
        How much each row counts, finite and not negative.
    max_iter, tol : int, float
        As in `fit`; empty clusters take the row that costs most.
    progress : callable, optional
        Called before each fit with its number, from 0, and the number of fits.

    Returns
    -------
    Choice
        A named tuple: k, inertia, silhouette, davies_bouldin, elbow, best, centers.

    Raises
    ------
    TypeError
        `X` does not hold real numbers, or a number of clusters is no integer.
    ValueError
        `X` has a wrong shape or holds NaN or infinities; a number of clusters is below 1 or above the number
        of rows, or there are fewer than two of them; `n_init` is below 1; or weights are wrong.

    See Also
    --------
    KMeans : Fits one number of clusters.

    References
    ----------
    .. [1] E. R. Hruschka, L. N. de Castro, R. J. G. B. Campello, "Evolutionary algorithms for clustering
       gene-expression data", Fourth IEEE International Conference on Data Mining, 2004,
       doi 10.1109/ICDM.2004.10073.
    .. [2] D. L. Davies, D. W. Bouldin, "A cluster separation measure", IEEE Transactions on Pattern Analysis
       and Machine Intelligence PAMI-1(2), 1979, doi 10.1109/TPAMI.1979.4766909.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import choose_k
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 2)) + 9 * rng.permutation(np.eye(4, 2))[rng.integers(0, 3, 600)]
    >>> choice = choose_k(X, range(2, 8), rng=0)
    >>> choice.elbow, choice.best
    (3, 3)
    """
    samples, numbers = _as_samples(X, sample_weight), _as_numbers(k)
    if numbers[-1] > len(samples):
        raise ValueError(f"k must be at most the number of rows, {len(samples)}, got {numbers[-1]}")
    if operator.index(n_init) < 1:
        raise ValueError(f"n_init must be at least 1, got {n_init}")
    streams = np.random.default_rng(rng).spawn(n_init)
    starts = [seed(samples, numbers[-1], "greedy ++", stream) for stream in streams]
    limit = tol * mean_variance(samples) if tol else 0.0
    measured, centers = [], []
    for t, number in enumerate(numbers):
        fits = []
        for s, start in enumerate(starts):
            if progress is not None:
                progress(t * n_init + s, len(numbers) * n_init)
            passes = iterate(samples, start[:number], max_iter, relocates=True, tol=limit)
            found = passes.centers[:, : samples.shape[1]].astype(samples.dtype)
            labels = nearest_labels(samples, found)
            fits.append((inertia_of(samples, pad_centers(found), labels), found, labels))
        inertia, found, labels = min(fits, key=lambda each: each[0])
        measured.append((inertia, *_measures(samples, found, labels)))
        centers.append(found)
    inertias, silhouettes, indices = np.array(measured).T
    best = 0 if np.isnan(silhouettes).all() else int(np.nanargmax(silhouettes))
    elbow = numbers[_bend(np.array(numbers), inertias)]
    return Choice(np.array(numbers), inertias, silhouettes, indices, elbow, numbers[best], tuple(centers))


def _as_samples(X: Any, sample_weight: Any) -> Samples:
    rows: Any = X if isinstance(X, RowSource) else as_real(X, "X")
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"X must be a non-empty 2-D array, got shape {rows.shape}")
    samples = Samples(rows, None if sample_weight is None else as_weights(sample_weight, len(rows)))
    if not samples.finite:
        raise ValueError(f"X must not contain infs or NaNs, but has {samples.first_not_finite(X)}")
    return samples


def _as_numbers(k: Iterable[int]) -> list[int]:
    try:
        numbers = sorted({operator.index(number) for number in k})
    except TypeError:
        raise TypeError(f"k must hold integers, got {k!r}") from None
    if len(numbers) < 2 or numbers[0] < 1:
        raise ValueError(f"k must hold two or more numbers of clusters, each at least 1, got {numbers}")
    return numbers


def _measures(samples: Samples, centers: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean simplified silhouette, and the index of Davies and Bouldin."""
    n_clusters = len(centers)
    if n_clusters == 1:
        return np.nan, np.nan
    own, silhouettes = np.empty(len(samples)), np.empty(len(samples))
    step = max(1, MAX_DISTANCES // n_clusters)
    for start in range(0, len(samples), step):
        rows = slice(start, min(start + step, len(samples)))
        dists = distances(Samples(samples.array[rows]), centers).astype(np.float64)
        dists.partition(1, axis=1)
        own[rows] = dists[:, 0]
        # Where the second is 0 as well, two centers are the same: the row belongs to neither.
        silhouettes[rows] = 1.0 - _quotients(dists[:, 0], dists[:, 1], otherwise=1.0)
    weights = np.ones(len(samples)) if samples.weights is None else samples.weights
    silhouette = exact_weighted_sum(samples, silhouettes) / exact_sum(weights)
    loads = labeled_totals(weights, labels, n_clusters)
    spreads = _quotients(labeled_totals(weights * own, labels, n_clusters), loads, otherwise=0.0)
    between = distances(Samples(centers.astype(np.float64)), centers.astype(np.float64))
    overlaps = _quotients(spreads[:, None] + spreads, between, otherwise=0.0)
    return silhouette, float(overlaps.max(1).mean())


def _quotients(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    """Return quotients, and another number where what is below is 0."""
    return np.divide(above, below, where=below > 0, out=np.full(below.shape, otherwise))


def _bend(numbers: np.ndarray, inertias: np.ndarray) -> int:
    """Return where a falling curve is farthest below the line between its ends, both axes scaled to 1."""
    fall = inertias[0] - inertias[-1]
    if not fall > 0:
        return 0
    across = (numbers - numbers[0]) / (numbers[-1] - numbers[0])
    return int(np.argmax((inertias[0] - inertias) / fall - across))
