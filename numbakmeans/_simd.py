"""Vector values inside nopython code: how wide the target's vectors are, and the register tiles.

A tile is the inner loop of a distance pass. An `intrinsic` emits it whole: Python loops, while the code is
generated, over rows and vectors, around one emitted loop over the features. The sums live in stack slots,
which LLVM promotes to registers.

What the target can do is asked of LLVM itself, by compiling a vector operation for the very machine that
Numba compiles for and reading the assembly: names and feature strings alone mislead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I32, I64 = ir.IntType(32), ir.IntType(64)


class Target(NamedTuple):
    """What the vectors of a machine can do."""

    vector_bytes: int
    fused: bool


class Tile(NamedTuple):
    """Rows and vectors of a register tile, and elements of a vector."""

    rows: int
    vectors: int
    lanes: int


class LaneTile(NamedTuple):
    """Columns (centers) of a tile of rows side by side, vectors of rows, and elements of a vector."""

    columns: int
    vectors: int
    lanes: int


@functools.cache
def _probe(machine: Any) -> Target:
    """Return what LLVM makes of a fused multiply-add of 16 floats on a target machine."""
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
    # Where the hardware cannot, LLVM calls a function of libm for each element.
    return Target(vector_bytes, "fmaf" not in assembly)


def _allow_wide_vectors(function: ir.Function) -> None:
    """Ask for 512-bit code also on CPUs where LLVM prefers 256."""
    for name in ("prefer-vector-width", "min-legal-vector-width"):
        # llvmlite knows only attributes without a value.
        set.add(function.attributes, f'"{name}"="512"')


def _align_stack(function: ir.Function) -> None:
    """Let vectors that do not fit into registers lie on lines of the cache.

    LLVM decides too late which do not fit, and leaves the stack aligned to 16 bytes: a tile then took up to a
    quarter more time, depending on where the stack of the process began. What is inlined loses the attribute.
    """
    set.add(function.attributes, '"stackrealign"')
    function.attributes.add("noinline")


def target_of(context: Any) -> Target:
    """Return what the machine that a Numba context compiles for can do."""
    return _probe(context.codegen()._tm)


def tile_of(target: Target, itemsize: int) -> Tile:
    """Return the register tile for a target: 32 registers with 64-byte vectors, 16 otherwise."""
    lanes = target.vector_bytes // itemsize
    return Tile(14, 2, lanes) if target.vector_bytes == 64 else Tile(6, 2, lanes)


def lane_tile_of(target: Target, itemsize: int) -> LaneTile:
    """Return the tile for rows side by side: 24 sums in registers, 12 or 6, and never wider than a panel."""
    lanes = target.vector_bytes // itemsize
    return LaneTile(min(8 if target.vector_bytes == 64 else 4, lanes), 3, lanes)


@intrinsic
def tile_rows(typingctx: Any, X: Any) -> Any:
    """Rows of the register tile for the dtype of X."""
    return _constant(X, lambda tile: tile.rows)


@intrinsic
def tile_columns(typingctx: Any, X: Any) -> Any:
    """Columns (centers) of the register tile for the dtype of X: the width of a panel."""
    return _constant(X, lambda tile: tile.vectors * tile.lanes)


@intrinsic
def tile_lanes(typingctx: Any, X: Any) -> Any:
    """Lanes that the results of a tile take: its rows, filled up to whole vectors."""
    return _constant(X, lambda tile: -(-tile.rows // tile.lanes) * tile.lanes)


def _constant(X: Any, of: Callable[[Tile], int]) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(of(tile_of(target_of(context), X.dtype.bitwidth // 8)))

    return types.int64(X), codegen


class _Vectors:
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
        # Aligned as the elements are: arrays promise no more.
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
        """x * y + z, in one rounding where the target can."""
        if not self.target.fused:
            return self.builder.fadd(self.builder.fmul(x, y), z)
        return self.builder.call(self._intrinsic("llvm.fma", 3), [x, y, z])

    def smaller(self, x: Any, y: Any) -> Any:
        """The smaller of x and y, which is y where x is NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<", x, y), x, y)

    def _intrinsic(self, name: str, n_arguments: int) -> Any:
        kind = ir.FunctionType(self.vector, [self.vector] * n_arguments)
        return cgutils.get_or_insert_function(self.builder.module, kind, f"{name}.{self.suffix}")


