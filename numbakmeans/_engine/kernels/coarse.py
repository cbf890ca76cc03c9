"""Coarse rows and centers: one byte a value, so that distances between them are exact, and quick to compute.

With an origin o and a step s, a row is x = o + s (q + e), where q holds whole numbers from -127 to 127, and E
is an upper bound on |e|; a center c = o + s (r + e') likewise. Hence

    |x - c| >= s (|q - r| - E - E')

and |q - r|**2 = |q|**2 + |r|**2 - 2 q.r consists of integers, which are added without rounding. The score of
q and r is S = q.r - floor(|r|**2 / 2), so that |q - r|**2 is |q|**2 - 2 S, or 1 more.

Let u be an upper bound on the distance to the row's own center. Another center can be as near only if
|q - r| <= u / s + E + E', that is, if S >= (|q|**2 - (u / s + E + E')**2) / 2. The few pairs of row and
center for which it is are left open (`pairs`); all others get a lower bound from their scores.

Any q is valid, because its error is measured: x - o - s q, in float64. If x is within range of the steps, the
computed error is off by less than 2**-44 s per feature; if x lies beyond, by another 2**-50 of its own size.
More than that is added, and more than the rounding of the few operations in float64 that limits and lower
bounds take. With up to `MAX_COARSE_FEATURES` features, no sum leaves int32.

References
----------
H. Jegou, M. Douze, C. Schmid, "Product quantization for nearest neighbor search", PAMI 2011, and many after
it, compare quantized vectors first, and give up exactness; here their errors are measured, and it is kept.
"""

import numpy as np

from numbakmeans._engine.kernels.pack import distinct_centers, norm_of
from numbakmeans._engine.plan import MAX_COARSE_VALUE, WORD
from numbakmeans._engine.simd import NEVER, SHIFT
from numbakmeans._numba.arena import empty, zeros
from numbakmeans._numba.compiler import bounding_kernel, kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum

#: The relative margin for the rounding of a few operations in float64.
MARGIN = 2.0**-40


@kernel
def steps_of(X, i, origin, step, steps, errors):
    """Write the steps q of row i of X, and its errors x - origin - step * q: OUT (n_features,), float64."""
    most, inverse, shift = np.float64(MAX_COARSE_VALUE), 1.0 / step, 1.5 * 2.0**52
    for f in range(len(origin)):
        offset = X[i, f] - origin[f]
        q = offset * inverse
        # Conditional expressions, because min and max would not vectorize.
        q = q if q < most else most
        q = q if q > -most else -most
        # Adding and subtracting 1.5 * 2**52 rounds to an integer.
        q = (q + shift) - shift
        steps[f] = q
        errors[f] = offset - q * step


@bounding_kernel
def squares_of(values, n_values):
    """Return the sum of the squares of the first values, added in any order."""
    total = 0.0
    for f in range(n_values):
        total += values[f] * values[f]
    return total


@kernel
def error_of_steps(errors, n_features, step):
    """Return E of a row in steps, rounded up to a float32."""
    e = np.sqrt(squares_of(errors, n_features)) / step * (1.0 + (n_features + 16) * 2.0**-50)
    return np.float32((e + np.sqrt(n_features) * MARGIN) * (1.0 + 2.0**-23))


@kernel
def word_of(steps, first):
    """Return four steps as the bytes of a word."""
    word = 0
    for byte in range(WORD):
        word |= (np.int64(steps[first + byte]) & 255) << (8 * byte)
    return np.int32(word)


@kernel
def coarse_rows_task(task, arena, X, n_tasks, coarse):
    """Task. Write a contiguous range of coarse rows; see `coarse_rows`."""
    n_features, n_values = X.shape[1], coarse.values.shape[1]
    start, stop = task * len(X) // n_tasks, (task + 1) * len(X) // n_tasks
    steps, errors = zeros(arena, n_values, np.float64), empty(arena, n_features, np.float64)
    for i in range(start, stop):
        steps_of(X, i, coarse.origin, coarse.step, steps, errors)
        coarse.errors[i] = error_of_steps(errors, n_features, coarse.step)
        coarse.squares[i] = np.int32(squares_of(steps, n_features))
        values = coarse.values[i]
        for f in range(n_values):
            values[f] = np.uint8(np.int32(steps[f]) + SHIFT)


@kernel
def coarse_rows(executor, X, n_tasks, coarse):
    """Write the steps, errors and squares of all rows; coarse : OUT `structs.passes.CoarseRows`."""
    parallel_for(executor, n_tasks, coarse_rows_task, (X, n_tasks, coarse))


@kernel
def coarse_panels_task(task, arena, n_tasks, originals, coarse):
    """Task. Write the coarse centers of every n-th panel, and all that `Singles` holds of them.

    originals : the centers, and their transform
    """
    (points, transform), singles = originals, coarse.singles
    (n_panels, n_words, columns), n_features = coarse.panels.shape, len(transform.origin)
    steps, errors = zeros(arena, n_words * WORD, np.float64), empty(arena, n_features, np.float64)
    for p in range(task, n_panels, n_tasks):
        coarse.panel_errors[p] = 0.0
        for c in range(columns):
            j = singles.members[p * columns + c]
            if j < 0 or not coarse.distinct[j]:
                coarse.begins[p, c] = np.int32(NEVER)
                for w in range(n_words):
                    coarse.panels[p, w, c] = 0
            else:
                steps_of(points, j, coarse.rows.origin, coarse.rows.step, steps, errors)
                error = np.float64(error_of_steps(errors, n_features, coarse.rows.step))
                coarse.panel_errors[p] = maximum(coarse.panel_errors[p], error)
                total = 0
                for f in range(n_features):
                    total += np.int64(steps[f])
                half = np.int64(squares_of(steps, n_features)) // 2
                coarse.begins[p, c] = np.int32(-half - SHIFT * total)
                for w in range(n_words):
                    coarse.panels[p, w, c] = word_of(steps, w * WORD)
            if j >= 0:
                singles.norms[j] = norm_of(points, j, transform.origin) * transform.scale
                for f in range(n_features):
                    singles.centers[j, f] = (points[j, f] - transform.origin[f]) * transform.scale


@kernel
def pack_coarse(executor, n_tasks, points, transform, coarse, arena):
    """Write the coarse centers.

    points : (n_clusters, padded features), float64
    coarse : INOUT `structs.passes.Coarse`, with its rows, first panels and members set
    """
    distinct_centers(points, len(transform.origin), coarse.distinct, arena)
    parallel_for(executor, n_tasks, coarse_panels_task, (n_tasks, (points, transform), coarse))
    for g in range(len(coarse.group_errors)):
        coarse.group_errors[g] = 0.0
        for p in range(coarse.first_panels[g], coarse.first_panels[g + 1]):
            coarse.group_errors[g] = maximum(coarse.group_errors[g], coarse.panel_errors[p])
