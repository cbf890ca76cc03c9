"""Sums and means that lose nothing, so that any order of the rows gives the same bits.

Every value is split into parts, ``x = sum over p of q[p] * 2**e[p]``, where the q are integers of at
most `part_bits` bits and the exponents e belong to the feature: they start at its largest magnitude and
go down in steps of `part_bits` until its finest bit is reached. The q are added in int64, where the
number of rows leaves no overflow. Integer sums are associative, and rows can be taken out again as they
were put in. One part holds photo pixels, two hold ordinary float64 data; the number of parts follows
from the data, so that nothing is ever left over.

Adding a constant C = 1.5 * 2**(52 + e) to x rounds x to a multiple of 2**e, and leaves its quotient in the
low bits of the sum: q is the difference of the two bit patterns, and x - ((x + C) - C) is exact.

Tables of sums have the shape (n_slots, n_clusters + padding, n_parts or n_parts + 3, n_features); the
padding keeps the slots' cache lines apart, and the last three rows, there only for data that is not
finite, count NaN, +inf and -inf.

References
----------
J. Demmel, H. D. Nguyen, "Parallel reproducible summation", IEEE Transactions on Computers 64, 2015,
doi 10.1109/TC.2014.2345391: pre-rounding to fixed grids; here it goes on until nothing is left.
T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18,
1971, doi 10.1007/BF01397083: sums and quotients in two pieces.
"""

import math

import numpy as np

from numbakmeans._jit import frozen, inlined_kernel, kernel
from numbakmeans._kernels.room import empty
from numbakmeans._slots import ALONE, driver, spread

MANTISSA = (1 << 52) - 1
#: The smallest exponent of a float64 bit.
LOWEST = -1074
#: Columns beyond 2**HUGE are scaled down by 2**SCALE for their first part, where C would overflow.
HUGE, SCALE = 896, 128
#: Extra rows of a table that count NaN, +inf and -inf.
SPECIALS = 3
#: Bits in a digit of the long division; divisors are below 2**(63 - DIGIT).
DIGIT = 28
#: Zero digits appended to the dividend: 140 bits, more than divisor and mantissa need together.
EXTRA = 5

#: Splits a float64 into two halves whose products are exact (Veltkamp).
SPLIT = 2.0**27 + 1.0
#: Between these, no step of a quick mean overflows or loses a bit.
QUICK_LOW, QUICK_HIGH = 2.0**-800, 2.0**800
#: Means that are found side by side, where one cluster has fewer features.
MEANS_AT_ONCE = 64
#: Values that are compared with the ranges so far in one go.
RUN = 64


@kernel
def finest_bit(x):
    """Return the weight of the lowest set bit of a finite x > 0."""
    bits = np.float64(x).view(np.int64)
    if bits & MANTISSA == 0:
        return x
    return x - np.int64(bits & (bits - 1)).view(np.float64)


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
    finite = True
    for t in range(len(values)):
        x = abs(values[t])
        if not x < np.inf:
            finite = False
        elif x > 0.0:
            largest[t] = max(largest[t], x)
            finest[t] = min(finest[t], finest_bit(np.float64(x)))
            limits[t] = finest[t] * ulps
    return finite


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
    line = X[start:stop].reshape((stop - start) * n_features)
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


_measure = measure.kernel


@kernel
def part_bits(n_samples):
    """Return how many bits a part may have, so that n_samples of them cannot overflow an int64.

    At most 50: a quotient of 2**51 would carry into the exponent of the shifted value.
    """
    bits = 62
    while n_samples > 1:
        bits -= 1
        n_samples = (n_samples + 1) // 2
    return min(bits, 50)


