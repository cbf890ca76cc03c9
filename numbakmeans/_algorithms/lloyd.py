"""Lloyd's algorithm, every distance computed by its definition: the reference for all others.

The assignment is exact, and so are the sums: a row that changes its cluster is taken out of one table
and added to another, which leaves what a fresh summation would give.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

import numpy as np

from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._jit import kernel
from numbakmeans._kernels.canonical import nearest_tile, pack_block
from numbakmeans._kernels.sums import relabel
from numbakmeans._slots import driver, spread


@kernel
def lloyd_slot(slot, X, chunk_rows, n_lanes, centers, constants, scales, labels, sums, counts):
    """Slot. Assign the rows of every n-th chunk, and move them between its sums; see `lloyd_pass`."""
    n_samples, n_slots = X.shape[0], sums.shape[0]
    block = new_zeros((centers.shape[1], n_lanes), np.float64)
    partial, lane_dists = new_empty(n_lanes, np.float64), new_empty(n_lanes, np.float64)
    lane_labels = new_empty(n_lanes, np.int64)
    rest = new_empty(X.shape[1], np.float64)
    moved = 0
    tables = (labels, sums[slot], counts[slot])
    for start in range(slot * chunk_rows, n_samples, n_slots * chunk_rows):
        stop = min(start + chunk_rows, n_samples)
        for first in range(start, stop, n_lanes):
            end = min(first + n_lanes, stop)
            pack_block(X, first, end, block)
            nearest_tile(block, centers, partial, lane_dists, lane_labels)
            moved += relabel(X, first, end, lane_labels, constants, scales, rest, *tables)
    return moved


@driver
def lloyd_pass(loop, X, chunk_rows, n_lanes, centers, constants, scales, labels, sums, counts):
    """Assign every row to its nearest center, and bring labels, sums and counts up to date.

    Parameters
    ----------
    X : (n_samples, n_features), float32 or float64, C-order
    chunk_rows, n_lanes : rows of a chunk, and of a block inside it
    centers : (n_clusters, padded features), float64
    constants, scales : the grids of the columns (`_kernels.sums`)
    labels : INOUT (n_samples,), int32, -1 before the first pass
    sums : INOUT, tables of all slots; counts : INOUT (n_slots, n_clusters + padding), int64

    Returns
    -------
    moved : how many rows changed their label
    """
    tables = (constants, scales, labels, sums, counts)
    return spread(loop, sums.shape[0], lloyd_slot, (X, chunk_rows, n_lanes, centers, *tables))


class Lloyd(Algorithm):
    """Every distance by the definition."""

    driver = lloyd_pass
    tier = lloyd_pass.tier
    framed = False

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        plan, (_, constants, scales) = self.plan, self.grids
        run = self.driver.on(plan.parallel)
        tables = (constants, scales)
        moved = 0
        for rows, X in self.samples.slabs():
            moved += run(X, plan.chunk_rows, plan.n_lanes, centers, *tables, labels[rows], sums, counts)
        return Pass(moved, len(labels), len(labels) * len(centers))
