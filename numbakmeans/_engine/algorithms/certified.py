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
from numbakmeans._engine.algorithms.base import SHIFT, Advance, Algorithm, Pass
from numbakmeans._engine.algorithms.panels import panel_columns, places_of, rows_at_once
from numbakmeans._engine.exact import recompute_means
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples, tables_of, update_means
from numbakmeans._engine.structs.passes import Assigned, Layout, Transform
from numbakmeans._engine.structs.problems import Answer, Options
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import group

ASSIGN = Driver("numbakmeans._engine.kernels.certified", "assign")
PASSES = Driver("numbakmeans._engine.kernels.certified", "certified_passes")


def layout(samples: Samples, plan: Plan, transform: Transform, n_clusters: int) -> Layout:
    """Return the `Layout` for rows that are compared with all centers, packed in their own order."""
    itemsize = samples.dtype.itemsize
    places = places_of(np.arange(n_clusters), panel_columns(samples.dtype, n_clusters))
    sizes = (samples.shape, itemsize, len(places.groups), plan.n_tasks)
    block_rows = _plan.block_rows(*sizes, rows_at_once(samples.dtype))
    n_features = samples.shape[1]
    transposes = _plan.transposes(n_features, n_clusters, itemsize)
    return Layout(block_rows, transposes, transform, places, _plan.means(n_clusters, n_features).chunk_rows)


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
        run, layout = self.driver.on(self.plan.parallel), self._layout(len(centers))
        moved, n_decided = 0, 0
        for rows, X in self.samples.slabs():
            assigned = Assigned(labels[rows], self.norms[rows])
            done = run(X, layout, centers, assigned, tables_of(tables, rows))
            moved, n_decided = moved + done[0], n_decided + done[1]
        return Pass(moved, n_decided, len(labels) * len(centers))

    def _layout(self, n_clusters: int) -> Layout:
        self.layout = self.layout or group(layout(self.samples, self.plan, self.transform, n_clusters))
        return self.layout

    def _in_one_call(self) -> bool:
        """Whether the kernel makes several passes: constraints, and rows in slabs, are left to Python."""
        return self.samples.X is not None and self.rules.constraints is None

    def passes_per_call(self, n_clusters: int) -> int:
        return _plan.per_call(self.samples.size * n_clusters) if self._in_one_call() else 1

    def advance(self, centers: np.ndarray, labels: np.ndarray, tables: Sums, n_passes: int) -> Advance:
        if not self._in_one_call():
            return super().advance(centers, labels, tables, n_passes)
        samples, rules = self.samples, self.rules
        before = np.empty_like(centers) if rules.tol > 0.0 else centers
        options = Options(samples.single, n_passes, rules.stop_on_empty, rules.relocates, rules.tol)
        state = Answer(centers, labels, before), self.norms
        run = PASSES.on(self.plan.parallel)
        n_iter, moved, n_empty, ever_empty, n_decided, n_uncertain, close = run(
            samples.X, self._layout(len(centers)), options, state, tables
        )
        if n_uncertain:
            recompute_means(tables, samples.single, centers)
        elif rules.relocates and n_empty:
            # The kernel stops at the first pass that leaves a cluster empty.
            moved += self._relocate(centers, labels, tables)
            if moved:
                update_means(samples, tables, labels, centers)
            n_empty = len(centers) - int(np.count_nonzero(tables.sizes))
            ever_empty = n_empty > 0
        close = close or (rules.tol > 0.0 and SHIFT(before, centers) <= rules.tol)
        return Advance(
            n_iter, moved, n_empty, ever_empty, n_decided, n_iter * len(labels) * len(centers), close
        )
