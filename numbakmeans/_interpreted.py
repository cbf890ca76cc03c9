"""What NumPy does in place of kernels, as long as compiling them would not pay (`_tiers`).

A function without a docstring has the arguments, the effects and the bits of the kernel of its name, whose
documentation holds for it. All work on one thread, through blocks of rows that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from numbakmeans._kernels.ranges import MANTISSA
from numbakmeans._kernels.sums import HUGE, LOWEST, SCALE

#: Values of the largest arrays in between.
BLOCK_VALUES = 1 << 16
#: Elements up to which every version of NumPy adds pairwise as `_kernels.pairwise` does.
PAIRWISE = 8192


def blocks(n_samples: int, width: int) -> Iterator[slice]:
    """Return slices of rows, each of which takes about `BLOCK_VALUES` for so many values of a row."""
    step = max(1, BLOCK_VALUES // width)
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


# --- Distances


def sq_dists(X: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return D (n_clusters, rows); a NaN counts as +inf."""
    columns = np.ascontiguousarray(X.T, np.float64)
    D = np.zeros((len(centers), len(X)))
    with np.errstate(all="ignore"):
        for f, column in enumerate(columns):
            difference = column - centers[:, f, None]
            difference *= difference
            D += difference
    D[np.isnan(D)] = np.inf
    return D


def nearest(X: np.ndarray, centers: np.ndarray, labels: np.ndarray, lowest: np.ndarray) -> None:
    """Write label and D of the nearest center for every row; centers : (n_clusters, n_features)."""
    for rows in blocks(len(X), max(centers.shape)):
        D = sq_dists(X[rows], centers)
        labels[rows], lowest[rows] = D.argmin(0), D.min(0)


def label_sq_dists(X, centers, labels, n_slots, chunk_rows, found):
    for rows in blocks(len(X), X.shape[1]):
        with np.errstate(all="ignore"):
            differences = X[rows] - centers[labels[rows], : X.shape[1]]
            differences *= differences
            # One feature after the other: `sum` would add pairwise.
            D = np.zeros(len(differences))
            for column in differences.T:
                D += column
        D[np.isnan(D)] = np.inf
        found[rows] = D


def roots_single(squares, n_slots, dists):
    with np.errstate(all="ignore"):
        roots = np.sqrt(squares)
        bits = roots.view(np.int64)
        below = np.maximum(bits - 1, 0).view(np.float64).astype(np.float32).astype(np.float64)
        above = (bits + 1).view(np.float64).astype(np.float32).astype(np.float64)
        middle = (below + np.where(above == np.inf, 2.0**128, above)) * 0.5
        exact = middle * middle
        near = np.where(squares > exact, above, below)
        near = np.where(squares == exact, middle, near)
        dists[:] = np.where((below == above) | ~(roots < np.inf), roots, near)


# --- Exact sums and means


def measure(X, largest, finest, finite, room):
    for rows in blocks(len(X), X.shape[1]):
        sizes = np.abs(X[rows].astype(np.float64))
        known = np.isfinite(sizes)
        finite[0] &= known.all()
        counts = known & (sizes > 0.0)
        bits = sizes.view(np.int64)
        weights = np.where(bits & MANTISSA == 0, sizes, sizes - (bits & (bits - 1)).view(np.float64))
        np.maximum(largest[0], np.where(counts, sizes, 0.0).max(0), out=largest[0])
        np.minimum(finest[0], np.where(counts, weights, np.inf).min(0), out=finest[0])


