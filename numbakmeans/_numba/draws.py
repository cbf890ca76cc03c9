"""Random numbers inside kernels: NumPy's, by the address of a `bitgen_t` (`bitgen`), and counted ones
(`mixed`).

A `bitgen_t` is a struct of words: a state, and functions that draw 64 bits, 32 bits and a float64 from it.
They take no lock and do not need the GIL.
"""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._numba.entries import DISABLED

__all__ = ["mixed", "next_double", "next_product", "next_uint32"]

I32, I64, I128 = ir.IntType(32), ir.IntType(64), ir.IntType(128)
#: Offsets of the state and the functions in a `bitgen_t`, in words.
STATE, NEXT_UINT64, NEXT_UINT32, NEXT_DOUBLE = range(4)


def _draw(builder: Any, address: Any, function: int, result: Any) -> Any:
    """Emit a call of one of the functions of a `bitgen_t`."""
    words = builder.inttoptr(address, I64.as_pointer())
    state, found = (builder.load(cgutils.gep_inbounds(builder, words, word)) for word in (STATE, function))
    return builder.call(builder.inttoptr(found, ir.FunctionType(result, [I64]).as_pointer()), [state])


def _next_uint32(typingctx: Any, address: Any) -> Any:
    """Draw 32 bits; return them as an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_draw(builder, args[0], NEXT_UINT32, I32), I64)

    return types.int64(types.int64), codegen


def _next_double(typingctx: Any, address: Any) -> Any:
    """Draw a float64 in [0, 1)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _draw(builder, args[0], NEXT_DOUBLE, ir.DoubleType())

    return types.float64(types.int64), codegen


def _next_product(typingctx: Any, address: Any, n: Any) -> Any:
    """Draw 64 bits and multiply them by n >= 0; return the upper and the lower word as int64."""
    result = types.UniTuple(types.int64, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        drawn = builder.zext(_draw(builder, args[0], NEXT_UINT64, I64), I128)
        product = builder.mul(drawn, builder.zext(args[1], I128))
        upper = builder.trunc(builder.lshr(product, I128(64)), I64)
        return context.make_tuple(builder, result, [upper, builder.trunc(product, I64)])

    return result(types.int64, types.int64), codegen


#: SplitMix64's increment and multipliers (`kernels.oversampling` has the reference), and its shifts.
GAMMA, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SHIFTS = 30, 27, 31


def _mixed(typingctx: Any, key: Any, number: Any) -> Any:
    """Return a number of the stream of a key, 64 random bits, by its index from 0: SplitMix64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        z = builder.add(args[0], builder.mul(builder.add(args[1], I64(1)), I64(GAMMA)))
        for shift, multiplier in zip(SHIFTS, (FIRST, SECOND, 1), strict=True):
            z = builder.mul(builder.xor(z, builder.lshr(z, I64(shift))), I64(multiplier))
        return z

    return types.int64(types.int64, types.int64), codegen


def _mixed_plainly(key: int, number: int) -> int:
    z = (int(key) + (int(number) + 1) * GAMMA) % 2**64
    for shift, multiplier in zip(SHIFTS, (FIRST, SECOND, 1), strict=True):
        z = (z ^ (z >> shift)) * multiplier % 2**64
    return z - 2**64 if z >= 2**63 else z


def _draw_plainly(address: int, function: int, result: Any) -> Any:
    words = (ctypes.c_size_t * 4).from_address(int(address))
    return ctypes.CFUNCTYPE(result, ctypes.c_void_p)(words[function])(words[STATE])


def _next_uint32_plainly(address: int) -> int:
    return _draw_plainly(address, NEXT_UINT32, ctypes.c_uint32)


def _next_double_plainly(address: int) -> float:
    return _draw_plainly(address, NEXT_DOUBLE, ctypes.c_double)


def _next_product_plainly(address: int, n: int) -> tuple[int, int]:
    product = _draw_plainly(address, NEXT_UINT64, ctypes.c_uint64) * int(n)
    return product >> 64, product & (2**64 - 1)


mixed: Any = _mixed_plainly if DISABLED else intrinsic(_mixed)
next_uint32: Any = _next_uint32_plainly if DISABLED else intrinsic(_next_uint32)
next_double: Any = _next_double_plainly if DISABLED else intrinsic(_next_double)
next_product: Any = _next_product_plainly if DISABLED else intrinsic(_next_product)
