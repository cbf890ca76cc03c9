"""The range of each column: its largest magnitude, its finest bit, and whether all of its values are finite.

One sweep finds all three. The bins of the exact sums (`sums`) follow from them.
"""

import numpy as np

from numbakmeans._engine import bins
from numbakmeans._engine.structs.sums import Ranges
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import inlined_kernel, kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import bits_of, float_of, maximum, minimum
from numbakmeans._numba.tables import flat, folded

MANTISSA = (1 << 52) - 1
#: Number of values compared with the current ranges in one go.
RUN = 64


@inlined_kernel
def finest_bit(x):
    """Return the weight of the lowest set bit of a finite x > 0."""
    bits = bits_of(x)
    rest = float_of(bits & (bits - 1))
    # A power of two has no bit but the implicit one.
    return x if bits & MANTISSA == 0 else x - rest


@inlined_kernel
def exponent_above(x):
    """Return the smallest e with x < 2**e, for a finite x > 0."""
    # Subnormals are scaled up first: their exponent field is zero.
    tiny = x < 2.0**-1022
    bits = bits_of(x * 2.0**64 if tiny else x)
    return (bits >> 52) - 1022 - (64 if tiny else 0)


@inlined_kernel
def power_of_two(e):
    """Return 2**e for -1074 <= e <= 1023."""
    tiny = e < -1022
    power = float_of((e + (1087 if tiny else 1023)) << 52)
    return power * 2.0**-64 if tiny else power


@inlined_kernel
def beyond(values, largest, limits):
    """Return a nonzero count if any value is not finite, or larger or finer than all values before it.

    limits : the finest bits, times 2**(mantissa bits). No value at or above its limit has a finer
    bit; a smaller one has if adding the limit rounds it.
    """
    n_beyond = 0
    for t in range(len(values)):
        x, limit = abs(values[t]), limits[t]
        # Written so that a NaN counts.
        n_beyond += 0 if x <= largest[t] else 1
        n_beyond += 1 if x < limit and (x + limit) - limit != x else 0
    return n_beyond


@kernel
def widen_ranges(values, largest, finest, limits):
    """Fold finite values into the ranges of their lanes; return whether there are no others."""
    ulps = 2.0**23 if values.itemsize == 4 else 2.0**52
    n_others = 0
    # Branch-free, so that it vectorizes: in small data nearly every run has a value that counts.
    for t in range(len(values)):
        x = abs(values[t])
        n_others += 0 if x < np.inf else 1
        weight = finest_bit(np.float64(x))
        counts = x > 0.0 and x < np.inf
        largest[t] = x if counts and x > largest[t] else largest[t]
        finest[t] = weight if counts and weight < finest[t] else finest[t]
        limits[t] = finest[t] * ulps
    return n_others == 0


@kernel
def measure_chunk(X, start, stop, largest, finest, arena):
    """Chunk. Fold rows [start, stop) into each column's largest magnitude and finest bit.

    Returns whether all values are finite; those that are not are left out of both figures.

    The rows are read as lines of n_features * repeats values, so that there are enough lanes for any number
    of features. Few values widen a range, so each run is first checked for values that do.
    """
    n_features = X.shape[1]
    repeats = (RUN + n_features - 1) // n_features
    width = n_features * repeats
    line = flat(X[start:stop])
    marked = mark(arena)
    lane_largest, limits = empty(arena, width, X.dtype), empty(arena, width, X.dtype)
    lane_finest = empty(arena, width, np.float64)
    lane_largest[:] = 0.0
    limits[:] = 0.0
    lane_finest[:] = np.inf
    finite = True
    for first in range(0, len(line), width):
        some = line[first : first + width]
        for begin in range(0, len(some), RUN):
            values, end = some[begin : begin + RUN], begin + RUN
            if beyond(values, lane_largest[begin:end], limits[begin:end]) > 0:
                lanes = (lane_largest[begin:end], lane_finest[begin:end], limits[begin:end])
                finite &= widen_ranges(values, *lanes)
    for t in range(width):
        f = t % n_features
        largest[f] = maximum(largest[f], np.float64(lane_largest[t]))
        finest[f] = minimum(finest[f], lane_finest[t])
    release(arena, marked)
    return finite


