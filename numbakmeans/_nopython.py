"""What the faces inside nopython code share: arrays of any layout in, on one thread.

Kernels are compiled for read-only, C-ordered rows of the two working dtypes. A copy makes these of anything:
a caller's other layout compiles that copy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._arrays import new_empty
from numbakmeans._jit import frozen, kernel
from numbakmeans._kernels.canonical import GROUP
from numbakmeans._kernels.room import empty, room_of
from numbakmeans._samples import precision
from numbakmeans._slots import ALONE

#: Loop and slots of a driver that uses one thread.
ONE_THREAD = (ALONE, 1)
#: Rows side by side in a block of `canonical.nearest_chunk`.
LANES = 128


precision_of = kernel(precision)


@kernel
def rows_in(room: np.ndarray, X: Any, dtype: Any) -> Any:
    """Return a copy of X (n_samples, n_features) or (n_samples,) that all kernels know: rows, read-only."""
    # Only the branch for the array at hand is compiled.
    if X.ndim == 1:
        rows = empty(room, (len(X), 1), dtype)
        for i in range(len(X)):
            rows[i, 0] = X[i]
    else:
        rows = empty(room, X.shape, dtype)
        for i in range(X.shape[0]):
            for f in range(X.shape[1]):
                rows[i, f] = X[i, f]
    return frozen(rows)


@kernel
def rows_of(X: Any, dtype: Any) -> Any:
    """Return what `rows_in` does, from the heap."""
    return rows_in(room_of(0), X, dtype)


@kernel
def wide_in(room: np.ndarray, centers: Any) -> Any:
    """Return centers in float64, their features filled up with zeros."""
    n_clusters, n_features = centers.shape
    padded = max(GROUP, (n_features + GROUP - 1) // GROUP * GROUP)
    wide = empty(room, (n_clusters, padded), np.float64)
    wide[:] = 0.0
    for j in range(n_clusters):
        for f in range(n_features):
            wide[j, f] = centers[j, f]
    return wide


@kernel
def wide_of(centers: Any) -> Any:
    """Return what `wide_in` does, from the heap."""
    return wide_in(room_of(0), centers)


@kernel
def write_narrow(wide: Any, centers: Any) -> None:
    """Write centers (n_clusters, padded features) without the zeros to centers (n_clusters, n_features)."""
    for j in range(centers.shape[0]):
        for f in range(centers.shape[1]):
            centers[j, f] = wide[j, f]


@kernel
def narrow_of(wide: Any, n_features: int, dtype: Any) -> Any:
    """Return centers (n_clusters, padded features) in a dtype, without the zeros."""
    centers = new_empty((len(wide), n_features), dtype)
    write_narrow(wide, centers)
    return centers


@kernel
def same_rows(rows: Any) -> Any:
    return rows


@kernel
def first_feature(rows: Any) -> Any:
    """Return the first feature of rows, (n_rows,)."""
    return rows[:, 0].copy()


@kernel
def all_finite(X: Any) -> bool:
    for i in range(X.shape[0]):
        for f in range(X.shape[1]):
            if not np.isfinite(X[i, f]):
                return False
    return True


@kernel
def write_rows(X: Any, picks: Any, centers: Any) -> None:
    """Write some rows of X to centers (n_picks, n_features)."""
    for p in range(len(picks)):
        for f in range(X.shape[1]):
            centers[p, f] = X[picks[p], f]


@kernel
def take(X: Any, picks: Any) -> Any:
    """Return some rows of X, float64."""
    centers = new_empty((len(picks), X.shape[1]), np.float64)
    write_rows(X, picks, centers)
    return centers
