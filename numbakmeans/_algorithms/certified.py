"""Lloyd's algorithm with scores from a register tile, and labels certified or decided by the definition.

The same labels as `lloyd`, at the speed of the machine's fused multiply-adds.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._jit import kernel
from numbakmeans._kernels.canonical import label_sq_dists_chunk
from numbakmeans._kernels.certify import block_buffers, nearest_of_rows, pack_centers, score_all
from numbakmeans._kernels.pack import measure_rows, panel_columns, rows_at_once
from numbakmeans._kernels.sums import relabel
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples
from numbakmeans._slots import driver, spread


def in_order(columns: int, n_clusters: int) -> np.ndarray:
    """Return which center stands where in panels of some columns: each at its index, -1 for none."""
    members = np.full(-(-n_clusters // columns) * columns, -1)
    members[:n_clusters] = np.arange(n_clusters)
    return members


@kernel
def label_block(X, start, stop, block, centers, packed, origin, scale):
    """Tile. Label rows [start, stop), whose norms are those of the block; return how many were decided."""
    n_picks = score_all(X, start, stop, block, packed, origin, scale)
    return nearest_of_rows(X, block, n_picks, centers, packed, scale)


@kernel
def certified_slot(
    slot,
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
    block = block_buffers(X, block_rows, len(packed.panels), 1, turns, not as_is)
    rest = new_empty(X.shape[1], np.float64)
    tables = (labels, sums[slot], counts[slot])
    moved, n_decided = 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        if labels[start] < 0:
            measure_rows(X, start, stop, origin, scale, norms)
        for i in range(start, stop):
            block.norms[i - start] = norms[i]
        n_decided += label_block(X, start, stop, block, centers, packed, origin, scale)
        moved += relabel(X, start, stop, block.labels, constants, scales, rest, *tables)
    return moved, n_decided


@driver
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
    groups = new_zeros(len(members), np.int64)
    packed = pack_centers(loop, n_slots, X, centers, members, groups, origin, scale)
    shared = (X, block_rows, turns, centers, packed, origin, scale, as_is, norms)
    return spread(loop, n_slots, certified_slot, (*shared, constants, scales, labels, sums, counts))


@kernel
def assign_slot(slot, X, n_slots, block_rows, turns, centers, packed, origin, scale, as_is, labels, sq_dists):
    """Slot. Label the rows of every n-th block; see `assign`."""
    block = block_buffers(X, block_rows, len(packed.panels), 1, turns, not as_is)
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        measure_rows(X[start:stop], 0, stop - start, origin, scale, block.norms)
        label_block(X, start, stop, block, centers, packed, origin, scale)
        for t in range(stop - start):
            labels[start + t] = block.labels[t]
        label_sq_dists_chunk(X, centers, labels, start, stop, sq_dists)


@driver
def assign(loop, X, n_slots, block_rows, turns, centers, members, origin, scale, as_is, labels, sq_dists):
    """Write label and D of the nearest center for every row.

    labels : OUT (n_samples,), int32; sq_dists : OUT (n_samples,), float64, squared units of X
    The others are those of `certified_pass`.
    """
    groups = new_zeros(len(members), np.int64)
    packed = pack_centers(loop, n_slots, X, centers, members, groups, origin, scale)
    shared = (X, n_slots, block_rows, turns, centers, packed, origin, scale, as_is)
    spread(loop, n_slots, assign_slot, (*shared, labels, sq_dists))


class Layout(NamedTuple):
    """How rows and centers are laid out: rows of a block, are they turned, and which center stands where."""

    block_rows: int
    turns: bool
    members: np.ndarray


def layout(samples: Samples, plan: Plan, n_clusters: int) -> Layout:
    """Return the `Layout` for rows that want all centers."""
    none, itemsize = np.empty((0, 0), samples.dtype), samples.dtype.itemsize
    columns = panel_columns(none, n_clusters)
    members = in_order(columns, n_clusters)
    sizes = (samples.shape, itemsize, len(members) // columns, plan.n_slots)
    block_rows = _plan.block_rows(*sizes, rows_at_once(none))
    return Layout(block_rows, _plan.turns(samples.shape[1], n_clusters, itemsize), members)


def nearest(samples: Samples, plan: Plan, frame: Frame, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of the nearest center (int32) and D to it (float64) for every row."""
    block_rows, turns, members = layout(samples, plan, len(centers))
    labels, sq_dists = np.empty(len(samples), np.int32), np.empty(len(samples))
    run = assign.on(plan.parallel)
    for rows, X in samples.slabs():
        shared = (plan.n_slots, block_rows, turns, centers, members)
        run(X, *shared, *frame, labels[rows], sq_dists[rows])
    return labels, sq_dists


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = certified_pass
    tier = certified_pass.tier

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.norms = np.empty(len(samples))

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        samples, (_, constants, scales) = self.samples, self.grids
        block_rows, turns, members = layout(samples, self.plan, len(centers))
        run = self.driver.on(self.plan.parallel)
        moved, n_decided = 0, 0
        for rows, X in samples.slabs():
            shared = (centers, members, *self.frame, self.norms[rows], constants, scales)
            done = run(X, block_rows, turns, *shared, labels[rows], sums, counts)
            moved, n_decided = moved + done[0], n_decided + done[1]
        return Pass(moved, n_decided, len(labels) * len(centers))
