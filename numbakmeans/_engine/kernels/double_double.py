"""Double-double arithmetic: operations whose rounding error is returned as well.

References
----------
T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18,
1971, doi 10.1007/BF01397083.
"""

from numbakmeans._numba.compiler import inlined_kernel

#: Splits a float64 into two halves whose products are exact (Veltkamp).
SPLIT = 2.0**27 + 1.0


@inlined_kernel
def two_sum(x, y):
    """Return x + y, rounded, and its exact rounding error."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


@inlined_kernel
def two_product(x, y):
    """Return x * y, rounded, and its exact rounding error; |x| and |y| are below 2**996.

    The error is exact if the product of the lowest bits of x and y does not underflow.
    """
    shifted, other = x * SPLIT, y * SPLIT
    x_high, y_high = shifted - (shifted - x), other - (other - y)
    x_low, y_low, product = x - x_high, y - y_high, x * y
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
