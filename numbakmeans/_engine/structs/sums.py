"""Data structures shared by the kernels of exact sums and their callers."""

from typing import NamedTuple

import numpy as np


class Ranges(NamedTuple):
    """The column ranges that the exact sums of rows depend on.

    ends : (n_features,), int64, the end exponent of the bin of each column's largest magnitude (`bins`)
    n_parts : number of parts that hold all values (`sums`); finite : whether all values are finite
    """

    ends: np.ndarray
    n_parts: int
    finite: bool


class Bins(NamedTuple):
    """The bins of the parts of exact sums (`kernels.sums`).

    exponents : (n_parts, n_features), int64; constants : (n_parts, n_features), float64, to split parts
    scales : (n_features,), float64, applied to the first part
    """

    exponents: np.ndarray
    constants: np.ndarray
    scales: np.ndarray


class Sums(NamedTuple):
    """Exact sums of all clusters (`kernels.sums`), and which of their means are still to be computed.

    sums : (n_tasks, n_clusters + padding, n_parts or more, n_features), int64
    counts : (n_tasks, n_clusters + padding), int64
    counts, sizes : rows, of weight above 0 if there are weights
    sizes : (n_clusters,), int64
    uncertain : (n_clusters, n_features), bool, marks the means that `means.means` could not certify
    weights : (n_samples,), float64, below 1; None if all rows count alike. With weights, the sums are those
    of the weighted rows, and their last column, one more than there are features, is that of the weights.
    """

    bins: Bins
    sums: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    uncertain: np.ndarray
    weights: np.ndarray | None


class TaskSums(NamedTuple):
    """The exact sums of one task, and what is needed to add a row.

    sums : INOUT (n_clusters + padding, n_parts or more, n_features), int64
    counts : INOUT (n_clusters + padding,), int64
    rest : workspace (2 * columns of the sums,), float64
    weights : as in `Sums`; parts : workspace, with weights (n_parts, columns of the sums), int64
    """

    bins: Bins
    sums: np.ndarray
    counts: np.ndarray
    rest: np.ndarray
    weights: np.ndarray | None
    parts: np.ndarray
