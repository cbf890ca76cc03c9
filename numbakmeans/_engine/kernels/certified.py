"""Passes with scores from the register tile, and labels certified or decided by the definition."""

import numpy as np

from numbakmeans._engine.kernels.canonical import label_sq_dists_chunk
from numbakmeans._engine.kernels.certify import block_buffers, nearest_of_rows, pack_centers, score_all
from numbakmeans._engine.kernels.pack import measure_rows
from numbakmeans._engine.kernels.sums import relabel
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty, zeros


@kernel
def label_block(X, start, stop, block, centers, packed, origin, scale, room):
    """Tile. Label rows [start, stop), whose norms are those of the block; return how many were decided."""
    n_picks = score_all(X, start, stop, block, packed, origin, scale, room)
    return nearest_of_rows(X, block, n_picks, centers, packed, scale, room)


@kernel
def certified_slot(
    slot,
    room,
    X,
    block_rows,
    turns,
    centers,
    packed,
    origin,
    scale,
    as_is,
    norms,
    constants,
    scales,
    labels,
    sums,
    counts,
):
    """Slot. Assign the rows of every n-th block, and move them between its sums; see `certified_pass`."""
    n_slots = sums.shape[0]
    block = block_buffers(X, block_rows, len(packed.panels), 1, turns, not as_is, room)
    rest = empty(room, X.shape[1], np.float64)
    tables = (labels, sums[slot], counts[slot])
    moved, n_decided = 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = minimum(start + block_rows, len(X))
        if labels[start] < 0:
            measure_rows(X, start, stop, origin, scale, norms)
        for i in range(start, stop):
            block.norms[i - start] = norms[i]
        n_decided += label_block(X, start, stop, block, centers, packed, origin, scale, room)
        moved += relabel(X, start, stop, block.labels, constants, scales, rest, *tables)
    return moved, n_decided


@kernel
def certified_pass(
    loop,
    X,
    block_rows,
    turns,
    centers,
    members,
    origin,
    scale,
    as_is,
    norms,
    constants,
    scales,
    labels,
    sums,
    counts,
    room,
):
    """Assign every row to its nearest center, and bring labels, sums and counts up to date.

    Arguments are those of `lloyd_pass`, with the order of the centers (`in_order`) and the frame; X and
    centers finite.

    turns : are rows to be scored side by side (`certify.score_all`)?
    norms : INOUT (n_samples,), float64, of the rows in the frame, written in the first pass

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    n_slots = sums.shape[0]
    groups = zeros(room, len(members), np.int64)
    packed = pack_centers(loop, n_slots, X, centers, members, groups, origin, scale, room)
    shared = (X, block_rows, turns, centers, packed, origin, scale, as_is, norms)
    return spread(loop, n_slots, certified_slot, (*shared, constants, scales, labels, sums, counts))


@kernel
def assign_slot(
    slot, room, X, n_slots, block_rows, turns, centers, packed, origin, scale, as_is, labels, sq_dists
):
    """Slot. Label the rows of every n-th block; see `assign`."""
    block = block_buffers(X, block_rows, len(packed.panels), 1, turns, not as_is, room)
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = minimum(start + block_rows, len(X))
        measure_rows(X[start:stop], 0, stop - start, origin, scale, block.norms)
        label_block(X, start, stop, block, centers, packed, origin, scale, room)
        for t in range(stop - start):
            labels[start + t] = block.labels[t]
        label_sq_dists_chunk(X, centers, labels, start, stop, sq_dists)


@kernel
def assign(
    loop, X, n_slots, block_rows, turns, centers, members, origin, scale, as_is, labels, sq_dists, room
):
    """Write label and D of the nearest center for every row.

    labels : OUT (n_samples,), int32; sq_dists : OUT (n_samples,), float64, squared units of X
    The others are those of `certified_pass`.
    """
    groups = zeros(room, len(members), np.int64)
    packed = pack_centers(loop, n_slots, X, centers, members, groups, origin, scale, room)
    shared = (X, n_slots, block_rows, turns, centers, packed, origin, scale, as_is)
    spread(loop, n_slots, assign_slot, (*shared, labels, sq_dists))
