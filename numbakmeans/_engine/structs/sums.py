"""What the kernels of exact sums agree on with their callers."""

from typing import NamedTuple

import numpy as np


class Ranges(NamedTuple):
    """What the exact sums of rows need to know of their columns.

    ends : (n_features,), int64, the exponent at which the bin of each column's largest magnitude ends
    (`bins`); n_parts : parts that hold all values (`sums`); finite : whether all values are finite
    """

    ends: np.ndarray
    n_parts: int
    finite: bool


class Bins(NamedTuple):
    """Where the parts of exact sums lie (`kernels.sums`).

    exponents : (n_parts, n_features), int64; constants : (n_parts, n_features), float64, which split off a
    part; scales : (n_features,), float64, of the first part
    """

    exponents: np.ndarray
    constants: np.ndarray
    scales: np.ndarray


class Sums(NamedTuple):
    """Exact sums of all clusters (`kernels.sums`), and their means as far as `means.means` has found them.

    sums : (n_slots, n_clusters + padding, n_parts or more, n_features), int64
    counts : (n_slots, n_clusters + padding), int64
    sizes : (n_clusters,), int64; hard : (n_clusters, n_features), bool, which means are still to be found
    """

    bins: Bins
    sums: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    hard: np.ndarray


class TaskSums(NamedTuple):
    """The exact sums of one slot, and what it takes to add a row.

    sums : INOUT (n_clusters + padding, n_parts or more, n_features), int64
    counts : INOUT (n_clusters + padding,), int64; rest : workspace (n_features,), float64
    """

    bins: Bins
    sums: np.ndarray
    counts: np.ndarray
    rest: np.ndarray
