"""The command line: ``numbakmeans cluster``, ``numbakmeans warmup`` and ``numbakmeans info``.

Exit codes: 0, 2 after an error (one line), 130 after Ctrl-C, 141 where nobody reads the output any more.
NumPy and Numba are imported only once a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from numbakmeans import __version__

if TYPE_CHECKING:
    import numpy as np

    from numbakmeans._cli.files import Table
    from numbakmeans._engine.fit import FitResult
    from numbakmeans._engine.samples import Samples

MAX_LISTED_CLUSTERS = 12
MAX_LISTED_COLUMNS = 8
#: Seconds between two states of the progress line.
PROGRESS_EVERY = 0.1
BAR_WIDTH = 20


class UsageError(Exception):
    """What the user has to change; the message is one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def _print_message(self, message: str, _file: Any = None) -> None:
        _say(message)  # argparse would hide an error of the output


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; argv: the arguments, those of the process unless given."""
    try:
        try:
            arguments = _parser().parse_args(argv)
        except SystemExit:  # after --help and --version; errors raise UsageError
            return 0
        arguments.run(arguments)
    except UsageError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return 141
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{where}{error.strerror or error}")
    except MemoryError as error:
        return _fail(f"not enough memory: {error}".removesuffix(": "))
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(message: str) -> int:
    print("numbakmeans: error:", " ".join(message.splitlines()), file=sys.stderr)
    return 2


def _say(text: str) -> None:
    """Print at once: an error has to come up here, not when Python shuts down."""
    if sys.stdout is None:  # closed by the caller; print does nothing then, too
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError:
        # Python would try again at its end what is still in the buffer.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise


# --- Arguments


def _whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"not a whole number: {text!r}") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        if high is not None and value > high:
            raise argparse.ArgumentTypeError(f"must be at most {high}, got {value}")
        return value

    return convert


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="numbakmeans",
        description="Exact k-means on all cores.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"numbakmeans {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{cluster,warmup,info}", required=True)

    cluster = commands.add_parser(
        "cluster",
        allow_abbrev=False,
        help="cluster the rows of a table, or the pixels of a picture",
        description="Cluster the rows of a table, or the pixels of a picture. Without FILE: 272 eruptions of "
        "the geyser Old Faithful. The first run compiles, which takes some seconds.",
    )
    cluster.set_defaults(run=_cluster)
    add = cluster.add_argument
    add(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help=".npy, .npz, .csv, .csv.gz (comma separated; a first line without any number is a header), "
        "or a picture if Pillow is installed (its pixels as red, green, blue; transparency is dropped)",
    )
    # The largest label is an int32.
    count = _whole_number(1, 2**31 - 1)
    add("-k", type=count, metavar="K", help="number of clusters; 2 if there is no FILE, else required")
    add(
        "--minit",
        choices=("random", "points", "++"),
        default="++",
        help="how to start: draws from a Gaussian like the data, rows at random, or k-means++ (default)",
    )
    add(
        "--iter",
        type=_whole_number(1),
        default=100,
        metavar="N",
        help="passes at most (default 100); fewer are made if nothing moves any more",
    )
    add(
        "--seed",
        type=_whole_number(0),
        metavar="INT",
        help="the start is drawn from numpy.random.default_rng(INT); without it from fresh entropy, which is "
        "printed, to be given here",
    )
    add("--dtype", choices=("float32", "float64"), help="work on the data as this; default: as they are")
    add("--array", metavar="NAME", help="the array to take from an .npz that holds several")
    add(
        "--columns",
        metavar="LIST",
        help="columns to use, comma separated: numbers from 0, ranges like 0-3, names if there is a header; "
        "the others need not be numbers",
    )
    add(
        "--output",
        metavar="PREFIX",
        help="write PREFIX.labels.npy and PREFIX.centroids.npy; files of that name are replaced",
    )
    add("--format", choices=("npy", "csv"), default="npy", help="of the output (default npy)")
    add(
        "--plot",
        type=Path,
        metavar="IMAGE",
        help="draw the first two columns, a histogram of a single one, or the picture in K colors; needs "
        "Matplotlib",
    )

    warmup = commands.add_parser(
        "warmup",
        allow_abbrev=False,
        help="compile everything now, so that no first call has to",
        description="Compile everything the package can need and keep it in the code cache, as a step of "
        "building a container image, say. The code is for processors like this one.",
    )
    warmup.add_argument(
        "--jobs",
        type=_whole_number(1),
        metavar="N",
        help="processes that compile, half a gigabyte each; default: one for each core, 8 at most",
    )
    warmup.set_defaults(run=_warmup)

    info = commands.add_parser(
        "info",
        allow_abbrev=False,
        help="print versions, threads, processor and code cache",
        description="Print what a bug report needs: versions, threading layer, processor and code cache.",
    )
    info.set_defaults(run=_info)
    return parser


# --- cluster


def _cluster(arguments: argparse.Namespace) -> None:
    if arguments.file is None and arguments.array is not None:
        raise UsageError("--array needs a FILE")
    if arguments.file is not None and arguments.k is None:
        raise UsageError("-k is required with a FILE")
    from numbakmeans._cli import files as _files

    try:
        _cluster_files(arguments, _files)
    except _files.FileError as error:
        raise UsageError(str(error)) from error


def _cluster_files(arguments: argparse.Namespace, _files: Any) -> None:
    outputs = _outputs(arguments)
    plot = None if arguments.plot is None else _plotting(arguments.plot)
    _files.require_writable(outputs, arguments.file)
    _require_threads()

    if arguments.file is None:
        table = _files.shipped(arguments.columns)
    else:
        table = _files.read(arguments.file, array=arguments.array, columns=arguments.columns)
    n_clusters = 2 if arguments.k is None else arguments.k
    samples = _as_samples(table, arguments.dtype)
    if arguments.minit == "points" and n_clusters > len(samples):
        raise UsageError(f"--minit points: {n_clusters} clusters (-k), but only {len(samples)} rows")
    if plot is not None and float(max(samples.array.max(), -samples.array.min())) > plot.LARGEST:
        raise UsageError(f"--plot cannot draw values beyond {plot.LARGEST:g}")

    result, seed, seconds = _run(samples, n_clusters, arguments)

    if outputs:
        with _files.whole(outputs) as files:
            if arguments.output is not None:
                _files.write_labels(files[0], result.labels, arguments.format)
                _files.write_centers(files[1], result.centers, table.names, arguments.format)
            if plot is not None:
                figure = plot.draw(samples.array, result, table.heads, table.picture)
                plot.save(figure, files[-1], arguments.plot.suffix)
    _say(_summary(arguments, table, samples, result, seed, seconds, outputs))


def _require_threads() -> None:
    from numbakmeans._numba.runtime import threads

    try:
        threads()
    except ValueError as error:  # the environment asks for a threading layer that is not there
        raise UsageError(" ".join(str(error).split())) from error


def _outputs(arguments: argparse.Namespace) -> list[Path]:
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

    from numbakmeans._arguments import not_finite
    from numbakmeans._engine.samples import MAX_SAMPLES, Samples, as_working

    try:
        rows = as_working(table.values, "the input")
    except TypeError as error:
        raise UsageError(str(error)) from error
    if len(rows) >= MAX_SAMPLES:
        raise UsageError(f"the input has {len(rows)} rows; fewer than {MAX_SAMPLES} are supported")
    if dtype is not None:
        with np.errstate(over="ignore"):
            rows = np.require(rows, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    samples = Samples(rows)
    if not samples.finite:
        row, column = next(not_finite(rows))
        value = table.values[row, column]
        why = f"does not fit into {dtype}" if np.isfinite(value) else "cannot be clustered"
        raise UsageError(f"{value} {why} ({table.heads[column]}, row {row}, counted from 0)")
    return samples


def _run(samples: Samples, n_clusters: int, arguments: argparse.Namespace) -> tuple[FitResult, int, float]:
    """Return the result, the seed it can be had with again, and the seconds taken."""
    import numpy as np

    from numbakmeans._engine.fit import as_result, iterate, seed

    seed_used = arguments.seed
    if seed_used is None:
        seed_used = np.random.SeedSequence().entropy
    began = time.perf_counter()
    with _progress() as show:
        show(f"choosing {n_clusters} centers")
        with np.errstate(all="ignore"):
            start = seed(samples, n_clusters, arguments.minit, np.random.default_rng(seed_used))
        if not np.isfinite(start).all():
            raise UsageError(f"the data are too large for --minit {arguments.minit}: a center overflows")
        passes = iterate(
            samples,
            start,
            arguments.iter,
            progress=lambda n, moved: show(f"{_bar(n, arguments.iter)} {moved} rows moved"),
        )
        result = as_result(samples, passes)
    return result, seed_used, time.perf_counter() - began


def _bar(done: int, of: int) -> str:
    filled = BAR_WIDTH * done // of
    return f"pass {done} of {of} [{'#' * filled}{'-' * (BAR_WIDTH - filled)}]"


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Hand out a function that rewrites one line on a terminal, and does nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _text: None
        return
    width, shown = 0, -PROGRESS_EVERY

    def show(text: str) -> None:
        nonlocal width, shown
        if time.perf_counter() - shown >= PROGRESS_EVERY:
            sys.stderr.write(f"\r{text:{width}}")
            sys.stderr.flush()
            width, shown = max(width, len(text)), time.perf_counter()

    try:
        yield show
    finally:
        sys.stderr.write(f"\r{'':{width}}\r")
        sys.stderr.flush()


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
    source = "Old Faithful (comes with the package)" if arguments.file is None else str(arguments.file)
    shape = f"{_count(n_rows, 'row')} of {_count(n_columns, 'column')}, {samples.dtype}"
    if table.picture is not None:
        height, width = table.picture
        shape = f"{width} x {height} pixels, {shape}"
    end = "converged" if result.converged else "not converged (--iter allows more)"
    lines = [
        f"input     {source}: {shape}",
        f"start     --minit {arguments.minit} --seed {seed}",
        f"passes    {result.n_iter}, {end}",
        f"inertia   {result.inertia!r}",
        f"time      {seconds:.3g} s, {_count(threads(), 'thread')}",
    ]
    if result.n_empty:
        lines.append(f"empty     {_count(result.n_empty, 'cluster')} of {len(result.centers)} without a row")
    lines += [f"written   {path}" for path in outputs]
    lines += ["", *_cluster_lines(result, table.heads)]
    return "\n".join(lines) + "\n"


def _count(number: int, what: str, several: str | None = None) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {several or f'{what}s'}"


def _cluster_lines(result: FitResult, heads: Sequence[str]) -> list[str]:
    """Return the sizes of the clusters beside their centroids, in columns."""
    import numpy as np

    n_clusters, n_columns = result.centers.shape
    columns = range(min(n_columns, MAX_LISTED_COLUMNS))
    sizes: np.ndarray = np.bincount(result.labels, minlength=n_clusters)
    rows = [["cluster", "rows", *(heads[c] for c in columns)]]
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


# --- warmup


def _warmup(arguments: argparse.Namespace) -> None:
    from numbakmeans._cli.warmup import WarmupError, warm_up
    from numbakmeans._numba import cache as _cache
    from numbakmeans._numba.entries import DISABLED

    if DISABLED:
        raise UsageError("nothing is compiled while NUMBA_DISABLE_JIT is set")
    if not _cache.folders():
        raise UsageError("there is no code cache: NUMBAKMEANS_CACHE_DIR is off")
    _require_threads()
    try:
        with _progress() as show:
            done = warm_up(show, arguments.jobs)
    except WarmupError as error:
        raise UsageError(str(error)) from error
    lines = [
        f"compiled         {_count(done.n_compiled, 'function')} in {done.seconds:.3g} s, "
        f"by {_count(done.n_jobs, 'process', 'processes')}",
        f"there already    {_count(done.n_there, 'function')}",
        *_cache_lines(),
    ]
    _say("\n".join(lines) + "\n")


# --- info


def _info(_arguments: argparse.Namespace) -> None:
    import llvmlite
    import llvmlite.binding
    import numba
    import numpy as np

    from numbakmeans._numba import cache as _cache

    # First: it says whether the cache works.
    layer, n_threads = _threading()
    lines = [
        f"numbakmeans      {__version__}",
        f"python           {platform.python_version()} ({platform.python_implementation()}, {sys.platform})",
        f"numpy            {np.__version__}",
        f"numba            {numba.__version__}",
        f"llvmlite         {llvmlite.__version__}",
        f"threading layer  {layer}",
        f"threads          {n_threads}",
        f"processor        {llvmlite.binding.get_host_cpu_name()}",
    ]
    lines += _cache_lines()
    lines.append(f"cache state      {_state()}")
    lines.append(f"cache trouble    {_cache.trouble or 'none'}")
    _say("\n".join(lines) + "\n")


def _threading() -> tuple[str, str]:
    """Return the name of Numba's threading layer and how many threads it has, or why there is none."""
    import numpy as np

    from numbakmeans._engine.fit import ROOTS
    from numbakmeans._numba.runtime import layer, threads

    try:
        # Numba chooses the layer when the first parallel function runs.
        ROOTS.on(True)(np.ones(2), 2, np.empty(2, np.float32))
        return str(layer()), str(threads())
    except ValueError as error:
        return "none: " + " ".join(str(error).split()), "none"


