"""Compiler options: stated in one place, not inherited, and no needless signatures."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import numbakmeans
from numbakmeans._numba import compiler, parallel, runtime
from numbakmeans._numba.arena import empty
from numbakmeans._numba.compiler import Kernel, kernel

PACKAGE = Path(numbakmeans.__file__).parent
MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages([str(PACKAGE)], "numbakmeans.")
    if not info.name.endswith("__main__")
]
NAMED = {f"{module.__name__}.{name}": value for module in MODULES for name, value in vars(module).items()}
KERNELS = {name: value for name, value in NAMED.items() if isinstance(value, Kernel)}
#: Functions whose results are only used in bounds, so that their sums may be reordered.
BOUNDING = {"square_norm", "norm_of", "approx_sq_dist", "orthonormalize", "off_orthonormal", "squares_of"}
#: The files that define kernels and the one parallel loop.
HOMES = ["compiler.py", "parallel.py"]


def words_outside(pattern, homes, sources):
    return sorted(name for name, text in sources.items() if name not in homes and re.search(pattern, text))


def test_only_two_files_say_njit():
    sources = {path.name: path.read_text() for path in PACKAGE.rglob("*.py")}
    pattern = r"numba\.njit|import njit|@njit|@(numba|nb)\.|fastmath="
    assert words_outside(pattern, HOMES, sources) == []
    # The negative control: the files themselves say it, and a planted line is found.
    assert words_outside(pattern, [], sources) == HOMES
    planted = {**sources, "plan.py": "from numba import njit\n"}
    assert words_outside(pattern, HOMES, planted) == ["plan.py"]


def assert_stated(options, loose=frozenset(), parallel=False):
    assert (options["fastmath"] or set()) == loose
    assert options["error_model"] == "numpy"
    assert options["nogil"] is True
    assert bool(options["parallel"]) is parallel


@pytest.mark.parametrize("name", KERNELS)
def test_every_option_is_stated(name):
    loose = {"reassoc", "contract", "nsz"} if name.rpartition(".")[2] in BOUNDING else set()
    assert_stated(KERNELS[name].dispatcher.targetoptions, loose)


def test_the_parallel_loop_states_every_option():
    assert len(KERNELS) > 100
    assert_stated(parallel.run_tasks.targetoptions, parallel=True)
    # The negative control: a function that states nothing.
    with pytest.raises(KeyError):
        assert_stated(numba.njit(is_nan).targetoptions)


def is_nan(x):
    return x != x


def test_a_called_kernel_is_a_part_of_its_caller():
    part = kernel(is_nan)

    @kernel
    def whole(x):
        return part(x)

    assert whole(np.nan) is True
    (compiled,) = part.dispatcher.overloads.values()
    assert isinstance(compiled.entry_point, compiler._PartEntry)
    # Called by itself it is compiled as an entry, and its caller stays as it is.
    assert part.entry.bound == {}
    assert (part(np.nan), part(1.0), whole(1.0)) == (True, False, False)
    assert len(part.entry.bound) == len(part.dispatcher.overloads) == 1


def test_a_failure_inside_a_part_is_raised():
    @kernel
    def part(n, arena):
        table = empty(arena, n, np.float64)
        table[0] = 3.0
        return table[0]

    @kernel
    def whole(n, arena):
        return 2.0 * part(n, arena)

    assert whole(1) == 6.0
    with pytest.raises(MemoryError):
        whole(2**60)
    assert whole(1) == 6.0


@kernel
def n_values(X):
    return len(X)


def test_kernels_have_one_signature_for_each_working_dtype():
    """Layouts, dtypes and read-only flags must not trigger another compilation."""
    from numbakmeans import kmeans2
    from numbakmeans._engine.algorithms import ALGORITHMS
    from numbakmeans._engine.samples import SURVEY

    drivers = [ALGORITHMS["lloyd"].driver, SURVEY]
    X = np.random.default_rng(0).normal(size=(4000, 40))
    kmeans2(X, X[:2], iter=2)
    kmeans2(X.astype(np.float32), X[:2], iter=2)
    known = [set(driver.bound) for driver in drivers]
    for data in (np.asfortranarray(X), X[::2], X.astype(int) + X.round(), X.astype(np.float16), X.tolist()):
        for start in (X[:3], X[:2].astype(np.float32), np.asfortranarray(X[:4])):
            kmeans2(data, start, iter=2, minit="matrix", missing="warn")
    assert [set(driver.bound) for driver in drivers] == known
    # The negative control: another dtype or number of dimensions, passed as it is, adds a signature.
    for X in (np.empty(4), np.empty(4, np.float32), np.empty((4, 1))):
        assert n_values(X) == 4
    assert len(n_values.entry.bound) == 3


PLAIN = """
import warnings
import numpy as np
from numbakmeans import fit, jit, kmeans, kmeans2, kmeans2_batch, vq, whiten
warnings.simplefilter("error")
X = np.random.default_rng(0).normal(size=(60, 40))
results = [*kmeans2(X, X[:30], iter=2), *vq(X, X[:30]), whiten(X[:9, :2]), *fit(X[:9, :2], X[:2, :2])]
results += [*kmeans(X[:9, :2], 2, rng=0, iter=2)]
for minit in ("points", "++", "random"):
    results += [*kmeans2(X[:30, :3], 2, minit=minit, rng=0)]
few, work = X[:20, :3], jit.workspace(20, 3, 4)
start = jit.plus_plus(few, 4, np.random.default_rng(0), work).copy()
results += [start, jit.points(few, 4, np.random.default_rng(0)), *jit.nearest(few, start)]
results += [*jit.fit(few, start, 3, work), *jit.parallel_fit(few.astype(np.float32), start, 3)]
results += jit.update(few, np.arange(20) % 4, start)
results += kmeans2_batch([few, few[:9]], 2, minit="++", rng=0)[0]
print([np.asarray(result).tobytes().hex() for result in results])
"""


def test_plain_python_gives_the_same_bits():
    def run(**more):
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **more}
        command = [sys.executable, "-c", PLAIN]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert run(NUMBA_DISABLE_JIT="1") == run()


def test_one_thread_lasts_as_long_as_its_context():
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert runtime.threads() == 1
    finally:
        numba.set_num_threads(before)
    assert runtime.threads() == before
    with runtime.one_thread():
        assert runtime.threads() == 1
    assert runtime.threads() == before
