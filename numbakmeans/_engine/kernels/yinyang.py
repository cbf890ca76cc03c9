"""A pass with bounds: check them, select undecided rows, score, certify, write new bounds, update the sums.

For the algorithm and its rationale, see `algorithms.yinyang`. Projections, coarse rows and fast-moving
centers are used in some passes only, and are None in the others: then no code for them is compiled.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.bounds import (
    Centers,
    bound_rows,
    count_wanted,
    drifts_of,
    keep_undecided,
    measure_own,
    rows_of,
    select_rows,
)
from numbakmeans._engine.kernels.certify import (
    Block,
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
    score_some,
)
from numbakmeans._engine.kernels.coarse_pairs import find_close, find_first
from numbakmeans._engine.kernels.fast_centers import bound_fast
from numbakmeans._engine.kernels.pack import measure_rows
from numbakmeans._engine.kernels.pairs import decide_pairs, find_pairs, pair_buffers
from numbakmeans._engine.kernels.sums import move_row, relabel, sums_of_task
from numbakmeans._engine.structs.passes import Packed, Schedule
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for

#: Counters: rows that changed their label; rows resolved by reference distances; scored pairs of row and
#: group; pairs of row and center evaluated for fast-moving centers and projections; rows whose bounds were
#: checked.
MOVED, DECIDED, SCORED, PAIRED, CHECKED, N_COUNTS = 0, 1, 2, 3, 4, 7
#: Totals, in units of scoring one row against all centers: the cost of checking bounds, labeling of undecided
#: rows included, and what projections saved.
SPENT, SAVED = 0, 1
#: Where the counts hold these totals at the end.
SPENT_ROWS, SAVED_ROWS = 5, 6


class Work(NamedTuple):
    """The schedule, workspace, and counters of a task.

    schedule : `structs.passes.Schedule`; block : `certify.Block`
    to_fast : (block_rows,), float32, lower bounds on the distances to fast-moving centers, 0 without any
    counts : (N_COUNTS,), int64, indexed by `MOVED` etc.; totals : (2,), indexed by `SPENT` and `SAVED`
    """

    schedule: Schedule
    block: Block
    to_fast: np.ndarray
    counts: np.ndarray
    totals: np.ndarray


@kernel
def new_work(schedule, centers, rows, arena):
    """Return the `Work` of a task.

    The expected cost enters the totals with the weight of one checked row.
    """
    (_, n_groups, block_rows), n_panels = rows.lower.shape, len(centers.packed.panels)
    packs = not centers.transform.identity
    block = block_buffers(rows.X, block_rows, n_panels, n_groups, schedule.transposes, packs, arena)
    counts, totals = zeros(arena, N_COUNTS, np.int64), zeros(arena, 2, np.float64)
    counts[CHECKED], totals[SPENT] = 1, schedule.expected
    return Work(schedule, block, zeros(arena, block_rows, np.float32), counts, totals)


@kernel
def check_bounds(b, centers, rows, fast, work, arena):
    """Tile. Update the bounds of the rows of block b; return the number of undecided rows.

    These rows and their groups become the selected rows and the group mask of the block.
    """
    (start, stop), block, costs = rows_of(b, rows), work.block, work.schedule.costs
    n_rows = stop - start
    if fast is not None:
        n_fast = len(fast.packed.distinct)
        bound_fast(b, block, fast, centers.transform, rows, work.to_fast, arena)
        work.counts[PAIRED] += n_fast * n_rows
        work.totals[SPENT] += n_fast / len(centers.points) * n_rows
    n_selected, n_measured = select_rows(b, block, centers, rows, work.to_fast, arena)
    work.counts[CHECKED] += n_rows
    work.totals[SPENT] += (
        costs.checking * n_rows + costs.measuring * n_measured + costs.undecided * n_selected
    )
    return n_selected


@kernel
def certify_rows(n_selected, centers, rows, work, arena):
    """Tile. Find the nearest centers of the first n_selected rows of a block, after scoring."""
    block, norms = work.block, rows.norms
    selected, packed = block.selected, centers.packed
    for c in range(n_selected):
        block.norms[c] = norms[selected[c]]
    n_decided = nearest_of_rows(
        rows.X, block, n_selected, centers.points, packed, centers.transform.scale, arena
    )
    work.counts[DECIDED] += n_decided


@kernel
def label_by_scores(b, n_selected, centers, rows, work, arena):
    """Tile. Label the undecided rows of block b by the scores of their undecided groups.

    Returns
    -------
    n_selected : the number of labeled rows, the first selected rows of the block
    """
    block = work.block
    groups = centers.drifts.groups
    n_selected, n_wanted = keep_undecided(block.selected, n_selected, groups, rows.labels, block.group_mask)
    work.totals[SPENT] += work.schedule.costs.groups * n_wanted / len(block.group_mask)
    work.counts[SCORED] += n_wanted
    score_some(rows.X, block, n_selected, centers.packed, centers.transform, arena)
    certify_rows(n_selected, centers, rows, work, arena)
    bound_rows(b, block, n_selected, centers, rows)
    return n_selected


@kernel
def label_undecided(b, n_selected, centers, rows, projections, work, arena):
    """Tile. Label the undecided rows of block b; return how many of its selected rows have a label.

    projections : if not None, rows are labeled by the few centers that the projections leave open
    """
    if projections is None:
        return label_by_scores(b, n_selected, centers, rows, work, arena)
    block = work.block
    n_groups, n_clusters = len(block.group_mask), len(centers.points)
    n_undecided = count_wanted(block.group_mask, n_selected)
    marked = mark(arena)
    pairs = pair_buffers(len(projections.packed.panels), projections.singles, rows.lower.shape[2], arena)
    find_pairs(b, block, n_selected, projections, centers.drifts.duplicates, rows, pairs)
    n_paired, n_decided = decide_pairs(b, block, n_selected, centers, projections.singles, rows, pairs)
    release(arena, marked)
    count_pairs(n_undecided / n_groups, n_paired, n_decided, n_clusters, work)
    return n_selected


@kernel
def count_pairs(n_undecided, n_paired, n_decided, n_clusters, work):
    """Count what labeling by open pairs has cost and saved.

    n_undecided : rows, each counting by the share of its undecided groups
    n_paired, n_decided : as from `pairs.decide_pairs`
    """
    costs = work.schedule.costs
    work.counts[PAIRED] += n_paired
    work.counts[DECIDED] += n_decided
    spent = costs.narrowing * n_undecided + costs.pairs * n_paired / n_clusters
    work.totals[SPENT] += spent
    work.totals[SAVED] += costs.groups * n_undecided - spent


@kernel
def label_rest(b, n_selected, centers, rows, coarse, work, arena):
    """Tile. Do what `label_undecided` does, by coarse rows if there are any.

    coarse : `structs.passes.Coarse`, or None
    """
    if coarse is None:
        return label_undecided(b, n_selected, centers, rows, centers.projections, work, arena)
    block = work.block
    n_undecided = count_wanted(block.group_mask, n_selected) / len(block.group_mask)
    marked = mark(arena)
    pairs = pair_buffers(len(coarse.panels), coarse.singles, rows.lower.shape[2], arena)
    find_close(b, block, n_selected, centers, rows, pairs, arena)
    n_paired, n_decided = decide_pairs(b, block, n_selected, centers, coarse.singles, rows, pairs)
    release(arena, marked)
    count_pairs(n_undecided, n_paired, n_decided, len(centers.points), work)
    return n_selected


@kernel
def label_first(b, centers, rows, coarse, mine, work, arena):
    """Tile. Label the rows of block b in the first pass by coarse rows, and write their first bounds.

    Returns
    -------
    labeled : False if there are no coarse rows
    """
    if coarse is None:
        return False
    (start, stop), block = rows_of(b, rows), work.block
    marked, n_rows = mark(arena), stop - start
    pairs = pair_buffers(len(coarse.panels), coarse.singles, rows.lower.shape[2], arena)
    rows.lower[b] = 0.0
    find_first(b, block, centers, rows, pairs, arena)
    work.counts[MOVED] += relabel(rows.X, start, stop, block.labels, rows.labels, mine)
    measure_own(start, stop, centers, rows)
    n_paired, n_decided = decide_pairs(b, block, n_rows, centers, coarse.singles, rows, pairs)
    release(arena, marked)
    count_pairs(n_rows, n_paired, n_decided, len(centers.points), work)
    relabel_selected(n_rows, rows, mine, work)
    return True


@kernel
def label_all(b, bounded, centers, rows, work, arena):
    """Tile. Label all rows of block b, and write new bounds if they may pay off.

    bounded : whether the rows have bounds
    """
    (start, stop), block, schedule = rows_of(b, rows), work.block, work.schedule
    n_selected = score_all(rows.X, start, stop, block, centers.packed, centers.transform, arena)
    work.counts[SCORED] += n_selected * len(block.group_mask)
    certify_rows(n_selected, centers, rows, work, arena)
    if schedule.n_before == 0 or work.totals[SPENT] <= schedule.costs.kept * work.counts[CHECKED]:
        bound_rows(b, block, n_selected, centers, rows)
    elif bounded:
        # Trivial bounds, which always hold.
        rows.upper[start:stop] = np.inf
        rows.lower[b] = 0.0


@kernel
def relabel_selected(n_selected, rows, mine, work):
    """Tile. Move the first n_selected rows of a block to the sums of their new labels; return how many moved.

    mine : INOUT `structs.sums.TaskSums`
    """
    selected, found, labels, n_moved = work.block.selected, work.block.labels, rows.labels, 0
    for c in range(n_selected):
        i, label = selected[c], found[c]
        if label != labels[i]:
            move_row(rows.X, i, mine.weights, i, labels[i], label, mine)
            labels[i] = label
            n_moved += 1
    return n_moved


@kernel
def yinyang_task(task, arena, schedule, centers, rows, tables):
    """Task. Assign the rows of every n-th block; see `yinyang_pass`.

    centers : `bounds.Centers`
    """
    n_tasks, X, labels, transform = len(tables.sums), rows.X, rows.labels, centers.transform
    mine = sums_of_task(tables, task, arena)
    work = new_work(schedule, centers, rows, arena)
    counts, totals = work.counts, work.totals
    n_own_blocks = (len(rows.lower) - task + n_tasks - 1) // n_tasks
    for t in range(n_own_blocks):
        b = task + (t + schedule.n_before) % n_own_blocks * n_tasks
        start, stop = rows_of(b, rows)
        if schedule.n_before == 0:
            measure_rows(X, start, stop, transform, rows.norms)
            if label_first(b, centers, rows, centers.coarse, mine, work, arena):
                continue
        # With coarse rows, bounds are checked at any cost, and no centers are packed for scores.
        always = centers.coarse is not None
        bounded = schedule.n_before > 0 and rows.upper[start] < np.inf
        if always or (bounded and totals[SPENT] <= schedule.costs.checked * counts[CHECKED]):
            n_selected = check_bounds(b, centers, rows, centers.fast, work, arena)
            n_selected = label_rest(b, n_selected, centers, rows, centers.coarse, work, arena)
            counts[MOVED] += relabel_selected(n_selected, rows, mine, work)
        else:
            label_all(b, bounded, centers, rows, work, arena)
            counts[MOVED] += relabel(X, start, stop, work.block.labels, labels, mine)
    counts[CHECKED] -= 1
    # Truncated to integers, the only results that a task can return.
    counts[SAVED_ROWS], counts[SPENT_ROWS] = totals[SAVED], totals[SPENT] - schedule.expected
    saved, spent = counts[SAVED_ROWS], counts[SPENT_ROWS]
    return counts[MOVED], counts[DECIDED], counts[SCORED], counts[PAIRED], saved, counts[CHECKED], spent


@kernel
def packed_centers(executor, n_tasks, X, clusters, coarse, arena):
    """Return the centers as `structs.passes.Packed`; without panels if there are coarse rows instead."""
    if coarse is None:
        return pack_centers(executor, n_tasks, X, clusters.points, clusters.transform, clusters.places, arena)
    return Packed(
        coarse.distinct,
        clusters.places.members,
        empty(arena, (0, 0, 0), X.dtype),
        empty(arena, (0, 0), X.dtype),
        empty(arena, (0, 0), np.float64),
        clusters.places.groups[:0],
    )


@kernel
def yinyang_pass(executor, schedule, clusters, rows, tables, arena):
    """Assign every row to its nearest center, and update labels, bounds and sums.

    Parameters
    ----------
    schedule, clusters : `structs.passes.Schedule`, `Clusters`
    rows : INOUT `structs.passes.Rows`, its norms written in the first pass
    tables : INOUT `structs.sums.Sums`

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows resolved by reference distances
    n_scored, n_paired : scored pairs of row and group, and pairs of row and center: those with fast-moving
    centers, and those that projections left open
    saved : what projections saved, in units of scoring one row against all centers
    n_checked, spent : rows whose bounds were checked, and the total cost of that, in the same units
    """
    n_tasks, points, transform = len(tables.sums), clusters.points, clusters.transform
    packed = packed_centers(executor, n_tasks, rows.X, clusters, clusters.coarse, arena)
    n_groups, fast = rows.lower.shape[1], clusters.fast
    drifts = drifts_of(clusters.moved, clusters.groups, n_groups, packed.distinct, fast, arena)
    centers = Centers(points, transform, packed, drifts, clusters.projections, clusters.coarse, fast)
    return parallel_for(executor, n_tasks, yinyang_task, (schedule, centers, rows, tables))
