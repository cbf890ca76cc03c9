"""Situations in which programs that use Numba die: a program that other processes run.

``python situations.py NAME [GUARD ...]`` runs one and ends with 0 where every answer in it was right.
Guards that are named are taken away first: the negative controls, which must end otherwise.
"""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

#: Seconds after which a forked child counts as hanging.
CHILD = 20


def data(dtype=np.float64):
    # Enough work for threads: `require_parallel` checks.
    return np.random.default_rng(0).normal(size=(60_000, 4)).astype(dtype)


def answer(which=0):
    """Return one answer of the library: several kinds, in float32 and float64."""
    from numbakmeans import fit, kmeans2, vq

    X = data(np.float32 if which % 2 else np.float64)
    kind = which // 2 % 3
    if kind == 0:
        return kmeans2(X, 9, iter=2, minit="++", rng=which)
    if kind == 1:
        return vq(X, X[:50])
    return fit(X, X[:9], max_iter=2)[:3]


KINDS = 6


def same(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def require_parallel():
    """Check that the situation is the one meant: several threads, and kernels that use them."""
    import numba

    from numbakmeans import _plan

    plan = _plan.sweep((60_000, 4), work=60_000 * 4 * 9)
    assert plan.parallel
    assert plan.n_slots == numba.get_num_threads() > 1
    wanted = os.environ["NUMBA_THREADING_LAYER"]
    assert numba.threading_layer() == wanted, (numba.threading_layer(), wanted)


def in_child(check, limit=CHILD):
    """Fork, and return how the child ended: 0 where check() is true there, -n after signal n."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(limit)
        code = 9
        try:
            code = 0 if check() else 8
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_serial():
    from numbakmeans import _runtime

    return _runtime._State.serial


# --- Threads


def thread_pools():
    """Many Python threads and asyncio at once; nobody's number of threads changes."""
    import numba

    expected = [answer(which) for which in range(KINDS)]
    require_parallel()
    numba.set_num_threads(2)

    def work(which):
        numba.set_num_threads(1 + which % 3)
        right = same(answer(which % KINDS), expected[which % KINDS])
        return right and numba.get_num_threads() == 1 + which % 3

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))

    async def serve():
        return await asyncio.gather(*(asyncio.to_thread(work, which) for which in range(16)))

    assert all(asyncio.run(serve()))
    assert numba.get_num_threads() == 2
    return True


def other_pools():
    """The pools of OpenMP in scikit-learn, of BLAS and, where it is installed, of torch, at the same time."""
    from sklearn.cluster import KMeans

    expected = [answer(which) for which in range(KINDS)]
    require_parallel()
    X = data()
    stop = threading.Event()
    rounds = dict.fromkeys(("scikit-learn", "BLAS"), 0)

    def scikit_learn():
        KMeans(9, init=X[:9], n_init=1, max_iter=2).fit(X[:20_000])

    def blas():
        square = np.random.default_rng(0).normal(size=(300, 300))
        assert np.allclose(square @ square, square @ square)  # its last bits differ from call to call

    jobs = {"scikit-learn": scikit_learn, "BLAS": blas}
    with contextlib.suppress(ImportError):
        import torch

        rounds["torch"] = 0
        jobs["torch"] = lambda: torch.rand(300, 300) @ torch.rand(300, 300)

    def busy(name):
        while not stop.is_set():
            jobs[name]()
            rounds[name] += 1

    others = [threading.Thread(target=busy, args=(name,), daemon=True) for name in jobs]
    for thread in others:
        thread.start()
    with ThreadPoolExecutor(3) as pool:
        right = list(
            pool.map(lambda which: same(answer(which % KINDS), expected[which % KINDS]), range(4 * KINDS))
        )
    stop.set()
    for thread in others:
        thread.join(CHILD)
        assert not thread.is_alive()
    assert min(rounds.values()) > 0, rounds
    print(rounds)
    return all(right)


# --- Forks


