"""Tiles whose lanes are coarse rows, of one byte a value: their products with coarse centers, exact integers.

They are emitted in the same way as the tiles of `lanes`. Four bytes of a row are a word, which the processors
that have an instruction for it multiply by four bytes of a center and add up at once. Rows hold their steps
plus `SHIFT`, from 0 to 255, as that instruction takes one factor without a sign.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.plan import WORD
from numbakmeans._engine.simd.vectors import I32, I64, Arrays, Vectors, flattened, lane_tile_of, target_of

#: What is added to the steps of a row.
SHIFT = 128
#: What a score starts from that no limit lets pass.
NEVER = -(2**31)


@intrinsic
def has_dots(typingctx: Any, X: Any) -> Any:
    """Return 1 if the target multiplies and adds up the bytes of words at once, else 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(1 if target_of(context).dots else 0)

    return types.int64(X), codegen


def _dot(v: Vectors, total: Any, row: Any, center: Any) -> Any:
    """Return the total plus the products of the bytes of each word of rows with those of a center, added up.

    row, center : vectors of words; the bytes of rows have no sign
    """
    builder, kind = v.builder, v.integers
    if v.target.dots:
        name = f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind, kind, kind]), name
        )
        return builder.call(function, [total, row, center])
    for byte in range(WORD):
        low, up = (ir.Constant(kind, [count] * kind.count) for count in (8 * byte, 24 - 8 * byte))
        value = builder.and_(builder.lshr(row, low), ir.Constant(kind, [255] * kind.count))
        other = builder.ashr(builder.shl(center, up), ir.Constant(kind, [24] * kind.count))
        total = builder.add(total, builder.mul(value, other))
    return total


class _Tile:
    """Scores of one panel of centers for rows side by side: as many centers at once as registers hold.

    args : those of an intrinsic, flat, whose first arguments are those of `near_coarse`
    """

    def __init__(self, context: Any, builder: Any, args: Any) -> None:
        self.v, self.builder = Vectors(context, builder, types.float32), builder
        self.n_centers, self.n_vectors, self.lanes = lane_tile_of(self.v.target, 4)
        arrays = Arrays(builder, args)
        block, panels, begins = arrays.data(0, 1, 2)
        self.n_words, self.width = arrays.size(1, 1), arrays.size(1, 2)
        self.block = block
        self.panel = builder.gep(panels, [builder.mul(builder.mul(args[3], self.n_words), self.width)])
        self.begins = builder.gep(begins, [builder.mul(args[3], self.width)])
        self.groups = builder.udiv(builder.add(args[4], I64(self.n_centers - 1)), I64(self.n_centers))

    def scores(self, start: Any) -> dict[tuple[int, int], Any]:
        """Emit the scores of as many centers as fit, from `start` on; return pointers to them."""
        v, builder, kind = self.v, self.builder, self.v.integers
        tile = [(c, t) for c in range(self.n_centers) for t in range(self.n_vectors)]
        sums = {place: cgutils.alloca_once(builder, kind) for place in tile}
        for c, t in tile:
            begin = builder.load(builder.gep(self.begins, [builder.add(start, I64(c))]))
            builder.store(v.splat(begin, kind), sums[c, t])
        with cgutils.for_range(builder, self.n_words) as word:
            line = builder.mul(word.index, I64(self.n_vectors * self.lanes))
            places = [builder.add(line, I64(t * self.lanes)) for t in range(self.n_vectors)]
            rows = [v.load(self.block, place, kind) for place in places]
            line = builder.add(builder.mul(word.index, self.width), start)
            for c in range(self.n_centers):
                value = builder.load(builder.gep(self.panel, [builder.add(line, I64(c))]))
                center = v.splat(value, kind)
                for t in range(self.n_vectors):
                    builder.store(_dot(v, builder.load(sums[c, t]), rows[t], center), sums[c, t])
        return sums


def _mark(
    tile: _Tile, start: Any, sums: dict[tuple[int, int], Any], limits: list[Any], hits: Any, most: list[Any]
) -> None:
    """Emit the comparison of scores with limits: a word of hits for each center, and the most of the others.

    most : pointers to vectors, INOUT
    """
    v, builder, lanes = tile.v, tile.builder, tile.lanes
    never = ir.Constant(v.integers, [NEVER] * lanes)
    for c in range(tile.n_centers):
        word = I64(0)
        for t, limit in enumerate(limits):
            score = builder.load(sums[c, t])
            above = builder.icmp_signed(">", score, limit)
            bits = builder.zext(builder.bitcast(above, ir.IntType(lanes)), I64)
            word = builder.or_(word, builder.shl(bits, I64(t * lanes)))
            left = builder.select(above, never, score)
            builder.store(v.larger(left, builder.load(most[t])), most[t])
        builder.store(word, builder.gep(hits, [builder.add(start, I64(c))]))


