"""Weights of rows, as callers give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine.samples import as_real


def as_weights(value: Any, n_samples: int, name: str = "sample_weight") -> np.ndarray:
    """Return value as the weights of n_samples rows, float64.

    Raises
    ------
    TypeError : value does not hold real numbers
    ValueError : value has another shape, or weights that are negative, not finite, or all zero
    """
    weights = np.require(as_real(value, name), np.float64, ["C_CONTIGUOUS", "ALIGNED"])
    if weights.shape != (n_samples,):
        raise ValueError(f"{name} must hold a weight for each of {n_samples} rows, got shape {weights.shape}")
    # Written so that a NaN is refused.
    refused = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if len(refused):
        row = refused[0]
        raise ValueError(f"{name} must be finite and not negative, got {weights[row]} for row {row}")
    if not weights.any():
        raise ValueError(f"{name} must have a weight above zero, but all weights are zero")
    return weights
