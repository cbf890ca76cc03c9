"""Tiles whose lanes are rows: rows are stored side by side, and the results for a row stay in its lane.

They are emitted in the same way as the tile of `tiles`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.simd.vectors import I32, I64, Arrays, Vectors, flattened, lane_tile_of, target_of
from numbakmeans._numba.entries import DISABLED


@intrinsic
def lane_rows(typingctx: Any, X: Any) -> Any:
    """Return the number of rows in a tile of `score_lanes`, for the dtype of X."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = lane_tile_of(target_of(context), X.dtype.bitwidth // 8)
        return I64(tile.vectors * tile.lanes)

    return types.int64(X), codegen


@intrinsic
def score_lanes(
    typingctx: Any,
    block: Any,
    panels: Any,
    half_norms: Any,
    panel: Any,
    span: Any,
    found: Any,
) -> Any:
    """Score one panel of centers for rows stored side by side, and find the best two scores of each.

    The scores are those of `score_tile`. That tile gathers its rows from anywhere in memory, but has to
    reduce each row's vector of scores across lanes. Here each lane is a row, and no such reduction is needed;
    but the rows have to be transposed first, and all of them must need the panel.

    block : (n_features, lane rows); panels, half_norms, panel : as in `score_tile`
    span : (number of leading panel columns that hold centers, `first`), int64; columns after the centers may
    be scored, too
    found : as in `score_tile`, OUT (at least first + lane rows,)
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        v = Vectors(context, builder, block.dtype)
        n_centers, n_vectors, lanes = lane_tile_of(v.target, v.itemsize)
        arrays = Arrays(builder, args)
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

            def add_feature(feature: Any, start: Any = start) -> None:
                line = builder.mul(feature, I64(n_vectors * lanes))
                rows = [v.load(block_, builder.add(line, I64(t * lanes)), v.vector) for t in range(n_vectors)]
                line = builder.add(builder.mul(feature, width), start)
                for c in range(n_centers):
                    value = builder.load(builder.gep(panels_, [builder.add(line, I64(c))]))
                    center = v.splat(value, v.vector)
                    for t in range(n_vectors):
                        builder.store(v.multiply_add(rows[t], center, builder.load(sums[c, t])), sums[c, t])

            v.sum_over(n_features, sums, add_feature)
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

    return types.void(block, panels, half_norms, panel, span, found), codegen


@intrinsic
def compare_panels(
    typingctx: Any, scores: Any, errors: Any, norms: Any, n_columns: Any, n_rows: Any, found: Any
) -> Any:
    """Find the smallest upper bound on the scores of each row, and the smallest lower bound on its others.

    scores : best, second and columns, (n_panels, lanes of rows) each, from `score_tile` or `score_lanes`
    errors : (n_panels, 3), from `certify.error_bound`; norms : (lanes of rows,), float64
    n_columns : columns of a panel; n_rows : number of rows that count; int64
    found : two tables: OUT (3, lanes of rows), float64, the upper bound, the panel that attains it, and the
    lower bound; and OUT (lanes of rows,), int64, the place of the center that attains the upper bound: its
    panel times n_columns, plus its column

    Lanes of rows are n_rows, padded to whole vectors of float64.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        args = flattened(builder, signature, args)
        v = Vectors(context, builder, types.float64)
        lanes, bits = v.vector.count, scores[0].dtype.bitwidth
        narrow = ir.VectorType(context.get_data_type(scores[0].dtype), lanes)
        places_kind = ir.VectorType(I64, lanes)
        arrays = Arrays(builder, args)
        best_, second_, columns_, errors_, norms_, found_, places_ = arrays.data(0, 1, 2, 3, 4, 7, 8)

        def scores_at(pointer: Any, offset: Any) -> Any:
            address = builder.bitcast(builder.gep(pointer, [offset]), narrow.as_pointer())
            value = builder.load(address, align=bits // 8)
            return value if bits == 64 else builder.fpext(value, v.vector)

        infinite, zero = (ir.Constant(v.vector, [x] * lanes) for x in (float("inf"), 0.0))
        width, found_width = arrays.size(0, 1), arrays.size(7, 1)
        state = [cgutils.alloca_once(builder, v.vector) for _ in range(4)]
        column = cgutils.alloca_once(builder, v.integers)
        groups = builder.udiv(builder.add(args[6], I64(lanes - 1)), I64(lanes))
        with cgutils.for_range(builder, groups) as group:
            first = builder.mul(group.index, I64(lanes))
            norm = v.load(norms_, first, v.vector)
            for place, begin in zip(state, (infinite, zero, infinite, infinite), strict=True):
                builder.store(begin, place)
            builder.store(ir.Constant(v.integers, [0] * lanes), column)
            with cgutils.for_range(builder, arrays.size(0, 0)) as panel:
                line = builder.mul(panel.index, I64(3))
                e0, e1, e2 = (
                    v.splat(builder.load(builder.gep(errors_, [builder.add(line, I64(t))])), v.vector)
                    for t in range(3)
                )
                error = v.multiply_add(v.multiply_add(e2, norm, e1), norm, e0)
                offset = builder.add(builder.mul(panel.index, width), first)
                score = scores_at(best_, offset)
                at_most, at_least = builder.fadd(score, error), builder.fsub(score, error)
                next_least = builder.fsub(scores_at(second_, offset), error)
                limit, winner, rival, own = map(builder.load, state)
                wins = builder.fcmp_ordered("<", at_most, limit)
                beaten = v.smaller(next_least, builder.select(wins, own, at_least))
                here = v.splat(builder.sitofp(panel.index, v.scalar), v.vector)
                builder.store(builder.select(wins, at_most, limit), state[0])
                builder.store(builder.select(wins, here, winner), state[1])
                builder.store(v.smaller(beaten, rival), state[2])
                builder.store(builder.select(wins, at_least, own), state[3])
                columns = v.load(columns_, offset, v.integers)
                builder.store(builder.select(wins, columns, builder.load(column)), column)
            for t, place in enumerate(state[:3]):
                v.store(builder.load(place), found_, builder.add(builder.mul(I64(t), found_width), first))
            panels = builder.fptosi(builder.load(state[1]), v.integers)
            line = builder.mul(panels, v.splat(builder.trunc(args[5], I32), v.integers))
            places = builder.sext(builder.add(line, builder.load(column)), places_kind)
            address = builder.bitcast(builder.gep(places_, [first]), places_kind.as_pointer())
            builder.store(places, address, align=8)
        return context.get_dummy_value()

    return types.void(scores, errors, norms, n_columns, n_rows, found), codegen


#: Vectors of rows that `nearest_lanes` keeps in registers; with their labels, they take half of the registers
#: of AVX-512.
LANE_VECTORS = 4


def _lanes_at_once(typingctx: Any, X: Any) -> Any:
    """Return the number of lanes that `nearest_lanes` handles at once; block widths are multiples of it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(LANE_VECTORS * target_of(context).vector_bytes // 8)

    return types.int64(X), codegen


def _nearest_lanes(
    typingctx: Any, block: Any, centers: Any, candidates: Any, n_candidates: Any, labels: Any, sq_dists: Any
) -> Any:
    """Write the nearest of some centers for each lane of a block, by reference distances.

    block : (n_features, lanes), float32 or float64; centers : (n_clusters, at least n_features), float64
    candidates : (at least n_candidates,), int64, in ascending order; n_candidates : int64, at least 1
    labels : OUT (lanes,), int64; the first candidate if no distance is finite
    sq_dists : OUT (lanes,), float64, D to it, +inf for NaN; or None
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, types.float64)
        lanes = v.tile.lanes
        single = ir.VectorType(ir.FloatType(), lanes)
        labels_kind = ir.VectorType(I64, lanes)
        arrays = Arrays(builder, args)
        block_, centers_, candidates_, labels_ = arrays.data(0, 1, 2, 4)
        sq_dists_ = None if isinstance(sq_dists, types.NoneType) else arrays.data(5)[0]

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
                if sq_dists_ is not None:
                    v.store(builder.load(best[t]), sq_dists_, builder.add(start, I64(t * lanes)))
        return context.get_dummy_value()

    return types.void(block, centers, candidates, n_candidates, labels, sq_dists), codegen


