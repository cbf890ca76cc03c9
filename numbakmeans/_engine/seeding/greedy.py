"""'greedy ++': several candidates for each pick of '++', of which the best becomes the pick.

The potential is the sum of the masses of all rows (`plus_plus`). The first row is drawn by its weight, from
one uniform number, with and without weights: so weights of 1 give the bits of none, and a RandomState the
stream of scikit-learn, whose number of candidates this is.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, section 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.samples import Samples, padded
from numbakmeans._engine.seeding.plus_plus import (
    NO_INTEGERS,
    leaves_of,
    pick_first,
    quantized_rows,
    weights_of,
)
from numbakmeans._engine.structs.seeds import (
    POINTS_AT_ONCE,
    Job,
    Leaves,
    Picking,
    QuantizedRows,
    Trials,
)
from numbakmeans._numba.drivers import Driver

PICK_GREEDILY = Driver("numbakmeans._engine.kernels.greedy", "pick_greedily")


def trials_of(n_clusters: int) -> int:
    """Return the number of candidates for each pick."""
    return 2 + int(math.log(n_clusters))


def n_uniforms(n_clusters: int) -> int:
    """Return how many uniform numbers all picks take: one for the first row, one for each candidate."""
    return 1 + (n_clusters - 1) * trials_of(n_clusters)


def draw(
    rng: Any, n_samples: int, n_clusters: int, n_features: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a uniform number for the first row, and one for each candidate of each further one."""
    return NO_INTEGERS, rng.uniform(size=n_uniforms(n_clusters))


def place(samples: Samples, n_clusters: int, integers: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return the picked rows as centers."""
    leaves, picks = leaves_of(len(samples)), np.empty(n_clusters, np.int64)
    picks[0], sq_dists = pick_first(samples, leaves, uniforms[0])
    quantized = quantized_rows(samples, n_clusters * (1 + trials_of(n_clusters)), leaves)
    picking = Picking(picks, uniforms[1:], np.zeros(padded(samples.shape[1])), sq_dists)
    complete(samples, 1, leaves, quantized, picking)
    return samples.rows(picks)


def complete(
    samples: Samples, n_picked: int, leaves: Leaves, quantized: QuantizedRows | None, picking: Picking
) -> None:
    """Make all picks after the first n_picked.

    quantized : None if more than one pick is made already
    """
    n_clusters, n_features, weights = len(picking.picks), samples.shape[1], weights_of(samples)
    n_trials = trials_of(n_clusters)
    points = np.zeros((-(-n_trials // POINTS_AT_ONCE) * POINTS_AT_ONCE, n_features + 1), np.float32)
    # No sum that starts from it is above a bound.
    points[:, -1] = -np.inf
    rows, centers = np.empty(n_trials, np.int64), np.zeros((n_trials, padded(n_features)))
    sums = np.empty((n_trials, len(leaves.depths)))
    work = _plan.pick_work(samples.size) * (1 + n_trials)
    # Two sweeps for each pick.
    plan = _plan.sweep(samples.shape, work=work // 2)
    run = PICK_GREEDILY.on(plan.parallel)
    work += 2 * at.COST_PICK_THREADS if plan.parallel else 0
    step = _plan.per_call(work) if samples.X is not None else 1
    # Slabs are read twice for each pick: to draw its candidates, and to choose among them.
    parts = [(True, True)] if samples.X is not None else [(True, False), (False, True)]
    for p in range(n_picked, n_clusters, step):
        picking.center[:n_features] = samples.rows(picking.picks[p - 1])
        for draws, chooses in parts:
            if not draws:
                centers[:, :n_features] = samples.rows(rows)
            trials = Trials(picking, rows, centers, points, sums, draws, chooses)
            for part, X in samples.slabs(leaves.starts):
                first_leaf, last_leaf = np.searchsorted(leaves.starts, (part.start, part.stop)).tolist()
                job = Job(leaves, first_leaf, last_leaf, p, min(p + step, n_clusters), plan.n_tasks)
                run(X, job, quantized, weights, trials)
