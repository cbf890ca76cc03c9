"""Few features: rows in spatial blocks, and for each block only its candidate centers.

`kernels.filtering` explains a pass and proves it correct; `kernels.cells` describes the blocks.
"""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms.base import Algorithm, Pass
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples, computed_once
from numbakmeans._engine.structs.cells import MIXED, UNASSIGNED, Assignment, Blocks, Book, CellGrid
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry, group

SORT_ROWS = Driver("numbakmeans._engine.kernels.cells", "sort_rows")
CUT_BLOCKS = Entry("numbakmeans._engine.kernels.cells", "cut_blocks")
WIDTHS_OF = Entry("numbakmeans._engine.kernels.cells", "widths_of")
FILL_BLOCKS = Driver("numbakmeans._engine.kernels.cells", "fill_blocks")
LABELS_OF_ROWS = Driver("numbakmeans._engine.kernels.cells", "labels_of_rows")


def lay_grid(samples: Samples, n_bits: int) -> CellGrid:
    """Return a grid of 2**n_bits cells that covers the bulk of the rows."""
    n_samples, n_features = samples.shape
    sample = np.sort(samples.rows(slice(None, None, max(1, n_samples // at.SAMPLE_GRID_ROWS))), axis=0)
    # A few outliers must not stretch the cells of all other rows; they go to the outermost cells.
    rim = len(sample) // 200
    # `sample` has the memory order of the caller's array, so a single row need not be contiguous.
    origin, end = np.ascontiguousarray(sample[rim]), sample[-1 - rim]
    sides = end - origin
    halvings = np.zeros(n_features, np.int64)
    order = []
    for _ in range(n_bits):
        f = int(np.argmax(sides / 2.0**halvings))
        halvings[f] += 1
        order.append(f)
    counts = 2**halvings
    with np.errstate(divide="ignore", over="ignore"):
        steps = np.where(sides > 0, counts / sides, 0.0)
    bits = np.zeros((n_features, int(counts.max())), np.int32)
    left = halvings.copy()
    for level, f in enumerate(order):
        left[f] -= 1
        bits[f] |= ((np.arange(bits.shape[1]) >> left[f]) & 1).astype(np.int32) << (n_bits - 1 - level)
    return CellGrid(origin, np.where(np.isfinite(steps), steps, 0.0), (counts - 1).astype(np.float64), bits)


class Filtering(Algorithm):
    """Rows in spatial blocks, and for each block only the centers that can be nearest in it."""

    driver = Driver("numbakmeans._engine.kernels.filtering", "filtered_pass")
    whole = True

    def __init__(self, samples: Samples, plan: Plan, transform: Transform) -> None:
        super().__init__(samples, plan, transform)
        X, (n_samples, n_features) = samples.X, samples.shape
        bins = samples.bins
        n_bits = _plan.grid_bits(n_samples)
        self.order = np.empty(n_samples, np.int32)
        self.labels = np.empty(n_samples, np.int32)
        ends = np.zeros((plan.n_tasks, 2**n_bits), np.int32)
        SORT_ROWS.on(plan.parallel)(X, lay_grid(samples, n_bits), ends, self.labels, self.order)
        self.labels.fill(-1)
        starts = np.empty(min(n_samples, ends.shape[1] + n_samples // at.MAX_SPATIAL_ROWS) + 1, np.int64)
        n_blocks = CUT_BLOCKS(ends[-1], at.MAX_SPATIAL_ROWS, starts)
        self.starts = starts[: n_blocks + 1].copy()
        self.widths = np.empty(n_blocks + 1, np.int64)
        WIDTHS_OF(self.starts, X, self.widths)
        self.data = np.empty(self.widths[-1] * n_features, samples.dtype)
        self.lows, self.highs = np.empty((n_blocks, n_features)), np.empty((n_blocks, n_features))
        self.totals = np.zeros((n_blocks, *bins.constants.shape), np.int64)
        self.counts = np.empty(n_blocks, np.int64)
        self.block_labels = np.full(n_blocks, UNASSIGNED, np.int32)
        # Built from attributes, so that `run_all` counts their bytes.
        of_blocks = self.lows, self.highs, self.totals, self.counts
        self.blocks = group(Blocks(self.starts, self.widths, self.data, *of_blocks))
        weights = None if samples.weights is None else samples.kernel_weights
        FILL_BLOCKS.on(plan.parallel)(X, plan.n_tasks, self.order, self.blocks, (weights, bins))

    def tables(self, n_clusters: int) -> Sums:
        """Return zeroed exact sums, with the weights of the sorted rows."""
        tables = super().tables(n_clusters)
        return tables if tables.weights is None else tables._replace(weights=tables.weights[self.order])

    def run(self, centers: np.ndarray, _: np.ndarray, tables: Sums) -> Pass:
        book = Book(np.ascontiguousarray(centers[:, : self.samples.shape[1]].T), centers)
        assignment = Assignment(self.block_labels, self.labels, tables)
        run = self.driver.on(self.plan.parallel)
        return Pass(*run(at.SPATIAL_CHUNK_BLOCKS, self.blocks, book, assignment))

    def relabeled(self, rows: np.ndarray, labels: np.ndarray) -> None:
        for b in np.unique(np.searchsorted(self.starts, self._places[rows], side="right") - 1).tolist():
            # The labels of its rows differ now.
            block = slice(self.starts[b], self.starts[b + 1])
            self.labels[block], self.block_labels[b] = labels[self.order[block]], MIXED

    @computed_once
    def _places(self) -> np.ndarray:
        """Where each row is in the spatial order."""
        places = np.empty_like(self.order)
        places[self.order] = np.arange(len(self.order), dtype=np.int32)
        return places

    def finish(self, labels: np.ndarray) -> None:
        run = LABELS_OF_ROWS.on(self.plan.parallel)
        run(self.order, self.plan.n_tasks, self.starts, self.block_labels, (self.labels, labels))
