"""Environments and commands of the processes that tests start."""

import os
import sys
from pathlib import Path

from numbakmeans._numba import cache as _cache

TESTS = Path(__file__).parents[1]


def importing_tests(**more):
    """Return the environment of a process that can import tests and package."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **more}


def under(layer, users_cache=None, **more):
    """Return the environment of a process under a threading layer that can import tests and package.

    users_cache : folder where Numba caches functions with ``cache=True``; our own cache stays where it is
    """
    environment = importing_tests(NUMBA_THREADING_LAYER=layer, **more)
    if layer == "tbb":
        # The tbb wheel installs its library where the loader does not look.
        libraries = str(Path(sys.prefix) / "lib")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([libraries, os.environ.get("LD_LIBRARY_PATH", "")])
    if users_cache:
        environment["NUMBA_CACHE_DIR"] = str(users_cache)
        for folder in _cache.folders()[:1]:
            environment["NUMBAKMEANS_CACHE_DIR"] = str(folder)
    return environment


def program(name, *arguments):
    """Return the command that runs a program of this folder, which imports from PYTHONPATH alone."""
    return [sys.executable, "-P", "-m", f"support.{name}", *arguments]
