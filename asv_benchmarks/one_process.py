"""Run a workload whenever a line arrives, in one process, and print how long it took, in seconds.

    yes | head -3 | python asv_benchmarks/one_process.py "'++', 100,000 x 16, k=100"

`benchmarks/quick.py` lets two such processes take turns, which import different states of the package.
"""

import functools
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from benchmarks import data

import numbakmeans

Run = Callable[[], Any]


def passes(make: Callable[..., Any], *shape: Any, n_passes: int = 10) -> Run:
    X, start = make(*shape)
    return lambda: numbakmeans.kmeans2(X, start, n_passes, minit="matrix")


def nearest(*shape: Any) -> Run:
    X, book = data.uniform(*shape)
    return lambda: numbakmeans.vq(X, book)


def seeded(*shape: Any) -> Run:
    X, _ = data.blobs(*shape)
    k = shape[2]
    return lambda: numbakmeans.kmeans2(X, k, iter=1, minit="++", rng=0)


def estimator(*shape: Any) -> Run:
    X, _ = data.blobs(*shape)
    return lambda: numbakmeans.KMeans(shape[2], max_iter=10, random_state=0).fit(X).predict(X)


def batch() -> Run:
    X = np.random.default_rng(0).normal(size=(1000, 200, 4))
    return lambda: numbakmeans.kmeans2_batch(X, X[:, :5], minit="matrix")


def nopython() -> Run:
    from numba import njit

    from numbakmeans import jit

    @njit
    def fits(X: Any, start: Any) -> float:
        total = 0.0
        for _ in range(200):
            total += jit.fit(X, start, 10).inertia
        return total

    X, start = data.blobs(200, 4, 5, "float64")
    return lambda: fits(X, start)


class Workload(NamedTuple):
    """How to make what is run, and the names of the package that it needs."""

    make: Callable[[], Run]
    needs: tuple[str, ...] = ("kmeans2",)


def _passes(*given: Any) -> Workload:
    return Workload(functools.partial(passes, *given))


WORKLOADS = {
    "vq, 20,000 x 128, k=512, float32": Workload(
        functools.partial(nearest, 20_000, 128, 512, "float32"), ("vq",)
    ),
    "2 passes, 20,000 x 128 without clusters, k=512, float32": Workload(
        functools.partial(passes, data.uniform, 20_000, 128, 512, "float32", n_passes=2)
    ),
    "10 passes, 300,000 x 3, k=64, float32": _passes(data.blobs, 300_000, 3, 64, "float32"),
    "10 passes, 100,000 x 16, k=100, float32": _passes(data.blobs, 100_000, 16, 100, "float32"),
    "10 passes, 50,000 x 32 without clusters, k=64, float64": _passes(
        data.uniform, 50_000, 32, 64, "float64"
    ),
    "10 passes, 10,000 x 384 like embeddings, k=100, float32": _passes(
        data.along_directions, 10_000, 384, 100, "float32"
    ),
    "'++', 100,000 x 16, k=100": Workload(functools.partial(seeded, 100_000, 16, 100, "float64")),
    "KMeans, fit and predict, 50,000 x 16, k=50": Workload(
        functools.partial(estimator, 50_000, 16, 50, "float32"), ("KMeans",)
    ),
    "1000 problems of 200 x 4, k=5": Workload(batch, ("kmeans2_batch",)),
    "200 fits in nopython code, 200 x 4, k=5": Workload(nopython, ("jit.fit",)),
}


def main() -> None:
    warnings.simplefilter("ignore")
    run = WORKLOADS[sys.argv[1]].make()
    run()
    for _ in sys.stdin:
        before = time.perf_counter()
        run()
        print(time.perf_counter() - before, flush=True)


if __name__ == "__main__":
    main()