class _Arrays:
    """The arguments of an intrinsic that are arrays, by their position."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.builder = builder
        self.structs = {
            position: context.make_array(kind)(context, builder, value)
            for position, (kind, value) in enumerate(zip(signature.args, args, strict=True))
            if isinstance(kind, types.Array)
        }

    def data(self, *positions: int) -> list[Any]:
        """Pointers to their first elements."""
        return [self.structs[p].data for p in positions]

    def size(self, position: int, axis: int) -> Any:
        return self.builder.extract_value(self.structs[position].shape, axis)


def _best_two(v: _Vectors, rows: list[list[Any]]) -> tuple[Any, Any, Any]:
    """Return three vectors with a lane for each row: its best score, the next, the column of the best.

    rows : as many as a vector has lanes, each a list of vectors of scores

    A tournament: pairs of vectors meet, half of the lanes of one against the other half, and the two results
    share a vector, until each lane holds what is left of a row.
    """
    builder, lanes = v.builder, v.tile.lanes

    def meet(x: Any, y: Any) -> Any:
        better = builder.fcmp_ordered("<", y[0], x[0])
        best = builder.select(better, y[0], x[0])
        second = builder.select(better, x[0], y[0])
        if x[1] is not None:
            second = v.smaller(second, v.smaller(x[1], y[1]))
        return best, second, builder.select(better, y[2], x[2])

    def play(group: list[list[Any]]) -> Any:
        if len(group) == 1:
            entries = [
                (score, None, ir.Constant(v.integers, [j * lanes + t for t in range(lanes)]))
                for j, score in enumerate(group[0])
            ]
            return functools.reduce(meet, entries)
        middle = len(group) // 2
        left, right = play(group[:middle]), play(group[middle:])
        # Each row has `width` lanes of its vector: the first half of them meets the second half.
        width = lanes // middle
        firsts = [t for t in range(2 * lanes) if t % width < width // 2]

        def halves(offset: int) -> Any:
            mask = ir.Constant(v.integers, [t + offset for t in firsts])
            pairs = zip(left, right, strict=True)
            return [None if x is None else builder.shuffle_vector(x, y, mask) for x, y in pairs]

        return meet(halves(0), halves(width // 2))

    best, second, column = play(rows)
    return best, second, column


def _products(
    v: _Vectors, rows: Any, chosen: Any, first: Any, panel: Any, n_features: Any, begin: list[Any]
) -> dict[tuple[int, int], Any]:
    """Emit the products of the rows of a tile with a panel, added to `begin`; return where they are.

    rows, chosen, panel : pointers; begin : as many vectors as the panel has side by side; the other arguments
    are those of `score_tile`
    """
    builder, (n_rows, _, lanes) = v.builder, v.tile
    n_vectors = len(begin)
    places = [builder.gep(chosen, [builder.add(first, I64(r))]) for r in range(n_rows)]
    starts = [builder.gep(rows, [builder.mul(builder.load(place), n_features)]) for place in places]
    tile = [(r, j) for r in range(n_rows) for j in range(n_vectors)]
    sums = {place: cgutils.alloca_once(builder, v.vector) for place in tile}
    for r, j in tile:
        builder.store(begin[j], sums[r, j])
    with cgutils.for_range(builder, n_features) as loop:
        line = builder.mul(loop.index, I64(n_vectors * lanes))
        offsets = [builder.add(line, I64(j * lanes)) for j in range(n_vectors)]
        centers = [v.load(panel, offset, v.vector) for offset in offsets]
        for r in range(n_rows):
            x = v.splat(builder.load(builder.gep(starts[r], [loop.index])), v.vector)
            for j in range(n_vectors):
                total = v.multiply_add(x, centers[j], builder.load(sums[r, j]))
                builder.store(total, sums[r, j])
    return sums


@intrinsic
def product_tile(
    typingctx: Any, rows: Any, chosen: Any, first: Any, panels: Any, panel: Any, out: Any
) -> Any:
    """Write the products of the rows of a tile with the columns of a panel.

    rows, chosen, first, panels, panel : as in `score_tile`; out : OUT (tile rows, columns)
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, rows.dtype)
        _, n_vectors, lanes = v.tile
        arrays = _Arrays(context, builder, signature, args)
        rows_, chosen_, panels_, out_ = arrays.data(0, 1, 3, 5)
        n_features = arrays.size(0, 1)
        width = I64(n_vectors * lanes)
        panels_ = builder.gep(panels_, [builder.mul(builder.mul(args[4], n_features), width)])
        zeros = [ir.Constant(v.vector, [0.0] * lanes)] * n_vectors
        sums = _products(v, rows_, chosen_, args[2], panels_, n_features, zeros)
        for (r, j), slot in sums.items():
            v.store(builder.load(slot), out_, I64((r * n_vectors + j) * lanes))
        return context.get_dummy_value()

    return types.void(rows, chosen, first, panels, panel, out), codegen


