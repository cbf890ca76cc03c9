"""Exact means in Python integers, for those that kernels leave undecided (`kernels.means`)."""

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


def exact_sum(values: np.ndarray) -> tuple[int, int]:
    """Return the sum of finite float64 values as an integer multiple of 2**exponent, and the exponent."""
    mantissas, exponents = np.frexp(values)
    whole, lowest = np.ldexp(mantissas, 53).astype(np.int64), int(exponents.min()) - 53
    shifts = (exponents - 53 - lowest).tolist()
    return sum(part << shift for part, shift in zip(whole.tolist(), shifts, strict=True)), lowest


def recompute_means_of_rows(
    X: np.ndarray, labels: np.ndarray, single: bool, centers: np.ndarray, uncertain: np.ndarray
) -> None:
    """Write the means marked as hard, of finite labeled rows, and clear the marks; X : float64."""
    for j, f in np.argwhere(uncertain).tolist():
        column = X[labels == j, f]
        total, exponent = exact_sum(column)
        centers[j, f] = quotient(total << max(exponent, 0), len(column) << max(-exponent, 0), single)
    uncertain[:] = False


def recompute_means(tables: Sums, single: bool, centers: np.ndarray) -> None:
    """Write the means that `kernels.means` has marked as hard, and clear the marks."""
    exponents, sums, counts, uncertain = tables.bins.exponents, tables.sums, tables.counts, tables.uncertain
    n_parts, lasts = len(exponents), exponents[-1].tolist()
    for j, f in np.argwhere(uncertain).tolist():
        column = sums[:, j, :, f].sum(0).tolist()
        size, last = int(counts[:, j].sum()), lasts[f]
        parts, specials = column[:n_parts], column[n_parts:]
        nans, ups, downs = (count > 0 for count in specials) if specials else (False, False, False)
        if nans or ups or downs:
            centers[j, f] = np.nan if nans or (ups and downs) else np.inf if ups else -np.inf
            continue
        total = sum(part << int(exponents[p, f] - last) for p, part in enumerate(parts))
        centers[j, f] = quotient(total << max(last, 0), size << max(-last, 0), single)
    uncertain[:] = False
