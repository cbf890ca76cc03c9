"""The grids that exact sums lie on: figures that Python and kernels share (`kernels.sums` says what they
mean).
"""

#: Features that kernels add in one sweep: blocks and centers are padded to a multiple of it.
GROUP = 4
#: Features up to which the error bound of scores holds as stated (`kernels.certify`).
MAX_FEATURES = 1 << 19
#: The smallest exponent of a float64 bit.
LOWEST = -1074
#: Columns beyond 2**HUGE are scaled down by 2**SCALE for their first part, where C would overflow.
HUGE, SCALE = 896, 128
SHRINK = 2.0**-SCALE
#: Extra rows of a table that count NaN, +inf and -inf.
SPECIALS = 3


def part_bits(n_samples: int) -> int:
    """Return how many bits a part may have, so that n_samples of them cannot overflow an int64.

    At most 50: a quotient of 2**51 would carry into the exponent of the shifted value.
    """
    bits = 62
    while n_samples > 1:
        bits -= 1
        n_samples = (n_samples + 1) // 2
    return min(bits, 50)
