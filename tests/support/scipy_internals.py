"""Locate the private functions and the tests of `scipy.cluster.vq`, which is a package since SciPy 1.18."""

import importlib

from scipy.cluster import vq

PACKAGE = hasattr(vq, "__path__")
#: The module with its private functions.
private = importlib.import_module("scipy.cluster.vq._vq_impl") if PACKAGE else vq
TESTS = "scipy.cluster.vq.tests.test_vq" if PACKAGE else "scipy.cluster.tests.test_vq"
