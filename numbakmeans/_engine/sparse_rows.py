"""Sparse rows as `Samples` takes them: made dense block by block, never as a whole if that is large.

SciPy is not imported: the matrix brings its own methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine.containers import KINDS, REAL
from numbakmeans._engine.row_source import RowSource


class SparseRows(RowSource):
    """The rows of a sparse matrix.

    Its values are those of ``matrix.toarray()``, also with stored zeros, with duplicates, and with indices in
    any order. CSR is read in place; other formats are converted once, to a sparse copy.

    Parameters
    ----------
    matrix : (n_samples, n_features), a sparse matrix or array of SciPy, of any format
    name : of the argument, for errors

    Raises
    ------
    TypeError : the matrix does not hold real numbers
    ValueError : it is not 2-D, or its indices are out of range
    """

    def __init__(self, matrix: Any, name: str) -> None:
        if matrix.ndim != 2:
            raise ValueError(f"{name} must be 2-D, got shape {matrix.shape}")
        if matrix.dtype.num not in REAL:
            raise TypeError(f"{name} must hold {KINDS}, got dtype {matrix.dtype}")
        self._rows = matrix.tocsr()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.dtype = self._rows.dtype
        self._require_in_range(name)
        parts = (self._rows.data, self._rows.indices, self._rows.indptr)
        # Zeros that are not stored count, too.
        self.itemsize = sum(part.nbytes for part in parts) // max(self.size, 1)

    def _require_in_range(self, name: str) -> None:
        """Check what SciPy does not: it would read and write beyond its arrays."""
        rows = self._rows
        stored = rows.indices[: rows.indptr[-1]]
        ascending = rows.indptr[0] == 0 and bool((rows.indptr[1:] >= rows.indptr[:-1]).all())
        inside = stored.size == 0 or (stored.min() >= 0 and stored.max() < self.shape[1])
        if not ascending or not inside or rows.indptr[-1] > len(rows.data):
            raise ValueError(f"{name} is not a valid sparse matrix: its indices are out of range")

    def __getitem__(self, index: Any) -> np.ndarray:
        # Of a pair, the second index is a slice.
        if isinstance(index, int | np.integer):
            return self[[index]][0]
        return self._rows[index].toarray()

    def write(self, rows: slice, out: np.ndarray) -> None:
        some = self._rows[rows]
        if out.dtype == self.dtype:
            some.toarray(out=out)
        else:
            out[:] = some.toarray()
