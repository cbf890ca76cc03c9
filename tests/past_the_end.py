"""A program that must crash: it reads one element past an array that ends at a protected page."""

import numpy as np
from test_simd import before_a_protected_page

from numbakmeans._numba.compiler import kernel


@kernel
def read(x, i):
    return x[i]


if __name__ == "__main__":
    array = before_a_protected_page((1000,), np.float64)
    print(read(array, 999))
    print(read(array, 1000))