@kernel
def make_grids(largest, finest, bits, room):
    """Return the parts' exponents, their constants C, and the scale of each column's first part.

    largest, finest : (n_slots, n_features), from `measure`

    Returns
    -------
    exponents : (n_parts, n_features), int64; constants : (n_parts, n_features); scales : (n_features,)
    """
    n_features = largest.shape[1]
    tops = empty(room, (n_features,), np.int64)
    tops[:] = 0
    n_parts = 1
    for f in range(n_features):
        high, low = 0.0, np.inf
        for s in range(largest.shape[0]):
            high, low = max(high, largest[s, f]), min(low, finest[s, f])
        if high > 0.0:
            tops[f] = math.frexp(high)[1]
            bottom = math.frexp(low)[1] - 1
            n_parts = max(n_parts, (tops[f] - bottom + bits - 1) // bits)
    exponents = empty(room, (n_parts, n_features), np.int64)
    constants = empty(room, (n_parts, n_features), np.float64)
    scales = empty(room, (n_features,), np.float64)
    scales[:] = 1.0
    for f in range(n_features):
        for p in range(n_parts):
            exponents[p, f] = max(tops[f] - (p + 1) * bits, LOWEST)
            shift = SCALE if p == 0 and tops[f] > HUGE else 0
            constants[p, f] = math.ldexp(1.5, int(52 + exponents[p, f] - shift))
            if shift:
                scales[f] = 2.0**-SCALE
    return exponents, constants, scales


@inlined_kernel
def add_row(X, i, constants, scales, rest, table):
    """Tile. Add row i of X to a table of sums.

    rest : workspace (n_features,)
    table : INOUT (n_parts or n_parts + SPECIALS, n_features), int64
    """
    n_parts, n_features = constants.shape
    for f in range(n_features):
        x, constant = np.float64(X[i, f]), constants[0, f]
        scaled = x * scales[f]
        shifted = scaled + constant
        q = np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
        table[0, f] += q
        # Scaling down may have cost a tiny x some bits; then its part here is 0, and x is as it was.
        rest[f] = x if q == 0 else (scaled - (shifted - constant)) * (1.0 / scales[f])
    for p in range(1, n_parts):
        for f in range(n_features):
            constant = constants[p, f]
            shifted = rest[f] + constant
            table[p, f] += np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
            rest[f] -= shifted - constant
    if table.shape[0] > n_parts:
        count_specials(X, i, 1, n_parts, table)


@inlined_kernel
def move_row(X, i, constants, scales, rest, old, new):
    """Tile. Take row i of X out of one table of sums and add it to another; see `add_row`."""
    n_parts, n_features = constants.shape
    for f in range(n_features):
        x, constant = np.float64(X[i, f]), constants[0, f]
        scaled = x * scales[f]
        shifted = scaled + constant
        q = np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
        old[0, f] -= q
        new[0, f] += q
        rest[f] = x if q == 0 else (scaled - (shifted - constant)) * (1.0 / scales[f])
    for p in range(1, n_parts):
        for f in range(n_features):
            constant = constants[p, f]
            shifted = rest[f] + constant
            q = np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
            old[p, f] -= q
            new[p, f] += q
            rest[f] -= shifted - constant
    if old.shape[0] > n_parts:
        count_specials(X, i, -1, n_parts, old)
        count_specials(X, i, 1, n_parts, new)


@kernel
def count_specials(X, i, one, n_parts, table):
    """Tile. Count NaN, +inf and -inf of a row in the last rows of a table; one : 1 or -1.

    Such a value left nonsense in the sums of its column; its count says that they do not matter, and taking
    the row out takes the same nonsense out (int64 wraps around).
    """
    for f in range(table.shape[1]):
        x = X[i, f]
        table[n_parts, f] += one if np.isnan(x) else 0
        table[n_parts + 1, f] += one if x == np.inf else 0
        table[n_parts + 2, f] += one if x == -np.inf else 0


@kernel
def add_lanes(block, n_rows, constants, scales, table):
    """Tile. Add the first n_rows lanes of a block (n_features, lanes) of finite values to a table of sums."""
    n_parts, n_features = constants.shape
    rest = np.empty(n_rows)
    for f in range(n_features):
        scale, constant = scales[f], constants[0, f]
        total = 0
        for r in range(n_rows):
            x = np.float64(block[f, r])
            scaled = x * scale
            shifted = scaled + constant
            q = np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
            total += q
            rest[r] = x if q == 0 else (scaled - (shifted - constant)) * (1.0 / scale)
        table[0, f] += total
        for p in range(1, n_parts):
            constant, total = constants[p, f], 0
            for r in range(n_rows):
                shifted = rest[r] + constant
                total += np.float64(shifted).view(np.int64) - np.float64(constant).view(np.int64)
                rest[r] -= shifted - constant
            table[p, f] += total


@kernel
def add_totals(totals, sign, table):
    """Tile. Add the sums of many finite rows to a table of sums (sign 1), or take them out again (-1)."""
    for p in range(totals.shape[0]):
        for f in range(totals.shape[1]):
            table[p, f] += sign * totals[p, f]


@inlined_kernel
def relabel_row(X, i, new, constants, scales, rest, labels, sums, counts):
    """Tile. Move row i from the table of its label to that of a new one, which is another.

    rest : workspace (n_features,); labels : INOUT (n_samples,), int32; sums, counts : INOUT, of one slot
    """
    old = labels[i]
    move_row(X, i, constants, scales, rest, sums[old], sums[new])
    counts[old] -= 1
    counts[new] += 1
    labels[i] = new


@kernel
def relabel(X, start, stop, new_labels, constants, scales, rest, labels, sums, counts):
    """Chunk. Move rows [start, stop) to the tables of their new labels; return how many changed.

    new_labels : (stop - start,), int64; labels : -1 for all of the rows in the first pass, in which they are
    in no table; the others as of `relabel_row`
    """
    if start < stop and labels[start] < 0:
        for i in range(start, stop):
            new = new_labels[i - start]
            add_row(X, i, constants, scales, rest, sums[new])
            counts[new] += 1
            labels[i] = new
        return stop - start
    moved = 0
    for i in range(start, stop):
        # Looked at here: a call for each row would cost more than most of them need.
        new = new_labels[i - start]
        if new != labels[i]:
            relabel_row(X, i, new, constants, scales, rest, labels, sums, counts)
            moved += 1
    return moved


@kernel
def add_labelled_slot(slot, X, labels, chunk_rows, constants, scales, sums, counts, room):
    """Slot. Add the rows of every n-th chunk to the slot's tables; see `add_labelled`."""
    n_samples, n_slots = X.shape[0], sums.shape[0]
    used = room[0]
    rest = empty(room, (X.shape[1],), np.float64)
    for start in range(slot * chunk_rows, n_samples, n_slots * chunk_rows):
        for i in range(start, min(start + chunk_rows, n_samples)):
            add_row(X, i, constants, scales, rest, sums[slot, labels[i]])
            counts[slot, labels[i]] += 1
    room[0] = used


@driver
def add_labelled(loop, X, labels, chunk_rows, constants, scales, sums, counts, room):
    """Add every row to the sums of its label.

    labels : (n_samples,), int32; sums : INOUT, tables of all slots; counts : INOUT; room : as of `measure`
    """
    tables = (constants, scales, sums, counts)
    spread(loop, sums.shape[0], add_labelled_slot, (X, labels, chunk_rows, *tables, room))


@kernel
def round_quotient(digits, divisor, base, precision, lowest):
    """Return digits / divisor, rounded once to nearest, ties to even.

    digits : INOUT (n_digits,), int64, from the lowest to the highest, each below 2**DIGIT; overwritten
    base : exponent of digits[0]; precision : bits of the mantissa; lowest : exponent of the finest bit
    """
    remainder = 0
    top = -1
    for t in range(len(digits) - 1, -1, -1):
        dividend = (remainder << DIGIT) | digits[t]
        digits[t] = dividend // divisor
        remainder = dividend % divisor
        if top < 0 and digits[t] > 0:
            top = t * DIGIT
            rest = digits[t]
            while rest > 1:
                rest >>= 1
                top += 1
    if top < 0:
        return 0.0
    # Keep the bits from `cut` up, at most `precision` of them.
    cut = max(top - precision + 1, lowest - base)
    mantissa = 0
    if cut <= top:
        last, low_bits = cut // DIGIT, cut % DIGIT
        for t in range(top // DIGIT, last, -1):
            mantissa = (mantissa << DIGIT) | digits[t]
        mantissa = (mantissa << (DIGIT - low_bits)) | (digits[last] >> low_bits)
    below = cut - 1
    if below <= top and (digits[below // DIGIT] >> (below % DIGIT)) & 1:
        beyond = remainder != 0 or digits[below // DIGIT] & ((1 << (below % DIGIT)) - 1) != 0
        for t in range(below // DIGIT):
            beyond = beyond or digits[t] != 0
        if beyond or mantissa & 1:
            mantissa += 1
    return math.ldexp(float(mantissa), int(cut + base))


@kernel
def exact_mean(parts, exponents, count, precision, lowest, room):
    """Return (sum over p of parts[p] * 2**exponents[p]) / count, rounded once.

    parts, exponents : (n_parts,), int64
    """
    mask, n_parts = (1 << DIGIT) - 1, len(exponents)
    n_digits = EXTRA + (exponents[0] - exponents[n_parts - 1]) // DIGIT + 5
    used = room[0]
    digits = empty(room, (n_digits,), np.int64)
    digits[:] = 0
    for p in range(n_parts):
        shift = exponents[p] - exponents[n_parts - 1]
        t, bit = EXTRA + shift // DIGIT, shift % DIGIT
        digits[t] += (parts[p] & mask) << bit
        digits[t + 1] += ((parts[p] >> DIGIT) & mask) << bit
        digits[t + 2] += (parts[p] >> (2 * DIGIT)) << bit
    negative = False
    for _attempt in range(2):
        carry = 0
        for t in range(n_digits):
            carry += digits[t]
            digits[t] = carry & mask
            carry >>= DIGIT
        if carry >= 0:
            break
        # A negative sum: negate its digits (the borrow was 2**(DIGIT * n_digits)) and carry again.
        negative = True
        for t in range(n_digits):
            digits[t] = mask - digits[t] + (1 if t == 0 else 0)
    base = exponents[n_parts - 1] - EXTRA * DIGIT
    mean = round_quotient(digits, count, base, precision, lowest)
    room[0] = used
    return -mean if negative else mean


@kernel
def quick_means(parts, n_means, single, work):
    """Divide the first n_means sums by their counts in double-double arithmetic, and say which are certain.

    A sum is added up as hi + lo, its quotient found as q + r with r the remainder over the count. Both err
    by less than 2**-96 of the terms and 2**-48 of r: where q + r - error and q + r + error round to the same
    number, so does the true mean. For float32 the error is taken as 2**-50, so that what float64 rounds to
    the middle of two float32 is not trusted. All of it vectorises.

    parts : (n_parts, at least n_means), int64
    work : (4 + n_parts, at least n_means), the means OUT, whether each is certain OUT (1.0 or 0.0), a
    workspace, the counts, and 2**exponents; one array, as small problems would feel the cost of many
    """
    means, certain, sizes, divisors, weights = work[0], work[1], work[2], work[3], work[4:]
    for t in range(n_means):
        means[t], certain[t], sizes[t] = 0.0, 0.0, 0.0
    for p in range(parts.shape[0]):
        for t in range(n_means):
            # Two halves of a part, each exact as a float64.
            upper = np.float64(parts[p, t] >> 31) * (weights[p, t] * 2.0**31)
            lower = np.float64(parts[p, t] & ((1 << 31) - 1)) * weights[p, t]
            hi = means[t]
            one = hi + upper
            back = one - hi
            lost = (hi - (one - back)) + (upper - back)
            two = one + lower
            back = two - one
            means[t] = two
            certain[t] += lost + ((one - (two - back)) + (lower - back))
            sizes[t] += abs(upper) + lower
    for t in range(n_means):
        hi, lo, size, divisor = means[t], certain[t], sizes[t], divisors[t]
        upper = divisor * SPLIT
        c_hi = upper - (upper - divisor)
        c_lo = divisor - c_hi
        inverse = 1.0 / divisor
        q = hi / divisor
        upper = q * SPLIT
        q_hi = upper - (upper - q)
        q_lo = q - q_hi
        product = q * divisor
        lost = ((q_hi * c_hi - product) + q_hi * c_lo + q_lo * c_hi) + q_lo * c_lo
        r = (((hi - product) - lost) + lo) * inverse
        error = abs(r) * 2.0**-48 + (abs(q) + size * inverse) * 2.0**-96
        coarse = abs(q) * 2.0**-50
        error = coarse if single and coarse > error else error
        means[t], certain[t] = q + (r + error), q + (r - error)
        # Written so that nothing of an overflow is trusted.
        inside = abs(q) > QUICK_LOW and abs(q) < QUICK_HIGH and size < QUICK_HIGH
        sizes[t] = -1.0 if inside else size
    for t in range(n_means):
        above, below = means[t], certain[t]
        if single:
            above, below = np.float64(np.float32(above)), np.float64(np.float32(below))
        means[t] = above
        certain[t] = 1.0 if above == below and sizes[t] < 0.0 else 0.0
        if sizes[t] == 0.0:
            # No term at all.
            means[t], certain[t] = 0.0, 1.0


@kernel
def means_chunk(chunk, sums, counts, exponents, precision, lowest, chunk_rows, centers, sizes, room):
    """Chunk. Replace the centers of one chunk by the means of their rows; arguments as in `means`."""
    n_slots = sums.shape[0]
    start, stop = chunk * chunk_rows, min((chunk + 1) * chunk_rows, len(sizes))
    n_parts, n_features = exponents.shape
    # As many clusters at once as fill some vectors.
    at_once = max(1, min(MEANS_AT_ONCE // n_features, stop - start))
    width = at_once * n_features
    used = room[0]
    parts = empty(room, (n_parts, width), np.int64)
    work = empty(room, (4 + n_parts, width), np.float64)
    found, certain, divisors, weights = work[0], work[1], work[3], work[4:]
    for p in range(n_parts):
        for f in range(n_features):
            weights[p, f] = math.ldexp(1.0, int(exponents[p, f]))
        for t in range(n_features, width):
            weights[p, t] = weights[p, t - n_features]
    for first in range(start, stop, at_once):
        last = min(first + at_once, stop)
        for j in range(first, last):
            here = (j - first) * n_features
            sizes[j] = 0
            for s in range(n_slots):
                sizes[j] += counts[s, j]
            for f in range(n_features):
                divisors[here + f] = max(sizes[j], 1)
            for p in range(n_parts):
                for f in range(n_features):
                    parts[p, here + f] = sums[0, j, p, f]
                for s in range(1, n_slots):
                    for f in range(n_features):
                        parts[p, here + f] += sums[s, j, p, f]
        n_means = (last - first) * n_features
        quick_means(parts, n_means, precision == 24, work)
        for j in range(first, last):
            here = (j - first) * n_features
            if sizes[j] == 0:
                for f in range(n_features):
                    kept = centers[j, f]
                    centers[j, f] = np.float64(np.float32(kept)) if precision == 24 else kept
                continue
            for f in range(n_features):
                centers[j, f] = found[here + f]
                if certain[here + f] == 0.0:
                    column = parts[:, here + f]
                    of_column = (column, exponents[:, f], sizes[j])
                    centers[j, f] = exact_mean(*of_column, precision, lowest, room)
            if sums.shape[2] > n_parts:
                special_means(sums, j, n_parts, centers)
    room[0] = used


@kernel
def special_means(sums, j, n_parts, centers):
    """Tile. Replace the means of center j over columns where NaN or infinities were counted."""
    for f in range(sums.shape[3]):
        nans, ups, downs = 0, 0, 0
        for s in range(sums.shape[0]):
            nans += sums[s, j, n_parts, f]
            ups += sums[s, j, n_parts + 1, f]
            downs += sums[s, j, n_parts + 2, f]
        if nans > 0 or (ups > 0 and downs > 0):
            centers[j, f] = np.nan
        elif ups > 0 or downs > 0:
            centers[j, f] = np.inf if ups > 0 else -np.inf


@kernel
def empty_tables(loop, n_slots, X, n_clusters, room):
    """Return the grids of X, as `make_grids` does, and sums and counts of zero for each slot."""
    n_features = X.shape[1]
    largest = empty(room, (n_slots, n_features), np.float64)
    finest = empty(room, (n_slots, n_features), np.float64)
    finite = empty(room, (n_slots,), np.bool_)
    largest[:], finest[:], finite[:] = 0.0, np.inf, True
    _measure(loop, X, largest, finest, finite, room)
    grids = make_grids(largest, finest, part_bits(len(X)), room)
    n_rows = len(grids[0]) + (0 if finite.all() else SPECIALS)
    spare = 0 if n_slots == 1 else 16
    sums = empty(room, (n_slots, n_clusters + spare, n_rows, n_features), np.int64)
    counts = empty(room, (n_slots, n_clusters + spare), np.int64)
    sums[:], counts[:] = 0, 0
    return grids, sums, counts


@kernel
def exact_means(X, divisor, precision, lowest, room):
    """Return the exact sum of each column of X, divided by divisor and rounded once; on one thread.

    precision, lowest : as in `means`; the values come as float64
    """
    found = empty(room, (1, X.shape[1]), np.float64)
    used = room[0]
    (exponents, constants, scales), sums, counts = empty_tables(np.int64(ALONE), np.int64(1), X, 1, room)
    rest, sizes = empty(room, (X.shape[1],), np.float64), empty(room, (1,), np.int64)
    found[:] = 0.0
    for i in range(len(X)):
        add_row(X, i, constants, scales, rest, sums[0, 0])
    counts[0, 0] = divisor
    means_chunk(0, sums, counts, exponents, precision, lowest, 1, found, sizes, room)
    room[0] = used
    return found[0]


@kernel
def exact_total(values, room):
    """Return the exact sum of values (n,), float64, rounded once."""
    return exact_means(frozen(values.reshape((len(values), 1))), 1, 53, -1074, room)[0]


@driver
def means(loop, sums, counts, exponents, precision, lowest, chunk_rows, centers, sizes, room):
    """Replace each center by the exact mean of its rows, rounded once; an empty one stays.

    sums : tables of all slots; counts : (n_slots, n_clusters + padding), int64
    precision, lowest : mantissa bits and finest exponent of the working dtype
    centers : INOUT (n_clusters, padded features), float64 that hold values of the working dtype
    sizes : OUT (n_clusters,), int64; room : as of `measure`
    """
    n_clusters = len(sizes)
    n_chunks = (n_clusters + chunk_rows - 1) // chunk_rows
    tables = (sums, counts, exponents, precision, lowest)
    spread(loop, n_chunks, means_chunk, (*tables, chunk_rows, centers, sizes, room))
