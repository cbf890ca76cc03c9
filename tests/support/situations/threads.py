"""Python threads, asyncio, and the thread pools of other libraries, all at once."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from support.situations.answers import CHILD, KINDS, answer, data, require_parallel, same


def thread_pools():
    """Call from many Python threads and from asyncio; no caller's number of threads changes."""
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


def first_calls():
    """Make concurrent first calls: one thread loads or compiles a function while the others wait."""
    from numbakmeans._numba import loader

    loaded, address_of = [], loader.address_of

    def watched(object_file, symbol):
        loaded.append(symbol)
        time.sleep(0.01)  # others come in between, if they can
        return address_of(object_file, symbol)

    loader.address_of = watched
    together = threading.Barrier(8)

    def first(which):
        together.wait()
        return answer(which % KINDS)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(first, range(8)))
    assert len(set(loaded)) == len(loaded) > 5, "a function was loaded twice"
    require_parallel()
    right = [same(answer(which % KINDS), found[which]) for which in range(8)]
    assert all(right), f"{right.count(False)} answers were wrong"
    return True


def other_pools():
    """Run next to the thread pools of scikit-learn (OpenMP), BLAS and, if installed, torch."""
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