@intrinsic
def near_coarse(
    typingctx: Any, block: Any, panels: Any, begins: Any, panel: Any, n_columns: Any, found: Any
) -> Any:
    """Mark the centers of one panel whose scores are above a limit, for coarse rows side by side.

    The score of row q and center c is q.c - |c|**2 / 2, rounded up.

    block : (n_words, lane rows), int32, words of rows; panels : (n_panels, n_words, columns), int32, those of
    centers
    begins : (n_panels, columns), int32, what scores start from: - |c|**2 / 2 less what `SHIFT` adds, or
    `NEVER` where there is no center
    panel : index of the panel; n_columns : its leading columns that hold centers; int64
    found : three tables: (lane rows,), int32, the limits; OUT (at least columns,), int64, one bit per row for
    each center, the lowest for the first row; and INOUT (lane rows,), int32, raised to the largest score that
    is not above the limit
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        tile = _Tile(context, builder, args)
        v, lanes, kind = tile.v, tile.lanes, tile.v.integers
        limits_, hits_, most_ = Arrays(builder, args).data(5, 6, 7)
        vectors = range(tile.n_vectors)
        limits = [v.load(limits_, I64(t * lanes), kind) for t in vectors]
        most = [cgutils.alloca_once(builder, kind) for _ in vectors]
        for t in vectors:
            builder.store(v.load(most_, I64(t * lanes), kind), most[t])
        with cgutils.for_range(builder, tile.groups) as group:
            start = builder.mul(group.index, I64(tile.n_centers))
            _mark(tile, start, tile.scores(start), limits, hits_, most)
        for t in vectors:
            v.store(builder.load(most[t]), most_, I64(t * lanes))
        return context.get_dummy_value()

    return types.void(block, panels, begins, panel, n_columns, found), codegen


@intrinsic
def rising_coarse(
    typingctx: Any, block: Any, panels: Any, begins: Any, panel: Any, n_columns: Any, found: Any
) -> Any:
    """Do what `near_coarse` does, with limits that rise with the largest score of each row.

    The arguments up to n_columns are those of `near_coarse`.

    found : its three tables, the limits being how far a score must be below the largest so far, at least 0;
    and three more, (lane rows,), int32: the largest score before this panel; OUT the largest in it; and OUT
    the place of its center, its panel times columns plus its column
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        tile = _Tile(context, builder, args)
        v, lanes, kind = tile.v, tile.lanes, tile.v.integers
        far_, hits_, most_, before_, tops_, places_ = Arrays(builder, args).data(5, 6, 7, 8, 9, 10)
        vectors = range(tile.n_vectors)
        far, before = (
            [v.load(pointer, I64(t * lanes), kind) for t in vectors] for pointer in (far_, before_)
        )
        # No limit is so low that its difference leaves int32.
        least = [builder.add(each, ir.Constant(kind, [NEVER + 1] * lanes)) for each in far]
        least = [v.larger(low, largest) for low, largest in zip(least, before, strict=True)]
        most, tops, places = ([cgutils.alloca_once(builder, kind) for _ in vectors] for _ in range(3))
        for t in vectors:
            builder.store(v.load(most_, I64(t * lanes), kind), most[t])
            builder.store(ir.Constant(kind, [NEVER] * lanes), tops[t])
            builder.store(ir.Constant(kind, [0] * lanes), places[t])
        with cgutils.for_range(builder, tile.groups) as group:
            start = builder.mul(group.index, I64(tile.n_centers))
            sums = tile.scores(start)
            first = builder.add(builder.mul(args[3], tile.width), start)
            for c in range(tile.n_centers):
                here = v.splat(builder.trunc(builder.add(first, I64(c)), I32), kind)
                for t in vectors:
                    score, top = builder.load(sums[c, t]), builder.load(tops[t])
                    better = builder.icmp_signed(">", score, top)
                    builder.store(builder.select(better, score, top), tops[t])
                    builder.store(builder.select(better, here, builder.load(places[t])), places[t])
            limits = [builder.sub(v.larger(builder.load(tops[t]), least[t]), far[t]) for t in vectors]
            _mark(tile, start, sums, limits, hits_, most)
        for pointer, values in ((most_, most), (tops_, tops), (places_, places)):
            for t in vectors:
                v.store(builder.load(values[t]), pointer, I64(t * lanes))
        return context.get_dummy_value()

    return types.void(block, panels, begins, panel, n_columns, found), codegen
