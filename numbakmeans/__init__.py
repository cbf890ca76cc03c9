"""Exact multicore k-means on NumPy arrays, compiled by Numba.

Calls flow one way, and imports only go downward:

_cli         the command line: main, arguments; a module for each command: cluster, sweep, predict, info,
             warmup (warmup_calls); inputs, outputs, plot, console
  files        what is read by the ending of its name: arrays, delimited text (dialect), frames, pictures,
               as tables
dask         KMeans on Dask's collections; its docstring lists its modules
jit          building blocks for the user's own nopython code
_batch       many small problems in one call: kmeans2_batch
_nopython    the Python side of calls from nopython code
_scipy       drop-in replacements for scipy.cluster.vq: kmeans2, kmeans, vq, whiten, ClusterError
_choosing    how many clusters to ask for: choose_k
estimators   scikit-learn's estimators: KMeans, MiniBatchKMeans; its docstring lists its modules
_arguments   parsing and validation of SciPy's arguments

_engine      k-means itself, independent of any interface
  refining     the passes of SciPy's kmeans; restarts: those from several starts, side by side
  parts        rows in parts that different processes hold; its docstring lists its modules
  fit          seed -> plan -> iterate -> FitResult
  seeding      initial centers: one method per file, and a table of them
  assignment   the nearest center of each row, in one sweep
  algorithms   ways to run a pass: one per file, and a table of them
  samples      input arrays: dtype, layout, checks, ranges, exact sums; containers: frames, Arrow tables and
               objects as arrays; row_source: rows that are made block by block: sparse_rows, blocks,
               parquet, yielded; transforms: by what rows are shifted and scaled
  kernels      nopython code, called by address (see its docstring); kernels/reference defines distances
  simd         vector values inside kernels: the register tiles
  structs      named tuples that Python and kernels exchange
  weights      weights of rows, as callers give them
  distances    reference distances of rows to their centers, and exact sums of them
  columns      means, deviations and sums of columns
  relocation   which rows empty clusters take
  constraints  centers that stay, or have length 1; unit_rows: rows of length 1
  exact        means and unit vectors in Python integers
  plan         choices by shape and threads, and the cost model; thresholds: the measured figures
  bins         the exponents of the exact accumulators

_numba       everything that depends on Numba and LLVM
  entries      calls of kernels from Python, by address
  drivers      kernels that run their tasks in parallel
  doors        calls from a user's compiled code; calls, hook, overloads, jit_overloads, scipy_overloads: the
               side of that code
  cache        compiled code on disk; loader: machine code from a file, by LLVM alone
  runtime      safety with threads, forks and Ctrl-C
  compiler     from a Python function to machine code
  parallel     the parallel loop over tasks
  tables       arrays as kernels see them; arena: temporary ones; callers_arrays: those of nopython callers
  scalars      operations on numbers inside kernels
  draws        random numbers inside kernels; bitgen: addresses of NumPy's bit generators
  status       status codes of calls from nopython code

Nothing is imported before a name is used: `import numbakmeans` costs next to nothing.

Glossary

task                  a share of the rows that one thread works on
arena                 scratch memory of a task or call, allocated as a stack and released as a whole
transform             the common origin and scale that rows and centers are shifted and scaled by
bins                  fixed ranges of exponents; values are split into an integer part per bin, summed exactly
coarse rows           rows in whole steps of one byte a value, with error bounds, to rule out centers
projections           coordinates along a few orthonormal directions, plus the norm of the residual
fast-moving centers   the few centers that moved far in the last update, scored for all rows
mass, potential       a row's weight times D to its nearest pick, which '++' draws by; the sum over all rows
quantized rows        rows rounded to int8, with error bounds, to skip rows that a pick of '++' cannot affect
undecided rows        rows whose nearest center is not settled by bounds or approximate scores
code book             SciPy's term for the centers; a code is one center or its index
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Blocks": "_engine.blocks",
    "Choice": "_choosing",
    "choose_k": "_choosing",
    "KMeans": "estimators",
    "MiniBatchKMeans": "estimators",
    "kmeans2": "_scipy",
    "kmeans2_batch": "_batch",
    "kmeans": "_scipy",
    "vq": "_scipy",
    "whiten": "_scipy",
    "ClusterError": "_scipy",
    "fit": "_engine.fit",
    "FitResult": "_engine.fit",
}

__all__ = [
    "Blocks",
    "Choice",
    "ClusterError",
    "FitResult",
    "KMeans",
    "MiniBatchKMeans",
    "__version__",
    "choose_k",
    "fit",
    "kmeans",
    "kmeans2",
    "kmeans2_batch",
    "vq",
    "whiten",
]

if TYPE_CHECKING:
    from numbakmeans._batch import kmeans2_batch
    from numbakmeans._choosing import Choice, choose_k
    from numbakmeans._engine.blocks import Blocks
    from numbakmeans._engine.fit import FitResult, fit
    from numbakmeans._scipy import ClusterError, kmeans, kmeans2, vq, whiten
    from numbakmeans.estimators import KMeans, MiniBatchKMeans


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    if _HOMES[name] == "_scipy" and "numba" in sys.modules:
        # Numba calls the hook at its first compilation, which may be over already.
        from numbakmeans._numba import hook

        hook.register(home)
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
