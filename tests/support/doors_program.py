"""Call doors from a user's compiled code, each program in its own process:
``python -m support.doors_program NAME``.

The tests write `users.py`, the user's functions (`USERS`), next to their caches. Each program prints its
findings as JSON.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np

#: The user's module. Without USERS_COMPILES it does not import us: Numba's cache holds all of its code.
USERS = """
import os
import numpy as np
from numba import njit, prange

jit = kmeans2 = whiten = None
if os.environ.get("USERS_COMPILES"):
    from numbakmeans import jit, kmeans2, whiten


@njit(cache=True)
def labelled(X, k):
    fit = jit.fit(X, X[:k], 7)
    return fit.centers, fit.labels, fit.status


@njit(cache=True)
def clustered(X, k):
    return kmeans2(X, X[:k], 7)


@njit(cache=True)
def drawn(X, k, rng):
    return kmeans2(X, k, 7, minit="++", rng=rng)


@njit(cache=True)
def whitened(X):
    return whiten(X)


@njit(cache=True, parallel=True)
def many(data, k):
    labels = np.empty(data.shape[:2], np.int32)
    status = np.empty(len(data), np.int64)
    for b in prange(len(data)):
        fit = jit.fit(data[b], data[b, :k], 7)
        labels[b], status[b] = fit.labels, fit.status
        labels[b] += 10 * kmeans2(data[b], data[b, :k], 7)[1]
    return labels, status


@njit(cache=True, parallel=True)
def nested(data, k):
    labels = np.empty(data.shape[:3], np.int32)
    for b in prange(len(data)):
        labels[b] = many(data[b], k)[0]
    return labels
"""
SMALL, LARGE, OK = (60, 3), (12_000, 3), 0


def stack(shape, n_problems=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_problems, *shape)) + rng.integers(-3, 3, size=(n_problems, shape[0], 1))


def right(data, k):
    """Return the labels that `many` should return."""
    from numbakmeans import kmeans2

    return np.array([11 * kmeans2(X, X[:k], 7)[1] for X in data])


def called():
    """Call everything, here and in a prange whose threads all call at once; with few rows and with many."""
    from users import clustered, drawn, labelled, many, whitened

    imported = "numbakmeans._nopython" in sys.modules
    found, status = many(stack(SMALL), 5)
    also, status_also = many(stack(LARGE, 3), 5)
    X = stack(SMALL)[0]
    rng = np.random.default_rng(1)
    others = labelled(X, 5), clustered(X, 5), drawn(X, 5, rng), whitened(X)
    imported_before = "numba" in sys.modules and imported

    from numbakmeans import fit, kmeans2, whiten

    wanted = np.random.default_rng(1)
    expected = (
        fit(X, X[:5], max_iter=7)[:2],
        kmeans2(X, X[:5], 7),
        kmeans2(X, 5, 7, minit="++", rng=wanted),
        whiten(X),
    )
    return {
        "imported": imported_before,
        "loaded": [
            sum(each.stats.cache_hits.values()) for each in (many, labelled, clustered, drawn, whitened)
        ],
        "status": sorted({*status.tolist(), *status_also.tolist()}),
        "few rows": bool((found == right(stack(SMALL), 5)).all()),
        "many rows": bool((also == right(stack(LARGE, 3), 5)).all()),
        "others": same(others, expected) and rng.bit_generator.state == wanted.bit_generator.state,
    }


def same(results, expected):
    """Return whether the parts of several results are equal."""
    for ours, rights in zip(results, expected, strict=True):
        if isinstance(rights, np.ndarray):
            ours, rights = (ours,), (rights,)
        if not all(np.array_equal(a, b) for a, b in zip(ours, rights, strict=False)):
            return False
    return True


def in_child(call):
    """Return whether a call is true in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if call() else 3)
        except BaseException:  # whatever it is, even SystemExit: the child must not go on with the suite
            os._exit(4)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def forked():
    """Call functions in children whose doors are resolved or not, also after threads have run, and while
    another thread resolves a door.
    """
    from users import clustered, labelled, many

    small, large = stack(SMALL)[0], stack(LARGE, 1)[0]
    first = in_child(lambda: labelled(small, 5)[2] == OK and labelled(large, 5)[2] == OK)
    kept, far = labelled(small, 5), labelled(large, 5)
    labels, _ = many(stack(SMALL), 5)

    def again():
        fine = same([labelled(small, 5), labelled(large, 5)], [kept, far])
        return fine and (clustered(small, 5)[1] == labels[0] % 10).all()

    def resolve():
        clustered(small, 5)

    resolving = threading.Thread(target=resolve)
    resolving.start()
    meanwhile = in_child(again)
    resolving.join()
    return {
        "first": first,
        "meanwhile": meanwhile,
        "resolved": in_child(again),
        "control": in_child(lambda: False),
    }


