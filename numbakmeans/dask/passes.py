"""The passes of a fit over all parts, and its results."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.base import RELABEL_ROWS, Algorithm, Pass
from numbakmeans._engine.parts import passes as tasks
from numbakmeans._engine.parts.passes import Contribution, Total
from numbakmeans._engine.parts.whole import template
from numbakmeans._engine.relocation import choose, empty_clusters, enough
from numbakmeans._engine.samples import padded, update_means
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._engine.transforms import NO_TRANSFORM
from numbakmeans.dask.collections import Parts


class Passes(Algorithm):
    """Passes over parts: each task returns sums, which are merged; only these and the centers travel.

    Labels are not kept: `run_all` is given none.
    """

    def __init__(self, parts: Parts) -> None:
        whole = parts.whole
        rows = template(whole, whole.weighted)
        super().__init__(rows, _plan.sweep(rows.shape, work=0), NO_TRANSFORM)
        self._parts, self._labels = parts, np.empty(0, np.int64)

    def run(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> Pass:
        parts, shared = self._parts, self._parts.share("centers", centers.copy())
        calls = parts.each("pass", tasks.contribution, lambda p: (*parts.rows(p), shared, parts.starts[p]))
        found: Contribution = parts.reduce("pass", calls, tasks.merge_contributions)
        tables.sums[0], tables.counts[0] = found.sums, found.counts
        # How many rows moved is not known: what matters is whether any did.
        moved = 0 if np.array_equal(found.fingerprint, self._labels) else 1
        self._labels = found.fingerprint
        return Pass(moved, 0, len(parts) * len(centers))

    def _relocate(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> int:
        sizes = tables.counts[0]
        empty = empty_clusters(sizes, self.rules.fixed)
        if not len(empty):
            return 0
        parts, shared, most = self._parts, self._parts.share("centers", centers.copy()), enough(empty, sizes)
        calls = parts.each("costly", tasks.costly, lambda p: (*parts.rows(p), shared, parts.starts[p], most))
        found = parts.reduce("costly", calls, functools.partial(tasks.merge_costly, n_rows=most))
        chosen = found.at(choose(found.labels, sizes, len(empty)))
        if len(chosen.rows):
            clusters = empty[: len(chosen.rows)]
            new = clusters.astype(np.int32)
            self._labels = tasks.relabeled(self._labels, chosen.rows, chosen.labels, new)
            RELABEL_ROWS(chosen.values, clusters, chosen.labels, tables._replace(weights=chosen.weights))
        return len(chosen.rows)


def mean_variance(parts: Parts) -> float:
    """Return what `fit.mean_variance` does."""
    whole = parts.whole
    shared = parts.shared_whole
    sums = parts.each("mean", tasks.column_sums, lambda p: (parts.blocks[p], shared))
    found = parts.reduce("mean", sums, tasks.merge_contributions)
    rows = template(whole, False)
    tables, mean = rows.tables(1, 1), np.zeros((1, padded(rows.shape[1])))
    tables.sums[0], tables.counts[0] = found.sums, found.counts
    update_means(rows, tables, np.zeros(0, np.int32), mean, single=False)
    origin = parts.share("mean", mean)
    variances = parts.each("variance", tasks.variance, lambda p: (parts.blocks[p], shared, origin))
    total: Total = parts.reduce("variance", variances, tasks.merge_totals)
    return total.rounded() / (whole.n_samples * rows.shape[1])


def inertia(parts: Parts, centers: np.ndarray) -> Total:
    """Return the inertia for centers (n_clusters, n_features), and the sizes of the clusters."""
    shared = parts.share("centers", centers)
    calls = parts.each("inertia", tasks.inertia, lambda p: (*parts.rows(p), shared))
    found: Any = parts.reduce("inertia", calls, tasks.merge_totals)
    return Total(*found)