def fork_after_use():
    """Children, and their children, of a process that has used threads; and the parent afterwards."""
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
    """Pools of forked processes (multiprocessing, concurrent.futures, joblib), spawn and forkserver."""
    import joblib

    expected = [answer(which) for which in range(2)]
    require_parallel()

    def right(found):
        found = list(found)
        return len(found) == 2 and all(map(same, found, expected))

    ends = {}
    fork = multiprocessing.get_context("fork")
    # First the one that tells of a child that died: others start a new one, again and again.
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
    """A server that forks while other threads are in the middle of kernels."""
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
    """Many forks beside threads that begin kernels all the time: one child in twenty would wait for ever."""
    from numbakmeans import _plan, kmeans2

    X = data()[:2000]
    expected = answer()
    require_parallel()
    _plan.PARALLEL_WORK = 0

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
    """A fork while another thread compiles; the child has something to compile, too."""
    import numba
    from numba.core.compiler_lock import global_compiler_lock

    from numbakmeans._jit import kernel

    expected = answer()

    @numba.njit
    def other(x):
        return np.sin(x)

    @kernel
    def mine(x):
        return x + 1

    # So that the fork is in the middle: the thread goes on holding the lock after that.
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


def fork_while_starting():
    """A fork while another thread chooses the threading layer."""
    from numba.np.ufunc import parallel

    from numbakmeans import _runtime

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


# --- Ctrl-C


def interrupted(call, after=0.4):
    """Send SIGINT while call() runs, and check what it leaves; return the seconds it took to end."""
    import numba

    from numbakmeans import _runtime, vq

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
    # Nothing is locked: another thread, and a forked child, can go on.
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
    """Passes that are so short that a call makes many, and go on for long."""
    from numbakmeans import _plan, fit, kmeans2_batch

    _plan.PARALLEL_WORK = 10**18
    os.environ["NUMBAKMEANS_LEAN"] = "1"
    X = np.sort(np.random.default_rng(0).normal(size=(128_000, 1)), 0)
    centers = X[:500].copy()

    def solve(n_iter):
        if in_batch:
            kmeans2_batch(X[None], centers[None], n_iter)
        else:
            fit(X, centers, max_iter=n_iter)

    for n_iter in (1, 20):  # the second one, in a batch, makes calls of its own
        solve(n_iter)
    return interrupted(lambda: solve(500)) < 2


def interrupt_batch():
    return interrupt_few_rows(in_batch=True)


def interrupt_seeding():
    """'++' with many clusters, and of few rows; covariance and factor of 'random' for many features."""
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
    """In the middle of a compilation: in the callback in which LLVM hands over its code, and anywhere."""
    from numba.core.codegen import CPUCodeLibrary

    # Before the first compilation: the engine takes it then.
    return interrupted_compiling(CPUCodeLibrary, "_object_compiled_hook")


def interrupt_linking():
    """In the middle of a compilation: a module belongs to LLVM, and llvmlite is about to note it."""
    from llvmlite.binding import ModuleRef

    return interrupted_compiling(ModuleRef, "detach")


def interrupted_compiling(owner, name):
    method, interrupting = getattr(owner, name), False

    def interrupting_method(*arguments):
        nonlocal interrupting
        if interrupting:
            interrupting = False
            os.kill(os.getpid(), signal.SIGINT)
        return method(*arguments)

    setattr(owner, name, interrupting_method)

    from numbakmeans import _jit

    def compile_sort():
        kernel = _jit.kernel(lambda x: np.sort(x)[0] + np.median(x) + np.argsort(x)[0])
        kernel._cache.disable()
        return kernel(np.ones(3))

    def anywhere():
        while True:
            compile_sort()

    interrupting = lost = True
    try:
        compile_sort()
    except KeyboardInterrupt:
        lost = interrupting
    assert not lost, "an interrupt was lost"
    return interrupted(anywhere) < 5 and compile_sort() == 2.0


# --- Inputs that change


