"""Make mixed calls for a long time: ``python tests/soak.py --minutes 30``.

Every answer must equal the first of its kind, and memory, threads and open files must not grow. Exit code 0:
all of that held. Linux only.
"""

import argparse
import ctypes
import gc
import hashlib
import os
import random
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

#: Growth that counts as none: how far the heaps of the threads grow depends on which calls meet.
SLACK = 8 << 20
#: Threads that make the calls, beside the main thread.
THREADS = 4
#: A leak grows in each of this many stretches of the given length; a heap that still finds its size does not.
STRETCHES = 3


def digest(results):
    parts = [(str(np.asarray(a).dtype), np.asarray(a).shape, np.asarray(a).tobytes()) for a in results]
    return hashlib.sha256(repr(parts).encode()).digest()


def kinds():
    """Return calls by name: functions, dtypes, layouts, sizes on both sides of the thresholds, and errors."""
    from numbakmeans import KMeans, fit, kmeans, kmeans2, kmeans2_batch, vq, whiten
    from numbakmeans._engine import plan as _plan

    def refused():
        try:
            kmeans2([[np.nan, 1.0]], 1)
        except ValueError as error:
            return [np.array(str(error))]
        raise AssertionError("not refused")

    calls = {"refused": refused}
    for dtype in ("float32", "float64"):
        X = np.random.default_rng(0).normal(size=(20_000, 64)).astype(dtype)
        memory = _plan.memory(X.shape, X.itemsize, X.itemsize, ready=True)
        assert _plan.algorithm(X.shape, 200, X.itemsize, 4, memory) == "yinyang"
        calls[f"fit with bounds, {dtype}"] = lambda X=X: fit(X, X[:200], max_iter=4)
    for dtype in ("float32", "float64", "int16"):
        for n, d, k in ((30, 2, 3), (3000, 3, 8), (40_000, 2, 16), (4000, 20, 60)):
            X = (np.random.default_rng(n).normal(size=(n, d)) * 50).astype(dtype)
            name = f"{n} x {d}, {dtype}"
            for minit in ("random", "points", "++"):
                calls[f"kmeans2 {minit} {name}"] = lambda X=X, k=k, m=minit: kmeans2(X, k, 3, minit=m, rng=1)
            parts = X.reshape(10, -1, d)
            calls[f"kmeans2_batch {name}"] = lambda P=parts: kmeans2_batch(P, 3, 3, minit="points", rng=3)
            calls[f"vq {name}"] = lambda X=X, k=k: vq(X[::2], X[:k])
            calls[f"fit {name}"] = lambda X=X, k=k: fit(X[:, ::-1], X[:k, ::-1], max_iter=3)
            calls[f"whiten {name}"] = lambda X=X: [whiten(X)]
            calls[f"kmeans {name}"] = lambda X=X, k=k: kmeans(X[:1000], k, iter=1, thresh=1.0, rng=2)
            w = np.arange(n) % 3 * 0.5
            options = {"max_iter": 3, "sample_weight": w, "empty_clusters": "relocate", "tol": 1e-9}
            calls[f"fit weighted {name}"] = lambda X=X, k=k, o=options: fit(X, X[:k], **o)
            unit = {"max_iter": 3, "metric": "cosine", "fixed": [0]}
            calls[f"fit cosine {name}"] = lambda X=X, k=k, o=unit: fit(np.abs(X) + 1, np.abs(X[:k]) + 1, **o)
            calls[f"KMeans {name}"] = lambda X=X, k=k: fitted(
                KMeans(k, n_init=2, max_iter=3, random_state=1), X
            )
    return calls


def fitted(model, X):
    """Return the attributes of a fit, and what the methods answer."""
    model.fit(X)
    return [model.cluster_centers_, model.labels_, model.inertia_, model.predict(X[::2]), model.score(X)]


def sizes():
    """Return resident bytes, threads and open files."""
    gc.collect()
    # Freed memory counts as gone, as far as the allocator can give it back.
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list(Path("/proc/self/task").iterdir())),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def leaking(fault):
    """Return what to do after each call to plant a fault; see ``--fault``."""
    kept = []
    wait = threading.Event()
    return {
        None: lambda results: results,
        "memory": lambda results: kept.append(np.ones(50_000)) or results,
        "thread": lambda results: threading.Thread(target=wait.wait, daemon=True).start() or results,
        "file": lambda results: kept.append(os.dup(0)) or results,
        "answer": lambda results: [np.asarray(r) + (random.random() < 0.05) for r in results],
    }[fault]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="length of a stretch; more are run if it grew"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", choices=("memory", "thread", "file", "answer"), help="a fault to be found")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    after = leaking(options.fault)
    calls = kinds()
    first = {name: digest(call()) for name, call in calls.items()}
    draw = random.Random(options.seed)
    names = list(calls)
    wrong = []

    def ask(name):
        results = calls[name]()
        if options.fault is None or name != "refused":
            results = after(results)
        if digest(results) != first[name]:
            wrong.append(name)

    together = threading.Barrier(THREADS)

    def ask_all(_):
        # No thread takes two of these tasks: each waits for the others.
        together.wait()
        for name in names:
            ask(name)

    with ThreadPoolExecutor(THREADS) as pool:
        # Each thread keeps memory of its own once it has made a call, so all of them make every call first.
        list(pool.map(ask_all, range(THREADS)))
        began, done = time.monotonic(), 0
        for _ in range(STRETCHES):
            before, until = sizes(), time.monotonic() + 60 * options.minutes
            while time.monotonic() < until and not wrong:
                # Sometimes from the main thread, sometimes from the pool.
                some = draw.choices(names, k=8)
                list(pool.map(ask, some) if draw.random() < 0.5 else map(ask, some))
                done += 8
            memory, threads, files = (now - then for now, then in zip(sizes(), before, strict=True))
            grown = memory > SLACK or threads > 0 or files > 0
            if wrong or not grown:
                break
    print(f"{done} calls of {len(names)} kinds in {time.monotonic() - began:.0f} s, seed {options.seed}")
    print(f"wrong answers: {wrong or 'none'}")
    if not wrong:
        print(f"after the warm-up: {memory / 1e6:+.1f} MB, {threads:+d} threads, {files:+d} files")
    return 1 if wrong or grown else 0


if __name__ == "__main__":
    sys.exit(main())
