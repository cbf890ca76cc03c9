"""Means of exact sums, rounded once.

Nearly all are found side by side in double-double arithmetic, and certified by a bound on its error; the
others by a long division in integers.

References
----------
T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18,
1971, doi 10.1007/BF01397083: sums and quotients in two pieces.
"""

import math

import numpy as np

from numbakmeans._jit import frozen, kernel
from numbakmeans._kernels.room import empty
from numbakmeans._kernels.sums import add_row, empty_tables
from numbakmeans._slots import ALONE, driver, spread

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
