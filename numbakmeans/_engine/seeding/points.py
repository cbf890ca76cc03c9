"""'points': k distinct rows, drawn at random, by their weights if there are any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numbakmeans._engine.samples import Samples
from numbakmeans._numba.bitgen import addresses
from numbakmeans._numba.entries import Entry

CHOOSE_EACH = Entry("numbakmeans._engine.kernels.sampling", "choose_each")
#: Bit generators that compiled code may draw from: NumPy's own, which run no Python code.
BIT_GENERATORS = {getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")}

_NO_REALS = np.empty(0)


def draw(
    rng: Any, n_samples: int, n_clusters: int, n_features: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the indices of the rows."""
    if weights is None:
        return rng.choice(n_samples, n_clusters, replace=False), _NO_REALS
    return draw_weighted(rng, n_clusters, weights), _NO_REALS


def draw_weighted(rng: Any, n_clusters: int, weights: np.ndarray) -> np.ndarray:
    """Draw the indices of the rows, one after the other, each with a probability proportional to its weight.

    If fewer rows than needed have a weight above 0 (relative to the sum of weights, in float64), all of these
    come first, drawn as above, and then some of the others, all equally likely. How many random numbers that
    takes depends on the weights, as in NumPy's ``choice``.
    """
    # By a power of two, which changes no share, but keeps the sum from overflowing.
    scaled = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    shares = scaled / scaled.sum()
    n_likely = min(int(np.count_nonzero(shares)), n_clusters)
    likely = rng.choice(len(weights), n_likely, replace=False, p=shares)
    if n_likely == n_clusters:
        return likely
    others = np.flatnonzero(shares == 0.0)
    return np.concatenate([likely, rng.choice(others, n_clusters - n_likely, replace=False)])


def draw_each(generators: Sequence[np.random.Generator], sizes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the rows that `draw` draws from each of many generators, (n_problems, n_clusters).

    generators : all of one type, as from `Generator.spawn`
    sizes : (n_problems,), int64, rows of each problem
    """
    if type(generators[0]) is np.random.Generator and type(generators[0].bit_generator) in BIT_GENERATORS:
        chosen = np.empty((len(generators), n_clusters), np.int64)
        CHOOSE_EACH(addresses(generators), sizes, chosen)
        return chosen
    pairs = zip(generators, sizes, strict=True)
    return np.array([draw(rng, n_samples, n_clusters, 0)[0] for rng, n_samples in pairs])


def place(samples: Samples, n_clusters: int, rows: np.ndarray, reals: np.ndarray) -> np.ndarray:
    """Return the rows as centers."""
    return samples.rows(rows)
