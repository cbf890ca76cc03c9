"""Rows and centers in the form that the register tile reads: transformed, contiguous, in the working dtype.

Rows and centers are shifted by a common origin, which minimizes their norms and hence the error bound, and
scaled by a power of two, which prevents squares from overflowing and is exact except for the tiniest values.
Data of moderate size that is already centered near zero is not copied: its rows are used in place, with an
origin of zeros and a scale of 1 (`structs.passes.Transform`). Packed values never enter a result: what they
cannot decide is decided from the original data.
"""

import math
from typing import NamedTuple

import numpy as np

from numbakmeans._engine.simd import has_dots, lane_rows, tile_columns, tile_lanes, tile_rows
from numbakmeans._numba.arena import LINE, empty, mark, release
from numbakmeans._numba.compiler import bounding_kernel, inlined_kernel, kernel
from numbakmeans._numba.scalars import bits_of, maximum


class Scores(NamedTuple):
    """Results and workspace of `certify.score_some` and `score_all`.

    best, second : (n_panels, at least n_rows), the two smallest scores of each row in each panel
    columns : likewise, int32, the column of the best score
    places, chosen : the rows scored in a panel, from `certify.choose_rows`
    some_best, some_second, some_columns : results for a panel that only some of the rows are scored against
    """

    best: np.ndarray
    second: np.ndarray
    columns: np.ndarray
    places: np.ndarray
    chosen: np.ndarray
    some_best: np.ndarray
    some_second: np.ndarray
    some_columns: np.ndarray


@inlined_kernel
def mix(key, value):
    """Return the hash of a key and one more value."""
    # -0.0 equals 0.0 and must have the same hash: adding 0.0 maps it to 0.0.
    bits = bits_of(0.0 + value)
    return (key ^ (bits ^ (bits >> 29))) * np.int64(0x5851F42D4C957F2D)


@kernel
def hash_of(centers, j, n_features):
    """Return a hash of center j.

    Four independent keys are used, as the products of each key form a dependency chain.
    """
    k0, k1, k2, k3 = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
    fours = n_features // 4 * 4
    for f in range(0, fours, 4):
        k0, k1 = mix(k0, centers[j, f]), mix(k1, centers[j, f + 1])
        k2, k3 = mix(k2, centers[j, f + 2]), mix(k3, centers[j, f + 3])
    for f in range(fours, n_features):
        k0 = mix(k0, centers[j, f])
    return (k0 ^ (k1 << 1)) ^ ((k2 << 2) ^ (k3 << 3))


@kernel
def distinct_centers(centers, n_features, distinct, arena):
    """Mark the first of each set of equal centers; distinct : OUT (n_clusters,), bool.

    Equal centers tie for every row and the lowest index wins, so duplicates are never the nearest.
    """
    n_clusters = centers.shape[0]
    size = 2
    while size < 2 * n_clusters:
        size *= 2
    # A hash table of center indices with linear probing, at most half full: a free slot always exists.
    marked = mark(arena)
    table = empty(arena, size, np.int64)
    table[:] = -1
    for j in range(n_clusters):
        key = hash_of(centers, j, n_features)
        slot = (key ^ (key >> 32)) & (size - 1)
        distinct[j] = True
        while distinct[j] and table[slot] >= 0:
            i, same = table[slot], True
            for f in range(n_features):
                if centers[i, f] != centers[j, f]:
                    same = False
                    break
            distinct[j] = not same
            slot = (slot + 1) & (size - 1)
        if distinct[j]:
            table[slot] = j
    release(arena, marked)


