"""The only file that says ``numba.njit``: option sets, code cache, serial twins.

Decorators make everything that is compiled here:

``@kernel``
    a serial function (tile or chunk level). It releases the GIL and may be called from any thread.
    ``@inlined_kernel`` and ``@bounding_kernel`` are variants.
``@driver``
    a function whose outer loop is a ``prange``: compiled twice on demand, with and without threads.

Every option that Numba would otherwise inherit from the first caller is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

import numba
from numba import prange
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from numbakmeans import _runtime
from numbakmeans._cache import CodeCache
from numbakmeans._runtime import threads

__all__ = [
    "DISABLED",
    "DRIVERS",
    "Driver",
    "bounding_kernel",
    "driver",
    "frozen",
    "inlined_kernel",
    "kernel",
    "prange",
    "threads",
]

#: NUMBA_DISABLE_JIT is set: everything is plain Python, and there are no vector values.
DISABLED = bool(getattr(numba.config, "DISABLE_JIT", 0))

# fastmath off: the contract is about bits. error_model numpy: division never raises, and vectorises.
SERIAL: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy", "parallel": False}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True}
# For figures that only widen a bound: sums may be reordered, so that they vectorise.
BOUNDING: dict[str, Any] = {**SERIAL, "fastmath": {"reassoc", "contract", "nsz"}}


class Driver(NamedTuple):
    """A function with a prange, compiled with threads and without: same arguments, same bits."""

    parallel: Callable[..., Any]
    serial: Callable[..., Any]

    def on(self, parallel: bool) -> Callable[..., Any]:
        """Return what to call: the serial twin, or the parallel one as far as it is safe at that moment."""
        return partial(_runtime.run, self.parallel, self.serial) if parallel else self.serial


#: Every driver there is: what ``numbakmeans warmup`` compiles.
DRIVERS: list[Driver] = []


def _compiled(func: Callable[..., Any], options: dict[str, Any]) -> Any:
    # A copy of the options: Numba empties some of them at the first compilation.
    dispatcher = numba.njit(**options)(func)
    if not DISABLED:
        dispatcher._cache = CodeCache(func, options)
        dispatcher.compile = _runtime.keeps_interrupts(dispatcher.compile)
    return dispatcher


def kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function, at its first call."""
    return _compiled(func, SERIAL)


def inlined_kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function that becomes part of its callers, as a call would cost more than its work."""
    return _compiled(func, {**SERIAL, "forceinline": True})


def bounding_kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function whose sums may be rounded in any order, as no result depends on them."""
    return _compiled(func, BOUNDING)


def driver(func: Any) -> Driver:
    """Compile a function with a prange, with threads and without, each at its first call."""
    # The twin has a name of its own: symbols of the two must not meet in one process.
    twin = FunctionType(
        func.__code__, func.__globals__, f"{func.__name__}_serial", func.__defaults__, func.__closure__
    )
    twin.__qualname__ = f"{func.__qualname__}_serial"
    twin.__module__, twin.__doc__ = func.__module__, func.__doc__
    DRIVERS.append(Driver(_compiled(func, PARALLEL), _compiled(twin, SERIAL)))
    return DRIVERS[-1]


def _frozen(typingctx: Any, array: Any) -> Any:
    """Return an array as a read-only one: a kernel compiled for these serves for both kinds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=True)(array), codegen


frozen: Any = (lambda array: array) if DISABLED else intrinsic(_frozen)
