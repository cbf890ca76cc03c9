"""KMeans, ours beside scikit-learn's."""

import warnings

import numpy as np
import sklearn.cluster

import numbakmeans

from .available import needs, needs_parameters
from .data import REAL_SIZES, blobs

LIBRARIES = ("numbakmeans", "scikit-learn")
SIZES = ("photo pixels, 273280 x 3, k=64", "100000 x 16, k=100")


def kmeans_of(library, *given, **more):
    """Return an estimator; skip the benchmark if the package has none."""
    if library == "scikit-learn":
        return sklearn.cluster.KMeans(*given, **more)
    needs("KMeans")
    return numbakmeans.KMeans(*given, **more)


class Fit:
    """A fit with the default parameters: seeding, and passes until the tolerance is met."""

    params = (list(LIBRARIES), list(SIZES))
    param_names = ("library", "data")
    timeout = 300

    def setup(self, library, data):
        self.X, start = REAL_SIZES[data]("float64")
        self.kmeans = kmeans_of(library, len(start), random_state=0)
        warnings.simplefilter("ignore")
        self.time_fit(library, data)

    def time_fit(self, library, data):
        self.kmeans.fit(self.X)

    def track_inertia(self, library, data):
        """Return the inertia of the fit: what its time was spent for."""
        return self.kmeans.inertia_

    track_inertia.unit = "squared distance"


class Seeding:
    """Starting centers by each method, with one pass."""

    params = (list(LIBRARIES), ["k-means++", "k-means||", "random"])
    param_names = ("library", "init")
    timeout = 300

    def setup(self, library, init):
        if library == "scikit-learn" and init == "k-means||":
            raise NotImplementedError
        self.X, _ = blobs(100_000, 16, 100, "float32")
        self.kmeans = kmeans_of(library, 100, init=init, n_init=1, max_iter=1, random_state=0)
        warnings.simplefilter("ignore")
        self.time_fit(library, init)

    def time_fit(self, library, init):
        self.kmeans.fit(self.X)


class Options:
    """Ten passes from given centers: what weights, unit lengths and fixed centers cost."""

    params = (["none", "sample_weight", "metric='cosine'", "fixed"], list(SIZES), ["float32", "float64"])
    param_names = ("option", "data", "dtype")
    timeout = 300

    def setup(self, option, data, dtype):
        needs_parameters(numbakmeans.fit, "sample_weight", "metric", "fixed")
        self.X, self.start = REAL_SIZES[data](dtype)
        self.X, self.start = self.X + 1, self.start + 1  # no row of zeros
        self.options = {
            "none": {},
            "sample_weight": {"sample_weight": np.random.default_rng(0).random(len(self.X))},
            "metric='cosine'": {"metric": "cosine"},
            "fixed": {"fixed": np.arange(0, len(self.start), 2)},
        }[option]
        self.time_ten_passes(option, data, dtype)

    def time_ten_passes(self, option, data, dtype):
        numbakmeans.fit(self.X, self.start, max_iter=10, **self.options)


class Restarts:
    """Ten starts of a problem as small as the digits of scikit-learn, or smaller."""

    params = (list(LIBRARIES), ["1797 x 64, k=10", "150 x 4, k=3"])
    param_names = ("library", "size")
    timeout = 300

    def setup(self, library, size):
        n_samples, n_features, n_clusters = (1797, 64, 10) if "1797" in size else (150, 4, 3)
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(n_samples, n_features)) + 3 * rng.integers(0, 2, size=(n_samples, 1))
        self.kmeans = kmeans_of(library, n_clusters, n_init=10, random_state=0)
        self.time_fit(library, size)

    def time_fit(self, library, size):
        self.kmeans.fit(self.X)


class Methods:
    """What a fitted estimator is asked for."""

    params = (list(LIBRARIES), list(SIZES), ["float32", "float64"])
    param_names = ("library", "data", "dtype")
    timeout = 300

    def setup(self, library, data, dtype):
        self.X, start = REAL_SIZES[data](dtype)
        self.kmeans = kmeans_of(library, len(start), init=start, n_init=1, max_iter=1).fit(self.X)
        self.kmeans.predict(self.X), self.kmeans.transform(self.X)

    def time_predict(self, library, data, dtype):
        self.kmeans.predict(self.X)

    def time_transform(self, library, data, dtype):
        self.kmeans.transform(self.X)

    def time_score(self, library, data, dtype):
        self.kmeans.score(self.X)


class Tiny:
    """150 x 4, k=3: what a call costs."""

    params = (list(LIBRARIES),)
    param_names = ("library",)

    def setup(self, library):
        self.X = np.random.default_rng(0).normal(size=(150, 4))
        self.kmeans = kmeans_of(library, 3, random_state=0).fit(self.X)

    def time_fit(self, library):
        self.kmeans.fit(self.X)

    def time_predict(self, library):
        self.kmeans.predict(self.X)
