"""A pytest plugin that points SciPy's own tests of scipy.cluster.vq at numbakmeans.

Used as ``pytest -p support.scipy_tests_plugin --pyargs scipy.cluster.tests.test_vq``.
"""

import os

import scipy.cluster.vq
from scipy._lib._array_api import xp_capabilities_table

import numbakmeans

# Whether to plant a fault, for the negative control of the test that uses this plugin.
FAULT = os.environ.get("PLANT_FAULT_IN_VQ_TESTS")


def _shifted(*args, **kwargs):
    centroid, label = numbakmeans.kmeans2(*args, **kwargs)
    return centroid + 1, label


for name in ("kmeans2", "kmeans", "vq", "whiten"):
    ours = _shifted if FAULT and name == "kmeans2" else getattr(numbakmeans, name)
    xp_capabilities_table[ours] = xp_capabilities_table[getattr(scipy.cluster.vq, name)]
    setattr(scipy.cluster.vq, name, ours)
scipy.cluster.vq.ClusterError = numbakmeans.ClusterError
