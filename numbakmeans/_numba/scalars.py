"""Operations on numbers inside kernels, for which Numba would compile a function per combination of types.

Here each is an instruction or two in the kernel that uses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from numbakmeans._numba.entries import DISABLED

__all__ = ["bits_of", "float_of", "maximum", "minimum"]


def _chosen(typingctx: Any, x: Any, y: Any, replaces: str) -> Any:
    kind = typingctx.unify_types(types.unliteral(x), types.unliteral(y))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one, other = (
            context.cast(builder, value, given, kind)
            for value, given in zip(args, signature.args, strict=True)
        )
        ordered = builder.fcmp_ordered if isinstance(kind, types.Float) else builder.icmp_signed
        return builder.select(ordered(replaces, other, one), other, one)

    return kind(x, y), codegen


def _maximum(typingctx: Any, x: Any, y: Any) -> Any:
    """Return the larger of two numbers, as Python's `max` does: the first unless the second is larger."""
    return _chosen(typingctx, x, y, ">")


def _minimum(typingctx: Any, x: Any, y: Any) -> Any:
    """Return the smaller of two numbers, as Python's `min` does: the first unless the second is smaller."""
    return _chosen(typingctx, x, y, "<")


def _bits_of(typingctx: Any, x: Any) -> Any:
    """Return the bits of a float64 as an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


def _float_of(typingctx: Any, bits: Any) -> Any:
    """Return the float64 whose bits are those of an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


def _bits_plainly(x: Any) -> Any:
    return np.float64(x).view(np.int64)


def _float_plainly(bits: Any) -> Any:
    return np.int64(bits).view(np.float64)


maximum: Any = max if DISABLED else intrinsic(_maximum)
minimum: Any = min if DISABLED else intrinsic(_minimum)
bits_of: Any = _bits_plainly if DISABLED else intrinsic(_bits_of)
float_of: Any = _float_plainly if DISABLED else intrinsic(_float_of)
