"""A pass of Lloyd's algorithm, with every distance computed by definition (`reference`)."""

import numpy as np

from numbakmeans._engine.kernels.reference import indices, pack_block
from numbakmeans._engine.kernels.sums import relabel, sums_of_task
from numbakmeans._engine.simd import lanes_at_once, nearest_lanes
from numbakmeans._numba.arena import empty, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum


@kernel
def lloyd_task(task, arena, X, plan, centers, labels, tables):
    """Task. Assign the rows of every n-th chunk, and update its sums; see `lloyd_pass`."""
    n_samples, n_tasks, chunk_rows = X.shape[0], plan.n_tasks, plan.chunk_rows
    width, candidates = lanes_at_once(X), indices(len(centers), arena)
    block, lane_labels = zeros(arena, (X.shape[1], width), np.float64), empty(arena, width, np.int64)
    mine = sums_of_task(tables, task, arena)
    moved = 0
    for start in range(task * chunk_rows, n_samples, n_tasks * chunk_rows):
        stop = minimum(start + chunk_rows, n_samples)
        for first in range(start, stop, width):
            end = minimum(first + width, stop)
            pack_block(X, first, end, block)
            nearest_lanes(block, centers, candidates, len(candidates), lane_labels, None)
            moved += relabel(X, first, end, lane_labels, labels, mine)
    return moved


@kernel
def lloyd_pass(executor, X, plan, centers, labels, tables):
    """Assign every row to its nearest center, and update labels and sums.

    Parameters
    ----------
    X : (n_samples, n_features), float32 or float64, C-contiguous
    plan : `plan.Plan`
    centers : (n_clusters, padded features), float64
    labels : INOUT (n_samples,), int32, -1 before the first pass; tables : INOUT `Sums`

    Returns
    -------
    moved : the number of rows that changed their label
    """
    return parallel_for(executor, plan.n_tasks, lloyd_task, (X, plan, centers, labels, tables))
