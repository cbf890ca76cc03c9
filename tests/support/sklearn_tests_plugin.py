"""A pytest plugin that points scikit-learn's own tests of KMeans and MiniBatchKMeans at numbakmeans.

Used as ``pytest -p support.sklearn_tests_plugin --pyargs sklearn.cluster.tests.test_k_means``.
"""

import os

import sklearn.cluster

from numbakmeans import KMeans, MiniBatchKMeans

# The fault to plant, for the negative controls of the test that uses this plugin.
FAULT = os.environ.get("PLANT_FAULT_IN_KMEANS_TESTS")

calls = {"fit": 0}


def _counted(fit):
    def counted(self, X, sample_weight):
        calls["fit"] += 1
        samples = fit(self, X, None if FAULT == "no weights" else sample_weight)
        if FAULT == "centers":
            self.cluster_centers_ = self.cluster_centers_ + 1
        return samples

    return counted


for estimator in (KMeans, MiniBatchKMeans):
    estimator._fit = _counted(estimator._fit)
sklearn.cluster.KMeans = KMeans
sklearn.cluster.MiniBatchKMeans = MiniBatchKMeans


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"our fits: {calls['fit']}")
