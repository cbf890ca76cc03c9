"""``numbakmeans cluster``: rows of files in, labels, centroids and a picture out."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.console import UsageError, bar, count, progress, require_threads, say
from numbakmeans._cli.inputs import as_samples, read, standardized
from numbakmeans._cli.tables import Table
from numbakmeans._engine.fit import FitResult, as_result, iterate, seed
from numbakmeans._engine.samples import Samples
from numbakmeans._numba.runtime import threads

MAX_LISTED_CLUSTERS = 12
MAX_LISTED_COLUMNS = 8


class Report(NamedTuple):
    """What a run was asked for, and what it has found.

    result : with centers in the units of the data; seed : that it can be had with again
    seconds : taken by seeding and passes; outputs : the files to write, by what is in them
    """

    arguments: argparse.Namespace
    table: Table
    samples: Samples
    result: FitResult
    seed: int
    seconds: float
    outputs: dict[str, Path]


def run(arguments: argparse.Namespace) -> None:
    if not arguments.files and arguments.array is not None:
        raise UsageError("--array needs a FILE")
    if arguments.files and arguments.k is None:
        raise UsageError("-k is required with a FILE")
    outputs = _asked_for(arguments)
    plot = None if arguments.plot is None else plotting(arguments.plot)
    _outputs.require_writable(list(outputs.values()), arguments.files)
    require_threads()

    table = read(arguments)
    if arguments.append and table.append is None:
        raise UsageError("--append is for a single table as text, or of a kind that pandas reads")
    n_clusters = 2 if arguments.k is None else arguments.k
    samples = as_samples(table, arguments.dtype)
    if arguments.minit == "points" and n_clusters > len(samples):
        raise UsageError(f"--minit points: {n_clusters} clusters (-k), but only {len(samples)} rows")
    if arguments.minit == "random" and table.weights is not None:
        raise UsageError("--minit random takes no weights, which transparent pixels have: use points or ++")
    if plot is not None and float(samples.measured[0].max()) > plot.LARGEST:
        raise UsageError(f"--plot cannot draw values beyond {plot.LARGEST:g}")

    scaled, divisors = standardized(samples) if arguments.standardize else (samples, None)
    seed_used, began = seed_of(arguments), time.perf_counter()
    result = _run(scaled, n_clusters, arguments, seed_used)
    seconds = time.perf_counter() - began
    if divisors is not None:
        result = result._replace(centers=(result.centers * divisors).astype(samples.dtype))
    report = Report(arguments, table, samples, result, seed_used, seconds, outputs)
    _write(report, plot)
    say(_as_json(report) if arguments.json else _as_text(report))


def _write(report: Report, plot: Any) -> None:
    """Write all files, or none; plot : the module that draws, if that was asked for."""
    arguments, table, samples, result, *_, outputs = report
    if not outputs:
        return
    labels = labels_of_file(table, result.labels)
    with _outputs.whole(list(outputs.values())) as files:
        for what, file in zip(outputs, files, strict=True):
            if what == "labels":
                _outputs.write_labels(file, labels, arguments.format)
            elif what == "centroids":
                _outputs.write_centers(file, result.centers, table.names, arguments.format)
            elif what == "table":
                assert table.append is not None
                table.append(file, labels)
            else:
                figure = plot.draw(samples.array, result, table.headings, table.picture)
                plot.save(figure, file, arguments.plot.suffix)


def labels_of_file(table: Table, labels: np.ndarray) -> np.ndarray:
    """Return a label for each row of the file, -1 for those left out."""
    if table.kept is None:
        return labels
    whole = np.full(len(table.kept), -1, labels.dtype)
    whole[table.kept] = labels
    return whole


def _asked_for(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the files to write, by what is in them."""
    outputs = {}
    if arguments.append and arguments.output is None:
        raise UsageError("--append needs --output PREFIX: it writes PREFIX.table.csv")
    if arguments.output is not None:
        for what in ("labels", "centroids"):
            outputs[what] = output_path(arguments.output, f"{what}.{arguments.format}")
        if arguments.append:
            outputs["table"] = output_path(arguments.output, "table.csv")
    if arguments.plot is not None:
        outputs["plot"] = arguments.plot
    return outputs


def output_path(given: str, ending: str) -> Path:
    """Return the path that begins with what was given as --output."""
    prefix = Path(given)
    if prefix.name in ("", "..") or given.endswith(("/", os.sep)):
        raise UsageError(f"--output: {given!r} is a folder; add the beginning of a file's name")
    return prefix.parent / f"{prefix.name}.{ending}"


def plotting(path: Path) -> Any:
    """Return the module that draws, if it can write a file of that name."""
    try:
        from numbakmeans._cli import plot as _plot
    except ImportError as error:
        raise UsageError(f"for --plot, install the package matplotlib ({error})") from error
    if path.suffix.lower() not in _plot.formats():
        known = ", ".join(_plot.formats())
        raise UsageError(f"--plot: the name must end in one of {known}, got {str(path)!r}")
    return _plot


