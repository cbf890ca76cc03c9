"""Passes with scores from the register tile, and labels certified or decided by the definition."""

import numpy as np

from numbakmeans._engine.kernels.canonical import label_sq_dists_chunk
from numbakmeans._engine.kernels.certify import (
    Centers,
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
)
from numbakmeans._engine.kernels.pack import measure_rows
from numbakmeans._engine.kernels.sums import relabel
from numbakmeans._engine.shapes.sums import SlotSums
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty


@kernel
def label_block(X, start, stop, block, centers, room):
    """Tile. Label rows [start, stop), whose norms are those of the block; return how many were decided.

    centers : `certify.Centers`
    """
    points, frame, packed = centers
    n_picks = score_all(X, start, stop, block, packed, frame, room)
    return nearest_of_rows(X, block, n_picks, points, packed, frame.scale, room)


@kernel
def certified_slot(slot, room, X, layout, centers, assigned, tables):
    """Slot. Assign the rows of every n-th block, and move them between its sums; see `certified_pass`."""
    n_slots, block_rows, frame, (labels, norms) = len(tables.sums), layout.block_rows, layout.frame, assigned
    n_panels = len(centers.packed.panels)
    block = block_buffers(X, block_rows, n_panels, 1, layout.turns, not frame.as_is, room)
    rest = empty(room, X.shape[1], np.float64)
    mine = SlotSums(tables.grids, tables.sums[slot], tables.counts[slot], rest)
    moved, n_decided = 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = minimum(start + block_rows, len(X))
        if labels[start] < 0:
            measure_rows(X, start, stop, frame, norms)
        for i in range(start, stop):
            block.norms[i - start] = norms[i]
        n_decided += label_block(X, start, stop, block, centers, room)
        moved += relabel(X, start, stop, block.labels, labels, mine)
    return moved, n_decided


@kernel
def certified_pass(loop, X, layout, points, assigned, tables, room):
    """Assign every row to its nearest center, and bring labels and sums up to date.

    Parameters
    ----------
    X : (n_samples, n_features), finite; layout : `shapes.passes.Layout`
    points : (n_clusters, padded features), float64, finite
    assigned : INOUT `shapes.passes.Assigned`; tables : INOUT `shapes.sums.Sums`

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    n_slots, frame = len(tables.sums), layout.frame
    packed = pack_centers(loop, n_slots, X, points, frame, layout.places, room)
    centers = Centers(points, frame, packed)
    return spread(loop, n_slots, certified_slot, (X, layout, centers, assigned, tables))


@kernel
def assign_slot(slot, room, X, n_slots, layout, centers, found):
    """Slot. Label the rows of every n-th block; see `assign`."""
    block_rows, frame, (labels, sq_dists) = layout.block_rows, layout.frame, found
    n_panels = len(centers.packed.panels)
    block = block_buffers(X, block_rows, n_panels, 1, layout.turns, not frame.as_is, room)
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = minimum(start + block_rows, len(X))
        measure_rows(X[start:stop], 0, stop - start, frame, block.norms)
        label_block(X, start, stop, block, centers, room)
        for t in range(stop - start):
            labels[start + t] = block.labels[t]
        label_sq_dists_chunk(X, centers.points, labels, start, stop, sq_dists)


@kernel
def assign(loop, X, n_slots, layout, points, found, room):
    """Write label and D of the nearest center for every row.

    found : OUT, labels (n_samples,), int32, and D (n_samples,), float64, squared units of X
    The others are those of `certified_pass`.
    """
    packed = pack_centers(loop, n_slots, X, points, layout.frame, layout.places, room)
    centers = Centers(points, layout.frame, packed)
    spread(loop, n_slots, assign_slot, (X, n_slots, layout, centers, found))