@intrinsic
def score_tile(
    typingctx: Any,
    rows: Any,
    chosen: Any,
    first: Any,
    panels: Any,
    half_norms: Any,
    panel: Any,
    best: Any,
    second: Any,
    columns: Any,
) -> Any:
    """Score one panel of centers for the rows of a tile, and find the best two of each row.

    The score of row x and center c is |c|**2 / 2 - x.c; panels hold -c.

    rows : (n_rows, n_features); chosen : (at least first + tile rows,), int64, which rows make the tile
    panels : (n_panels, n_features, columns), tile columns or half of them; half_norms : (n_panels, columns)
    panel : its number, int64
    best, second : OUT (at least first + tile lanes,), from `first` on the smallest score of each row of the
    tile and the next one; columns : OUT, likewise, int32, the column of the best
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, rows.dtype)
        n_rows, n_vectors, lanes = v.tile
        arrays = _Arrays(context, builder, signature, args)
        rows_, chosen_, panels_, norms_, *outputs = arrays.data(0, 1, 3, 4, 6, 7, 8)
        n_features = arrays.size(0, 1)
        number = args[5]

        def emit(n_vectors: int) -> None:
            width = I64(n_vectors * lanes)
            norms = builder.gep(norms_, [builder.mul(number, width)])
            panel = builder.gep(panels_, [builder.mul(builder.mul(number, n_features), width)])
            begin = [v.load(norms, I64(j * lanes), v.vector) for j in range(n_vectors)]
            sums = _products(v, rows_, chosen_, args[2], panel, n_features, begin)
            for group in range(0, n_rows, lanes):
                # The last group is filled up with its first row.
                group_rows = [r if r < n_rows else group for r in range(group, group + lanes)]
                scores = [[builder.load(sums[r, j]) for j in range(n_vectors)] for r in group_rows]
                for output, value in zip(outputs, _best_two(v, scores), strict=True):
                    v.store(value, output, builder.add(args[2], I64(group)))

        narrow = builder.icmp_signed("==", arrays.size(3, 2), I64(lanes))
        with builder.if_else(narrow) as (few_centers, many_centers):
            with few_centers:
                emit(1)
            with many_centers:
                emit(n_vectors)
        return context.get_dummy_value()

    signature = types.void(rows, chosen, first, panels, half_norms, panel, best, second, columns)
    return signature, codegen


@intrinsic
def lane_rows(typingctx: Any, X: Any) -> Any:
    """Rows that lie side by side in a tile of `score_lanes`, for the dtype of X."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = lane_tile_of(target_of(context), X.dtype.bitwidth // 8)
        return I64(tile.vectors * tile.lanes)

    return types.int64(X), codegen


#: Rows and features that `turn_rows` turns at a time, at most.
SQUARE = 8


