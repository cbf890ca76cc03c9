"""The passes of SciPy's `kmeans`, until the mean distance between rows and their codes settles.

They stop when that changes by no more than a threshold. Codes that lose all rows are dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.distances import exact_average, label_sq_dists, pad_centers, roots
from numbakmeans._engine.fit import algorithm_for
from numbakmeans._engine.samples import Samples, update_means
from numbakmeans._numba.entries import Entry

_MATRIX = ("d", 2)
REFINE = Entry(
    "numbakmeans._engine.kernels.small",
    "refine",
    kinds=(_MATRIX, "?", "?", "d", "q", _MATRIX),
)

#: Number of passes that the choice of an algorithm counts on: most starts take more.
EXPECTED_PASSES = 10


def refine(samples: Samples, book: np.ndarray, thresh: float) -> tuple[np.ndarray, Any]:
    """Run the passes from one start.

    book : (n_codes, n_features), float32 or float64, the initial code book

    Returns
    -------
    codes : the codes that have rows, in the working dtype
    distortion : float32 or float64, the exact mean distance in the last pass
    """
    # As in SciPy, distances have the common dtype of rows and codes.
    single = samples.single and book.dtype == np.float32
    if samples.few and _plan.refined_at_once(samples.shape, len(book)):
        found = _refine_few(samples, book, thresh, single)
        if found is not None:
            return found
    return _refine_many(samples, book, thresh, single)


def _refine_many(samples: Samples, book: np.ndarray, thresh: float, single: bool) -> tuple[np.ndarray, Any]:
    """Do what `refine` does by the passes of an algorithm, begun anew where codes are dropped."""
    previous: Any = np.inf
    while True:
        wide, labels = pad_centers(book), np.full(len(samples), -1, np.int32)
        algorithm = algorithm_for(samples, wide, _key(samples, len(book)))
        tables = algorithm.tables(len(wide))
        while True:
            moved = algorithm.run(wide, labels, tables).moved
            algorithm.finish(labels)
            distortion = exact_average(roots(label_sq_dists(samples, wide, labels), single))
            if moved:
                update_means(samples, tables, labels, wide)
            kept, single = tables.sizes > 0, samples.single
            with np.errstate(invalid="ignore"):  # inf - inf is NaN, which stops the passes
                change = abs(previous - distortion)
            previous = distortion
            if not (kept.all() and change > thresh):
                break
        book = wide[kept, : book.shape[1]].astype(samples.dtype)
        if not change > thresh:
            return book, distortion


def _key(samples: Samples, n_codes: int) -> str:
    """Return the key of the algorithm for some passes that Python sees one by one."""
    itemsize = samples.dtype.itemsize
    key = _plan.algorithm(samples.shape, n_codes, itemsize, EXPECTED_PASSES, samples.memory)
    return "certified" if key == "small" else key


def _refine_few(
    samples: Samples, book: np.ndarray, thresh: float, single: bool
) -> tuple[np.ndarray, Any] | None:
    """Do what `refine` does in one call of a kernel; return None if that does not converge."""
    centers = book.astype(np.float64)
    step = _plan.per_call(_plan.pass_work(len(samples), samples.shape[1], len(book)))
    n_codes, distortion, done = REFINE(samples.wide, single, samples.single, thresh, step, centers)
    if not done:
        return None
    return centers[:n_codes].astype(samples.dtype), samples.dtype.type(distortion)