def nested():
    from users import nested

    data = stack(SMALL, 12).reshape(3, 4, *SMALL)
    wanted = np.array([right(part, 5) for part in data])
    return bool((nested(data, 5) == wanted).all()), bool((nested(data[::-1], 5) == wanted).all())


def answers():
    """Return what a user's functions return or raise where the package cannot answer."""
    if os.environ.get("USERS_LOSE"):
        sys.modules["numbakmeans"] = None
    from users import clustered, drawn, labelled, whitened

    X = stack(SMALL)[0]
    centers, labels, status = labelled(X, 5)
    found = {
        "fit": [status, bool(np.isnan(centers).all()), bool((labels == -1).all())],
        "loaded": sum(labelled.stats.cache_hits.values()),
    }
    calls = {
        "kmeans2": lambda: clustered(X, 5),
        "drawn": lambda: drawn(X, 5, np.random.default_rng(0)),
        "whiten": lambda: whitened(X),
    }
    for name, call in calls.items():
        try:
            call()
            found[name] = "nothing"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def interrupted_compiling():
    """Interrupt, or not, while the kernel behind a door is compiled; and call again afterwards."""
    from numbakmeans._numba import compiler

    compile_entry, interrupting = compiler.compile_entry, False

    def interrupted(kernel, kinds):
        nonlocal interrupting
        if interrupting:
            interrupting = False
            os.kill(os.getpid(), signal.SIGINT)
        return compile_entry(kernel, kinds)

    compiler.compile_entry = interrupted
    from users import clustered, labelled

    from numbakmeans import fit, kmeans2

    X = stack(SMALL)[0]
    expected = fit(X, X[:5], max_iter=7)[:2], kmeans2(X, X[:5], 7)
    found = []
    for call in (labelled, clustered):
        interrupting = bool(os.environ.get("USERS_INTERRUPT"))
        try:
            call(X, 5)
            time.sleep(0.05)  # the interrupt comes a moment later where Numba's Python code runs after ours
            found.append("returned")
        except KeyboardInterrupt:
            found.append("interrupted")
    return found, same([labelled(X, 5), clustered(X, 5)], expected)


def interrupted_running():
    """Interrupt while Python runs the passes for compiled code; return how long it takes to respond."""
    from numba import njit

    from numbakmeans import jit, kmeans2

    @njit
    def users_fit(X, centers, max_iter):
        return jit.fit(X, centers, max_iter).status

    @njit
    def users_kmeans2(X, centers, max_iter):
        return kmeans2(X, centers, max_iter)[1][0]

    X, found = np.random.default_rng(0).normal(size=(200_000, 8)), []
    for call in (users_fit, users_kmeans2):
        call(X, X[:300], 1)
        sent = []

        def send(sent=sent):
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.5, send)
        timer.start()
        try:
            call(X, X[:300], 10**6)
        except KeyboardInterrupt:
            found.append(time.perf_counter() - sent[0])
        timer.join()
    return found


def failing():
    """Return what becomes of exceptions raised in the Python part of a call."""
    from numba import njit

    from numbakmeans import _nopython, _scipy, jit, kmeans2

    @njit
    def users_fit(X, k):
        return jit.fit(X, X[:k], 2)

    @njit
    def users_kmeans2(X, k):
        return kmeans2(X, X[:k], 2)

    # The only class of exceptions, beside none at all, that Numba lets nopython code catch.
    @njit
    def trying(X, k):
        try:
            return kmeans2(X, X[:k], 2)[1][0]
        except Exception:
            return -7

    @njit
    def trying_further_up(X, k):
        try:
            return users_kmeans2(X, k)[1][0]
        except Exception:
            return -7

    X, shown, found = stack(LARGE, 1)[0], [], []
    sys.unraisablehook = lambda unraisable: shown.append(type(unraisable.exc_value).__name__)

    def fails(error):
        def fail(*_arguments, **_options):
            raise error

        return fail

    fit, clusters = _nopython.fit_arrays, _scipy.kmeans2_for
    for error in (MemoryError(), ImportError(), ValueError("planted"), SystemExit(3)):
        _nopython.fit_arrays = _scipy.kmeans2_for = fails(error)
        result = users_fit(X, 3)
        try:
            raised = str(users_kmeans2(X, 3)[0].shape)
        except BaseException as caught:
            raised = caught is error
        caught = [int(call(X, 3)) for call in (trying, trying_further_up)]
        found.append([result.status, bool(np.isnan(result.inertia)), raised, caught])
    _nopython.fit_arrays, _scipy.kmeans2_for = fit, clusters
    found.append(
        [users_fit(X, 3).status, len(users_kmeans2(X, 3)[1]), trying(X, 3) == trying_further_up(X, 3) >= 0]
    )
    return found, shown


