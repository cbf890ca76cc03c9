"""`numbakmeans.jit` and SciPy's functions, called by compiled code."""

import functools
import time
import warnings

import numpy as np
from numba import njit, prange

import numbakmeans
from numbakmeans import jit

from .available import needs
from .data import blobs


@njit
def _parallel_fit(X, start):
    return jit.parallel_fit(X, start, 10).inertia


@njit
def _kmeans2(X, start):
    return numbakmeans.kmeans2(X, start, 10, 1e-5, "matrix")[1][-1]


@njit(parallel=True)
def _fits(data, n_clusters):
    inertias = np.empty(len(data))
    for b in prange(len(data)):
        inertias[b] = jit.fit(data[b], data[b, :n_clusters], 10).inertia
    return inertias


@functools.cache
def problems(n_problems, n_samples, n_features):
    """Return rows of many problems (n_problems, n_samples, n_features)."""
    return np.random.default_rng(0).normal(size=(n_problems, n_samples, n_features))


@njit
def _hundred_fits(X, start, work):
    total = 0.0
    for _ in range(100):
        total += jit.fit(X, start, 10, work).inertia
    return total


class Fits:
    """A hundred fits in one nopython function, with a workspace and with memory of their own."""

    params = ([False, True], ["200 x 4, k=5", "1000 x 8, k=8"])
    param_names = ("workspace", "data")

    def setup(self, workspace, data):
        needs("jit.fit", "jit.workspace")
        shape = {"200 x 4, k=5": (200, 4, 5), "1000 x 8, k=8": (1000, 8, 8)}[data]
        self.X, self.start = blobs(*shape, "float64")
        self.work = jit.workspace(*shape) if workspace else None
        self.time_fits(workspace, data)

    def time_fits(self, workspace, data):
        _hundred_fits(self.X, self.start, self.work)


class OverKmeans2:
    """Ten passes that nopython code asks for, over those of `numbakmeans.kmeans2` called from Python."""

    params = (
        ["jit.parallel_fit", "kmeans2"],
        ["150 x 4, k=3", "5000 x 8, k=20", "100000 x 16, k=100"],
        ["float32", "float64"],
    )
    param_names = ("function", "data", "dtype")
    timeout = 120

    def setup(self, function, data, dtype):
        shapes = {
            "150 x 4, k=3": (150, 4, 3),
            "5000 x 8, k=20": (5000, 8, 20),
            "100000 x 16, k=100": (100_000, 16, 100),
        }
        self.X, self.start = blobs(*shapes[data], dtype)
        self.compiled = {"jit.parallel_fit": _parallel_fit, "kmeans2": _kmeans2}[function]
        warnings.simplefilter("ignore")
        self.compiled(self.X, self.start)
        self.from_python()

    def from_python(self):
        numbakmeans.kmeans2(self.X, self.start, iter=10, minit="matrix")

    def track_ratio(self, function, data, dtype):
        best = [np.inf, np.inf]
        deadline = time.perf_counter() + 2.0
        while time.perf_counter() < deadline:
            for t, run in enumerate((lambda: self.compiled(self.X, self.start), self.from_python)):
                before = time.perf_counter()
                run()
                best[t] = min(best[t], time.perf_counter() - before)
        return best[0] / best[1]

    track_ratio.unit = "times as long"


class Small:
    """10,000 small problems: fits in a `prange`, and one call of `kmeans2_batch`."""

    params = ["prange", "batch"]
    param_names = ("how",)
    timeout = 120

    def setup(self, how):
        self.data = problems(10_000, 200, 4)
        warnings.simplefilter("ignore")
        self.time_fits(how)

    def time_fits(self, how):
        if how == "prange":
            _fits(self.data, 5)
        else:
            numbakmeans.kmeans2_batch(self.data, self.data[:, :5], 10)
