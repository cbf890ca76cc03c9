"""Compiler options: one home, nothing inherited, no signature too many."""

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
from numbakmeans import _jit, _linking
from numbakmeans._jit import kernel
from numbakmeans._slots import Driver

PACKAGE = Path(numbakmeans.__file__).parent
MODULES = [
    importlib.import_module(info.name)
    for info in pkgutil.walk_packages([str(PACKAGE)], "numbakmeans.")
    if not info.name.endswith("__main__")
]
NAMED = {f"{module.__name__}.{name}": value for module in MODULES for name, value in vars(module).items()}
KERNELS = {name: value.kernel if isinstance(value, Driver) else value for name, value in NAMED.items()}
DISPATCHERS = {
    name: value for name, value in KERNELS.items() if isinstance(value, numba.core.dispatcher.Dispatcher)
}
#: Functions that call Python.
CALLING = {"in_row_space", "tell_constant", "tell_empty"}
#: Functions whose result only widens a bound, so that their sums may be reordered.
BOUNDING = {"square_norm", "norm_of", "about_sq_dist", "orthonormalize", "off_orthonormal"}


def words_outside(pattern, home, sources):
    return [name for name, text in sources.items() if name != home and re.search(pattern, text)]


def test_only_one_file_says_njit():
    sources = {path.name: path.read_text() for path in PACKAGE.rglob("*.py")}
    pattern = r"numba\.njit|import njit|@njit|@(numba|nb)\.|fastmath="
    assert words_outside(pattern, "_jit.py", sources) == []
    # The negative control: the file itself says it, and a planted line is found.
    assert words_outside(pattern, None, sources) == ["_jit.py"]
    planted = {**sources, "_plan.py": "from numba import njit\n"}
    assert words_outside(pattern, "_jit.py", planted) == ["_plan.py"]


@pytest.mark.parametrize("name", DISPATCHERS)
def test_every_option_is_stated(name):
    options, name = DISPATCHERS[name].targetoptions, name.rpartition(".")[2]
    loose = set() if name not in BOUNDING else {"reassoc", "contract", "nsz"}
    assert (options["fastmath"] or set()) == loose
    assert options["error_model"] == "numpy"
    assert options["nogil"] is (name not in CALLING)
    assert bool(options["parallel"]) == (name == "run_slots")


def is_nan(x):
    return x != x


def test_what_is_part_of_a_users_code_states_its_options():
    options = _jit.part(is_nan).targetoptions
    assert (options["fastmath"], options["error_model"]) == (False, "numpy")


def test_a_callers_fastmath_does_not_leak_in():
    ours = kernel(is_nan)
    inherits = numba.njit(is_nan)

    @numba.njit(fastmath=True)
    def caller(x):
        return ours(x), inherits(x)

    # The negative control is the second: it states nothing, and inherits.
    assert caller(np.nan) == (True, False)
    assert ours(np.nan) is True


def test_a_kernel_that_a_kernel_calls_is_a_part_of_it():
    part = kernel(is_nan)

    @kernel
    def whole(x):
        return part(x)

    # What comes from the cache, of an earlier run, is made of no part.
    part._cache.disable()
    whole._cache.disable()

    @numba.njit
    def users(x):
        return part(x)

    def is_part():
        (compiled,) = part.overloads.values()
        return isinstance(compiled.entry_point, _linking._PartEntry)

    assert whole(np.nan) is True
    assert is_part()
    # Called from elsewhere it is compiled for good, whoever came first; and what it is a part of stays.
    assert users(np.nan) is True
    assert not is_part()
    assert (part(np.nan), part(1.0), whole(1.0)) == (True, False, False)


def test_an_error_inside_of_a_part_is_raised():
    @kernel
    def part(x):
        if x < 0:
            raise ValueError("below zero")
        return x

    @kernel
    def whole(x):
        return part(x)

    assert whole(1.0) == 1.0
    with pytest.raises(ValueError, match="below zero"):
        whole(-1.0)


def test_kernels_have_one_signature_for_each_working_dtype():
    """Layouts, dtypes and read-only flags must not make the kernels compile again."""
    from numbakmeans import kmeans2
    from numbakmeans._algorithms import ALGORITHMS

    X = np.random.default_rng(0).normal(size=(40, 3))
    compiled = ALGORITHMS["lloyd"].driver.kernel
    kmeans2(X, X[:2])
    kmeans2(X.astype(np.float32), X[:2])
    known = len(compiled.signatures)
    for data in (np.asfortranarray(X), X[::2], X.astype(int) + X.round(), X.astype(np.float16), X.tolist()):
        for start in (X[:3], X[:2].astype(np.float32), np.asfortranarray(X[:4])):
            kmeans2(data, start, iter=2, minit="matrix", missing="warn")
    assert len(compiled.signatures) == known
    # The negative control: another layout, handed over as it is, does make a signature.
    ours = kernel(is_nan)
    ours(np.empty(4))
    ours(np.empty(8)[::2])
    assert len(ours.signatures) == 2


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


def test_threads():
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert _jit.threads() == 1
    finally:
        numba.set_num_threads(before)
    assert _jit.threads() == before
