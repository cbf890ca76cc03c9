"""Import and first calls, each in a process of its own, in seconds."""

import os
import subprocess
import sys
import tempfile

CALL = """
import time
import numpy as np
X = np.random.default_rng(0).normal(size=({n_samples}, 16)).astype("{dtype}")
before = time.perf_counter()
from numbakmeans import kmeans2
kmeans2(X, 8, minit="{minit}", rng=0)
print(time.perf_counter() - before)
"""
IMPORT = """
import time
import numpy
before = time.perf_counter()
import {module}
print(time.perf_counter() - before)
"""


def seconds(program, folder, patience=""):
    """Run a program that prints seconds, with its compiled code in a folder."""
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": folder, "NUMBAKMEANS_PATIENCE": patience}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


class Import:
    """What ``import`` adds to ``import numpy``; numba for comparison."""

    params = ["numbakmeans", "numba"]
    param_names = ("module",)
    unit = "seconds"

    def track_import(self, module):
        return min(seconds(IMPORT.format(module=module), "off") for _ in range(5))


class FirstCall:
    """The first kmeans2 of a process: with an empty cache, by NumPy or compiled; with a full one."""

    params = (
        ["empty", "compiled", "full"],
        ["++", "points", "random"],
        ["float32", "float64"],
        [1000, 100_000],
    )
    param_names = ("cache", "minit", "dtype", "n_samples")
    unit = "seconds"
    timeout = 300

    def track_first_call(self, cache, minit, dtype, n_samples):
        program = CALL.format(minit=minit, dtype=dtype, n_samples=n_samples)
        with tempfile.TemporaryDirectory() as folder:
            if cache == "empty":
                return min(seconds(program, folder) for _ in range(3))
            first = seconds(program, folder, patience="0")
            return first if cache == "compiled" else min(seconds(program, folder) for _ in range(3))