def seed_of(arguments: argparse.Namespace) -> int:
    """Return the seed given, or a fresh one."""
    given: int | None = arguments.seed
    return np.random.SeedSequence().entropy if given is None else given  # type: ignore[return-value]


def _run(samples: Samples, n_clusters: int, arguments: argparse.Namespace, seed_used: int) -> FitResult:
    """Return the best result of all starts."""
    n_starts, generator = arguments.restarts, np.random.default_rng(seed_used)
    best: FitResult | None = None
    with progress() as show:
        for t, stream in enumerate([generator] if n_starts == 1 else generator.spawn(n_starts)):
            which = "" if n_starts == 1 else f"start {t + 1} of {n_starts}: "
            show(f"{which}choosing {n_clusters} centers")
            with np.errstate(all="ignore"):
                start = seed(samples, n_clusters, arguments.minit, stream)
            if not np.isfinite(start).all():
                raise UsageError(f"the data are too large for --minit {arguments.minit}: a center overflows")

            def tell(n: int, moved: int, which: str = which) -> None:
                show(f"{which}{bar(n, arguments.iter)} {moved} rows moved")

            result = as_result(samples, iterate(samples, start, arguments.iter, progress=tell))
            if best is None or result.inertia < best.inertia:
                best = result
    assert best is not None
    return best


# --- What is said


def _as_json(report: Report) -> str:
    """Return a summary for programs."""
    arguments, table, samples, result, *_, outputs = report
    said = {
        "files": list(map(str, arguments.files)),
        "rows": len(samples),
        "columns": table.headings,
        "dtype": str(samples.dtype),
        "notes": list(table.notes),
        "minit": arguments.minit,
        "seed": report.seed,
        "restarts": arguments.restarts,
        "standardized": arguments.standardize,
        "passes": result.n_iter,
        "converged": result.converged,
        "inertia": result.inertia,
        "seconds": report.seconds,
        "threads": threads(),
        "sizes": np.bincount(result.labels, minlength=len(result.centers)).tolist(),
        "centroids": result.centers.tolist(),
        "written": list(map(str, outputs.values())),
    }
    return json.dumps(said, indent=2) + "\n"


def _as_text(report: Report) -> str:
    """Return a summary for people."""
    arguments, table, samples, result, *_, outputs = report
    end = "converged" if result.converged else "not converged (--iter allows more)"
    restarts = "" if arguments.restarts == 1 else f" --restarts {arguments.restarts}"
    lines = [
        *input_lines(arguments, table, samples),
        f"start     --minit {arguments.minit} --seed {report.seed}{restarts}",
        f"passes    {result.n_iter}, {end}",
        f"inertia   {result.inertia!r}{' of the standardized columns' if arguments.standardize else ''}",
        f"time      {report.seconds:.3g} s, {count(threads(), 'thread')}",
    ]
    if result.n_empty:
        lines.append(f"empty     {count(result.n_empty, 'cluster')} of {len(result.centers)} without a row")
    lines += [f"written   {path}" for path in outputs.values()]
    lines += ["", *_cluster_lines(result, table.headings)]
    return "\n".join(lines) + "\n"


def input_lines(arguments: argparse.Namespace, table: Table, samples: Samples) -> list[str]:
    """Return what was read, and what was assumed about it."""
    n_rows, n_columns = samples.shape
    source = ", ".join(map(str, arguments.files)) or "Old Faithful (comes with the package)"
    shape = f"{count(n_rows, 'row')} of {count(n_columns, 'column')}, {samples.dtype}"
    if table.picture is not None:
        height, width = table.picture
        shape = f"{width} x {height} pixels, {shape}"
    return [
        f"input     {source}: {shape}",
        *([f"read      {'; '.join(table.notes)}"] if table.notes else []),
    ]


def _cluster_lines(result: FitResult, headings: Sequence[str]) -> list[str]:
    """Return the sizes of the clusters beside their centroids, in columns."""
    n_clusters, n_columns = result.centers.shape
    columns = range(min(n_columns, MAX_LISTED_COLUMNS))
    sizes: np.ndarray = np.bincount(result.labels, minlength=n_clusters)
    rows = [["cluster", "rows", *(headings[c] for c in columns)]]
    for j in range(min(n_clusters, MAX_LISTED_CLUSTERS)):
        rows.append([str(j), str(sizes[j]), *(f"{result.centers[j, c]:.6g}" for c in columns)])
    if n_columns > MAX_LISTED_COLUMNS:
        for row in rows:
            row.append("...")
    lines = aligned(rows)
    if n_clusters > MAX_LISTED_CLUSTERS:
        lines.append(f"... and {n_clusters - MAX_LISTED_CLUSTERS} more")
    return lines


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines, in columns that are as wide as they must be."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
