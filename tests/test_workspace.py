"""Workspaces for the building blocks in nopython code: they replace the heap, and change no result."""

import json
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from support.comparison import bits

from numbakmeans import jit

DTYPES = [np.float32, np.float64]


@njit
def users_loop(X, centers, labels, n_times, work):
    for _ in range(n_times):
        found = jit.nearest(X, centers, work)
        update = jit.update(X, labels, centers, work)
        fit = jit.fit(X, centers, 5, work)
    return fit, found, update


@njit
def users_seeds(X, n_clusters, n_times, rng, work):
    for _ in range(n_times):
        points = jit.points(X, n_clusters, rng, work)
        picks = jit.plus_plus(X, n_clusters, rng, work)
    return points, picks


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_workspace_changes_no_result(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, size=(200, 4)).astype(dtype)
    labels, centers = np.arange(200) % 5, X[:5]
    right = jit.fit(X, centers, 5), jit.nearest(X, centers), jit.update(X, labels, centers)
    for work in (jit.workspace(200, 4, 5), np.empty(10**6, np.int64), jit.workspace(1, 1, 1)[:20], None):
        found = users_loop(X, centers, labels, 3, work)
        assert [bits(*part) for part in found] == [bits(*part) for part in right]
        ours, rights = np.random.default_rng(1), np.random.default_rng(1)
        starts = users_seeds(X, 5, 1, ours, work)
        assert bits(*starts) == bits(jit.points(X, 5, rights), jit.plus_plus(X, 5, rights))
        assert ours.bit_generator.state == rights.bit_generator.state


HEAP = """
import ctypes
import json
import llvmlite.binding as llvm

# Our machine code calls this function instead of the C library's.
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
taken = []

@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)
def malloc(n_bytes):
    taken.append(n_bytes)
    return libc.malloc(n_bytes)

llvm.add_symbol("malloc", ctypes.cast(malloc, ctypes.c_void_p).value)

import numpy as np
from numba import njit
from numbakmeans import _nopython, jit

@njit
def users_loop(X, centers, labels, n_times, work):
    for _ in range(n_times):
        jit.nearest(X, centers, work)
        jit.update(X, labels, centers, work)
        jit.fit(X, centers, 5, work)

@njit
def users_seeds(X, n_clusters, n_times, rng, work):
    for _ in range(n_times):
        jit.points(X, n_clusters, rng, work)
        jit.plus_plus(X, n_clusters, rng, work)

def chunks(call, *arguments):
    del taken[:]
    call(*arguments)
    return len(taken)

SHAPES = (1, 1, 1), (9, 2, 3), (100, 1, 100), (200, 4, 5), (3, 300, 2), (1000, 8, 8), (50, 65, 50)
SHAPES += ((9000, 2, 50),)
found = []
for dtype in (np.float32, np.float64):
    for shape in SHAPES:
        n_samples, n_features, n_clusters = shape
        rng = np.random.default_rng(0)
        X = rng.integers(0, 4, size=(n_samples, n_features)).astype(dtype)
        X[0] += rng.random(n_features).astype(dtype)
        centers, labels = rng.normal(size=(n_clusters, n_features)), rng.integers(n_clusters, size=n_samples)
        work = jit.workspace(*shape)
        k = min(n_clusters, n_samples)
        for given in (work, work[:4]):
            loop = chunks(users_loop, X, centers, labels, 3, given)
            found.append([shape, len(given), loop, chunks(users_seeds, X, k, 3, rng, given)])
print(json.dumps(found))
"""


def test_a_workspace_replaces_the_heap():
    result = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for shape, n_words, loop, seeds in json.loads(result.stdout):
        # The control: a workspace that is too small is not used, and each call takes a chunk or more.
        assert (loop, seeds) == (0, 0) if n_words > 4 else loop >= 9 and seeds >= 6, shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_results_made_with_a_workspace_can_be_passed_on(dtype):
    """Results own their memory: a later call with the same workspace leaves them alone."""

    @njit
    def chain(X, centers, work):
        first = jit.fit(X, centers, 1, work)
        for _ in range(3):
            labels = jit.nearest(X, centers, work).labels
            centers = jit.update(X, labels, centers, work).centers
        return first, jit.fit(X, centers[::-1], 2, work)

    X = np.random.default_rng(0).normal(size=(300, 3)).astype(dtype)
    first, last = chain(X, X[:7], jit.workspace(300, 3, 7))
    centers = X[:7]
    for _ in range(3):
        centers = jit.update(X, jit.nearest(X, centers).labels, centers).centers
    assert bits(*first) == bits(*jit.fit(X, X[:7], 1))
    assert bits(*last) == bits(*jit.fit(X, centers[::-1], 2))


@njit
def users_words(X, k, rng, work):
    return (
        jit.fit(X, X[:k], 5, work),
        jit.update(X, work[3:33] % k, X[:k], work),
        jit.plus_plus(X, k, rng, work),
    )


@pytest.mark.parametrize("first", [0, 1, 7, 8, 440])
def test_arguments_anywhere_in_a_workspace_are_left_alone(first):
    work = jit.workspace(30, 3, 4)
    X = work[first : first + 90].view(np.float64).reshape(30, 3)
    X[:] = given = np.random.default_rng(0).normal(size=(30, 3))
    fit, update, picks = users_words(X, 4, np.random.default_rng(1), work)
    assert bits(*fit) == bits(*jit.fit(given, given[:4], 5))
    assert np.array_equal(X, given)
    assert np.array_equal(picks, jit.plus_plus(given, 4, np.random.default_rng(1)))
    assert update.status == jit.OK


@pytest.mark.parametrize("work", [np.empty(0, np.int64), np.full(7, -1), np.full(8, 2**62), np.full(500, -9)])
def test_any_array_of_integers_is_a_safe_workspace(work):
    X = np.random.default_rng(0).normal(size=(30, 3)) * 10.0 ** np.arange(-100, 200, 100)
    fit = users_loop(X, X[:4], np.zeros(30, np.int64), 1, work)[0]
    assert bits(*fit) == bits(*jit.fit(X, X[:4], 5))