def changing_input():
    """Another thread writes to the data while they are read: results mean nothing, but are whole."""
    import ways

    from numbakmeans import _plan, fit, kmeans, kmeans2, vq, whiten
    from numbakmeans._samples import Samples

    # Slabs of what kernels cannot read as it is, and bounds and heads whatever they cost.
    _plan.COPY_BYTES, _plan.SLAB_BYTES = 0, 1 << 18
    ways.ask_all()
    X, few = np.random.default_rng(0).normal(size=(20_000, 64)), data()[:20_000]
    centers = X[:80].copy()
    stop = threading.Event()

    def change():
        rng = np.random.default_rng(1)
        while not stop.is_set():
            for array in (X, few):
                array[:: rng.integers(1, 5)] = rng.choice(
                    [np.nan, np.inf, -np.inf, 1.7e308, 5e-324, 0.0, 1e9]
                )
                time.sleep(0.0005)
                array[...] = rng.normal(size=array.shape)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(6):
            for array, book in ((X, centers), (few, centers[:, :4])):
                k = len(book)
                for minit in ("random", "points", "++"):
                    found = kmeans2(array, k, 3, minit=minit, check_finite=False, rng=0)
                    assert 0 <= found[1].min() <= found[1].max() < k
                labels = vq(array, book, check_finite=False)[0]
                assert 0 <= labels.min() <= labels.max() < k
                result = fit(array[:, ::-1], book, max_iter=4, check_finite=False)
                assert 0 <= result.labels.min() <= result.labels.max() < k
                for way in ways.WAYS:
                    labels = ways.iterate(Samples(array), book, 4, way).labels
                    assert 0 <= labels.min() <= labels.max() < k
                kmeans(array[:500], 5, iter=1, thresh=np.inf, check_finite=False, rng=0)
                whiten(array, check_finite=False)
    finally:
        stop.set()
        thread.join()
    return True


# --- Errors


def errors_in_a_prange():
    """A NaN in one of many problems: an error, not under workqueue, or nothing; the next call is right."""
    from numba import njit, prange, threading_layer

    from numbakmeans import kmeans2

    @njit(parallel=True)
    def labels_of(problems):
        labels = np.full(problems.shape[:2], -7, np.int32)
        for b in prange(len(problems)):
            labels[b] = kmeans2(problems[b], problems[b, :3], 4, minit="matrix")[1]
        return labels

    problems = np.random.default_rng(0).normal(size=(8, 40, 3))
    right = np.stack([kmeans2(problem, problem[:3], 4)[1] for problem in problems])
    for bad in range(8):
        spoilt = problems.copy()
        spoilt[bad, 3, 1] = np.nan
        try:
            found = labels_of(spoilt)
        except (SystemError, ValueError):
            assert threading_layer() != "workqueue"
        else:
            undone = (found == -7).all(axis=1)
            assert undone[bad]
            assert (undone | (found == right).all(axis=1)).all()
        assert np.array_equal(labels_of(problems), right)
    return True


# --- Guards, to be taken away


def without_kernel_lock():
    from numbakmeans import _runtime

    _runtime.KERNEL_LOCK = contextlib.nullcontext()


def without_fork_handlers():
    os.register_at_fork = lambda **_: None


def without_steps():
    from numbakmeans import _plan

    _plan.STEPS_PER_CALL = 10**18


def without_keeping():
    from numbakmeans import _runtime

    _runtime.keeps_interrupts = lambda compile: compile


def with_a_wild_label():
    """Not a guard, but a fault: the label that a NaN would get without its rule."""
    from numbakmeans import _scipy

    nearest = _scipy.nearest

    def wild(samples, centers):
        labels, sq_dists = nearest(samples, centers)
        labels[-1] = len(centers)
        return labels, sq_dists

    _scipy.nearest = wild


GUARDS = {
    "sound labels": with_a_wild_label,
    "keeping": without_keeping,
    "kernel lock": without_kernel_lock,
    "fork handlers": without_fork_handlers,
    "steps": without_steps,
}


def main(name, *guards):
    # Children die with this process, whatever happens to it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    for guard in guards:
        GUARDS[guard]()
    return 0 if globals()[name]() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
