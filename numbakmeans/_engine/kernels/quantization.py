"""Sketches of rows: a byte for each value, enough to tell most rows that one more pick of '++' cannot change.

A sketch of a row x is a vector q of int8 with x = origin + scale * (q + e), and a bound E of the length
of e. The same transformation takes the new pick c to a float32 vector t, c = origin + scale * (t + e'), with
the length of e' at most `SLACK` * sqrt(n_features): see `scale_point`. The true distance is then

    |x - c| / scale  >=  |q - t| - E - |e'|

so that D(x, c) cannot be below the row's present D where |q - t| >= sqrt(D) / scale + E + |e'|. That is
compared squared, in float32, with one limit a row, `limit_of`, which carries all rounding:

- The squares of q - t are added in float32: n subtractions, multiplications and additions, each off by a
  factor of at most 1 - 2**-24 and all terms positive, make the sum at least (1 - 2**-24)**(n + 2) of the
  true one, fused or not. What underflows, below 1e-38 a feature, is far below |e'|.
- D by its definition is at least (1 - 2**-53)**(n + 2) of the true one, less what underflows: 2**-1074 a
  feature, far below the square of scale * |e'|, as `scale` is at least 1e-140.
- The limit itself: a few operations in float64 and one rounding to float32.

The limit is made larger by (n + 16) * 2**-23, which is more than all of them together, for n up to 2**22.
Every row below its limit is decided by the definition; a row at or above it would keep its D there: nothing
is left to do.

Sketches are kept by leaves (`pairwise`), rows side by side: lanes of a vector are rows, as in `reference`.

References
----------
E. Raff, "Exact acceleration of k-means++ and k-means||", IJCAI 2021, doi 10.24963/ijcai.2021/403, passes by
rows that the distances between picks prove unchanged; here a row's own sketch does.
"""

import numpy as np

from numbakmeans._engine.simd import lowest_bit, near_lanes
from numbakmeans._engine.structs.seeds import GROUP_LANES, STEPS
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum
from numbakmeans._numba.tables import mark, release, zeros

#: Largest root mean square of the values of a pick's t, and the rounding to float32 of such a one.
REACH = 1024.0
SLACK = REACH * 2.0**-23


@kernel
def quantize_leaf(block, n_rows, origin, scale, quantized_row, errors, arena):
    """Tile. Sketch the rows in the first n_rows lanes of a block, as `reference.pack_block` leaves it.

    quantized_row : OUT (n_features, lanes), int8; errors : OUT (lanes,), float32, upper bounds of E

    Any q is right, as its error is measured: x - origin - scale * q in float64. Where x is within the steps
    that is off by less than 2**-44 scale a feature; where x lies beyond, by 2**-50 of itself besides. More
    than that is added. An error that overflows is +inf, and its row always near.
    """
    n_features, marked = quantized_row.shape[0], mark(arena)
    squares = zeros(arena, n_rows, np.float64)
    most, steps, shift = np.float64(STEPS), 1.0 / scale, 1.5 * 2.0**52
    for f in range(n_features):
        o = origin[f]
        for r in range(n_rows):
            offset = block[f, r] - o
            q = offset * steps
            # Conditions, not min and max, which would not vectorise.
            q = q if q < most else most
            q = q if q > -most else -most
            # Adding and subtracting 1.5 * 2**52 rounds to an integer.
            q = (q + shift) - shift
            quantized_row[f, r] = np.int8(q)
            e = offset - q * scale
            squares[r] += e * e
    for r in range(n_rows):
        e = np.sqrt(squares[r]) / scale * (1.0 + (n_features + 16) * 2.0**-50)
        errors[r] = np.float32((e + np.sqrt(n_features) * 2.0**-40) * (1.0 + 2.0**-23))
    release(arena, marked)


@kernel
def scale_point(center, origin, scale, point):
    """Write t of a pick, center; return whether it is within reach, |t| <= REACH * sqrt(n_features).

    center : (at least n_features,), float64
    point : OUT (n_features,), float32. Each value is off by a factor of at most 1 +- 2**-24 (1 + 2**-27):
    two operations in float64 and the rounding to float32. So the length of e' is below SLACK * sqrt(n).
    """
    square = 0.0
    for f in range(len(point)):
        t = (center[f] - origin[f]) / scale
        square += t * t
        point[f] = np.float32(t)
    return square <= REACH * REACH * len(point)


@kernel
def limit_of(sq_dist, error, scale, n_features):
    """Return the limit of a row: a |q - t|**2 that is not below it leaves its D, sq_dist, as it is.

    Zero where D is: nothing is below that.
    """
    if sq_dist == 0.0:
        return np.float32(0.0)
    length = np.sqrt(sq_dist) / scale + error + SLACK * np.sqrt(n_features)
    return np.float32(length * length * (1.0 + (n_features + 16) * 2.0**-23))


@kernel
def near_rows(quantized_row, point, limits, hits, rows):
    """Tile. List the rows of a leaf that are below their limits, in order; return their number.

    quantized_row : (n_features, lanes); limits : (lanes,), 0 beyond the last row
    hits : workspace (lanes // GROUP_LANES,), int64; rows : OUT (lanes,), int64
    """
    near_lanes(quantized_row, point, limits, hits)
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
