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

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.base import Algorithm, Pass
from numbakmeans._engine.algorithms.panels import panel_columns, rows_at_once
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.shapes.passes import Frame
from numbakmeans._numba.drivers import Driver

ASSIGN = Driver("numbakmeans._engine.kernels.certified", "assign")


def in_order(columns: int, n_clusters: int) -> np.ndarray:
    """Return which center stands where in panels of some columns: each at its index, -1 for none."""
    members = np.full(-(-n_clusters // columns) * columns, -1)
    members[:n_clusters] = np.arange(n_clusters)
    return members


class Layout(NamedTuple):
    """How rows and centers are laid out: rows of a block, are they turned, and which center stands where."""

    block_rows: int
    turns: bool
    members: np.ndarray


def layout(samples: Samples, plan: Plan, n_clusters: int) -> Layout:
    """Return the `Layout` for rows that want all centers."""
    itemsize = samples.dtype.itemsize
    columns = panel_columns(samples.dtype, n_clusters)
    members = in_order(columns, n_clusters)
    sizes = (samples.shape, itemsize, len(members) // columns, plan.n_slots)
    block_rows = _plan.block_rows(*sizes, rows_at_once(samples.dtype))
    return Layout(block_rows, _plan.turns(samples.shape[1], n_clusters, itemsize), members)


def nearest(samples: Samples, plan: Plan, frame: Frame, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of the nearest center (int32) and D to it (float64) for every row."""
    block_rows, turns, members = layout(samples, plan, len(centers))
    labels, sq_dists = np.empty(len(samples), np.int32), np.empty(len(samples))
    run = ASSIGN.on(plan.parallel)
    for rows, X in samples.slabs():
        shared = (plan.n_slots, block_rows, turns, centers, members)
        run(X, *shared, *frame, labels[rows], sq_dists[rows])
    return labels, sq_dists


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = Driver("numbakmeans._engine.kernels.certified", "certified_pass")

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
