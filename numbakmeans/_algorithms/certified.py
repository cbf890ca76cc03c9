"""Lloyd's algorithm with scores from a register tile, and labels certified or decided by the definition.

The same labels as `lloyd`, at the speed of the machine's fused multiply-adds.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from __future__ import annotations

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._jit import kernel
from numbakmeans._kernels.certify import block_buffers, nearest_of_rows, pack_centers, score_all
from numbakmeans._kernels.exact import relabel
from numbakmeans._kernels.pack import measure_rows, panel_columns, rows_at_once
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples
from numbakmeans._slots import driver, spread


@kernel
def in_order(columns, n_clusters):
    """Return which center stands where in panels of some columns: each at its index, -1 for none."""
    members = np.full((n_clusters + columns - 1) // columns * columns, -1, np.int64)
    for j in range(n_clusters):
        members[j] = j
    return members


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
    rest = np.empty(X.shape[1])
    tables = (labels, sums[slot], counts[slot])
    moved, n_decided = 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        if labels[start] < 0:
            measure_rows(X, start, stop, origin, scale, norms)
        n_picks = score_all(X, start, stop, block, len(centers), packed, origin, scale, norms)
        n_decided += nearest_of_rows(X, block, n_picks, centers, packed, scale)
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
    packed = pack_centers(X, centers, members, np.zeros(len(members), np.int64), origin, scale)
    shared = (X, block_rows, turns, centers, packed, origin, scale, as_is, norms)
    return spread(loop, sums.shape[0], certified_slot, (*shared, constants, scales, labels, sums, counts))


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = certified_pass

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.norms = np.empty(len(samples))

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        samples, (_, constants, scales) = self.samples, self.grids
        none = np.empty((0, 0), samples.dtype)
        columns = panel_columns(none, len(centers))
        members = in_order(columns, len(centers))
        n_panels = len(members) // columns
        block_rows = _plan.block_rows(
            samples.shape, samples.dtype.itemsize, n_panels, self.plan.n_slots, rows_at_once(none)
        )
        turns = _plan.turns(samples.shape[1], len(centers), samples.dtype.itemsize)
        run = self.driver.on(self.plan.parallel)
        moved, n_decided = 0, 0
        for rows, X in samples.slabs():
            shared = (centers, members, *self.frame, self.norms[rows], constants, scales)
            done = run(X, block_rows, turns, *shared, labels[rows], sums, counts)
            moved, n_decided = moved + done[0], n_decided + done[1]
        return Pass(moved, n_decided, len(labels) * len(centers))
