"""The register tile that gathers its rows from anywhere in memory.

An `intrinsic` emits it whole: Python loops over rows and vectors at code-generation time, around one emitted
loop over the features. The sums are stack variables, which LLVM promotes to registers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.simd.vectors import I64, Arrays, Tile, Vectors, flattened, target_of, tile_of


@intrinsic
def tile_rows(typingctx: Any, X: Any) -> Any:
    """Return the number of rows of the register tile for the dtype of X."""
    return _constant(X, lambda tile: tile.rows)


@intrinsic
def tile_columns(typingctx: Any, X: Any) -> Any:
    """Return the number of columns (centers) of the register tile for the dtype of X: a panel's width."""
    return _constant(X, lambda tile: tile.vectors * tile.lanes)


@intrinsic
def tile_lanes(typingctx: Any, X: Any) -> Any:
    """Return the number of lanes of a tile's results: its rows, padded to whole vectors."""
    return _constant(X, lambda tile: -(-tile.rows // tile.lanes) * tile.lanes)


def _constant(X: Any, of: Callable[[Tile], int]) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(of(tile_of(target_of(context), X.dtype.bitwidth // 8)))

    return types.int64(X), codegen


#: The entry of a row in a tournament: a vector of scores, and any vectors that go with it.
Entry = tuple[Any, ...]


def _tournament(v: Vectors, rows: list[Entry], meet: Callable[[Entry, Entry], Entry]) -> Entry:
    """Reduce the entries of rows to one with a lane for each row, by a tournament among each row's lanes.

    rows : as many as a vector has lanes

    In each round, the two halves of every row's lanes meet, and the results of two vectors are merged into
    one, until each lane holds the result of a row.
    """
    builder, lanes = v.builder, v.tile.lanes
    if len(rows) == 1:
        return rows[0]
    middle = len(rows) // 2
    left, right = _tournament(v, rows[:middle], meet), _tournament(v, rows[middle:], meet)
    # Each row has `width` lanes of its vector: the first half of them meets the second half.
    width = lanes // middle
    firsts = [t for t in range(2 * lanes) if t % width < width // 2]

    def halves(offset: int) -> Entry:
        mask = ir.Constant(v.integers, [t + offset for t in firsts])
        pairs = zip(left, right, strict=True)
        return tuple(None if x is None else builder.shuffle_vector(x, y, mask) for x, y in pairs)

    return meet(halves(0), halves(width // 2))


def _best_two(v: Vectors, rows: list[list[Any]]) -> Entry:
    """Return three vectors with a lane for each row: its best score, the next, and the column of the best.

    rows : as many as a vector has lanes, each a list of vectors of scores
    """
    builder, lanes = v.builder, v.tile.lanes

    def meet(x: Entry, y: Entry) -> Entry:
        better = builder.fcmp_ordered("<", y[0], x[0])
        best = builder.select(better, y[0], x[0])
        second = builder.select(better, x[0], y[0])
        if x[1] is not None:
            second = v.smaller(second, v.smaller(x[1], y[1]))
        return best, second, builder.select(better, y[2], x[2])

    def entry(scores: list[Any]) -> Entry:
        columns = (ir.Constant(v.integers, [j * lanes + t for t in range(lanes)]) for j in range(len(scores)))
        return functools.reduce(
            meet, ((score, None, column) for score, column in zip(scores, columns, strict=True))
        )

    return _tournament(v, [entry(scores) for scores in rows], meet)


def _products(
    v: Vectors, rows: Any, chosen: Any, first: Any, panel: Any, n_features: Any, begin: list[Any]
) -> dict[tuple[int, int], Any]:
    """Emit the products of the rows of a tile with a panel, added to `begin`; return pointers to the sums.

    rows, chosen, panel : pointers; begin : as many vectors as a line of the panel has; the other arguments
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

    def add_feature(feature: Any) -> None:
        line = builder.mul(feature, I64(n_vectors * lanes))
        offsets = [builder.add(line, I64(j * lanes)) for j in range(n_vectors)]
        centers = [v.load(panel, offset, v.vector) for offset in offsets]
        for r in range(n_rows):
            x = v.splat(builder.load(builder.gep(starts[r], [feature])), v.vector)
            for j in range(n_vectors):
                builder.store(v.multiply_add(x, centers[j], builder.load(sums[r, j])), sums[r, j])

    v.sum_over(n_features, sums, add_feature)
    return sums


@intrinsic
def product_tile(
    typingctx: Any, rows: Any, chosen: Any, first: Any, panels: Any, panel: Any, out: Any
) -> Any:
    """Add the products of the rows of a tile with the columns of a panel to out.

    rows, chosen, first, panels, panel : as in `score_tile`; out : INOUT (at least tile rows, columns)
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, rows.dtype)
        _, n_vectors, lanes = v.tile
        arrays = Arrays(builder, args)
        rows_, chosen_, panels_, out_ = arrays.data(0, 1, 3, 5)
        n_features = arrays.size(0, 1)
        width = I64(n_vectors * lanes)
        panels_ = builder.gep(panels_, [builder.mul(builder.mul(args[4], n_features), width)])
        zeros = [ir.Constant(v.vector, [0.0] * lanes)] * n_vectors
        sums = _products(v, rows_, chosen_, args[2], panels_, n_features, zeros)
        for (r, j), slot in sums.items():
            place = I64((r * n_vectors + j) * lanes)
            v.store(builder.fadd(v.load(out_, place, v.vector), builder.load(slot)), out_, place)
        return context.get_dummy_value()

    return types.void(rows, chosen, first, panels, panel, out), codegen


def _scores(v: Vectors, arrays: Arrays, args: Any, n_vectors: int) -> dict[tuple[int, int], Any]:
    """Emit the scores of the rows of a tile for a panel that is n_vectors wide; return pointers to them.

    args : those of an intrinsic whose first arguments are those of `score_tile`
    """
    builder, lanes = v.builder, v.tile.lanes
    rows, chosen, panels, norms = arrays.data(0, 1, 3, 4)
    n_features, width = arrays.size(0, 1), I64(n_vectors * lanes)
    norms = builder.gep(norms, [builder.mul(args[5], width)])
    panel = builder.gep(panels, [builder.mul(builder.mul(args[5], n_features), width)])
    begin = [v.load(norms, I64(j * lanes), v.vector) for j in range(n_vectors)]
    return _products(v, rows, chosen, args[2], panel, n_features, begin)


@intrinsic
def score_tile(
    typingctx: Any,
    rows: Any,
    chosen: Any,
    first: Any,
    panels: Any,
    half_norms: Any,
    panel: Any,
    found: Any,
) -> Any:
    """Score one panel of centers for the rows of a tile, and find the best two scores of each row.

    The score of row x and center c is |c|**2 / 2 - x.c; panels hold -c.

    rows : (n_rows, n_features); chosen : (at least first + tile rows,), int64, indices of the tile's rows
    panels : (n_panels, n_features, columns), tile columns or half of them; half_norms : (n_panels, columns)
    panel : index of the panel, int64
    found : three tables, OUT (at least first + tile lanes,), written from `first` on: the smallest score of
    each row of the tile; the next smallest; and the column of the smallest, int32
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        v = Vectors(context, builder, rows.dtype)
        n_rows, n_vectors, lanes = v.tile
        arrays = Arrays(builder, args)
        outputs = arrays.data(6, 7, 8)

        def emit(n_vectors: int) -> None:
            sums = _scores(v, arrays, args, n_vectors)
            for group in range(0, n_rows, lanes):
                # The last group is padded with its first row.
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

    return types.void(rows, chosen, first, panels, half_norms, panel, found), codegen


@intrinsic
def near_tile(
    typingctx: Any,
    rows: Any,
    chosen: Any,
    first: Any,
    panels: Any,
    half_norms: Any,
    panel: Any,
    found: Any,
) -> Any:
    """Mark the centers of one panel whose scores are below a limit, for the rows of a tile.

    The scores, and the arguments up to panel, are those of `score_tile`; panels are as wide as the tile.

    found : three tables, used from `first` on: (at least first + tile rows,), of the dtype of rows, the limit
    of each row; OUT, of the same shape, int64, one bit per column, the lowest for the first; and OUT (at
    least first + tile lanes,), of the dtype of rows, the smallest score that is not below the limit
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        v = Vectors(context, builder, rows.dtype)
        n_rows, n_vectors, lanes = v.tile
        arrays = Arrays(builder, args)
        limits_, hits_, least_ = arrays.data(6, 7, 8)
        sums = _scores(v, arrays, args, n_vectors)
        infinite = ir.Constant(v.vector, [float("inf")] * lanes)
        entries: list[Entry] = []
        for r in range(n_rows):
            place = builder.add(args[2], I64(r))
            limit = v.splat(builder.load(builder.gep(limits_, [place])), v.vector)
            word, above = I64(0), infinite
            for j in range(n_vectors):
                score = builder.load(sums[r, j])
                # A NaN counts as below: a center whose score is unknown must not be ruled out.
                below = builder.fcmp_unordered("<", score, limit)
                bits = builder.zext(builder.bitcast(below, ir.IntType(lanes)), I64)
                word = builder.or_(word, builder.shl(bits, I64(j * lanes)))
                above = v.smaller(builder.select(below, infinite, score), above)
            builder.store(word, builder.gep(hits_, [place]))
            entries.append((above,))
        for group in range(0, n_rows, lanes):
            # The last group is padded with its first row.
            group_rows = [entries[r if r < n_rows else group] for r in range(group, group + lanes)]
            (left,) = _tournament(v, group_rows, lambda x, y: (v.smaller(x[0], y[0]),))
            v.store(left, least_, builder.add(args[2], I64(group)))
        return context.get_dummy_value()

    return types.void(rows, chosen, first, panels, half_norms, panel, found), codegen


#: Number of centers whose distances to a row are computed at once, to hide the latency of the additions.
PAIRS_AT_ONCE = 4


@intrinsic
def pair_sq_dists(
    typingctx: Any, row: Any, centers: Any, candidates: Any, n_candidates: Any, sq_dists: Any
) -> Any:
    """Write the squared distances between a row and some centers, summed in an unspecified order.

    row : (n_features,); centers : (n_clusters, n_features), of the same dtype
    candidates : (n_candidates or more, padded to a multiple of PAIRS_AT_ONCE,), int64, indices of centers
    sq_dists : OUT (padded likewise,), of the dtype of row
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, row.dtype)
        lanes = v.tile.lanes
        arrays = Arrays(builder, args)
        row_, centers_, candidates_, sq_dists_ = arrays.data(0, 1, 2, 4)
        n_features = arrays.size(0, 0)
        sums = [cgutils.alloca_once(builder, v.vector) for _ in range(PAIRS_AT_ONCE)]
        groups = builder.udiv(builder.add(args[3], I64(PAIRS_AT_ONCE - 1)), I64(PAIRS_AT_ONCE))
        with cgutils.for_range(builder, groups) as group:
            first = builder.mul(group.index, I64(PAIRS_AT_ONCE))
            places = [builder.add(first, I64(t)) for t in range(PAIRS_AT_ONCE)]
            numbers = [builder.load(builder.gep(candidates_, [place])) for place in places]
            starts = [builder.gep(centers_, [builder.mul(number, n_features)]) for number in numbers]
            for total in sums:
                builder.store(ir.Constant(v.vector, [0.0] * lanes), total)
            vectors = builder.udiv(n_features, I64(lanes))
            with cgutils.for_range(builder, vectors) as loop:
                offset = builder.mul(loop.index, I64(lanes))
                x = v.load(row_, offset, v.vector)
                for start, total in zip(starts, sums, strict=True):
                    difference = builder.fsub(x, v.load(start, offset, v.vector))
                    builder.store(v.multiply_add(difference, difference, builder.load(total)), total)
            outputs = [builder.gep(sq_dists_, [place]) for place in places]
            for output, total in zip(outputs, sums, strict=True):
                builder.store(v.total(builder.load(total)), output)
            whole = builder.mul(vectors, I64(lanes))
            with cgutils.for_range(builder, builder.sub(n_features, whole)) as loop:
                feature = builder.add(whole, loop.index)
                for start, output in zip(starts, outputs, strict=True):
                    x, c = (builder.load(builder.gep(values, [feature])) for values in (row_, start))
                    difference = builder.fsub(x, c)
                    square = builder.fmul(difference, difference)
                    builder.store(builder.fadd(builder.load(output), square), output)
        return context.get_dummy_value()

    return types.void(row, centers, candidates, n_candidates, sq_dists), codegen
