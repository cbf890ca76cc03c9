"""Rows that lie in several blocks, or in a dataset on disk: read a few at a time, never as a whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from os import PathLike
from typing import Any

import numpy as np

from numbakmeans._engine.containers import KINDS, REAL, as_real
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.yielded import yielded

#: Bytes of a page of memory, or fewer.
PAGE = 4096


class Blocks(RowSource):
    """Rows in blocks, for `fit` and `KMeans`: data that is larger than memory, or that came in parts.

    The results have the bits of those for one array of all rows, whatever the blocks are. While rows are
    computed on, the next ones are read in another thread; no more than some 16 MB of them are in memory. In
    each pass all rows are read once. Other functions make an array of all rows.

    Parameters
    ----------
    blocks : dataset, sequence of array_like (n_rows of the block, n_features), or callable
        Arrays, memory-mapped files (`numpy.memmap`), datasets of h5py or zarr, or whatever else has a shape,
        a dtype, and returns rows for a slice; these are read only when they are needed. Frames, lists and
        the like are read at once. A callable is called without arguments for each pass over the rows, and
        returns an iterable of the same blocks each time, of which it reads or makes one after the other; one
        call more finds out their shapes. The rows get the common dtype of all blocks (`numpy.result_type`),
        as those of an array would. A block may be empty, but not all of them.
    dtype : dtype, optional
        What the rows are converted to while they are read, such as float32, instead of the common dtype.

    Attributes
    ----------
    shape : (n_samples, n_features)
    dtype : that of the rows

    Raises
    ------
    TypeError
        A block does not hold real numbers, `dtype` is no dtype of such, or `blocks` is an iterator.
    ValueError
        There is no row or no feature, or a block has another number of features than the first; later,
        a callable does not return the same blocks again.

    See Also
    --------
    KMeans, fit : What takes blocks.
    MiniBatchKMeans : For rows that come once.
    numbakmeans.dask.KMeans : For rows on several machines.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import Blocks, KMeans
    >>> rows = np.random.default_rng(0).normal(size=(1000, 4))
    >>> blocks = Blocks([rows[:300], rows[300:]])
    >>> blocks
    Blocks(shape=(1000, 4), dtype=float64, blocks=2)
    >>> ours = KMeans(3, random_state=0).fit(blocks)
    >>> bool((ours.labels_ == KMeans(3, random_state=0).fit(rows).labels_).all())
    True
    """

    reads_ahead = True

    def __init__(self, blocks: Any, dtype: Any = None) -> None:
        if isinstance(blocks, Iterator):
            raise TypeError(f"blocks must be a sequence, as they are read more than once, got {blocks!r}")
        if _is_lazy(blocks) or isinstance(blocks, np.ndarray):
            given = [blocks]
        else:
            given = yielded(blocks) if callable(blocks) else list(blocks)
        self._blocks = [_as_block(block, f"block {b}") for b, block in enumerate(given)]
        widths = {block.shape[1] for block in self._blocks}
        if len(widths) > 1:
            first = self._blocks[0].shape[1]
            b = next(b for b, block in enumerate(self._blocks) if block.shape[1] != first)
            raise ValueError(f"block {b} has {self._blocks[b].shape[1]} features, but block 0 has {first}")
        self._starts = [0, *accumulate(block.shape[0] for block in self._blocks)]
        self.shape = (self._starts[-1], widths.pop() if widths else 0)
        if 0 in self.shape:
            raise ValueError(f"blocks must hold at least one row and one feature, got shape {self.shape}")
        common = np.result_type(*(block.dtype for block in self._blocks))
        self.dtype = common if dtype is None else np.dtype(dtype)
        if self.dtype.num not in REAL:
            raise TypeError(f"dtype must be one of {KINDS}, got {self.dtype}")
        # Rows may be many times what is in memory: what is kept of them is not in proportion to them.
        self.itemsize = 0

    @classmethod
    def from_parquet(cls, path: str | PathLike[str], columns: Sequence[str] | None = None) -> Blocks:
        """Return the rows of a Parquet file, a block for each of its row groups.

        Parameters
        ----------
        path : str or path-like
            A file; a row group is in memory as long as its rows are read.
        columns : sequence of str, optional
            The names of the columns to use; all if not given.

        Raises
        ------
        ImportError
            pyarrow is not installed (extra ``tables``).
        TypeError
            A column does not hold real numbers.
        ValueError
            A column is missing; or, when rows are read, a value is.
        """
        from numbakmeans._engine.parquet import row_groups

        return cls(row_groups(path, columns))

    def __repr__(self) -> str:
        return f"Blocks(shape={self.shape}, dtype={self.dtype}, blocks={len(self._blocks)})"

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return self[index[0]][..., index[1]]
        if isinstance(index, int | np.integer):
            return self[[index]][0]
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                out = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
                self.write(slice(start, max(start, stop)), out)
                return out
            index = range(start, stop, step)
        rows = np.asarray(index)
        if rows.dtype == np.bool_ or (rows.size and not ((-len(self) <= rows) & (rows < len(self))).all()):
            raise IndexError(f"rows must be indices from {-len(self)} to {len(self) - 1}, got {index!r}")
        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        out = np.empty((len(rows), self.shape[1]), self.dtype)
        homes = np.searchsorted(self._starts, rows, side="right") - 1
        for b in np.unique(homes).tolist():
            places = np.flatnonzero(homes == b)
            if isinstance(self._blocks[b], np.ndarray):
                out[places] = self._blocks[b][rows[places] - self._starts[b]]
                continue
            # Each row of its own: some datasets take no lists of indices, and none takes them in any order.
            for t in places.tolist():
                self.write(slice(rows[t], rows[t] + 1), out[t : t + 1])
        return out

    def in_place(self, rows: slice) -> np.ndarray | None:
        """Return rows where they lie; see `row_source.RowSource`."""
        start, stop, _ = rows.indices(len(self))
        b = bisect_right(self._starts, start) - 1
        block = self._blocks[b]
        if stop > self._starts[b + 1] or not isinstance(block, np.ndarray) or block.dtype != self.dtype:
            return None
        if not (block.flags.c_contiguous and block.flags.aligned):
            return None
        found = block[start - self._starts[b] : stop - self._starts[b]]
        if isinstance(block, np.memmap):
            # Have the file read here, in the thread that reads ahead: a value of each page.
            found.reshape(-1)[:: PAGE // block.itemsize].max()
        return found

    def write(self, rows: slice, out: np.ndarray) -> None:
        """Write rows to an array; see `row_source.RowSource`."""
        start, stop, _ = rows.indices(len(self))
        b = bisect_right(self._starts, start) - 1
        while start < stop:
            first, end = self._starts[b], min(stop, self._starts[b + 1])
            some = np.asarray(self._blocks[b][start - first : end - first])
            # By way of our dtype, as for an array of it; the common dtype is exact for all blocks.
            with np.errstate(over="ignore"):
                some = some.astype(self.dtype, copy=False)
            np.copyto(out[start - rows.start : end - rows.start], some, casting="unsafe")
            start, b = end, b + 1


def _is_lazy(block: Any) -> bool:
    """Return whether rows of a dataset can be read by slices, without reading the others."""
    parts = ("shape", "dtype", "__getitem__")
    is_dataset = all(hasattr(block, part) for part in parts) and not hasattr(block, "iloc")
    return is_dataset and not isinstance(block, np.ndarray | np.generic) and len(block.shape) == 2


def _as_block(block: Any, name: str) -> Any:
    """Return a block with a shape, a dtype, and rows by slices."""
    if not _is_lazy(block):
        block = as_real(block, name)
    if len(block.shape) != 2:
        raise ValueError(f"{name} must be 2-D, got shape {block.shape}")
    if np.dtype(block.dtype).num not in REAL:
        raise TypeError(f"{name} must hold {KINDS}, got dtype {block.dtype}")
    return block
