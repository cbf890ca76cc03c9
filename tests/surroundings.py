"""The environment of the processes that tests start."""

import os
import sys
from pathlib import Path

from numbakmeans._numba import cache as _cache

HERE = Path(__file__).parent


def under(layer, users_cache=None, **more):
    """Return the environment of a process under a threading layer that can import tests and package.

    users_cache : folder where Numba caches functions with ``cache=True``; our own cache stays where it is
    """
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "NUMBA_THREADING_LAYER": layer, **more}
    if layer == "tbb":
        # The tbb wheel installs its library where the loader does not look.
        libraries = str(Path(sys.prefix) / "lib")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([libraries, os.environ.get("LD_LIBRARY_PATH", "")])
    if users_cache:
        environment["NUMBA_CACHE_DIR"] = str(users_cache)
        for folder in _cache.folders()[:1]:
            environment["NUMBAKMEANS_CACHE_DIR"] = str(folder)
    return environment
