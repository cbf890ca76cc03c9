"""Exact sums: any order of the rows gives the same bits.

Every value is split into parts, ``x = sum over p of q[p] * 2**e[p]``, where the q are integers and the
exponents e belong to bins that are the same for any data (`bins`), from the bin of the feature's largest
magnitude down to that of its finest bit (`ranges`). The q are added in int64; the bins are narrow enough for
the number of rows that no sum overflows. Integer sums are associative, and a row can be taken out again
exactly as it was put in. One part holds photo pixels, two hold ordinary float64 data; the number of parts
follows from the data, so that no remainder is ever lost.

Adding a constant C = 1.5 * 2**(52 + e) to x rounds x to a multiple of 2**e, and leaves its quotient in the
low bits of the sum: q is the difference of the two bit patterns, and x - ((x + C) - C) is exact.

Accumulators have the shape (n_tasks, n_clusters + padding, n_parts or n_parts + 3, n_features). The padding
keeps the cache lines of the tasks apart. The last three rows exist only for data that is not all finite, and
count NaN, +inf and -inf. For the means, see `means`.

A weighted row is the rounded products of its weight and its values, plus their rounding errors, which are
exact as well: both are split, and the q of each bin added. One more column sums the weights.

References
----------
J. Demmel, H. D. Nguyen, "Parallel reproducible summation", IEEE Transactions on Computers 64, 2015,
doi 10.1109/TC.2014.2345391: pre-rounding to fixed bins; here it continues until no remainder is left.
"""

import numpy as np

from numbakmeans._engine.bins import HUGE, SCALE, SHRINK
from numbakmeans._engine.kernels.double_double import two_product
from numbakmeans._engine.kernels.ranges import part_exponent, power_of_two
from numbakmeans._engine.simd import CHANGED_LANES, changed_lanes, lowest_bit
from numbakmeans._engine.structs.sums import TaskSums
from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import inlined_kernel, kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import bits_of, minimum


@kernel
def make_bins(ends, halved, exponents, constants, scales):
    """Write the exponents of the parts, their constants C, and the scales of the first parts.

    ends : as in `structs.sums.Ranges`; halved : as in `bins.part_exponent`
    exponents : OUT (n_parts, n_features), int64; constants : OUT (n_parts, n_features); scales : OUT
    (n_features,)
    """
    for f in range(len(ends)):
        scales[f] = SHRINK if ends[f] > HUGE else 1.0
        for p in range(len(exponents)):
            exponents[p, f] = part_exponent(ends[f], p, halved)
            shift = SCALE if p == 0 and ends[f] > HUGE else 0
            constants[p, f] = 1.5 * power_of_two(52 + exponents[p, f] - shift)


@inlined_kernel
def split(x, constant):
    """Return the part of x in the bin of a constant, and the remainder of x."""
    shifted = x + constant
    part = bits_of(shifted) - bits_of(constant)
    return part, x - (shifted - constant)


@inlined_kernel
def split_first(x, constant, scale):
    """Return the first part of x, whose column is scaled down if it is huge, and the remainder of x."""
    part, rest = split(x * scale, constant)
    # Scaling down may have cost a tiny x some bits; then its part is 0, and x itself is the remainder.
    return part, x if part == 0 else rest * (1.0 / scale)


@kernel
def split_weighted(X, i, weight, bins, rest, parts):
    """Tile. Split row i of X times its weight, and the weight, into parts.

    rest : workspace (2 * n_features + 2,); parts : OUT (n_parts, n_features + 1), int64
    """
    n_features, (n_parts, width) = X.shape[1], bins.constants.shape
    products, errors = rest[:width], rest[width:]
    for f in range(n_features):
        products[f], errors[f] = two_product(np.float64(X[i, f]), weight)
    products[n_features], errors[n_features] = weight, 0.0
    for p in range(n_parts):
        for f in range(width):
            part, products[f] = split(products[f], bins.constants[p, f])
            of_error, errors[f] = split(errors[f], bins.constants[p, f])
            parts[p, f] = part + of_error


@inlined_kernel
def add_row(X, i, weights, at, cluster, mine):
    """Tile. Add row i of X to the sums of a cluster.

    weights, at : the weights, None if all rows count alike, and the index of that of the row
    mine : INOUT `TaskSums`
    """
    if weights is None:
        constants, scales, rest, table = mine.bins.constants, mine.bins.scales, mine.rest, mine.sums[cluster]
        n_parts, n_features = constants.shape
        for f in range(n_features):
            part, rest[f] = split_first(np.float64(X[i, f]), constants[0, f], scales[f])
            table[0, f] += part
        for p in range(1, n_parts):
            for f in range(n_features):
                part, rest[f] = split(rest[f], constants[p, f])
                table[p, f] += part
        if table.shape[0] > n_parts:
            count_specials(X, i, 1, n_parts, table)
        mine.counts[cluster] += 1
    if weights is not None:
        split_weighted(X, i, weights[at], mine.bins, mine.rest, mine.parts)
        add_totals(mine.parts, 1, mine.sums[cluster])
        mine.counts[cluster] += 1 if weights[at] > 0.0 else 0


