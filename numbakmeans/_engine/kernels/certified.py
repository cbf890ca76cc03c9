"""Passes that score all centers with the register tile; labels are certified or resolved by `reference`."""

from numbakmeans._engine.kernels.certify import (
    Centers,
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
)
from numbakmeans._engine.kernels.means import copy_centers, count_empty, means, shift
from numbakmeans._engine.kernels.pack import measure_lanes, measure_rows
from numbakmeans._engine.kernels.reference import label_sq_dists_chunk
from numbakmeans._engine.kernels.sums import relabel, sums_of_task
from numbakmeans._engine.structs.passes import Assigned
from numbakmeans._numba.arena import mark, release
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.drivers import SERIAL_LOOP
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum

#: Norms up to this cannot overflow a score: no value of a center is above 2**16 after the transform.
MAX_NORM = 2.0**40


@kernel
def label_block(X, start, stop, known_norms, block, centers, arena):
    """Tile. Label rows [start, stop); return the number of rows resolved by reference distances.

    known_norms : whether the block holds the norms of these rows; if not, they are written
    block : INOUT `certify.Block`; centers : `certify.Centers`
    """
    points, transform, packed = centers
    n_selected, lanes = score_all(X, start, stop, block, packed, transform, arena), block.lanes
    if not known_norms:
        if len(lanes) > 0:
            n_blocks = (n_selected + lanes.shape[2] - 1) // lanes.shape[2]
            measure_lanes(lanes[:n_blocks], block.norms)
        else:
            measure_rows(X[start:stop], 0, n_selected, transform, block.norms)
    return nearest_of_rows(X, block, n_selected, points, packed, transform.scale, arena)


@kernel
def certified_task(task, arena, X, layout, centers, assigned, tables):
    """Task. Assign the rows of every n-th block, and update its sums; see `certified_pass`."""
    n_tasks, block_rows, transform, (labels, norms) = (
        len(tables.sums),
        layout.block_rows,
        layout.transform,
        assigned,
    )
    n_panels = len(centers.packed.panels)
    block = block_buffers(X, block_rows, n_panels, 1, layout.transposes, not transform.identity, arena)
    mine = sums_of_task(tables, task, arena)
    moved, n_decided = 0, 0
    for start in range(task * block_rows, len(X), n_tasks * block_rows):
        stop = minimum(start + block_rows, len(X))
        first_pass = labels[start] < 0
        if not first_pass:
            for i in range(start, stop):
                block.norms[i - start] = norms[i]
        n_decided += label_block(X, start, stop, not first_pass, block, centers, arena)
        if first_pass:
            for i in range(start, stop):
                norms[i] = block.norms[i - start]
        moved += relabel(X, start, stop, block.labels, labels, mine)
    return moved, n_decided


@kernel
def certified_pass(executor, X, layout, points, assigned, tables, arena):
    """Assign every row to its nearest center, and update labels and sums.

    Parameters
    ----------
    X : (n_samples, n_features), finite; layout : `structs.passes.Layout`
    points : (n_clusters, padded features), float64, finite
    assigned : INOUT `structs.passes.Assigned`; tables : INOUT `structs.sums.Sums`

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows resolved by reference distances
    """
    n_tasks, transform = len(tables.sums), layout.transform
    packed = pack_centers(executor, n_tasks, X, points, transform, layout.places, arena)
    centers = Centers(points, transform, packed)
    return parallel_for(executor, n_tasks, certified_task, (X, layout, centers, assigned, tables))


@kernel
def certified_passes(executor, X, layout, options, state, tables, arena):
    """Make up to max_iter passes, stopping at a fixed point, without a return to Python between them.

    options : `structs.problems.Options`
    state : INOUT `structs.problems.Answer`, and norms as in `structs.passes.Assigned`
    The others as in `certified_pass`.

    Returns
    -------
    n_iter, moved, n_empty, ever_empty : as in `algorithms.base.Run`, for this call
    n_decided : rows resolved by reference distances
    n_uncertain, close : as in `small.make_passes`
    """
    ((centers, labels, before), norms), n_clusters = state, len(tables.sizes)
    chunk_rows, stops = layout.mean_rows, options.stop_on_empty or options.relocates
    # Threads take longer to start than a few means take to compute.
    means_executor = executor if chunk_rows < n_clusters else SERIAL_LOOP
    n_iter, moved, n_empty, ever_empty, n_decided, n_uncertain, close = 0, -1, 0, False, 0, 0, False
    while n_iter < options.max_iter and moved != 0 and n_uncertain == 0 and not close:
        n_iter += 1
        marked = mark(arena)
        moved, decided = certified_pass(executor, X, layout, centers, Assigned(labels, norms), tables, arena)
        release(arena, marked)
        n_decided += decided
        n_empty = count_empty(tables)
        ever_empty = ever_empty or n_empty > 0
        if options.tol > 0.0:
            copy_centers(centers, before)
        if options.relocates and n_empty > 0:
            break
        if moved != 0:
            n_uncertain = means(means_executor, tables, options.single, chunk_rows, centers)
        if options.tol > 0.0:
            close = n_uncertain == 0 and shift(before, centers) <= options.tol
        if stops and ever_empty:
            break
    return n_iter, moved, n_empty, ever_empty, n_decided, n_uncertain, close


@kernel
def assign_task(task, arena, X, n_tasks, layout, centers, found):
    """Task. Label the rows of every n-th block; see `assign`."""
    block_rows, transform, (labels, sq_dists) = layout.block_rows, layout.transform, found
    n_panels, n_beyond = len(centers.packed.panels), 0
    block = block_buffers(X, block_rows, n_panels, 1, layout.transposes, not transform.identity, arena)
    for start in range(task * block_rows, len(X), n_tasks * block_rows):
        stop = minimum(start + block_rows, len(X))
        label_block(X, start, stop, False, block, centers, arena)
        for t in range(stop - start):
            labels[start + t] = block.labels[t]
            # Written so that a NaN counts.
            n_beyond += 0 if block.norms[t] <= MAX_NORM else 1
        if len(sq_dists) > 0:
            label_sq_dists_chunk(X, centers.points, labels, start, stop, sq_dists)
    return n_beyond


@kernel
def assign(executor, X, n_tasks, layout, points, found, arena):
    """Write the label of every row and D to its nearest center, and check the rows in the same sweep.

    X : (n_samples, n_features), of any values
    found : OUT, labels (n_samples,), int32, and D (n_samples,), float64, in squared units of X, or (0,) if it
    is not wanted
    The others as in `certified_pass`.

    Returns
    -------
    n_beyond : the number of rows whose norm is not at most `MAX_NORM` after the transform: they are too far
    away, or not finite. If there are any, what is found holds for no row.
    """
    packed = pack_centers(executor, n_tasks, X, points, layout.transform, layout.places, arena)
    centers = Centers(points, layout.transform, packed)
    return parallel_for(executor, n_tasks, assign_task, (X, n_tasks, layout, centers, found))