def _nearest_plainly(
    block: Any, centers: Any, candidates: Any, n_candidates: int, labels: Any, found: Any
) -> None:
    best, labels[:] = np.full(block.shape[1], np.inf), candidates[0]
    for j in candidates[:n_candidates]:
        sq_dists = np.zeros(block.shape[1])
        for f, values in enumerate(block):
            sq_dists += np.square(values - centers[j, f])
        nearer = sq_dists < best
        best[nearer], labels[nearer] = sq_dists[nearer], j
    if found is not None:
        found[:] = best


lanes_at_once: Any = (lambda _: 32) if DISABLED else intrinsic(_lanes_at_once)
nearest_lanes: Any = _nearest_plainly if DISABLED else intrinsic(_nearest_lanes)


@intrinsic
def lowest_bit(typingctx: Any, word: Any) -> Any:
    """Return the index, from 0, of the lowest set bit of a nonzero int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


#: Number of lanes that `changed_lanes` compares.
CHANGED_LANES = 64


@intrinsic
def changed_lanes(typingctx: Any, labels: Any, first: Any, new_labels: Any, lane: Any) -> Any:
    """Return a mask of the `CHANGED_LANES` lanes whose label has changed; the lowest bit is the first lane.

    labels : (n_samples,), int32, read from `first` on; new_labels : (lanes,), int64, read from `lane` on
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = Arrays(builder, args)
        old_, new_ = arrays.data(0, 2)
        # Sixteen lanes at a time: LLVM takes long to split wider vectors.
        narrow, wide = (ir.VectorType(kind, 16) for kind in (I32, I64))

        def load(pointer: Any, start: Any, t: int, kind: Any) -> Any:
            address = builder.gep(pointer, [builder.add(start, I64(t))])
            return builder.load(builder.bitcast(address, kind.as_pointer()), align=4)

        word = I64(0)
        for t in range(0, CHANGED_LANES, 16):
            new = builder.trunc(load(new_, args[3], t, wide), narrow)
            changed = builder.icmp_unsigned("!=", load(old_, args[1], t, narrow), new)
            bits = builder.zext(builder.bitcast(changed, ir.IntType(16)), I64)
            word = builder.or_(word, builder.shl(bits, I64(t)))
        return word

    return types.int64(labels, first, new_labels, lane), codegen
