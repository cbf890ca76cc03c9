"""Arrays in nopython code: new ones, which cost no compilation of their own, and what a caller's may hold.

To Numba, `np.empty` is a function to be compiled anew for every type and number of dimensions, and so are
`np.zeros`, views as another type, and others: they took a fifth of what a first call takes to compile. Here
each is a few instructions of the kernel that asks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from numbakmeans._jit import DISABLED

__all__ = [
    "LINE",
    "REAL",
    "REAL_NAMES",
    "array_at",
    "line_of",
    "new_empty",
    "new_zeros",
    "words_of",
    "working_dtype",
]

#: Bytes of a line of the cache, on which every new array begins: vectors across two lines cost a pass up to a
#: fifth of its time.
LINE = 64

I64 = ir.IntType(64)
#: Bytes of an int64.
WORD = 8
#: What a caller's arrays may hold: Numba does not calculate with float16.
REAL = types.real_domain | types.integer_domain | {types.boolean}
REAL_NAMES = "float32, float64, integers or bool"


def _array_kind(shape: Any, dtype: Any) -> Any:
    if not isinstance(dtype, types.DTypeSpec):
        raise TypingError(f"dtype is a class of numbers or a dtype, not {dtype}")
    n_dims = len(shape) if isinstance(shape, types.BaseTuple) else 1
    return types.Array(dtype.dtype, n_dims, "C")


def _sizes(context: Any, builder: Any, shape: Any, value: Any) -> list[Any]:
    """Return the number of elements in each dimension."""
    if not isinstance(shape, types.BaseTuple):
        return [context.cast(builder, value, shape, types.int64)]
    kinds: Any = shape
    parts = zip(kinds, cgutils.unpack_tuple(builder, value), strict=True)
    return [context.cast(builder, part, kind, types.int64) for kind, part in parts]


def _n_bytes(context: Any, builder: Any, kind: Any, sizes: list[Any]) -> Any:
    """Return how many bytes an array of that shape has; raise MemoryError where they are not to be had."""
    total, beyond = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype))), ir.IntType(1)(0)
    for size in sizes:
        product = builder.smul_with_overflow(total, size)
        total = builder.extract_value(product, 0)
        beyond = builder.or_(beyond, builder.extract_value(product, 1))
        beyond = builder.or_(beyond, builder.icmp_signed("<", size, I64(0)))
    with cgutils.if_unlikely(builder, beyond):
        context.call_conv.return_user_exc(builder, MemoryError, ("no array has such a shape",))
    return total


def _array(context: Any, builder: Any, kind: Any, sizes: list[Any], data: Any, meminfo: Any) -> Any:
    # Here: it brings all that Numba's own arrays can do, which what comes from a cache does without.
    from numba.np.arrayobj import populate_array

    item = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [item]
    for size in reversed(sizes[1:]):
        strides.insert(0, builder.mul(strides[0], size))
    array = context.make_array(kind)(context, builder)
    pointer = builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer())
    populate_array(array, data=pointer, shape=sizes, strides=strides, itemsize=item, meminfo=meminfo)
    return array._getvalue()


def _new(shape: Any, dtype: Any, zeros: bool) -> Any:
    kind = _array_kind(shape, dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sizes = _sizes(context, builder, signature.args[0], args[0])
        n_bytes = _n_bytes(context, builder, kind, sizes)
        meminfo = context.nrt.meminfo_alloc_aligned(builder, n_bytes, LINE)
        data = context.nrt.meminfo_data(builder, meminfo)
        if zeros:
            cgutils.memset(builder, data, n_bytes, 0)
        return _array(context, builder, kind, sizes, data, meminfo)

    return kind(shape, dtype), codegen


def _new_empty(typingctx: Any, shape: Any, dtype: Any) -> Any:
    """Return `np.empty(shape, dtype)`, on a line of the cache."""
    return _new(shape, dtype, zeros=False)


def _new_zeros(typingctx: Any, shape: Any, dtype: Any) -> Any:
    """Return `np.zeros(shape, dtype)`, on a line of the cache."""
    return _new(shape, dtype, zeros=True)


def _words_of(typingctx: Any, shape: Any, dtype: Any) -> Any:
    """Return how many int64 words an array has room in."""
    kind = _array_kind(shape, dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n_bytes = _n_bytes(context, builder, kind, _sizes(context, builder, signature.args[0], args[0]))
        return builder.udiv(builder.add(n_bytes, I64(WORD - 1)), I64(WORD))

    return types.int64(shape, dtype), codegen


def _array_at(typingctx: Any, words: Any, start: Any, shape: Any, dtype: Any) -> Any:
    """Return an array over the `words_of` it, of an int64 array, from start on.

    The kernel that asks is not inlined: where LLVM sees that several arrays are parts of one, it does not
    vectorise loops over them, for which it would ask at run time whether they overlap.
    """
    kind = _array_kind(shape, dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        array = context.make_array(words)(context, builder, args[0])
        sizes = _sizes(context, builder, signature.args[2], args[2])
        data = builder.gep(array.data, [args[1]])
        part = _array(context, builder, kind, sizes, data, array.meminfo)
        return impl_ret_borrowed(context, builder, kind, part)

    return kind(words, types.int64, shape, dtype), codegen


def _line_of(typingctx: Any, X: Any, start: Any, stop: Any) -> Any:
    """Return the values of rows [start, stop) in one line; X : (n_samples, n_features), in C order."""
    kind = X.copy(ndim=1)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(X)(context, builder, args[0])
        n_features = builder.extract_value(array.shape, 1)
        data = builder.gep(array.data, [builder.mul(args[1], n_features)])
        size = builder.mul(builder.sub(args[2], args[1]), n_features)
        return impl_ret_borrowed(
            context, builder, kind, _array(context, builder, kind, [size], data, array.meminfo)
        )

    return kind(X, types.int64, types.int64), codegen


def _working_dtype(typingctx: Any, X: Any, centers: Any) -> Any:
    """Return the dtype that rows X are worked on in; refuse, at compilation, what is no such array."""
    for name, kind in (("X", X), ("centers", centers)):
        if not (isinstance(kind, types.Array) and kind.ndim == 2 and kind.dtype in REAL):
            raise TypingError(f"{name} must be an array of 2 dimensions, of {REAL_NAMES}, got {kind}")
    dtype = types.float32 if X.dtype == types.float32 else types.float64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return types.DType(dtype)(X, centers), codegen


def _words_plainly(shape: Any, dtype: Any) -> int:
    return -(-math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize // WORD)


def _array_plainly(words: Any, start: int, shape: Any, dtype: Any) -> Any:
    taken = words[start : start + _words_plainly(shape, dtype)].view(dtype)
    return taken[: math.prod(np.atleast_1d(shape).tolist())].reshape(shape)


def _line_plainly(X: Any, start: int, stop: int) -> Any:
    return X[start:stop].reshape(-1)


def _dtype_plainly(X: Any, centers: Any) -> Any:
    return np.float32 if X.dtype == np.float32 else np.float64


new_empty: Any = np.empty if DISABLED else intrinsic(_new_empty)
new_zeros: Any = np.zeros if DISABLED else intrinsic(_new_zeros)
words_of: Any = _words_plainly if DISABLED else intrinsic(_words_of)
array_at: Any = _array_plainly if DISABLED else intrinsic(_array_at)
line_of: Any = _line_plainly if DISABLED else intrinsic(_line_of)
working_dtype: Any = _dtype_plainly if DISABLED else intrinsic(_working_dtype)
