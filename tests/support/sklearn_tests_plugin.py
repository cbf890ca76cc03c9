"""A pytest plugin that points scikit-learn's own tests of KMeans at numbakmeans.

Used as ``pytest -p support.sklearn_tests_plugin --pyargs sklearn.cluster.tests.test_k_means``.
"""

import os

import sklearn.cluster

from numbakmeans import KMeans

# The fault to plant, for the negative controls of the test that uses this plugin.
FAULT = os.environ.get("PLANT_FAULT_IN_KMEANS_TESTS")

calls = {"fit": 0}
_fit = KMeans._fit


def _counted(self, X, sample_weight):
    calls["fit"] += 1
    samples = _fit(self, X, None if FAULT == "no weights" else sample_weight)
    if FAULT == "centers":
        self.cluster_centers_ = self.cluster_centers_ + 1
    return samples


KMeans._fit = _counted
sklearn.cluster.KMeans = KMeans


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"our fits: {calls['fit']}")
