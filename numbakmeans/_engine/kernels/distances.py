"""Distances from every row to every center: square roots of D, rounded once."""

import numpy as np

from numbakmeans._engine.kernels.reference import pack_block, root_single, sq_dist_tile
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import bits_of, minimum

#: The bits of a float64 that a float32 does not have, and their pattern midway between two float32 values.
LOW_BITS, HALF = (1 << 29) - 1, 1 << 28
#: Rows side by side in a block.
LANES = 64


@kernel
def roots_tile(sq_dists, roots):
    """Tile. Write the root of each lane, and return how many must be rounded by `root_single`.

    A float64 root, rounded again to float32, is wrong only if it is the midpoint of two float32 values: these
    midpoints are float64 values themselves, so that every other root lies on the same side as the true one.
    Below 2**-126 midpoints look otherwise, but no root is one: rows and centers are multiples of 2**-149, and
    in this unit D is an integer below 2**46, while the square of a midpoint is a quarter away from one.

    sq_dists : INOUT (lanes,), NaN becomes +inf; roots : OUT (lanes,), float32 or float64
    """
    hard = 0
    for r in range(len(sq_dists)):
        sq_dists[r] = np.inf if np.isnan(sq_dists[r]) else sq_dists[r]
        root = np.sqrt(sq_dists[r])
        roots[r] = root
        hard += bits_of(root) & LOW_BITS == HALF
    return hard if roots.itemsize == 4 else 0


@kernel
def distances_chunk(X, centers, start, stop, dists, arena):
    """Chunk. Write the distances of the rows in [start, stop)."""
    marked = mark(arena)
    block = zeros(arena, (centers.shape[1], LANES), np.float64)
    sq_dists, roots = empty(arena, LANES, np.float64), empty(arena, LANES, dists.dtype)
    for first in range(start, stop, LANES):
        end = minimum(first + LANES, stop)
        pack_block(X, first, end, block)
        for j in range(centers.shape[0]):
            sq_dist_tile(block, centers[j], sq_dists)
            hard = roots_tile(sq_dists, roots)
            for i in range(first, end):
                dists[i, j] = roots[i - first]
            if hard > 0:
                for i in range(first, end):
                    dists[i, j] = root_single(sq_dists[i - first])
    release(arena, marked)


@kernel
def distances_task(task, arena, X, centers, plan, dists):
    """Task. Write the distances of the rows of every n-th chunk; see `distances`."""
    chunk_rows, n_tasks = plan.chunk_rows, plan.n_tasks
    for start in range(task * chunk_rows, X.shape[0], n_tasks * chunk_rows):
        stop = minimum(start + chunk_rows, X.shape[0])
        distances_chunk(X, centers, start, stop, dists, arena)


@kernel
def distances(executor, X, centers, plan, dists):
    """Write the distance from every row to every center.

    X : (n_samples, n_features); centers : (n_clusters, padded features), float64
    plan : `plan.Plan`
    dists : OUT (n_samples, n_clusters), float32 or float64
    """
    parallel_for(executor, plan.n_tasks, distances_task, (X, centers, plan, dists))
