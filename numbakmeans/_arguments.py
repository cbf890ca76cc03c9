"""Parsing and validation of the arguments of `scipy.cluster.vq`, and the messages of the errors.

A message that SciPy has as well begins with SciPy's sentence, and goes on to name the argument.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from numbakmeans._engine.samples import MAX_CLUSTERS, MAX_SAMPLES, Samples

NOT_FINITE = "array must not contain infs or NaNs"
EMPTY_CLUSTER = "One of the clusters is empty. Re-run kmeans with a different initialization."
TOO_MANY_POINTS = "Cannot take a larger sample than population when replace is False"

_MISSING = ("warn", "raise")
#: SciPy's methods: the engine has others (`_engine.seeding`), which SciPy's functions do not accept.
_INITS = ("random", "points", "++", "matrix")
_NOT_GIVEN = object()

F = TypeVar("F", bound=Callable[..., Any])


class ClusterError(Exception):
    """Raised if a cluster is empty and the caller asked for an error.

    Where `scipy.cluster.vq` is loaded, ``except scipy.cluster.vq.ClusterError`` catches it as well.

    See Also
    --------
    kmeans2 : What raises it.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import ClusterError, kmeans2
    >>> try:
    ...     kmeans2(np.array([0.0, 1.0]), np.array([0.5, 90.0]), missing="raise")
    ... except ClusterError as error:
    ...     print(str(error).split(".")[0])
    One of the clusters is empty
    """

    def __new__(cls, *arguments: Any) -> ClusterError:
        theirs = getattr(sys.modules.get("scipy.cluster.vq"), "ClusterError", None)
        kind = _with_scipys(theirs) if theirs is not None and cls is ClusterError else cls
        return super().__new__(kind, *arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return ClusterError, self.args


@functools.cache
def _with_scipys(theirs: type[Exception]) -> type[ClusterError]:
    """Return a class that is ours and SciPy's: Python matches exceptions by their real base classes."""
    if issubclass(theirs, ClusterError):
        return theirs
    names = {"__module__": ClusterError.__module__, "__doc__": ClusterError.__doc__}
    return type(ClusterError.__name__, (ClusterError, theirs), names)


def takes_generator(function: F) -> F:
    """Let a function accept ``rng=`` or the older ``seed=``, and pass it the chosen generator as ``rng``.

    ``rng`` always goes through `numpy.random.default_rng`. ``seed`` means what it did before SciPy 1.15, and
    is resolved only when a random number is needed. So is SciPy's global RandomState, which is used if
    neither is given. The decorated function receives a callable that returns the generator.
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
    if isinstance(rng, np.random.RandomState):  # as default_rng does since NumPy 2.2
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


def require_finite(samples: Samples, name: str, given: Any = None) -> None:
    """Check that all values are finite; given : what the caller handed in, whose columns may have names."""
    if not samples.finite:
        raise ValueError(f"{NOT_FINITE}: {name} has {samples.first_not_finite(given)}")


def require_finite_centers(centers: np.ndarray, name: str, given: Any) -> None:
    """Check given centers, of any shape, in the same way."""
    if not np.isfinite(centers).all():
        rows = np.atleast_1d(centers)
        where = Samples(rows.reshape(len(rows), -1)).first_not_finite(given)
        raise ValueError(f"{NOT_FINITE}: {name} has {where}")


def require_size(array: np.ndarray, name: str) -> None:
    if len(array) >= MAX_SAMPLES:
        raise ValueError(f"{name} has {len(array)} rows; fewer than {MAX_SAMPLES} are supported")


def as_columns(array: np.ndarray) -> np.ndarray:
    """Return 1-D data as rows of a single feature."""
    return array.reshape(-1, 1) if array.ndim == 1 else array


def like(rows: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Return rows of a single feature as 1-D if array is 1-D."""
    return rows[:, 0] if array.ndim == 1 else rows


def as_passes(iter: Any, message: str) -> int:
    """Return iter as an integer of at least 1; raise ValueError with SciPy's message if it is less."""
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
    """Return the number of clusters in a one-element array, truncated; TypeError if it is not a number."""
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
    if not isinstance(minit, str) or minit not in _INITS:
        raise ValueError(f"Unknown init method {minit!r}: minit must be one of {_INITS}")
    as_thresh(thresh)
    return n_iter


def size_of(k: Any) -> int:
    """Return the number of elements of k, a number or anything array-like."""
    if isinstance(k, numbers.Number | str | None):
        return 1
    shape = getattr(k, "shape", None)
    if isinstance(shape, tuple):
        return math.prod(shape)
    try:
        return np.asarray(k).size
    except (ValueError, TypeError) as error:
        raise ValueError(f"k cannot be read as an array: {error}") from error
