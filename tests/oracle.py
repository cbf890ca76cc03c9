"""The definition of every result, in plain NumPy and fractions; imports nothing from the package.

Slow and obvious. Every code path of the library must give these bits.
"""

import itertools
import math
from fractions import Fraction

import numpy as np


def sq_dists(X, centers):
    """Return D(i, j), the sum of (float64(x) - float64(c))**2 over features, in order; NaN becomes +inf."""
    with np.errstate(all="ignore"):
        D = np.zeros((len(X), len(centers)))
        for f in range(X.shape[1]):
            difference = X[:, f, None].astype(np.float64) - centers[None, :, f].astype(np.float64)
            D += difference * difference
    return np.where(np.isnan(D), np.inf, D)


def assign(X, centers):
    """Return labels (the lowest index wins ties; 0 without a finite distance) and D to the nearest center."""
    D = sq_dists(X, centers)
    return D.argmin(1).astype(np.int32), D.min(1)


def round_fraction(value, dtype):
    """Round a Fraction once to dtype, to nearest, ties to even; the sign survives underflow."""
    if value == 0:
        return dtype(0.0)
    digits, lowest = (24, -149) if dtype is np.float32 else (53, -1074)
    above, below = abs(value.numerator), value.denominator
    top = above.bit_length() - below.bit_length()
    top -= above << max(-top, 0) < below << max(top, 0)
    unit = max(top - digits + 1, lowest)
    divisor = below << max(unit, 0)
    down, rest = divmod(above << max(-unit, 0), divisor)
    rounded = down + (2 * rest > divisor or (2 * rest == divisor and down % 2 == 1))
    size = math.inf if rounded << max(unit, 0) > int(np.finfo(dtype).max) else math.ldexp(rounded, unit)
    return dtype(-size if value < 0 else size)


def whole(value):
    """Return a finite float as a whole number of the smallest float64, 2**-1074."""
    numerator, denominator = float(value).as_integer_ratio()
    return numerator << 1075 - denominator.bit_length()


def exact_mean(values, dtype, divisor=None, weights=None):
    """Return the exact sum over divisor (default: the number of values), rounded once; NaN, inf as IEEE.

    weights : of the values, which are finite then; the default divisor is their sum
    """
    values = [float(v) for v in values]
    if weights is not None:
        weights = [whole(w) for w in weights]
        total = sum(w * whole(v) for w, v in zip(weights, values, strict=True))
        return round_fraction(Fraction(total, divisor << 2148 if divisor else sum(weights) << 1074), dtype)
    special = {v for v in values if not np.isfinite(v)}
    if any(np.isnan(v) for v in special) or len(special) == 2:
        return dtype(np.nan)
    if special:
        return dtype(special.pop())
    return round_fraction(Fraction(sum(map(whole, values)), (divisor or len(values)) << 1074), dtype)


def update(X, labels, centers, weights=None):
    """Return the exact mean of each cluster; empty ones keep their center, rounded once to the dtype of X.

    weights : of the rows; a cluster whose weights sum to 0 is empty
    """
    new = centers.astype(X.dtype)
    for j in np.unique(labels if weights is None else labels[weights > 0]):
        own = None if weights is None else weights[labels == j]
        new[j] = [exact_mean(X[labels == j, f], X.dtype.type, weights=own) for f in range(X.shape[1])]
    return new


def inertia(X, centers, labels, weights=None):
    """Return the exact sum of weights times D to the centers of the labels, rounded once."""
    D = sq_dists(X, centers)[np.arange(len(X)), labels]
    return exact_mean(D, np.float64, 1, np.ones(len(X)) if weights is None else weights)


