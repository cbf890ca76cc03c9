"""Draws from NumPy's bit generators: by address, thousands in one call, or from one that Numba took over.

To hand a `numpy.random.Generator` over to compiled code costs more than to draw a few numbers from it. Its
`BitGenerator.capsule` holds a pointer to NumPy's public `bitgen_t` (numpy/random/bitgen.h): a state, and
functions that draw from it. The caller keeps the generators alive, and to itself.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["addresses", "next_uint32"]

I64 = ir.IntType(64)
#: Where `bitgen_t` has its state, and the function that draws 32 bits: after one that draws 64.
STATE, NEXT_UINT32 = 0, 2

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def addresses(generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Return the address of the `bitgen_t` of each generator, (n_generators,), int64."""
    capsules = (generator.bit_generator.capsule for generator in generators)
    return np.array([_pointer(capsule, b"BitGenerator") for capsule in capsules], np.int64)


def _next_uint32(typingctx: Any, source: Any) -> Any:
    """Return 32 bits as an int64, from the generator at an address, or a Generator that Numba took over."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if isinstance(source, types.NumPyRandomGeneratorType):
            fields = context.make_helper(builder, source, args[0]).bit_generator
            fields = context.make_helper(builder, types.NumPyRandomBitGeneratorType("bit_generator"), fields)
            state, function = fields.state, fields.fnptr_next_uint32
        else:
            fields = builder.inttoptr(args[0], I64.as_pointer())
            state, function = (
                builder.load(cgutils.gep_inbounds(builder, fields, field)) for field in (STATE, NEXT_UINT32)
            )
        draw = builder.inttoptr(function, ir.FunctionType(ir.IntType(32), [I64]).as_pointer())
        return builder.zext(builder.call(draw, [state]), I64)

    return types.int64(source), codegen


next_uint32: Any = intrinsic(_next_uint32)
