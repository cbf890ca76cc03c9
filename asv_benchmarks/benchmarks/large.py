"""Rows that come in blocks or batches, beside the same rows in one array and scikit-learn's estimator."""

import statistics
import time

import numpy as np
import sklearn.cluster

import numbakmeans

from .available import needs
from .data import blobs


class BlocksOverArray:
    """Ten passes over four blocks, relative to one array, in turns."""

    params = ["float32", "float64"]
    param_names = ("dtype",)
    unit = "of the time for an array"
    timeout = 300

    def setup(self, dtype):
        needs("Blocks")
        self.X, self.start = blobs(1_000_000, 16, 64, dtype)
        self.blocks = numbakmeans.Blocks(np.array_split(self.X, 4))
        self.seconds(self.X), self.seconds(self.blocks)

    def seconds(self, rows):
        began = time.perf_counter()
        numbakmeans.fit(rows, self.start, max_iter=10)
        return time.perf_counter() - began

    def track_ratio(self, dtype):
        return statistics.median(self.seconds(self.blocks) / self.seconds(self.X) for _ in range(5))


class Batches:
    """A stream of batches for `partial_fit`."""

    params = (["numbakmeans", "scikit-learn"], [1000, 10_000])
    param_names = ("library", "rows of a batch")
    timeout = 300

    def setup(self, library, size):
        if library == "numbakmeans":
            needs("MiniBatchKMeans")
        self.module = numbakmeans if library == "numbakmeans" else sklearn.cluster
        X, _ = blobs(200_000, 16, 100, "float32")
        self.batches = [X[start : start + size] for start in range(0, len(X), size)]
        self.time_stream(library, size)

    def time_stream(self, library, size):
        estimator = self.module.MiniBatchKMeans(100, random_state=0)
        for rows in self.batches:
            estimator.partial_fit(rows)
