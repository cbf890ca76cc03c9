"""How near passes come to what the machine allows."""

import numba
import numpy as np

import numbakmeans
from numbakmeans._engine import fit as _fit
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.plan import sweep
from numbakmeans._engine.samples import Samples

from .data import blobs, uniform
from .machine import best_time, peak, read_time


class Peak:
    """The distance pass at 50,000 x 128 with 1000 centers, over the peak of the same minute."""

    params = ["float32", "float64"]
    param_names = ("dtype",)
    timeout = 300

    def setup(self, dtype):
        X, start = blobs(50_000, 128, 1000, dtype)
        samples = Samples(X)
        self.work = 2 * X.size * len(start)
        self.plan = sweep(X.shape, self.work)
        centers = _fit.pad_centers(start)
        passes = ALGORITHMS["certified"](samples, self.plan, samples.transform(centers))
        tables = samples.tables(len(start), self.plan.n_tasks)
        labels = np.full(len(X), -1, np.int32)
        self.run = lambda: passes.run(centers, labels, tables)
        self.run()

    def track_share_of_peak(self, dtype):
        shares = []
        for _ in range(3):
            speed = self.work / best_time(self.run, 3)
            shares.append(100 * speed / peak(dtype, self.plan.n_tasks))
        return float(np.median(shares))

    track_share_of_peak.unit = "percent"


class FewFeatures:
    """Ten passes over rows of few features, over what brute force takes if only the machine limits it.

    That is, for each pass, the larger of the multiply-adds of all distances at the peak and one read of the
    data. Passes that prune distances can be below 1.
    """

    params = ([2, 3, 6, 8, 16], [16, 64, 256], ["clustered", "uniform"], ["float32", "float64"])
    param_names = ("n_features", "n_clusters", "data", "dtype")
    timeout = 120
    n_samples, n_passes = 300_000, 10

    def setup(self, n_features, n_clusters, data, dtype):
        make = blobs if data == "clustered" else uniform
        self.X, self.start = make(self.n_samples, n_features, n_clusters, dtype)
        self.run = lambda: numbakmeans.kmeans2(self.X, self.start, self.n_passes, minit="matrix")
        self.run()

    def track_over_limit(self, n_features, n_clusters, data, dtype):
        n_threads, ratios = numba.get_num_threads(), []
        for _ in range(3):
            arithmetic = 2 * self.X.size * n_clusters / peak(dtype, n_threads)
            limit = self.n_passes * max(arithmetic, read_time(self.X, n_threads))
            ratios.append(best_time(self.run, 3) / limit)
        return float(np.median(ratios))

    track_over_limit.unit = "times the limit"
