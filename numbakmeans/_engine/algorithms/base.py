"""The interface of all algorithms, and the loop over passes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbakmeans._engine.constraints import Constraints
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.relocation import relocations
from numbakmeans._engine.samples import Samples, update_means
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

RELABEL_ROWS = Entry("numbakmeans._engine.kernels.sums", "relabel_rows")
SHIFT = Entry("numbakmeans._engine.kernels.means", "shift")

#: Called after each pass with its number and the number of rows that moved.
Progress = Callable[[int, int], None] | None


class Rules(NamedTuple):
    """When passes end, and what they do about empty clusters.

    max_iter : maximum number of passes
    stop_on_empty : whether to stop after the first pass that leaves a cluster empty
    relocates : whether empty clusters take rows of other clusters (`relocation`)
    tol : passes end when the squared shifts of all centers in a pass sum up to no more; 0 : at the fixed
    point alone
    constraints : on the centers; None if they are means
    """

    max_iter: int
    stop_on_empty: bool = False
    relocates: bool = False
    tol: float = 0.0
    constraints: Constraints | None = None

    @property
    def fixed(self) -> np.ndarray | None:
        """The mask of fixed centers, None if there are none; their clusters take no rows of others."""
        return None if self.constraints is None else self.constraints.fixed


class Pass(NamedTuple):
    """Statistics of one pass.

    moved, n_decided : rows that changed their label, and rows that were labeled by reference distances
    n_pairs : pairs of row and center whose distance was computed, by its definition or as a score
    """

    moved: int
    n_decided: int
    n_pairs: int


class Advance(NamedTuple):
    """Statistics of some passes; the fields are those of `Run` and `Pass`, for these passes alone.

    moved : with rows that were relocated; close : whether the last pass shifted the centers by at most `tol`
    """

    n_iter: int
    moved: int
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int
    close: bool


class Run(NamedTuple):
    """Statistics of all passes; n_decided and n_pairs are totals, kept_bytes was kept between passes.

    converged : whether the passes ended at the fixed point, or within the tolerance; settled : the former
    """

    n_iter: int
    converged: bool
    settled: bool
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int
    kept_bytes: int


class Algorithm:
    """A way to run passes: assign every row to its nearest center, and keep the sums of the clusters.

    An instance serves a single fit, and may keep any state between its passes.
    """

    #: The driver that runs one pass.
    driver: Driver
    #: Whether the data must have a transform, that is, be finite and of moderate magnitude.
    needs_transform = True
    #: Whether it needs all rows at once, not in slabs.
    whole = False
    #: Whether the data must be finite.
    finite = False
    #: Whether it constrains centers after each pass (`constraints`).
    constrains = True
    #: The rules of this fit.
    rules = Rules(sys.maxsize)

    def __init__(self, samples: Samples, plan: Plan, transform: Transform) -> None:
        self.samples, self.plan, self.transform = samples, plan, transform

    def run(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> Pass:
        """Assign every row to its nearest center, and bring labels and sums up to date.

        Parameters
        ----------
        centers : (n_clusters, padded features), float64
        labels : INOUT (n_samples,), int32, -1 before the first pass
        tables : INOUT, the exact sums
        """
        raise NotImplementedError

    def finish(self, labels: np.ndarray) -> None:
        """Write labels that `run` kept elsewhere; called after the last pass, and before a relocation."""

    def relabeled(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Bring what is kept between passes up to date after some rows were relocated.

        rows : their indices; labels : of all rows, the new ones of these rows included
        """

    def _relocate(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> int:
        """Give empty clusters rows of other clusters; return how many were moved."""
        sizes = tables.counts[:, : len(centers)].sum(0)
        if sizes.all():
            return 0
        self.finish(labels)
        rows, clusters = relocations(self.samples, centers, labels, sizes, self.rules.fixed)
        if len(rows):
            X, old = self.samples.array[rows].astype(self.samples.dtype, order="C"), labels[rows]
            weights = None if self.samples.weights is None else self.samples.kernel_weights[rows]
            RELABEL_ROWS(X, clusters, old, tables._replace(weights=weights))
            labels[rows] = clusters
            self.relabeled(rows, labels)
        return len(rows)

    def advance(self, centers: np.ndarray, labels: np.ndarray, tables: Sums, n_passes: int) -> Advance:
        """Run up to n_passes passes, updating centers, labels and tables; this default runs one."""
        rules = self.rules
        before = centers.copy() if rules.tol > 0.0 or rules.constraints is not None else centers
        moved, n_decided, n_pairs = self.run(centers, labels, tables)
        if rules.relocates:
            moved += self._relocate(centers, labels, tables)
        if moved:
            update_means(self.samples, tables, labels, centers)
            if rules.constraints is not None:
                rules.constraints.apply(self.samples, before, centers)
        n_empty = len(centers) - int(np.count_nonzero(tables.sizes))
        close = rules.tol > 0.0 and SHIFT(before, centers) <= rules.tol
        return Advance(1, moved, n_empty, n_empty > 0, n_decided, n_pairs, close)

    def tables(self, n_clusters: int) -> Sums:
        """Return zeroed exact sums."""
        return self.samples.tables(n_clusters, self.plan.n_tasks)

    def passes_per_call(self, n_clusters: int) -> int:
        """Return how many passes `advance` may run in one call, so that Ctrl-C is answered in time."""
        return 1

    def run_all(self, centers: np.ndarray, labels: np.ndarray, rules: Rules, progress: Progress) -> Run:
        """Run passes until the rules, or the fixed point, end them; progress : as in `fit.iterate`.

        centers : INOUT, labels : INOUT, as for `run`
        """
        self.rules, max_iter = rules, rules.max_iter
        tables = self.tables(len(centers))
        step = 1 if progress is not None else self.passes_per_call(len(centers))
        n_iter, moved, n_empty, ever_empty, n_decided, n_pairs, close = 0, -1, 0, False, 0, 0, False
        while n_iter < max_iter and moved != 0 and not close and not (rules.stop_on_empty and ever_empty):
            n_passes = min(step, max_iter - n_iter)
            done = self.advance(centers, labels, tables, n_passes)
            n_iter, moved, n_empty, close = n_iter + done.n_iter, done.moved, done.n_empty, done.close
            ever_empty = ever_empty or done.ever_empty
            n_decided, n_pairs = n_decided + done.n_decided, n_pairs + done.n_pairs
            if progress is not None:
                progress(n_iter, moved)
        self.finish(labels)
        kept = sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))
        return Run(n_iter, moved == 0 or close, moved == 0, n_empty, ever_empty, n_decided, n_pairs, kept)
