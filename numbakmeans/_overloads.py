"""What `kmeans2`, `kmeans`, `vq` and `whiten` are inside nopython code: the same bits, on one thread.

Each function here gets Numba's types of the arguments, and returns the implementation for them, in the way of
`numba.extending.overload`; `_hook` registers them. An implementation becomes a part of the code that calls
it; what it calls itself are kernels, which are compiled once for all. One thread is right everywhere: inside
a `prange`, nested, under every threading layer, in a forked child.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import TypingError

from numbakmeans._algorithms.many import solve
from numbakmeans._arguments import EMPTY_CLUSTER, NOT_FINITE
from numbakmeans._arrays import REAL, REAL_NAMES
from numbakmeans._jit import calling_kernel, kernel, objmode
from numbakmeans._kernels.canonical import nearest_chunk
from numbakmeans._kernels.room import room_of
from numbakmeans._nopython import (
    LANES,
    ONE_THREAD,
    all_finite,
    first_feature,
    narrow_of,
    rows_of,
    same_rows,
    wide_of,
)
from numbakmeans._samples import MAX_CLUSTERS, precision
from numbakmeans._serial import (
    DRAWN,
    NO_GENERATOR,
    check_methods,
    divide_by_deviations,
    drawn_codes,
    drawn_rows,
    given_centroids,
    given_codes,
    given_or_drawn,
    given_rows,
    roots,
)

# Whole, as compiled code would take long to put them together.
DATA_NOT_FINITE = f"{NOT_FINITE}: data"
START_NOT_FINITE = f"{NOT_FINITE}: k, or a centroid from data"
OBS_NOT_FINITE = f"{NOT_FINITE}: obs"
BOOK_NOT_FINITE = f"{NOT_FINITE}: code_book"

NUMBER = (types.Float, types.Integer, types.Boolean)


# --- what the types say


def _array(function: str, name: str, kind: Any) -> None:
    """Refuse what is no array of real numbers, of observations or of scalars."""
    if not (isinstance(kind, types.Array) and kind.ndim in (1, 2) and kind.dtype in REAL):
        raise TypingError(f"{function}: {name} must be an array (M, N) or (M,) of {REAL_NAMES}, got {kind}")


def _arrays(function: str, names: tuple[str, str], kinds: tuple[Any, Any]) -> None:
    """Refuse two arguments that are not arrays of as many dimensions."""
    for name, kind in zip(names, kinds, strict=True):
        _array(function, name, kind)
    one, other = (kind.ndim for kind in kinds)
    if one != other:
        raise TypingError(f"{function}: {names[0]} has {one} dimensions, but {names[1]} {other}")


def _of_kind(function: str, name: str, kind: Any, wanted: tuple[Any, ...], words: str) -> None:
    """Refuse an argument that neither is of a wanted type nor left out."""
    if not isinstance(kind, wanted) and (
        isinstance(kind, types.Type) and not isinstance(kind, types.Omitted)
    ):
        raise TypingError(f"{function}: {name} must be {words} in nopython code, got {kind}")


def _is_given(function: str, names: tuple[str, str], kinds: tuple[Any, Any], rng: Any, words: str) -> bool:
    """Return whether an array says where to start; refuse a number of clusters without a generator."""
    given = isinstance(kinds[1], types.Array)
    if given:
        _arrays(function, names, kinds)
    else:
        _array(function, names[0], kinds[0])
        _of_kind(function, names[1], kinds[1], (types.Integer,), f"an integer or an array of {words}")
    generator = types.NumPyRandomGeneratorType
    _of_kind(function, "rng", rng, (generator, types.NoneType), "a numpy.random.Generator")
    if not given and not isinstance(rng, generator):
        raise TypingError(f"{function}: {NO_GENERATOR}, or {words} as {names[1]}")
    return given


def _check_options(function: str, iter: Any, thresh: Any, check_finite: Any) -> None:
    _of_kind(function, "iter", iter, (types.Integer,), "an integer")
    _of_kind(function, "thresh", thresh, NUMBER, "a real number")
    _of_kind(function, "check_finite", check_finite, (types.Boolean, types.NoneType), "a bool")


def _known(kind: Any) -> Any:
    """Return a string that stands in the code, or is the default; None for one that is only known later."""
    return getattr(kind, "literal_value", getattr(kind, "value", kind if isinstance(kind, str) else None))


def _working(kind: Any) -> Any:
    """Return the dtype that rows of an array are worked on in."""
    return np.float32 if kind.dtype == types.float32 else np.float64


# --- warnings; the next frame up is the caller of the compiled code


def warn_empty(n_empty: int, n_clusters: int) -> None:
    warnings.warn(f"{EMPTY_CLUSTER} In the last pass: {n_empty} of {n_clusters}.", stacklevel=2)


def warn_constant() -> None:
    message = "Some columns have standard deviation zero. The values of these columns will not change."
    warnings.warn(message, RuntimeWarning, stacklevel=2)


# --- the functions


@calling_kernel
def tell_empty(n_empty, n_clusters):
    with objmode():
        warn_empty(n_empty, n_clusters)


@calling_kernel
def tell_constant():
    with objmode():
        warn_constant()


@kernel
def always(minit, missing):
    return True


@kernel
def never(minit, missing):
    return False


def kmeans2(
    data: Any,
    k: Any,
    iter: Any,
    thresh: Any,
    minit: Any,
    missing: Any,
    check_finite: Any,
    rng: Any,
    cluster_error: Any,
) -> Any:
    given = _is_given("kmeans2", ("data", "k"), (data, k), rng, "centroids")
    _check_options("kmeans2", iter, thresh, check_finite)
    for name, kind in (("minit", minit), ("missing", missing)):
        _of_kind("kmeans2", name, kind, (types.UnicodeType, types.StringLiteral), "a string")
    method, reaction = _known(minit), _known(missing)
    # To compare strings takes longer to compile than much of the rest.
    if method in {*DRAWN, "matrix"} and reaction in {"warn", "raise"}:
        of_array = given_centroids if method == "matrix" else given_or_drawn
        start_of = of_array if given else DRAWN.get(method, drawn_rows)
        raises = always if reaction == "raise" else never
    else:
        start_of = given_rows if given else drawn_rows
        raises = check_methods
    dtype = _working(data)
    bits, lowest = precision(dtype is np.float32)
    shaped = same_rows if data.ndim == 2 else first_feature

    def implementation(
        data,
        k,
        iter=10,
        thresh=1e-5,
        minit="random",
        missing="warn",
        check_finite=True,
        rng=None,
    ):
        if iter < 1:
            raise ValueError("Invalid iter, must be a positive integer.")
        stop = raises(minit, missing)
        rows = rows_of(data, dtype)
        if rows.size < 1:
            raise ValueError("Empty input is not supported. data has no elements")
        if check_finite and not all_finite(rows):
            raise ValueError(DATA_NOT_FINITE)
        start = start_of(rows, k, minit, rng)
        if check_finite and not all_finite(start):
            raise ValueError(START_NOT_FINITE)
        labels, wide = np.empty(len(rows), np.int32), wide_of(start)
        passes = (np.int64(iter), stop, bits, lowest)
        _, _, n_empty, ever_empty = solve(*ONE_THREAD, rows, *passes, wide, labels, room_of(0))
        if ever_empty:
            if stop:
                raise cluster_error(EMPTY_CLUSTER)
            tell_empty(n_empty, len(wide))
        return shaped(narrow_of(wide, rows.shape[1], dtype)), labels

    return implementation


def vq(obs: Any, code_book: Any, check_finite: Any) -> Any:
    _arrays("vq", ("obs", "code_book"), (obs, code_book))
    _check_options("vq", types.int64, types.float64, check_finite)
    dtype = _working(obs)
    single = dtype is np.float32 and _working(code_book) is np.float32
    result = np.float32 if single else np.float64

    def implementation(obs, code_book, check_finite=True):
        rows, book = rows_of(obs, dtype), rows_of(code_book, np.float64)
        if rows.shape[1] != book.shape[1]:
            raise ValueError("obs and code should have same number of features (columns): code_book has not")
        if len(book) < 1 or len(book) > MAX_CLUSTERS:
            raise ValueError("code_book must hold at least one code, and not too many")
        codes, sq_dists = np.zeros(len(rows), np.int32), np.zeros(len(rows))
        if rows.size > 0:
            if check_finite and not all_finite(rows):
                raise ValueError(OBS_NOT_FINITE)
            if check_finite and not all_finite(book):
                raise ValueError(BOOK_NOT_FINITE)
            nearest_chunk(rows, wide_of(book), 0, len(rows), LANES, codes, sq_dists, room_of(0))
        dists = np.empty(len(rows), result)
        roots(sq_dists, single, dists)
        return codes, dists

    return implementation


def kmeans(obs: Any, k_or_guess: Any, iter: Any, thresh: Any, check_finite: Any, rng: Any) -> Any:
    given = _is_given("kmeans", ("obs", "k_or_guess"), (obs, k_or_guess), rng, "codes")
    _check_options("kmeans", iter, thresh, check_finite)
    codes_of = given_codes if given else drawn_codes
    dtype = _working(obs)
    # Picked rows are float64 at first, as in Python.
    single = given and dtype is np.float32 and _working(k_or_guess) is np.float32
    shaped = same_rows if obs.ndim == 2 else first_feature

    def implementation(obs, k_or_guess, iter=20, thresh=1e-5, check_finite=True, rng=None):
        rows = rows_of(obs, dtype)
        if rows.size < 1:
            raise ValueError("obs must not be empty")
        if check_finite and not all_finite(rows):
            raise ValueError(OBS_NOT_FINITE)
        if iter < 1:
            raise ValueError("iter must be at least 1")
        if not thresh >= 0:
            raise ValueError("thresh must be at least 0")
        passes = (np.int64(iter), single, np.float64(thresh), check_finite)
        book, distortion = codes_of(rows, k_or_guess, *passes, rng)
        return shaped(narrow_of(book, rows.shape[1], dtype)), dtype(distortion)

    return implementation


def whiten(obs: Any, check_finite: Any) -> Any:
    _array("whiten", "obs", obs)
    _check_options("whiten", types.int64, types.float64, check_finite)
    dtype = _working(obs)
    shaped = same_rows if obs.ndim == 2 else first_feature

    def implementation(obs, check_finite=None):
        rows = rows_of(obs, dtype)
        checked = check_finite is None or check_finite
        if checked and not all_finite(rows):
            raise ValueError(OBS_NOT_FINITE)
        result = np.empty(rows.shape, dtype)
        if divide_by_deviations(rows, result) and checked:
            tell_constant()
        return shaped(result)

    return implementation
