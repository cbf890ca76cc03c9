"""A tile whose lanes are quantized rows, of int8: their products with points, compared with bounds.

It is emitted in the same way as the tile of `tiles`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.simd.vectors import I32, I64, Arrays, Vectors
from numbakmeans._engine.structs.seeds import GROUP_LANES, POINTS_AT_ONCE
from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.tables import POINTER

__all__ = ["POINTS_AT_ONCE", "near_lanes", "prefetch_rows"]


#: Bytes of a cache line, and how many of a row are prefetched: the processor foresees the others.
LINE, MOST_LINES = 64, 4


def _prefetch_rows(typingctx: Any, X: Any, begin: Any, rows: Any, n_rows: Any) -> Any:
    """Start to load rows that are used soon: begin + rows[t] for the first n_rows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = Arrays(builder, args)
        X_, rows_ = arrays.data(0, 2)
        n_bytes = builder.mul(arrays.size(0, 1), I64(X.dtype.bitwidth // 8))
        # A row need not begin with a line.
        n_lines = builder.add(builder.udiv(n_bytes, I64(LINE)), I64(1))
        n_lines = builder.select(
            builder.icmp_unsigned("<", n_lines, I64(MOST_LINES)), n_lines, I64(MOST_LINES)
        )
        # Short rows are side by side in few lines, which the processor foresees.
        n_rows = builder.select(builder.icmp_unsigned("<", n_bytes, I64(LINE // 2)), I64(0), args[3])
        first = builder.bitcast(X_, POINTER)
        prefetch = builder.module.declare_intrinsic(
            "llvm.prefetch", [POINTER], ir.FunctionType(ir.VoidType(), [POINTER, I32, I32, I32])
        )
        with cgutils.for_range(builder, n_rows) as turn:
            row = builder.add(args[1], builder.load(builder.gep(rows_, [turn.index])))
            start = builder.gep(first, [builder.mul(row, n_bytes)])
            with cgutils.for_range(builder, n_lines) as line:
                address = builder.gep(start, [builder.mul(line.index, I64(LINE))])
                # For reading, from now on, as data.
                builder.call(prefetch, [address, I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(X, types.int64, rows, types.int64), codegen


def _prefetch_plainly(X: Any, begin: int, rows: Any, n_rows: int) -> None:
    """Do nothing: the rows are loaded when they are used."""


prefetch_rows: Any = _prefetch_plainly if DISABLED else intrinsic(_prefetch_rows)


def _load_rows(v: Vectors, block: Any, offset: Any) -> Any:
    """Return the int8 values of a vector of rows as float32."""
    kind, builder = ir.VectorType(ir.IntType(8), GROUP_LANES), v.builder
    address = builder.bitcast(builder.gep(block, [offset]), kind.as_pointer())
    return builder.sitofp(builder.sext(builder.load(address, align=1), v.integers), v.vector)


def _bits_above(v: Vectors, values: Any, bounds: Any) -> Any:
    """Return a word with a bit for each lane, set if its value is above its bound."""
    above = v.builder.fcmp_ordered(">", values, bounds)
    return v.builder.zext(v.builder.bitcast(above, ir.IntType(GROUP_LANES)), I64)


def _emit_in_groups(builder: Any, n: Any, most: int, emit: Callable[[Any, int], None]) -> None:
    """Emit code for n things, `most` at a time, then half of that, and so on; most : a power of two.

    emit : called with the first of a group, and the number of things in it
    """
    with cgutils.for_range(builder, builder.udiv(n, I64(most))) as turn:
        emit(builder.mul(turn.index, I64(most)), most)
    while most > 1:
        rest, most = builder.urem(n, I64(most)), most // 2
        with builder.if_then(builder.icmp_unsigned(">=", rest, I64(most))):
            emit(builder.sub(n, rest), most)


@intrinsic
def near_lanes(typingctx: Any, block: Any, points: Any, bounds: Any, hits: Any) -> Any:
    """Mark the lanes of a block whose product with a point, in float32, exceeds a bound.

    block : (n_features, lanes), int8, lanes a multiple of GROUP_LANES; bounds : (lanes,), float32
    points : float32, one point, (n_features + 1,), or several, (n_points, n_features + 1), n_points a
    multiple of POINTS_AT_ONCE; the last value of each is added to its products
    hits : OUT (n_points, at least lanes // GROUP_LANES), int64, one bit per lane, the lowest for the first
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # Sixteen lanes on every target: LLVM splits vectors that are wider than its own.
        v = Vectors(context, builder, types.float32, lanes=GROUP_LANES)
        arrays = Arrays(builder, args)
        block_, points_, bounds_, hits_ = arrays.data(0, 1, 2, 3)
        n_features, width = arrays.size(0, 0), arrays.size(0, 1)
        n_values, n_words = builder.add(n_features, I64(1)), builder.udiv(width, I64(GROUP_LANES))
        several = points.ndim == 2
        n_points, at_once = (arrays.size(1, 0), POINTS_AT_ONCE) if several else (I64(1), 1)
        stride = arrays.size(3, 1)
        # As many sums as registers hold; for a single point, as many as hide the latency of an addition.
        most = 4 if not several else 2 if v.target.vector_bytes == 64 else 1

        def mark(first: Any, word: Any, n_vectors: int) -> None:
            """Mark the lanes of some vectors, from a word on, for `at_once` points."""
            columns, start = range(at_once), builder.mul(word, I64(GROUP_LANES))
            sums = [[cgutils.alloca_once(builder, v.vector) for _ in range(n_vectors)] for _ in columns]
            numbers = [builder.add(first, I64(p)) for p in columns]
            begins = [builder.gep(points_, [builder.mul(number, n_values)]) for number in numbers]
            for begin, row in zip(begins, sums, strict=True):
                least = v.splat(builder.load(builder.gep(begin, [n_features])), v.vector)
                for total in row:
                    builder.store(least, total)
            with cgutils.for_range(builder, n_features) as feature:
                line = builder.add(builder.mul(feature.index, width), start)
                places = [builder.add(line, I64(GROUP_LANES * t)) for t in range(n_vectors)]
                rows = [_load_rows(v, block_, place) for place in places]
                for begin, row in zip(begins, sums, strict=True):
                    c = v.splat(builder.load(builder.gep(begin, [feature.index])), v.vector)
                    for x, total in zip(rows, row, strict=True):
                        builder.store(v.multiply_add(x, c, builder.load(total)), total)
            for number, row in zip(numbers, sums, strict=True):
                place = builder.add(builder.mul(number, stride), word)
                for t, total in enumerate(row):
                    bound = v.load(bounds_, builder.add(start, I64(GROUP_LANES * t)), v.vector)
                    bits = _bits_above(v, builder.load(total), bound)
                    builder.store(bits, builder.gep(hits_, [builder.add(place, I64(t))]))

        with cgutils.for_range(builder, builder.udiv(n_points, I64(at_once))) as group:
            first = builder.mul(group.index, I64(at_once))
            _emit_in_groups(builder, n_words, most, functools.partial(mark, first))
        return context.get_dummy_value()

    return types.void(block, points, bounds, hits), codegen
