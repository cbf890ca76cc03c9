"""Ctrl-C during passes, seeding, compilation and loading."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from support.situations.answers import CHILD, answer, data, in_child, same


def interrupted(call, after=0.4):
    """Send SIGINT while call() runs, and check the state it leaves; return the seconds it took to end."""
    import numba

    from numbakmeans import vq
    from numbakmeans._numba import runtime as _runtime

    X = data()
    expected = vq(X[:500], X[:9])
    numba.set_num_threads(3)
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        call()
    except KeyboardInterrupt:
        seconds = time.perf_counter() - sent[0]
    else:
        raise AssertionError("was done before it could be interrupted")
    timer.join()
    assert numba.get_num_threads() == 3
    # Nothing stays locked: another thread and a forked child can go on.
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: (vq(X[:500], X[:9]), answer())).result(CHILD)
    assert same(found[0], expected)
    assert in_child(lambda: same(vq(X[:500], X[:9]), expected)) == 0
    assert np.array_equal(X, data())
    assert not _runtime._held
    print(f"{seconds:.3f} s after the signal")
    return seconds


def interrupt_passes():
    from numbakmeans import fit

    X = np.random.default_rng(0).normal(size=(200_000, 8))
    before = X.copy()
    fit(X, X[:300], max_iter=1)
    began = time.perf_counter()
    fit(X, X[:300], max_iter=1)
    one_pass = time.perf_counter() - began
    seconds = interrupted(lambda: fit(X, X[:300], max_iter=10**6))
    assert np.array_equal(X, before)
    return seconds < 10 * max(0.3, one_pass)


def interrupt_few_rows(in_batch=False):
    """Interrupt passes that are so short that one call makes many of them."""
    from numbakmeans import fit, kmeans2_batch
    from numbakmeans._engine import thresholds as at

    at.MIN_PARALLEL_STEPS, at.MAX_SMALL_STEPS = 10**18, {4: 10**18, 8: 10**18}
    os.environ["NUMBAKMEANS_LEAN"] = "1"
    X = np.sort(np.random.default_rng(0).normal(size=(128_000, 1)), 0)
    centers = X[:500].copy()

    def solve(n_iter):
        if in_batch:
            kmeans2_batch(X[None], centers[None], n_iter)
        else:
            fit(X, centers, max_iter=n_iter)

    for n_iter in (1, 20):  # with 20 passes, a problem of a batch gets its own calls
        solve(n_iter)
    return interrupted(lambda: solve(500)) < 2


def interrupt_batch():
    return interrupt_few_rows(in_batch=True)


def interrupt_seeding():
    """Interrupt '++' with many clusters and with few rows, and the covariance and factor of 'random'."""
    from numbakmeans import kmeans2

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50_000, 4))
    wide = rng.normal(size=(4000, 3000))
    for X, k, minit, after in (
        (rows, 50_000, "++", 0.5),
        (rows[:10], 5_000_000, "++", 0.5),
        (wide, 2, "random", 0.5),
        (wide[:3000], 2, "random", 2.0),
    ):
        generator = np.random.default_rng(1)
        before = X.copy()
        seconds = interrupted(
            lambda: kmeans2(X, k, iter=1, minit=minit, rng=generator),  # noqa: B023, called at once
            after,
        )
        assert np.array_equal(X, before)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(generator.random).result(CHILD)  # its lock is free
        assert seconds < 2
    return True


def interrupt_compiling():
    """Interrupt a compilation in the callback in which LLVM hands over its code, and anywhere else."""
    from numba.core.codegen import CPUCodeLibrary

    # Before the first compilation, in which the engine picks up the callback.
    return interrupted_compiling(CPUCodeLibrary, "_object_compiled_hook")


def interrupt_linking():
    """Interrupt a compilation when LLVM owns a module already, but llvmlite has not recorded it yet."""
    from llvmlite.binding import ModuleRef

    return interrupted_compiling(ModuleRef, "detach")


def compile_loop():
    """Compile the parallel loop as a new process with an empty cache does."""
    import numba

    from numbakmeans._numba import cache, drivers, parallel

    cache.key_of = lambda *_: None
    options = {"nogil": True, "fastmath": False, "error_model": "numpy", "parallel": True}
    parallel.run_tasks = numba.njit(**options)(parallel.run_tasks.py_func)
    drivers._loops.clear()
    return drivers.threaded()


def compile_sum():
    """Compile a kernel, load it, and call it."""
    from numbakmeans._numba.compiler import kernel

    @kernel
    def add_up(values):
        total = 0.0
        for i in range(len(values)):
            total += abs(values[i]) * i
        return total

    return add_up(np.ones(3))


def interrupted_compiling(owner, name):
    method, interrupting = getattr(owner, name), False

    def interrupting_method(*arguments):
        nonlocal interrupting
        if interrupting:
            interrupting = False
            os.kill(os.getpid(), signal.SIGINT)
        return method(*arguments)

    setattr(owner, name, interrupting_method)

    def anywhere():
        while True:
            compile_sum()
            compile_loop()

    interrupting = lost = True
    try:
        compile_loop()
    except KeyboardInterrupt:
        lost = interrupting
    assert not lost, "an interrupt was lost"
    return interrupted(anywhere) < 5 and compile_sum() == 3.0 and compile_loop() > 0


def interrupt_loading():
    """Interrupt loading repeatedly, when LLVM owns a module already, but llvmlite has not recorded it yet."""
    from numbakmeans._numba import compiler, entries, loader

    code = compiler.compile_entry(_kernel_of_sums(), (("d", 1),))
    add, sent = loader._load, 0

    def load():
        bound = entries.bound_at(loader.address_of(code.object_file, code.symbol), (("d", 1),), code.results)
        return entries.Entry.call(bound, (np.ones(3),))

    def interrupting(*arguments):
        nonlocal sent
        os.kill(os.getpid(), signal.SIGINT)
        sent += 1
        return add(*arguments)

    loader._load = interrupting
    caught = 0
    for _ in range(20):
        try:
            load()
        except KeyboardInterrupt:
            caught += 1
    loader._load = add
    assert caught == sent == 20, (caught, sent)

    def anywhere():
        while True:
            load()

    return interrupted(anywhere) < 1 and load() == 3.0


def _kernel_of_sums():
    from numbakmeans._numba.compiler import kernel

    @kernel
    def add_up(values):
        total = 0.0
        for i in range(len(values)):
            total += values[i]
        return total

    return add_up
