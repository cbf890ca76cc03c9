"""Few rows: reference distances only, on rows that stay packed, with many passes per call.

The same as `lloyd`, for problems so small that calling compiled code costs as much as running it.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms.base import SHIFT, Advance, Algorithm
from numbakmeans._engine.exact import recompute_means_of_rows
from numbakmeans._engine.relocation import relocations
from numbakmeans._engine.samples import labeled_means
from numbakmeans._engine.structs.problems import Answer, Options
from numbakmeans._engine.structs.sums import Bins, Sums
from numbakmeans._numba.entries import Entry

_MATRIX = ("d", 2)
_REST = (Options, "?", "q", "?", "?", "d"), (Answer, _MATRIX, ("i", 1), _MATRIX)
#: With the parts of the rows kept between passes; without; and without, for rows that have weights.
SOLVE_KEPT, SOLVE, SOLVE_WEIGHTED = (
    Entry(
        "numbakmeans._engine.kernels.small",
        "solve",
        kinds=(_MATRIX, *with_parts, *_REST, (tuple, ("l", 1), ("?", 2), weights)),
    )
    for with_parts, weights in ((("?", None), None), ((None, "?"), None), ((None, "?"), ("d", 1)))
)
_NO_BINS = Bins(np.empty((0, 0), np.int64), np.empty((0, 0)), np.empty(0))
_NO_CENTERS = np.empty((0, 0))
_NO_SUMS = _NO_BINS, np.empty((0, 0, 0, 0), np.int64), np.empty((0, 0), np.int64)


class Small(Algorithm):
    """Reference distances on one thread, with many passes per call."""

    needs_transform = False
    whole = True
    finite = True
    constrains = False

    def passes_per_call(self, n_clusters: int) -> int:
        work = _plan.pass_work(len(self.samples), self.samples.shape[1], n_clusters)
        return _plan.per_call(work)

    def tables(self, n_clusters: int) -> Sums:
        """Return only the arrays that the kernel writes: its sums are internal."""
        uncertain = np.zeros((n_clusters, self.samples.shape[1]), np.bool_)
        weights = None if self.samples.weights is None else self.samples.kernel_weights
        return Sums(*_NO_SUMS, np.zeros(n_clusters, np.int64), uncertain, weights)

    def advance(self, centers: np.ndarray, labels: np.ndarray, tables: Sums, n_passes: int) -> Advance:
        samples, rules = self.samples, self.rules
        before = np.empty_like(centers) if rules.tol > 0.0 else _NO_CENTERS
        options = Options(samples.single, n_passes, rules.stop_on_empty, rules.relocates, rules.tol)
        rest = (options, Answer(centers, labels, before), (tables.sizes, tables.uncertain, tables.weights))
        n_iter = 0
        if tables.weights is None and _plan.keeps_parts(samples.shape[1], len(centers)):
            n_iter, *done = SOLVE_KEPT(samples.wide, True, None, *rest)
        if n_iter == 0:
            solve = SOLVE if tables.weights is None else SOLVE_WEIGHTED
            n_iter, *done = solve(samples.wide, None, True, *rest)
        moved, n_empty, ever_empty, n_uncertain, close = done
        if n_uncertain:
            of_rows = samples.wide, samples.weights, labels
            recompute_means_of_rows(*of_rows, samples.single, centers, tables.uncertain)
        elif rules.relocates and n_empty:
            n_relocated = self._relocate_few(centers, labels)
            moved, n_empty = moved + n_relocated, n_empty - n_relocated
            # The kernel stops at the first pass that leaves a cluster empty.
            ever_empty = n_empty > 0
        if rules.tol > 0.0 and not close:
            close = SHIFT(before, centers) <= rules.tol
        n_decided = n_iter * len(labels)
        pairs = n_decided * len(centers)
        return Advance(n_iter, moved, n_empty, ever_empty, n_decided, pairs, close)

    def _relocate_few(self, centers: np.ndarray, labels: np.ndarray) -> int:
        """Give empty clusters rows of other clusters, and update the centers; return how many were moved."""
        samples = self.samples
        counted = labels if samples.weights is None else labels[samples.weights > 0]
        sizes = np.bincount(counted, minlength=len(centers))
        rows, clusters = relocations(samples, centers, labels, sizes)
        labels[rows] = clusters
        means, sizes = labeled_means(samples, labels, len(centers))
        centers[:] = centers.astype(samples.dtype)
        centers[sizes > 0, : samples.shape[1]] = means[sizes > 0]
        return len(rows)