@kernel
def measure_task(task, arena, X, largest, finest, finite):
    """Task. Fold its share of the rows; see `survey`."""
    n_samples, n_tasks = X.shape[0], largest.shape[0]
    start, stop = task * n_samples // n_tasks, (task + 1) * n_samples // n_tasks
    if not measure_chunk(X, start, stop, largest[task], finest[task], arena):
        finite[task] = False


part_exponent = inlined_kernel(bins.part_exponent)


@kernel
def count_parts(largest, finest, halved, ends):
    """Return the number of parts that the values of all columns need (`bins.part_exponent`).

    largest, finest : (n_features,); ends : OUT (n_features,), int64, as in `Ranges`
    """
    n_parts = 1
    for f in range(len(ends)):
        exponent = exponent_above(largest[f]) if largest[f] > 0.0 else 0
        ends[f] = exponent + (bins.BIN_END - exponent) % bins.BIN_BITS
        if largest[f] > 0.0:
            bottom = exponent_above(finest[f]) - 1
            while part_exponent(ends[f], n_parts - 1, halved) > bottom:
                n_parts += 1
    return n_parts


@kernel
def ranges_of(X, arena):
    """Return the `Ranges` of fewer than `bins.MANY_ROWS` rows."""
    n_features = X.shape[1]
    largest, finest = zeros(arena, n_features, np.float64), empty(arena, n_features, np.float64)
    ends = empty(arena, n_features, np.int64)
    finest[:] = np.inf
    finite = measure_chunk(X, 0, len(X), largest, finest, arena)
    return Ranges(ends, count_parts(largest, finest, False, ends), finite)


@kernel
def product_ranges(X, weights, arena):
    """Return the `Ranges` of few rows times their weights, and of the weights, and whether they can be split.

    X : (n_samples, n_features), float64; weights : (n_samples,), float64, below 1
    """
    n_features = X.shape[1]
    largest, finest = zeros(arena, n_features + 1, np.float64), empty(arena, n_features + 1, np.float64)
    ends = empty(arena, n_features + 1, np.int64)
    finest[:] = np.inf
    column = folded(weights, 0, len(weights), 1)
    measure_chunk(column, 0, len(weights), largest[n_features:], finest[n_features:], arena)
    finite = measure_chunk(X, 0, len(X), largest[:n_features], finest[:n_features], arena)
    most, least, summable = largest[n_features], finest[n_features], finite
    for f in range(n_features):
        summable &= largest[f] < bins.LIMIT and finest[f] * least > 0.0
        largest[f], finest[f] = largest[f] * most, maximum(finest[f] * least, bins.LEAST)
    return Ranges(ends, count_parts(largest, finest, False, ends), finite), summable


@kernel
def survey(executor, n_tasks, X, halved, found, arena):
    """Fold all rows of X into the range of each column.

    halved : whether the data has `bins.MANY_ROWS` rows or more in total; X may be a part of it
    found : the largest magnitudes and the finest bits, INOUT (n_features,), zeros and infinities at first;
    and OUT (n_features,), int64, `ends` as in `Ranges`, of the rows so far

    Returns
    -------
    n_parts, finite : as in `Ranges`; finite refers to X alone
    """
    largest, finest, ends = found
    n_features = X.shape[1]
    of_tasks, finest_of_tasks = (
        zeros(arena, (n_tasks, n_features), np.float64),
        empty(arena, (n_tasks, n_features), np.float64),
    )
    finite_tasks = empty(arena, n_tasks, np.bool_)
    finest_of_tasks[:] = np.inf
    finite_tasks[:] = True
    parallel_for(executor, n_tasks, measure_task, (X, of_tasks, finest_of_tasks, finite_tasks))
    finite = True
    for s in range(n_tasks):
        finite &= finite_tasks[s]
        for f in range(n_features):
            largest[f] = maximum(largest[f], of_tasks[s, f])
            finest[f] = minimum(finest[f], finest_of_tasks[s, f])
    return count_parts(largest, finest, halved, ends), finite
