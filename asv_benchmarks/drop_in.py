"""Print SciPy's time over ours for every function of `scipy.cluster.vq`, from tiny to large data.

    python asv_benchmarks/drop_in.py                  # print the table
    python asv_benchmarks/drop_in.py --write README.md

Both run in this process and take turns; the best time of each counts. 1 means equally fast, 2 that SciPy
takes twice our time. `kmeans` makes its passes from one start, `kmeans2` makes three.
"""

import math
import time
import warnings
from collections.abc import Callable

import scipy.cluster.vq
from benchmarks.data import blobs
from pages import command_line, figure, machine, replace_between

import numbakmeans

SIZES = [
    (100, 2, 3),
    (1000, 5, 10),
    (2000, 3, 8),
    (10_000, 16, 20),
    (100_000, 16, 100),
    (1_000_000, 2, 16),
    (20_000, 384, 200),
]
MINITS = ("random", "points", "++", "matrix")
#: Seconds for which the two libraries take turns.
SECONDS = 1.0


def calls(library, X, start):
    """Return what is timed, by name."""
    k = len(start)
    runs = {
        "vq": lambda: library.vq(X, start),
        "kmeans, code book": lambda: library.kmeans(X, start),
        "kmeans, number": lambda: library.kmeans(X, k, iter=1, rng=0),
        "whiten": lambda: library.whiten(X),
    }
    for minit in MINITS:
        given = start if minit == "matrix" else k
        runs[f"kmeans2, {minit}"] = lambda g=given, m=minit: library.kmeans2(X, g, 3, minit=m, rng=0)
    return runs


def seconds(run: Callable[[], object], repeat: int) -> float:
    before = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - before) / repeat


def ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    """Return the best time of theirs over the best time of ours."""
    runs = (ours, theirs)
    ours()  # compiles
    best = [seconds(run, 1) for run in runs]
    repeat = [max(1, math.ceil(2e-3 / each)) for each in best]
    # Some of SciPy's calls take a minute: one is enough then.
    until = time.perf_counter() + (SECONDS if sum(best) < SECONDS else 0.0)
    while time.perf_counter() < until:
        for t, run in enumerate(runs):
            best[t] = min(best[t], seconds(run, repeat[t]))
    return best[1] / best[0]


def table() -> str:
    warnings.simplefilter("ignore")
    names: list[str] = []
    lines = []
    for n_samples, n_features, n_clusters in SIZES:
        for dtype in ("float32", "float64"):
            X, start = blobs(n_samples, n_features, n_clusters, dtype)
            theirs = calls(scipy.cluster.vq, X, start)
            ours = calls(numbakmeans, X, start)
            names = names or list(ours)
            found = [figure(ratio(ours[name], theirs[name]), 2) for name in names]
            lines.append(f"| {n_samples} x {n_features}, k={n_clusters} | {dtype} | {' | '.join(found)} |")
            print(lines[-1], flush=True)
    head = f"| SciPy's time over ours | dtype | {' | '.join(names)} |"
    return "\n".join(
        [head, "|---" * (2 + len(names)) + "|", *lines, "", machine("numbakmeans", "scipy", "numpy", "numba")]
    )


def main():
    arguments = command_line(__doc__, "put the table between the marks in this file").parse_args()
    text = table()
    if arguments.write is not None:
        replace_between(arguments.write, "drop-in", text)


if __name__ == "__main__":
    main()
