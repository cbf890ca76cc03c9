"""Rows and centers as the register tile wants them: shifted, scaled, contiguous, in the working dtype.

Both are shifted by a common origin, which makes the norms, and with them the bound on the error, as small
as they get; and scaled by a power of two, which keeps squares from overflowing and is exact but for the
tiniest values. Nothing here is part of a result: what these buffers cannot decide is decided from the
originals.
"""

import math

import numpy as np

from numbakmeans._jit import bounding_kernel, kernel
from numbakmeans._simd import tile_columns, tile_rows

#: Beyond it, and below its inverse, squares overflow or vanish in the definition: only the definition knows.
LIMIT = 2.0**400


@kernel
def scale_for(largest, centers, n_features, origin):
    """Return the power of two that brings |x - origin| and |c - origin| to about 1, or 0 if none will do.

    largest : (n_slots, n_features), largest magnitudes of X; centers : (n_clusters, padded features)
    """
    top = 0.0
    for f in range(n_features):
        for s in range(largest.shape[0]):
            top = max(top, largest[s, f] + abs(origin[f]))
        for j in range(centers.shape[0]):
            reach = abs(centers[j, f]) + abs(origin[f])
            # Written so that a NaN is refused.
            if not reach < LIMIT:
                return 0.0
            top = max(top, reach)
    if not 1.0 / LIMIT < top < LIMIT:
        return 0.0
    return math.ldexp(1.0, -math.frexp(top)[1])


@kernel
def distinct_centers(centers, n_features, distinct):
    """Mark the first of each set of equal centers; distinct : OUT (n_clusters,), bool.

    Equal centers tie for every row, and the lowest index wins: the others never can.
    """
    n_clusters = centers.shape[0]
    keys = np.empty(n_clusters, np.int64)
    for j in range(n_clusters):
        key = np.int64(0)
        for f in range(n_features):
            # 0.0 + turns -0.0 into 0.0.
            bits = np.float64(0.0 + centers[j, f]).view(np.int64)
            key = (key ^ (bits ^ (bits >> 29))) * np.int64(0x5851F42D4C957F2D)
        keys[j] = key
    order = np.argsort(keys, kind="mergesort")
    for t in range(n_clusters):
        j = order[t]
        distinct[j] = True
        # Only centers of the same key can be equal; those with a lower index stand before this one.
        b = t - 1
        while b >= 0 and keys[order[b]] == keys[j]:
            i = order[b]
            b -= 1
            if distinct[i]:
                same = True
                for f in range(n_features):
                    if centers[i, f] != centers[j, f]:
                        same = False
                        break
                if same:
                    distinct[j] = False
                    break


@kernel
def pack_panels(centers, distinct, origin, scale, panels, half_norms):
    """Write the centers as panels, and half their squared norms; return the largest norm.

    panels : OUT (n_panels, n_features, columns); half_norms : OUT (n_panels, columns), +inf where there is
    no center, or one that cannot win
    """
    n_panels, n_features, columns = panels.shape
    largest = 0.0
    for p in range(n_panels):
        for c in range(columns):
            j = p * columns + c
            if j >= centers.shape[0] or not distinct[j]:
                half_norms[p, c] = np.inf
                for f in range(n_features):
                    panels[p, f, c] = 0.0
                continue
            square = 0.0
            for f in range(n_features):
                x = (centers[j, f] - origin[f]) * scale
                square += x * x
                panels[p, f, c] = x
            half_norms[p, c] = 0.5 * square
            largest = max(largest, square)
    return math.sqrt(largest)


@bounding_kernel
def square_norm(rows, r):
    """Return the squared norm of a packed row, in float64, rounded in any order."""
    square = 0.0
    for f in range(rows.shape[1]):
        x = np.float64(rows[r, f])
        square += x * x
    return square


@kernel
def pack_rows(X, start, stop, origin, scale, rows, norms):
    """Write rows [start, stop) of X, negated, and their norms.

    rows : OUT (tile rows, n_features); norms : OUT (tile rows,), float64
    """
    for i in range(start, stop):
        for f in range(X.shape[1]):
            rows[i - start, f] = (origin[f] - X[i, f]) * scale
        norms[i - start] = np.sqrt(square_norm(rows, i - start))


@kernel
def row_buffers(X):
    """Return the buffers of one register tile: rows, norms, best, second, numbers."""
    n_rows, columns = tile_rows(X), tile_columns(X)
    rows = np.zeros((n_rows, X.shape[1]), X.dtype)
    best, second = np.empty((n_rows, columns), X.dtype), np.empty((n_rows, columns), X.dtype)
    return rows, np.zeros(n_rows), best, second, np.empty((n_rows, columns), np.int32)


@kernel
def panel_buffers(X, n_clusters):
    """Return the buffers of all centers: panels, half norms."""
    columns = tile_columns(X)
    n_panels = (n_clusters + columns - 1) // columns
    return np.empty((n_panels, X.shape[1], columns), X.dtype), np.empty((n_panels, columns), X.dtype)
