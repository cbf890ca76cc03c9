"""Measure how much memory a call takes on top of the process and its arguments; run by `test_memory.py`.

    python -m support.memory_program CALL GIVEN [CONTROL]

Prints the bytes taken, the bytes allowed (32 per row, 64 MB, and 48 per value of the centers and thread; for
pruning another quarter of the data), and the size of a copy of the data in the working dtype. Controls:
``whole``, data of any size is copied whole; ``mask``, the finite check takes a byte per value. Linux only.
Where the data is mapped from a file, the process cannot get more than what is allowed, and the data is
several times larger.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

from numbakmeans import Blocks, fit, kmeans, kmeans2, vq, whiten
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms.yinyang import Yinyang
from numbakmeans._engine.fit import seed
from numbakmeans._engine.samples import Samples

N_CLUSTERS, MANY = 32, 512
SHAPES = {"wide": (200_000, 512), "flat": (2_000_000, 5), "few features": (2_000_000, 3)}
#: Calls that keep no data for pruning.
PLAIN = ("random", "vq", "whiten")
CALLS = {
    "points": lambda X: kmeans2(X, N_CLUSTERS, iter=3, minit="points", rng=0),
    "++": lambda X: kmeans2(X, N_CLUSTERS, iter=1, minit="++", rng=0),
    "random": lambda X: kmeans2(X, N_CLUSTERS, iter=1, minit="random", rng=0),
    "fit": lambda X: fit(X, X[:N_CLUSTERS], max_iter=4),
    "fit, many": lambda X: fit(X, X[:MANY], max_iter=4),
    "vq": lambda X: vq(X, X[:N_CLUSTERS]),
    "kmeans": lambda X: kmeans(X, X[:N_CLUSTERS], thresh=1e9),
    "whiten": whiten,
    "greedy ++": lambda X: seeded(X, "greedy ++"),
    "parallel ++": lambda X: seeded(X, "parallel ++"),
}


def seeded(X, method):
    return seed(Samples(X, np.ones(len(X))), N_CLUSTERS, method, np.random.default_rng(0))


made = []


def watched(make_projections):
    def make(*args):
        made.append(True)
        make_projections(*args)

    return make


def status(field):
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def taken(call):
    """Return the peak memory of call() in bytes, above what the process had before."""
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    call()
    return status("VmHWM") - before


def data(given, n_samples, n_features):
    """Return rows of the given 'layout dtype'; a repeated block, which is quick to make."""
    layout, dtype = given.split()
    if layout == "blocks":
        return Blocks([data(f"mapped {dtype}", n_samples // 4, n_features) for _ in range(4)])
    block = np.random.default_rng(0).integers(0, 99, size=(1000, n_features)).astype(dtype)
    if layout == "mapped":
        with tempfile.TemporaryFile() as file:
            for _ in range(n_samples // 1000):
                file.write(block.tobytes())
            file.flush()
            return np.memmap(file, dtype, "r", shape=(n_samples, n_features))
    order = "F" if layout == "F" else "C"
    step = 2 if layout == "strided" else 1
    X = np.empty((n_samples, n_features * step), dtype, order)[:, ::step]
    for start in range(0, n_samples, 1000):
        X[start : start + 1000] = block
    return X


def main(name, given, control=""):
    shape, given = given.split(", ")
    call, (n_samples, n_features) = CALLS[name], SHAPES[shape]
    if control == "whole":
        at.MAX_COPY_BYTES = 2**40
    if control == "mask":
        Samples.finite = property(lambda samples: bool(np.isfinite(samples.array).all()))
    makes_projections = name == "fit, many" and not _plan.lean()
    if makes_projections:
        _plan.projection_cost = lambda *_: 0.0
        Yinyang._make_projections = watched(Yinyang._make_projections)
    call(data(given, 20_000, n_features))  # compiles
    X = data(given, n_samples, n_features)
    working = 4 if X.dtype in (np.float16, np.float32) else 8
    threads, n_clusters = 2, MANY if name == "fit, many" else N_CLUSTERS
    allowed = 32 * n_samples + 64 * 2**20 + 48 * n_clusters * n_features * threads
    if name not in PLAIN and not _plan.lean():
        allowed += X.size * X.dtype.itemsize // 4
    if name == "whiten":  # the result
        allowed += X.size * working
    if given.startswith(("mapped", "blocks")):
        for start in range(0, n_samples, 1000):
            X[start : start + 1000].max()  # load the pages of the file, which count as the process's own
        resource.setrlimit(resource.RLIMIT_DATA, (status("VmData") + allowed, resource.RLIM_INFINITY))
    made.clear()
    print(taken(lambda: call(X)), allowed, X.size * working)
    assert bool(made) == makes_projections


if __name__ == "__main__":
    main(*sys.argv[1:])
