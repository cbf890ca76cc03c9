"""Compile everything that the package can need, so that no later call has to.

Small calls reach every kernel once for each working dtype. What is compiled does not depend on the number of
threads of the machine at hand: the loop that uses them is a function of its own. Nor does it depend on the
arrays of nopython code, which become copies of one kind before they reach a kernel (`_nopython`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from numbakmeans import _nopython, _overloads, _plan, _serial, jit
from numbakmeans._algorithms import ALGORITHMS
from numbakmeans._algorithms.many import solve
from numbakmeans._batch import kmeans2_batch
from numbakmeans._fit import fit, iterate, nearest, seed
from numbakmeans._kernels.canonical import nearest_chunk
from numbakmeans._kernels.room import NO_ROOM, room_of
from numbakmeans._samples import Samples, precision
from numbakmeans._scipy import kmeans, vq, whiten
from numbakmeans._seeding import SEEDINGS
from numbakmeans._slots import threaded


def small_calls() -> Iterator[Callable[[], object]]:
    """Return calls that together compile every kernel."""
    yield threaded
    for dtype in (np.float64, np.float32):
        # Shapes on both sides of `_plan.algorithm`.
        for n_features, n_clusters in ((2, 2), (16, 64)):
            X = np.random.default_rng(0).normal(size=(80, n_features)).astype(dtype)
            centers, samples = X[:n_clusters], Samples(X)
            for name in ALGORITHMS:
                for progress in (None, lambda *_: None):  # all passes in one call, and one by one
                    yield partial(iterate, samples, centers, 2, algorithm=name, progress=progress)
            yield partial(vq, X, centers)
            yield partial(nearest, samples, centers, scored=True)
            yield partial(kmeans2_batch, X[None], centers[None], 2)
            for minit in ("++", "points"):
                yield partial(kmeans2_batch, X[None], 2, 1, minit=minit, rng=0)
            yield partial(fit, X, centers, max_iter=2)
        # As many rows and centers as heads want, along a few directions, for which they pay.
        few = np.random.default_rng(0).normal(size=(_plan.HEAD_WORK // (100 * 500) + 1, 4))
        wide = (few @ few[:100].T).astype(dtype)
        yield partial(iterate, Samples(wide), wide[:500], 3, algorithm="yinyang")
        for method in SEEDINGS:
            yield partial(seed, samples, 2, method, np.random.default_rng(0))
        yield partial(kmeans, X, 2, iter=1, rng=0)
        yield partial(whiten, X)
        yield from calls_of_nopython_code(dtype)


def calls_of_nopython_code(dtype: type) -> Iterator[Callable[[], object]]:
    """Return calls that compile what is called by nopython code alone."""
    rng = np.random.default_rng(0)
    X: np.ndarray = np.ones((9, 2), dtype)
    for fit_all in (jit.fit, jit.parallel_fit):
        yield partial(fit_all, X, X[:2], 2)
    for find in (jit.nearest, jit.parallel_nearest):
        yield partial(find, X, X[:2])
    none = np.zeros(len(X), np.int32)
    for update in (jit.update, jit.parallel_update):
        yield partial(update, X, none, X[:2])
    yield partial(room_of, 0)
    work = jit.workspace(*X.shape, 2)
    yield partial(jit.fit, X, X[:2], 2, work)
    yield partial(jit.nearest, X, X[:2], work)
    yield partial(jit.update, X, none, X[:2], work)
    for draw in (jit.points, jit.plus_plus, jit.parallel_plus_plus):
        yield partial(draw, X, 2, rng)
    rows, wide, locked = X.copy(), np.ones((2, 4)), np.ones((2, 4))
    rows.flags.writeable = locked.flags.writeable = False
    labels, codes, sq_dists = np.empty(9, np.int32), np.empty(9, np.int32), np.empty(9)
    yield partial(
        solve,
        *_nopython.ONE_THREAD,
        rows,
        1,
        False,
        *precision(dtype is np.float32),
        wide.copy(),
        labels,
        NO_ROOM,
    )
    yield partial(nearest_chunk, rows, wide, 0, 9, _nopython.LANES, codes, sq_dists, NO_ROOM)
    yield partial(_serial.check_methods, "points", "warn")
    for start in (*_serial.DRAWN.values(), _serial.drawn_rows):
        yield partial(start, rows, 2, "points", rng)
    for react in (_overloads.always, _overloads.never):
        yield partial(react, "points", "warn")
    yield partial(_serial.drawn_codes, rows, 2, 1, False, 0.0, True, rng)
    for generator in (None, rng):
        for start in (_serial.given_centroids, _serial.given_or_drawn, _serial.given_rows):
            yield partial(start, rows, X[:2], "points", generator)
        yield partial(_serial.given_codes, rows, X[:2], 1, False, 0.0, True, generator)
    yield partial(_serial.divide_by_deviations, rows, X)
    for wanted in (dtype, np.float64):
        yield partial(_serial.roots, wide[0], wanted is np.float32, np.empty(4, wanted))
        yield partial(_nopython.rows_of, X, wanted)
        yield partial(_nopython.narrow_of, wide, 2, wanted)
    for centers in (wide, locked):
        yield partial(_nopython.wide_of, centers)
        yield partial(_nopython.narrow_of, centers, 2, np.float64)
    for values in (wide, locked, rows):
        yield partial(_nopython.all_finite, values)
    for shaped in (_nopython.same_rows, _nopython.first_feature):
        yield partial(shaped, X)
    yield partial(_overloads.tell_empty, 1, 2)
    yield _overloads.tell_constant


def warm_up(show: Callable[[str], None]) -> None:
    """Compile everything, or load what the cache has of it; show: called with the state of affairs."""
    _plan.PATIENCE = 0.0  # NumPy would answer
    calls = list(small_calls())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # empty clusters
        warnings.simplefilter("ignore", RuntimeWarning)  # constant columns
        for n, call in enumerate(calls, 1):
            show(f"step {n} of {len(calls)}")
            call()
