"""Panels: which centers are side by side in the register tile, and the arrays that they are packed into."""

from __future__ import annotations

import functools
import math

import numpy as np

from numbakmeans._engine.structs.passes import Packed, Places, Singles
from numbakmeans._numba.entries import Entry

#: Bytes of a cache line, to which panels are aligned: vectors across two lines cost up to a fifth.
LINE = 64

_geometry = Entry("numbakmeans._engine.kernels.pack", "geometry")


@functools.cache
def _machine() -> tuple[dict[np.dtype, tuple[int, int]], bool]:
    """Return the centers per panel and the rows scored side by side, for each working dtype; and whether the
    processor multiplies bytes quickly.
    """
    dtypes = np.dtype(np.float32), np.dtype(np.float64)
    *sizes, dots = _geometry(*(np.empty((0, 0), dtype) for dtype in dtypes))
    return dict(zip(dtypes, zip(sizes[:2], sizes[2:], strict=True), strict=True)), bool(dots)


def multiplies_bytes() -> bool:
    """Return whether the processor has an instruction for the products of coarse rows."""
    return _machine()[1]


def tile_columns(dtype: np.dtype) -> int:
    """Return how many centers a panel holds if there are many."""
    return _machine()[0][dtype][0]


def panel_columns(dtype: np.dtype, n_clusters: int) -> int:
    """Return how many centers a panel holds: half of the tile's columns, if all centers fit."""
    columns = tile_columns(dtype)
    return columns // 2 if n_clusters <= columns // 2 else columns


def rows_at_once(dtype: np.dtype) -> int:
    """Return how many rows are scored side by side."""
    return _machine()[0][dtype][1]


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an uninitialized array that is aligned to a cache line."""
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(n_bytes + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + n_bytes].view(dtype).reshape(shape)


def pack_buffers(n_clusters: int, n_features: int, places: Places, dtype: np.dtype) -> Packed:
    """Return buffers for centers, packed for the tile."""
    n_panels = len(places.groups)
    columns = len(places.members) // n_panels
    return Packed(
        np.empty(n_clusters, np.bool_),
        places.members,
        aligned((n_panels, n_features, columns), dtype),
        aligned((n_panels, columns), dtype),
        np.empty((n_panels, 3)),
        places.groups,
    )


def singles_of(n_clusters: int, n_features: int, places: Places) -> Singles:
    """Return buffers for centers one by one."""
    centers = aligned((n_clusters, n_features), np.dtype(np.float32))
    return Singles(places.members, centers, np.empty(n_clusters))


def panels_of(vectors: np.ndarray, columns: int) -> np.ndarray:
    """Return vectors (n_vectors, n_features) as panels (n_panels, n_features, columns), padded with zeros."""
    n_vectors, n_features = vectors.shape
    n_panels = -(-n_vectors // columns)
    wide = np.zeros((n_panels * columns, n_features), vectors.dtype)
    wide[:n_vectors] = vectors
    return np.ascontiguousarray(wide.reshape(n_panels, columns, n_features).transpose(0, 2, 1))


def gather(centers: np.ndarray, columns: int) -> np.ndarray:
    """Return an order of the centers in which those of a panel are close to each other.

    The centers are bisected recursively, along the line between two that are far apart.
    """
    n_clusters = len(centers)
    points = centers.astype(np.float32)
    squares = np.einsum("jf,jf->j", points, points)
    order = np.arange(n_clusters)
    runs = [(0, n_clusters)]
    while runs:
        start, stop = runs.pop()
        if stop - start <= columns:
            continue
        some, its_squares = points[order[start:stop]], squares[order[start:stop]]
        one = some[(its_squares - 2 * np.einsum("jf,f->j", some, some[0])).argmax()]
        other = some[(its_squares - 2 * np.einsum("jf,f->j", some, one)).argmax()]
        half = -(-(stop - start) // (2 * columns)) * columns
        along = np.einsum("jf,f->j", some, other - one)
        order[start:stop] = order[start:stop][np.argpartition(along, half - 1)]
        runs += [(start, start + half), (start + half, stop)]
    return order


def places_of(order: np.ndarray, columns: int) -> Places:
    """Return the `Places` of centers that fill the panels in a given order, with all panels in one group."""
    n_panels = -(-len(order) // columns)
    members = np.full(n_panels * columns, -1)
    members[: len(order)] = order
    return Places(members, np.zeros(n_panels, np.int64))
