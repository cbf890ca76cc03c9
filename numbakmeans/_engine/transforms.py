"""The common origin and scale by which rows and centers are shifted and scaled to be scored by the tile.

`kernels.pack` says what they are good for, and `kernels.certify` what its error bound asks of them.
"""

from __future__ import annotations

import math

import numpy as np

from numbakmeans._engine import thresholds as at
from numbakmeans._engine.bins import LIMIT, MAX_FEATURES
from numbakmeans._engine.structs.passes import Transform

#: Of rows that cannot be scored.
NO_TRANSFORM = Transform(np.empty(0), 0.0, False)


def transform_for(largest: np.ndarray, wide: np.ndarray, dtype: np.dtype) -> Transform:
    """Return the transform for rows and centers, or one of scale 0 if they cannot be scored.

    largest : (n_features,), largest magnitudes of the rows
    wide : (n_clusters, padded features), float64, the centers
    dtype : the working dtype
    """
    n_features = len(largest)
    if n_features > MAX_FEATURES:
        return NO_TRANSFORM
    centers, zeros = wide[:, :n_features], np.zeros(n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        # Rounded to the working dtype: subtracting it rounds once.
        origin = centers.mean(0).astype(dtype).astype(np.float64)
        around_zero, around_origin = (centers**2).sum(), ((centers - origin) ** 2).sum()
    if around_zero <= at.MAX_IDENTITY_RATIO[dtype.itemsize] * around_origin:
        scale = scale_for(largest, centers, zeros)
        if 2.0**-16 <= scale <= 2.0**16:
            return Transform(zeros, 1.0, True)
    return Transform(origin, scale_for(largest, centers, origin), False)


def scale_for(largest: np.ndarray, centers: np.ndarray, origin: np.ndarray) -> float:
    """Return the power of two that scales |x - origin| and |c - origin| to about 1, or 0 if there is none.

    largest : (n_features,), largest magnitudes of the rows; centers : (n_clusters, n_features)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        reach = (np.abs(centers) + np.abs(origin)).max()
        top = max((largest + np.abs(origin)).max(), reach)
    # In this form the test fails for NaN.
    if not (reach < LIMIT and 1.0 / LIMIT < top < LIMIT):
        return 0.0
    return math.ldexp(1.0, -math.frexp(top)[1])
