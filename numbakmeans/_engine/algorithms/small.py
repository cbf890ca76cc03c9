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
from numbakmeans._engine.algorithms.base import Advance, Algorithm
from numbakmeans._engine.exact import recompute_means_of_rows
from numbakmeans._engine.structs.problems import Answer, Options
from numbakmeans._engine.structs.sums import Bins, Sums
from numbakmeans._numba.entries import Entry

_MATRIX = ("d", 2)
_REST = ((Options, "?", "q", "?"), (Answer, _MATRIX, ("i", 1)), (tuple, ("l", 1), ("?", 2)))
#: With the parts of the rows kept between passes, and without.
SOLVE_KEPT, SOLVE = (
    Entry("numbakmeans._engine.kernels.small", "solve", kinds=(_MATRIX, *with_parts, *_REST))
    for with_parts in (("?", None), (None, "?"))
)
_NO_BINS = Bins(np.empty((0, 0), np.int64), np.empty((0, 0)), np.empty(0))
_NO_SUMS = _NO_BINS, np.empty((0, 0, 0, 0), np.int64), np.empty((0, 0), np.int64)


class Small(Algorithm):
    """Reference distances on one thread, with many passes per call."""

    needs_transform = False
    whole = True
    finite = True

    def passes_per_call(self, n_clusters: int) -> int:
        work = _plan.pass_work(len(self.samples), self.samples.shape[1], n_clusters)
        return _plan.per_call(work)

    def tables(self, n_clusters: int) -> Sums:
        """Return only the arrays that the kernel writes: its sums are internal."""
        uncertain = np.zeros((n_clusters, self.samples.shape[1]), np.bool_)
        return Sums(*_NO_SUMS, np.zeros(n_clusters, np.int64), uncertain)

    def advance(
        self, centers: np.ndarray, labels: np.ndarray, tables: Sums, n_passes: int, stop_on_empty: bool
    ) -> Advance:
        X, single = self.samples.wide, self.samples.single
        options, found = Options(single, n_passes, stop_on_empty), (tables.sizes, tables.uncertain)
        rest = (options, Answer(centers, labels), found)
        n_iter = 0
        if _plan.keeps_parts(self.samples.shape[1], len(centers)):
            n_iter, moved, n_empty, ever_empty, n_uncertain = SOLVE_KEPT(X, True, None, *rest)
        if n_iter == 0:
            n_iter, moved, n_empty, ever_empty, n_uncertain = SOLVE(X, None, True, *rest)
        if n_uncertain:
            recompute_means_of_rows(X, labels, single, centers, tables.uncertain)
        n_decided = n_iter * len(labels)
        return Advance(n_iter, moved, n_empty, ever_empty, n_decided, n_decided * len(centers))
