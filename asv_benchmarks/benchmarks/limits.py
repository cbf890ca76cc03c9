"""How near passes come to what the machine allows. Lower is better, as asv takes it."""

import numba
import numpy as np

import numbakmeans

from .data import blobs, uniform
from .machine import best_time, peak, read_time


class Peak:
    """The time to find the nearest of 1000 centers for 50,000 x 128, over that at the peak of the minute."""

    params = ["float32", "float64"]
    param_names = ("dtype",)
    timeout = 300

    def setup(self, dtype):
        X, book = blobs(50_000, 128, 1000, dtype)
        self.work = 2 * X.size * len(book)
        self.run = lambda: numbakmeans.vq(X, book)
        self.run()

    def track_over_peak(self, dtype):
        ratios = []
        for _ in range(3):
            at_peak = self.work / peak(dtype, numba.get_num_threads())
            ratios.append(best_time(self.run, 3) / at_peak)
        return float(np.median(ratios))

    track_over_peak.unit = "times as long"


class Threads:
    """The time of ten passes on some threads, over that on one."""

    params = ["2", "all"]
    param_names = ("threads",)
    timeout = 300

    def setup(self, threads):
        self.n_threads = 2 if threads == "2" else numba.config.NUMBA_NUM_THREADS
        if not 1 < self.n_threads <= numba.config.NUMBA_NUM_THREADS:
            raise NotImplementedError
        X, start = uniform(100_000, 32, 128, "float32")
        self.run = lambda: numbakmeans.kmeans2(X, start, 10, minit="matrix")
        self.run()

    def track_over_one(self, threads):
        ratios = []
        for _ in range(5):
            times = []
            for n_threads in (1, self.n_threads):
                numba.set_num_threads(n_threads)
                times.append(best_time(self.run, 2))
            ratios.append(times[1] / times[0])
        return float(np.median(ratios))

    track_over_one.unit = "of the time"


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
