"""Implementations of the public functions in nopython code: nothing but calls through doors.

A `Form` gives the result type of a function for the types of its arguments, and emits the call in place
(`doors`, `calls`), so that Numba has no function of this package to compile. The building blocks of
`numbakmeans.jit` write to arrays whose sizes are known beforehand. SciPy's functions run in Python, and
return its arrays or raise its exceptions; only `kmeans2` of few rows is answered by a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.core.errors import TypingError

from numbakmeans._numba.callers_arrays import CALLERS_DTYPES
from numbakmeans._numba.calls import (
    I64,
)

REAL_NAMES = "float32, float64, integers or bool"
NO_GENERATOR = "in nopython code random numbers come from an explicit generator: pass rng"
NUMBER = (types.Float, types.Integer, types.Boolean)
NAN = float("nan")
STRING = (types.UnicodeType, types.StringLiteral)
GENERATOR = types.NumPyRandomGeneratorType
LABELS, SQ_DISTS, SIZES = (types.Array(kind, 1, "C") for kind in (types.int32, types.float64, types.int64))


class LeftOut(NamedTuple):
    """Takes the place of the type of an omitted argument, and holds its default."""

    default: Any


class Form(NamedTuple):
    """A function in nopython code; types of arguments are passed by name, `LeftOut` for omitted ones.

    result : returns the type of the result, or raises TypingError
    emit : emits the call, given context, builder, type of the result, types and values of the arguments
    """

    result: Callable[..., Any]
    emit: Callable[[Any, Any, Any, dict[str, Any], dict[str, Any]], Any]


def working(kind: Any) -> Any:
    """Return the working dtype for an array."""
    return types.float32 if kind.dtype == types.float32 else types.float64


def require_array(function: str, name: str, kind: Any, dimensions: tuple[int, ...], words: str) -> None:
    if not (isinstance(kind, types.Array) and kind.ndim in dimensions and kind.dtype in CALLERS_DTYPES):
        raise TypingError(f"{function}: {name} must be {words} of {REAL_NAMES}, got {kind}")


def require(function: str, name: str, kind: Any, wanted: tuple[Any, ...], words: str) -> None:
    """Raise TypingError unless an argument is of one of the wanted types or omitted."""
    if not isinstance(kind, (*wanted, LeftOut)):
        raise TypingError(f"{function}: {name} must be {words} in nopython code, got {kind}")


def size(context: Any, builder: Any, kind: Any, value: Any, axis: int) -> Any:
    return builder.extract_value(context.make_array(kind)(context, builder, value).shape, axis)


def as_int(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.cast(builder, value, kind, types.int64)


def is_single(kind: Any) -> Any:
    return I64(1 if working(kind) == types.float32 else 0)
