"""Make the README's comparison tables: speed and right labels, beside SciPy and scikit-learn.

    python asv_benchmarks/compare.py                  # print the tables
    python asv_benchmarks/compare.py --write README.md

Every contender runs in a process of its own, so that thread pools do not meet; the processes take turns
over several rounds, and the best time of each counts. Figures are for the machine it runs on.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from benchmarks.data import REAL_SIZES, blobs
from pages import command_line, figure, machine, replace_between

LIBRARIES = ["numbakmeans", "scipy", "scikit-learn"]
TINY = {"1000 x 4, k=8": (1000, 4, 8), "150 x 4, k=3": (150, 4, 3)}
PASSES = [(name, dtype) for name in (*REAL_SIZES, *TINY) for dtype in ("float32", "float64")]
SEEDING = [("'++' alone, 100000 x 16, k=100", dtype) for dtype in ("float32", "float64")]
CASES = [*PASSES, *SEEDING]


def runner(library, name, dtype):
    """Return a function that runs a case once."""
    if (name, dtype) in SEEDING:
        X, _ = blobs(100_000, 16, 100, dtype)
        if library == "scikit-learn":
            from sklearn.cluster import kmeans_plusplus

            return lambda: kmeans_plusplus(X, 100, random_state=0, n_local_trials=1)
        kmeans2 = face(library).kmeans2
        return lambda: kmeans2(X, 100, iter=1, minit="++", rng=0)
    X, start = blobs(*TINY[name], dtype) if name in TINY else REAL_SIZES[name](dtype)
    if library == "scikit-learn":
        from sklearn.cluster import KMeans

        return lambda: KMeans(len(start), init=start, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(X)
    kmeans2 = face(library).kmeans2
    return lambda: kmeans2(X, start, iter=10, minit="matrix")


def face(library):
    if library == "scipy":
        import scipy.cluster.vq

        return scipy.cluster.vq
    import numbakmeans

    return numbakmeans


def measure(library, name, dtype):
    """Return the best time of a few seconds' runs, in seconds."""
    warnings.simplefilter("ignore")
    run = runner(library, name, dtype)
    run()
    best, deadline = np.inf, time.perf_counter() + 1.5
    while time.perf_counter() < deadline:
        before = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - before)
    return best


def in_a_process(library, name, dtype):
    command = [sys.executable, __file__, "--measure", json.dumps([library, name, dtype])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def speed_table(rounds):
    lines = ["| 10 passes from given centroids | dtype | numbakmeans | SciPy | scikit-learn |"]
    lines.append("|---|---|---|---|---|")
    for name, dtype in CASES:
        best = dict.fromkeys(LIBRARIES, np.inf)
        for _ in range(rounds):
            for library in LIBRARIES:
                best[library] = min(best[library], in_a_process(library, name, dtype))
        ours = best["numbakmeans"]
        cells = [f"{figure(t * 1e3, 3)} ms ({figure(t / ours, 2)}x)" for t in list(best.values())[1:]]
        lines.append(f"| {name} | {dtype} | {figure(ours * 1e3, 3)} ms | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr)
    return lines


def wrong_labels(offset):
    """Return the share of rows, in percent, whose label is not the nearest center, for each library."""
    from sklearn.cluster import KMeans

    X = (np.random.default_rng(1).normal(size=(20_000, 8)) + offset).astype(np.float32)
    book = X[:9]
    distances = ((X[:, None].astype(np.longdouble) - book.astype(np.longdouble)) ** 2).sum(2)
    right = distances.argmin(1)
    model = KMeans(9, init=book, n_init=1, max_iter=1).fit(book)
    model.cluster_centers_ = book
    found = [face("numbakmeans").vq(X, book)[0], face("scipy").vq(X, book)[0], model.predict(X)]
    return [100 * float((labels != right).mean()) for labels in found]


def accuracy_table():
    lines = [
        "| rows with a wrong label, float32, 8 features, 9 centers | numbakmeans | SciPy | scikit-learn |"
    ]
    lines.append("|---|---|---|---|")
    for offset in (1e3, 1e4):
        cells = " | ".join(f"{share:.3g} %" for share in wrong_labels(offset))
        lines.append(f"| normal data, {offset:g} away from the origin | {cells} |")
    return lines


def tables(rounds):
    warnings.simplefilter("ignore")
    where = machine(*LIBRARIES, "numpy", "numba")
    return "\n".join([*speed_table(rounds), "", *accuracy_table(), "", where])


def main():
    parser = command_line(__doc__, "put the tables between the marks in this file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(*json.loads(arguments.measure)))
        return
    text = tables(arguments.rounds)
    if arguments.write is None:
        print(text)
        return
    replace_between(arguments.write, "tables", text)


if __name__ == "__main__":
    main()
