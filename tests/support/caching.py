"""A kernel that tests cache, and processes that use the cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numbakmeans
from numbakmeans._numba import cache as _cache
from numbakmeans._numba import compiler
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import Entry

PACKAGE = Path(numbakmeans.__file__).parent


@kernel
def add_one(x):
    return x + 1


def compiled(value=1.0, function=None):
    """Compile or load a kernel as a new process would, call it, and return hits and misses."""
    entry = Entry(__name__, "add_one", function or add_one)
    compiling, n_loaded, misses = compiler.compile_entry, _cache.loaded, []
    compiler.compile_entry = lambda *arguments: misses.append(1) or compiling(*arguments)
    try:
        assert entry(value) == value + 1
    finally:
        compiler.compile_entry = compiling
    return _cache.loaded - n_loaded, len(misses)


def key(kinds=("d",)):
    """Return the key of that kernel for the kinds of its arguments."""
    return _cache.key_of(__name__, "add_one", kinds)


#: Prints the numbers of entries that were loaded, stored and lost, and the last failure.
SMALL_CALL = """
import json, sys
import numpy as np
from numbakmeans import vq
from numbakmeans._engine.algorithms.panels import rows_at_once
from numbakmeans._numba import cache as _cache
if "change" in sys.argv:
    import numbakmeans._engine.kernels.reference as module
    with open(module.__file__, "a") as file:
        file.write("# another line")
X = np.random.default_rng(0).normal(size=(50, 3))
vq(X, X[:2])
rows_at_once(X.dtype)
print(json.dumps([_cache.loaded, _cache.stored, _cache.lost, _cache.trouble]))
"""


def start(folder, program=SMALL_CALL, *arguments, root=PACKAGE.parent, cwd="/", **more):
    """Start a program whose cache is in a folder, and which imports the package from another."""
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": str(folder), "PYTHONPATH": str(root), **more}
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=cwd)


def result(*arguments, **more):
    """Return what such a program prints, read as JSON."""
    return json.loads(start(*arguments, **more).communicate()[0])
