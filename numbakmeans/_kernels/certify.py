"""Nearest centers from approximate scores: a certificate where it holds, the definition where it does not.

With x and c shifted and scaled (`_kernels.pack`), and s their scale, half of s**2 D(x, c) is the score
S = |c|**2 / 2 - x.c plus |x|**2 / 2, which all centers share. The tile computes S' in the working dtype.

The bound. Let u be the unit roundoff of the working dtype (2**-24 or 2**-53), v = 2**-53, X = |x|,
C the largest |c|, d the number of features.

- Packed rows and centers are rounded once or twice: x' = x (1 + e), c' = c (1 + e), |e| <= 2u, so that
  |x'.c' - x.c| <= 4.1 u X C. Half norms, summed in float64: an error of at most ((d + 3) v + u) C**2 / 2.
- d products are added to the half norm, each with one rounding (two where there is no fused operation):
  at most 1.01 (d + 1) 2u (X C + C**2 / 2), by Cauchy-Schwarz.
- The definition rounds too: |D' - D| <= (d + 3) v D, and s**2 D <= (X + C)**2.

So with E = 1.05 ((2 d + 8) u (X C + C**2 / 2) + (d + 4) v (X + C)**2), two centers whose S' differ by more
than 2 E are in the same order by the definition. Tiny values that vanish in scaling or in products, and the
rounding of X and C themselves, are covered by 2**-140 (2**-1000 in float64) and by the factor 1.05 where d is
below 2**20; `scale_for` refuses what lies beyond 2**±400. Infinite scores, of padding and of centers that
equal another, are never smallest. Nothing here holds for NaN: callers send only finite data.

References
----------
N. J. Higham, "Accuracy and Stability of Numerical Algorithms", second edition, 2002, section 3.1.
"""

import numpy as np

from numbakmeans._jit import kernel
from numbakmeans._kernels.canonical import sq_dist_to
from numbakmeans._simd import score_tile, smallest_two

#: Features up to which the bound holds as stated.
MAX_FEATURES = 1 << 20


@kernel
def error_bounds(n_features, single, center_norm):
    """Return a, b, c so that 2 E <= a + b X + c X**2 for a row of norm X."""
    u = 2.0**-24 if single else 2.0**-53
    definition = (n_features + 4) * 2.0**-53
    tile = (2 * n_features + 8) * u
    least = 2.0**-140 if single else 2.0**-1000
    norm = center_norm
    constant = 2.1 * (tile * norm * norm / 2 + definition * norm * norm) + least * (1 + n_features)
    return constant, 2.1 * (tile * norm + 2 * definition * norm) + least * n_features, 2.1 * definition


@kernel
def is_nearer(X, i, centers, j, sq_dist, label):
    """Return D(i, j) and j where they beat sq_dist and label by the definition, and those otherwise."""
    total = sq_dist_to(X, i, centers, j)
    if total < sq_dist or (total == sq_dist and j < label):
        return total, j
    return sq_dist, label


@kernel
def decide(X, i, centers, distinct, best, second, numbers, r, limit):
    """Return the nearest center of row i by the definition, among those whose score is within limit.

    A column holds every n-th center; where only its best is within limit, only that one is a candidate.
    """
    n_clusters, columns = centers.shape[0], best.shape[1]
    sq_dist, label = np.inf, n_clusters
    for c in range(columns):
        if best[r, c] > limit:
            continue
        if second[r, c] > limit:
            sq_dist, label = is_nearer(X, i, centers, numbers[r, c] * columns + c, sq_dist, label)
        else:
            for j in range(c, n_clusters, columns):
                if distinct[j]:
                    sq_dist, label = is_nearer(X, i, centers, j, sq_dist, label)
    return label


@kernel
def nearest_of_tile(X, start, stop, centers, shared, buffers, labels):
    """Tile. Write the nearest center of rows [start, stop), already packed in the buffers.

    shared : distinct, panels, half_norms, bounds, of all centers (`pack`, `error_bounds`)
    buffers : rows, norms, best, second, numbers (`pack.row_buffers`); labels : OUT (tile rows,), int64

    Returns
    -------
    n_decided : how many rows the definition had to decide
    """
    distinct, panels, half_norms, bounds = shared
    rows, norms, best, second, numbers = buffers
    best[:] = np.inf
    second[:] = np.inf
    for p in range(panels.shape[0]):
        score_tile(rows, panels, half_norms, p, best, second, numbers)
    n_decided = 0
    for r in range(stop - start):
        column, low, other = smallest_two(best, second, r)
        norm = norms[r]
        margin = bounds[0] + bounds[1] * norm + bounds[2] * norm * norm
        if np.float64(other) - np.float64(low) > margin:
            labels[r] = numbers[r, column] * best.shape[1] + column
        else:
            limit = np.float64(low) + margin
            labels[r] = decide(X, start + r, centers, distinct, best, second, numbers, r, limit)
            n_decided += 1
    return n_decided
