"""A part, as rows of a whole: what it must know of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.bins import LEAST, MANY_ROWS
from numbakmeans._engine.containers import as_real, is_sparse
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import COUNT_PARTS, Samples, computed_once
from numbakmeans._engine.sparse_rows import SparseRows
from numbakmeans._engine.structs.sums import Ranges
from numbakmeans._engine.unit_rows import UnitRows


class Whole(NamedTuple):
    """What is known of all rows, which those of a part belong to.

    n_samples : their number; dtype : the common dtype of the parts
    largest, finest : (n_features,), as in `Samples.measured`
    unit : whether rows are divided by their lengths
    weighted : whether rows have weights; heaviest, lightest : what `largest` and `finest` are, of these
    """

    n_samples: int
    dtype: np.dtype
    largest: np.ndarray
    finest: np.ndarray
    unit: bool
    weighted: bool = False
    heaviest: float = 0.0
    lightest: float = np.inf


class Part(Samples):
    """Rows of a whole. Their exact sums have the bins of the whole, and so can be added to those of others.

    Parameters
    ----------
    array : (n_samples, n_features), possibly without rows
    weights : (n_samples,), float64; None if all rows count alike
    """

    def __init__(self, array: np.ndarray | RowSource, weights: np.ndarray | None, whole: Whole) -> None:
        super().__init__(array, weights)
        self._whole = whole

    @property
    def many(self) -> bool:
        return self._whole.n_samples >= MANY_ROWS

    @computed_once
    def measured(self) -> tuple[np.ndarray, np.ndarray, Ranges]:
        whole = self._whole
        return whole.largest, whole.finest, self._ranges(whole.largest, whole.finest)

    @computed_once
    def scaled_weights(self) -> tuple[np.ndarray, int]:
        exponent = int(np.frexp(self._whole.heaviest)[1])
        return np.ldexp(np.asarray(self.weights), -exponent), exponent

    @computed_once
    def _products(self) -> tuple[np.ndarray, np.ndarray]:
        whole, exponent = self._whole, -self.scaled_weights[1]
        # 0, and so nothing to be summed, if a weight loses bits by being scaled.
        most, least = np.ldexp([whole.heaviest, whole.lightest], exponent)
        return np.append(whole.largest * most, most), np.append(whole.finest * least, least)

    @computed_once
    def ranges(self) -> Ranges:
        return self.measured[2] if self.weights is None else self._ranges(*self._products)

    def _ranges(self, largest: np.ndarray, finest: np.ndarray) -> Ranges:
        ends = np.empty(len(largest), np.int64)
        n_parts = COUNT_PARTS(largest, np.maximum(finest, LEAST), self.many, ends)
        return Ranges(ends, n_parts, True)


def template(whole: Whole, weighted: bool) -> Part:
    """Return a part without rows, for results that depend on merged sums alone."""
    rows = np.empty((0, len(whole.largest)), whole.dtype)
    return Part(rows, np.empty(0) if weighted else None, whole)


def rows_of(block: Any, dtype: np.dtype) -> np.ndarray | RowSource:
    """Return the rows of a block in the common dtype of all parts."""
    if is_sparse(block):
        return SparseRows(block.astype(dtype), "X")
    array = as_real(block, "X")
    return array if array.dtype == dtype else array.astype(dtype)


def part_of(block: Any, weights: np.ndarray | None, whole: Whole) -> Part:
    """Return a block, which has rows, as a part of a whole."""
    rows = rows_of(block, whole.dtype)
    return Part(UnitRows(Samples(rows)) if whole.unit else rows, weights, whole)
