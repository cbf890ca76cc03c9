"""Exact multicore k-means on NumPy arrays, compiled by Numba.

A call flows one way, and imports go only downward:

__main__     the command line
jit          building blocks for the user's own nopython code
_batch       many small problems in one call: kmeans2_batch
_hook        where Numba learns of the four names, ours and SciPy's
_overloads   what kmeans2, kmeans, vq and whiten are inside nopython code
_scipy       the face of scipy.cluster.vq: kmeans2, kmeans, vq, whiten, ClusterError
_serial      what SciPy's functions do inside nopython code
_arguments   how SciPy's arguments are read
_fit         seed -> plan -> iterate -> FitResult
_seeding     starting centers, and the table of methods
_algorithms  the ways to run a pass, and their table
_nopython    arrays in, inside nopython code
_samples     arrays in: dtype, layout, checks, range
_interpreted what NumPy does as long as compiling would not pay
_kernels     nopython building blocks
_simd        vector values inside nopython code: the register tiles
_slots       work shared out to threads
_tiers       who answers a call: compiled code, or NumPy
_plan        thresholds
_jit         compiler options and code cache
_runtime     what threads and forks need
_cache       where compiled code is kept

Nothing is imported before a name is used: `import numbakmeans` costs next to nothing.
"""

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
    "fit": "_fit",
    "FitResult": "_fit",
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
    from numbakmeans._fit import FitResult, fit
    from numbakmeans._scipy import ClusterError, kmeans, kmeans2, vq, whiten


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    if _HOMES[name] == "_scipy":
        from numbakmeans import _hook

        _hook.register(home)
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
