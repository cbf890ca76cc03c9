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
from numbakmeans._jit import driver, kernel, prange
from numbakmeans._kernels.canonical import nearest_tile, pack_block
from numbakmeans._kernels.exact import relabel


@kernel
def lloyd_chunk(X, start, stop, n_lanes, centers, constants, scales, labels, sums, counts):
    """Chunk. Assign rows [start, stop) and move them between the sums of one slot.

    sums : INOUT (n_clusters + padding, table rows, n_features); counts : INOUT (n_clusters + padding,)

    Returns
    -------
    moved : how many rows changed their label
    """
    block = np.zeros((centers.shape[1], n_lanes))
    partial, lane_dists = np.empty(n_lanes), np.empty(n_lanes)
    lane_labels = np.empty(n_lanes, np.int64)
    rest = np.empty(X.shape[1])
    moved = 0
    for first in range(start, stop, n_lanes):
        end = min(first + n_lanes, stop)
        pack_block(X, first, end, block)
        nearest_tile(block, centers, partial, lane_dists, lane_labels)
        moved += relabel(X, first, end, lane_labels, constants, scales, rest, labels, sums, counts)
    return moved


@driver
def lloyd_pass(X, chunk_rows, n_lanes, centers, constants, scales, labels, sums, counts):
    """Assign every row to its nearest center, and bring labels, sums and counts up to date.

    Parameters
    ----------
    X : (n_samples, n_features), float32 or float64, C-order
    chunk_rows, n_lanes : rows of a chunk, and of a block inside it
    centers : (n_clusters, padded features), float64
    constants, scales : the grids of the columns (`_kernels.exact`)
    labels : INOUT (n_samples,), int32, -1 before the first pass
    sums : INOUT, tables of all slots; counts : INOUT (n_slots, n_clusters + padding), int64

    Returns
    -------
    moved : how many rows changed their label
    """
    n_samples, n_slots = X.shape[0], sums.shape[0]
    n_chunks = (n_samples + chunk_rows - 1) // chunk_rows
    moved = 0
    for s in prange(n_slots):
        for c in range(s, n_chunks, n_slots):
            stop = min((c + 1) * chunk_rows, n_samples)
            moved += lloyd_chunk(
                X, c * chunk_rows, stop, n_lanes, centers, constants, scales, labels, sums[s], counts[s]
            )
    return moved


class Lloyd(Algorithm):
    """Every distance by the definition."""

    driver = lloyd_pass
    framed = False

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        plan, (_, constants, scales) = self.plan, self.grids
        run = self.driver.on(plan.parallel)
        tables = (constants, scales)
        moved = 0
        for rows, X in self.samples.slabs():
            moved += run(X, plan.chunk_rows, plan.n_lanes, centers, *tables, labels[rows], sums, counts)
        return Pass(moved, len(labels), len(labels) * len(centers))
