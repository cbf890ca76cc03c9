"""What every algorithm is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples, update_means
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver

#: Called with the pass and the number of rows that moved, after each pass.
Progress = Callable[[int, int], None] | None


class Pass(NamedTuple):
    """What one pass did.

    moved, n_decided : rows that changed their label, and rows that were labelled by the definition
    n_pairs : pairs of row and center whose distance was computed, exactly or as a score
    """

    moved: int
    n_decided: int
    n_pairs: int


class Advance(NamedTuple):
    """What some passes did; the fields are those of `Run` and `Pass`, of these passes alone."""

    n_iter: int
    moved: int
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int


class Run(NamedTuple):
    """What all passes did; n_decided and n_pairs add up, kept_bytes is what was kept between them."""

    n_iter: int
    converged: bool
    n_empty: int
    ever_empty: bool
    n_decided: int
    n_pairs: int
    kept_bytes: int


class Algorithm:
    """One way to run passes: assign every row to its nearest center, and keep the sums of the clusters.

    An object lives as long as one fit, and may remember between its passes what it likes.
    """

    #: What runs one pass.
    driver: Driver
    #: Whether it takes only data with a frame: finite, and of moderate size.
    needs_transform = True
    #: Whether it wants all rows at once, and not in slabs.
    whole = False
    #: Whether it takes finite data alone.
    finite = False
    #: How many passes there may be.
    max_iter = sys.maxsize

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
        """Write to labels what `run` kept elsewhere; called once, after the last pass."""

    def advance(
        self, centers: np.ndarray, labels: np.ndarray, tables: Sums, n_passes: int, stop_on_empty: bool
    ) -> Advance:
        """Make up to n_passes passes, and bring centers, labels and tables up to date: one pass."""
        moved, n_decided, n_pairs = self.run(centers, labels, tables)
        if moved:
            update_means(self.samples, tables, self.samples.single, centers)
        n_empty = len(centers) - int(np.count_nonzero(tables.sizes))
        return Advance(1, moved, n_empty, n_empty > 0, n_decided, n_pairs)

    def tables(self, n_clusters: int) -> Sums:
        """Return exact sums of nothing."""
        return self.samples.tables(n_clusters, self.plan.n_tasks)

    def passes_per_call(self, n_clusters: int) -> int:
        """Return how many passes `advance` may make, so that Ctrl-C is answered in time."""
        return 1

    def run_all(
        self, centers: np.ndarray, labels: np.ndarray, max_iter: int, stop_on_empty: bool, progress: Progress
    ) -> Run:
        """Make up to max_iter passes, and stop at the fixed point; the arguments are those of `fit.iterate`.

        centers : INOUT, labels : INOUT, as for `run`
        """
        self.max_iter = max_iter
        tables = self.tables(len(centers))
        step = 1 if progress is not None else self.passes_per_call(len(centers))
        n_iter, moved, n_empty, ever_empty, n_decided, n_pairs = 0, -1, 0, False, 0, 0
        while n_iter < max_iter and moved != 0 and not (stop_on_empty and ever_empty):
            n_passes = min(step, max_iter - n_iter)
            done = self.advance(centers, labels, tables, n_passes, stop_on_empty)
            n_iter, moved, n_empty = n_iter + done.n_iter, done.moved, done.n_empty
            ever_empty = ever_empty or done.ever_empty
            n_decided, n_pairs = n_decided + done.n_decided, n_pairs + done.n_pairs
            if progress is not None:
                progress(n_iter, moved)
        self.finish(labels)
        kept = sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))
        return Run(n_iter, moved == 0, n_empty, ever_empty, n_decided, n_pairs, kept)
