"""The Python side of coarse rows (`kernels.coarse`): origin and step, and a trial of what they leave open."""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import panels as _panels
from numbakmeans._engine.algorithms.panels import aligned, panel_columns, places_of, rows_at_once, singles_of
from numbakmeans._engine.algorithms.projections import SINGLE, Multiply, multiplies
from numbakmeans._engine.plan import MAX_COARSE_VALUE, WORD, Costs, Plan
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.structs.passes import Clusters, Coarse, CoarseRows, Places, Rows, Transform
from numbakmeans._numba.drivers import Driver

_KERNELS = "numbakmeans._engine.kernels.coarse"
_coarse_rows, _pack_coarse = Driver(_KERNELS, "coarse_rows"), Driver(_KERNELS, "pack_coarse")
_assign = Driver("numbakmeans._engine.kernels.coarse_labels", "assign")

#: Steps that are tried, relative to one that reaches all sampled values: a smaller step means smaller errors
#: for most values, and large ones for the few beyond its reach.
STEPS_TRIED = 1.0, 0.8, 0.6, 0.45, 0.35, 0.25


def rounded(points: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of points around the origin, as float32, and the lengths of their errors, in steps."""
    scaled = points / step
    steps = np.clip(np.rint(scaled), -MAX_COARSE_VALUE, MAX_COARSE_VALUE)
    return steps.astype(SINGLE), np.sqrt(np.square(scaled - steps).sum(1))


def best_step(points: np.ndarray, centers: np.ndarray) -> float:
    """Return the step, of those that are tried, with the smallest errors; 0 if none is of moderate size.

    It reaches all values of the centers: what is known of a row depends on the largest error among these.
    """
    widest, least = (float(np.abs(some).max()) / MAX_COARSE_VALUE for some in (points, centers))
    if not 1e-140 <= max(widest, least) <= 1e140:
        return 0.0
    steps = {max(widest * share, least) for share in STEPS_TRIED}
    return min(steps, key=lambda step: step * float(rounded(points, step)[1].sum()))


def opened_by(points: np.ndarray, centers: np.ndarray, step: float, multiply: Multiply) -> float:
    """Return the share of the pairs of points and centers that coarse forms would leave open."""

    def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        squares = [np.square(some).sum(1) for some in (rows, others)]
        return np.sqrt(np.maximum(squares[0][:, None] + squares[1] - 2.0 * multiply(rows, others), 0.0))

    scaled = [(some / step).astype(SINGLE) for some in (points, centers)]
    (steps, errors), (other_steps, other_errors) = rounded(points, step), rounded(centers, step)
    nearest = distances(*scaled).min(1, keepdims=True)
    is_open = distances(steps, other_steps) < nearest + errors[:, None] + other_errors
    return (np.count_nonzero(is_open) - len(points)) / is_open.size


def coarse_rows(samples: Samples, plan: Plan, centers: np.ndarray, costs: Costs) -> CoarseRows | None:
    """Return the coarse forms of all rows; None if they do not pay for sampled rows and the first centers."""
    # In this form the tests fail for NaN.
    if not _plan.coarse_cost(costs, 0.0) < at.MAX_COARSE_COST:
        return None
    n_samples, n_features = samples.shape
    every = -(-n_samples // max(1, min(n_samples, at.SAMPLE_COARSE_PAIRS // len(centers))))
    rows = samples.rows(slice(None, None, every))
    origin = rows.mean(0)
    rows, points = rows - origin, centers[:, :n_features] - origin
    step = best_step(rows, points)
    if not step:
        return None
    some = points[:: -(-len(points) // at.SAMPLE_COARSE_CENTERS)]
    opened = opened_by(rows, some, step, multiplies(plan.parallel, plan.n_tasks))
    if not _plan.coarse_cost(costs, opened) < at.MAX_COARSE_COST:
        return None
    words = aligned((n_samples, -(-n_features // WORD)), np.dtype(np.int32))
    sizes = np.empty(n_samples, SINGLE), np.empty(n_samples, np.int32)
    made = CoarseRows(origin, step, words.view(np.uint8), words, *sizes)
    run = _coarse_rows.on(plan.parallel)
    for part, X in samples.slabs():
        run(X, plan.n_tasks, made.part(part))
    return made


def nearest_pays(samples: Samples, n_clusters: int) -> bool:
    """Return whether `nearest` may pay, before anything is known about the rows."""
    fits = _panels.multiplies_bytes() and samples.X is not None
    if not fits or not _plan.coarse_fits(samples.shape, 1, samples.memory):
        return False
    costs = _plan.coarse_costs_once(samples.shape[1], n_clusters, samples.dtype.itemsize)
    return _plan.coarse_cost(costs, 0.0) < at.MAX_COARSE_COST


def nearest(
    samples: Samples, plan: Plan, transform: Transform, centers: np.ndarray, *, with_dists: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what `assignment.nearest` does, or None if sampled rows tell that it would not pay.

    Without distances, the second array has none.
    """
    (n_samples, n_features), n_clusters = samples.shape, len(centers)
    costs = _plan.coarse_costs_once(n_features, n_clusters, samples.dtype.itemsize)
    X, rows = samples.X, coarse_rows(samples, plan, centers, costs)
    if X is None or rows is None:
        return None
    places = places_of(np.arange(n_clusters), panel_columns(SINGLE, n_clusters))
    sizes = (samples.shape, samples.dtype.itemsize, len(places.groups), plan.n_tasks)
    block_rows = _plan.block_rows(*sizes, rows_at_once(SINGLE))
    clusters = Clusters(
        centers, transform, np.zeros(n_clusters), places, np.zeros(n_clusters, np.int64), None, None, None
    )
    clusters = clusters._replace(coarse=pack_coarse(plan, rows, clusters, places, 1))
    labels, sq_dists = np.empty(n_samples, np.int32), np.empty(n_samples if with_dists else 0)
    lower = np.empty((-(-n_samples // block_rows), 1, block_rows), SINGLE)
    work = Rows(X, labels, np.empty(n_samples), np.empty(n_samples, SINGLE), lower)
    _assign.on(plan.parallel)(plan.n_tasks, clusters, work, sq_dists)
    return labels, sq_dists


def pack_coarse(plan: Plan, rows: CoarseRows, clusters: Clusters, places: Places, n_groups: int) -> Coarse:
    """Return rows and centers in their coarse forms."""
    points, transform = clusters.points, clusters.transform
    n_panels, n_words = len(places.groups), rows.words.shape[1]
    columns = len(places.members) // n_panels
    packed = Coarse(
        rows,
        rows.step * transform.scale,
        np.empty(len(points), np.bool_),
        aligned((n_panels, n_words, columns), np.dtype(np.int32)),
        np.empty((n_panels, columns), np.int32),
        np.empty(n_panels),
        np.empty(n_groups),
        np.searchsorted(places.groups, np.arange(n_groups + 1)),
        singles_of(len(points), len(rows.origin), places),
    )
    _pack_coarse.on(plan.parallel)(plan.n_tasks, points, transform, packed)
    return packed