def leaks():
    """Return what calls leave behind: those that succeed, and those that fail, compared with Numba's own."""
    import gc

    from numba import njit
    from numba.core.runtime import _nrt_python, rtsys

    from numbakmeans import jit, kmeans, kmeans2, vq, whiten

    @njit
    def everything(X, k, labels, rng, n_iter):
        starts = jit.plus_plus(X, k, rng), jit.points(X, k, rng), jit.parallel_plus_plus(X, k, rng)
        fits = jit.fit(X, X[:k], 2), jit.nearest(X, X[:k]), jit.update(X, labels, X[:k])
        codes = vq(X, X[:k]), kmeans(X, X[:k]), kmeans(X, k, 2, rng=rng), whiten(X)
        clusters = (
            kmeans2(X, k, n_iter, minit="++", rng=rng),
            kmeans2(X, k, n_iter, rng=rng),
            kmeans2(X, X[:k]),
        )
        return starts, fits, codes, clusters

    @njit
    def given(X, k, labels, rng, n_iter):
        return kmeans2(X, X[:k], n_iter)

    @njit
    def drawn(X, k, labels, rng, n_iter):
        return kmeans2(X, k, n_iter, minit="points", rng=rng)

    @njit
    def raises(X, centers, n_iter):
        if n_iter < 1:
            raise ValueError("as Numba does it")
        return X, centers

    @njit
    def numbas_own(X, k, labels, rng, n_iter):
        return raises(X, X[:k], n_iter)

    @njit
    def numbas_own_draw(X, k, labels, rng, n_iter):
        return raises(X, rng, n_iter)

    _nrt_python.memsys_enable_stats()
    warnings.simplefilter("ignore")

    def left(call, X, n_iter):
        """Return what five more calls leave behind after the first five."""
        rng, labels = np.random.default_rng(0), np.arange(len(X)) % 3

        def calls():
            for _ in range(5):
                with contextlib.suppress(ValueError):
                    call(X, 3, labels, rng, n_iter)

        def counts():
            gc.collect()
            stats = rtsys.get_allocation_stats()
            objects = sum(type(each).__name__ in ("Samples", "_Words", "_View") for each in gc.get_objects())
            memory = stats.mi_alloc - stats.mi_free, stats.alloc - stats.free
            return np.array([*(sys.getrefcount(each) for each in (X, rng, labels)), *memory, objects])

        calls()
        before = counts()
        calls()
        return (counts() - before).tolist()

    found = []
    for shape in (SMALL, LARGE):
        X = stack(shape, 1)[0]
        found += [left(call, X, 2) for call in (everything, given, drawn)]
        found.append(left(drawn, np.ones(shape), 2))  # empty clusters: a kernel draws, and Python takes over
    fails = []
    for shape in (SMALL, LARGE):
        X = stack(shape, 1)[0]
        pairs = (given, numbas_own), (drawn, numbas_own_draw)
        fails += [left(ours, X, 0) == left(numbas, X, 0) for ours, numbas in pairs]
    control = left(numbas_own, X, 0)

    def holding(call):
        """Return how many arrays and tuples are held by the frames in the traceback of an exception."""
        try:
            call()
        except ValueError as error:
            traceback, n_arrays = error.__traceback__.tb_next.tb_next, 0  # skip this function and the lambda
            while traceback is not None:
                held = traceback.tb_frame.f_locals.values()
                n_arrays += sum(isinstance(each, np.ndarray | tuple) for each in held)
                traceback = traceback.tb_next
            return n_arrays

    nothing = holding(lambda: given(X, 3, None, None, 0)), holding(lambda: kmeans2(X, X[:3], 0)) > 0
    return found, fails, control, nothing


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    print(json.dumps(globals()[sys.argv[1]]()))
