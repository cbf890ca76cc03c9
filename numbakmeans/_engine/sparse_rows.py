"""Sparse rows as `Samples` takes them: made dense block by block, never as a whole if that is large.

SciPy is not imported: the matrix brings its own methods.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from numbakmeans._engine.containers import KINDS, REAL


class SparseRows:
    """A sparse matrix with as much of an array's interface as `Samples` needs.

    Its values are those of ``matrix.toarray()``, also with stored zeros, with duplicates, and with indices in
    any order. CSR is read in place; other formats are converted once, to a sparse copy.

    Parameters
    ----------
    matrix : (n_samples, n_features), a sparse matrix or array of SciPy, of any format
    name : of the argument, for errors

    Attributes
    ----------
    itemsize : bytes that the matrix takes per value, counting zeros, rounded down; `plan` grants memory in
        proportion to the caller's
    flags : those of an array that kernels cannot read in place

    Raises
    ------
    TypeError : the matrix does not hold real numbers
    ValueError : it is not 2-D, or its indices are out of range
    """

    ndim = 2
    flags = SimpleNamespace(c_contiguous=False, aligned=False)

    def __init__(self, matrix: Any, name: str) -> None:
        if matrix.ndim != 2:
            raise ValueError(f"{name} must be 2-D, got shape {matrix.shape}")
        if matrix.dtype.num not in REAL:
            raise TypeError(f"{name} must hold {KINDS}, got dtype {matrix.dtype}")
        self._rows = matrix.tocsr()
        self.shape: tuple[int, int] = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.size = self.shape[0] * self.shape[1]
        self.dtype: np.dtype = self._rows.dtype
        self._require_in_range(name)
        parts = (self._rows.data, self._rows.indices, self._rows.indptr)
        self.itemsize: int = sum(part.nbytes for part in parts) // max(self.size, 1)

    def _require_in_range(self, name: str) -> None:
        """Check what SciPy does not: it would read and write beyond its arrays."""
        rows = self._rows
        stored = rows.indices[: rows.indptr[-1]]
        ascending = rows.indptr[0] == 0 and bool((rows.indptr[1:] >= rows.indptr[:-1]).all())
        inside = stored.size == 0 or (stored.min() >= 0 and stored.max() < self.shape[1])
        if not ascending or not inside or rows.indptr[-1] > len(rows.data):
            raise ValueError(f"{name} is not a valid sparse matrix: its indices are out of range")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """Return rows as a dense array; of a pair, the second index selects columns, and is a slice."""
        if isinstance(index, int | np.integer):
            return self[[index]][0]
        return self._rows[index].toarray()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows; `Samples` asks for them only where a dense copy is small."""
        return self._rows.toarray().astype(dtype or self.dtype, copy=False)

    def write(self, rows: slice, out: np.ndarray) -> None:
        """Write rows to a C-ordered array, and convert them to its dtype."""
        some = self._rows[rows]
        if out.dtype == self.dtype:
            some.toarray(out=out)
        else:
            out[:] = some.toarray()