@inlined_kernel
def move_row(X, i, weights, at, old, new, mine):
    """Tile. Move row i of X from the sums of one cluster to those of another; see `add_row`."""
    source, target = mine.sums[old], mine.sums[new]
    if weights is None:
        constants, scales, rest = mine.bins.constants, mine.bins.scales, mine.rest
        n_parts, n_features = constants.shape
        for f in range(n_features):
            part, rest[f] = split_first(np.float64(X[i, f]), constants[0, f], scales[f])
            source[0, f] -= part
            target[0, f] += part
        for p in range(1, n_parts):
            for f in range(n_features):
                part, rest[f] = split(rest[f], constants[p, f])
                source[p, f] -= part
                target[p, f] += part
        if source.shape[0] > n_parts:
            count_specials(X, i, -1, n_parts, source)
            count_specials(X, i, 1, n_parts, target)
        mine.counts[old] -= 1
        mine.counts[new] += 1
    if weights is not None:
        split_weighted(X, i, weights[at], mine.bins, mine.rest, mine.parts)
        add_totals(mine.parts, -1, source)
        add_totals(mine.parts, 1, target)
        one = 1 if weights[at] > 0.0 else 0
        mine.counts[old] -= one
        mine.counts[new] += one


@kernel
def sums_of_task(tables, task, arena):
    """Return the `TaskSums` of a task."""
    n_parts, columns = tables.bins.constants.shape
    weighted = columns > tables.uncertain.shape[1]
    rest = empty(arena, 2 * columns, np.float64)
    parts = empty(arena, (n_parts if weighted else 0, columns), np.int64)
    return TaskSums(tables.bins, tables.sums[task], tables.counts[task], rest, tables.weights, parts)


@kernel
def count_specials(X, i, one, n_parts, table):
    """Tile. Count NaN, +inf and -inf of a row in the last rows of an accumulator; one : 1 or -1.

    Such a value adds garbage to the sums of its column. Its count says that they are meaningless, and taking
    the row out subtracts the same garbage again (int64 wraps around).
    """
    for f in range(table.shape[1]):
        x = X[i, f]
        table[n_parts, f] += one if np.isnan(x) else 0
        table[n_parts + 1, f] += one if x == np.inf else 0
        table[n_parts + 2, f] += one if x == -np.inf else 0


@kernel
def add_lanes(block, n_rows, bins, table, arena):
    """Tile. Add the first n_rows lanes of a block (n_features, lanes) of finite values to an accumulator."""
    constants, scales = bins.constants, bins.scales
    n_parts, n_features = constants.shape
    marked = mark(arena)
    rest = empty(arena, n_rows, np.float64)
    for f in range(n_features):
        scale, constant, total = scales[f], constants[0, f], 0
        for r in range(n_rows):
            part, rest[r] = split_first(np.float64(block[f, r]), constant, scale)
            total += part
        table[0, f] += total
        for p in range(1, n_parts):
            constant, total = constants[p, f], 0
            for r in range(n_rows):
                part, rest[r] = split(rest[r], constant)
                total += part
            table[p, f] += total
    release(arena, marked)


@kernel
def add_totals(totals, sign, table):
    """Tile. Add the sums of many finite rows to an accumulator (sign 1), or take them out again (-1)."""
    for p in range(totals.shape[0]):
        for f in range(totals.shape[1]):
            table[p, f] += sign * totals[p, f]


@kernel
def relabel(X, start, stop, new_labels, labels, mine):
    """Chunk. Move rows [start, stop) to the accumulators of their new labels; return how many changed.

    new_labels : (stop - start,), int64; labels : INOUT, -1 for all of these rows in the first pass, when no
    accumulator holds them yet; mine : INOUT `TaskSums`
    """
    if start < stop and labels[start] < 0:
        for i in range(start, stop):
            new = new_labels[i - start]
            add_row(X, i, mine.weights, i, new, mine)
            labels[i] = new
        return stop - start
    moved = 0
    for i in range(start, stop):
        # Checked here, because most rows do not move, and a call for each would cost more than the check.
        new = new_labels[i - start]
        if new != labels[i]:
            move_row(X, i, mine.weights, i, labels[i], new, mine)
            labels[i] = new
            moved += 1
    return moved


