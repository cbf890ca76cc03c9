"""The row groups of a Parquet file as blocks of rows; pyarrow is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from numbakmeans._engine.containers import KINDS, REAL


class RowGroup:
    """A row group, read when rows of it are asked for, and kept until those of another one are.

    Attributes
    ----------
    shape : (n_rows, n_columns); dtype : the common dtype of its columns
    """

    def __init__(self, reader: Reader, number: int, n_rows: int) -> None:
        self._reader, self._number = reader, number
        self.shape, self.dtype = (n_rows, len(reader.columns)), reader.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._reader.read(self._number)[rows]


class Reader:
    """A Parquet file, of which one row group is in memory.

    Attributes
    ----------
    columns : names; dtype : the common dtype of these columns
    """

    def __init__(self, file: Any, columns: Sequence[str] | None) -> None:
        self._file, schema = file, file.schema_arrow
        self.columns = list(schema.names if columns is None else columns)
        missing = [name for name in self.columns if name not in schema.names]
        if missing:
            raise ValueError(f"columns must be among those of the file, which has no {missing[0]!r}")
        dtypes = {name: dtype_of(schema.field(name).type) for name in self.columns}
        for name, dtype in dtypes.items():
            if dtype.num not in REAL:
                raise TypeError(f"column {name!r} must hold {KINDS}, got {schema.field(name).type}")
        self.dtype = np.result_type(*dtypes.values()) if dtypes else np.dtype(np.float64)
        # Rows are asked for by two threads: what is held changes in one step.
        self._held = -1, np.empty((0, len(self.columns)), self.dtype)

    def read(self, number: int) -> np.ndarray:
        """Return the rows of a row group."""
        held, rows = self._held
        if number != held:
            table = self._file.read_row_group(number, columns=self.columns)
            rows = np.empty((table.num_rows, len(self.columns)), self.dtype)
            for c, name in enumerate(self.columns):
                column = table.column(name)
                if column.null_count:
                    raise ValueError(f"a value is missing in row group {number}, column {name!r}")
                rows[:, c] = column.to_numpy()
            self._held = number, rows
        return rows


def dtype_of(kind: Any) -> np.dtype:
    """Return the dtype of the values of a type of Arrow; that of objects where NumPy has none."""
    try:
        return np.dtype(kind.to_pandas_dtype())
    except (TypeError, NotImplementedError):
        return np.dtype(object)


def row_groups(path: str | PathLike[str], columns: Sequence[str] | None) -> list[RowGroup]:
    """Return the row groups of a file; see `blocks.Blocks.from_parquet`."""
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    reader = Reader(file, columns)
    counts = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    return [RowGroup(reader, g, n_rows) for g, n_rows in enumerate(counts)]
