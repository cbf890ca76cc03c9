"""What a column of data spans: its largest magnitude, its finest bit, and whether all of it is finite.

One sweep finds the three. The grids of the exact sums (`sums`) follow from them.
"""

import numpy as np

from numbakmeans._arrays import line_of
from numbakmeans._jit import inlined_kernel, kernel
from numbakmeans._kernels.room import empty
from numbakmeans._slots import driver, spread

MANTISSA = (1 << 52) - 1
#: Values that are compared with the ranges so far in one go.
RUN = 64


@inlined_kernel
def finest_bit(x):
    """Return the weight of the lowest set bit of a finite x > 0."""
    bits = np.float64(x).view(np.int64)
    rest = np.int64(bits & (bits - 1)).view(np.float64)
    # A power of two has no bit but the hidden one.
    return x if bits & MANTISSA == 0 else x - rest


@inlined_kernel
def beyond(values, largest, limits):
    """Return how many values are not finite, larger than the largest, or finer than the finest so far.

    limits : the finest bits, moved up by the bits of a mantissa. From there on no value is finer. A smaller
    one is, if adding the limit rounds it.
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
    """Fold values into the ranges of their lanes; return whether all are finite: others are left out."""
    ulps = 2.0**23 if values.itemsize == 4 else 2.0**52
    n_others = 0
    # Without branches, so that it vectorises: in small data nearly every run has a value that counts.
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
def measure_chunk(X, start, stop, largest, finest, room):
    """Chunk. Fold rows [start, stop) into each column's largest magnitude and finest bit.

    Returns whether all values are finite; others are left out of the two figures.

    The rows are read as one line of n_features * repeats columns, so that there are lanes enough for any
    number of features. Few values change a range: whether some of a run do is asked first.
    """
    n_features = X.shape[1]
    repeats = (RUN + n_features - 1) // n_features
    width = n_features * repeats
    line = line_of(X, start, stop)
    used = room[0]
    lane_largest, limits = empty(room, (width,), X.dtype), empty(room, (width,), X.dtype)
    lane_finest = empty(room, (width,), np.float64)
    lane_largest[:], limits[:], lane_finest[:] = 0.0, 0.0, np.inf
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
        largest[f] = max(largest[f], lane_largest[t])
        finest[f] = min(finest[f], lane_finest[t])
    room[0] = used
    return finite


@kernel
def measure_slot(slot, X, largest, finest, finite, room):
    """Slot. Fold its share of the rows; see `measure`."""
    n_samples, n_slots = X.shape[0], largest.shape[0]
    start, stop = slot * n_samples // n_slots, (slot + 1) * n_samples // n_slots
    if not measure_chunk(X, start, stop, largest[slot], finest[slot], room):
        finite[slot] = False


@driver
def measure(loop, X, largest, finest, finite, room):
    """Fold all rows into the range of each column, for each slot.

    largest, finest : INOUT (n_slots, n_features), zeros and infinities at first
    finite : OUT (n_slots,), bool, True at first; room : with words for one thread alone
    """
    spread(loop, largest.shape[0], measure_slot, (X, largest, finest, finite, room))
