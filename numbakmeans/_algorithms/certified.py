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
from numbakmeans._jit import driver, kernel, prange
from numbakmeans._kernels.certify import error_bounds, nearest_of_rows
from numbakmeans._kernels.exact import relabel
from numbakmeans._kernels.pack import (
    distinct_centers,
    pack_panels,
    pack_rows,
    panel_buffers,
    panel_columns,
    score_buffers,
)


@kernel
def in_order(columns, n_clusters):
    """Return which center stands where in panels of some columns: each at its index, -1 for none."""
    members = np.full((n_clusters + columns - 1) // columns * columns, -1, np.int64)
    for j in range(n_clusters):
        members[j] = j
    return members


@kernel
def prepare(X, centers, members, origin, scale):
    """Return what all chunks of a pass share: distinct, panels, half_norms, bounds."""
    n_clusters, n_features = centers.shape[0], X.shape[1]
    distinct = np.empty(n_clusters, np.bool_)
    distinct_centers(centers, n_features, distinct)
    columns = panel_columns(X, n_clusters)
    panels, half_norms, norms = panel_buffers(X, len(members) // columns, columns)
    pack_panels(centers, distinct, members, origin, scale, panels, half_norms, norms)
    bounds = np.empty((len(norms), 3))
    error_bounds(n_features, X.itemsize == 4, norms, bounds)
    return distinct, panels, half_norms, bounds


@kernel
def certified_slot(
    X,
    slot,
    n_slots,
    block_rows,
    centers,
    origin,
    scale,
    distinct,
    members,
    panels,
    half_norms,
    bounds,
    constants,
    scales,
    labels,
    sums,
    counts,
):
    """Assign the rows of one slot, every n-th block, and move them between its sums.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    shared = (distinct, members, panels, half_norms, bounds, np.zeros(len(panels), np.int64))
    rows, norms = np.empty((block_rows, X.shape[1]), X.dtype), np.empty(block_rows)
    scores, work = score_buffers(X, block_rows, len(panels)), np.empty((3, block_rows))
    picks, needs = np.empty(block_rows, np.int64), np.ones((1, block_rows), np.bool_)
    new_labels, rest = np.empty(block_rows, np.int64), np.empty(X.shape[1])
    moved, n_decided = 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        for i in range(start, stop):
            picks[i - start] = i
        pack_rows(X, picks, stop - start, origin, scale, rows, norms)
        n_decided += nearest_of_rows(
            X, picks, stop - start, needs, centers, shared, rows, norms, scores, work, new_labels
        )
        moved += relabel(X, start, stop, new_labels, constants, scales, rest, labels, sums, counts)
    return moved, n_decided


@driver
def certified_pass(X, block_rows, centers, members, origin, scale, constants, scales, labels, sums, counts):
    """Assign every row to its nearest center, and bring labels, sums and counts up to date.

    Arguments are those of `lloyd_pass`, with the order of the centers (`in_order`) and the frame of the
    packed buffers; X and centers finite.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    n_slots = sums.shape[0]
    distinct, panels, half_norms, bounds = prepare(X, centers, members, origin, scale)
    moved, n_decided = 0, 0
    for s in prange(n_slots):
        slot_moved, slot_decided = certified_slot(
            X,
            s,
            n_slots,
            block_rows,
            centers,
            origin,
            scale,
            distinct,
            members,
            panels,
            half_norms,
            bounds,
            constants,
            scales,
            labels,
            sums[s],
            counts[s],
        )
        moved += slot_moved
        n_decided += slot_decided
    return moved, n_decided


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = certified_pass

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        samples, (_, constants, scales) = self.samples, self.grids
        columns = panel_columns(np.empty((0, 0), samples.dtype), len(centers))
        members = in_order(columns, len(centers))
        block_rows = _plan.block_rows(
            samples.shape, samples.dtype.itemsize, len(members) // columns, self.plan.n_slots
        )
        run = self.driver.on(self.plan.parallel)
        shared = (centers, members, *self.frame, constants, scales)
        moved, n_decided = 0, 0
        for rows, X in samples.slabs():
            done = run(X, block_rows, *shared, labels[rows], sums, counts)
            moved, n_decided = moved + done[0], n_decided + done[1]
        return Pass(moved, n_decided, len(labels) * len(centers))
