"""What the kernels of small problems and their callers agree on: how arguments belong together."""

from typing import NamedTuple

import numpy as np


class Options(NamedTuple):
    """How passes are made: are means rounded to float32, how many passes at most, and whether to stop after
    one that leaves a cluster empty.
    """

    single: bool
    max_iter: int
    stop_on_empty: bool


class Answer(NamedTuple):
    """What passes bring up to date.

    centers : (n_clusters, at least n_features), float64
    labels : (n_samples,), int32, -1 at first, or those of an earlier call that this one goes on with
    """

    centers: np.ndarray
    labels: np.ndarray


class Problems(NamedTuple):
    """Many problems, one after the other.

    X : the rows of all; starts : (n_problems + 1,), int64, where each begins
    center_starts : (n_problems + 1,), int64, where the centers of each begin
    answer : INOUT `Answer`, the centers and labels of all
    empties : OUT (n_problems, 3), int64, `n_empty`, `ever_empty` and `n_hard` of each
    """

    X: np.ndarray
    starts: np.ndarray
    center_starts: np.ndarray
    answer: Answer
    empties: np.ndarray
