"""Quantized rows: one byte per value, enough to prove for most rows that a pick of '++' cannot change D.

A row x is quantized to a vector q of int8 with x = origin + scale * (q + e), and an upper bound E on |e|. The
same transform maps the new pick c to a float32 vector t with c = origin + scale * (t + e'), where |e'| is at
most `POINT_ERROR` * sqrt(n_features): see `scale_point`. The true distance then satisfies

    |x - c| / scale  >=  |q - t| - E - |e'|

so D(x, c) cannot be below the row's present D if |q - t| >= sqrt(D) / scale + E + |e'|. This is compared
squared, in float32, with one limit per row, `limit_of`, which accounts for all rounding:

- The squares of q - t are added in float32: n subtractions, multiplications and additions, each off by a
  factor of at least 1 - 2**-24. All terms are positive, so the computed sum is at least (1 - 2**-24)**(n + 2)
  times the true one, with or without fused operations. Underflow, below 1e-38 per feature, is far below |e'|.
- The reference distance D is at least (1 - 2**-53)**(n + 2) times the true one, less what underflows:
  2**-1074 per feature, far below the square of scale * |e'|, as `scale` is at least 1e-140.
- The limit itself takes a few operations in float64 and one rounding to float32.

The limit is enlarged by (n + 16) * 2**-23, which exceeds all of these errors together for n up to 2**22. Rows
below their limit get their reference distance computed; a row at or above its limit would keep its D, so
there is nothing to do for it.

Quantized rows are stored by leaf (`pairwise`), side by side: the lanes of a vector are rows, as in
`reference`.

References
----------
E. Raff, "Exact acceleration of k-means++ and k-means||", IJCAI 2021, doi 10.24963/ijcai.2021/403, skips rows
that the distances between picks prove unchanged; here the row's own quantized form does.
"""

import numpy as np

from numbakmeans._engine.simd import lowest_bit, near_lanes
from numbakmeans._engine.structs.seeds import GROUP_LANES, STEPS
from numbakmeans._numba.arena import mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum

#: Largest root mean square of the values of t, and the rounding error of such a value in float32.
REACH = 1024.0
POINT_ERROR = REACH * 2.0**-23


@kernel
def quantize_leaf(block, n_rows, origin, scale, quantized, errors, arena):
    """Tile. Quantize the rows in the first n_rows lanes of a block, as `reference.pack_block` leaves it.

    quantized : OUT (n_features, lanes), int8; errors : OUT (lanes,), float32, upper bounds E

    Any q is valid, because its error is measured: x - origin - scale * q, in float64. If x is within range of
    the steps, the computed error is off by less than 2**-44 scale per feature; if x lies beyond, by another
    2**-50 of its own size. More than that is added. An error that overflows is +inf, and such a row is never
    skipped.
    """
    n_features, marked = quantized.shape[0], mark(arena)
    squares = zeros(arena, n_rows, np.float64)
    most, steps, shift = np.float64(STEPS), 1.0 / scale, 1.5 * 2.0**52
    for f in range(n_features):
        o = origin[f]
        for r in range(n_rows):
            offset = block[f, r] - o
            q = offset * steps
            # Conditional expressions, because min and max would not vectorize.
            q = q if q < most else most
            q = q if q > -most else -most
            # Adding and subtracting 1.5 * 2**52 rounds to an integer.
            q = (q + shift) - shift
            quantized[f, r] = np.int8(q)
            e = offset - q * scale
            squares[r] += e * e
    for r in range(n_rows):
        e = np.sqrt(squares[r]) / scale * (1.0 + (n_features + 16) * 2.0**-50)
        errors[r] = np.float32((e + np.sqrt(n_features) * 2.0**-40) * (1.0 + 2.0**-23))
    release(arena, marked)


@kernel
def scale_point(center, origin, scale, point):
    """Write t for a pick; return whether it is within reach, |t| <= REACH * sqrt(n_features).

    center : (at least n_features,), float64, the pick
    point : OUT (n_features,), float32. Each value is off by a factor within 1 +- 2**-24 (1 + 2**-27): two
    operations in float64 and the rounding to float32. So |e'| is below POINT_ERROR * sqrt(n_features).
    """
    square = 0.0
    for f in range(len(point)):
        t = (center[f] - origin[f]) / scale
        square += t * t
        point[f] = np.float32(t)
    return square <= REACH * REACH * len(point)


@kernel
def limit_of(sq_dist, error, scale, n_features):
    """Return the limit of a row: if |q - t|**2 is at or above it, the pick does not change its D, sq_dist.

    The limit is zero if D is zero, which no pick can lower.
    """
    if sq_dist == 0.0:
        return np.float32(0.0)
    length = np.sqrt(sq_dist) / scale + error + POINT_ERROR * np.sqrt(n_features)
    return np.float32(length * length * (1.0 + (n_features + 16) * 2.0**-23))


@kernel
def near_rows(quantized, point, limits, hits, rows):
    """Tile. List the rows of a leaf that are below their limits, in order; return their number.

    quantized : (n_features, lanes); limits : (lanes,), 0 beyond the last row
    hits : workspace (lanes // GROUP_LANES,), int64; rows : OUT (lanes,), int64
    """
    near_lanes(quantized, point, limits, hits)
    n_near, n_words = 0, 64 // GROUP_LANES
    for first in range(0, len(hits), n_words):
        hit = np.int64(0)
        for g in range(first, minimum(first + n_words, len(hits))):
            hit |= hits[g] << ((g - first) * GROUP_LANES)
        while hit != 0:
            rows[n_near] = first * GROUP_LANES + lowest_bit(hit)
            n_near += 1
            hit &= hit - 1
    return n_near
