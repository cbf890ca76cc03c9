"""Relocation of empty clusters: each takes the row that costs most where it is.

After the sums of a pass, each empty cluster, in ascending order, takes the row with the largest w D (rounded
once; of equal ones the first) among the rows with w D > 0 that are not alone in their cluster, where D is the
distance to the center that the pass assigned the row to, and w its weight, 1 if there are none. Rows of
weight 0 do not count as company. The centers are then the means of the rows that they have.

The rule is that of scikit-learn's `KMeans`, made independent of the order of the rows' distances, and without
taking the last row of a cluster.
"""

from __future__ import annotations

import numpy as np

from numbakmeans._engine.distances import label_sq_dists
from numbakmeans._engine.samples import Samples


def relocations(
    samples: Samples,
    centers: np.ndarray,
    labels: np.ndarray,
    sizes: np.ndarray,
    fixed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that move to empty clusters, and these clusters.

    centers : (n_clusters, padded features), which the rows were assigned to; labels : of all rows
    sizes : (n_clusters,), rows of weight above 0 in each cluster
    fixed : (n_clusters,), bool, the clusters that stay empty; None if none does
    """
    empty = empty_clusters(sizes, fixed)
    rows, _ = most_costly(samples, centers, labels, enough(empty, sizes))
    chosen = choose(labels[rows], sizes, len(empty))
    return rows[chosen], empty[: len(chosen)]


def empty_clusters(sizes: np.ndarray, fixed: np.ndarray | None) -> np.ndarray:
    """Return the clusters that take rows."""
    return np.flatnonzero(sizes == 0 if fixed is None else (sizes == 0) & ~fixed)


def enough(empty: np.ndarray, sizes: np.ndarray) -> int:
    """Return how many of the most costly rows are looked at, at most.

    A row is passed over only if it is the last one of its cluster.
    """
    return len(empty) + len(sizes)


def most_costly(
    samples: Samples, centers: np.ndarray, labels: np.ndarray, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows with the largest costs, in the order in which they are looked at, and their costs.

    n_rows : how many, at most; rows without a cost are left out
    """
    with np.errstate(over="ignore", invalid="ignore"):
        costs = label_sq_dists(samples, centers, labels)
        if samples.weights is not None:
            costs *= samples.weights
    costs[np.isnan(costs)] = 0.0
    n_rows = min(n_rows, len(costs))
    least = np.partition(costs, len(costs) - n_rows)[len(costs) - n_rows]
    rows = np.flatnonzero((costs >= least) & (costs > 0))
    rows = rows[np.argsort(-costs[rows], kind="stable")][:n_rows]
    return rows, costs[rows]


def choose(labels: np.ndarray, sizes: np.ndarray, n_empty: int) -> list[int]:
    """Return which rows move, by their places among the most costly ones; labels : of these."""
    left: np.ndarray = sizes.copy()
    chosen: list[int] = []
    for place, label in enumerate(labels.tolist()):
        if len(chosen) == n_empty:
            break
        if left[label] > 1:
            left[label] -= 1
            chosen.append(place)
    return chosen
