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
    empty = np.flatnonzero(sizes == 0 if fixed is None else (sizes == 0) & ~fixed)
    with np.errstate(over="ignore", invalid="ignore"):
        costs = label_sq_dists(samples, centers, labels)
        if samples.weights is not None:
            costs *= samples.weights
    costs[np.isnan(costs)] = 0.0
    # A row is passed over only if it is the last one of its cluster, so no more rows than this are looked at.
    enough = min(len(empty) + len(sizes), len(costs))
    least = np.partition(costs, len(costs) - enough)[len(costs) - enough]
    rows = np.flatnonzero((costs >= least) & (costs > 0))
    rows = rows[np.argsort(-costs[rows], kind="stable")]
    left: np.ndarray = sizes.copy()
    chosen: list[int] = []
    for i in rows.tolist():
        if len(chosen) == len(empty):
            break
        if left[labels[i]] > 1:
            left[labels[i]] -= 1
            chosen.append(i)
    return np.array(chosen, np.int64), empty[: len(chosen)]