@intrinsic
def turn_rows(typingctx: Any, rows: Any, chosen: Any, first: Any, block: Any) -> Any:
    """Write rows side by side: row chosen[first + r] becomes lane r of a block.

    rows : (n_rows, at least n_features); chosen : (at least first + lane rows,), int64
    block : OUT (n_features, lane rows), of the same dtype
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = lane_tile_of(target_of(context), block.dtype.bitwidth // 8)
        v = _Vectors(context, builder, block.dtype, lanes=min(SQUARE, tile.lanes))
        size, width = v.vector.count, tile.vectors * tile.lanes
        arrays = _Arrays(context, builder, signature, args)
        rows_, chosen_, block_ = arrays.data(0, 1, 3)

        n_features, stride = arrays.size(3, 0), arrays.size(0, 1)

        def row_at(lane: Any) -> Any:
            number = builder.load(builder.gep(chosen_, [builder.add(args[2], lane)]))
            return builder.gep(rows_, [builder.mul(number, stride)])

        def exchange(vectors: list[Any], step: int) -> list[Any]:
            """Swap, between rows t and t + step, the lanes in which the one is ahead of the other."""
            low = [t if not t & step else t - step + size for t in range(size)]
            high = [t + step if not t & step else t + size for t in range(size)]
            turned = list(vectors)
            for t in range(size):
                if not t & step:
                    pair = vectors[t], vectors[t + step]
                    for place, mask in ((t, low), (t + step, high)):
                        turned[place] = builder.shuffle_vector(*pair, ir.Constant(v.integers, mask))
            return turned

        def turn(pointers: list[Any], feature: Any, lane: Any) -> None:
            vectors = [v.load(pointer, feature, v.vector) for pointer in pointers]
            step = 1
            while step < size:
                vectors = exchange(vectors, step)
                step *= 2
            for t, vector in enumerate(vectors):
                line = builder.mul(builder.add(feature, I64(t)), I64(width))
                v.store(vector, block_, builder.add(line, lane))

        whole = builder.icmp_unsigned(">=", n_features, I64(size))
        with builder.if_else(whole) as (squares, few_features):
            with squares, cgutils.for_range(builder, I64(width // size)) as group:
                lane = builder.mul(group.index, I64(size))
                pointers = [row_at(builder.add(lane, I64(t))) for t in range(size)]
                n_squares = builder.udiv(builder.sub(n_features, I64(1)), I64(size))
                with cgutils.for_range(builder, n_squares) as turned:
                    turn(pointers, builder.mul(turned.index, I64(size)), lane)
                # The last features, with some that are done where they do not fill a square.
                turn(pointers, builder.sub(n_features, I64(size)), lane)
            with few_features, cgutils.for_range(builder, I64(width)) as lane:
                row = row_at(lane.index)
                with cgutils.for_range(builder, n_features) as feature:
                    place = builder.add(builder.mul(feature.index, I64(width)), lane.index)
                    value = builder.load(builder.gep(row, [feature.index]))
                    builder.store(value, builder.gep(block_, [place]))
        return context.get_dummy_value()

    return types.void(rows, chosen, first, block), codegen


@intrinsic
def score_lanes(
    typingctx: Any,
    block: Any,
    panels: Any,
    half_norms: Any,
    panel: Any,
    n_columns: Any,
    first: Any,
    best: Any,
    second: Any,
    columns: Any,
) -> Any:
    """Score one panel of centers for rows that lie side by side, and find the best two of each.

    Scores are those of `score_tile`. There a row is found in memory wherever it lies, and what its vector of
    scores holds has to be brought together lane by lane; here each lane is a row, for which rows have to be
    turned first, and must all want the panel.

    block : (n_features, lane rows); panels, half_norms, panel : as in `score_tile`
    n_columns : how many columns of the panel hold centers, int64; the others may count, too
    best, second, columns : OUT (at least first + lane rows,), from `first` on, as in `score_tile`
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, block.dtype)
        n_centers, n_vectors, lanes = lane_tile_of(v.target, v.itemsize)
        arrays = _Arrays(context, builder, signature, args)
        block_, panels_, norms_, best_, second_, columns_ = arrays.data(0, 1, 2, 6, 7, 8)
        n_features, width = arrays.size(1, 1), arrays.size(1, 2)

        norms_ = builder.gep(norms_, [builder.mul(args[3], width)])
        panels_ = builder.gep(panels_, [builder.mul(builder.mul(args[3], n_features), width)])
        places = [builder.add(args[5], I64(t * lanes)) for t in range(n_vectors)]
        tile = [(c, t) for c in range(n_centers) for t in range(n_vectors)]
        sums = {place: cgutils.alloca_once(builder, v.vector) for place in tile}
        for place in places:
            v.store(ir.Constant(v.vector, [float("inf")] * lanes), best_, place)
            v.store(ir.Constant(v.vector, [float("inf")] * lanes), second_, place)
            v.store(ir.Constant(v.integers, [0] * lanes), columns_, place)
        groups = builder.udiv(builder.add(args[4], I64(n_centers - 1)), I64(n_centers))
        with cgutils.for_range(builder, groups) as group:
            start = builder.mul(group.index, I64(n_centers))
            for c in range(n_centers):
                norm = builder.load(builder.gep(norms_, [builder.add(start, I64(c))]))
                for t in range(n_vectors):
                    builder.store(v.splat(norm, v.vector), sums[c, t])
            with cgutils.for_range(builder, n_features) as feature:
                line = builder.mul(feature.index, I64(n_vectors * lanes))
                rows = [v.load(block_, builder.add(line, I64(t * lanes)), v.vector) for t in range(n_vectors)]
                line = builder.add(builder.mul(feature.index, width), start)
                for c in range(n_centers):
                    center = v.splat(
                        builder.load(builder.gep(panels_, [builder.add(line, I64(c))])), v.vector
                    )
                    for t in range(n_vectors):
                        builder.store(v.multiply_add(rows[t], center, builder.load(sums[c, t])), sums[c, t])
            number = v.splat(builder.trunc(start, I32), v.integers)
            numbers = [builder.add(number, ir.Constant(v.integers, [c] * lanes)) for c in range(n_centers)]
            for t, place in enumerate(places):
                least, next_least = v.load(best_, place, v.vector), v.load(second_, place, v.vector)
                column = v.load(columns_, place, v.integers)
                for c in range(n_centers):
                    score = builder.load(sums[c, t])
                    better = builder.fcmp_ordered("<", score, least)
                    larger = builder.select(better, least, score)
                    next_least = v.smaller(larger, next_least)
                    least = builder.select(better, score, least)
                    column = builder.select(better, numbers[c], column)
                v.store(least, best_, place)
                v.store(next_least, second_, place)
                v.store(column, columns_, place)
        return context.get_dummy_value()

    signature = types.void(block, panels, half_norms, panel, n_columns, first, best, second, columns)
    return signature, codegen


