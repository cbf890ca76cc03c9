"""The bins of exact sums: constants shared by Python and kernels (explained in `kernels.sums`)."""

from numbakmeans._engine.thresholds import (
    MAX_LANE_SUMS_CLUSTERS,
    MAX_LANE_SUMS_FEATURES,
    MAX_LANE_SUMS_PARTS,
)

#: Number of features that kernels add in one sweep: blocks and centers are padded to a multiple of it.
GROUP = 4
#: Number of features up to which the error bound of scores is proved (`kernels.certify`).
MAX_FEATURES = 1 << 19
#: The smallest exponent of a bit of a float64, and that bit. (Numba evaluates 2.0**LOWEST to 0.)
LOWEST = -1074
LEAST = 2.0**LOWEST
#: Width of a bin in bits, and where bins end: at 2**(BIN_END + m * BIN_BITS). The bins are the same for any
#: data, so that accumulators line up. Chosen so that ordinary data needs few: photo pixels one, normally
#: distributed float64 values two.
BIN_BITS, BIN_END = 43, 8
#: From this number of rows on, whole bins could overflow an int64, and each is cut in two.
MANY_ROWS = 1 << 20
#: The constant of a part overflows if its exponent is above HIGHEST. Only the bin that ends above HUGE needs
#: a larger exponent: its columns are scaled down by 2**SCALE for their first part, whose exponent is capped
#: at HUGE.
HIGHEST, HUGE, SCALE = 970, 997, 128
SHRINK = 2.0**-SCALE
#: Magnitudes above it, or below its inverse, could let the squares in the reference distance overflow or
#: underflow: then only the reference distance itself is reliable. Products of larger values with weights are
#: not split.
LIMIT = 2.0**400
#: Extra rows of an accumulator that count NaN, +inf and -inf.
SPECIALS = 3


def part_exponent(end: int, p: int, halved: bool) -> int:
    """Return the exponent of part p of a column's sums; part 0 begins at the end of a bin.

    halved : whether bins are cut in two, because there are `MANY_ROWS` or more

    In units of this exponent, up to 2**35 rows (`samples.MAX_SAMPLES`) add up to less than 2**63.
    """
    halves = p + 1 if halved else 2 * (p + 1)
    exponent = end - (halves * BIN_BITS + 1) // 2
    highest = HUGE if p == 0 and end > HUGE else HIGHEST
    exponent = highest if exponent > highest else exponent
    return LOWEST if exponent < LOWEST else exponent


def keeps_parts(n_features: int, n_clusters: int, n_parts: int) -> bool:
    """Return whether a small problem stores the parts of its rows, which makes moving rows faster.

    n_parts : of each value
    """
    few = n_features <= MAX_LANE_SUMS_FEATURES and n_clusters <= MAX_LANE_SUMS_CLUSTERS
    return few and n_parts <= MAX_LANE_SUMS_PARTS
