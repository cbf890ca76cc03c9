"""Passes by each algorithm, and the parts of a pass: the benchmarks that track regressions.

They use private modules, and follow them when they change. The sweeps that set thresholds are in `tuning/`.
"""

import numpy as np

from numbakmeans._engine import fit as _fit
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.assignment import nearest_labels
from numbakmeans._engine.samples import Samples, labeled_means

from .data import REAL_SIZES


class Algorithms:
    """Ten passes by each algorithm of the table: the main benchmark to watch.

    There are four rounds, between which asv switches the commit, so that other load on the machine does not
    affect only one of them.
    """

    params = (list(ALGORITHMS), list(REAL_SIZES), ["float32", "float64"])
    param_names = ("algorithm", "data", "dtype")
    timeout = 120
    rounds = 4
    repeat = (3, 8, 1.0)

    def setup(self, algorithm, data, dtype):
        X, self.start = REAL_SIZES[data](dtype)
        self.samples = Samples(X)
        self.time_iterate(algorithm, data, dtype)

    def time_iterate(self, algorithm, data, dtype):
        _fit.iterate(self.samples, self.start, 10, algorithm=algorithm)

    def track_decided(self, algorithm, data, dtype):
        """Return the share of rows per pass that reference distances decided."""
        passes = self._passes(algorithm)
        return 100 * passes.n_decided / (len(self.samples) * passes.n_iter)

    track_decided.unit = "percent"

    def track_distances(self, algorithm, data, dtype):
        """Return the share of pairs of row and center per pass whose distance was computed."""
        passes = self._passes(algorithm)
        return 100 * passes.n_pairs / (len(self.samples) * len(self.start) * passes.n_iter)

    track_distances.unit = "percent"

    def track_passes(self, algorithm, data, dtype):
        """Return the number of passes to the fixed point, at most 100."""
        return self._passes(algorithm, 100).n_iter

    track_passes.unit = "passes"

    def track_memory(self, algorithm, data, dtype):
        """Return the size of what is kept between passes, relative to the data."""
        return 100 * self._passes(algorithm).kept_bytes / self.samples.array.nbytes

    track_memory.unit = "percent"

    def _passes(self, algorithm, max_iter=10):
        return _fit.iterate(self.samples, self.start, max_iter, algorithm=algorithm)


class Parts:
    """Measuring the columns, and the exact means of all rows: the most that the exact update costs."""

    params = (list(REAL_SIZES), ["float32", "float64"])
    param_names = ("data", "dtype")
    timeout = 120

    def setup(self, data, dtype):
        self.X, self.start = REAL_SIZES[data](dtype)
        self.samples = Samples(self.X)
        self.labels = nearest_labels(self.samples, self.start)
        self.time_measure(data, dtype)
        self.time_means(data, dtype)

    def time_measure(self, data, dtype):
        return Samples(self.X).bins

    def time_means(self, data, dtype):
        labeled_means(self.samples, self.labels, len(self.start))


class Ranges:
    """The pass that checks all values and finds the range of each column, which exact sums need."""

    params = (["normal", "pixels"], [2, 16, 784], ["float32", "float64"])
    param_names = ("data", "n_features", "dtype")

    def setup(self, data, n_features, dtype):
        rng, shape = np.random.default_rng(0), (8_000_000 // n_features, n_features)
        self.X = (rng.normal(size=shape) if data == "normal" else rng.integers(0, 256, shape)).astype(dtype)
        self.time_finite(data, n_features, dtype)

    def time_finite(self, data, n_features, dtype):
        assert Samples(self.X).finite


class Undecided:
    """A pass over rows halfway between two of ten centers, which scores leave undecided."""

    params = ([16, 128, 784], ["float32", "float64"])
    param_names = ("n_features", "dtype")

    def setup(self, n_features, dtype):
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(10, n_features)).astype(dtype)
        ends = rng.integers(10, size=(2, 2000))
        self.start = centers.astype(np.float64)
        self.samples = Samples((centers[ends[0]] + centers[ends[1]]) / 2)
        self.time_iterate(n_features, dtype)

    def time_iterate(self, n_features, dtype):
        _fit.iterate(self.samples, self.start, 1, algorithm="certified")