def _state() -> str:
    """Return what became of the code that this process needed."""
    from numbakmeans._numba import cache as _cache

    if not _cache.folders():
        return "compiled code is not kept"
    counts = (_cache.loaded, "loaded"), (_cache.stored, "stored"), (_cache.lost, "could not be kept")
    return "of this command's code: " + ", ".join(f"{number} {what}" for number, what in counts)


def _cache_lines() -> list[str]:
    """Return the folders of the code cache and what they hold."""
    from numbakmeans._numba import cache as _cache

    folders = [f"{folder}: {_entries(folder)}" for folder in _cache.folders()]
    return [f"code cache       {line}" for line in folders or ["off"]]


def _entries(folder: Path) -> str:
    """Return how much compiled code a folder holds, or why it is left alone."""
    from numbakmeans._numba import cache as _cache

    try:
        # What starts with a dot is being written just now.
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        n_bytes = sum(path.stat().st_size for path in files)
        n_unsafe = sum(not _cache.may_be_loaded(path) for path in files)
        _cache.require_own_folder(folder)
    except FileNotFoundError:
        return "not there"
    except PermissionError as error:
        return f"left alone ({error.strerror or error})"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    unsafe = f", {n_unsafe} of them left alone, as others could write to them" if n_unsafe else ""
    return f"{_count(len(files), 'compiled function')}, {n_bytes / 1e6:.1f} MB{unsafe}"


if __name__ == "__main__":
    sys.exit(main())
