"""What every algorithm is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbakmeans._jit import Driver
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Grids, Samples


class Pass(NamedTuple):
    """What one pass did: rows that changed their label, and rows that were labelled by the definition."""

    moved: int
    n_decided: int


class Algorithm:
    """One way to run passes: assign every row to its nearest center, and keep the sums of the clusters.

    An object lives as long as one fit, and may remember between its passes what it likes.
    """

    #: What runs one pass.
    driver: Driver

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        self.X, self.plan, self.frame = samples.X, plan, frame
        self.grids: Grids = samples.grids

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        """Assign every row to its nearest center, and bring labels, sums and counts up to date.

        Parameters
        ----------
        centers : (n_clusters, padded features), float64
        labels : INOUT (n_samples,), int32, -1 before the first pass
        sums : INOUT, tables of all slots (`_kernels.exact`)
        counts : INOUT (n_slots, n_clusters + padding), int64
        """
        raise NotImplementedError

    def finish(self, labels: np.ndarray) -> None:
        """Write to labels what `run` kept elsewhere; called once, after the last pass."""
