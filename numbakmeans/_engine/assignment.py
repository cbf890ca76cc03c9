"""The nearest center of each row, found in one sweep by whichever way is faster."""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import certified, coarse
from numbakmeans._engine.distances import pad_centers, rows_of
from numbakmeans._engine.samples import Samples, as_doubles
from numbakmeans._engine.transforms import transform_for
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

NEAREST = Driver("numbakmeans._engine.kernels.reference", "nearest")
NEAREST_FEW = Entry(
    "numbakmeans._engine.kernels.reference",
    "nearest_few",
    kinds=(("d", 2), ("d", 2), "?", ("i", 1), ("d", 1)),
)


def nearest(
    samples: Samples, centers: np.ndarray, *, scored: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of the nearest center (int32) and the distance D to it (float64) for every row.

    scored : whether to use certified scores or only reference distances; the plan chooses if None
    """
    return _nearest(samples, centers, scored, with_dists=True)


def nearest_few(
    rows: np.ndarray, centers: np.ndarray, single: bool
) -> tuple[np.ndarray, np.ndarray, bool, bool]:
    """Return labels, distances, and whether the rows, and the centers, are finite: all in a single call.

    rows, centers : real numbers of any dtype and layout
    single : whether distances are rounded to float32
    """
    labels, dists = np.empty(len(rows), np.int32), np.empty(len(rows))
    finite, finite_centers = NEAREST_FEW(as_doubles(rows), as_doubles(centers), single, labels, dists)
    return labels, dists.astype(np.float32) if single else dists, finite, finite_centers


def nearest_labels(samples: Samples, centers: np.ndarray, *, scored: bool | None = None) -> np.ndarray:
    """Return the labels alone, which scores find without distances; the arguments are those of `nearest`."""
    return _nearest(samples, centers, scored, with_dists=False)[0]


def _nearest(
    samples: Samples, centers: np.ndarray, scored: bool | None, *, with_dists: bool
) -> tuple[np.ndarray, np.ndarray]:
    plan = _plan.sweep(samples.shape, work=samples.size * len(centers))
    if scored is None:
        scored = _plan.nearest_scored(
            samples.shape, len(centers), samples.dtype.itemsize, with_dists=with_dists
        )
    wide = pad_centers(centers)
    if scored:
        found = _by_scores(samples, plan, wide, with_dists=with_dists)
        if found is not None:
            return found
    labels, sq_dists = np.empty(len(samples), np.int32), np.empty(len(samples))
    run = NEAREST.on(plan.parallel)
    for rows, X in rows_of(samples):
        run(X, wide, plan, (labels[rows], sq_dists[rows]))
    return labels, sq_dists


def _by_scores(
    samples: Samples, plan: _plan.Plan, wide: np.ndarray, *, with_dists: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what `nearest` does, or None for rows or centers that cannot be scored."""
    if coarse.nearest_pays(samples, len(wide)):
        transform = samples.transform(wide)
        if transform.scale:
            found = coarse.nearest(samples, plan, transform, wide, with_dists=with_dists)
            if found is not None:
                return found
    if not samples.surveyed:
        # Rows that are about as large as the centers need no sweep of their own to find out their range and
        # whether they are finite.
        transform = transform_for(np.zeros(samples.shape[1]), wide, samples.dtype)
        if transform.scale:
            labels, sq_dists, holds = certified.nearest(samples, plan, transform, wide, with_dists=with_dists)
            if holds:
                samples.take_as_finite()
                return labels, sq_dists
    transform = samples.transform(wide)
    if not transform.scale:
        return None
    return certified.nearest(samples, plan, transform, wide, with_dists=with_dists)[:2]
