"""'++': each further row is picked with a probability proportional to D to its nearest pick.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.samples import Samples, padded
from numbakmeans._engine.structs.seeds import (
    GROUP_LANES,
    MAX_FEATURES,
    STEPS,
    Job,
    Leaves,
    Picking,
    QuantizedRows,
    leaves_at_most,
)
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

LEAVES_OF = Entry("numbakmeans._engine.kernels.pairwise", "leaves_of")
PICK_FIRST = Entry("numbakmeans._engine.kernels.plus_plus", "pick_first")
PICK_ROWS = Driver("numbakmeans._engine.kernels.plus_plus", "pick_rows")
#: The picks for many problems, whose rows are concatenated.
PICK_EACH = Driver("numbakmeans._engine.kernels.plus_plus", "pick_each")

NO_INTEGERS = np.empty(0, np.int64)


def draw(
    rng: Any, n_samples: int, n_clusters: int, n_features: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the first row, and a uniform number for each further one; with weights, for the first as well."""
    if weights is not None:
        return NO_INTEGERS, rng.uniform(size=n_clusters)
    integers = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return integers(n_samples, size=1, dtype=np.int64), rng.uniform(size=n_clusters - 1)


def leaves_of(n_samples: int) -> Leaves:
    """Return the leaves of the pairwise-summation tree over all rows, their sums uninitialized."""
    starts, depths = np.empty((2, leaves_at_most(n_samples)), np.int64)
    n_leaves = LEAVES_OF(n_samples, starts, depths)
    return Leaves(starts[: n_leaves + 1], depths[:n_leaves], np.empty(n_leaves))


def quantization_step(samples: Samples) -> tuple[np.ndarray, float]:
    """Return origin and scale of the quantization, estimated from some rows; scale 0 if it is not applicable.

    The range is twice that of 99 % of the values of the widest feature. The few values outside get a large
    error; a range that includes them would make the error of all others large.
    """
    if not samples.finite or samples.shape[1] > MAX_FEATURES:
        return np.zeros(samples.shape[1]), 0.0
    rows = samples.rows(slice(None, None, _plan.quantization_stride(samples.shape)))
    with np.errstate(over="ignore", invalid="ignore"):
        origin = np.partition(rows, len(rows) // 2, axis=0)[len(rows) // 2]
        distances = np.abs(rows - origin)
        nth = len(rows) * 99 // 100
        wide, widest = np.partition(distances, nth, axis=0)[nth].max(), distances.max()
        scale = (min(2.0 * wide, widest) if wide else widest) / STEPS
    # `rows` has the memory order of the caller's array, so a single row need not be contiguous.
    return np.ascontiguousarray(origin), float(scale) if 1e-140 <= scale <= 1e140 else 0.0


def quantized_rows(samples: Samples, n_compared: int, leaves: Leaves) -> QuantizedRows | None:
    """Return buffers for quantized rows of as many leaves as memory allows; None if they would not pay.

    n_compared : the number of points that all rows are compared with
    """
    lanes = -(-int(np.diff(leaves.starts).max()) // GROUP_LANES) * GROUP_LANES
    n_leaves, n_features = len(leaves.depths), samples.shape[1]
    n_quantized = _plan.quantized_leaves(samples.shape, n_compared, n_leaves, lanes, samples.memory)
    origin, scale = quantization_step(samples) if n_quantized else (np.empty(0), 0.0)
    if not scale:
        return None
    steps = np.empty((n_quantized, n_features, lanes), np.int8)
    sizes, bounds = np.empty((n_quantized, 2, lanes), np.float32), np.empty((n_quantized, lanes), np.float32)
    return QuantizedRows(origin, scale, steps, sizes, bounds)


def weights_of(samples: Samples) -> np.ndarray | None:
    """Return the weights as kernels take them."""
    return None if samples.weights is None else np.ascontiguousarray(samples.weights)


def pick_first(samples: Samples, leaves: Leaves, uniform: float) -> tuple[int, np.ndarray]:
    """Return the first row whose running sum of w / sum(w) reaches uniform, and an infinite D for each
    row."""
    sq_dists = np.ones(len(samples))
    row = PICK_FIRST(sq_dists, weights_of(samples), leaves, float(uniform))
    sq_dists.fill(np.inf)
    return row, sq_dists


def place(samples: Samples, n_clusters: int, first: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return the picked rows as centers."""
    n_samples, n_features = samples.shape
    leaves, weights = leaves_of(n_samples), weights_of(samples)
    picks, center = np.empty(n_clusters, np.int64), np.zeros(padded(n_features))
    if weights is None:
        picks[0], sq_dists = first[0], np.full(n_samples, np.inf)
    else:
        (picks[0], sq_dists), uniforms = pick_first(samples, leaves, uniforms[0]), uniforms[1:]
    quantized = quantized_rows(samples, n_clusters, leaves)
    picking = Picking(picks, uniforms, center, sq_dists)
    work = _plan.pick_work(samples.size)
    plan = _plan.sweep(samples.shape, work=work)
    pick = PICK_ROWS.on(plan.parallel)
    work += at.COST_PICK_THREADS if plan.parallel else 0
    step = _plan.per_call(work) if samples.X is not None else 1
    for p in range(1, n_clusters, step):
        center[:n_features] = samples.rows(picks[p - 1])
        for rows, X in samples.slabs(leaves.starts):
            first_leaf, last_leaf = np.searchsorted(leaves.starts, (rows.start, rows.stop)).tolist()
            job = Job(leaves, first_leaf, last_leaf, p, min(p + step, n_clusters), plan.n_tasks)
            pick(X, job, quantized, weights, picking)
    return samples.rows(picks)
