"""Calls of kernels from Python: by address, compiled or loaded at the first call.

An `Entry` names a kernel without importing it. Its machine code is one function for each combination of
argument kinds. The function takes the address of its arguments, one word each (for an array, the address of
the Python object, which holds NumPy's pointers to data and shape), and the address of its results, and
returns a status. Compiled code calls such functions as well (`doors`).

Nothing here imports Numba: code from the cache is loaded by LLVM alone (`loader`), in a fifth of the time.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import inspect
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

__all__ = ["DISABLED", "Entry", "bind_lock", "group"]

#: Whether NUMBA_DISABLE_JIT is set: then everything is plain Python, without vector values.
DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
#: Held while code is compiled or loaded; a fork waits for it (`runtime`).
bind_lock = threading.RLock()
#: The name of this package, which differs from ours if a tool has vendored it into another package.
ROOT = __name__.removesuffix("._numba.entries")
#: When this process started to import the package.
BEGAN = time.time()

_Function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p)
#: What the nonzero status codes of a kernel mean.
_FAILURES = {
    101: MemoryError("a kernel could not allocate its workspace"),
    102: IndexError("index out of bounds"),
}

#: Kind of an argument: (dtype character, dimensions) for an array; "q", "d" or "?" for a number; None; for a
#: tuple, its class followed by the kinds of its members.
Kind = Any
Kinds = tuple[Kind, ...]


class Code(NamedTuple):
    """Machine code of a kernel for given argument kinds: object file, name of its function, results.

    results : one character per result, "q", "d" or "?"; preceded by "(" if the kernel returns a tuple
    """

    object_file: bytes
    symbol: str
    results: str


class Bound(NamedTuple):
    """A kernel that is ready to be called.

    words : layout of the arguments; nested : whether some of them are tuples; results : as in `Code`
    found : layout of the results
    """

    function: Callable[..., int]
    address: int
    words: struct.Struct
    nested: bool
    results: str
    found: struct.Struct


def bound_at(address: int, kinds: Kinds, results: str) -> Bound:
    """Return the `Bound` of the function at an address."""
    words = struct.Struct("".join(map(_format, kinds)))
    nested = any(isinstance(kind, tuple) and isinstance(kind[0], type) for kind in kinds)
    found = struct.Struct(results.lstrip("(").replace("?", "?7x"))
    return Bound(_Function(address), address, words, nested, results, found)


def _format(kind: Kind) -> str:
    """Return the `struct` format of an argument; an array is written as the address of its object."""
    if kind is None:
        return ""
    if isinstance(kind, str):
        # `struct` does not accept a NumPy bool as an integer.
        return "?7x" if kind == "?" else kind
    return "q" if isinstance(kind[0], str) else "".join(map(_format, kind[1:]))


def _kind_of_array(array: np.ndarray) -> Kind:
    flags, dtype = array.flags, array.dtype
    if not (flags.c_contiguous and flags.aligned and dtype.isnative):
        raise TypeError(f"kernels take aligned arrays in C order, got strides {array.strides} and {dtype!r}")
    return dtype.char, array.ndim


class _Group:
    """A tuple of arguments with its kind and words precomputed; its members are available as attributes."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        self.value, self.kind, self.words = value, kind_of(value), tuple(_words(value))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value, name)


T = TypeVar("T", bound=tuple[Any, ...])


def group(value: T) -> T:
    """Return a named tuple of arguments that many calls share, inspected once and for all.

    Inspecting it again at each call would take as long as a pass over few rows.
    """
    return value if DISABLED else cast(T, _Group(value))


_KINDS: dict[type, Callable[[Any], Kind]] = {
    np.ndarray: _kind_of_array,
    int: lambda _: "q",
    float: lambda _: "d",
    bool: lambda _: "?",
    type(None): lambda _: None,
    _Group: lambda group: group.kind,
}


def kind_of(value: Any) -> Kind:
    """Return the kind of an argument; TypeError if kernels do not take it."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, np.ndarray):
        return _kind_of_array(value)
    if isinstance(value, tuple):
        return (type(value), *map(kind_of, value))
    for numbers, kind in (((bool, np.bool_), "?"), ((int, np.integer), "q"), ((float, np.floating), "d")):
        if isinstance(value, numbers):
            return kind
    raise TypeError(f"kernels take arrays, numbers and tuples of them, got {type(value).__name__}")


def _words(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple):
            yield from _words(value)
        elif isinstance(value, _Group):
            yield from value.words
        elif value is not None:
            yield id(value) if isinstance(value, np.ndarray) else value


class Entry:
    """A kernel that Python calls, given by its module and its name.

    module : starts with numbakmeans, as in an import; kernel : the kernel itself, if it exists already
    kinds : the argument kinds, if there is only one combination; then arguments are not inspected
    """

    def __init__(self, module: str, name: str, kernel: Any = None, kinds: Kinds | None = None) -> None:
        # Tools that vendor a package rewrite its imports, but not its strings.
        self.module = (
            ROOT + module.removeprefix("numbakmeans") if module.startswith("numbakmeans.") else module
        )
        self.name, self._kernel, self.kinds = name, kernel, kinds
        self.bound: dict[Kinds, Bound] = {}

    @property
    def kernel(self) -> Any:
        """The named object: a `compiler.Kernel`, or a function if compilation is disabled."""
        return self._kernel or getattr(importlib.import_module(self.module), self.name)

    @property
    def has_source(self) -> bool:
        """Whether the module's source defines the kernel; false for one created inside a function."""
        return self._kernel is None or getattr(sys.modules.get(self.module), self.name, None) is self._kernel

    @functools.cached_property
    def _plainly(self) -> Callable[..., Any]:
        function = self.kernel
        names = list(inspect.signature(function).parameters)
        place = names.index("arena") if "arena" in names else None

        def call(*arguments: Any) -> Any:
            if place is None:
                return function(*arguments)
            return function(*arguments[:place], None, *arguments[place:])

        return call

    def __call__(self, *arguments: Any) -> Any:
        if DISABLED:
            return self._plainly(*arguments)
        kinds = self.kinds or tuple(map(kind_of, arguments))
        return self.call(self.bound.get(kinds) or self.bind(kinds), arguments)

    @staticmethod
    def call(bound: Bound, arguments: tuple[Any, ...]) -> Any:
        """Call the machine code with arguments of the kinds it was compiled for."""
        if bound.nested:
            words = bound.words.pack(*_words(arguments))
        else:
            given = [id(a) if isinstance(a, np.ndarray) else a for a in arguments if a is not None]
            words = bound.words.pack(*given)
        results = bound.results
        if not results:
            status = bound.function(words, None)
            if status:
                raise _FAILURES[status]
            return None
        found = (ctypes.c_int64 * len(results))()
        status = bound.function(words, found)
        if status:
            raise _FAILURES[status]
        values = bound.found.unpack_from(found)
        return values if results[0] == "(" else values[0]

    def bind(self, kinds: Kinds) -> Bound:
        """Load the machine code for given argument kinds from the cache, or compile it."""
        from numbakmeans._numba import cache, loader

        with bind_lock:
            if kinds in self.bound:
                return self.bound[kinds]
            key = cache.key_of(self.module, self.name, kinds) if self.has_source else None
            code = key and cache.load(key)
            if not code:
                from numbakmeans._numba import compiler

                code = compiler.compile_entry(self.kernel, kinds)
                if key:
                    cache.store(key, code)
            self.bound[kinds] = bound_at(
                loader.address_of(code.object_file, code.symbol), kinds, code.results
            )
            return self.bound[kinds]