@intrinsic
def compare_panels(
    typingctx: Any, best: Any, second: Any, errors: Any, norms: Any, n_rows: Any, found: Any
) -> Any:
    """Find the smallest upper end of the scores of each row, and the smallest lower end of all its others.

    best, second : (n_panels, lanes of rows), from `score_tile` or `score_lanes`; errors : (n_panels, 3), from
    `certify.error_bounds`; norms : (lanes of rows,), float64; n_rows : how many rows count, int64
    found : OUT (3, lanes of rows), float64: the upper end, the panel where it is, and the lower end

    Lanes of rows are n_rows, filled up to whole vectors of float64.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, types.float64)
        lanes = v.vector.count
        narrow = ir.VectorType(context.get_data_type(best.dtype), lanes)
        arrays = _Arrays(context, builder, signature, args)
        best_, second_, errors_, norms_, found_ = arrays.data(0, 1, 2, 3, 5)

        def scores(pointer: Any, offset: Any) -> Any:
            address = builder.bitcast(builder.gep(pointer, [offset]), narrow.as_pointer())
            value = builder.load(address, align=best.dtype.bitwidth // 8)
            return value if best.dtype.bitwidth == 64 else builder.fpext(value, v.vector)

        infinite, zero = (ir.Constant(v.vector, [x] * lanes) for x in (float("inf"), 0.0))
        width, found_width = arrays.size(0, 1), arrays.size(5, 1)
        state = [cgutils.alloca_once(builder, v.vector) for _ in range(4)]
        groups = builder.udiv(builder.add(args[4], I64(lanes - 1)), I64(lanes))
        with cgutils.for_range(builder, groups) as group:
            first = builder.mul(group.index, I64(lanes))
            norm = v.load(norms_, first, v.vector)
            for place, begin in zip(state, (infinite, zero, infinite, infinite), strict=True):
                builder.store(begin, place)
            with cgutils.for_range(builder, arrays.size(0, 0)) as panel:
                line = builder.mul(panel.index, I64(3))
                e0, e1, e2 = (
                    v.splat(builder.load(builder.gep(errors_, [builder.add(line, I64(t))])), v.vector)
                    for t in range(3)
                )
                error = v.multiply_add(v.multiply_add(e2, norm, e1), norm, e0)
                offset = builder.add(builder.mul(panel.index, width), first)
                score = scores(best_, offset)
                at_most, at_least = builder.fadd(score, error), builder.fsub(score, error)
                next_least = builder.fsub(scores(second_, offset), error)
                limit, winner, rival, own = map(builder.load, state)
                wins = builder.fcmp_ordered("<", at_most, limit)
                beaten = v.smaller(next_least, builder.select(wins, own, at_least))
                here = v.splat(builder.sitofp(panel.index, v.scalar), v.vector)
                builder.store(builder.select(wins, at_most, limit), state[0])
                builder.store(builder.select(wins, here, winner), state[1])
                builder.store(v.smaller(beaten, rival), state[2])
                builder.store(builder.select(wins, at_least, own), state[3])
            for t, place in enumerate(state[:3]):
                v.store(builder.load(place), found_, builder.add(builder.mul(I64(t), found_width), first))
        return context.get_dummy_value()

    return types.void(best, second, errors, norms, n_rows, found), codegen


#: Vectors of lanes that `nearest_lanes` holds in registers: with their labels, half of what AVX-512 has.
LANE_VECTORS = 4


@intrinsic
def lanes_at_once(typingctx: Any, X: Any) -> Any:
    """Lanes that `nearest_lanes` handles at once: blocks are multiples of it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(LANE_VECTORS * target_of(context).vector_bytes // 8)

    return types.int64(X), codegen


@intrinsic
def nearest_lanes(
    typingctx: Any, block: Any, centers: Any, candidates: Any, n_candidates: Any, labels: Any
) -> Any:
    """Write the nearest of some centers for each lane of a block, every distance by the definition.

    block : (n_features, lanes), float32 or float64, finite; centers : (n_clusters, padded features), float64
    candidates : (at least n_candidates,), int64, in ascending order; n_candidates : int64, at least 1
    labels : OUT (lanes,), int64; the first candidate where no distance is finite
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _Vectors(context, builder, types.float64)
        lanes = v.tile.lanes
        single = ir.VectorType(ir.FloatType(), lanes)
        labels_kind = ir.VectorType(I64, lanes)
        arrays = _Arrays(context, builder, signature, args)
        block_, centers_, candidates_, labels_ = arrays.data(0, 1, 2, 4)

        def rows_at(offset: Any) -> Any:
            address = builder.gep(block_, [offset])
            if block.dtype.bitwidth == 64:
                return v.load(block_, offset, v.vector)
            address = builder.bitcast(address, single.as_pointer())
            return builder.fpext(builder.load(address, align=4), v.vector)

        n_features, width, stride = arrays.size(0, 0), arrays.size(0, 1), arrays.size(1, 1)
        sums, best, numbers = (
            [cgutils.alloca_once(builder, kind) for _ in range(LANE_VECTORS)]
            for kind in (v.vector, v.vector, labels_kind)
        )
        first = builder.load(candidates_)
        step = LANE_VECTORS * lanes
        with cgutils.for_range(builder, builder.udiv(width, I64(step))) as group:
            start = builder.mul(group.index, I64(step))
            for t in range(LANE_VECTORS):
                builder.store(ir.Constant(v.vector, [float("inf")] * lanes), best[t])
                builder.store(v.splat(first, labels_kind), numbers[t])
            with cgutils.for_range(builder, args[3]) as loop:
                number = builder.load(builder.gep(candidates_, [loop.index]))
                center = builder.gep(centers_, [builder.mul(number, stride)])
                for t in range(LANE_VECTORS):
                    builder.store(ir.Constant(v.vector, [0.0] * lanes), sums[t])
                with cgutils.for_range(builder, n_features) as feature:
                    c = v.splat(builder.load(builder.gep(center, [feature.index])), v.vector)
                    line = builder.add(builder.mul(feature.index, width), start)
                    for t in range(LANE_VECTORS):
                        difference = builder.fsub(rows_at(builder.add(line, I64(t * lanes))), c)
                        square = builder.fmul(difference, difference)
                        builder.store(builder.fadd(builder.load(sums[t]), square), sums[t])
                here = v.splat(number, labels_kind)
                for t in range(LANE_VECTORS):
                    sq_dist, known = builder.load(sums[t]), builder.load(best[t])
                    nearer = builder.fcmp_ordered("<", sq_dist, known)
                    builder.store(builder.select(nearer, sq_dist, known), best[t])
                    builder.store(builder.select(nearer, here, builder.load(numbers[t])), numbers[t])
            for t in range(LANE_VECTORS):
                address = builder.gep(labels_, [builder.add(start, I64(t * lanes))])
                address = builder.bitcast(address, labels_kind.as_pointer())
                builder.store(builder.load(numbers[t]), address, align=8)
        return context.get_dummy_value()

    return types.void(block, centers, candidates, n_candidates, labels), codegen


@intrinsic
def lowest_bit(typingctx: Any, word: Any) -> Any:
    """Which bit of an int64 that is not 0 is the lowest that is set, from 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


@intrinsic
def near_lanes(typingctx: Any, block: Any, point: Any, limits: Any, hits: Any) -> Any:
    """Mark the lanes of a block whose squared distance from a point, in float32, is below their limit.

    block : (n_features, lanes), int8, lanes a multiple of 16; point : (n_features,), float32
    limits : (lanes,), float32
    hits : OUT (lanes // 16,), int64, a bit for each lane, the lowest for the first
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # Sixteen lanes whatever the target: LLVM splits what is wider than its vectors.
        v = _Vectors(context, builder, types.float32, lanes=16)
        bytes_kind = ir.VectorType(ir.IntType(8), 16)
        arrays = _Arrays(context, builder, signature, args)
        block_, point_, limits_, hits_ = arrays.data(0, 1, 2, 3)
        n_features, width = arrays.size(0, 0), arrays.size(0, 1)

        def mark(start: Any, n_vectors: int) -> None:
            sums = [cgutils.alloca_once(builder, v.vector) for _ in range(n_vectors)]
            for total in sums:
                builder.store(ir.Constant(v.vector, [0.0] * 16), total)
            with cgutils.for_range(builder, n_features) as feature:
                c = v.splat(builder.load(builder.gep(point_, [feature.index])), v.vector)
                line = builder.add(builder.mul(feature.index, width), start)
                for t, total in enumerate(sums):
                    address = builder.gep(block_, [builder.add(line, I64(16 * t))])
                    values = builder.load(builder.bitcast(address, bytes_kind.as_pointer()), align=1)
                    x = builder.sitofp(builder.sext(values, v.integers), v.vector)
                    difference = builder.fsub(x, c)
                    builder.store(v.multiply_add(difference, difference, builder.load(total)), total)
            for t, total in enumerate(sums):
                offset = builder.add(start, I64(16 * t))
                below = builder.fcmp_ordered("<", builder.load(total), v.load(limits_, offset, v.vector))
                bits = builder.zext(builder.bitcast(below, ir.IntType(16)), I64)
                builder.store(bits, builder.gep(hits_, [builder.udiv(offset, I64(16))]))

        pairs = builder.udiv(width, I64(32))
        with cgutils.for_range(builder, pairs) as pair:
            mark(builder.mul(pair.index, I64(32)), 2)
        rest = builder.mul(pairs, I64(32))
        with builder.if_then(builder.icmp_unsigned("<", rest, width)):
            mark(rest, 1)
        return context.get_dummy_value()

    return types.void(block, point, limits, hits), codegen
