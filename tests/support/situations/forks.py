"""Forks: after use, in process pools, and while other threads run, compile, load or start."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from support.situations.answers import KINDS, answer, data, in_child, require_parallel, same


def is_serial():
    from numbakmeans._numba import runtime as _runtime

    return _runtime._State.serial


def fork_after_use():
    """Fork children and grandchildren after threads have been used; then use the parent again."""
    expected = answer()
    require_parallel()
    layer = os.environ["NUMBA_THREADING_LAYER"]

    def check():
        return same(answer(), expected) and is_serial() == (layer == "omp")

    ends = [in_child(check) for _ in range(2)]
    ends.append(in_child(lambda: check() and in_child(check) == 0))
    assert ends == [0, 0, 0], ends
    assert not is_serial()
    return same(answer(), expected)


def _pooled(which):
    return answer(which)


def process_pools():
    """Use process pools of multiprocessing, concurrent.futures and joblib; fork, spawn and forkserver."""
    import joblib

    expected = [answer(which) for which in range(2)]
    require_parallel()

    def right(found):
        found = list(found)
        return len(found) == 2 and all(map(same, found, expected))

    ends = {}
    fork = multiprocessing.get_context("fork")
    # First the pool that reports a dead child: the others would start new ones again and again.
    with ProcessPoolExecutor(2, mp_context=fork) as pool:
        ends["concurrent.futures"] = right(pool.map(_pooled, range(2)))
    with fork.Pool(2) as pool:
        ends["multiprocessing"] = right(pool.map(_pooled, range(2)))
    for backend in ("multiprocessing", "loky", "threading"):
        jobs = (joblib.delayed(_pooled)(which) for which in range(2))
        ends[backend] = right(joblib.Parallel(2, backend=backend)(jobs))
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            ends[method] = right(pool.map(_pooled, range(2)))
    assert all(ends.values()), ends
    return True


def fork_while_running():
    """Fork while other threads are inside kernels, as a server might."""
    expected = [answer(which) for which in range(KINDS)]
    require_parallel()
    stop = threading.Event()

    def work(which):
        while not stop.is_set():
            assert same(answer(which), expected[which])

    workers = [threading.Thread(target=work, args=(which,)) for which in (0, 3)]
    for worker in workers:
        worker.start()
    ends = []
    for which in range(12):
        time.sleep(0.01)
        ends.append(in_child(lambda w=which % KINDS: same(answer(w), expected[w])))
    stop.set()
    for worker in workers:
        worker.join()
    assert ends == [0] * 12, ends
    return same(answer(), expected[0])


def fork_beside_short_kernels():
    """Fork many times while threads keep starting kernels: one child in twenty would wait forever."""
    from numbakmeans import kmeans2
    from numbakmeans._engine import thresholds as at

    X = data()[:2000]
    expected = answer()
    require_parallel()
    at.MIN_PARALLEL_STEPS, at.MAX_SMALL_STEPS = 0, {4: 0, 8: 0}

    def short():
        return kmeans2(X, X[:6], iter=3, minit="matrix")

    right = short()
    stop = threading.Event()

    def work():
        while not stop.is_set():
            assert same(short(), right)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    ends = [0]
    while ends[-1] == 0 and len(ends) <= 150:
        ends.append(in_child(lambda: same(short(), right), limit=5))
    stop.set()
    for worker in workers:
        worker.join()
    assert ends[-1] == 0, ends[-1]
    return same(answer(), expected)


def fork_while_compiling():
    """Fork while another thread compiles; the child compiles, too."""
    import numba
    from numba.core.compiler_lock import global_compiler_lock

    from numbakmeans._numba.compiler import kernel

    expected = answer()

    @numba.njit
    def other(x):
        return np.sin(x)

    @kernel
    def mine(x):
        return x + 1

    # The thread keeps holding the lock afterwards, so that the fork falls into the middle.
    began = threading.Event()

    def compile_other():
        with global_compiler_lock:
            began.set()
            other(1.0)
            time.sleep(0.5)

    thread = threading.Thread(target=compile_other)
    thread.start()
    began.wait()
    end = in_child(lambda: mine(1.0) == 2.0 and same(answer(), expected), limit=5)
    thread.join()
    assert end == 0, end
    return mine(1) == 2


def fork_while_loading():
    """Fork while another thread loads code, or is about to import Numba for that; the child loads, too."""
    from numbakmeans._numba import entries, runtime
    from numbakmeans._numba.compiler import kernel

    @kernel
    def mine(x):
        return x + 1

    began = threading.Event()

    def load():
        with entries.bind_lock:
            began.set()
            time.sleep(0.5)

    thread = threading.Thread(target=load)
    thread.start()
    began.wait()
    end = in_child(lambda: mine(1) == 2 and runtime.threads() > 0, limit=5)
    thread.join()
    assert end == 0, end
    assert not runtime._held
    return mine(1) == 2


def fork_while_starting():
    """Fork while another thread chooses the threading layer."""
    from numba.np.ufunc import parallel

    from numbakmeans._numba import runtime as _runtime

    began = threading.Event()

    def hold():
        with parallel._backend_init_thread_lock:
            began.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    end = in_child(lambda: _runtime.threads() > 1, limit=5)
    thread.join()
    assert end == 0, end
    return same(answer(), answer())
