"""Lloyd's algorithm with approximate scores from a register tile, and a certificate for each label.

Rows without a certificate are decided by reference distances. The labels are those of `lloyd`, at the speed
of the machine's fused multiply-adds.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.base import Algorithm, Pass
from numbakmeans._engine.algorithms.panels import panel_columns, places_of, rows_at_once
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples, tables_of
from numbakmeans._engine.structs.passes import Assigned, Layout, Transform
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import group

ASSIGN = Driver("numbakmeans._engine.kernels.certified", "assign")


def layout(samples: Samples, plan: Plan, transform: Transform, n_clusters: int) -> Layout:
    """Return the `Layout` for rows that are compared with all centers, packed in their own order."""
    itemsize = samples.dtype.itemsize
    places = places_of(np.arange(n_clusters), panel_columns(samples.dtype, n_clusters))
    sizes = (samples.shape, itemsize, len(places.groups), plan.n_tasks)
    block_rows = _plan.block_rows(*sizes, rows_at_once(samples.dtype))
    return Layout(block_rows, _plan.transposes(samples.shape[1], n_clusters, itemsize), transform, places)


def nearest(
    samples: Samples, plan: Plan, transform: Transform, centers: np.ndarray, *, with_dists: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return what `assignment.nearest` does, and whether it holds: if all rows are finite and suit the scale.

    Without distances, the second array has none.
    """
    shared = (plan.n_tasks, layout(samples, plan, transform, len(centers)), centers)
    labels, sq_dists = np.empty(len(samples), np.int32), np.empty(len(samples) if with_dists else 0)
    run, n_beyond = ASSIGN.on(plan.parallel), 0
    for rows, X in samples.slabs():
        n_beyond += run(X, *shared, (labels[rows], sq_dists[rows] if with_dists else sq_dists))
    return labels, sq_dists, n_beyond == 0


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = Driver("numbakmeans._engine.kernels.certified", "certified_pass")

    def __init__(self, samples: Samples, plan: Plan, transform: Transform) -> None:
        super().__init__(samples, plan, transform)
        self.norms = np.empty(len(samples))
        self.layout: Layout | None = None

    def run(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> Pass:
        samples, plan = self.samples, self.plan
        self.layout = self.layout or group(layout(samples, plan, self.transform, len(centers)))
        run = self.driver.on(plan.parallel)
        moved, n_decided = 0, 0
        for rows, X in samples.slabs():
            assigned = Assigned(labels[rows], self.norms[rows])
            done = run(X, self.layout, centers, assigned, tables_of(tables, rows))
            moved, n_decided = moved + done[0], n_decided + done[1]
        return Pass(moved, n_decided, len(labels) * len(centers))
