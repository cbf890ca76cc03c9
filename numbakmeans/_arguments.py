"""What the arguments of `scipy.cluster.vq` mean: how each is read, and what is said where it cannot be.

A message that SciPy has too starts with SciPy's sentence, and goes on to name the argument.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.samples import MAX_CLUSTERS, MAX_SAMPLES, Samples
from numbakmeans._engine.seeding import SEEDINGS

NOT_FINITE = "array must not contain infs or NaNs"
EMPTY_CLUSTER = "One of the clusters is empty. Re-run kmeans with a different initialization."
TOO_MANY_POINTS = "Cannot take a larger sample than population when replace is False"

_MISSING = ("warn", "raise")
_NOT_GIVEN = object()

F = TypeVar("F", bound=Callable[..., Any])


def takes_generator(function: F) -> F:
    """Let a function take ``rng=`` or the older ``seed=``, and hand it the chosen generator as ``rng``.

    ``rng`` always goes through `numpy.random.default_rng`. ``seed`` has the meaning that it had before
    SciPy 1.15, and is looked at only when a random number is wanted, like SciPy's global RandomState,
    which serves where neither is given. The function finds a callable that returns the generator.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, rng: Any = _NOT_GIVEN, seed: Any = _NOT_GIVEN, **kwargs: Any) -> Any:
        if rng is not _NOT_GIVEN and seed is not _NOT_GIVEN:
            raise TypeError(
                f"{function.__name__}() got multiple values for argument now known as `rng`. "
                "Specify one of `rng` or `seed`."
            )
        if rng is not _NOT_GIVEN:
            generator = as_generator(rng)
            return function(*args, rng=lambda: generator, **kwargs)
        old = None if seed is _NOT_GIVEN else seed
        return function(*args, rng=lambda: _as_random_state(old), **kwargs)

    signature = inspect.signature(function)
    seed_parameter = inspect.Parameter("seed", inspect.Parameter.KEYWORD_ONLY, default=None)
    parameters = [*signature.parameters.values(), seed_parameter]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


def as_generator(rng: Any) -> np.random.Generator:
    if isinstance(rng, np.random.RandomState):  # what default_rng does from NumPy 2.2 on
        return np.random.Generator(rng._bit_generator)
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise type(error)(f"rng is not accepted by numpy.random.default_rng: {error}") from error


def _as_random_state(seed: Any) -> np.random.Generator | np.random.RandomState:
    if seed is None or seed is np.random:
        return np.random.mtrand._rand
    if isinstance(seed, numbers.Integral | np.integer):
        try:
            return np.random.RandomState(int(seed))
        except ValueError as error:
            raise ValueError(f"seed is not accepted by numpy.random.RandomState: {error}") from error
    if isinstance(seed, np.random.RandomState | np.random.Generator):
        return seed
    raise ValueError(f"'{seed}' cannot be used to seed a numpy.random.RandomState instance (seed)")


def require_finite(samples: Samples, name: str) -> None:
    if not samples.finite:
        for rows, X in samples.slabs():
            for row, column in not_finite(X):
                where = f"row {rows.start + row}, column {column}"
                raise ValueError(f"{NOT_FINITE}: {name} has {X[row, column]} in {where}")


def not_finite(X: np.ndarray) -> Iterator[tuple[int, int]]:
    """Find row and column of each value that is not finite, in pieces: X may be mapped from a large file."""
    step = max(_plan.SLAB_BYTES // (16 * X.shape[1]), 1)  # a place is two int64
    for start in range(0, len(X), step):
        for row, column in np.argwhere(~np.isfinite(X[start : start + step])):
            yield start + int(row), int(column)


def require_size(array: np.ndarray, name: str) -> None:
    if len(array) >= MAX_SAMPLES:
        raise ValueError(f"{name} has {len(array)} rows; fewer than {MAX_SAMPLES} are supported")


def as_columns(array: np.ndarray) -> np.ndarray:
    """Return 1-D data as the rows of one feature."""
    return array.reshape(-1, 1) if array.ndim == 1 else array


def like(rows: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return rows of one feature as 1-D where array is 1-D."""
    return rows[:, 0] if array.ndim == 1 else rows


def as_passes(iter: Any, message: str) -> int:
    """Return iter as a whole number of at least 1; SciPy's message where it is less."""
    try:
        below = int(iter) < 1
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(f"{message.format(iter)}: iter cannot be read as an integer") from error
    if below:
        raise ValueError(message.format(iter))
    try:
        return operator.index(iter)
    except TypeError:
        raise TypeError(f"iter must be an integer, got {type(iter).__name__} ({iter})") from None


def as_count(k: np.ndarray) -> int:
    """Return the number of clusters in an array of one element, truncated; TypeError if it is no number."""
    value = k.reshape(())[()]
    if k.dtype.kind not in "biufO" or not isinstance(value, numbers.Real | np.bool_):
        raise TypeError(f"k must be a number of clusters or an array of centroids, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"k must be finite, got {value}")
    count = int(value)
    if count < 1:
        raise ValueError(f"Cannot ask kmeans2 for {count} clusters (k was {value})")
    if count > MAX_CLUSTERS:
        raise ValueError(f"k must be at most {MAX_CLUSTERS}, got {value}")
    return count


def require_codes(rows: np.ndarray, book: np.ndarray, name: str) -> None:
    """Check that a code book fits the observations, with the messages of SciPy's `vq`."""
    if rows.ndim != book.ndim:
        raise ValueError(
            "observation and code should have same number of dimensions: "
            f"obs has shape {rows.shape}, {name} {book.shape}"
        )
    if rows.ndim not in (1, 2):
        raise ValueError(f"ndim different than 1 or 2 are not supported: obs has shape {rows.shape}")
    if rows.ndim == 2 and rows.shape[1] != book.shape[1]:
        raise ValueError(
            "obs and code should have same number of features (columns): "
            f"obs has {rows.shape[1]}, {name} {book.shape[1]}"
        )
    if not 1 <= len(book) <= MAX_CLUSTERS:
        raise ValueError(f"{name} must hold 1 to {MAX_CLUSTERS} codes, got {len(book)}")
    require_size(rows, "obs")


def as_thresh(thresh: Any) -> float:
    if not isinstance(thresh, numbers.Real | np.bool_):
        raise TypeError(f"thresh must be a real number, got {thresh!r}")
    return float(thresh)


def as_options(iter: Any, thresh: Any, minit: Any, missing: Any) -> int:
    """Check the options of `kmeans2`; return the number of passes."""
    n_iter = as_passes(iter, "Invalid iter ({}), must be a positive integer.")
    if not isinstance(missing, str) or missing not in _MISSING:
        raise ValueError(f"Unknown missing method {missing!r}: missing must be one of {_MISSING}")
    methods = (*SEEDINGS, "matrix")
    if not isinstance(minit, str) or minit not in methods:
        raise ValueError(f"Unknown init method {minit!r}: minit must be one of {methods}")
    as_thresh(thresh)
    return n_iter


def size_of(k: Any) -> int:
    """Return the number of elements of k, however it is given."""
    if isinstance(k, numbers.Number | str | None):
        return 1
    try:
        return np.asarray(k).size
    except (ValueError, TypeError) as error:
        raise ValueError(f"k cannot be read as an array: {error}") from error
