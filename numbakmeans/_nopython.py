"""The Python side of calls from nopython code: everything that the kernels behind the doors decline.

The function of a door takes the addresses of argument words and of results, as `_numba.calls` lays them out,
and returns the status; `run` answers for SciPy's functions. A caller's arrays are wrapped as NumPy arrays in
place, and then handled as in any other call, on one thread, as the caller may be inside a `prange`; only the
functions named `parallel_` use all threads.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from numbakmeans import _scipy
from numbakmeans._engine import assignment as _assignment
from numbakmeans._engine import fit as _fit
from numbakmeans._engine.samples import Samples, labeled_means, working_dtype
from numbakmeans._engine.weights import as_weights
from numbakmeans._numba import runtime
from numbakmeans._numba.status import BAD_COUNT, BAD_LABEL, BAD_SHAPE, BAD_WEIGHT, NOT_FINITE, OK

#: Dtypes of callers' arrays, indexed by their code, in the order of `_numba.tables.CALLERS_DTYPES`.
DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


#: Stack level of warnings, to point at the caller of the compiled function: above `doors.run`, `run`, `_run`.
STACKLEVEL = 5


# --- The building blocks on NumPy arrays: each returns a status and its results


def _status_of(X: np.ndarray, centers: np.ndarray) -> tuple[int, Samples | None]:
    if X.size == 0 or centers.size == 0 or X.shape[1] != centers.shape[1]:
        return BAD_SHAPE, None
    samples = Samples(X)
    return (OK if samples.finite and np.isfinite(centers).all() else NOT_FINITE), samples


def fit_arrays(
    X: np.ndarray, centers: np.ndarray, max_iter: int, weights: np.ndarray | None = None
) -> tuple[int, _fit.FitResult | None]:
    status, samples = _status_of(X, centers)
    if status == OK and max_iter < 1:
        status = BAD_COUNT
    if status == OK and weights is not None:
        if len(weights) != len(X):
            status = BAD_SHAPE
        else:
            try:
                samples = Samples(X, as_weights(weights, len(X)))
            except ValueError:
                status = BAD_WEIGHT
    if status != OK or samples is None:
        return status, None
    return OK, _fit.as_result(samples, _fit.iterate(samples, centers, max_iter))


def nearest_arrays(X: np.ndarray, centers: np.ndarray) -> tuple[int, Any]:
    status, samples = _status_of(X, centers)
    if status != OK or samples is None:
        return status, None
    return OK, _assignment.nearest(samples, centers)


def update_arrays(X: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> tuple[int, Any]:
    status, samples = _status_of(X, centers)
    if len(labels) != len(X):
        status = BAD_SHAPE
    if status == OK and not ((labels >= 0) & (labels < len(centers))).all():
        status = BAD_LABEL
    if status != OK or samples is None:
        return status, None
    means, sizes = labeled_means(samples, labels.astype(np.int32), len(centers))
    empty = sizes == 0
    means[empty] = centers[empty].astype(means.dtype)
    return OK, (means, sizes)


def start_arrays(
    X: np.ndarray, n_clusters: int, method: str, rng: np.random.Generator
) -> tuple[int, np.ndarray | None]:
    """Return a status and starting centers; method : 'points' or '++'."""
    if method == "points":
        if not 1 <= n_clusters <= len(X):
            return BAD_COUNT, None
    elif X.size == 0:
        return BAD_SHAPE, None
    elif n_clusters < 1:
        return BAD_COUNT, None
    samples = Samples(X) if X.size else None
    if method == "++" and samples is not None and not samples.finite:
        return NOT_FINITE, None
    if samples is None:
        return OK, np.empty((n_clusters, X.shape[1]), working_dtype(X))
    return OK, _fit.seed(samples, n_clusters, method, rng).astype(samples.dtype)


# --- Words


class _View:
    """Array interface of memory at an address."""

    def __init__(self, address: int, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.__array_interface__ = {
            "data": (address, False),
            "typestr": np.dtype(dtype).str,
            "shape": shape,
            "strides": strides,
            "version": 3,
        }


class _Words:
    """The argument words of a call, read in order."""

    def __init__(self, address: int) -> None:
        self.address = address

    def next(self) -> int:
        word = ctypes.c_int64.from_address(self.address).value
        self.address += 8
        return word

    def next_float(self) -> float:
        value = ctypes.c_double.from_address(self.address).value
        self.address += 8
        return value

    def array(self, ndim: int = 2) -> np.ndarray:
        address, code, *sizes = (self.next() for _ in range(6))
        shape, strides = sizes[:2][:ndim], sizes[2:][:ndim]
        return np.asarray(_View(address, DTYPES[code], tuple(shape), tuple(strides)))

    def out(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return the C-ordered array whose address is the next word."""
        address, dtype = self.next(), np.dtype(dtype)
        strides = tuple(dtype.itemsize * int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        return np.asarray(_View(address, dtype.str, shape, strides))

    def text(self, width: int | None = None) -> str:
        """Return a string; width : bytes per character, read from the word after the length if None."""
        address, length = self.next(), self.next()
        width = width or self.next()
        return ctypes.string_at(address, length * width).decode(
            {1: "latin-1", 2: "utf-16", 4: "utf-32"}[width]
        )

    def object(self) -> Any:
        """Return the Python object whose address is the next word, None for 0."""
        address = self.next()
        return ctypes.cast(address, ctypes.py_object).value if address else None

    def skip(self, n_words: int) -> None:
        self.address += 8 * n_words


def _write(results: int, *values: Any) -> None:
    """Write results, one word each."""
    for t, value in enumerate(values):
        kind = ctypes.c_double if isinstance(value, float) else ctypes.c_int64
        kind.from_address(results + 8 * t).value = value


# --- The doors of the building blocks


def parallel_weighted_fit(words: int, results: int) -> int:
    given = _Words(words)
    return _answer_fit(given, given.array(1), results)


def parallel_fit(words: int, results: int) -> int:
    return _answer_fit(_Words(words), None, results)


def _answer_fit(given: _Words, weights: np.ndarray | None, results: int) -> int:
    X, centers, max_iter = given.array(), given.array(), given.next()
    given.skip(3)
    status, found = fit_arrays(X, centers, max_iter, weights)
    if found is not None:
        given.out((len(X),), np.int32)[:] = found.labels
        given.out(centers.shape, working_dtype(X))[:] = found.centers
        _write(results, found.inertia, found.n_iter, found.converged, found.n_empty)
    return status


def parallel_nearest(words: int, _results: int) -> int:
    given = _Words(words)
    X, centers = given.array(), given.array()
    given.skip(2)
    status, found = nearest_arrays(X, centers)
    if found is not None:
        given.out((len(X),), np.int32)[:] = found[0]
        given.out((len(X),), np.float64)[:] = found[1]
    return status


def parallel_update(words: int, _results: int) -> int:
    given = _Words(words)
    X, labels, centers = given.array(), given.array(1), given.array()
    given.skip(3)
    status, found = update_arrays(X, labels, centers)
    if found is not None:
        given.out(centers.shape, working_dtype(X))[:] = found[0]
        given.out((len(centers),), np.int64)[:] = found[1]
    return status


def _start(words: int, method: str) -> int:
    given = _Words(words)
    X, n_clusters = given.array(), given.next()
    given.skip(2)
    rng = given.object()
    given.skip(2)
    status, centers = start_arrays(X, n_clusters, method, rng)
    if centers is not None:
        given.out(centers.shape, centers.dtype)[:] = centers
    return status


def parallel_plus_plus(words: int, _results: int) -> int:
    return _start(words, "++")


def _on_one_thread(answer: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def answer_on_one_thread(words: int, results: int) -> int:
        with runtime.one_thread():
            return answer(words, results)

    return answer_on_one_thread


fit, nearest, update = map(_on_one_thread, (parallel_fit, parallel_nearest, parallel_update))
plus_plus, weighted_fit = map(_on_one_thread, (parallel_plus_plus, parallel_weighted_fit))
points = _on_one_thread(lambda words, _results: _start(words, "points"))


# --- SciPy's functions


def run(words: int) -> tuple[Any, ...]:
    """Return the results of one of SciPy's functions: C-ordered arrays, and floats."""
    with runtime.one_thread():
        return tuple(map(_returned, _run(_Words(words))))


def _returned(value: Any) -> Any:
    return np.require(value, requirements=["C", "A", "W"]) if isinstance(value, np.ndarray) else float(value)


def _run(given: _Words) -> tuple[Any, ...]:
    function, module = given.text(1), given.text(1)
    data, ndim = given.array(given.next()), given.next()
    if ndim:
        k: Any = given.array(ndim)
    else:
        k = given.next()
        given.skip(5)
    if function == "vq":
        return _scipy.vq(data, k, bool(given.next()))
    if function == "whiten":
        return (_scipy.whiten_for(data, bool(given.next()), stacklevel=STACKLEVEL),)
    iter_, thresh, checked, rng = given.next(), given.next_float(), bool(given.next()), given.object()

    def generator() -> Any:
        if rng is None:
            raise ValueError(
                f"{'k' if function == 'kmeans2' else 'k_or_guess'} of one element is a number of clusters: "
                "in nopython code random numbers come from an explicit generator: pass rng"
            )
        return rng

    if function == "kmeans":
        kmeans: Any = _scipy.kmeans
        return kmeans.__wrapped__(data, k, iter_, thresh, checked, rng=generator)
    minit, missing = given.text(), given.text()
    drawn = given.next()
    if drawn:
        # A kernel has drawn the centers and left the passes to Python.
        given.address -= 8
        k, minit = given.out((k, *data.shape[1:]), working_dtype(data)), "matrix"
    try:
        options = (iter_, thresh, minit, missing, checked)
        return _scipy.kmeans2_for(data, k, *options, rng=generator, stacklevel=STACKLEVEL + 1)
    except _scipy.ClusterError as error:
        raise importlib.import_module(module).ClusterError(*error.args) from None
