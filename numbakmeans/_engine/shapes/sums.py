"""What the kernels of exact sums and of small problems agree on with their callers."""

from typing import NamedTuple

import numpy as np


class Ranges(NamedTuple):
    """What the exact sums of rows need to know of their columns.

    tops : (n_features,), int64, the exponent above each column's largest magnitude; n_parts : parts that hold
    all values (`sums`); finite : whether all values are finite
    """

    tops: np.ndarray
    n_parts: int
    finite: bool


class Sums(NamedTuple):
    """Exact sums of all clusters (`sums`), and their means as far as `means.means` has found them.

    sums : (n_slots, n_clusters + padding, n_parts or more, n_features), int64
    counts : (n_slots, n_clusters + padding), int64
    sizes : (n_clusters,), int64; hard : (n_clusters, n_features), bool, which means are still to be found
    """

    sums: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    hard: np.ndarray
