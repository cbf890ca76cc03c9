"""Rows from anywhere in memory, laid side by side: the form that the tiles of `lanes` read.

Emitted in the same way as the tile of `tiles`. Squares of rows and features are transposed in registers.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.simd.vectors import I64, Arrays, Vectors, lane_tile_of, target_of

#: Side of the largest square of rows and features that is transposed at once.
SQUARE = 8


def _exchanged(v: Vectors, vectors: list[Any], step: int) -> list[Any]:
    """Return rows after one stage of their transposition.

    It swaps the upper lanes (bit `step` set) of row t with the lower lanes of row t + step.
    """
    size = v.vector.count
    low = [t if not t & step else t - step + size for t in range(size)]
    high = [t + step if not t & step else t + size for t in range(size)]
    exchanged = list(vectors)
    for t in range(size):
        if not t & step:
            pair = vectors[t], vectors[t + step]
            for place, mask in ((t, low), (t + step, high)):
                exchanged[place] = v.builder.shuffle_vector(*pair, ir.Constant(v.integers, mask))
    return exchanged


class _Square:
    """Code for as many rows as a square has, which go to neighboring lanes of a block.

    rows : pointers to the first features of the rows; block, lane : pointer to the block, and the first lane
    width : number of lanes of the block
    """

    def __init__(self, v: Vectors, rows: list[Any], block: Any, lane: Any, width: int) -> None:
        self.v, self.builder, self.size = v, v.builder, v.vector.count
        self.rows, self.block, self.lane, self.width = rows, block, lane, width

    def place(self, feature: Any) -> Any:
        """Return the place of a feature of the first row in the block."""
        return self.builder.add(self.builder.mul(feature, I64(self.width)), self.lane)

    def columns(self, feature: Any) -> list[Any]:
        """Return as many features as the square has, from one on: a vector for each, a lane for each row."""
        vectors = [self.v.load(row, feature, self.v.vector) for row in self.rows]
        step = 1
        while step < self.size:
            vectors = _exchanged(self.v, vectors, step)
            step *= 2
        return vectors

    def transpose(self, feature: Any) -> None:
        for t, vector in enumerate(self.columns(feature)):
            self.v.store(vector, self.block, self.place(self.builder.add(feature, I64(t))))

    def transpose_few(self, n_features: Any, end: Any) -> None:
        """Transpose rows of fewer features than the square has; end : pointer to the end of all rows."""
        builder = self.builder
        # A square reads beyond its rows, but must not read beyond the last of all rows.
        ends = [builder.gep(row, [I64(self.size)]) for row in self.rows]
        inside = functools.reduce(builder.and_, (builder.icmp_unsigned("<=", each, end) for each in ends))
        with builder.if_else(inside) as (all_inside, some_outside):
            with all_inside:
                for t, vector in enumerate(self.columns(I64(0))[:-1]):
                    with builder.if_then(builder.icmp_unsigned("<", I64(t), n_features)):
                        self.v.store(vector, self.block, self.place(I64(t)))
            with some_outside, cgutils.for_range(builder, n_features) as loop:
                for t, row in enumerate(self.rows):
                    place = builder.add(self.place(loop.index), I64(t))
                    value = builder.load(builder.gep(row, [loop.index]))
                    builder.store(value, builder.gep(self.block, [place]))


@intrinsic
def transpose_rows(typingctx: Any, rows: Any, chosen: Any, first: Any, block: Any) -> Any:
    """Transpose rows into a block: row chosen[first + r] becomes lane r.

    rows : (n_rows, at least n_features); chosen : (at least first + lane rows,), int64
    block : OUT (n_features, lane rows), of the dtype of rows
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = lane_tile_of(target_of(context), block.dtype.bitwidth // 8)
        v = Vectors(context, builder, block.dtype, lanes=min(SQUARE, tile.lanes))
        size, width = v.vector.count, tile.vectors * tile.lanes
        arrays = Arrays(builder, args)
        rows_, chosen_, block_ = arrays.data(0, 1, 3)
        n_features, stride = arrays.size(3, 0), arrays.size(0, 1)
        end = builder.gep(rows_, [builder.mul(arrays.size(0, 0), stride)])

        def row_at(lane: Any) -> Any:
            number = builder.load(builder.gep(chosen_, [builder.add(args[2], lane)]))
            return builder.gep(rows_, [builder.mul(number, stride)])

        n_squares = builder.udiv(builder.sub(n_features, I64(1)), I64(size))
        fills_squares = builder.icmp_unsigned(">=", n_features, I64(size))
        with cgutils.for_range(builder, I64(width // size)) as group:
            lane = builder.mul(group.index, I64(size))
            own_rows = [row_at(builder.add(lane, I64(t))) for t in range(size)]
            square = _Square(v, own_rows, block_, lane, width)
            with builder.if_else(fills_squares) as (many_features, few_features):
                with many_features:
                    with cgutils.for_range(builder, n_squares) as loop:
                        square.transpose(builder.mul(loop.index, I64(size)))
                    # The last features: they overlap the previous square if they do not fill one.
                    square.transpose(builder.sub(n_features, I64(size)))
                with few_features:
                    square.transpose_few(n_features, end)
        return context.get_dummy_value()

    return types.void(rows, chosen, first, block), codegen
