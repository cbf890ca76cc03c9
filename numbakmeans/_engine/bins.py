"""The grids that exact sums lie on: figures that Python and kernels share (`kernels.sums` says what they
mean).
"""

#: Features that kernels add in one sweep: blocks and centers are padded to a multiple of it.
GROUP = 4
#: Features up to which the error bound of scores holds as stated (`kernels.certify`).
MAX_FEATURES = 1 << 19
#: The smallest exponent of a float64 bit.
LOWEST = -1074
#: Bits of a bin, and where bins end: at 2**(BIN_END + m * BIN_BITS). They are the same for any data, so that
#: tables of sums line up. Chosen so that ordinary data fits few: photo pixels one, normal float64 values two.
BIN_BITS, BIN_END = 43, 8
#: From this number of rows on, whole bins could overflow an int64, and each is cut in two.
MANY_ROWS = 1 << 20
#: The constant of a part overflows above HIGHEST. Only the bin that ends above HUGE needs a larger one: its
#: columns are scaled down by 2**SCALE for their first part, which begins at HUGE.
HIGHEST, HUGE, SCALE = 970, 997, 128
SHRINK = 2.0**-SCALE
#: Extra rows of a table that count NaN, +inf and -inf.
SPECIALS = 3


def part_exponent(end: int, p: int, halved: bool) -> int:
    """Return the exponent of part p of a column's sums, whose parts begin at a bin's end.

    halved : are bins cut in two, as there are `MANY_ROWS` or more?

    At most 2**35 rows (`samples.MAX_SAMPLES`) add up to less than 2**63 of it.
    """
    halves = p + 1 if halved else 2 * (p + 1)
    exponent = end - (halves * BIN_BITS + 1) // 2
    highest = HUGE if p == 0 and end > HUGE else HIGHEST
    exponent = highest if exponent > highest else exponent
    return LOWEST if exponent < LOWEST else exponent
