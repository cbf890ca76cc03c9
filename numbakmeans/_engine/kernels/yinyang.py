"""A pass with bounds: ask them, pick the rows in doubt, score, certify, bound anew, add to the sums.

How and why: `algorithms.yinyang`. What only some passes need, heads and movers, is None in the others: then
no code for it is compiled.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.bounds import (
    Centers,
    bound_rows,
    count_needs,
    drifts_of,
    keep_doubtful,
    pick_rows,
    rows_of,
)
from numbakmeans._engine.kernels.certify import (
    Block,
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
    score_some,
)
from numbakmeans._engine.kernels.movers import bound_movers
from numbakmeans._engine.kernels.pack import measure_rows
from numbakmeans._engine.kernels.pairs import decide_pairs, find_pairs, pair_buffers
from numbakmeans._engine.kernels.sums import relabel, relabel_row
from numbakmeans._engine.shapes.passes import Turn
from numbakmeans._engine.shapes.sums import SlotSums
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty, mark, release, zeros

#: What is counted: rows that changed their label, and that the definition decided; pairs of row and group
#: that were scored, and of row and center that movers and heads took; rows that were asked.
MOVED, DECIDED, SCORED, PAIRED, ASKED, N_COUNTS = 0, 1, 2, 3, 4, 7
#: What is weighed, in rows scored as a whole: what asking cost in all, and what heads saved.
SPENT, SAVED = 0, 1
#: Where that is among the counts, at the end.
SPENT_ROWS, SAVED_ROWS = 5, 6


class Work(NamedTuple):
    """What a slot is to do, its workspace, and what it counts.

    turn : `shapes.passes.Turn`
    block : `certify.Block`; of_movers : (block_rows,), float32, bounds on the distances to movers, 0 without
    counts : (N_COUNTS,), int64, by `MOVED` and so on; costs : (2,), by `SPENT` and `SAVED`
    """

    turn: Turn
    block: Block
    of_movers: np.ndarray
    counts: np.ndarray
    costs: np.ndarray


@kernel
def new_work(turn, centers, rows, room):
    """Return the `Work` of a slot. What is expected counts as much as one row that was asked."""
    (_, n_groups, block_rows), n_panels = rows.lower.shape, len(centers.packed.panels)
    packs = not centers.frame.as_is
    block = block_buffers(rows.X, block_rows, n_panels, n_groups, turn.turns, packs, room)
    counts, costs = zeros(room, N_COUNTS, np.int64), zeros(room, 2, np.float64)
    counts[ASKED], costs[SPENT] = 1, turn.expected
    return Work(turn, block, zeros(room, block_rows, np.float32), counts, costs)


@kernel
def ask_bounds(b, centers, rows, movers, work, room):
    """Tile. Bring the bounds of the rows of block b up to date; return how many rows they leave in doubt.

    These and their groups are then the picks and needs of the block.
    """
    (start, stop), block, worth = rows_of(b, rows), work.block, work.turn.worth
    n_rows = stop - start
    if movers is not None:
        n_movers = len(movers.packed.distinct)
        bound_movers(b, block, movers, centers.frame, rows, work.of_movers, room)
        work.counts[PAIRED] += n_movers * n_rows
        work.costs[SPENT] += n_movers / len(centers.points) * n_rows
    n_picks, n_measured = pick_rows(b, block, centers, rows, work.of_movers, room)
    work.counts[ASKED] += n_rows
    work.costs[SPENT] += worth.asking * n_rows + worth.measuring * n_measured + worth.doubting * n_picks
    return n_picks


@kernel
def certify_rows(n_picks, centers, rows, work, room):
    """Tile. Find the nearest centers of rows that were scored."""
    block, norms = work.block, rows.norms
    picks, packed = block.picks, centers.packed
    for c in range(n_picks):
        block.norms[c] = norms[picks[c]]
    n_decided = nearest_of_rows(rows.X, block, n_picks, centers.points, packed, centers.frame.scale, room)
    work.counts[DECIDED] += n_decided


@kernel
def label_by_scores(b, n_picks, centers, rows, work, room):
    """Tile. Label the rows of block b that are in doubt by the scores of the groups that they want.

    Returns
    -------
    n_picks : how many are still in doubt, the first picks of the block
    """
    block = work.block
    groups = centers.drifts.groups
    n_picks, n_wanted = keep_doubtful(block.picks, n_picks, groups, rows.labels, block.needs)
    work.costs[SPENT] += work.turn.worth.groups * n_wanted / len(block.needs)
    work.counts[SCORED] += n_wanted
    score_some(rows.X, block, n_picks, centers.packed, centers.frame, room)
    certify_rows(n_picks, centers, rows, work, room)
    bound_rows(b, block, n_picks, centers, rows)
    return n_picks


@kernel
def label_doubtful(b, n_picks, centers, rows, heads, work, room):
    """Tile. Label the rows of block b that are in doubt; return how many of its picks have a label.

    With heads : by the few centers that these leave open.
    """
    if heads is None:
        return label_by_scores(b, n_picks, centers, rows, work, room)
    block, worth = work.block, work.turn.worth
    n_groups, n_clusters = len(block.needs), len(centers.points)
    n_doubted = count_needs(block.needs, n_picks)
    marked = mark(room)
    pairs = pair_buffers(heads, rows.lower.shape[2], room)
    find_pairs(b, block, n_picks, heads, centers.drifts.twins, rows, pairs)
    n_paired, n_decided = decide_pairs(b, block, n_picks, centers, heads, rows, pairs)
    release(room, marked)
    work.counts[PAIRED] += n_paired
    work.counts[DECIDED] += n_decided
    by_heads = worth.heads * n_doubted / n_groups + worth.pairs * n_paired / n_clusters
    work.costs[SPENT] += by_heads
    work.costs[SAVED] += worth.groups * n_doubted / n_groups - by_heads
    return n_picks


@kernel
def label_all(b, bounded, centers, rows, work, room):
    """Tile. Label all rows of block b, and bound them anew if that may pay; bounded : do they have bounds?"""
    (start, stop), block, turn = rows_of(b, rows), work.block, work.turn
    n_picks = score_all(rows.X, start, stop, block, centers.packed, centers.frame, room)
    work.counts[SCORED] += n_picks * len(block.needs)
    certify_rows(n_picks, centers, rows, work, room)
    if turn.n_before == 0 or work.costs[SPENT] <= turn.worth.kept * work.counts[ASKED]:
        bound_rows(b, block, n_picks, centers, rows)
    elif bounded:
        # Bounds that always hold.
        rows.upper[start:stop] = np.inf
        rows.lower[b] = 0.0


@kernel
def relabel_picks(n_picks, rows, mine, work):
    """Tile. Move the first picks of a block to the sums of their labels; mine : INOUT `SlotSums`."""
    picks, found, labels = work.block.picks, work.block.labels, rows.labels
    for c in range(n_picks):
        i, label = picks[c], found[c]
        if label != labels[i]:
            relabel_row(rows.X, i, label, labels, mine)
            work.counts[MOVED] += 1


@kernel
def yinyang_slot(slot, room, turn, centers, rows, tables):
    """Slot. Assign the rows of every n-th block; see `yinyang_pass`.

    centers : `bounds.Centers`
    """
    n_slots, X, labels, frame = len(tables.sums), rows.X, rows.labels, centers.frame
    rest = empty(room, X.shape[1], np.float64)
    mine = SlotSums(tables.grids, tables.sums[slot], tables.counts[slot], rest)
    work = new_work(turn, centers, rows, room)
    counts, costs = work.counts, work.costs
    n_turns = (len(rows.lower) - slot + n_slots - 1) // n_slots
    for t in range(n_turns):
        b = slot + (t + turn.n_before) % n_turns * n_slots
        start, stop = rows_of(b, rows)
        if turn.n_before == 0:
            measure_rows(X, start, stop, frame, rows.norms)
        bounded = turn.n_before > 0 and rows.upper[start] < np.inf
        if bounded and costs[SPENT] <= turn.worth.asked * counts[ASKED]:
            n_picks = ask_bounds(b, centers, rows, centers.movers, work, room)
            n_picks = label_doubtful(b, n_picks, centers, rows, centers.heads, work, room)
            relabel_picks(n_picks, rows, mine, work)
        else:
            label_all(b, bounded, centers, rows, work, room)
            counts[MOVED] += relabel(X, start, stop, work.block.labels, labels, mine)
    counts[ASKED] -= 1
    # Whole numbers, as slots return no others.
    counts[SAVED_ROWS], counts[SPENT_ROWS] = costs[SAVED], costs[SPENT] - turn.expected
    saved, spent = counts[SAVED_ROWS], counts[SPENT_ROWS]
    return counts[MOVED], counts[DECIDED], counts[SCORED], counts[PAIRED], saved, counts[ASKED], spent


@kernel
def yinyang_pass(loop, turn, clusters, rows, tables, room):
    """Assign every row to its nearest center, and bring labels, bounds and sums up to date.

    Parameters
    ----------
    turn, clusters : `shapes.passes.Turn`, `Clusters`
    rows : INOUT `shapes.passes.Rows`, its norms written in the first pass
    tables : INOUT `shapes.sums.Sums`

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_scored, n_paired : pairs of row and group that were scored, and of row and center that movers and heads
    left open
    saved : what heads saved, in rows scored as a whole
    n_asked, spent : rows that were asked, and what that cost in all, in rows scored as a whole
    """
    n_slots, points, frame = len(tables.sums), clusters.points, clusters.frame
    packed = pack_centers(loop, n_slots, rows.X, points, frame, clusters.places, room)
    n_groups, movers = rows.lower.shape[1], clusters.movers
    drifts = drifts_of(clusters.moved, clusters.groups, n_groups, packed.distinct, movers, room)
    centers = Centers(points, frame, packed, drifts, clusters.heads, movers)
    return spread(loop, n_slots, yinyang_slot, (turn, centers, rows, tables))
