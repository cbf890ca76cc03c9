"""A pass of Lloyd's algorithm, every distance by the definition."""

import numpy as np

from numbakmeans._engine.kernels.canonical import nearest_tile, pack_block
from numbakmeans._engine.kernels.sums import relabel
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty, zeros


@kernel
def lloyd_slot(slot, room, X, chunk_rows, n_lanes, centers, constants, scales, labels, sums, counts):
    """Slot. Assign the rows of every n-th chunk, and move them between its sums; see `lloyd_pass`."""
    n_samples, n_slots = X.shape[0], sums.shape[0]
    block = zeros(room, (centers.shape[1], n_lanes), np.float64)
    partial, lane_dists = empty(room, n_lanes, np.float64), empty(room, n_lanes, np.float64)
    lane_labels = empty(room, n_lanes, np.int64)
    rest = empty(room, X.shape[1], np.float64)
    moved = 0
    tables = (labels, sums[slot], counts[slot])
    for start in range(slot * chunk_rows, n_samples, n_slots * chunk_rows):
        stop = minimum(start + chunk_rows, n_samples)
        for first in range(start, stop, n_lanes):
            end = minimum(first + n_lanes, stop)
            pack_block(X, first, end, block)
            nearest_tile(block, centers, partial, lane_dists, lane_labels)
            moved += relabel(X, first, end, lane_labels, constants, scales, rest, *tables)
    return moved


@kernel
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
