"""The public functions, ours beside SciPy's."""

import tempfile
import warnings

import numpy as np
import scipy.cluster.vq

import numbakmeans

from .data import REAL_SIZES, blobs

LIBRARIES = {"numbakmeans": numbakmeans, "scipy": scipy.cluster.vq}


class Kmeans2:
    """SciPy's own benchmark: asv_benchmarks cluster.KMeans2."""

    params = (list(LIBRARIES), [2, 10, 50], ["random", "points", "++"])
    param_names = ("library", "k", "init")

    def setup(self, library, k, init):
        self.kmeans2 = LIBRARIES[library].kmeans2
        self.obs = np.random.default_rng(0).random((1000, 5))
        warnings.simplefilter("ignore")
        self.time_kmeans2(library, k, init)

    def time_kmeans2(self, library, k, init):
        self.kmeans2(self.obs, k, minit=init, iter=10, rng=0)


class Kmeans:
    """SciPy's own benchmark: asv_benchmarks cluster.KMeans."""

    params = (list(LIBRARIES), [2, 10, 50])
    param_names = ("library", "k")

    def setup(self, library, k):
        self.kmeans = LIBRARIES[library].kmeans
        self.obs = np.random.default_rng(0).random((1000, 5))
        self.time_kmeans(library, k)

    def time_kmeans(self, library, k):
        self.kmeans(self.obs, k, iter=10, rng=0)


class VQ:
    """SciPy's own benchmark: asv_benchmarks cluster.VQ."""

    params = (list(LIBRARIES), [2, 10, 50], ["float32", "float64"])
    param_names = ("library", "k", "dtype")

    def setup(self, library, k, dtype):
        rng = np.random.default_rng(0)
        self.vq = LIBRARIES[library].vq
        self.data = (rng.random((5000, 5)) * 10).astype(dtype)
        self.book = (rng.random((k, 5)) * 10).astype(dtype)
        self.time_vq(library, k, dtype)

    def time_vq(self, library, k, dtype):
        self.vq(self.data, self.book)


class Whiten:
    params = (list(LIBRARIES), ["float32", "float64"])
    param_names = ("library", "dtype")

    def setup(self, library, dtype):
        self.whiten = LIBRARIES[library].whiten
        self.obs = np.random.default_rng(0).random((100_000, 8)).astype(dtype)
        self.time_whiten(library, dtype)

    def time_whiten(self, library, dtype):
        self.whiten(self.obs)


class TenPasses:
    """Ten passes of kmeans2 from given centroids, on real sizes."""

    params = (list(LIBRARIES), list(REAL_SIZES), ["float32", "float64"])
    param_names = ("library", "data", "dtype")
    timeout = 120

    def setup(self, library, data, dtype):
        self.kmeans2 = LIBRARIES[library].kmeans2
        self.X, self.start = REAL_SIZES[data](dtype)
        warnings.simplefilter("ignore")
        if library == "numbakmeans":
            self.time_kmeans2(library, data, dtype)

    def time_kmeans2(self, library, data, dtype):
        self.kmeans2(self.X, self.start, iter=10, minit="matrix")


class Converge:
    """Passes to the fixed point, or 100 of them."""

    params = (list(REAL_SIZES), ["float32", "float64"])
    param_names = ("data", "dtype")
    timeout = 300

    def setup(self, data, dtype):
        self.X, self.start = REAL_SIZES[data](dtype)
        self.time_fit(data, dtype)

    def time_fit(self, data, dtype):
        return numbakmeans.fit(self.X, self.start, max_iter=100)

    def track_passes(self, data, dtype):
        """Return the number of passes: another one means other labels."""
        return self.time_fit(data, dtype).n_iter

    track_passes.unit = "passes"


class Mapped:
    """Three passes over 256 MB in memory, and mapped from a file that the page cache holds."""

    params = (["in memory", "mapped"], ["float32", "float16"])
    param_names = ("rows", "dtype")
    timeout = 120

    def setup(self, rows, dtype):
        self.X = np.random.default_rng(0).random((2**28 // np.dtype(dtype).itemsize // 64, 64), "float32")
        self.X = self.X.astype(dtype)
        if rows == "mapped":
            with tempfile.TemporaryFile() as file:
                self.X.tofile(file)
                self.X = np.memmap(file, dtype, "r", shape=self.X.shape)
        self.time_fit(rows, dtype)

    def time_fit(self, rows, dtype):
        numbakmeans.fit(self.X, self.X[:32], max_iter=3)


class PlusPlus:
    """The '++' start, with one pass, at 100,000 x 16, k=100."""

    params = (list(LIBRARIES), ["float32", "float64"])
    param_names = ("library", "dtype")
    timeout = 120

    def setup(self, library, dtype):
        self.kmeans2 = LIBRARIES[library].kmeans2
        self.X, _ = blobs(100_000, 16, 100, dtype)
        warnings.simplefilter("ignore")
        if library == "numbakmeans":
            self.time_plus_plus(library, dtype)

    def time_plus_plus(self, library, dtype):
        self.kmeans2(self.X, 100, iter=1, minit="++", rng=0)


class Tiny:
    """Warm calls on a few rows: what a call costs that computes next to nothing."""

    params = (list(LIBRARIES), ["150 x 4, k=3", "1000 x 4, k=8", "5000 x 8, k=20"])
    param_names = ("library", "data")

    def setup(self, library, data):
        shape = {"150 x 4, k=3": (150, 4, 3), "1000 x 4, k=8": (1000, 4, 8), "5000 x 8, k=20": (5000, 8, 20)}
        self.kmeans2 = LIBRARIES[library].kmeans2
        self.X, self.start = blobs(*shape[data], "float64")
        warnings.simplefilter("ignore")
        self.time_kmeans2(library, data)

    def time_kmeans2(self, library, data):
        self.kmeans2(self.X, self.start, iter=10, minit="matrix")


class Batch:
    """Many small problems: in one call, in a loop over our own `kmeans2`, in a loop over SciPy's."""

    params = (["batch", "loop", "scipy"], ["matrix", "points"])
    param_names = ("how", "minit")

    def setup(self, how, minit):
        self.data = np.random.default_rng(0).normal(size=(1000, 200, 4))
        self.k = self.data[:, :5] if minit == "matrix" else [5] * len(self.data)
        self.kmeans2 = LIBRARIES["scipy" if how == "scipy" else "numbakmeans"].kmeans2
        self.time_kmeans2(how, minit)

    def time_kmeans2(self, how, minit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if how == "batch":
                k = self.k if minit == "matrix" else 5
                numbakmeans.kmeans2_batch(self.data, k, minit=minit, rng=0)
                return
            rng = np.random.default_rng(0)
            for X, k in zip(self.data, self.k, strict=True):
                self.kmeans2(X, k, minit=minit, rng=rng)
