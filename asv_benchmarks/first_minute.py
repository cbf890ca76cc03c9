"""Measure what a new installation feels like, beside SciPy: whole processes, imports included, on an empty
cache.

    python asv_benchmarks/first_minute.py                  # print the table
    python asv_benchmarks/first_minute.py --write docs

Each workload starts from a code cache of its own, empty at first. The first process compiles what it needs;
from the second on it is there. Later processes take turns with SciPy's, and the best of each counts. Figures
are for the machine it runs on.
"""

import os
import subprocess
import sys
import tempfile
import time

from pages import command_line, replace_between

#: What a process does: a title, data, and calls of a module that is called vq.
WORKLOADS = {
    "kmeans2, 1000 x 5, k=10, 'points', 20 calls": (
        "(1000, 5)",
        "for seed in range(20): vq.kmeans2(X, 10, minit='points', rng=seed)",
    ),
    "the same, 300 calls": (
        "(1000, 5)",
        "for seed in range(300): vq.kmeans2(X, 10, minit='points', rng=seed)",
    ),
    "the same, 3000 calls": (
        "(1000, 5)",
        "for seed in range(3000): vq.kmeans2(X, 10, minit='points', rng=seed)",
    ),
    "kmeans2, 150 x 4, k=3, '++', 300 calls": (
        "(150, 4)",
        "for seed in range(300): vq.kmeans2(X, 3, minit='++', rng=seed)",
    ),
    "vq, 1000 x 5, k=10, 300 calls": ("(1000, 5)", "for _ in range(300): vq.vq(X, X[:10])"),
    "kmeans, 2000 x 3, k=8, 30 calls": (
        "(2000, 3)",
        "for seed in range(30): vq.kmeans(X, 8, rng=seed)",
    ),
    "kmeans2, 10,000 x 16, k=20, '++', 20 calls": (
        "(10_000, 16)",
        "for seed in range(20): vq.kmeans2(X, 20, minit='++', rng=seed)",
    ),
    "kmeans2, 300,000 x 16, float32, k=60, 1 call": (
        "(300_000, 16)",
        "vq.kmeans2(X.astype(np.float32), X[:60].astype(np.float32), minit='matrix')",
    ),
}
MODULES = {"scipy": "import scipy.cluster.vq as vq", "numbakmeans": "import numbakmeans as vq"}


def seconds(library: str, workload: str, cache: str) -> float:
    """Return how long a process takes that runs a workload."""
    shape, calls = WORKLOADS[workload]
    data = f"X = np.random.default_rng(0).normal(size={shape})"
    program = "\n".join(["import warnings", "import numpy as np", MODULES[library], data, calls])
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": cache}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environment, check=True)
    return time.perf_counter() - began


def row(workload: str, rounds: int) -> str:
    """Return a line of the table."""
    with tempfile.TemporaryDirectory() as cache:
        seconds("scipy", workload, cache)  # reads its files from the disk
        first = seconds("numbakmeans", workload, cache)
        seconds("numbakmeans", workload, cache)
        pairs = [[seconds(library, workload, cache) for library in MODULES] for _ in range(rounds)]
    theirs, ours = map(min, zip(*pairs, strict=True))
    return f"| {workload} | {theirs:.2f} s | {first:.2f} s | {ours:.2f} s | {ours / theirs:.2f} |"


def table(rounds: int) -> str:
    """Return the table."""
    lines = [
        "| on an empty code cache | SciPy | numbakmeans, first process | from the third on | over SciPy |",
        "|---|---|---|---|---|",
    ]
    for workload in WORKLOADS:
        lines.append(row(workload, rounds))
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines)


def main() -> None:
    parser = command_line(__doc__, "the folder of performance.md, for the table")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    text = table(arguments.rounds)
    if arguments.write is None:
        print(text)
        return
    replace_between(arguments.write / "performance.md", "first minute", text)


if __name__ == "__main__":
    main()
