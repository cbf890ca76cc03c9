"""Panels: which centers stand side by side in the register tile, and the arrays that they are packed in."""

from __future__ import annotations

import functools
import math

import numpy as np

from numbakmeans._numba.entries import Entry

#: Bytes of a cache line, on which panels begin: vectors across two lines cost up to a fifth.
LINE = 64

_columns = Entry("numbakmeans._engine.kernels.pack", "panel_columns")
_rows_at_once = Entry("numbakmeans._engine.kernels.pack", "rows_at_once")


@functools.cache
def tile_columns(dtype: np.dtype) -> int:
    """Return how many centers a panel holds where there are many."""
    return int(_columns(np.empty((0, 0), dtype), 2**31))


def panel_columns(dtype: np.dtype, n_clusters: int) -> int:
    """Return how many centers a panel holds."""
    return int(_columns(np.empty((0, 0), dtype), n_clusters))


@functools.cache
def rows_at_once(dtype: np.dtype) -> int:
    """Return how many rows are scored side by side."""
    return int(_rows_at_once(np.empty((0, 0), dtype)))


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array on a line of the cache, its content undefined."""
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(n_bytes + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + n_bytes].view(dtype).reshape(shape)


def panel_buffers(
    n_panels: int, n_features: int, columns: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the buffers of packed centers: panels, half norms, and bounds on the errors of their scores."""
    panels = aligned((n_panels, n_features, columns), dtype)
    return panels, aligned((n_panels, columns), dtype), np.empty((n_panels, 3))


def panels_of(vectors: np.ndarray, columns: int) -> np.ndarray:
    """Return vectors (n_vectors, n_features) as panels (n_panels, n_features, columns), padded with zeros."""
    n_vectors, n_features = vectors.shape
    n_panels = -(-n_vectors // columns)
    wide = np.zeros((n_panels * columns, n_features), vectors.dtype)
    wide[:n_vectors] = vectors
    return np.ascontiguousarray(wide.reshape(n_panels, columns, n_features).transpose(0, 2, 1))


def gather(centers: np.ndarray, columns: int) -> np.ndarray:
    """Return which center stands where in the panels, so that those of a panel lie together; -1 for none.

    The centers are halved again and again, along the line between two that lie far apart.
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
    return places_of(order, columns)


def places_of(order: np.ndarray, columns: int) -> np.ndarray:
    """Return which center stands where in panels that centers fill in some order; -1 for none."""
    members = np.full(-(-len(order) // columns) * columns, -1)
    members[: len(order)] = order
    return members
