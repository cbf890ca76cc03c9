"""Compile everything that the package can need, so that no later call has to.

Small calls reach every kernel once for each working dtype. What is compiled does not depend on the number of
threads of the machine at hand: the loop that uses them is a function of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from numbakmeans._algorithms import ALGORITHMS
from numbakmeans._batch import kmeans2_batch
from numbakmeans._fit import fit, iterate, seed
from numbakmeans._samples import Samples
from numbakmeans._scipy import kmeans, vq, whiten
from numbakmeans._seeding import SEEDINGS
from numbakmeans._slots import threaded


def small_calls() -> Iterator[Callable[[], object]]:
    """Return calls that together compile every kernel."""
    yield threaded
    for dtype in (np.float64, np.float32):
        # Shapes on both sides of `_plan.algorithm`.
        for n_features, n_clusters in ((2, 2), (16, 64)):
            X = np.random.default_rng(0).normal(size=(80, n_features)).astype(dtype)
            centers, samples = X[:n_clusters], Samples(X)
            for name in ALGORITHMS:
                for progress in (None, lambda *_: None):  # all passes in one call, and one by one
                    yield partial(iterate, samples, centers, 2, algorithm=name, progress=progress)
            yield partial(vq, X, centers)
            yield partial(kmeans2_batch, X[None], centers[None], 2)
            yield partial(fit, X, centers, max_iter=2)
        # As many panels as heads want.
        X = np.random.default_rng(0).normal(size=(400, 48)).astype(dtype)
        yield partial(iterate, Samples(X), X[:390], 3, algorithm="yinyang")
        for method in SEEDINGS:
            yield partial(seed, samples, 2, method, np.random.default_rng(0))
        yield partial(kmeans, X, 2, iter=1, rng=0)
        yield partial(whiten, X)


def warm_up(show: Callable[[str], None]) -> None:
    """Compile everything, or load what the cache has of it; show: called with the state of affairs."""
    calls = list(small_calls())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # empty clusters
        for n, call in enumerate(calls, 1):
            show(f"step {n} of {len(calls)}")
            call()
