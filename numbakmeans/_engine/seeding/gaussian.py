"""'random': draws from a Gaussian with the data's mean and covariance."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.columns import column_means
from numbakmeans._engine.samples import Samples
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

SCATTER_MATRICES = Driver("numbakmeans._engine.kernels.gaussian", "scatter_matrices")
FACTOR = Entry("numbakmeans._engine.kernels.gaussian", "factor")
COLOR = Entry("numbakmeans._engine.kernels.gaussian", "color")

_NO_INTEGERS = np.empty(0, np.int64)


def draw(
    rng: Any, n_samples: int, n_clusters: int, n_features: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a normal number for each cluster and feature (or each cluster and row, if rows are fewer)."""
    if weights is not None:
        raise ValueError("the method 'random' does not take weights: use 'points' or one of the '++' methods")
    return _NO_INTEGERS, rng.standard_normal(n_clusters * min(n_samples, n_features))


def place(samples: Samples, n_clusters: int, integers: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return centers with the mean and covariance of the data."""
    n_samples, n_features = samples.shape
    mean = column_means(samples)
    normals = normals.reshape(n_clusters, min(n_samples, n_features))
    # A single row has no variance; SciPy divides by zero here.
    freedom = max(n_samples - 1, 1)
    if n_features > n_samples:
        return in_row_space(samples.rows(slice(None)) - mean, freedom, normals) + mean
    upper = scatter_matrix(samples, mean)
    upper /= freedom
    step = _plan.per_call(n_features * n_features)
    for first in range(0, n_features, step):
        FACTOR(upper, first, first + step)
    centers = np.empty((n_clusters, n_features))
    for first in range(0, n_clusters, step):
        COLOR(normals[first : first + step], upper, mean, centers[first : first + step])
    return centers


def scatter_matrix(samples: Samples, mean: np.ndarray) -> np.ndarray:
    """Return the upper triangle of the scatter matrix, the sums of products of centered columns."""
    n_features = samples.shape[1]
    chunk_rows, n_chunks = _plan.scatter_chunks(samples.shape)
    scatters = np.zeros((n_chunks, n_features, n_features))
    plan = _plan.sweep(samples.shape, work=samples.size * n_features)
    add = SCATTER_MATRICES.on(plan.parallel)
    step = _plan.per_call(n_chunks * n_features * n_features)
    if samples.X is None:
        step = min(step, samples.slab_rows // n_chunks)
    step = max(4, step // 4 * 4)
    for first in range(0, chunk_rows, step):
        if samples.X is not None:
            add(samples.X, mean, (chunk_rows, first, first + step), scatters)
            continue
        # The same share of every chunk, so that the order of summation stays the same.
        ends = [min((c + 1) * chunk_rows, c * chunk_rows + first + step) for c in range(n_chunks)]
        parts = [slice(c * chunk_rows + first, end) for c, end in enumerate(ends)]
        add(samples.converted(*parts), mean, (min(step, chunk_rows - first), 0, step), scatters)
    total = scatters[0]
    for scatter in scatters[1:]:
        total += scatter
    return total


def in_row_space(centered: np.ndarray, freedom: int, normals: np.ndarray) -> np.ndarray:
    """Return centers around zero, in the span of the rows, for fewer rows than features."""
    if not np.isfinite(centered).all():
        return np.full((len(normals), centered.shape[1]), np.nan)
    _, scales, rows = np.linalg.svd(centered, full_matrices=False)
    return normals @ (scales[:, None] * rows / np.sqrt(freedom))