@kernel
def split_lanes(block, n_rows, bins, rest, parts):
    """Tile. Split the first n_rows lanes of a block (n_features, lanes) of finite values into parts.

    rest : workspace (lanes,); parts : OUT (n_parts, n_features, lanes), int64
    """
    constants, scales = bins.constants, bins.scales
    n_parts, n_features = constants.shape
    for f in range(n_features):
        for t in range(n_rows):
            rest[t] = block[f, t]
        for p in range(n_parts):
            constant, scale = constants[p, f], scales[f] if p == 0 else 1.0
            for t in range(n_rows):
                parts[p, f, t], rest[t] = split_first(rest[t], constant, scale)


@kernel
def label_lanes(parts, start, stop, new_labels, labels, mine):
    """Chunk. Do what `relabel` does in the first pass, from the parts of rows that are stored side by side.

    A few features do not fill a vector, but rows do: each cluster's sums run over all rows, times 0 or 1.

    parts : from `split_lanes`, with rows [start, stop) as its first lanes; the others as in `relabel`
    """
    (n_parts, n_features, _), n_rows = parts.shape, stop - start
    sums, counts = mine.sums, mine.counts
    for t in range(n_rows):
        labels[start + t] = new_labels[t]
        counts[new_labels[t]] += 1
    for p in range(n_parts):
        for f in range(n_features):
            for j in range(sums.shape[0]):
                total = 0
                for t in range(n_rows):
                    total += parts[p, f, t] if new_labels[t] == j else 0
                sums[j, p, f] += total
    return n_rows


@inlined_kernel
def relabel_lane(parts, t, i, new, labels, mine):
    """Tile. Give row i, which is lane t, a new label, and move its parts between accumulators."""
    n_parts, n_features, _ = parts.shape
    old, sums, counts = labels[i], mine.sums, mine.counts
    for p in range(n_parts):
        for f in range(n_features):
            part = parts[p, f, t]
            sums[old, p, f] -= part
            sums[new, p, f] += part
    counts[old] -= 1
    counts[new] += 1
    labels[i] = new


@kernel
def relabel_lanes(parts, start, stop, new_labels, labels, mine):
    """Chunk. Do what `relabel` does after the first pass; arguments as in `label_lanes`."""
    moved, whole = 0, (stop - start) // CHANGED_LANES * CHANGED_LANES
    for first in range(0, whole, CHANGED_LANES):
        # One mask tells which lanes changed: mispredicted branches on each would cost as much as the rest.
        word = changed_lanes(labels, start + first, new_labels, first)
        while word != 0:
            t = first + lowest_bit(word)
            word &= word - 1
            relabel_lane(parts, t, start + t, new_labels[t], labels, mine)
            moved += 1
    for t in range(whole, stop - start):
        if new_labels[t] != labels[start + t]:
            relabel_lane(parts, t, start + t, new_labels[t], labels, mine)
            moved += 1
    return moved


@kernel
def add_labeled_task(task, arena, X, labels, chunk_rows, tables):
    """Task. Add the rows of every n-th chunk to the task's accumulators; see `add_labeled`."""
    n_samples, n_tasks, mine = X.shape[0], len(tables.sums), sums_of_task(tables, task, arena)
    for start in range(task * chunk_rows, n_samples, n_tasks * chunk_rows):
        for i in range(start, minimum(start + chunk_rows, n_samples)):
            add_row(X, i, mine.weights, i, labels[i], mine)


@kernel
def add_labeled(executor, X, labels, chunk_rows, tables):
    """Add every row to the sums of its label; labels : (n_samples,), int32; tables : INOUT `Sums`."""
    parallel_for(executor, len(tables.sums), add_labeled_task, (X, labels, chunk_rows, tables))


@kernel
def products_task(task, arena, values, weights, n_tasks, products):
    """Task. Write the products of a contiguous range of rows; see `weighted_products`."""
    n_samples, n_lost = len(values), 0
    for i in range(task * n_samples // n_tasks, (task + 1) * n_samples // n_tasks):
        value, weight, product, error = values[i], weights[i], 0.0, 0.0
        if value > 0.0 and weight > 0.0:
            product, error = two_product(value, weight)
            exact = value < 2.0**990 and weight < 2.0**990 and 2.0**-960 < product < 2.0**990
            n_lost += 0 if exact else 1
        products[i], products[n_samples + i] = product, error
    return n_lost


@kernel
def weighted_products(executor, values, weights, n_tasks, products):
    """Write the products of values, at least 0, and weights, and their rounding errors.

    products : OUT (2 * n_samples,)

    Returns
    -------
    n_lost : the number of products that overflow, or whose error may underflow
    """
    return parallel_for(executor, n_tasks, products_task, (values, weights, n_tasks, products))


@kernel
def relabel_rows(X, new_labels, labels, tables, arena):
    """Move a few rows to the sums of their new labels; new_labels : int64; labels : INOUT, int32."""
    relabel(X, 0, len(X), new_labels, labels, sums_of_task(tables, 0, arena))
