"""Sizes and data structures shared by the kernels of starting centers and their callers."""

from typing import NamedTuple

import numpy as np

#: Maximum number of rows in a leaf of NumPy's pairwise-summation tree.
LEAF_ROWS = 128
#: Number of features up to which the limits of quantized rows are proved.
MAX_FEATURES = 1 << 22
#: Lanes that `near_lanes` marks in one word: the lanes of a quantized leaf are a multiple of it.
GROUP_LANES = 16
#: Quantized values span this many steps on each side of the origin.
STEPS = 127


def leaves_at_most(n: int) -> int:
    """Return the number of entries that `pairwise.leaves_of` may need for n elements."""
    return n // (LEAF_ROWS // 4) + 2


class Leaves(NamedTuple):
    """The leaves of all rows (`pairwise`), and the sum of D over each.

    starts : (n_leaves + 1,), int64, the first row of each, then n_samples; depths : (n_leaves,), int64
    sums : INOUT (n_leaves,), float64
    """

    starts: np.ndarray
    depths: np.ndarray
    sums: np.ndarray


class QuantizedRows(NamedTuple):
    """The rows of the first leaves, quantized (`quantization`).

    origin : (n_features,), float64; scale : float64, above 0
    steps : INOUT (n_quantized, n_features, lanes), int8
    errors, limits : INOUT (n_quantized, lanes), float32, zeros before the first pick
    """

    origin: np.ndarray
    scale: float
    steps: np.ndarray
    errors: np.ndarray
    limits: np.ndarray


class Picking(NamedTuple):
    """The progress of '++'.

    picks : INOUT (n_clusters,), int64, the rows picked so far; uniforms : (n_clusters - 1,), float64
    center : INOUT (padded features,), float64, the last pick
    sq_dists : INOUT (n_samples,), float64, D to the nearest pick, infinities before the first
    """

    picks: np.ndarray
    uniforms: np.ndarray
    center: np.ndarray
    sq_dists: np.ndarray


class Job(NamedTuple):
    """The work of one call: picks [first, last), over leaves [first_leaf, last_leaf)."""

    leaves: Leaves
    first_leaf: int
    last_leaf: int
    first: int
    last: int
