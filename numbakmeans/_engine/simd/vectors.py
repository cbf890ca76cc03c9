"""The vector capabilities of the target, and the vector operations that the tiles are made of.

The capabilities are probed: LLVM compiles a vector operation for the machine that Numba compiles for, and
the assembly is inspected. CPU names and feature strings alone are misleading.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils

from numbakmeans._numba.tables import data_of, size_of

I32, I64 = ir.IntType(32), ir.IntType(64)

#: Features whose terms are summed before they are added to a total: the rounding error of a score grows with
#: the number of additions that a term passes through.
SUMMED_FEATURES = 128


class Target(NamedTuple):
    """The vector capabilities of a machine.

    vector_bytes : of a vector; fused : whether it has fused multiply-add
    dots : whether it multiplies four bytes of a lane by four others and adds them up at once
    """

    vector_bytes: int
    fused: bool
    dots: bool


class Tile(NamedTuple):
    """Rows and vectors of a register tile, and elements (lanes) of a vector."""

    rows: int
    vectors: int
    lanes: int


class LaneTile(NamedTuple):
    """Columns (centers) of a tile of rows side by side, vectors of rows, and elements (lanes) of a vector."""

    columns: int
    vectors: int
    lanes: int


@functools.cache
def _probe(machine: Any) -> Target:
    """Return the capabilities that show in the code for a multiply-add of 16 floats on a target machine."""
    module = ir.Module()
    vector = ir.VectorType(ir.FloatType(), 16)
    function = ir.Function(module, ir.FunctionType(vector, [vector] * 3), "probe")
    _allow_wide_vectors(function)
    builder = ir.IRBuilder(function.append_basic_block())
    x, y, z = function.args
    builder.ret(builder.fadd(builder.fmul(x, y), z))
    multiply = machine.emit_assembly(llvm.parse_assembly(str(module)))
    fma = ir.Function(module, ir.FunctionType(vector, [vector] * 3), "llvm.fma.v16f32")
    fused = ir.Function(module, ir.FunctionType(vector, [vector] * 3), "fused")
    _allow_wide_vectors(fused)
    builder = ir.IRBuilder(fused.append_basic_block())
    builder.ret(builder.call(fma, fused.args))
    assembly = machine.emit_assembly(llvm.parse_assembly(str(module)))
    vector_bytes = 64 if "zmm" in multiply else 32 if "ymm" in multiply else 16
    # Without hardware support, LLVM calls a libm function for each element.
    return Target(vector_bytes, "fmaf" not in assembly, _multiplies_bytes(machine))


def _multiplies_bytes(machine: Any) -> bool:
    """Return whether LLVM finds an instruction that adds up products of bytes with and without a sign."""
    module, kind = ir.Module(), ir.VectorType(I32, 64)
    bytes_kind = ir.VectorType(ir.IntType(8), 64)
    total = ir.Function(module, ir.FunctionType(I32, [kind]), "llvm.vector.reduce.add.v64i32")
    function = ir.Function(module, ir.FunctionType(I32, [bytes_kind] * 2), "dots")
    _allow_wide_vectors(function)
    builder = ir.IRBuilder(function.append_basic_block())
    x, y = function.args
    builder.ret(builder.call(total, [builder.mul(builder.zext(x, kind), builder.sext(y, kind))]))
    return "vpdpbusd" in machine.emit_assembly(llvm.parse_assembly(str(module)))


def _allow_wide_vectors(function: ir.Function) -> None:
    """Request 512-bit code even on CPUs for which LLVM prefers 256-bit vectors."""
    for name in ("prefer-vector-width", "min-legal-vector-width"):
        # llvmlite accepts only attributes without a value.
        set.add(function.attributes, f'"{name}"="512"')


def _align_stack(function: ir.Function) -> None:
    """Align vectors that are spilled to the stack to cache lines.

    LLVM decides too late which vectors to spill, and leaves the stack aligned to 16 bytes. A tile then took
    up to a quarter more time, depending on where the stack of the process began. An inlined function would
    lose the attribute, hence `noinline`.
    """
    set.add(function.attributes, '"stackrealign"')
    function.attributes.add("noinline")


def target_of(context: Any) -> Target:
    """Return the vector capabilities of the machine that a Numba context compiles for."""
    return _probe(context.codegen()._tm)


def tile_of(target: Target, itemsize: int) -> Tile:
    """Return the register tile for a target: 32 registers with 64-byte vectors, 16 otherwise."""
    lanes = target.vector_bytes // itemsize
    return Tile(14, 2, lanes) if target.vector_bytes == 64 else Tile(6, 2, lanes)


def lane_tile_of(target: Target, itemsize: int) -> LaneTile:
    """Return the tile for rows side by side: 24, 12 or 6 sums in registers, and never wider than a panel."""
    lanes = target.vector_bytes // itemsize
    return LaneTile(min(8 if target.vector_bytes == 64 else 4, lanes), 3, lanes)


class Vectors:
    """Loads, stores and operations on the vectors of one dtype, for a builder."""

    def __init__(self, context: Any, builder: Any, dtype: Any, lanes: int = 0) -> None:
        self.builder, self.itemsize = builder, dtype.bitwidth // 8
        self.target = target_of(context)
        self.tile = tile_of(self.target, self.itemsize)
        lanes = lanes or self.tile.lanes
        self.scalar = context.get_data_type(dtype)
        self.vector = ir.VectorType(self.scalar, lanes)
        self.integers = ir.VectorType(I32, lanes)
        self.suffix = f"v{lanes}f{8 * self.itemsize}"
        _allow_wide_vectors(builder.function)
        _align_stack(builder.function)

    def load(self, pointer: Any, offset: Any, vector: Any) -> Any:
        address = self.builder.gep(pointer, [offset])
        address = self.builder.bitcast(address, vector.as_pointer())
        # Only the alignment of the elements: arrays guarantee no more.
        return self.builder.load(
            address, align=vector.element.width // 8 if vector is self.integers else self.itemsize
        )

    def store(self, value: Any, pointer: Any, offset: Any) -> None:
        address = self.builder.gep(pointer, [offset])
        address = self.builder.bitcast(address, value.type.as_pointer())
        self.builder.store(value, address, align=4 if value.type is self.integers else self.itemsize)

    def splat(self, value: Any, vector: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(undefined, value, I32(0))
        zeros = ir.Constant(self.integers, [0] * self.integers.count)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """Return x * y + z, rounded once if the target supports it."""
        if not self.target.fused:
            return self.builder.fadd(self.builder.fmul(x, y), z)
        return self.builder.call(self._intrinsic("llvm.fma", 3), [x, y, z])

    def smaller(self, x: Any, y: Any) -> Any:
        """Return the smaller of x and y, or y where x is NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<", x, y), x, y)

    def larger(self, x: Any, y: Any) -> Any:
        """Return the larger of two vectors of integers."""
        return self.builder.select(self.builder.icmp_signed(">", x, y), x, y)

    def total(self, x: Any) -> Any:
        """Return the sum of all lanes of x."""
        lanes = x.type.count
        while lanes > 1:
            lanes //= 2
            kind = ir.VectorType(I32, lanes)
            masks = [ir.Constant(kind, [t + first for t in range(lanes)]) for first in (0, lanes)]
            low, high = (self.builder.shuffle_vector(x, x, mask) for mask in masks)
            x = self.builder.fadd(low, high)
        return self.builder.extract_element(x, I32(0))

    def sum_over(self, n_features: Any, sums: dict[Any, Any], add_feature: Callable[[Any], None]) -> None:
        """Emit add_feature(f) for every feature f, `SUMMED_FEATURES` of them at a time.

        sums : pointers to the vectors that add_feature adds terms to; all but the first sums start from zero,
        and are added to the sums before them
        """
        builder, at_once = self.builder, I64(SUMMED_FEATURES)
        zero = ir.Constant(self.vector, [0.0] * self.vector.count)
        before = {place: cgutils.alloca_once(builder, self.vector) for place in sums}
        n_chunks = builder.udiv(builder.add(n_features, I64(SUMMED_FEATURES - 1)), at_once)
        with cgutils.for_range(builder, n_chunks) as chunk:
            start = builder.mul(chunk.index, at_once)
            left = builder.sub(n_features, start)
            is_later = builder.icmp_signed(">", chunk.index, I64(0))
            with builder.if_then(is_later):
                for place, total in sums.items():
                    builder.store(builder.load(total), before[place])
                    builder.store(zero, total)
            count = builder.select(builder.icmp_signed("<", left, at_once), left, at_once)
            with cgutils.for_range(builder, count) as loop:
                add_feature(builder.add(start, loop.index))
            with builder.if_then(is_later):
                for place, total in sums.items():
                    builder.store(builder.fadd(builder.load(before[place]), builder.load(total)), total)

    def _intrinsic(self, name: str, n_arguments: int) -> Any:
        kind = ir.FunctionType(self.vector, [self.vector] * n_arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"{name}.{self.suffix}")


def flattened(builder: Any, signature: Any, args: Any) -> list[Any]:
    """Return the arguments of an intrinsic as a flat list, with tuples expanded into their members."""
    values: list[Any] = []
    for kind, value in zip(signature.args, args, strict=True):
        members = cgutils.unpack_tuple(builder, value) if isinstance(kind, types.BaseTuple) else [value]
        values.extend(members)
    return values


class Arrays:
    """The arguments of an intrinsic that are tables, by position."""

    def __init__(self, builder: Any, values: Any) -> None:
        self.builder, self.values = builder, values

    def data(self, *positions: int) -> list[Any]:
        """Return pointers to the first elements of the tables at some positions."""
        return [data_of(self.builder, self.values[p]) for p in positions]

    def size(self, position: int, axis: int) -> Any:
        return size_of(self.builder, self.values[position], axis)
