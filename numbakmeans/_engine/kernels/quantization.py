"""Quantized rows: one byte per value, enough to prove for most rows that a pick of '++' cannot change D.

A row x is quantized to a vector q of int8 with x = origin + scale * (q + e), and an upper bound E on |e|. The
same transform maps the new pick c to a float32 vector t with c = origin + scale * (t + e'), where |e'| is at
most `POINT_ERROR` * sqrt(n_features): see `scale_point`. The true distance then satisfies

    |x - c| / scale  >=  |q - t| - E - |e'|

so D(x, c) cannot be below the row's present D if |q - t| >= length = sqrt(D) / scale + E + |e'|, that is, if

    q.t - |t|**2 / 2  <=  (|q|**2 - length**2) / 2

The left side is a sum in float32, one multiply-add per value, that starts from the last term; the right side
is the bound of the row (`bound_of`). All rounding is accounted for:

- The sum is off by less than 1.2 * (n + 2) * 2**-24 * (|q| * |t| + |t|**2 / 2), fused or not, for n features,
  up to 2**22; and |q| * |t| is at most half of |q|**2 + |t|**2. Underflow, below 1e-36 per feature, is far
  below |e'|**2.
- The reference distance D is at least (1 - 2**-53)**(n + 2) times the true one, less what underflows:
  2**-1074 per feature, far below the square of scale * |e'|, as `scale` is at least 1e-140.
- Both sides take a few operations in float64 and a rounding to float32.

So |q|**2 and |t|**2 are lowered, and length**2 is raised, by (n + 16) * 2**-22 of themselves, which exceeds
all of these errors together. Rows whose sum is above their bound get their reference distance computed; any
other row would keep its D, so there is nothing to do for it.

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

#: Largest root mean square of the values of t, and the rounding error of such a value in float32.
REACH = 1024.0
POINT_ERROR = REACH * 2.0**-23


@kernel
def quantize_leaf(block, n_rows, origin, scale, quantized, sizes, arena):
    """Tile. Quantize the rows in the first n_rows lanes of a block, as `reference.pack_block` leaves it.

    quantized : OUT (n_features, lanes), int8
    sizes : OUT (2, lanes), float32, upper bounds E, and |q|**2 / 2, lowered

    Any q is valid, because its error is measured: x - origin - scale * q, in float64. If x is within range of
    the steps, the computed error is off by less than 2**-44 scale per feature; if x lies beyond, by another
    2**-50 of its own size. More than that is added. An error that overflows is +inf, and such a row is never
    skipped.
    """
    n_features, marked = quantized.shape[0], mark(arena)
    squares, norms = zeros(arena, n_rows, np.float64), zeros(arena, n_rows, np.float64)
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
            norms[r] += q * q
    for r in range(n_rows):
        e = np.sqrt(squares[r]) / scale * (1.0 + (n_features + 16) * 2.0**-50)
        sizes[0, r] = np.float32((e + np.sqrt(n_features) * 2.0**-40) * (1.0 + 2.0**-23))
        sizes[1, r] = np.float32(0.5 * norms[r] * (1.0 - (n_features + 16) * 2.0**-22))
    release(arena, marked)


@kernel
def scale_point(center, origin, scale, point):
    """Write t for a pick, and what its sums start from: for a pick out of reach, more than any bound.

    center : (at least n_features,), float64, the pick
    point : OUT (n_features + 1,), float32, t, then the start. Each value of t is off by a factor within
    1 +- 2**-24 (1 + 2**-27): two operations in float64 and the rounding to float32. So if |t| is at most
    REACH * sqrt(n_features), |e'| is below POINT_ERROR * sqrt(n_features).
    """
    n_features, square = len(origin), 0.0
    for f in range(n_features):
        t = np.float32((center[f] - origin[f]) / scale)
        point[f] = t
        square += np.float64(t) * np.float64(t)
    point[n_features] = np.float32(-0.5 * square * (1.0 - (n_features + 16) * 2.0**-22))
    if not square <= REACH * REACH * n_features:
        point[:] = np.float32(0.0)
        point[n_features] = np.float32(np.inf)


@kernel
def bound_of(sq_dist, error, half, scale, n_features):
    """Return the bound of a row: if its sum is not above it, D stays at sq_dist.

    error, half : the sizes of the row. The bound is infinite if D is zero, which no pick can lower.
    """
    if sq_dist == 0.0:
        return np.float32(np.inf)
    length = np.sqrt(sq_dist) / scale + error + POINT_ERROR * np.sqrt(n_features)
    return np.float32(half - length * length * (0.5 + (n_features + 16) * 2.0**-23))


@kernel
def mark_near(steps, points, bounds, hits):
    """Tile. Mark the rows of a leaf that may get nearer to each point; arguments as `near_lanes` takes them.

    A kernel of its own, as the tile aligns the stack, which slows scalar code.
    """
    near_lanes(steps, points, bounds, hits)


@kernel
def near_rows(hits, rows):
    """Tile. List the rows of a leaf that are marked, in order; return their number.

    hits : (lanes // GROUP_LANES,), int64; rows : OUT (lanes,), int64
    """
    n_near = 0
    for g in range(len(hits)):
        hit = hits[g]
        while hit != 0:
            rows[n_near] = g * GROUP_LANES + lowest_bit(hit)
            n_near += 1
            hit &= hit - 1
    return n_near
