"""Machine code from an object file, by LLVM alone.

Such a file may only refer to functions of the C library and, in the file of the parallel loop, to those of
Numba's threading layer: LLVM aborts the process if it cannot resolve a symbol, so `compiler` checks that
there are no others.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding as llvm

from numbakmeans._numba import runtime


@functools.cache
def _engine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def address_of(object_file: bytes, symbol: str) -> int:
    """Load an object file for the lifetime of the process; return the address of a function in it."""
    return int(runtime.keeps_interrupts(_load)(object_file, symbol))


def _load(object_file: bytes, symbol: str) -> int:
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_file))
    engine.finalize_object()
    return int(engine.get_function_address(symbol))
