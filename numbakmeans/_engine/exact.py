"""Exact results in Python integers, for those that kernels leave undecided: means, and unit vectors."""

from __future__ import annotations

import math

import numpy as np

from numbakmeans._engine.structs.sums import Sums


def quotient(total: int, divisor: int, single: bool) -> float:
    """Return total / divisor, rounded once to nearest, ties to even, to a float32 or float64 value."""
    precision, lowest, top = (24, -149, 128) if single else (53, -1074, 1024)
    size = abs(total)
    exponent = size.bit_length() - divisor.bit_length()
    exponent -= size << max(-exponent, 0) < divisor << max(exponent, 0)
    unit = max(exponent - precision + 1, lowest)
    divisor <<= max(unit, 0)
    mantissa, rest = divmod(size << max(-unit, 0), divisor)
    mantissa += 2 * rest > divisor or (2 * rest == divisor and mantissa % 2)
    # Only garbage overflows: data that another thread changes meanwhile.
    mean = math.inf if mantissa.bit_length() + unit > top else math.ldexp(mantissa, unit)
    return -mean if total < 0 else mean


#: The smallest exponent of a bit of a float64 whose mantissa is written with 53 bits.
_LOWEST = -1074 - 53


def _as_integers(values: np.ndarray) -> list[int]:
    """Return finite float64 values as integer multiples of 2**_LOWEST."""
    mantissas, exponents = np.frexp(values)
    pairs = zip(np.ldexp(mantissas, 53).astype(np.int64).tolist(), exponents.tolist(), strict=True)
    return [mantissa << exponent - 53 - _LOWEST for mantissa, exponent in pairs]


#: The exponent of the units of `product_units`.
PRODUCT_LOWEST = 2 * _LOWEST


def product_units(values: np.ndarray, weights: np.ndarray) -> int:
    """Return the exact sum of finite float64 values times weights, in units of 2**PRODUCT_LOWEST."""
    pairs = zip(_as_integers(values), _as_integers(weights), strict=True)
    return sum(value * weight for value, weight in pairs)


def _mean(values: np.ndarray, weights: np.ndarray | None, single: bool) -> float:
    """Return the exact mean of finite float64 values, rounded once; weights : None if all count alike."""
    whole = _as_integers(values)
    if weights is None:
        return quotient(sum(whole), len(whole) << -_LOWEST, single)
    own = _as_integers(weights)
    total = sum(value * weight for value, weight in zip(whole, own, strict=True))
    return quotient(total, sum(own) << -_LOWEST, single)


def unit_vector(x: np.ndarray) -> np.ndarray:
    """Return a finite vector divided by its Euclidean length, each value rounded once to the dtype of x."""
    whole, precision = _as_integers(x.astype(np.float64)), 64
    square = sum(value * value for value in whole)
    # One more bit, set if a root is not exact, tells what is halfway between two values from the rest.
    unit = np.zeros(len(x))
    for f, value in enumerate(whole):
        if value:
            shift = max(square.bit_length() // 2 - value.bit_length() + precision, 0)
            scaled = (value * value << 2 * shift) // square
            root = math.isqrt(scaled)
            inexact = root * root * square != value * value << 2 * shift
            size = quotient(2 * root + inexact, 1 << shift + 1, x.dtype == np.float32)
            unit[f] = -size if value < 0 else size
    return unit.astype(x.dtype)


def recompute_means_of_rows(
    X: np.ndarray,
    weights: np.ndarray | None,
    labels: np.ndarray,
    single: bool,
    centers: np.ndarray,
    uncertain: np.ndarray,
) -> None:
    """Write the means marked as hard, of finite labeled rows, and clear the marks; X, weights : float64."""
    for j, f in np.argwhere(uncertain).tolist():
        own = labels == j
        centers[j, f] = _mean(X[own, f], None if weights is None else weights[own], single)
    uncertain[:] = False


def weighted_means(
    X: np.ndarray, weights: np.ndarray, labels: np.ndarray, single: bool, centers: np.ndarray
) -> None:
    """Replace centers by the exact weighted means of finite rows, those of clusters with weight.

    For weights and values so far apart that their products cannot be split (`Samples.summable`): slow.

    X : (n_samples, n_features), float64; centers : INOUT (n_clusters, at least n_features)
    """
    for j in np.unique(labels[weights > 0]).tolist():
        own = labels == j
        for f in range(X.shape[1]):
            centers[j, f] = _mean(X[own, f], weights[own], single)


def recompute_means(tables: Sums, single: bool, centers: np.ndarray) -> None:
    """Write the means that `kernels.means` has marked as hard, and clear the marks."""
    exponents, sums, counts, uncertain = tables.bins.exponents, tables.sums, tables.counts, tables.uncertain
    n_parts, lasts = len(exponents), exponents[-1].tolist()

    def total_of(j: int, f: int) -> int:
        """Return the sum of a column, in units of the last exponent of the column."""
        parts = sums[:, j, :n_parts, f].sum(0).tolist()
        return sum(part << int(exponents[p, f] - lasts[f]) for p, part in enumerate(parts))

    for j, f in np.argwhere(uncertain).tolist():
        specials = sums[:, j, n_parts:, f].sum(0).tolist()
        nans, ups, downs = (count > 0 for count in specials) if specials else (False, False, False)
        if nans or ups or downs:
            centers[j, f] = np.nan if nans or (ups and downs) else np.inf if ups else -np.inf
            continue
        divisor, last = int(counts[:, j].sum()), lasts[f]
        if tables.weights is not None:
            divisor, last = total_of(j, -1), last - lasts[-1]
        centers[j, f] = quotient(total_of(j, f) << max(last, 0), divisor << max(-last, 0), single)
    uncertain[:] = False
