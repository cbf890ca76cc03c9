"""Reference distances, computed by definition, and nearest centers by these distances.

D(i, j) is the sum over features, in order, of ``(float64(x) - float64(c))**2``, every operation rounded
once in float64. Ties go to the lowest j; NaN counts as +inf; without a finite distance the label is 0.

The rows of a block are transposed, features first, so that the lanes of a vector are rows: each lane performs
the operations of the definition in order, and LLVM vectorizes them without fast-math. Four features are added
in each sweep over the lanes, which saves loads and stores of the running sums. The features are padded with
zeros to a multiple of four: adding (0 - 0)**2 does not change a sum of squares.
"""

import numpy as np

from numbakmeans._engine.bins import GROUP
from numbakmeans._engine.simd import lanes_at_once, nearest_lanes
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import bounding_kernel, inlined_kernel, kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import bits_of, float_of, maximum, minimum

#: Features copied in one sweep over the rows of a block: one cache line.
PACKED_FEATURES = 8


@kernel
def pack_block(X, start, stop, block):
    """Tile. Copy rows [start, stop) of X into the lanes of block, as float64, a few features at a time.

    Neighbors in a column of block are a power of two apart, so that all features of a row, copied at once,
    would evict each other from the L1 cache.

    X : (n_samples, n_features); block : OUT (padded features, lanes), padding already zero
    """
    n_features = X.shape[1]
    whole = n_features - n_features % PACKED_FEATURES
    for first in range(0, whole, PACKED_FEATURES):
        for i in range(start, stop):
            for f in range(first, first + PACKED_FEATURES):
                block[f, i - start] = X[i, f]
    for i in range(start, stop):
        for f in range(whole, n_features):
            block[f, i - start] = X[i, f]


@kernel
def sq_dist_tile(block, center, sq_dists):
    """Tile. Write D between each lane of block and one padded center; sq_dists : OUT (lanes,)."""
    n_lanes = block.shape[1]
    for r in range(n_lanes):
        sq_dists[r] = 0.0
    for f in range(0, block.shape[0], GROUP):
        c0, c1, c2, c3 = center[f], center[f + 1], center[f + 2], center[f + 3]
        for r in range(n_lanes):
            e0, e1 = block[f, r] - c0, block[f + 1, r] - c1
            e2, e3 = block[f + 2, r] - c2, block[f + 3, r] - c3
            sq_dists[r] = sq_dists[r] + e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3


@kernel
def indices(n, arena):
    """Return the integers from 0 to n - 1."""
    found = empty(arena, n, np.int64)
    for j in range(n):
        found[j] = j
    return found


@kernel
def nearest_chunk(X, centers, start, stop, found, arena):
    """Chunk. Write the label of each row in [start, stop) and D to its nearest center."""
    labels, sq_dists = found
    marked, width = mark(arena), lanes_at_once(X)
    block, candidates = zeros(arena, (X.shape[1], width), np.float64), indices(len(centers), arena)
    lane_labels, lane_dists = empty(arena, width, np.int64), empty(arena, width, np.float64)
    for first in range(start, stop, width):
        end = minimum(first + width, stop)
        pack_block(X, first, end, block)
        nearest_lanes(block, centers, candidates, len(candidates), lane_labels, lane_dists)
        for i in range(first, end):
            labels[i] = lane_labels[i - first]
            sq_dists[i] = lane_dists[i - first]
    release(arena, marked)


@kernel
def nearest_task(task, arena, X, centers, plan, found):
    """Task. Label the rows of every n-th chunk; see `nearest`."""
    chunk_rows, n_tasks = plan.chunk_rows, plan.n_tasks
    for start in range(task * chunk_rows, X.shape[0], n_tasks * chunk_rows):
        stop = minimum(start + chunk_rows, X.shape[0])
        nearest_chunk(X, centers, start, stop, found, arena)


@kernel
def nearest(executor, X, centers, plan, found):
    """Write the label of every row and D to its nearest center.

    X : (n_samples, n_features); centers : (n_clusters, padded features), float64
    plan : `plan.Plan`
    found : OUT, labels (n_samples,), int32, and D (n_samples,), float64, in squared units of X
    """
    parallel_for(executor, plan.n_tasks, nearest_task, (X, centers, plan, found))


@kernel
def are_finite(X):
    """Return whether all values of a few rows are finite."""
    n_others = 0
    for i in range(X.shape[0]):
        for f in range(X.shape[1]):
            # Written so that a NaN counts.
            n_others += 0 if abs(X[i, f]) < np.inf else 1
    return n_others == 0


