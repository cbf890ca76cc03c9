"""KMeans, ours beside scikit-learn's."""

import warnings

import numpy as np
import sklearn.cluster

import numbakmeans

from .data import REAL_SIZES

LIBRARIES = {"numbakmeans": numbakmeans.KMeans, "scikit-learn": sklearn.cluster.KMeans}
SIZES = ("photo pixels, 273280 x 3, k=64", "100000 x 16, k=100")


class Fit:
    """A fit with the default parameters: seeding, and passes until the tolerance is met."""

    params = (list(LIBRARIES), list(SIZES))
    param_names = ("library", "data")
    timeout = 300

    def setup(self, library, data):
        self.X, start = REAL_SIZES[data]("float64")
        self.kmeans = LIBRARIES[library](len(start), random_state=0)
        warnings.simplefilter("ignore")
        self.time_fit(library, data)

    def time_fit(self, library, data):
        self.kmeans.fit(self.X)


class Methods:
    """What a fitted estimator is asked for."""

    params = (list(LIBRARIES), list(SIZES), ["float32", "float64"])
    param_names = ("library", "data", "dtype")
    timeout = 300

    def setup(self, library, data, dtype):
        self.X, start = REAL_SIZES[data](dtype)
        self.kmeans = LIBRARIES[library](len(start), init=start, n_init=1, max_iter=1).fit(self.X)
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
        self.kmeans = LIBRARIES[library](3, random_state=0).fit(self.X)

    def time_fit(self, library):
        self.kmeans.fit(self.X)

    def time_predict(self, library):
        self.kmeans.predict(self.X)