@kernel
def pack_panel(points, transform, packed, p):
    """Write the negated centers of panel p and half their squared norms; return their largest norm.

    points : (n_clusters, at least n_features), float64
    packed : INOUT `structs.passes.Packed`: its panels (n_panels, n_features, columns) and half_norms
    (n_panels, columns), +inf for padding and duplicate centers
    """
    panels, half_norms = packed.panels, packed.half_norms
    origin, scale = transform.origin, transform.scale
    _, n_features, columns = panels.shape
    largest = 0.0
    for c in range(columns):
        j = packed.members[p * columns + c]
        if j < 0 or not packed.distinct[j]:
            half_norms[p, c] = np.inf
            for f in range(n_features):
                panels[p, f, c] = 0.0
            continue
        square = 0.0
        for f in range(n_features):
            x = (points[j, f] - origin[f]) * scale
            square += x * x
            panels[p, f, c] = -x
        half_norms[p, c] = 0.5 * square
        largest = maximum(largest, square)
    return math.sqrt(largest)


@bounding_kernel
def square_norm(rows, r):
    """Return the squared norm of a packed row in float64, summed in any order."""
    square = 0.0
    for f in range(rows.shape[1]):
        x = np.float64(rows[r, f])
        square += x * x
    return square


@kernel
def pack_rows(X, selected, n_selected, transform, rows):
    """Write the selected rows of X, transformed.

    X : (n_samples, at least n_features); selected : (at least n_selected,), int64, row indices
    rows : OUT (at least n_selected, n_features)
    """
    origin, scale = transform.origin, transform.scale
    for t in range(n_selected):
        i = selected[t]
        for f in range(rows.shape[1]):
            rows[t, f] = (X[i, f] - origin[f]) * scale


@bounding_kernel
def norm_of(X, i, origin):
    """Return the distance of row i of X from the origin, summed in any order."""
    square = 0.0
    for f in range(len(origin)):
        x = X[i, f] - origin[f]
        square += x * x
    return np.sqrt(square)


@kernel
def measure_rows(X, start, stop, transform, norms):
    """Chunk. Write the norms of rows [start, stop), transformed; norms : OUT (n_samples,), float64."""
    for i in range(start, stop):
        norms[i] = norm_of(X, i, transform.origin) * transform.scale


@kernel
def measure_lanes(lanes, norms):
    """Write the norms of rows side by side, after the transform.

    lanes : (blocks, n_features, lane rows), packed rows; norms : OUT (blocks * lane rows,), float64
    """
    n_blocks, n_features, width = lanes.shape
    for b in range(n_blocks):
        own = norms[b * width : (b + 1) * width]
        for t in range(width):
            own[t] = 0.0
        for f in range(n_features):
            for t in range(width):
                x = np.float64(lanes[b, f, t])
                own[t] += x * x
        for t in range(width):
            own[t] = np.sqrt(own[t])


@kernel
def geometry(singles, doubles):
    """Return the centers per panel for float32 and for float64, and the transposed rows per tile for both.

    The last value is 1 where the processor has the instruction that makes coarse rows quick, else 0.
    singles, doubles : any table of float32, and of float64
    """
    sizes = tile_columns(singles), tile_columns(doubles), lane_rows(singles), lane_rows(doubles)
    return (*sizes, has_dots(singles))


@kernel
def row_numbers(n_rows, arena):
    """Return the indices of n_rows consecutive rows, from 0."""
    numbers = empty(arena, n_rows, np.int64)
    for t in range(n_rows):
        numbers[t] = t
    return numbers


@kernel
def score_buffers(X, n_rows, n_panels, arena):
    """Return `Scores` for n_rows rows, in the dtype of X."""
    # Space for all lanes of the last tile; the scores of each panel start on a cache line.
    width = (n_rows + maximum(tile_lanes(X), lane_rows(X)) + LINE - 1) // LINE * LINE
    best, second = empty(arena, (n_panels, width), X.dtype), empty(arena, (n_panels, width), X.dtype)
    columns = empty(arena, (n_panels, width), np.int32)
    places, chosen = empty(arena, n_rows, np.int64), empty(arena, n_rows + tile_rows(X), np.int64)
    some_best, some_second = empty(arena, width, X.dtype), empty(arena, width, X.dtype)
    some_columns = empty(arena, width, np.int32)
    return Scores(best, second, columns, places, chosen, some_best, some_second, some_columns)