@kernel
def nearest_few(X, centers, single, labels, dists, arena):
    """Write the label of each of a few rows, and the distance to its nearest center, rounded once.

    X, centers : float64; single : whether distances are rounded to float32
    labels, dists : OUT (n_samples,), int32 and float64

    Returns
    -------
    finite, finite_centers : whether all values of the rows, and of the centers, are finite
    """
    nearest_chunk(X, centers, 0, len(X), (labels, dists), arena)
    for i in range(len(X)):
        dists[i] = root_single(dists[i]) if single else np.sqrt(dists[i])
    return are_finite(X), are_finite(centers)


@inlined_kernel
def or_infinity(sq_dist):
    """Return a distance, or +inf if it is NaN."""
    return np.inf if np.isnan(sq_dist) else sq_dist


@kernel
def sq_dist_to(X, i, centers, j):
    """Return D(i, j)."""
    sq_dist = 0.0
    for f in range(X.shape[1]):
        difference = X[i, f] - centers[j, f]
        sq_dist += difference * difference
    return or_infinity(sq_dist)


@bounding_kernel
def approx_sq_dist(X, i, centers, j):
    """Return D(i, j) up to rounding: the same terms as of `sq_dist_to`, summed in any order.

    The options of the kernel make the difference, and a kernel has one set of them.
    """
    sq_dist = 0.0
    for f in range(X.shape[1]):
        difference = X[i, f] - centers[j, f]
        sq_dist += difference * difference
    return sq_dist


@kernel
def label_sq_dists_chunk(X, centers, labels, start, stop, sq_dists):
    """Chunk. Write D between each row in [start, stop) and the center of its label."""
    # The additions of a distance form a dependency chain, so those of four rows take turns.
    fours = start + (stop - start) // 4 * 4
    for i in range(start, fours, 4):
        j0, j1, j2, j3 = labels[i], labels[i + 1], labels[i + 2], labels[i + 3]
        d0, d1, d2, d3 = 0.0, 0.0, 0.0, 0.0
        for f in range(X.shape[1]):
            e0, e1 = X[i, f] - centers[j0, f], X[i + 1, f] - centers[j1, f]
            e2, e3 = X[i + 2, f] - centers[j2, f], X[i + 3, f] - centers[j3, f]
            d0, d1, d2, d3 = d0 + e0 * e0, d1 + e1 * e1, d2 + e2 * e2, d3 + e3 * e3
        sq_dists[i], sq_dists[i + 1] = or_infinity(d0), or_infinity(d1)
        sq_dists[i + 2], sq_dists[i + 3] = or_infinity(d2), or_infinity(d3)
    for i in range(fours, stop):
        sq_dists[i] = sq_dist_to(X, i, centers, labels[i])


@kernel
def label_sq_dists_task(task, arena, X, centers, labels, plan, sq_dists):
    """Task. Write D for the rows of every n-th chunk; see `label_sq_dists`."""
    chunk_rows, n_tasks = plan.chunk_rows, plan.n_tasks
    for start in range(task * chunk_rows, X.shape[0], n_tasks * chunk_rows):
        stop = minimum(start + chunk_rows, X.shape[0])
        label_sq_dists_chunk(X, centers, labels, start, stop, sq_dists)


@kernel
def label_sq_dists(executor, X, centers, labels, plan, sq_dists):
    """Write D between every row and the center of its label; arguments as in `nearest`."""
    parallel_for(executor, plan.n_tasks, label_sq_dists_task, (X, centers, labels, plan, sq_dists))


@kernel
def root_single(sq_dist):
    """Return the square root of a float64, rounded once to float32.

    Rounding the float64 root a second time would err where it falls on the midpoint m of two float32 values;
    m has 25 bits, so m * m is exact and shows on which side of m the true root lies.
    """
    root = np.sqrt(sq_dist)
    # np.nextafter is not available in kernels; adjacent positive float64 values have adjacent bit patterns.
    bits = bits_of(root)
    below = np.float64(np.float32(float_of(maximum(bits - 1, 0))))
    above = np.float64(np.float32(float_of(bits + 1)))
    if below == above or not root < np.inf:
        return np.float32(root)
    middle = (below + (2.0**128 if above == np.inf else above)) * 0.5
    if sq_dist == middle * middle:
        return np.float32(middle)
    return np.float32(above if sq_dist > middle * middle else below)


@kernel
def roots_task(task, arena, sq_dists, n_tasks, dists):
    """Task. Write the roots of a contiguous range of elements; see `roots_single`."""
    for i in range(task * len(dists) // n_tasks, (task + 1) * len(dists) // n_tasks):
        dists[i] = root_single(sq_dists[i])


@kernel
def roots_single(executor, sq_dists, n_tasks, dists):
    """Write the square root of every element, rounded once to float32; dists : OUT, float32."""
    parallel_for(executor, n_tasks, roots_task, (sq_dists, n_tasks, dists))
