"""The picks of '++': each next row is drawn with probability proportional to its mass.

The mass of a row is its weight times D to the nearest pick, rounded once (0 if the weight is); without
weights, D itself. D is the reference distance. It is kept for every row, and each pick lowers it. The sums
over the leaves of NumPy's pairwise-summation tree (`pairwise`) are updated with it, and locate the row where
the running sum passes the draw. Quantized rows (`quantization`), if there are any, save reading most rows.

Weights are an argument of their own, None or a table, so that the code for them is compiled only where there
are any.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.bins import GROUP
from numbakmeans._engine.kernels.pairwise import leaves_of, sum_leaf, sum_leaves
from numbakmeans._engine.kernels.quantization import (
    bound_of,
    mark_near,
    near_rows,
    quantize_leaf,
    scale_point,
)
from numbakmeans._engine.kernels.reference import pack_block, sq_dist_tile
from numbakmeans._engine.simd import prefetch_rows
from numbakmeans._engine.structs.seeds import (
    GROUP_LANES,
    LEAF_ROWS,
    Job,
    Leaves,
    leaves_at_most,
)
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum

_leaves_at_most = kernel(leaves_at_most)


@kernel
def weigh(sq_dists, weights, start, masses):
    """Tile. Write the masses of some rows, whose weights begin at start; masses : OUT."""
    for r in range(len(sq_dists)):
        w = weights[start + r]
        # Not w * D where w is 0: an overflowed D would make it NaN.
        masses[r] = w * sq_dists[r] if w > 0.0 else 0.0


@kernel
def scan_pick(sq_dists, weights, total, uniform):
    """Return the first row whose running sum of mass / total reaches uniform: this defines the pick.

    If rounding leaves no such row: the last row with a mass above 0, or row 0. With weights, only rows with a
    mass above 0 are picked.
    """
    running, last = 0.0, 0
    for i in range(len(sq_dists)):
        mass = sq_dists[i]
        if weights is not None:
            mass = weights[i] * mass if weights[i] > 0.0 else 0.0
        running += mass / total
        reached = running >= uniform
        if weights is not None:
            reached = reached and mass > 0.0
        if reached:
            return i
        if mass > 0.0:
            last = i
    return last


@kernel
def certain_pick(sq_dists, weights, leaves, total, uniform):
    """Return the row that `scan_pick` finds, or -1 where the sums of the leaves cannot prove which it is.

    Both running sums are within n * 2**-53 of the exact one, relative to a total of about 1. So if this one
    goes from below uniform - margin to above uniform + margin in a single row, so does that of `scan_pick`.
    """
    margin = 4.0 * (len(sq_dists) + LEAF_ROWS) * 2.0**-53
    starts, leaf_sums, running = leaves.starts, leaves.sums, 0.0
    for leaf in range(len(leaf_sums)):
        after = running + leaf_sums[leaf] / total
        if after >= uniform - margin:
            for i in range(starts[leaf], starts[leaf + 1]):
                mass = sq_dists[i]
                if weights is not None:
                    mass = weights[i] * mass if weights[i] > 0.0 else 0.0
                running += mass / total
                if running >= uniform - margin:
                    return i if running >= uniform + margin else -1
            return -1
        running = after
    return -1


@kernel
def pick_row(sq_dists, weights, leaves, total, uniform):
    """Return the next row for '++'; if all masses are 0: row 0, or the first row with a weight above 0."""
    if total == 0.0:
        row = 0
        if weights is not None:
            while not weights[row] > 0.0:
                row += 1
        return row
    row = certain_pick(sq_dists, weights, leaves, total, uniform) if total < np.inf else -1
    return row if row >= 0 else scan_pick(sq_dists, weights, total, uniform)


@kernel
def pick_first(sq_dists, weights, leaves, uniform, arena):
    """Return the first row, drawn by its weight.

    sq_dists : (n_samples,), ones, so that the mass of a row is its weight
    leaves : `structs.seeds.Leaves`, its sums overwritten
    """
    starts, marked = leaves.starts, mark(arena)
    masses = empty(arena, LEAF_ROWS, np.float64)
    for leaf in range(len(leaves.depths)):
        start, stop = starts[leaf], starts[leaf + 1]
        if weights is None:
            leaves.sums[leaf] = stop - start
        else:
            weigh(sq_dists[start:stop], weights, start, masses)
            leaves.sums[leaf] = sum_leaf(masses, 0, stop - start)
    total = sum_leaves(leaves.sums, leaves.depths, arena)
    release(arena, marked)
    return pick_row(sq_dists, weights, leaves, total, uniform)


class LastPick(NamedTuple):
    """The last pick, in the form in which `lower_task` compares rows with it.

    center : (padded features,), float64; point : (n_features + 1,), float32 (`quantization.scale_point`)
    sq_dists : INOUT (n_samples,), D to the nearest pick
    first : whether this is the first pick, for which the rows are quantized
    """

    center: np.ndarray
    point: np.ndarray
    sq_dists: np.ndarray
    first: bool


@kernel
def distances_of_rows(X, start, rows, n_rows, center, lane_dists):
    """Tile. Compute D between some rows of a leaf and one center.

    Four rows are processed at a time to hide the latency of the additions, each of which depends on the last.

    rows : (lanes,), int64, relative to start, n_rows of them; lane_dists : OUT (lanes,), in the order of rows
    """
    for first in range(0, n_rows, 4):
        last = n_rows - 1
        i0, i1 = start + rows[first], start + rows[minimum(first + 1, last)]
        i2, i3 = start + rows[minimum(first + 2, last)], start + rows[minimum(first + 3, last)]
        d0, d1, d2, d3 = 0.0, 0.0, 0.0, 0.0
        for f in range(X.shape[1]):
            c = center[f]
            e0, e1, e2, e3 = X[i0, f] - c, X[i1, f] - c, X[i2, f] - c, X[i3, f] - c
            d0, d1, d2, d3 = d0 + e0 * e0, d1 + e1 * e1, d2 + e2 * e2, d3 + e3 * e3
        lane_dists[first], lane_dists[minimum(first + 1, last)] = d0, d1
        lane_dists[minimum(first + 2, last)], lane_dists[minimum(first + 3, last)] = d2, d3


@kernel
def lower_near(X, begin, leaf, last_pick, quantized, sq_dists, arena):
    """Tile. Lower D of those rows of a leaf that their quantized rows do not rule out.

    begin : where the leaf begins in X; sq_dists : INOUT, of its rows; others as in `lower_task`
    Returns the number of rows that get nearer.
    """
    bounds, sizes = quantized.bounds[leaf], quantized.sizes[leaf]
    marked, n_nearer = mark(arena), 0
    hits = empty(arena, (1, len(bounds) // GROUP_LANES), np.int64)
    rows, lane_dists = empty(arena, LEAF_ROWS, np.int64), empty(arena, LEAF_ROWS, np.float64)
    mark_near(quantized.steps[leaf], last_pick.point, bounds, hits)
    n_near = near_rows(hits[0], rows)
    if n_near > 0:
        prefetch_rows(X, begin, rows, n_near)
        distances_of_rows(X, begin, rows, n_near, last_pick.center, lane_dists)
        for t in range(n_near):
            r, sq_dist = rows[t], lane_dists[t]
            if sq_dist < sq_dists[r]:
                sq_dists[r] = sq_dist
                bounds[r] = bound_of(sq_dist, sizes[0, r], sizes[1, r], quantized.scale, X.shape[1])
                n_nearer += 1
    release(arena, marked)
    return n_nearer


@kernel
def quantize(block, leaf, quantized, sq_dists, arena):
    """Tile. Quantize the rows of a leaf, and compute their bounds.

    block : the rows of the leaf, packed; sq_dists : of its rows
    """
    origin, scale, sizes = quantized.origin, quantized.scale, quantized.sizes[leaf]
    quantize_leaf(block, len(sq_dists), origin, scale, quantized.steps[leaf], sizes, arena)
    bounds = quantized.bounds[leaf]
    bounds[:] = np.float32(np.inf)
    for r in range(len(sq_dists)):
        bounds[r] = bound_of(sq_dists[r], sizes[0, r], sizes[1, r], scale, len(origin))


@kernel
def lower_task(task, arena, X, job, quantized, weights, last_pick):
    """Task. Lower D of the rows of some leaves to the distance from one more center, and sum up the leaves.

    last_pick : INOUT `LastPick`; others as in `pick_rows`
    """
    leaves, sq_dists = job.leaves, last_pick.sq_dists
    starts, n_leaves = leaves.starts, job.last_leaf - job.first_leaf
    center, begin, n_lanes = last_pick.center, starts[job.first_leaf], LEAF_ROWS
    first_leaf = job.first_leaf + task * n_leaves // job.n_tasks
    last_leaf = job.first_leaf + (task + 1) * n_leaves // job.n_tasks
    if quantized is not None and not last_pick.first and last_leaf <= len(quantized.steps):
        n_lanes = 0  # no leaf is packed
    block = zeros(arena, (len(center), n_lanes), np.float64)
    lane_dists = empty(arena, LEAF_ROWS, np.float64)
    for leaf in range(first_leaf, last_leaf):
        start, stop = starts[leaf], starts[leaf + 1]
        whole = True
        if quantized is not None and not last_pick.first and leaf < len(quantized.steps):
            own, whole = sq_dists[start:stop], False
            if lower_near(X, start - begin, leaf, last_pick, quantized, own, arena) == 0:
                continue
        if whole:
            pack_block(X, start - begin, stop - begin, block)
            sq_dist_tile(block, center, lane_dists)
            for i in range(start, stop):
                # Written so that a NaN, which counts as +inf, changes nothing.
                sq_dists[i] = lane_dists[i - start] if lane_dists[i - start] < sq_dists[i] else sq_dists[i]
            if quantized is not None and leaf < len(quantized.steps):
                quantize(block, leaf, quantized, sq_dists[start:stop], arena)
        if weights is None:
            leaves.sums[leaf] = sum_leaf(sq_dists, start, stop)
        else:
            weigh(sq_dists[start:stop], weights, start, lane_dists)
            leaves.sums[leaf] = sum_leaf(lane_dists, 0, stop - start)


@kernel
def pick_rows(executor, X, job, quantized, weights, picking, arena):
    """Make some picks, after the first one; the pick itself is made when the last of all leaves is done.

    X : the rows of the leaves of the job; if these are not all leaves, the job is for one pick
    job, picking : `structs.seeds.Job`, `Picking`; quantized : `QuantizedRows` or None
    weights : (n_samples,), float64, or None
    """
    leaves = job.leaves
    picks, uniforms, center, sq_dists = picking
    marked = mark(arena)
    point = zeros(arena, X.shape[1] + 1, np.float32)
    for p in range(job.first, job.last):
        if p > job.first:
            for f in range(X.shape[1]):
                center[f] = X[picks[p - 1], f]
        if quantized is not None:
            scale_point(center, quantized.origin, quantized.scale, point)
        last_pick = LastPick(center, point, sq_dists, p == 1)
        parallel_for(executor, job.n_tasks, lower_task, (X, job, quantized, weights, last_pick))
        if job.last_leaf == len(leaves.depths):
            total = sum_leaves(leaves.sums, leaves.depths, arena)
            picks[p] = pick_row(sq_dists, weights, leaves, total, uniforms[p - 1])
    release(arena, marked)


@kernel
def pick_all(X, first, uniforms, picks, arena):
    """Make all picks from all rows, without quantized rows, on one thread.

    first, uniforms : as `sampling.draw_plus_plus` draws them
    picks : OUT (len(uniforms) + 1,), int64
    """
    n_samples, n_features = X.shape
    marked = mark(arena)
    starts = empty(arena, _leaves_at_most(n_samples), np.int64)
    depths = empty(arena, _leaves_at_most(n_samples), np.int64)
    n_leaves = leaves_of(n_samples, starts, depths, arena)
    leaves = Leaves(starts[: n_leaves + 1], depths[:n_leaves], empty(arena, n_leaves, np.float64))
    center = zeros(arena, (n_features + GROUP - 1) // GROUP * GROUP, np.float64)
    point, sq_dists = empty(arena, 0, np.float32), empty(arena, n_samples, np.float64)
    sq_dists[:] = np.inf
    picks[0] = first
    job = Job(leaves, 0, n_leaves, 1, len(picks), 1)
    for p in range(1, len(picks)):
        before = mark(arena)
        for f in range(n_features):
            center[f] = X[picks[p - 1], f]
        # Called directly: `parallel_for` would allocate a new arena for each pick.
        lower_task(0, arena, X, job, None, None, LastPick(center, point, sq_dists, p == 1))
        total = sum_leaves(leaves.sums, leaves.depths, arena)
        picks[p] = pick_row(sq_dists, None, leaves, total, uniforms[p - 1])
        release(arena, before)
    release(arena, marked)


@kernel
def pick_task(task, arena, n_tasks, X, starts, draws, picks):
    """Task. Make the picks of every n-th problem; see `pick_each`."""
    firsts, uniforms = draws
    for b in range(task, len(firsts), n_tasks):
        rows = X[starts[b] : starts[b + 1]]
        pick_all(rows, firsts[b], uniforms[b], picks[b], arena)


@kernel
def pick_each(executor, X, n_tasks, starts, draws, picks):
    """Make the picks of each of many problems.

    X : the rows of all problems, concatenated; starts : (n_problems + 1,), int64, where each problem begins
    draws : the first row of each, (n_problems,), int64, and its uniforms, (n_problems, n_clusters - 1)
    picks : OUT (n_problems, n_clusters), int64, row indices within each problem
    """
    parallel_for(executor, n_tasks, pick_task, (n_tasks, X, starts, draws, picks))
