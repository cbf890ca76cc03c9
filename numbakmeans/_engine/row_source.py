"""Rows that are not an array, but are made block by block: what `samples.Samples` asks of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


class RowSource:
    """Rows that `Samples` takes like an array, but has written to its own memory, some at a time.

    Attributes
    ----------
    shape : (n_samples, n_features)
    dtype : dtype of the values
    itemsize : bytes that the caller's data takes per value; `plan` grants memory in proportion
    flags : those of an array that kernels cannot read in place
    reach : a magnitude that centers may have later, though no row and no starting center has it
    reads_ahead : whether the next rows are written in another thread while some are computed on
    """

    ndim = 2
    reach = 0.0
    reads_ahead = False
    flags = SimpleNamespace(c_contiguous=False, aligned=False)
    shape: tuple[int, int]
    dtype: np.dtype
    itemsize: int

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """Return rows as an array, or a single row; of a pair, the second index selects columns."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows; `Samples` asks for them only where a copy is small."""
        return self[:].astype(dtype or self.dtype, copy=False)

    def in_place(self, rows: slice) -> np.ndarray | None:  # noqa: ARG002, for those that can
        """Return rows where they lie, in the dtype of the values; None if kernels cannot read them there."""
        return None

    def write(self, rows: slice, out: np.ndarray) -> None:
        """Write rows to a C-ordered array, and convert them to its dtype."""
        raise NotImplementedError
