"""The picks of greedy k-means++: of several rows drawn as '++' draws one, the best becomes the next pick.

Candidates are drawn by the masses of the rows (`plus_plus`). The potential of a candidate is the sum of the
masses that it would leave as the next pick: NumPy's pairwise sum over all rows (`pairwise`). The lowest wins,
the first among equals. One sweep compares all candidates with each leaf of the tree while it is in cache, and
keeps nothing but the sums of the leaves; then D is lowered to the winner.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, section 7. C. Grunau,
A. A. Özüdoğru, V. Rozhoň, J. Tětek, "A nearly tight analysis of greedy k-means++", SODA 2023,
arXiv 2207.07949.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.pairwise import sum_leaf, sum_leaves
from numbakmeans._engine.kernels.plus_plus import LastPick, distances_of_rows, lower_task, pick_row, weigh
from numbakmeans._engine.kernels.quantization import mark_near, near_rows, scale_point
from numbakmeans._engine.kernels.reference import pack_block, sq_dist_tile
from numbakmeans._engine.simd import prefetch_rows
from numbakmeans._engine.structs.seeds import GROUP_LANES, LEAF_ROWS
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for


class Scratch(NamedTuple):
    """Workspace of a task.

    block : (padded features, LEAF_ROWS), float64, for packed rows, if any
    hits : (n_points, LEAF_ROWS // GROUP_LANES), int64
    rows : (n_trials, LEAF_ROWS), int64, rows that may get nearer to each candidate
    n_near : (n_trials,), int64, how many there are
    lane_dists, others : (LEAF_ROWS,), float64
    """

    block: np.ndarray
    hits: np.ndarray
    rows: np.ndarray
    n_near: np.ndarray
    lane_dists: np.ndarray
    others: np.ndarray


@kernel
def try_near(X, begin, t, center, own, scratch):
    """Tile. Write D of the rows of a leaf with one more center; return whether any of them gets nearer.

    begin : where the leaf begins in X; t : the candidate whose center it is; own : D of the rows, unchanged
    scratch : `Scratch`, its lane_dists written if any row gets nearer
    """
    rows, n_near = scratch.rows[t], scratch.n_near[t]
    lane_dists, near_dists, nearer = scratch.lane_dists, scratch.others, False
    if n_near > 0:
        distances_of_rows(X, begin, rows, n_near, center, near_dists)
        for r in range(len(own)):
            lane_dists[r] = own[r]
        for s in range(n_near):
            if near_dists[s] < own[rows[s]]:
                lane_dists[rows[s]] = near_dists[s]
                nearer = True
    return nearer


@kernel
def try_all(center, own, scratch):
    """Tile. Write D of the rows of a leaf, packed into the block, with one more center; see `try_near`."""
    lane_dists = scratch.lane_dists
    sq_dist_tile(scratch.block, center, lane_dists)
    for r in range(len(own)):
        # Written so that a NaN, which counts as +inf, changes nothing.
        lane_dists[r] = lane_dists[r] if lane_dists[r] < own[r] else own[r]


@kernel
def try_task(task, arena, X, job, quantized, weights, trials):
    """Task. Write the sums of some leaves with each candidate; arguments as in `pick_greedily`."""
    leaves, starts, centers = job.leaves, job.leaves.starts, trials.centers
    n_leaves, n_trials, begin = job.last_leaf - job.first_leaf, len(trials.rows), starts[job.first_leaf]
    first_leaf = job.first_leaf + task * n_leaves // job.n_tasks
    last_leaf = job.first_leaf + (task + 1) * n_leaves // job.n_tasks
    n_lanes = LEAF_ROWS
    if quantized is not None and last_leaf <= len(quantized.steps):
        n_lanes = 0  # no leaf is packed
    scratch = Scratch(
        zeros(arena, (centers.shape[1], n_lanes), np.float64),
        empty(arena, (len(trials.points), LEAF_ROWS // GROUP_LANES), np.int64),
        empty(arena, (n_trials, LEAF_ROWS), np.int64),
        empty(arena, n_trials, np.int64),
        empty(arena, LEAF_ROWS, np.float64),
        empty(arena, LEAF_ROWS, np.float64),
    )
    for leaf in range(first_leaf, last_leaf):
        start, n_rows, whole = starts[leaf], starts[leaf + 1] - starts[leaf], True
        own = trials.picking.sq_dists[start : start + n_rows]
        if quantized is not None and leaf < len(quantized.steps):
            n_words, whole = quantized.bounds.shape[1] // GROUP_LANES, False
            mark_near(quantized.steps[leaf], trials.points, quantized.bounds[leaf], scratch.hits)
            for t in range(n_trials):
                scratch.n_near[t] = near_rows(scratch.hits[t][:n_words], scratch.rows[t])
                prefetch_rows(X, start - begin, scratch.rows[t], scratch.n_near[t])
        if whole:
            pack_block(X, start - begin, start - begin + n_rows, scratch.block)
        for t in range(n_trials):
            nearer = True
            if whole:
                try_all(centers[t], own, scratch)
            else:
                nearer = try_near(X, start - begin, t, centers[t], own, scratch)
            if not nearer:
                trials.sums[t, leaf] = leaves.sums[leaf]
            elif weights is None:
                trials.sums[t, leaf] = sum_leaf(scratch.lane_dists, 0, n_rows)
            else:
                weigh(scratch.lane_dists[:n_rows], weights, start, scratch.others)
                trials.sums[t, leaf] = sum_leaf(scratch.others, 0, n_rows)


@kernel
def draw_candidates(p, weights, leaves, trials, arena):
    """Draw the candidates for pick p."""
    total, n_trials = sum_leaves(leaves.sums, leaves.depths, arena), len(trials.rows)
    for t in range(n_trials):
        uniform = trials.picking.uniforms[(p - 1) * n_trials + t]
        trials.rows[t] = pick_row(trials.picking.sq_dists, weights, leaves, total, uniform)


@kernel
def choose(trials, leaves, arena):
    """Return the candidate that leaves the lowest potential, the first among equals."""
    row, least = trials.rows[0], sum_leaves(trials.sums[0], leaves.depths, arena)
    for t in range(1, len(trials.rows)):
        potential = sum_leaves(trials.sums[t], leaves.depths, arena)
        if potential < least:
            row, least = trials.rows[t], potential
    return row


@kernel
def copy_row(X, i, center):
    """Copy a row into a padded center."""
    for f in range(X.shape[1]):
        center[f] = X[i, f]


@kernel
def pick_greedily(executor, X, job, quantized, weights, trials, arena):
    """Make some picks, after the first one, or a part of a single one.

    X : the rows of the leaves of the job. If these are not all leaves, the job is for one pick, and each call
    for one part of it, which is done when the last of all leaves is
    job, trials : `structs.seeds.Job`, `Trials`; quantized : `QuantizedRows` or None
    weights : (n_samples,), float64, or None
    """
    leaves, (picks, _, center, sq_dists) = job.leaves, trials.picking
    done, marked = job.last_leaf == len(leaves.depths), mark(arena)
    point = zeros(arena, X.shape[1] + 1, np.float32)
    for p in range(job.first, job.last):
        if trials.draws:
            if p > job.first:
                copy_row(X, picks[p - 1], center)
            if quantized is not None:
                scale_point(center, quantized.origin, quantized.scale, point)
            last_pick = LastPick(center, point, sq_dists, p == 1)
            parallel_for(executor, job.n_tasks, lower_task, (X, job, quantized, weights, last_pick))
            if done:
                draw_candidates(p, weights, leaves, trials, arena)
        if trials.chooses:
            for t in range(len(trials.rows)):
                if trials.draws:
                    copy_row(X, trials.rows[t], trials.centers[t])
                if quantized is not None:
                    scale_point(trials.centers[t], quantized.origin, quantized.scale, trials.points[t])
            parallel_for(executor, job.n_tasks, try_task, (X, job, quantized, weights, trials))
            if done:
                picks[p] = choose(trials, leaves, arena)
    release(arena, marked)
