"""Exact multicore k-means on NumPy arrays, compiled by Numba.

A call flows one way, and imports go only downward:

_cli         the command line: main, files, plot, warmup
jit          building blocks for the user's own nopython code
_batch       many small problems in one call: kmeans2_batch
_nopython    what Python does for nopython code
_scipy       the face of scipy.cluster.vq: kmeans2, kmeans, vq, whiten, ClusterError
_arguments   how SciPy's arguments are read

_engine      everything that k-means is, whoever calls
  refining     the passes of SciPy's kmeans
  fit          seed -> plan -> iterate -> FitResult
  seeding      starting centers, one method a file, and their table
  algorithms   the ways to run a pass, one a file, and their table
  samples      arrays in: dtype, layout, checks, ranges, exact sums
  kernels      nopython code, called by address (see its docstring)
  simd         vector values inside kernels: the register tiles
  shapes       what Python and kernels hand each other
  exact        means in plain integers
  plan         thresholds
  grids        the grids that exact sums lie on

_numba       all that knows Numba and LLVM
  entries      kernels as Python calls them, by address
  drivers      kernels that share out their work to threads
  doors        how a user's compiled code calls ours; calls, overloads, hook: its side of them
  cache        where compiled code is kept; loader: machine code from a file, by LLVM alone
  runtime      what threads, forks and Ctrl-C need
  compiler     from a Python function to machine code
  slots        the parallel loop
  tables       arrays as kernels see them
  draws        random numbers inside kernels; bitgen: where NumPy keeps them
  status       what became of a call from nopython code

Nothing is imported before a name is used: `import numbakmeans` costs next to nothing.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
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
    "ClusterError",
    "FitResult",
    "__version__",
    "fit",
    "kmeans",
    "kmeans2",
    "kmeans2_batch",
    "vq",
    "whiten",
]

if TYPE_CHECKING:
    from numbakmeans._batch import kmeans2_batch
    from numbakmeans._engine.fit import FitResult, fit
    from numbakmeans._scipy import ClusterError, kmeans, kmeans2, vq, whiten


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    if _HOMES[name] == "_scipy" and "numba" in sys.modules:
        # Numba asks for it at its first compilation, which may lie behind.
        from numbakmeans._numba import hook

        hook.register(home)
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
