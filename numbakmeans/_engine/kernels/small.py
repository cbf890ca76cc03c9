"""Few rows: a whole fit in one call, on one thread, with reference distances throughout.

For problems so small that calling compiled code costs as much as running it, and for thousands of them that
are solved in parallel (`solve_all`). Rows are float64 whatever the data, so that one kernel serves all:
float32 values are exact in float64, and the means are rounded to the working dtype, float32 if `single`.

The rows stay packed between passes, side by side: the lanes of a vector are rows. With few features and
clusters, the parts of their exact sums are kept, too.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine import bins
from numbakmeans._engine.bins import SPECIALS
from numbakmeans._engine.kernels.means import copy_centers, count_empty, means_chunk, shift
from numbakmeans._engine.kernels.ranges import product_ranges, ranges_of
from numbakmeans._engine.kernels.reference import indices, pack_block, root_single, sq_dist_to
from numbakmeans._engine.kernels.sums import (
    add_row,
    label_lanes,
    make_bins,
    relabel,
    relabel_lanes,
    split_lanes,
    sums_of_task,
)
from numbakmeans._engine.simd import lanes_at_once, nearest_lanes
from numbakmeans._engine.structs.problems import Answer
from numbakmeans._engine.structs.sums import Bins, Sums, TaskSums
from numbakmeans._engine.thresholds import (
    MAX_LANE_SUMS_PARTS,
    MAX_SMALL_BLOCK_ROWS,
)
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum


class Blocks(NamedTuple):
    """Packed rows: lanes (n_blocks, n_features, rows of a block), float64, zeros beyond the last row.

    parts : (n_blocks, n_parts, n_features, rows of a block), int64, the parts of the rows' exact sums;
    n_blocks is 0 here where moving rows between accumulators is faster without stored parts
    """

    lanes: np.ndarray
    parts: np.ndarray


@kernel
def bins_of(ranges, arena):
    """Return the `Bins` of a few rows."""
    n_parts, n_features = ranges.n_parts, len(ranges.ends)
    exponents = empty(arena, (n_parts, n_features), np.int64)
    constants, scales = empty(arena, (n_parts, n_features), np.float64), empty(arena, n_features, np.float64)
    make_bins(ranges.ends, False, exponents, constants, scales)
    return Bins(exponents, constants, scales)


@kernel
def pack_rows(X, with_parts, bins, arena):
    """Return all rows as `Blocks`; with_parts : None if their parts are not stored."""
    n_samples, n_features = X.shape
    step = lanes_at_once(X)
    n_blocks = (n_samples + MAX_SMALL_BLOCK_ROWS - 1) // MAX_SMALL_BLOCK_ROWS
    # Blocks of equal size, because a lane without a row costs as much as any other.
    block_rows = ((n_samples + n_blocks - 1) // n_blocks + step - 1) // step * step
    lanes = zeros(arena, (n_blocks, n_features, block_rows), np.float64)
    n_kept = 0 if with_parts is None else n_blocks
    parts = empty(arena, (n_kept, len(bins.constants), n_features, block_rows), np.int64)
    rest = empty(arena, block_rows, np.float64)
    for b in range(n_blocks):
        start, stop = b * block_rows, minimum((b + 1) * block_rows, n_samples)
        pack_block(X, start, stop, lanes[b])
        if with_parts is not None:
            split_lanes(lanes[b], stop - start, bins, rest, parts[b])
    return Blocks(lanes, parts)


class Work(NamedTuple):
    """The exact sums of a pass, and workspace: the indices of all centers, and the new labels of a block."""

    mine: TaskSums
    candidates: np.ndarray
    new_labels: np.ndarray


@kernel
def work_for(blocks, n_clusters, tables, arena):
    """Return `Work` for passes over some blocks."""
    block_rows, candidates = blocks.lanes.shape[2], indices(n_clusters, arena)
    mine = sums_of_task(tables, 0, arena)
    return Work(mine, candidates, empty(arena, block_rows, np.int64))


@kernel
def relabel_block(X, b, with_parts, without_parts, blocks, labels, work):
    """Move the rows of block b to the accumulators of their new labels; return how many moved."""
    block_rows = blocks.lanes.shape[2]
    start, stop = b * block_rows, minimum((b + 1) * block_rows, len(X))
    new_labels, mine, moved = work.new_labels, work.mine, 0
    if without_parts is not None:
        moved = relabel(X, start, stop, new_labels, labels, mine)
    if with_parts is not None:
        if labels[start] < 0:
            moved = label_lanes(blocks.parts[b], start, stop, new_labels, labels, mine)
        else:
            moved = relabel_lanes(blocks.parts[b], start, stop, new_labels, labels, mine)
    return moved


@kernel
def assign_all(X, with_parts, without_parts, blocks, centers, labels, work):
    """Assign every row to its nearest center, and move it between accumulators; return how many moved."""
    moved = 0
    for b in range(len(blocks.lanes)):
        nearest_lanes(blocks.lanes[b], centers, work.candidates, len(centers), work.new_labels, None)
        moved += relabel_block(X, b, with_parts, without_parts, blocks, labels, work)
    return moved


@kernel
def sum_again(X, with_parts, without_parts, blocks, labels, work):
    """Sum up the rows by the labels that an earlier call left."""
    block_rows = blocks.lanes.shape[2]
    for b in range(len(blocks.lanes)):
        start, stop = b * block_rows, minimum((b + 1) * block_rows, len(X))
        for i in range(start, stop):
            work.new_labels[i - start] = labels[i]
            labels[i] = -1
        relabel_block(X, b, with_parts, without_parts, blocks, labels, work)


@kernel
def make_passes(X, with_parts, without_parts, options, answer, tables, arena):
    """Make up to max_iter passes over few rows, stopping at a fixed point.

    Parameters
    ----------
    X : (n_samples, n_features), float64
    with_parts, without_parts : whether the parts of rows are stored (`keeps_parts`), or not; one of the two
    is True and the other None, and the branch of None is not compiled; with weights, they are not stored
    options : `structs.problems.Options`; answer : INOUT `Answer`
    tables : INOUT `Sums` of one task, zeros at first

    Returns
    -------
    n_iter, moved, n_empty, ever_empty : as in `algorithms.base.Run`, for this call
    n_uncertain : number of means still to be computed (`means`); if there are any, the call ends with their
    pass
    close : as in `algorithms.base.Advance`; false if means are still to be computed
    """
    single, max_iter, stop_on_empty, relocates, tol = options
    (centers, labels, before), n_clusters = answer, len(answer.centers)
    marked = mark(arena)
    blocks = pack_rows(X, with_parts, tables.bins, arena)
    work = work_for(blocks, n_clusters, tables, arena)
    if labels[0] >= 0:
        sum_again(X, with_parts, without_parts, blocks, labels, work)
    n_iter, moved, n_empty, ever_empty, n_uncertain, close = 0, -1, 0, False, 0, False
    stops = stop_on_empty or relocates
    while n_iter < max_iter and moved != 0 and n_uncertain == 0 and not close and not (stops and ever_empty):
        n_iter += 1
        moved = assign_all(X, with_parts, without_parts, blocks, centers, labels, work)
        n_empty = count_empty(tables)
        ever_empty = ever_empty or n_empty > 0
        if tol > 0.0:
            copy_centers(centers, before)
        left = relocates and n_empty > 0
        if moved != 0 and not left:
            n_uncertain = means_chunk(0, arena, tables, tables.weights, single, n_clusters, centers)
        if tol > 0.0:
            close = n_uncertain == 0 and not left and shift(before, centers) <= tol
    release(arena, marked)
    return n_iter, moved, n_empty, ever_empty, n_uncertain, close


keeps_parts = kernel(bins.keeps_parts)


@kernel
def solve_problem(X, options, answer, finite, tables, arena):
    """Make up to max_iter passes over few rows, in the faster way; see `make_passes`.

    finite : whether all values are finite
    """
    few = keeps_parts(X.shape[1], len(answer.centers), len(tables.bins.exponents))
    if finite and few and not DISABLED:
        return make_passes(X, True, None, options, answer, tables, arena)
    return make_passes(X, None, True, options, answer, tables, arena)


@kernel
def sums_for(ranges, n_clusters, n_features, weights, arena):
    """Return `Sums` of zeros for a problem, for one task."""
    n_rows, columns = ranges.n_parts + (0 if ranges.finite else SPECIALS), len(ranges.ends)
    return Sums(
        bins_of(ranges, arena),
        zeros(arena, (1, n_clusters, n_rows, columns), np.int64),
        zeros(arena, (1, n_clusters), np.int64),
        zeros(arena, n_clusters, np.int64),
        zeros(arena, (n_clusters, n_features), np.bool_),
        weights,
    )


@kernel
def ranges_with(X, weights, arena):
    """Return the `Ranges` of what is summed, and whether it can be split."""
    if weights is None:
        return ranges_of(X, arena), True
    return product_ranges(X, weights, arena)


@kernel
def solve(X, with_parts, without_parts, options, answer, found, arena):
    """Make up to max_iter passes over few finite rows: `make_passes`, for Python.

    found : OUT, sizes and uncertain, and weights, as in `Sums`; their products with the rows can be split

    Returns
    -------
    n_iter, moved, n_empty, ever_empty, n_uncertain, close : as in `make_passes`; no pass is made if parts are
    to be stored but the range of the values needs too many of them
    """
    sizes, uncertain, weights = found
    ranges, _ = ranges_with(X, weights, arena)
    # Nested, because only a condition on the argument alone keeps Numba from compiling the body.
    if with_parts is not None:  # noqa: SIM102
        if ranges.n_parts > MAX_LANE_SUMS_PARTS:
            return 0, -1, 0, False, 0, False
    own = sums_for(ranges, len(answer.centers), X.shape[1], weights, arena)
    tables = Sums(own.bins, own.sums, own.counts, sizes, uncertain, weights)
    return make_passes(X, with_parts, without_parts, options, answer, tables, arena)


@kernel
def solve_one(rows, weights, options, answer, at, arena):
    """Solve one problem of many; return what `make_passes` does.

    weights : those of the problems; at : the index of the problem's first row
    """
    n_clusters, n_features = len(answer.centers), rows.shape[1]
    if weights is not None:
        own = weights[at : at + len(rows)]
        ranges, summable = product_ranges(rows, own, arena)
        tables = sums_for(ranges, n_clusters, n_features, own, arena)
        if not summable:
            return 0, -1, 0, False, 1, False
        return make_passes(rows, None, True, options, answer, tables, arena)
    ranges = ranges_of(rows, arena)
    tables = sums_for(ranges, n_clusters, n_features, None, arena)
    return solve_problem(rows, options, answer, ranges.finite, tables, arena)


@kernel
def solve_task(task, arena, n_tasks, problems, options):
    """Task. Solve every n-th problem; see `solve_all`."""
    starts, center_starts, outcomes = problems.starts, problems.center_starts, problems.outcomes
    for b in range(task, len(outcomes), n_tasks):
        marked = mark(arena)
        # 0 where all problems have the same rows.
        first = starts[b] % len(problems.X)
        rows = problems.X[first : first + starts[b + 1] - starts[b]]
        book = problems.answer.centers[center_starts[b] : center_starts[b + 1]]
        own = problems.answer.labels[starts[b] : starts[b + 1]]
        before = empty(arena, (len(book) if options.tol > 0.0 else 0, book.shape[1]), np.float64)
        answer = Answer(book, own, before)
        done = solve_one(rows, problems.weights, options, answer, first, arena)
        n_iter, moved, n_empty, ever_empty, n_uncertain, close = done
        left = n_uncertain > 0 or (options.relocates and n_empty > 0)
        outcomes[b, 0], outcomes[b, 1], outcomes[b, 2] = n_empty, ever_empty, left
        outcomes[b, 3], outcomes[b, 4] = n_iter, 2 if moved == 0 else 1 if close else 0
        release(arena, marked)


@kernel
def solve_all(executor, n_tasks, problems, options):
    """Solve every problem, each on one thread; problems : INOUT `Problems`; options : `Options`."""
    parallel_for(executor, n_tasks, solve_task, (n_tasks, problems, options))


@kernel
def label_rows(blocks, centers, n_clusters, labels, work):
    """Write, for every row, the label of the nearest of the first n_clusters centers."""
    block_rows = blocks.lanes.shape[2]
    for b in range(len(blocks.lanes)):
        start, stop = b * block_rows, minimum((b + 1) * block_rows, len(labels))
        nearest_lanes(blocks.lanes[b], centers, work.candidates, n_clusters, work.new_labels, None)
        for t in range(stop - start):
            labels[start + t] = work.new_labels[t]


@kernel
def exact_quotient(values, divisor, single, arena):
    """Return the exact sum of values (n, 1) over a divisor, rounded once, and whether it is certain."""
    marked = mark(arena)
    tables = sums_for(ranges_of(values, arena), 1, 1, None, arena)
    quotient, mine = zeros(arena, (1, 1), np.float64), sums_of_task(tables, 0, arena)
    for i in range(len(values)):
        add_row(values, i, None, i, 0, mine)
    tables.counts[0, 0] = divisor
    n_uncertain = means_chunk(0, arena, tables, None, single, 1, quotient)
    release(arena, marked)
    return quotient[0, 0], n_uncertain == 0


@kernel
def drop_empty(centers, n_codes, sizes):
    """Move those of the first n_codes centers that have rows to the front; return their number."""
    n_kept = 0
    for j in range(n_codes):
        if sizes[j] > 0:
            for f in range(centers.shape[1]):
                centers[n_kept, f] = centers[j, f]
            n_kept += 1
    return n_kept


@kernel
def refine(X, first_single, single, thresh, max_iter, centers, arena):
    """Make the passes of SciPy's `kmeans` over few rows; see `_engine.refining`.

    X : (n_samples, n_features), float64
    first_single, single : whether distances are rounded to float32 in the first pass, and in later ones;
    single also applies to the means
    centers : INOUT (n_codes, n_features), float64; those that lose their rows are dropped, the others are
    moved to the front

    Returns
    -------
    n_codes, distortion : the number of codes left, and the mean distance of the last pass
    done : whether the passes converged; not if max_iter was reached or a mean is marked as hard
    """
    n_samples, n_codes = X.shape[0], len(centers)
    ranges = ranges_of(X, arena)
    tables = sums_for(ranges, n_codes, X.shape[1], None, arena)
    # Parts are not stored: every pass adds the rows to fresh accumulators.
    blocks = pack_rows(X, None, tables.bins, arena)
    work = work_for(blocks, n_codes, tables, arena)
    labels, dists = empty(arena, n_samples, np.int32), empty(arena, (n_samples, 1), np.float64)
    previous, narrow, distortion, rounds = np.inf, False, 0.0, first_single
    for _ in range(max_iter):
        marked = mark(arena)
        label_rows(blocks, centers, n_codes, labels, work)
        tables.sums[:] = 0
        tables.counts[:] = 0
        for i in range(n_samples):
            j = labels[i]
            sq_dist = sq_dist_to(X, i, centers, j)
            dists[i, 0] = root_single(sq_dist) if rounds else np.sqrt(sq_dist)
            add_row(X, i, None, i, j, work.mine)
        distortion, certain = exact_quotient(dists, n_samples, rounds, arena)
        n_uncertain = means_chunk(0, arena, tables, None, single, n_codes, centers)
        if n_uncertain > 0 or not certain:
            return n_codes, distortion, False
        n_codes = drop_empty(centers, n_codes, tables.sizes)
        release(arena, marked)
        # As NumPy compares a float32 with a Python float.
        narrow = narrow and rounds
        change = abs(previous - distortion)
        more = np.float32(change) > np.float32(thresh) if narrow else change > thresh
        if not more:
            return n_codes, distortion, True
        previous, narrow, rounds = distortion, rounds, single
    return n_codes, distortion, False
