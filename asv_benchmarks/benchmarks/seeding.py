"""Placing the starting centers of '++', without the pass after it: with sketches and without."""

import numpy as np

from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS

from .data import REAL_SIZES, blobs
from .kernels import Setting


class PlusPlus:
    """The regression to watch: data of real sizes."""

    params = (list(REAL_SIZES), ["float32", "float64"])
    param_names = ("data", "dtype")
    timeout = 120
    rounds = 4
    repeat = (3, 8, 1.0)

    def setup(self, data, dtype):
        X, start = REAL_SIZES[data](dtype)
        self.samples, self.n_clusters = Samples(X), len(start)
        self.draws = SEEDINGS["++"].draw(np.random.default_rng(0), len(X), len(start), X.shape[1])
        self.time_place(data, dtype)

    def time_place(self, data, dtype):
        SEEDINGS["++"].place(self.samples, self.n_clusters, *self.draws)


class QuantizedRows(Setting):
    """Few picks and many, with sketches and without: from how many picks on they pay."""

    name = "QUANTIZED_PICKS"
    params = (["quantized", "none"], [2, 3, 5, 10, 30], [2, 16, 128])
    param_names = ("quantized", "n_clusters", "n_features")

    def setup(self, quantized, n_clusters, n_features):
        self.change(0 if quantized == "quantized" else 10**9)  # the work is above SKETCHED_WORK
        X, _ = blobs(3_200_000 // n_features // 2, n_features, 30, "float64")
        self.samples, self.n_clusters = Samples(X), n_clusters
        self.draws = SEEDINGS["++"].draw(np.random.default_rng(0), len(X), n_clusters, n_features)
        self.time_place(quantized, n_clusters, n_features)

    def time_place(self, quantized, n_clusters, n_features):
        SEEDINGS["++"].place(self.samples, self.n_clusters, *self.draws)


class Picks(Setting):
    """Many picks from few rows, by one thread and by all: what a pick costs, and its threads."""

    name = "PARALLEL_WORK"
    params = (["one thread", "all threads"], [10, 5000, 20_000, 50_000, 100_000], [1, 4])
    param_names = ("threads", "n_values", "n_features")

    def setup(self, threads, n_values, n_features):
        self.change(0 if threads == "all threads" else 10**18)
        self.samples = Samples(blobs(n_values // n_features, n_features, 2, "float64")[0])
        self.draws = SEEDINGS["++"].draw(np.random.default_rng(0), len(self.samples), 200, n_features)
        self.time_place(threads, n_values, n_features)

    def time_place(self, threads, n_values, n_features):
        SEEDINGS["++"].place(self.samples, 200, *self.draws)


class QuantizationSample(Setting):
    """Heavy tails: how well the steps fit, by the number of values that tell where they go."""

    name = "QUANTIZATION_SAMPLE"
    params = [1024, 8192, 65_536]
    param_names = ("sample",)

    def setup(self, sample):
        self.change(sample)
        X = np.random.default_rng(0).standard_t(3, size=(50_000, 32))
        self.samples = Samples(X)
        self.draws = SEEDINGS["++"].draw(np.random.default_rng(0), len(X), 50, X.shape[1])
        self.time_place(sample)

    def time_place(self, sample):
        SEEDINGS["++"].place(self.samples, 50, *self.draws)
