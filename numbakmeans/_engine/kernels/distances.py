"""Distances from every row to every center: square roots of D, rounded once."""

import numpy as np

from numbakmeans._engine.kernels.reference import pack_block, root_single, sq_dist_tile
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum


@kernel
def distances_chunk(X, centers, start, stop, n_lanes, dists, arena):
    """Chunk. Write the distances of the rows in [start, stop)."""
    marked = mark(arena)
    block = zeros(arena, (centers.shape[1], n_lanes), np.float64)
    sq_dists = empty(arena, n_lanes, np.float64)
    for first in range(start, stop, n_lanes):
        end = minimum(first + n_lanes, stop)
        pack_block(X, first, end, block)
        for j in range(centers.shape[0]):
            sq_dist_tile(block, centers[j], sq_dists)
            for i in range(first, end):
                sq_dist = sq_dists[i - first]
                sq_dist = np.inf if np.isnan(sq_dist) else sq_dist
                # Known when it is compiled: one of the two is dropped.
                dists[i, j] = root_single(sq_dist) if dists.itemsize == 4 else np.sqrt(sq_dist)
    release(arena, marked)


@kernel
def distances_task(task, arena, X, centers, plan, dists):
    """Task. Write the distances of the rows of every n-th chunk; see `distances`."""
    chunk_rows, n_tasks = plan.chunk_rows, plan.n_tasks
    for start in range(task * chunk_rows, X.shape[0], n_tasks * chunk_rows):
        stop = minimum(start + chunk_rows, X.shape[0])
        distances_chunk(X, centers, start, stop, plan.n_lanes, dists, arena)


@kernel
def distances(executor, X, centers, plan, dists):
    """Write the distance from every row to every center.

    X : (n_samples, n_features); centers : (n_clusters, padded features), float64
    plan : `plan.Plan`
    dists : OUT (n_samples, n_clusters), float32 or float64
    """
    parallel_for(executor, plan.n_tasks, distances_task, (X, centers, plan, dists))
