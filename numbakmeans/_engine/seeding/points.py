"""'points': k distinct rows, drawn at random."""

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


def draw(rng: Any, n_samples: int, n_clusters: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the indices of the rows."""
    return rng.choice(n_samples, n_clusters, replace=False), _NO_REALS


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
