"""NumPy's pairwise sum of a float64 array, in pieces that can be computed independently.

`numpy.sum` halves an array (at a multiple of 8) until at most 128 elements are left, and adds such a leaf
with eight interleaved accumulators. NumPy 2.3 and later do so for the whole array; earlier versions do so for
each 8192 elements, so the last bit of a longer sum may differ from ours. Leaves of the pairwise-summation
tree are the unit of work of the seeding's distance pass: the thread that updates the rows of a leaf adds them
up while they are in cache.

References
----------
N. J. Higham, "The accuracy of floating point summation", SIAM Journal on Scientific Computing 14, 1993,
doi 10.1137/0914050.
"""

import numpy as np

from numbakmeans._engine.structs.seeds import LEAF_ROWS
from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import kernel

LANES = 8


@kernel
def leaves_of(n, starts, depths, arena):
    """Find the leaves of the pairwise-summation tree of n elements; return their number.

    starts : OUT, the start of each leaf, then n; depths : OUT, the depth of each leaf in the tree; both
    int64, with `structs.seeds.leaves_at_most` entries
    """
    marked = mark(arena)
    stack = empty(arena, (128, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, n, 0
    held, n_leaves = 1, 0
    while held > 0:
        held -= 1
        start, size, depth = stack[held, 0], stack[held, 1], stack[held, 2]
        if size <= LEAF_ROWS:
            starts[n_leaves], depths[n_leaves] = start, depth
            n_leaves += 1
        else:
            half = size // 2
            half -= half % LANES
            stack[held, 0], stack[held, 1], stack[held, 2] = start + half, size - half, depth + 1
            stack[held + 1, 0], stack[held + 1, 1], stack[held + 1, 2] = start, half, depth + 1
            held += 2
    starts[n_leaves] = n
    release(arena, marked)
    return n_leaves


@kernel
def sum_leaf(values, start, stop):
    """Return the sum of values[start:stop], at most LEAF_ROWS of them, in NumPy's order."""
    size = stop - start
    if size < LANES:
        total = 0.0
        for i in range(start, stop):
            total += values[i]
        return total
    r0, r1, r2, r3 = values[start], values[start + 1], values[start + 2], values[start + 3]
    r4, r5, r6, r7 = values[start + 4], values[start + 5], values[start + 6], values[start + 7]
    whole = size - size % LANES
    for i in range(start + LANES, start + whole, LANES):
        r0 += values[i]
        r1 += values[i + 1]
        r2 += values[i + 2]
        r3 += values[i + 3]
        r4 += values[i + 4]
        r5 += values[i + 5]
        r6 += values[i + 6]
        r7 += values[i + 7]
    total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    for i in range(start + whole, stop):
        total += values[i]
    return total


@kernel
def sum_leaves(leaf_sums, depths, arena):
    """Return the sum of all leaves, combined in the order of NumPy's recursion.

    Adjacent subtrees of equal depth are siblings: the binary tree is full, and its leaves come in order.
    """
    marked = mark(arena)
    sums, levels = empty(arena, 128, np.float64), empty(arena, 128, np.int64)
    held = 0
    for leaf in range(len(leaf_sums)):
        total, level = leaf_sums[leaf], depths[leaf]
        while held > 0 and levels[held - 1] == level:
            held -= 1
            total, level = sums[held] + total, level - 1
        sums[held], levels[held] = total, level
        held += 1
    total = sums[0]
    release(arena, marked)
    return total
