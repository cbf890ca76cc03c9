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
from numbakmeans._engine.shapes.passes import Tables, Turn
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty, mark, release, zeros

#: What is counted: rows that changed their label, and that the definition decided; pairs of row and group
#: that were scored, and of row and center that movers and heads took; rows that were asked.
MOVED, DECIDED, SCORED, PAIRED, ASKED = 0, 1, 2, 3, 4
#: What is weighed, in rows scored as a whole: what asking cost in all, and what heads saved.
SPENT, SAVED = 0, 1


class Work(NamedTuple):
    """What a slot is to do, its workspace, and what it counts.

    turn : `shapes.Turn`
    block : `certify.Block`; of_movers : (block_rows,), float32, bounds on the distances to movers, 0 without
    rest : (n_features,), of a row that moves to another sum
    counts : (5,), int64, by `MOVED` and so on; costs : (2,), by `SPENT` and `SAVED`
    """

    turn: Turn
    block: Block
    of_movers: np.ndarray
    rest: np.ndarray
    counts: np.ndarray
    costs: np.ndarray


@kernel
def new_work(X, turn, centers, kept, room):
    """Return the `Work` of a slot. What is expected counts as much as one row that was asked."""
    (_, n_groups, block_rows), n_panels = kept.lower.shape, len(centers.packed.panels)
    block = block_buffers(X, block_rows, n_panels, n_groups, turn.turns, not centers.frame.as_is, room)
    counts, costs = zeros(room, 5, np.int64), zeros(room, 2, np.float64)
    counts[ASKED], costs[SPENT] = 1, turn.expected
    rest = empty(room, X.shape[1], np.float64)
    return Work(turn, block, zeros(room, block_rows, np.float32), rest, counts, costs)


@kernel
def ask_bounds(X, b, centers, kept, movers, work, room):
    """Tile. Bring the bounds of the rows of block b up to date; return how many rows they leave in doubt.

    These and their groups are then the picks and needs of the block.
    """
    (start, stop), block, worth = rows_of(b, kept), work.block, work.turn.worth
    n_rows = stop - start
    if movers is not None:
        n_movers = len(movers.distinct)
        bound_movers(X, b, block, movers, centers.frame, kept, work.of_movers, room)
        work.counts[PAIRED] += n_movers * n_rows
        work.costs[SPENT] += n_movers / len(centers.points) * n_rows
    wanted = (block.picks, block.needs)
    n_picks, n_measured = pick_rows(X, b, *wanted, centers, kept, work.of_movers, room)
    work.counts[ASKED] += n_rows
    work.costs[SPENT] += worth.asking * n_rows + worth.measuring * n_measured + worth.doubting * n_picks
    return n_picks


@kernel
def certify_rows(X, n_picks, centers, kept, work, room):
    """Tile. Find the nearest centers of rows that were scored."""
    block, norms = work.block, kept.norms
    picks = block.picks
    for c in range(n_picks):
        block.norms[c] = norms[picks[c]]
    scale, packed = centers.frame.scale, centers.packed
    work.counts[DECIDED] += nearest_of_rows(X, block, n_picks, centers.points, packed, scale, room)


@kernel
def label_by_scores(X, b, n_picks, centers, kept, work, room):
    """Tile. Label the rows of block b that are in doubt by the scores of the groups that they want.

    Returns
    -------
    n_picks : how many are still in doubt, the first picks of the block
    """
    block, frame = work.block, centers.frame
    n_picks = keep_doubtful(block.picks, n_picks, centers.drifts.groups, kept.labels, block.needs)
    n_wanted = count_needs(block.needs, n_picks)
    work.costs[SPENT] += work.turn.worth.groups * n_wanted / len(block.needs)
    work.counts[SCORED] += n_wanted
    score_some(X, block, n_picks, centers.packed, frame.origin, frame.scale, room)
    certify_rows(X, n_picks, centers, kept, work, room)
    bound_rows(b, block, n_picks, centers, kept)
    return n_picks


@kernel
def label_by_heads(X, b, n_picks, centers, kept, heads, work, room):
    """Tile. Label the rows of block b that are in doubt by the few centers that their heads leave open."""
    block, worth = work.block, work.turn.worth
    n_groups, n_clusters = len(block.needs), len(centers.points)
    n_doubted = count_needs(block.needs, n_picks)
    marked = mark(room)
    pairs = pair_buffers(heads, kept.lower.shape[2], room)
    find_pairs(b, block.picks, n_picks, block.needs, heads, centers.drifts.twins, kept, pairs)
    n_paired, n_decided = decide_pairs(X, b, block, n_picks, centers, heads, kept, pairs)
    release(room, marked)
    work.counts[PAIRED] += n_paired
    work.counts[DECIDED] += n_decided
    by_heads = worth.heads * n_doubted / n_groups + worth.pairs * n_paired / n_clusters
    work.costs[SPENT] += by_heads
    work.costs[SAVED] += worth.groups * n_doubted / n_groups - by_heads


