"""Time a workload and its yardstick in turns, in one process; print the median ratio of their times.

    python asv_benchmarks/one_process.py "'++', 100,000 x 16, k=100"

A yardstick is something that no commit of this package changes, and that the machine slows down as much as
the workload: arithmetic on the same threads, or SciPy. `benchmarks/quick.py` runs each workload in several
processes, as processes differ from each other by more than the turns within one.
"""

import functools
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from benchmarks import data, machine

import numbakmeans

Run = Callable[[], Any]
#: Seconds of turns, and the fewest turns.
SECONDS, LEAST_TURNS = 0.8, 9
#: Rounds of the arithmetic yardstick: some milliseconds.
ROUNDS = 2_000_000


def arithmetic(n_threads: int) -> Run:
    """Return a yardstick: multiply-adds in registers, on some threads."""
    xs = np.full((n_threads, 64), 0.5, np.float32)
    return lambda: machine.run_everywhere(ROUNDS, xs)


def ten_passes(make: Callable[..., Any], *shape: Any) -> Run:
    X, start = make(*shape)
    return lambda: numbakmeans.kmeans2(X, start, 10, minit="matrix")


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


def tiny(module: Any) -> Run:
    X, start = data.blobs(150, 4, 3, "float64")

    def run() -> None:
        for _ in range(100):
            module.kmeans2(X, start, iter=10, minit="matrix")

    return run


def scipys_tiny() -> Run:
    import scipy.cluster.vq

    return tiny(scipy.cluster.vq)


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


def unstructured() -> Run:
    return ten_passes(data.uniform, 50_000, 32, 128, "float32")


def on_one_thread() -> Run:
    import numba

    run = unstructured()

    def alone() -> None:
        before = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            run()
        finally:
            numba.set_num_threads(before)

    return alone


class Workload(NamedTuple):
    """How to make what is timed, and its yardstick (on all threads where None); the names that it needs."""

    make: Callable[[], Run]
    yardstick: Callable[[], Run] | None = None
    needs: tuple[str, ...] = ("kmeans2",)


WORKLOADS = {
    "vq, 20,000 x 128, k=512, float32": Workload(
        functools.partial(nearest, 20_000, 128, 512, "float32"), needs=("vq",)
    ),
    "10 passes, 300,000 x 3, k=64, float32": Workload(
        functools.partial(ten_passes, data.blobs, 300_000, 3, 64, "float32")
    ),
    "10 passes, 100,000 x 16, k=100, float32": Workload(
        functools.partial(ten_passes, data.blobs, 100_000, 16, 100, "float32")
    ),
    "10 passes, 50,000 x 32 without clusters, k=64, float64": Workload(
        functools.partial(ten_passes, data.uniform, 50_000, 32, 64, "float64")
    ),
    "10 passes, 10,000 x 384 like embeddings, k=100, float32": Workload(
        functools.partial(ten_passes, data.along_directions, 10_000, 384, 100, "float32")
    ),
    "'++', 100,000 x 16, k=100": Workload(functools.partial(seeded, 100_000, 16, 100, "float64")),
    "KMeans, fit and predict, 50,000 x 16, k=50": Workload(
        functools.partial(estimator, 50_000, 16, 50, "float32"), needs=("KMeans",)
    ),
    "1000 problems of 200 x 4, k=5": Workload(batch, needs=("kmeans2_batch",)),
    "200 fits in nopython code, 200 x 4, k=5": Workload(nopython, functools.partial(arithmetic, 1), ("jit",)),
    "100 calls, 150 x 4, k=3, over SciPy's": Workload(functools.partial(tiny, numbakmeans), scipys_tiny),
    "all threads over one, 50,000 x 32, k=128": Workload(unstructured, on_one_thread),
}


def ratio(run: Run, yardstick: Run) -> float:
    """Return the median, over turns, of the time of a run over that of its yardstick."""
    for _ in range(2):
        run()
        yardstick()
    ratios: list[float] = []
    deadline = time.perf_counter() + SECONDS
    while len(ratios) < LEAST_TURNS or time.perf_counter() < deadline:
        times = [time.perf_counter()]
        for each in (yardstick, run, yardstick):
            each()
            times.append(time.perf_counter())
        before, ours, after = np.diff(times)
        ratios.append(2.0 * ours / (before + after))
    return statistics.median(ratios)


def main() -> None:
    warnings.simplefilter("ignore")
    workload = WORKLOADS[sys.argv[1]]
    if workload.yardstick is None:
        import numba

        yardstick = arithmetic(numba.get_num_threads())
    else:
        yardstick = workload.yardstick()
    print(ratio(workload.make(), yardstick))


if __name__ == "__main__":
    main()
