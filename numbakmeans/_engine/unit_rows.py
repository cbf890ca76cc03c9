"""Rows and centers of length 1, for spherical k-means: every value is rounded once.

A row of zeros has no direction. `first_zero_row` finds it; here it stays as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.exact import unit_vector
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import Samples
from numbakmeans._numba.drivers import Driver

NORMALIZE = Driver("numbakmeans._engine.kernels.unit_rows", "normalize")


def normalize(X: np.ndarray, out: np.ndarray) -> None:
    """Write finite rows divided by their lengths; both arrays C-ordered, of one working dtype."""
    plan, uncertain = _plan.sweep(X.shape, work=16 * X.size), np.empty(len(X), np.bool_)
    if NORMALIZE.on(plan.parallel)(plan.n_tasks, X, out, uncertain):
        for i in np.flatnonzero(uncertain).tolist():
            out[i] = unit_vector(X[i])


def normalized(X: np.ndarray) -> np.ndarray:
    """Return finite rows of a working dtype divided by their lengths."""
    given, out = np.ascontiguousarray(X), np.empty(X.shape, X.dtype)
    normalize(given, out)
    return out


def first_zero_row(samples: Samples) -> int | None:
    """Return the index of the first row that is all zeros, if there is one."""
    for rows, X in samples.slabs():
        left = np.flatnonzero(X[:, 0] == 0)
        for f in range(1, X.shape[1]):
            if not len(left):
                break
            left = left[X[left, f] == 0]
        if len(left):
            return rows.start + int(left[0])
    return None


class UnitRows(RowSource):
    """The rows of samples, divided by their lengths.

    Parameters
    ----------
    samples : finite rows; weights are not looked at
    """

    #: That of a center in the direction of an axis.
    reach = 1.0

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.shape, self.dtype, self.itemsize = samples.shape, samples.dtype, samples.array.itemsize

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, int | np.integer):
            return self[[index]][0]
        if isinstance(index, tuple):
            return self[index[0]][:, index[1]]
        return normalized(self._samples.array[index].astype(self.dtype, order="C"))

    def write(self, rows: slice, out: np.ndarray) -> None:
        samples, X = self._samples, self._samples.X
        if X is not None:
            normalize(X[rows], out)
            return
        # Their buffer may hold fewer rows than ours.
        start, stop, _ = rows.indices(len(samples))
        for first in range(start, stop, samples.slab_rows):
            part = slice(first, min(first + samples.slab_rows, stop))
            normalize(samples.converted(part), out[part.start - start : part.stop - start])
