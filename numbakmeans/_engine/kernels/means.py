"""Means of exact sums, rounded once.

Nearly all means are computed side by side in double-double arithmetic, and certified: by an error bound, or
because no operation was rounded. The few others, and means over NaN or infinities, are marked as hard and
left to `exact.recompute_means`.
"""

import numpy as np

from numbakmeans._engine.kernels.double_double import two_product, two_sum
from numbakmeans._engine.kernels.ranges import power_of_two
from numbakmeans._numba.arena import empty
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import bits_of, float_of, maximum, minimum

#: Between these magnitudes, no step of a quotient overflows or loses a bit to underflow.
LOW, HIGH = 2.0**-800, 2.0**800
#: From this sum of weights on, no product of a mean above LOW and the sum loses a bit to underflow.
LEAST_DIVISOR = 2.0**-64
#: The weight of the upper half of a part, and a mask for its lower half.
HALF, LOWER = 2.0**31, (1 << 31) - 1
#: Number of means computed side by side, where one cluster has fewer features.
MEANS_AT_ONCE = 64


@kernel
def quick_means(n_means, n_parts, single, weighted, work):
    """Divide the first n_means sums by their counts, and tell which quotients are proved correct.

    A sum is accumulated as high + low, and its quotient found as q + r, where r is the remainder divided by
    the count. If no operation was rounded, q + r is the true mean, and adding the two rounds it correctly.
    Otherwise the error is below 2**-48 |r| + 2**-96 (|q| + size / count), where size is the sum of the terms'
    magnitudes: if q + r - error and q + r + error round to the same number, so does the true mean. For
    float32 the error is taken as at least 2**-50 |q|, so that a float64 that rounding put midway between two
    float32 values is not trusted; it is if the mean is exactly q. Everything vectorizes.

    With weights, the divisor is divisor + small, with |small| below 2**-53 of it. Then r also subtracts the
    product of q and small, whose rounding, and the neglect of small where r is divided, are within the error.

    weighted : None if the sums are divided by counts, which have no small part; its branches are not compiled
    work : (6 + 2 * n_parts, at least n_means), float64: the means OUT; whether each is certain OUT (1.0 or
    0.0); workspace; 1.0 where the sum is exact; the divisors; their small parts; then n_parts rows of
    2**exponents and n_parts of parts. One table, because the cost of allocating many would show in small
    problems.
    """
    means, certain, sizes, exact, divisors = work[0], work[1], work[2], work[3], work[4]
    for t in range(n_means):
        means[t], certain[t], sizes[t], exact[t] = 0.0, 0.0, 0.0, 1.0
    for p in range(n_parts):
        units, parts = work[6 + p], work[6 + n_parts + p]
        for t in range(n_means):
            # Split the part into two halves, each exact as a float64.
            part = bits_of(parts[t])
            upper = np.float64(part >> 31) * (units[t] * HALF)
            lower = np.float64(part & LOWER) * units[t]
            total, lost = two_sum(means[t], upper)
            total, lost_too = two_sum(total, lower)
            means[t] = total
            lost, missing = two_sum(lost, lost_too)
            low, missing_too = two_sum(certain[t], lost)
            certain[t] = low
            exact[t] = exact[t] if missing == 0.0 and missing_too == 0.0 else 0.0
            sizes[t] += abs(upper) + lower
    for t in range(n_means):
        high, low, size, divisor = means[t], certain[t], sizes[t], divisors[t]
        q = high / divisor
        product, lost = two_product(q, divisor)
        # The remainder of a rounded quotient is exact.
        remainder, missing = two_sum((high - product) - lost, low)
        if weighted is not None:
            small = work[5, t]
            remainder -= q * small
            # An inexact sum of weights is marked by a NaN, which nothing passes.
            missing = 0.0 if missing == 0.0 and small == 0.0 else 1.0
        r = remainder / divisor
        product, lost = two_product(r, divisor)
        unrounded = exact[t] != 0.0 and missing == 0.0 and product == remainder and lost == 0.0
        inside = (
            (abs(q) > LOW or high == 0.0) and abs(q) < HIGH and (abs(r) > LOW or r == 0.0) and size < HIGH
        )
        if weighted is not None:
            inside &= divisor > LEAST_DIVISOR and work[5, t] == work[5, t]
        error = abs(r) * 2.0**-48 + (abs(q) + size / divisor) * 2.0**-96
        coarse = abs(q) * 2.0**-50
        error = coarse if single and coarse > error else error
        error = 0.0 if unrounded and (r == 0.0 or not single) else error
        means[t], certain[t] = q + (r + error), q + (r - error)
        # Written so that nothing that overflowed is trusted: comparisons with NaN are false.
        exact[t] = 1.0 if inside else 0.0
    for t in range(n_means):
        above, below = means[t], certain[t]
        if single:
            above, below = np.float64(np.float32(above)), np.float64(np.float32(below))
        # A sum of zeros has the mean +0.0.
        means[t] = above if sizes[t] > 0.0 else 0.0
        certain[t] = 1.0 if (above == below and exact[t] != 0.0) or sizes[t] == 0.0 else 0.0


