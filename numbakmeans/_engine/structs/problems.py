"""Data structures shared by the kernels of small problems and their callers."""

from typing import NamedTuple

import numpy as np


class Options(NamedTuple):
    """Options of the passes.

    single : whether means are rounded to float32
    max_iter, stop_on_empty, tol : as in `algorithms.base.Rules`
    relocates : whether a pass that leaves a cluster empty ends the call, before any means are computed
    """

    single: bool
    max_iter: int
    stop_on_empty: bool
    relocates: bool
    tol: float


class Answer(NamedTuple):
    """The state that passes update.

    centers : (n_clusters, at least n_features), float64
    labels : (n_samples,), int32, -1 at first, or the labels of an earlier call that this one continues
    before : as centers, those that the last pass started from; written only where there is a tolerance
    """

    centers: np.ndarray
    labels: np.ndarray
    before: np.ndarray


class Problems(NamedTuple):
    """Many problems, concatenated.

    X : the rows of all, or of one problem if all have the same
    starts : (n_problems + 1,), int64, where the rows of each problem begin, if each has rows of its own
    center_starts : (n_problems + 1,), int64, where the centers of each problem begin
    answer : INOUT `Answer`, the centers and labels of all
    outcomes : OUT (n_problems, 5), int64, for each: `n_empty`; `ever_empty`; whether it is left unsolved, for
    means that are undecided or a cluster that is to take a row; `n_iter`; and how it ended: 2 at the fixed
    point, 1 within the tolerance, else 0
    weights : of the rows in X, each problem's below 1; None if all rows count alike
    """

    X: np.ndarray
    starts: np.ndarray
    center_starts: np.ndarray
    answer: Answer
    outcomes: np.ndarray
    weights: np.ndarray | None = None
