"""Sizes and data structures shared by the kernels of starting centers and their callers."""

from typing import NamedTuple

import numpy as np

#: Maximum number of rows in a leaf of NumPy's pairwise-summation tree.
LEAF_ROWS = 128
#: Number of features up to which the limits of quantized rows are proved.
MAX_FEATURES = 1 << 22
#: Lanes that `near_lanes` marks in one word: the lanes of a quantized leaf are a multiple of it.
GROUP_LANES = 16
#: Points that `near_lanes` compares with a row at once, where there are several.
POINTS_AT_ONCE = 4
#: Quantized values span this many steps on each side of the origin.
STEPS = 127


def leaves_at_most(n: int) -> int:
    """Return the number of entries that `pairwise.leaves_of` may need for n elements."""
    return n // (LEAF_ROWS // 4) + 2


class Leaves(NamedTuple):
    """The leaves of all rows (`pairwise`), and the sum of the masses of each.

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
    sizes : INOUT (n_quantized, 2, lanes), float32, what their bounds are made of
    bounds : INOUT (n_quantized, lanes), float32 (`quantization.bound_of`)
    """

    origin: np.ndarray
    scale: float
    steps: np.ndarray
    sizes: np.ndarray
    bounds: np.ndarray


class Picking(NamedTuple):
    """The progress of '++'.

    picks : INOUT (n_clusters,), int64, the rows picked so far; uniforms : float64, those of all further picks
    center : INOUT (padded features,), float64, the last pick
    sq_dists : INOUT (n_samples,), float64, D to the nearest pick, infinities before the first
    """

    picks: np.ndarray
    uniforms: np.ndarray
    center: np.ndarray
    sq_dists: np.ndarray


class Job(NamedTuple):
    """The work of one call: picks [first, last), over leaves [first_leaf, last_leaf), in n_tasks tasks."""

    leaves: Leaves
    first_leaf: int
    last_leaf: int
    first: int
    last: int
    n_tasks: int


class Trials(NamedTuple):
    """The candidates of a pick of greedy k-means++, and the part of the pick that a call makes.

    picking : `Picking`; rows : INOUT (n_trials,), int64; centers : INOUT (n_trials, padded features), float64
    points : INOUT (a multiple of POINTS_AT_ONCE, n_features + 1), float32 (`quantization.scale_point`);
    beyond n_trials, a point that no row is near to
    sums : INOUT (n_trials, n_leaves), float64, of the masses that each candidate would leave
    draws, chooses : whether the call lowers D to the last pick and draws the candidates, and whether it
    chooses the next pick among them
    """

    picking: Picking
    rows: np.ndarray
    centers: np.ndarray
    points: np.ndarray
    sums: np.ndarray
    draws: bool
    chooses: bool
