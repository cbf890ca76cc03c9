"""Unit vectors: each row divided by its Euclidean length, every value rounded once.

A value is x / sqrt(s), where s is the sum of the squares. Both steps have a relative error that is known, so
that a value is certain if all numbers within the error round to it. Rows with others are marked, and left to
`exact.unit_vector`.

- float32: s and the quotient are computed in float64. The squares are exact; n - 1 additions, the root and
  the division have a relative error below (n + 8) * 2**-53.
- float64: s, the root and the quotient are sums of two float64 (`double_double`). The low part of s is below
  n * 2**-52 s, and so its 2 n additions have an error below n**2 * 2**-104 s; those of the root and of the
  quotient are below 2**-101 each.
"""

import numpy as np

from numbakmeans._engine.kernels.double_double import two_product, two_sum
from numbakmeans._engine.kernels.ranges import exponent_above, power_of_two
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum

#: Exponents of the largest value of a row that can be scaled to 1 in one step.
REACH = 1000
#: Scaled values below it might lose bits where they are multiplied.
LEAST = 2.0**-800


@kernel
def normalize_single(x, scale, out):
    """Write x, float32, divided by its length; return whether all values are certain.

    scale : a power of two, times which the largest value is about 1
    """
    s, n_uncertain = 0.0, 0
    for f in range(len(x)):
        value = np.float64(x[f]) * scale
        s += value * value
    length, error = np.sqrt(s), (len(x) + 8) * 2.0**-53
    for f in range(len(x)):
        # A zero has no sign.
        quotient = (np.float64(x[f]) * scale + 0.0) / length
        above, below = np.float32(quotient * (1.0 + error)), np.float32(quotient * (1.0 - error))
        out[f] = above
        n_uncertain += 0 if above == below else 1
    return n_uncertain == 0


@kernel
def normalize_double(x, scale, out):
    """Write x, float64, divided by its length; return whether all values are certain; as above."""
    s, s_low, n = 0.0, 0.0, np.float64(len(x))
    for f in range(len(x)):
        square, lost = two_product(x[f] * scale, x[f] * scale)
        s, lost_too = two_sum(s, square)
        s_low += lost + lost_too
    s, s_low = two_sum(s, s_low)
    length = np.sqrt(s)
    square, lost = two_product(length, length)
    length_low = (((s - square) - lost) + s_low) / (2.0 * length)
    error, n_uncertain = 2.0**-98 + n * n * 2.0**-104, 0
    for f in range(len(x)):
        value = x[f] * scale + 0.0
        quotient = value / length
        product, lost = two_product(quotient, length)
        rest = (((value - product) - lost) - quotient * length_low) / length
        off = abs(quotient) * error
        above, below = quotient + (rest + off), quotient + (rest - off)
        out[f] = above
        n_uncertain += 0 if above == below and (abs(value) > LEAST or x[f] == 0.0) else 1
    return n_uncertain == 0


@kernel
def normalize_row(x, out):
    """Write a row divided by its length, or zeros for zeros; return whether all values are certain."""
    largest = 0.0
    for f in range(len(x)):
        largest = maximum(largest, np.float64(abs(x[f])))
    if largest == 0.0:
        out[:] = 0.0
        return True
    exponent = exponent_above(largest)
    if abs(exponent) > REACH:
        return False
    scale = power_of_two(-exponent)
    return normalize_single(x, scale, out) if x.itemsize == 4 else normalize_double(x, scale, out)


@kernel
def normalize_task(task, arena, n_tasks, X, out, uncertain):
    """Task. Normalize its share of the rows; see `normalize`."""
    n_uncertain = 0
    for i in range(task * len(X) // n_tasks, (task + 1) * len(X) // n_tasks):
        uncertain[i] = not normalize_row(X[i], out[i])
        n_uncertain += 1 if uncertain[i] else 0
    return n_uncertain


@kernel
def normalize(executor, n_tasks, X, out, uncertain):
    """Divide finite rows by their lengths; return how many rows are uncertain, and still to be computed.

    X, out : (n_samples, n_features), of one working dtype; a row of zeros stays
    uncertain : OUT (n_samples,), bool
    """
    return parallel_for(executor, n_tasks, normalize_task, (n_tasks, X, out, uncertain))
