"""What `scipy.cluster.vq` is made of, and its tests: from SciPy 1.18 on it is a package."""

import importlib

from scipy.cluster import vq

PACKAGE = hasattr(vq, "__path__")
#: The module that has its private functions.
inside = importlib.import_module("scipy.cluster.vq._vq_impl") if PACKAGE else vq
TESTS = "scipy.cluster.vq.tests.test_vq" if PACKAGE else "scipy.cluster.tests.test_vq"
