"""Weights that break implementations: name -> weights, for a number of rows."""

import numpy as np


def cases(n_samples):
    """Return the weights; in each case some are above 0, and their sum may overflow."""
    rng = np.random.default_rng(n_samples)
    tiny, huge = np.finfo(np.float64).smallest_subnormal, np.finfo(np.float64).max
    thirds = (np.arange(n_samples) % 3 == 0) * 1.0
    single = np.zeros(n_samples)
    single[n_samples // 2] = 3.0
    last = np.zeros(n_samples)
    last[-min(n_samples, 3) :] = 0.1
    return {
        "ones": np.ones(n_samples),
        "random": rng.random(n_samples) + 1e-3,
        "zeros and ties": thirds * rng.integers(1, 3, size=n_samples),
        "a single one above zero": single,
        "the last ones above zero": last,
        "of any magnitude": 10.0 ** rng.uniform(-250, 250, size=n_samples),
        "huge": np.full(n_samples, huge),
        "tiny": tiny * rng.integers(1, 4, size=n_samples),
        "one outweighs all": np.where(np.arange(n_samples) == n_samples // 3, 1e300, 1e-300),
    }
