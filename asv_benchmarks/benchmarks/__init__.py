"""Benchmarks of numbakmeans.

face        the public functions on SciPy's own parameters and on real sizes, ours beside SciPy's
kernels     what the thresholds in `numbakmeans._plan` were set by
startup     import, first call and second first call, in processes of their own

Every benchmark warms up in `setup`, so that no compilation is timed; `startup` alone times compilation, and
what NumPy does in its place.
"""

import os

os.environ.setdefault("NUMBAKMEANS_PATIENCE", "0")
