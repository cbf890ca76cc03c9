"""Import, first calls, and what they compile, in processes of their own; times in seconds."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import first_minute

IMPORT = """
import time
import numpy
before = time.perf_counter()
{statement}
print(time.perf_counter() - before)
"""
CALL = """
import time
import numpy as np
X = np.random.default_rng(0).normal(size=({n_samples}, 16)).astype("{dtype}")
before = time.perf_counter()
from numbakmeans import kmeans2
kmeans2(X, 8, minit="{minit}", rng=0)
print(time.perf_counter() - before)
"""
COMPILATIONS = """
import numpy as np
from numba.core import event
from numbakmeans import kmeans2
X = np.random.default_rng(0).normal(size=(100_000, 16))
with event.install_recorder("numba:compile") as recorder:
    kmeans2(X, 100, minit="++", rng=0)
print(sum(happened.is_start for _, happened in recorder.buffer))
"""
# What Numba does once in a process is done for a function that calls nothing.
USERS = """
import time
import numpy as np
from numba import njit, prange, types
from numbakmeans import jit

@njit(parallel={parallel})
def nothing(data, starts):
    found = np.empty(len(data))
    for b in prange(len(data)):
        found[b] = data[b, 0, 0] + starts[b, 0, 0]
    return found

@njit(parallel={parallel})
def users(data, starts):
    found = np.empty(len(data))
    for b in prange(len(data)):
        found[b] = {expression}
    return found

kinds = (types.float64[:, :, ::1],) * 2
nothing.compile(kinds)
before = time.perf_counter()
users.compile(kinds)
print(time.perf_counter() - before)
"""


def printed(program, folder):
    """Run a program that prints a number, with its compiled code in a folder; return the number."""
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": folder}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return json.loads(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    )


class Import:
    """What an import adds to ``import numpy``; SciPy's and Numba's for comparison."""

    params = [
        "import numbakmeans",
        "from numbakmeans import kmeans2",
        "from numbakmeans import jit",
        "import scipy.cluster.vq",
        "import numba",
    ]
    param_names = ("statement",)
    unit = "seconds"

    def track_import(self, statement):
        return min(printed(IMPORT.format(statement=statement), "off") for _ in range(5))


class FirstCall:
    """The first kmeans2 of a process, its import included: with an empty cache, and with a full one."""

    params = (["empty", "full"], ["++", "points", "random"], ["float32", "float64"], [1000, 100_000])
    param_names = ("cache", "minit", "dtype", "n_samples")
    unit = "seconds"
    timeout = 300

    def track_first_call(self, cache, minit, dtype, n_samples):
        program = CALL.format(minit=minit, dtype=dtype, n_samples=n_samples)
        with tempfile.TemporaryDirectory() as folder:
            first = printed(program, folder)
            return first if cache == "empty" else min(printed(program, folder) for _ in range(3))


class FirstMinute:
    """The workloads of ``first_minute.py``, whole processes: on an empty cache, and on a full one."""

    params = (["empty", "full"], list(first_minute.WORKLOADS))
    param_names = ("cache", "workload")
    unit = "seconds"
    timeout = 300

    def track_process(self, cache, workload):
        with tempfile.TemporaryDirectory() as folder:
            first = first_minute.seconds("numbakmeans", workload, folder)
            if cache == "empty":
                return first
            return min(first_minute.seconds("numbakmeans", workload, folder) for _ in range(3))


class Compiled:
    """What a first ``kmeans2(X, 100, minit="++")`` of 100,000 x 16 compiles, and leaves in an empty cache."""

    timeout = 300

    def setup_cache(self):
        with tempfile.TemporaryDirectory() as folder:
            n_functions = printed(COMPILATIONS, folder)
            sizes = [file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()]
        return n_functions, len(sizes), sum(sizes)

    def track_functions(self, found):
        """Functions that were compiled, parts of others included."""
        return found[0]

    track_functions.unit = "functions"

    def track_files(self, found):
        return found[1]

    track_files.unit = "files"

    def track_cache_bytes(self, found):
        return found[2]

    track_cache_bytes.unit = "bytes"


class UsersFunction:
    """How long a user's function around `jit.fit` takes to compile, over one around ``np.sum``."""

    params = [False, True]
    param_names = ("parallel",)
    unit = "times as long"
    timeout = 300

    def track_over_sum(self, parallel):
        expressions = "jit.fit(data[b], starts[b], 10).inertia", "np.sum(data[b])"
        ours, sums = (
            min(printed(USERS.format(parallel=parallel, expression=each), "off") for _ in range(3))
            for each in expressions
        )
        return ours / sums
