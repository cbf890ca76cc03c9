"""Reference distances of rows to centers, and exact sums of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.bins import LOWEST
from numbakmeans._engine.columns import column_means, exact_total
from numbakmeans._engine.exact import PRODUCT_LOWEST, product_units, quotient
from numbakmeans._engine.samples import Samples, padded
from numbakmeans._numba.drivers import Driver

DISTANCES = Driver("numbakmeans._engine.kernels.distances", "distances")
LABEL_SQ_DISTS, ROOTS = (
    Driver("numbakmeans._engine.kernels.reference", name) for name in ("label_sq_dists", "roots_single")
)
WEIGHTED_PRODUCTS = Driver("numbakmeans._engine.kernels.sums", "weighted_products")

#: Columns that a long sum is divided into.
SUM_COLUMNS = 64


def pad_centers(centers: np.ndarray) -> np.ndarray:
    """Return a float64 copy of centers (n_clusters, n_features) with zero columns appended."""
    n_clusters, n_features = centers.shape
    wide = np.zeros((n_clusters, padded(n_features)))
    wide[:, :n_features] = centers
    return wide


def rows_of(samples: Samples) -> Iterable[tuple[slice, np.ndarray]]:
    """Return the rows as the kernels of reference distances take them: few values in float64."""
    return [(slice(None), samples.wide)] if samples.few else samples.slabs()


def label_sq_dists(samples: Samples, centers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return D from every row to the (padded) center of its label."""
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    sq_dists = np.empty(len(samples))
    run = LABEL_SQ_DISTS.on(plan.parallel)
    for rows, X in rows_of(samples):
        run(X, centers, labels[rows], plan, sq_dists[rows])
    return sq_dists


def distances(samples: Samples, centers: np.ndarray) -> np.ndarray:
    """Return the distance from every row to every center, (n_samples, n_clusters), rounded once.

    centers : float32 or float64; the distances are float32 if rows and centers are
    """
    single = samples.single and centers.dtype == np.float32
    dists = np.empty((len(samples), len(centers)), np.float32 if single else np.float64)
    plan = _plan.sweep(samples.shape, work=samples.size * len(centers))
    run, wide = DISTANCES.on(plan.parallel), pad_centers(centers)
    for rows, X in rows_of(samples):
        run(X, wide, plan, dists[rows])
    return dists


def roots(sq_dists: np.ndarray, single: bool) -> np.ndarray:
    """Return the square roots of squared distances, rounded once to float32 or float64."""
    if not single:
        return np.sqrt(sq_dists)
    plan = _plan.sweep((len(sq_dists), 1), work=16 * len(sq_dists))
    dists = np.empty(len(sq_dists), np.float32)
    ROOTS.on(plan.parallel)(sq_dists, plan.n_tasks, dists)
    return dists


def exact_units(values: np.ndarray) -> int | None:
    """Return the exact sum of a float64 array in units of 2**LOWEST; None if a value is not finite."""
    # In a single column every addition would depend on the one before. The remainder is a row of its own.
    wide = values[: len(values) // SUM_COLUMNS * SUM_COLUMNS].reshape(-1, SUM_COLUMNS)
    rest = np.zeros((1, SUM_COLUMNS))
    rest[0, : len(values) - wide.size] = values[wide.size :]
    parts = [Samples(part) for part in (wide, rest) if part.size]
    return sum(map(exact_total, parts)) if all(part.finite for part in parts) else None


def exact_sum(values: np.ndarray) -> float:
    """Return the exact sum of a float64 array, rounded once."""
    units = None
    if len(values) < SUM_COLUMNS**2:
        try:
            return math.fsum(values.tolist())
        except (OverflowError, ValueError):
            # A value or a partial sum is not finite.
            pass
    else:
        units = exact_units(values)
    if units is None:
        return float(column_means(Samples(values.reshape(-1, 1)), divisor=1)[0])
    return quotient(units, 1 << -LOWEST, single=False)


def exact_average(values: np.ndarray) -> np.floating:
    """Return the exact mean of a float32 or float64 array, rounded once to its dtype."""
    samples = Samples(values.reshape(-1, 1))
    return values.dtype.type(column_means(samples, single=samples.single)[0])


def exact_weighted_sum(samples: Samples, values: np.ndarray) -> float:
    """Return the exact sum of weights times values, rounded once; values : (n_samples,), at least 0."""
    if samples.weights is None:
        return exact_sum(values)
    products = weighted_products(values, samples.weights)
    if products is not None:
        return exact_sum(products)
    units = weighted_units(values, samples.weights)
    return float("inf") if units is None else quotient(units, 1 << -PRODUCT_LOWEST, single=False)


def weighted_products(values: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Return numbers whose exact sum is that of weights times values; None if there are none in float64."""
    plan = _plan.sweep((len(values), 1), work=16 * len(values))
    products = np.empty(2 * len(values))
    lost = WEIGHTED_PRODUCTS.on(plan.parallel)(values, weights, plan.n_tasks, products)
    return None if lost else products


def weighted_units(values: np.ndarray, weights: np.ndarray) -> int | None:
    """Return the exact sum of weights times values in units of 2**PRODUCT_LOWEST; None if it is infinite."""
    values, weights = values[weights > 0], weights[weights > 0]
    return product_units(values, weights) if np.isfinite(values).all() else None


def inertia_of(samples: Samples, centers: np.ndarray, labels: np.ndarray) -> float:
    """Return the exact sum of weights times D from the rows to the (padded) centers of their labels."""
    return exact_weighted_sum(samples, label_sq_dists(samples, centers, labels))
