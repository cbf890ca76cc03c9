"""What every situation needs: answers of the library, and forked children that report how they ended."""

import os
import signal

import numpy as np

#: Seconds after which a forked child counts as hanging.
CHILD = 20


def data(dtype=np.float64):
    # Enough work for threads: `require_parallel` checks.
    return np.random.default_rng(0).normal(size=(60_000, 4)).astype(dtype)


def answer(which=0):
    """Return one of several kinds of answers of the library, in float32 or float64."""
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
    """Check that the situation is the intended one: several threads, and kernels that use them."""
    import numba

    from numbakmeans._engine import plan as _plan

    plan = _plan.sweep((60_000, 4), work=60_000 * 4 * 9)
    assert plan.parallel
    assert plan.n_tasks == numba.get_num_threads() > 1
    wanted = os.environ["NUMBA_THREADING_LAYER"]
    assert numba.threading_layer() == wanted, (numba.threading_layer(), wanted)


def in_child(check, limit=CHILD):
    """Fork, and return the child's exit code: 0 if check() is true there, -n after signal n."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(limit)
        code = 9
        try:
            code = 0 if check() else 8
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