def make_grids(largest, finest, bits, room):
    high, low = largest.max(0), finest.min(0)
    used = high > 0.0
    tops = np.where(used, np.frexp(high)[1], 0).astype(np.int64)
    bottoms = np.where(used, np.frexp(np.where(used, low, 1.0))[1] - 1, 0)
    n_parts = max(1, int((-(-(tops - bottoms) // bits)).max(where=used, initial=1)))
    exponents = np.maximum(tops - np.arange(1, n_parts + 1)[:, None] * bits, LOWEST)
    huge = tops > HUGE
    shifts = np.zeros(exponents.shape, np.int64)
    shifts[0, huge] = SCALE
    return exponents, np.ldexp(1.5, 52 + exponents - shifts), np.where(huge, 2.0**-SCALE, 1.0)


def parts_of(X: np.ndarray, constants: np.ndarray, scales: np.ndarray) -> Iterator[np.ndarray]:
    """Return the parts of rows one after the other, each (rows, n_features), int64."""
    rest = X.astype(np.float64)
    for p, constant in enumerate(constants):
        x = rest * scales if p == 0 else rest
        shifted = x + constant
        part = shifted.view(np.int64) - constant.view(np.int64)
        shifted -= constant
        left = x - shifted
        rest = np.where(part == 0, rest, left * (1.0 / scales)) if p == 0 else left
        yield part


def add_rows(
    X: np.ndarray,
    labels: np.ndarray,
    sign: int,
    constants: np.ndarray,
    scales: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Add rows to the tables of their labels, of one slot, or take them out; sign : 1 or -1."""
    if len(X) == 0:
        return
    order = np.argsort(labels, kind="stable")
    clusters, starts = np.unique(labels[order], return_index=True)
    counts[clusters] += sign * np.diff(starts, append=len(labels))
    rows = X[order]
    with np.errstate(all="ignore"):
        parts = [*parts_of(rows, constants, scales)]
    if sums.shape[1] > len(parts):
        # NaN and infinities are counted.
        parts += [special.astype(np.int64) for special in (np.isnan(rows), rows == np.inf, rows == -np.inf)]
    for p, part in enumerate(parts):
        sums[clusters, p] += sign * np.add.reduceat(part, starts)


def add_labelled(X, labels, chunk_rows, constants, scales, sums, counts, room):
    for rows in blocks(len(X), X.shape[1]):
        add_rows(X[rows], labels[rows], 1, constants, scales, sums[0], counts[0])


def quotient(total: int, divisor: int, precision: int, lowest: int) -> float:
    """Return total / divisor, rounded once; precision, lowest : as of `means`."""
    size = abs(total)
    top = size.bit_length() - divisor.bit_length()
    top -= size << max(-top, 0) < divisor << max(top, 0)
    unit = max(top - precision + 1, lowest)
    divisor <<= max(unit, 0)
    mantissa, rest = divmod(size << max(-unit, 0), divisor)
    mantissa += 2 * rest > divisor or (2 * rest == divisor and mantissa % 2)
    # `math.ldexp` would raise where another thread changes the data.
    with np.errstate(over="ignore"):
        mean = float(np.ldexp(float(mantissa), unit))
    return -mean if total < 0 else mean


def means(sums, counts, exponents, precision, lowest, chunk_rows, centers, sizes, room):
    n_clusters, (n_parts, n_features) = len(sizes), exponents.shape
    sizes[:] = counts[:, :n_clusters].sum(0)
    totals = sums[:, :n_clusters].sum(0)
    lasts, steps = exponents[-1].tolist(), (exponents - exponents[-1]).tolist()
    for j, size in enumerate(sizes.tolist()):
        if size == 0:
            with np.errstate(over="ignore"):
                centers[j] = centers[j].astype(np.float32) if precision == 24 else centers[j]
            continue
        parts = totals[j].tolist()
        for f, last in enumerate(lasts):
            total = sum(parts[p][f] << steps[p][f] for p in range(n_parts))
            total, divisor = total << max(last, 0), size << max(-last, 0)
            centers[j, f] = quotient(total, divisor, precision, lowest)
        if len(parts) > n_parts:
            nans, ups, downs = totals[j, n_parts:] > 0
            some = np.where(nans | (ups & downs), np.nan, np.where(ups, np.inf, -np.inf))
            centers[j, :n_features] = np.where(nans | ups | downs, some, centers[j, :n_features])


# --- Seeding


def pairwise_sum(values: np.ndarray) -> float:
    """Return what `numpy.sum` does from NumPy 2.3 on; older ones add a long array in pieces."""
    if len(values) <= PAIRWISE:
        return values.sum()
    half = len(values) // 2
    half -= half % 8
    return pairwise_sum(values[:half]) + pairwise_sum(values[half:])


def pick(D: np.ndarray, uniform: float) -> int:
    """Return the next row for '++': what `_seeding.pick_row` does."""
    with np.errstate(all="ignore"):
        total = pairwise_sum(D)
        if total == 0.0:
            return 0
        running = np.cumsum(D / total)
    reached = running >= uniform
    return int(reached.argmax()) if reached.any() else int(np.flatnonzero(D > 0.0)[-1])


def pick_rows(samples: Any, uniforms: np.ndarray, picks: np.ndarray) -> None:
    """Make all picks of '++' but the first, which is known; samples : `_samples.Samples`."""
    D = np.full(len(samples), np.inf)
    for p, uniform in enumerate(uniforms, 1):
        center = samples.rows(picks[p - 1 : p])
        for slab, X in samples.slabs():
            for rows in blocks(*X.shape):
                so_far = D[slab][rows]
                np.minimum(so_far, sq_dists(X[rows], center)[0], out=so_far)
        picks[p] = pick(D, uniform)


def scatter_matrices(X, mean, chunk_rows, first, last, scatters):
    (n_samples, n_features), n_chunks = X.shape, len(scatters)
    starts = np.arange(n_chunks)[:, None] * chunk_rows
    last = min(last, chunk_rows)
    stops = np.minimum(starts + last, n_samples)
    # Of all chunks at once.
    step = 4 * max(1, BLOCK_VALUES // (4 * n_chunks * n_features**2))
    with np.errstate(all="ignore"):
        for begin in range(first, last, step):
            numbers = starts + np.arange(begin, min(begin + step, -(-last // 4) * 4))
            rows = X[np.minimum(numbers, n_samples - 1)] - mean
            rows[numbers >= stops] = 0.0
            fours = rows.reshape(n_chunks, -1, 4, n_features)
            x = fours[..., :, None] * fours[..., None, :]
            products = np.triu((x[:, :, 0] + x[:, :, 1]) + (x[:, :, 2] + x[:, :, 3]))
            # One after the other: `sum` might add in another order.
            products[:, 0] += scatters
            scatters[:] = np.add.accumulate(products, axis=1)[:, -1]


def factor(matrix, first, last):
    n = len(matrix)
    with np.errstate(all="ignore"):
        for j in range(first, min(last, n)):
            diagonal = np.cumsum([matrix[j, j], *np.square(matrix[:j, j])])[-1]
            pivot = matrix[j, j]
            if pivot <= n * 2.0**-52 * diagonal:
                matrix[j, j:] = 0.0
                continue
            matrix[j, j] = np.sqrt(pivot)
            matrix[j, j + 1 :] /= matrix[j, j]
            row = matrix[j, j + 1 :]
            matrix[j + 1 :, j + 1 :] -= np.triu(np.outer(row, row))


def color(normals, upper, mean, centers):
    centers[:] = 0.0
    with np.errstate(all="ignore"):
        for a in range(len(upper)):
            centers[:, a:] += normals[:, a, None] * upper[a, a:]
        centers += mean