@kernel
def label_doubtful(X, b, n_picks, centers, kept, heads, work, room):
    """Tile. Label the rows of block b that are in doubt; return how many of its picks have a label."""
    if heads is not None:
        label_by_heads(X, b, n_picks, centers, kept, heads, work, room)
        return n_picks
    return label_by_scores(X, b, n_picks, centers, kept, work, room)


@kernel
def label_all(X, b, bounded, centers, kept, work, room):
    """Tile. Label all rows of block b, and bound them anew if that may pay; bounded : do they have bounds?"""
    (start, stop), frame, block, turn = rows_of(b, kept), centers.frame, work.block, work.turn
    n_picks = score_all(X, start, stop, block, centers.packed, frame.origin, frame.scale, room)
    work.counts[SCORED] += n_picks * len(block.needs)
    certify_rows(X, n_picks, centers, kept, work, room)
    if turn.n_before == 0 or work.costs[SPENT] <= turn.worth.kept * work.counts[ASKED]:
        bound_rows(b, block, n_picks, centers, kept)
    elif bounded:
        # None: these hold whatever happens.
        kept.upper[start:stop] = np.inf
        kept.lower[b] = 0.0


@kernel
def relabel_picks(X, n_picks, kept, tables, work):
    """Tile. Move the first picks of a block to the sums of their labels; tables : of this slot."""
    picks, found, labels = work.block.picks, work.block.labels, kept.labels
    for c in range(n_picks):
        i, label = picks[c], found[c]
        if label != labels[i]:
            sums = (tables.constants, tables.scales, work.rest, labels, tables.sums, tables.counts)
            relabel_row(X, i, label, *sums)
            work.counts[MOVED] += 1


@kernel
def yinyang_slot(slot, room, X, turn, centers, kept, heads, movers, tables):
    """Slot. Assign the rows of every n-th block; see `yinyang_pass`.

    centers : `bounds.Centers`
    """
    n_slots, labels = len(tables.sums), kept.labels
    constants, scales = tables.constants, tables.scales
    mine = Tables(constants, scales, tables.sums[slot], tables.counts[slot])
    work = new_work(X, turn, centers, kept, room)
    counts, costs = work.counts, work.costs
    n_turns = (len(kept.lower) - slot + n_slots - 1) // n_slots
    for t in range(n_turns):
        b = slot + (t + turn.n_before) % n_turns * n_slots
        start, stop = rows_of(b, kept)
        if turn.n_before == 0:
            measure_rows(X, start, stop, centers.frame.origin, centers.frame.scale, kept.norms)
        bounded = turn.n_before > 0 and kept.upper[start] < np.inf
        if bounded and costs[SPENT] <= turn.worth.asked * counts[ASKED]:
            n_picks = ask_bounds(X, b, centers, kept, movers, work, room)
            n_picks = label_doubtful(X, b, n_picks, centers, kept, heads, work, room)
            relabel_picks(X, n_picks, kept, mine, work)
        else:
            label_all(X, b, bounded, centers, kept, work, room)
            sums = (constants, scales, work.rest, labels, mine.sums, mine.counts)
            counts[MOVED] += relabel(X, start, stop, work.block.labels, *sums)
    asked = (counts[ASKED] - 1, int(costs[SPENT] - turn.expected))
    return counts[MOVED], counts[DECIDED], counts[SCORED], counts[PAIRED], int(costs[SAVED]), *asked


@kernel
def yinyang_pass(loop, X, turn, frame, clusters, kept, heads, movers, tables, room):
    """Assign every row to its nearest center, and bring labels, bounds, sums and counts up to date.

    Parameters
    ----------
    X : (n_samples, n_features), finite; turn : `shapes.Turn`; frame : `shapes.Frame`
    clusters : `shapes.Clusters`, finite; kept : INOUT `shapes.Kept`, its norms written in the first pass
    heads : `shapes.Heads`, or None
    movers : `shapes.Movers`, centers that moved far, to be scored for all rows that are asked, or None
    tables : INOUT `shapes.Tables`

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_scored, n_paired : pairs of row and group that were scored, and of row and center that heads left open
    saved : what heads saved, in rows scored as a whole
    n_asked, spent : rows that were asked, and what that cost in all, in rows scored as a whole
    """
    n_slots = len(tables.sums)
    points, groups = clusters.points, clusters.groups
    panels = (clusters.members, clusters.panel_groups, frame.origin, frame.scale)
    packed = pack_centers(loop, n_slots, X, points, *panels, room)
    drifts = drifts_of(clusters.moved, groups, kept.lower.shape[1], packed.distinct, movers, room)
    centers = Centers(points, frame, packed, drifts)
    return spread(loop, n_slots, yinyang_slot, (X, turn, centers, kept, heads, movers, tables))
