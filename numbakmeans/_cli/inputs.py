"""The rows that a command works on. Imported once a command runs: NumPy and the engine are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numbakmeans._cli import files
from numbakmeans._cli.console import UsageError, progress
from numbakmeans._cli.dialect import Options
from numbakmeans._cli.tables import Table, joined
from numbakmeans._engine.blocks import Blocks
from numbakmeans._engine.columns import column_means, deviations, divided
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import MAX_SAMPLES, Samples, as_real, not_finite
from numbakmeans._engine.weights import as_weights


def read(arguments: argparse.Namespace) -> Table:
    """Return the rows of the files, or those that come with the package; FileError if they cannot be read."""
    if not arguments.files:
        return files.shipped(arguments.columns)
    header = None if arguments.header is None else arguments.header == "yes"
    options = Options(arguments.sep, header, arguments.decimal, arguments.encoding, arguments.na == "drop")
    stated: dict[str, Any] = {"array": arguments.array, "columns": arguments.columns, "options": options}
    tables = []
    with progress() as show:
        for path in arguments.files:
            show(f"reading {path}")

            def tell(share: float, path: Path = path) -> None:
                show(f"reading {path}: {share:.0%}")

            tables.append((str(path), files.read(path, **stated, tell=tell)))
    return joined(tables)


def standardized(samples: Samples) -> tuple[Samples, np.ndarray]:
    """Return rows whose columns are divided by their standard deviations, and these; 1 for constant ones.

    All rows count alike for the deviations.
    """
    rows, dtype = samples.array, samples.dtype
    if not isinstance(rows, RowSource | np.memmap):
        divisors = _or_ones(deviations(Samples(rows)))
        return Samples(divided(samples, divisors.astype(dtype)), samples.weights), divisors
    # Perhaps larger than memory: what `deviations` computes, but of rows that are read slab by slab.
    means = column_means(Samples(rows))
    squares = _Computed(rows, dtype, lambda part: (part.astype(np.float64) - means) ** 2)
    divisors = _or_ones(np.sqrt(column_means(Samples(Blocks([squares], np.float64)))))
    quotients = _Computed(rows, dtype, lambda part: part / divisors.astype(dtype))
    return Samples(Blocks([quotients]), samples.weights), divisors


def _or_ones(divisors: np.ndarray) -> np.ndarray:
    return np.where(divisors == 0, 1.0, divisors)


class _Computed:
    """Rows that something is computed from while they are read; function : takes some in the dtype."""

    def __init__(self, rows: Any, dtype: np.dtype, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self._rows, self._function = rows, function
        self.shape, self.dtype = rows.shape, dtype

    def __getitem__(self, index: slice) -> np.ndarray:
        return self._function(np.asarray(self._rows[index], self.dtype))


def as_samples(table: Table, dtype: str | None) -> Samples:
    """Return the rows in the dtype asked for, checked to be finite."""
    rows = table.values
    if not isinstance(rows, RowSource):
        try:
            rows = as_real(rows, "the input")
        except TypeError as error:
            raise UsageError(str(error)) from error
    if len(rows) >= MAX_SAMPLES:
        raise UsageError(f"the input has {len(rows)} rows; fewer than {MAX_SAMPLES} are supported")
    if dtype is not None and rows.dtype != dtype:
        if isinstance(rows, RowSource | np.memmap):  # perhaps larger than memory
            rows = Blocks([rows], dtype)
        else:
            with np.errstate(over="ignore"):
                rows = np.require(rows, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    weights = None if table.weights is None else as_weights(table.weights, len(rows))
    samples = Samples(rows, weights)
    if not samples.finite:
        places = ((part, *place) for part, X in samples.slabs() for place in not_finite(X))
        part, row, column = next(places)
        row += part.start
        value = table.values[row, column]
        why = f"does not fit into {dtype}" if np.isfinite(value) else "cannot be clustered"
        raise UsageError(f"{value} {why} ({table.headings[column]}, row {row}, counted from 0)")
    return samples