def unit(x):
    """Return a vector divided by its length, each value rounded once to its dtype; a zero vector stays."""
    # Quotients to 80 bits, where a truncated remainder counts as a half.
    values = [whole(v) for v in x]
    square, rounded = sum(v * v for v in values), []
    for v in values:
        shift = max(80 + square.bit_length() // 2 - v.bit_length(), 0)
        scaled = v * v << 2 * shift
        down = math.isqrt(scaled // square) if v else 0
        size = Fraction(2 * down + (down * down * square != scaled), 2 << shift)
        rounded.append(round_fraction(-size if v < 0 else size, x.dtype.type))
    return np.array(rounded, x.dtype)


def constrain(centers, before, fixed, to_units):
    """Return centers with unit lengths, if asked for, and with those in the mask as they were before.

    A zero vector, which has no direction, stays as it was before.
    """
    new = centers.copy()
    if to_units:
        new = np.array([unit(c) if c.any() else b for c, b in zip(new, before, strict=True)], centers.dtype)
    if fixed is not None:
        new[fixed] = before[fixed]
    return new


def relocate(X, labels, centers, weights=None, fixed=None):
    """Return labels after each empty cluster, in ascending order, has taken the row that costs most.

    That is the row with the largest weight times D (rounded once; the first of equal ones) above 0, among
    those that are not the only row of weight above 0 in their cluster; each row moves at most once. Clusters
    of fixed centers stay empty.
    """
    weights = np.ones(len(X)) if weights is None else weights
    counted, labels = weights > 0, labels.copy()
    costs = weights * sq_dists(X, centers)[np.arange(len(X)), labels]
    stay = set() if fixed is None else set(np.flatnonzero(fixed).tolist())
    for j in sorted(set(range(len(centers))) - set(labels[counted].tolist()) - stay):
        company = np.bincount(labels[counted], minlength=len(centers))[labels] > 1
        left = np.where(company, costs, 0.0)
        i = int(left.argmax())
        if left[i] > 0:
            labels[i], costs[i] = j, 0.0
    return labels


def lloyd(X, centers, max_iter, weights=None, relocates=False, tol=0.0, fixed=None, to_units=False):
    """Run passes to the fixed point, or until the squared shifts of the centers sum up to at most tol.

    fixed, to_units : as in `constrain`

    Return centers, labels of the last pass, the number of passes, whether they converged, and whether they
    ended at a fixed point.
    """
    labels, n_iter, moved, shift = np.full(len(X), -1), 0, True, np.inf
    while n_iter < max_iter and moved and not (tol > 0 and shift <= tol):
        n_iter += 1
        previous, before = labels, centers
        labels, _ = assign(X, centers)
        moved = (labels != previous).any()
        if relocates:
            relocated = relocate(X, labels, centers, weights, fixed)
            moved, labels = moved or (relocated != labels).any(), relocated
        centers = constrain(update(X, labels, centers, weights), before, fixed, to_units)
        shift = 0.0
        for new, old in zip(centers.ravel().tolist(), before.ravel().tolist(), strict=True):
            shift += (new - old) * (new - old)
    return centers, labels, n_iter, bool(not moved or (tol > 0 and shift <= tol)), not moved


def kmeans2(X, centers, n_iter):
    """Run SciPy's loop for n_iter passes; return centers, labels, and the empty clusters of each pass."""
    empties = []
    for _ in range(n_iter):
        labels, _ = assign(X, centers)
        centers = update(X, labels, centers)
        empties.append(len(centers) - len(np.unique(labels)))
    return centers, labels, empties


def root(sq_dist, dtype):
    """Return the square root of a float64, rounded once to dtype."""
    if not np.isfinite(sq_dist):
        return dtype(sq_dist)
    # To 1200 fractional bits; a truncated remainder counts as half a unit in the last place.
    scaled = Fraction(float(sq_dist)) * 4**1200
    down = math.isqrt(int(scaled))
    return round_fraction(Fraction(2 * down + (down**2 != scaled), 2 * 2**1200), dtype)


# --- Starting centers


def pairwise_sum(values):
    """Return NumPy's pairwise sum of a float64 array, as NumPy 2.3 and later compute it for any length."""
    if len(values) <= 128:
        return np.ascontiguousarray(values).sum()
    half = len(values) // 2 // 8 * 8
    return pairwise_sum(values[:half]) + pairwise_sum(values[half:])


def masses(D, weights):
    """Return w * D of every row, each rounded once, 0 where w is 0; without weights, D."""
    return D if weights is None else np.where(weights > 0, weights * D, 0.0)


def drawn_row(D, weights, uniform):
    """Return the first row whose running sum of mass / total reaches the uniform.

    With weights, a row without a mass is never drawn. Where rounding leaves no row: the last one with a mass;
    where all masses are 0: row 0, or the first with a weight above 0.
    """
    mass = masses(D, weights)
    total = pairwise_sum(mass)
    if total == 0:
        return 0 if weights is None else int(np.flatnonzero(weights > 0)[0])
    reached = np.cumsum(mass / total) >= uniform
    if weights is not None:
        reached &= mass > 0
    return int(np.flatnonzero(reached)[0]) if reached.any() else int(np.flatnonzero(mass > 0)[-1])


def plus_plus(X, first, uniforms, weights=None):
    """Return the rows that '++' picks; first : the first of them, or the uniform that draws it."""
    with np.errstate(all="ignore"):
        picks = [first if weights is None else drawn_row(np.ones(len(X)), weights, first)]
        D = np.inf
        for uniform in uniforms:
            D = np.minimum(D, sq_dists(X, X[picks[-1:]])[:, 0])
            picks.append(drawn_row(D, weights, uniform))
    return picks


def greedy_plus_plus(X, uniforms, k, weights=None):
    """Return the rows that greedy k-means++ picks."""
    with np.errstate(all="ignore"):
        first = drawn_row(np.ones(len(X)), weights, uniforms[0])
    return greedily_completed(X, [first], [first], uniforms[1:], k, weights)


def greedily_completed(X, picks, known, uniforms, k, weights):
    """Return picks and those that greedy k-means++ adds, up to k; known : rows that D is lowered to.

    The candidate that leaves the lowest sum of masses wins, the first among equals.
    """
    picks, n_trials = list(picks), 2 + int(np.log(k))
    D = sq_dists(X, X[known]).min(1)
    with np.errstate(all="ignore"):
        for p in range(len(picks), k):
            drawn = [drawn_row(D, weights, u) for u in uniforms[(p - 1) * n_trials : p * n_trials]]
            left = [np.minimum(D, sq_dists(X, X[[row]])[:, 0]) for row in drawn]
            potentials = [pairwise_sum(masses(each, weights)) for each in left]
            best = potentials.index(min(potentials))
            picks.append(drawn[best])
            D = left[best]
    return picks


def split_mix(key, number):
    """Return 64 bits: a number of the stream of a key, by its index, from SplitMix64."""
    z = (key + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def exactly_drawn_row(n_samples, weights, uniform):
    """Return the first row at which the exact running sum of weights exceeds uniform times their sum."""
    shares = [Fraction(1)] * n_samples if weights is None else [Fraction(w) for w in weights.tolist()]
    running = list(itertools.accumulate(shares))
    return next(i for i, total in enumerate(running) if total > Fraction(uniform) * running[-1])


def sampled_rows(D, weights, key, turn, expected):
    """Return the rows that a round of k-means|| samples, each with p = expected * mass / potential."""
    mass = masses(D, weights)
    potential = exact_mean(mass, np.float64, divisor=1)
    stream = split_mix(key, turn)
    uniforms = np.array([(split_mix(stream, i) >> 11) * 2.0**-53 for i in range(len(D))])
    return np.flatnonzero(uniforms < expected * mass / potential).tolist()


def parallel_plus_plus(X, key, uniforms, k, weights=None):
    """Return the rows that k-means|| picks: 5 rounds of 2 * k rows on average, then greedy k-means++."""
    with np.errstate(all="ignore"):
        sampled = [exactly_drawn_row(len(X), weights, uniforms[0])]
        for turn in range(5):
            D = sq_dists(X, X[sampled]).min(1)
            sampled += sampled_rows(D, weights, key, turn, 2.0 * k)
    labels, _ = assign(X, X[sampled])
    ones = np.ones(len(X)) if weights is None else weights
    totals = [exact_mean(ones[labels == j], np.float64, divisor=1) for j in range(len(sampled))]
    kept = [row for row, total in zip(sampled, totals, strict=True) if total > 0]
    if len(kept) <= k:
        return greedily_completed(X, kept, sampled, uniforms[2:], k, weights)
    totals = np.array([total for total in totals if total > 0])
    return [kept[c] for c in greedy_plus_plus(X[kept], uniforms[1:], k, totals)]


def points(rng, n_samples, k, weights):
    """Return k distinct rows, drawn one after the other by weight, as NumPy's `choice` draws them.

    If fewer have a weight above 0, relative to the sum, these come first, then others, all equally likely.
    """
    scaled = np.ldexp(weights, -np.frexp(weights.max())[1])
    shares = scaled / scaled.sum()
    likely, rows = min(np.count_nonzero(shares), k), []
    others = np.flatnonzero(shares == 0)
    while len(rows) < likely:
        uniforms = rng.random(likely - len(rows))
        shares[rows] = 0
        running = np.cumsum(shares)
        found = np.searchsorted(running / running[-1], uniforms, side="right").tolist()
        rows += dict.fromkeys(found)
    if len(rows) == k:
        return rows
    return rows + rng.choice(others, k - len(rows), replace=False).tolist()


# --- The estimator


def mean_variance(X):
    """Return the mean over the features of their population variances, rounded once."""
    total = Fraction(0)
    for column in X.astype(np.float64).T.tolist():
        values = [Fraction(x) for x in column]
        mean = sum(values) / len(values)
        total += sum((x - mean) ** 2 for x in values) / len(values)
    return float(total / X.shape[1])


def fit(X, start, max_iter=300, weights=None, empty_clusters="relocate", tol=1e-4):
    """Return centers, labels, inertia, n_iter and converged of the estimator from given centers."""
    limit = tol * mean_variance(X) if tol else 0.0
    found = lloyd(X, start, max_iter, weights, empty_clusters == "relocate", limit)
    centers = found[0].astype(X.dtype)
    labels = assign(X, centers)[0]
    return centers, labels, inertia(X, centers, labels, weights), found[2], found[3]


def mini_batch(X, centers, counts, weights=None):
    """Return the centers after a batch, and the weights of all rows that each is the mean of by then.

    centers, counts : before the batch
    """
    labels, _ = assign(X, centers)
    weighs = np.ones(len(X)) if weights is None else weights
    means, new, total = update(X, labels, centers, weights), centers.copy(), counts.copy()
    for j in np.unique(labels[weighs > 0]):
        added = exact_mean(weighs[labels == j], np.float64, divisor=1)
        total[j] = counts[j] + added
        old_share, share = counts[j] / total[j], added / total[j]
        new[j] = old_share * centers[j].astype(np.float64) + share * means[j].astype(np.float64)
    return new, total
