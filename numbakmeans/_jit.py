"""The only file that says ``numba.njit``: option sets and code cache.

``@kernel`` compiles a serial function, which releases the GIL and may be called from any thread;
``@inlined_kernel`` and ``@bounding_kernel`` are variants. Threads come in by `_slots`.

Every option that Numba would otherwise inherit from the first caller is stated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
from numba import objmode, types
from numba.core import sigutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from numbakmeans import _runtime
from numbakmeans._cache import CodeCache
from numbakmeans._linking import compiles_parts, part_compiler
from numbakmeans._runtime import threads

__all__ = [
    "DISABLED",
    "bounding_kernel",
    "calling_kernel",
    "frozen",
    "inlined_kernel",
    "kernel",
    "objmode",
    "parallel_kernel",
    "part",
    "threads",
]

#: NUMBA_DISABLE_JIT is set: everything is plain Python, and there are no vector values.
DISABLED = bool(getattr(numba.config, "DISABLE_JIT", 0))

# fastmath off: the contract is about bits. error_model numpy: division never raises, and vectorises.
SERIAL: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy", "parallel": False}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True}
# For figures that only widen a bound: sums may be reordered, so that they vectorise.
BOUNDING: dict[str, Any] = {**SERIAL, "fastmath": {"reassoc", "contract", "nsz"}}


def _without_literals(compile: Callable[..., Any]) -> Callable[..., Any]:
    """Let constants be numbers like others: Numba would compile a function anew for every constant."""

    @functools.wraps(compile)
    def wrapper(signature: Any) -> Any:
        arguments, result = sigutils.normalize_signature(signature)
        plain = tuple(types.unliteral(kind) for kind in arguments)
        return compile(plain if result is None else result(*plain))

    return wrapper


def _compiled(func: Callable[..., Any], options: dict[str, Any], *, as_part: bool = True) -> Any:
    """Return Numba's dispatcher; as_part : is it compiled as a part of the kernels that call it?"""
    # A copy of the options: Numba empties some of them at the first compilation.
    dispatcher = numba.njit(**options)(func)
    if not DISABLED:
        dispatcher._cache = CodeCache(func, options)
        compile = compiles_parts(dispatcher) if as_part else dispatcher.compile
        dispatcher.compile = _runtime.keeps_interrupts(_without_literals(compile))
    return dispatcher


def kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function, at its first call."""
    return _compiled(func, SERIAL)


def inlined_kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function that becomes part of its callers, as a call would cost more than its work."""
    return _compiled(func, {**SERIAL, "forceinline": True})


def calling_kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function that calls Python in an `objmode` block, for which it takes the GIL."""
    return _compiled(func, {**SERIAL, "nogil": False}, as_part=False)


def part(func: Callable[..., Any]) -> Any:
    """Compile a function that is called by a user's compiled code alone, as a part of that."""
    dispatcher = numba.njit(**{**SERIAL, "nogil": False})(func)
    dispatcher.compile = part_compiler(dispatcher)
    return dispatcher


def bounding_kernel(func: Callable[..., Any]) -> Any:
    """Compile a serial function whose sums may be rounded in any order, as no result depends on them."""
    return _compiled(func, BOUNDING)


def parallel_kernel(func: Callable[..., Any]) -> Any:
    """Compile a function with a `prange`, at its first call: there is one, `_slots.run_slots`."""
    return _compiled(func, PARALLEL, as_part=False)


def _frozen(typingctx: Any, array: Any) -> Any:
    """Return an array as a read-only one: a kernel compiled for these serves for both kinds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=True)(array), codegen


frozen: Any = (lambda array: array) if DISABLED else intrinsic(_frozen)
