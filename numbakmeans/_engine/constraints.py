"""What centers must be besides means of their rows: some stay, or all have length 1."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.samples import Samples, as_real
from numbakmeans._engine.unit_rows import UnitRows, first_zero_row, normalized

#: How distances are measured. With 'cosine', rows and centers have length 1.
METRICS = "euclidean", "cosine"


class Constraints(NamedTuple):
    """Constraints on the centers after each pass.

    fixed : (n_clusters,), bool, which centers stay where they start, rounded to the working dtype; or None
    unit : whether a center is its mean divided by its length (Dhillon & Modha 2001). Where the mean is zero,
    the center stays.
    """

    fixed: np.ndarray | None = None
    unit: bool = False

    def apply(self, samples: Samples, before: np.ndarray, centers: np.ndarray) -> None:
        """Constrain the means of a pass; before : the centers that it started from, centers : INOUT.

        Both are (n_clusters, padded features), float64.
        """
        n_features = samples.shape[1]
        if self.unit:
            units = normalized(centers[:, :n_features].astype(samples.dtype))
            found = units.any(1)
            centers[found, :n_features] = units[found]
            centers[~found] = before[~found].astype(samples.dtype)
        if self.fixed is not None:
            centers[self.fixed] = before[self.fixed].astype(samples.dtype)


def as_fixed(value: Any, n_clusters: int) -> np.ndarray:
    """Return the argument `fixed` as a mask of centers, (n_clusters,).

    value : a mask, or the indices of the centers

    Raises
    ------
    TypeError : it holds neither integers nor bools
    ValueError : it has a wrong shape, or an index is out of range
    """
    given = as_real(value, "fixed")
    if given.ndim != 1:
        raise ValueError(f"fixed must be a 1-D array of indices, or a mask, got shape {given.shape}")
    if given.dtype == np.bool_:
        if len(given) != n_clusters:
            raise ValueError(
                f"fixed must say for each of {n_clusters} centers whether it stays, got {len(given)}"
            )
        return given.copy()
    mask = np.zeros(n_clusters, np.bool_)
    if len(given) == 0:
        return mask
    if given.dtype.kind not in "iu":
        raise TypeError(f"fixed must hold indices of centers, or be a mask of bools, got dtype {given.dtype}")
    outside = (given < 0) | (given >= n_clusters)
    if outside.any():
        raise ValueError(f"fixed must hold indices from 0 to {n_clusters - 1}, got {given[outside][0]}")
    mask[given] = True
    return mask


def with_unit_rows(samples: Samples, name: str) -> Samples:
    """Return finite samples whose rows are divided by their lengths; ValueError if one of them is zero."""
    row = first_zero_row(samples)
    if row is not None:
        raise ValueError(f"row {row} of {name} is zero, and so has no direction, which metric='cosine' needs")
    return Samples(UnitRows(samples), samples.weights)


def unit_centers(centers: np.ndarray, name: str) -> np.ndarray:
    """Return finite centers divided by their lengths, float64; ValueError if one of them is zero."""
    return with_unit_rows(Samples(centers.astype(np.float64)), name).rows(slice(None))
