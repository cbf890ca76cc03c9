"""Python threads, asyncio, and the pools of other libraries, all at once."""

import asyncio
import contextlib
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from situations.answers import CHILD, KINDS, answer, data, require_parallel, same


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


def first_calls():
    """Threads whose first calls NumPy answers, until the time for that is up: then kernels do."""
    from numbakmeans import _cache, _plan
    from numbakmeans._tiers import Tier

    _cache.holds = lambda *_: False
    _plan.PATIENCE = math.inf
    expected = [answer(which) for which in range(KINDS)]
    assert 0.0 < Tier.spent < math.inf
    _plan.PATIENCE = Tier.spent + 0.2
    with ThreadPoolExecutor(8) as pool:
        right = list(pool.map(lambda which: same(answer(which % KINDS), expected[which % KINDS]), range(48)))
    assert Tier.spent == math.inf
    require_parallel()
    assert all(right), f"{right.count(False)} answers were wrong"
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
