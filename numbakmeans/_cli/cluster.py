"""``numbakmeans cluster``: rows of a file in, labels, centroids and a picture out."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numbakmeans._cli.console import UsageError, bar, count, progress, require_threads, say

if TYPE_CHECKING:
    import numpy as np

    from numbakmeans._cli.tables import Table
    from numbakmeans._engine.fit import FitResult
    from numbakmeans._engine.samples import Samples

MAX_LISTED_CLUSTERS = 12
MAX_LISTED_COLUMNS = 8


def run_cluster(arguments: argparse.Namespace) -> None:
    if not arguments.files and arguments.array is not None:
        raise UsageError("--array needs a FILE")
    if arguments.files and arguments.k is None:
        raise UsageError("-k is required with a FILE")
    from numbakmeans._cli.tables import FileError

    try:
        _cluster_files(arguments)
    except FileError as error:
        raise UsageError(str(error)) from error


def _cluster_files(arguments: argparse.Namespace) -> None:
    from numbakmeans._cli import outputs as _outputs

    outputs = _asked_for(arguments)
    plot = None if arguments.plot is None else _plotting(arguments.plot)
    _outputs.require_writable(outputs, arguments.files)
    require_threads()

    table = _read(arguments)
    n_clusters = 2 if arguments.k is None else arguments.k
    samples = _as_samples(table, arguments.dtype)
    if arguments.minit == "points" and n_clusters > len(samples):
        raise UsageError(f"--minit points: {n_clusters} clusters (-k), but only {len(samples)} rows")
    if arguments.minit == "random" and table.weights is not None:
        raise UsageError("--minit random takes no weights, which transparent pixels have: use points or ++")
    if plot is not None and float(samples.measured[0].max()) > plot.LARGEST:
        raise UsageError(f"--plot cannot draw values beyond {plot.LARGEST:g}")

    result, seed, seconds = _run(samples, n_clusters, arguments)

    if outputs:
        with _outputs.whole(outputs) as files:
            if arguments.output is not None:
                _outputs.write_labels(files[0], _labels_of_file(table, result), arguments.format)
                _outputs.write_centers(files[1], result.centers, table.names, arguments.format)
            if plot is not None:
                figure = plot.draw(samples.array, result, table.headings, table.picture)
                plot.save(figure, files[-1], arguments.plot.suffix)
    say(_summary(arguments, table, samples, result, seed, seconds, outputs))


def _read(arguments: argparse.Namespace) -> Table:
    from numbakmeans._cli import files
    from numbakmeans._cli.delimited import Options
    from numbakmeans._cli.tables import joined

    if not arguments.files:
        return files.shipped(arguments.columns)
    header = None if arguments.header is None else arguments.header == "yes"
    options = Options(arguments.sep, header, arguments.decimal, arguments.encoding, arguments.na == "drop")
    stated: dict[str, Any] = {"array": arguments.array, "columns": arguments.columns, "options": options}
    return joined([(str(path), files.read(path, **stated)) for path in arguments.files])


def _labels_of_file(table: Table, result: FitResult) -> np.ndarray:
    """Return a label for each row of the file, -1 for those left out."""
    import numpy as np

    if table.kept is None:
        return result.labels
    labels = np.full(len(table.kept), -1, result.labels.dtype)
    labels[table.kept] = result.labels
    return labels


def _asked_for(arguments: argparse.Namespace) -> list[Path]:
    """Return the files to write: labels and centroids if asked for, then the plot if asked for."""
    outputs = []
    if arguments.output is not None:
        prefix = Path(arguments.output)
        if prefix.name in ("", "..") or arguments.output.endswith(("/", os.sep)):
            raise UsageError(
                f"--output: {arguments.output!r} is a folder; add the beginning of a file's name"
            )
        for what in ("labels", "centroids"):
            outputs.append(prefix.parent / f"{prefix.name}.{what}.{arguments.format}")
    if arguments.plot is not None:
        outputs.append(arguments.plot)
    return outputs


def _plotting(path: Path) -> Any:
    try:
        from numbakmeans._cli import plot as _plot
    except ImportError as error:
        raise UsageError(f"for --plot, install the package matplotlib ({error})") from error
    if path.suffix.lower() not in _plot.formats():
        known = ", ".join(_plot.formats())
        raise UsageError(f"--plot: the name must end in one of {known}, got {str(path)!r}")
    return _plot


def _as_samples(table: Table, dtype: str | None) -> Samples:
    """Return the rows in the dtype asked for, checked to be finite."""
    import numpy as np

    from numbakmeans._engine.blocks import Blocks
    from numbakmeans._engine.row_source import RowSource
    from numbakmeans._engine.samples import MAX_SAMPLES, Samples, as_real, not_finite
    from numbakmeans._engine.weights import as_weights

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


def _run(samples: Samples, n_clusters: int, arguments: argparse.Namespace) -> tuple[FitResult, int, float]:
    """Return the result, the seed it can be had with again, and the seconds taken."""
    import numpy as np

    from numbakmeans._engine.fit import as_result, iterate, seed

    seed_used = arguments.seed
    if seed_used is None:
        seed_used = np.random.SeedSequence().entropy
    began = time.perf_counter()
    with progress() as show:
        show(f"choosing {n_clusters} centers")
        with np.errstate(all="ignore"):
            start = seed(samples, n_clusters, arguments.minit, np.random.default_rng(seed_used))
        if not np.isfinite(start).all():
            raise UsageError(f"the data are too large for --minit {arguments.minit}: a center overflows")
        passes = iterate(
            samples,
            start,
            arguments.iter,
            progress=lambda n, moved: show(f"{bar(n, arguments.iter)} {moved} rows moved"),
        )
        result = as_result(samples, passes)
    return result, seed_used, time.perf_counter() - began


def _summary(
    arguments: argparse.Namespace,
    table: Table,
    samples: Samples,
    result: FitResult,
    seed: int,
    seconds: float,
    outputs: Sequence[Path],
) -> str:
    from numbakmeans._numba.runtime import threads

    n_rows, n_columns = samples.shape
    source = ", ".join(map(str, arguments.files)) or "Old Faithful (comes with the package)"
    shape = f"{count(n_rows, 'row')} of {count(n_columns, 'column')}, {samples.dtype}"
    if table.picture is not None:
        height, width = table.picture
        shape = f"{width} x {height} pixels, {shape}"
    end = "converged" if result.converged else "not converged (--iter allows more)"
    lines = [
        f"input     {source}: {shape}",
        *([f"read      {'; '.join(table.notes)}"] if table.notes else []),
        f"start     --minit {arguments.minit} --seed {seed}",
        f"passes    {result.n_iter}, {end}",
        f"inertia   {result.inertia!r}",
        f"time      {seconds:.3g} s, {count(threads(), 'thread')}",
    ]
    if result.n_empty:
        lines.append(f"empty     {count(result.n_empty, 'cluster')} of {len(result.centers)} without a row")
    lines += [f"written   {path}" for path in outputs]
    lines += ["", *_cluster_lines(result, table.headings)]
    return "\n".join(lines) + "\n"


def _cluster_lines(result: FitResult, headings: Sequence[str]) -> list[str]:
    """Return the sizes of the clusters beside their centroids, in columns."""
    import numpy as np

    n_clusters, n_columns = result.centers.shape
    columns = range(min(n_columns, MAX_LISTED_COLUMNS))
    sizes: np.ndarray = np.bincount(result.labels, minlength=n_clusters)
    rows = [["cluster", "rows", *(headings[c] for c in columns)]]
    for j in range(min(n_clusters, MAX_LISTED_CLUSTERS)):
        rows.append([str(j), str(sizes[j]), *(f"{result.centers[j, c]:.6g}" for c in columns)])
    if n_columns > MAX_LISTED_COLUMNS:
        for row in rows:
            row.append("...")
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    if n_clusters > MAX_LISTED_CLUSTERS:
        lines.append(f"... and {n_clusters - MAX_LISTED_CLUSTERS} more")
    return lines
