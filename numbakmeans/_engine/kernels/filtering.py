"""Few features: compare only the centers that can be nearest to some point of a block's bounding box.

The rows are sorted into spatial order once (`cells`). In every pass, a center c is ruled out for a block if
another center z is nearer everywhere in the block's bounding box. z is the center nearest to the middle of
the box. The difference of the squared distances is linear in x, so its maximum over the box is a sum of
maxima over the ends of each feature's interval:

    |x - z|**2 - |x - c|**2  <=  sum over f of max of (x_f - z_f)**2 - (x_f - c_f)**2 at x_f = low_f, high_f

If that is below zero by more than the rounding errors here and in the reference distances, c is the nearest
center of no row in the box. Reference distances decide among the remaining candidates. Where only one
candidate remains, which is the rule deep inside a cluster, the whole block is labeled and moved at once, by
the exact sums of its rows. With one feature, blocks are runs of the sorted rows, and two candidates remain
only where the boundary between two clusters crosses a block.

Rounding. Let v = 2**-53, and M the sum over f of the largest (x_f - z_f)**2 and (x_f - c_f)**2 at the ends.
No distance from a point of the box to z or c exceeds M. The reference distances err by at most (d + 3) v M
each, and computing the bound by at most (d + 6) v M: (3 d + 12) v M in all. With squares that underflow, each
by less than 2**-1074, the total is below (4 d + 16) v M + d 2**-1070. No bound is kept between passes, so no
error accumulates.

References
----------
T. Kanungo, D. M. Mount, N. S. Netanyahu, C. D. Piatko, R. Silverman, A. Y. Wu, "An efficient k-means
clustering algorithm: analysis and implementation", IEEE Transactions on Pattern Analysis and Machine
Intelligence 24, 2002, doi 10.1109/TPAMI.2002.1017616, filters the candidate centers of boxes on a k-d tree;
here there are two levels.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.cells import block_of
from numbakmeans._engine.kernels.sums import add_row, add_totals, move_row, sums_of_task
from numbakmeans._engine.simd import nearest_lanes
from numbakmeans._engine.structs.cells import MIXED
from numbakmeans._engine.structs.sums import TaskSums
from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum, minimum


@kernel
def find_candidates(lows, highs, table, n_centers, work, found):
    """Tile. Find the centers that can be nearest to some point of a box; return their number.

    table : (n_features, at least n_centers), the features of the centers side by side
    work : workspace (2, at least n_centers); found : OUT, the candidates' positions in the table, ascending
    """
    n_features = len(lows)
    gaps, sizes = work[0][:n_centers], work[1][:n_centers]
    for c in range(n_centers):
        gaps[c] = 0.0
    for f in range(n_features):
        middle = 0.5 * lows[f] + 0.5 * highs[f]
        for c in range(n_centers):
            e = middle - table[f, c]
            gaps[c] += e * e
    z = 0
    for c in range(1, n_centers):
        z = c if gaps[c] < gaps[z] else z
    for c in range(n_centers):
        gaps[c], sizes[c] = 0.0, 0.0
    for f in range(n_features):
        low, high = lows[f], highs[f]
        z_low = (low - table[f, z]) * (low - table[f, z])
        z_high = (high - table[f, z]) * (high - table[f, z])
        z_size = maximum(z_low, z_high)
        for c in range(n_centers):
            e_low, e_high = low - table[f, c], high - table[f, c]
            c_low, c_high = e_low * e_low, e_high * e_high
            at_low, at_high = z_low - c_low, z_high - c_high
            gaps[c] += at_low if at_low > at_high else at_high
            c_size = c_low if c_low > c_high else c_high
            sizes[c] += c_size if c_size > z_size else z_size
    margin, least = (4 * n_features + 16) * 2.0**-53, n_features * 2.0**-1070
    n_found = 0
    for c in range(n_centers):
        found[n_found] = c
        # Written so that a NaN, from an overflow, keeps the center.
        n_found += 0 if gaps[c] + margin * sizes[c] + least < 0.0 else 1
    return n_found


class Destination(NamedTuple):
    """State for moving rows between accumulators: the exact sums of a task, and a workspace for a row.

    row : workspace (1, n_features), of the dtype of the blocks
    """

    mine: TaskSums
    row: np.ndarray


@kernel
def relabel_block(block, size, start, new_labels, destination, labels):
    """Tile. Move the rows of a block to the accumulators of their new labels; return how many changed.

    This is `sums.relabel` for rows stored side by side: a row that moves is copied out first.

    start : index of the first row; new_labels : (at least size,), int64
    labels : INOUT (size,), int32, all -1 in the first pass
    """
    mine, row = destination
    fresh, moved = labels[0] < 0, 0
    for r in range(size):
        new, old = new_labels[r], labels[r]
        if new == old:
            continue
        for f in range(block.shape[0]):
            row[0, f] = block[f, r]
        if fresh:
            add_row(row, 0, mine.weights, start + r, new, mine)
        else:
            move_row(row, 0, mine.weights, start + r, old, new, mine)
        labels[r] = new
        moved += 1
    return moved


@kernel
def relabel_whole_block(block_label, label, totals, n_counted, mine):
    """Tile. Give all rows of a block the same label.

    block_label : their previous label, or negative if no accumulator holds them yet
    totals, n_counted : the sums and the count of the block
    """
    if block_label >= 0:
        add_totals(totals, -1, mine.sums[block_label])
        mine.counts[block_label] -= n_counted
    add_totals(totals, 1, mine.sums[label])
    mine.counts[label] += n_counted


@kernel
def label_block(block, start, block_label, new_labels, destination, labels):
    """Tile. Give the rows of a block their new labels; return the block's label and how many rows changed.

    new_labels : (lanes,), int64; labels : INOUT (size,), int32, not read where the block has a label
    The others as in `relabel_block`.
    """
    size = len(labels)
    if block_label >= 0:
        labels[:] = block_label
    changed, differ = 0, 0
    for r in range(size):
        changed |= new_labels[r] ^ labels[r]
        differ |= new_labels[r] ^ new_labels[0]
    moved = 0
    if changed != 0:
        moved = relabel_block(block, size, start, new_labels, destination, labels)
    return (MIXED if differ != 0 else new_labels[0]), moved


@kernel
def box_of(first, last, blocks, arena):
    """Return the bounding box of blocks [first, last): its lower ends and its upper ends."""
    n_features = blocks.lows.shape[1]
    low, high = empty(arena, n_features, np.float64), empty(arena, n_features, np.float64)
    low[:], high[:] = np.inf, -np.inf
    for b in range(first, last):
        for f in range(n_features):
            low[f] = minimum(low[f], blocks.lows[b, f])
            high[f] = maximum(high[f], blocks.highs[b, f])
    return low, high


@kernel
def filtered_chunk(first, last, blocks, book, destination, assignment, arena):
    """Chunk. Assign the rows of blocks [first, last); see `filtered_pass`."""
    starts, widths, data, lows, highs, totals, counts = blocks
    (block_labels, labels, _), (table, centers) = assignment, book
    n_features, n_clusters = table.shape
    widest = 0
    for b in range(first, last):
        widest = maximum(widest, widths[b + 1] - widths[b])
    lane_labels = empty(arena, widest, np.int64)
    work, found = empty(arena, (2, n_clusters), np.float64), empty(arena, n_clusters + 1, np.int64)
    low, high = box_of(first, last, blocks, arena)
    n_near = find_candidates(low, high, table, n_clusters, work, found)
    near, near_table = empty(arena, n_near, np.int64), empty(arena, (n_features, n_near), np.float64)
    for c in range(n_near):
        near[c] = found[c]
        for f in range(n_features):
            near_table[f, c] = table[f, found[c]]
    moved, n_decided, n_pairs = 0, 0, 0
    for b in range(first, last):
        n_candidates = find_candidates(lows[b], highs[b], near_table, n_near, work, found)
        for c in range(n_candidates):
            found[c] = near[found[c]]
        label, block_label = found[0], block_labels[b]
        if n_candidates == 1 and block_label == label:
            continue
        size, block = starts[b + 1] - starts[b], block_of(data, widths, b, n_features)
        row_labels, new_labels = labels[starts[b] : starts[b + 1]], lane_labels[: block.shape[1]]
        if n_candidates > 1:
            nearest_lanes(block, centers, found, n_candidates, new_labels, None)
            block_labels[b], n_moved = label_block(
                block, starts[b], block_label, new_labels, destination, row_labels
            )
            moved += n_moved
            n_decided += size
            n_pairs += size * n_candidates
            continue
        if block_label == MIXED:
            new_labels[:] = label
            moved += relabel_block(block, size, starts[b], new_labels, destination, row_labels)
        else:
            relabel_whole_block(block_label, label, totals[b], counts[b], destination.mine)
            moved += size
        block_labels[b] = label
    return moved, n_decided, n_pairs


@kernel
def filtered_task(task, arena, chunk_blocks, blocks, book, assignment):
    """Task. Assign the rows of every n-th chunk; see `filtered_pass`."""
    tables = assignment.tables
    n_features, n_blocks, n_tasks = len(book.table), len(assignment.block_labels), len(tables.sums)
    row = empty(arena, (1, n_features), blocks.data.dtype)
    destination = Destination(sums_of_task(tables, task, arena), row)
    moved, n_decided, n_pairs = 0, 0, 0
    for first in range(task * chunk_blocks, n_blocks, n_tasks * chunk_blocks):
        marked = mark(arena)
        last = minimum(first + chunk_blocks, n_blocks)
        done = filtered_chunk(first, last, blocks, book, destination, assignment, arena)
        moved, n_decided, n_pairs = moved + done[0], n_decided + done[1], n_pairs + done[2]
        release(arena, marked)
    return moved, n_decided, n_pairs


@kernel
def filtered_pass(executor, chunk_blocks, blocks, book, assignment):
    """Assign every row to its nearest center, and update block labels, labels and exact sums.

    Parameters
    ----------
    chunk_blocks : number of consecutive blocks that share a first selection of candidate centers
    blocks, book, assignment : `structs.cells.Blocks`, `Book`, and INOUT `Assignment`

    Returns
    -------
    moved, n_decided, n_pairs : as in `algorithms.base.Pass`
    """
    arguments = (chunk_blocks, blocks, book, assignment)
    return parallel_for(executor, len(assignment.tables.sums), filtered_task, arguments)