@kernel
def sum_of_weights(j, n_features, tables):
    """Return the sum of the weights of cluster j as two float64, the second NaN if they do not hold it."""
    exponents, total, small = tables.bins.exponents, 0.0, 0.0
    for p in range(len(exponents)):
        part, unit = 0, power_of_two(exponents[p, n_features])
        for s in range(len(tables.sums)):
            part += tables.sums[s, j, p, n_features]
        total, lost = two_sum(total, np.float64(part >> 31) * (unit * HALF))
        total, lost_too = two_sum(total, np.float64(part & LOWER) * unit)
        lost, missing = two_sum(lost, lost_too)
        small, missing_too = two_sum(small, lost)
        small = small if missing == 0.0 and missing_too == 0.0 else np.nan
    return two_sum(total, small)


@kernel
def means_chunk(chunk, arena, tables, weights, single, chunk_rows, centers):
    """Chunk. Replace the centers of one chunk by the means of their rows; see `means`.

    weights : those of the tables

    Returns
    -------
    n_uncertain : number of means marked as hard
    """
    exponents, sums, sizes, uncertain = tables.bins.exponents, tables.sums, tables.sizes, tables.uncertain
    n_tasks, start, stop = len(sums), chunk * chunk_rows, minimum((chunk + 1) * chunk_rows, len(sizes))
    n_parts, n_features = len(exponents), uncertain.shape[1]
    # Process enough clusters at once to fill some vectors.
    at_once = maximum(1, minimum(MEANS_AT_ONCE // n_features, stop - start))
    width = at_once * n_features
    work = empty(arena, (6 + 2 * n_parts, width), np.float64)
    for p in range(n_parts):
        for t in range(width):
            work[6 + p, t] = power_of_two(exponents[p, t % n_features])
    n_uncertain = 0
    for first in range(start, stop, at_once):
        last = minimum(first + at_once, stop)
        for j in range(first, last):
            here, size = (j - first) * n_features, 0
            for s in range(n_tasks):
                size += tables.counts[s, j]
            sizes[j] = size
            divisor, small = np.float64(maximum(size, 1)), 0.0
            # Nested, because only a condition on the argument alone keeps Numba from compiling the body.
            if weights is not None:  # noqa: SIM102
                if size > 0:
                    divisor, small = sum_of_weights(j, n_features, tables)
            for f in range(here, here + n_features):
                work[4, f], work[5, f] = divisor, small
            for p in range(n_parts):
                for f in range(n_features):
                    part = 0
                    for s in range(n_tasks):
                        part += sums[s, j, p, f]
                    work[6 + n_parts + p, here + f] = float_of(part)
        quick_means((last - first) * n_features, n_parts, single, weights, work)
        for j in range(first, last):
            here = (j - first) * n_features
            for f in range(n_features):
                mean = work[0, here + f]
                if sizes[j] == 0:
                    mean = np.float64(np.float32(centers[j, f])) if single else centers[j, f]
                else:
                    uncertain[j, f] = work[1, here + f] == 0.0
                    for p in range(n_parts, sums.shape[2]):
                        for s in range(n_tasks):
                            uncertain[j, f] |= sums[s, j, p, f] != 0
                    n_uncertain += 1 if uncertain[j, f] else 0
                centers[j, f] = mean
    return n_uncertain


@kernel
def means(executor, tables, single, chunk_rows, centers):
    """Replace each center by the exact mean of its rows, rounded once; centers of empty clusters stay.

    tables : INOUT `Sums`, nothing marked as hard at first
    single : whether means are rounded to float32
    centers : INOUT (n_clusters, padded features), float64 holding values of the working dtype

    Returns
    -------
    n_uncertain : number of means marked as hard, which are still to be computed
    """
    n_chunks = (len(tables.sizes) + chunk_rows - 1) // chunk_rows
    return parallel_for(
        executor, n_chunks, means_chunk, (tables, tables.weights, single, chunk_rows, centers)
    )


@kernel
def count_empty(tables):
    """Return the number of clusters without rows."""
    n_empty, n_tasks = 0, len(tables.counts)
    for j in range(len(tables.sizes)):
        size = 0
        for s in range(n_tasks):
            size += tables.counts[s, j]
        n_empty += 1 if size == 0 else 0
    return n_empty


@kernel
def copy_centers(centers, copy):
    """Copy centers; copy : OUT, of the same shape."""
    for j in range(len(centers)):
        for f in range(centers.shape[1]):
            copy[j, f] = centers[j, f]


@kernel
def shift(before, centers):
    """Return the sum of the squared differences of all centers, added in order; the arrays are float64."""
    total = 0.0
    for j in range(len(centers)):
        for f in range(centers.shape[1]):
            difference = centers[j, f] - before[j, f]
            total += difference * difference
    return total
