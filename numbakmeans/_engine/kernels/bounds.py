"""Bounds on distances, kept from pass to pass, that prove that a label is unchanged.

Every row has an upper bound on the distance to its own center and, for each group of centers, a lower bound
on the distance to every center of the group except its own.

Invariants, in transformed units (`structs.passes.Transform`), for row x with label a, and any other center c:

    |x - a| <= upper[i]    and    |x - c| >= lower[i, group of c]

Rounding. Every bound is widened when it is written. Distances from the original rows and centers have a
relative error below (d + 4) 2**-53, scores an error below E (`certify`), squared norms of rows a relative
error below 2**-21 (2**-50 in float64), and values stored as float32 one of 2**-24; `WIDEN` covers all of
these with a margin. The same margin keeps the rounding of reference distances from reversing an order that
the bounds prove. The tiniest scores are multiples of 2**-149, too coarse for the squares of bounds below
2**-65: lower bounds up to `MIN_BOUND` are replaced by 0.

References
----------
See `algorithms.yinyang`.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.reference import approx_sq_dist
from numbakmeans._engine.structs.passes import Coarse, FastCenters, Packed, Projections, Transform
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import maximum, minimum

#: The relative margin by which bounds are widened, and the value up to which lower bounds become 0.
WIDEN, MIN_BOUND = 2.0**-19, 2.0**-60


class Drifts(NamedTuple):
    """The effect of the last update of the centers on the bounds.

    groups : (n_clusters,), int64, the group of each center
    moved : (n_clusters,), upper bounds on how far each center moved
    largest : (n_groups,), float32, the largest of these in each group, fast-moving centers excluded
    has_fast : (n_groups,), bool, whether the group contains a fast-moving center
    duplicates : (n_groups,), bool, whether a center of the group is a duplicate: it has no score of its own
    in this pass, so the bounds of the group become 0 where it is scored
    """

    groups: np.ndarray
    moved: np.ndarray
    largest: np.ndarray
    has_fast: np.ndarray
    duplicates: np.ndarray


class Centers(NamedTuple):
    """The centers of a pass, and the data derived from them.

    points, transform, packed : as in `certify.Centers`
    projections, coarse, fast : as in `structs.passes.Clusters`
    """

    points: np.ndarray
    transform: Transform
    packed: Packed
    drifts: Drifts
    projections: Projections | None
    coarse: Coarse | None
    fast: FastCenters | None


@kernel
def rows_of(b, rows):
    """Return the range [start, stop) of the rows in block b; rows : `structs.passes.Rows`."""
    start = b * rows.lower.shape[2]
    return start, minimum(start + rows.lower.shape[2], len(rows.upper))


@kernel
def safe_root(square):
    """Return the square root of a lower bound on a square, rounded down.

    The root is 0 where a float32 cannot represent it accurately (see `MIN_BOUND`).
    """
    root = np.sqrt(maximum(square, 0.0)) * (1.0 - WIDEN)
    return root if root > MIN_BOUND else 0.0


@kernel
def follow_centers(centers, before, scale, moved):
    """Write upper bounds on how far each center moved since the previous pass, in transformed units.

    before : INOUT (n_clusters, padded features), overwritten with centers; moved : OUT (n_clusters,), float64
    """
    for j in range(len(centers)):
        moved[j] = np.sqrt(approx_sq_dist(centers, j, before, j)) * scale * (1.0 + WIDEN)
        before[j] = centers[j]


@kernel
def drifts_of(moved, groups, n_groups, distinct, fast, arena):
    """Return the `Drifts` for the given movements of the centers.

    distinct : as in `structs.passes.Packed`; fast : `FastCenters`, or None
    """
    largest = zeros(arena, n_groups, np.float32)
    has_fast, duplicates = zeros(arena, n_groups, np.bool_), zeros(arena, n_groups, np.bool_)
    for j in range(len(moved)):
        g, drift = groups[j], np.float32(moved[j] * (1.0 + WIDEN))
        is_fast = False
        if fast is not None:
            is_fast = fast.places[j] >= 0
        if is_fast:
            has_fast[g] = True
        else:
            largest[g] = maximum(largest[g], drift)
        duplicates[g] |= not distinct[j]
    return Drifts(groups, moved, largest, has_fast, duplicates)


@kernel
def measure_own(start, stop, centers, rows):
    """Tile. Write upper bounds on the distances of rows [start, stop) to their own centers: these, widened.

    centers : `Centers`; rows : INOUT `structs.passes.Rows`
    """
    X, points, labels, upper = rows.X, centers.points, rows.labels, rows.upper
    for i in range(start, stop):
        sq_dist = approx_sq_dist(X, i, points, np.int64(labels[i]))
        upper[i] = np.sqrt(sq_dist) * centers.transform.scale * (1.0 + WIDEN)


@kernel
def select_rows(b, block, centers, rows, to_fast, arena):
    """Tile. Update the bounds of the rows of block b, and select undecided rows and their groups.

    block : INOUT `certify.Block`, its selected rows and group mask written
    centers : `Centers`; rows : INOUT `structs.passes.Rows`, its bounds updated
    to_fast : (block rows,), float32, from `fast_centers.bound_fast`

    Returns
    -------
    n_selected, n_measured : undecided rows, and rows whose distance to their own center was computed
    """
    (start, stop), selected, group_mask = rows_of(b, rows), block.selected, block.group_mask
    drifts, points, scale = centers.drifts, centers.points, centers.transform.scale
    X, labels, upper, lower = rows.X, rows.labels, rows.upper, rows.lower[b]
    n_groups = len(drifts.largest)
    shrink, tiny = np.float32(1.0 - WIDEN), np.float32(MIN_BOUND)
    marked = mark(arena)
    nearest = empty(arena, stop - start, np.float32)
    nearest[:] = np.inf
    for g in range(n_groups):
        moved = drifts.largest[g]
        others = np.float32(0.0 if drifts.has_fast[g] else np.inf)
        for r in range(stop - start):
            bound = (lower[g, r] - moved) * shrink
            bound_to_fast = to_fast[r] + others
            bound = bound_to_fast if bound_to_fast < bound else bound
            bound = bound if bound > tiny else np.float32(0.0)
            lower[g, r] = bound
            nearest[r] = bound if bound < nearest[r] else nearest[r]
    n_selected, n_measured = 0, 0
    for i in range(start, stop):
        own = np.int64(labels[i])
        bound = (upper[i] + drifts.moved[own]) * (1.0 + WIDEN)
        if not bound < nearest[i - start]:
            bound = np.sqrt(approx_sq_dist(X, i, points, own)) * scale * (1.0 + WIDEN)
            n_measured += 1
            if not bound < nearest[i - start]:
                selected[n_selected] = i
                n_selected += 1
        upper[i] = bound
    for g in range(n_groups):
        for t in range(n_selected):
            i = selected[t]
            group_mask[g, t] = not upper[i] < lower[g, i - start]
    release(arena, marked)
    return n_selected, n_measured


@kernel
def keep_undecided(selected, n_selected, groups, labels, group_mask):
    """Tile. Drop selected rows without an undecided group; add the group of its center to each other row.

    Returns
    -------
    n_kept, n_wanted_pairs : the rows kept, and their pairs of row and group to score
    """
    n_groups = group_mask.shape[0]
    n_kept, n_wanted_pairs = 0, 0
    for t in range(n_selected):
        wanted = False
        for g in range(n_groups):
            wanted |= group_mask[g, t]
        if wanted:
            group_mask[groups[labels[selected[t]]], t] = True
            for g in range(n_groups):
                group_mask[g, n_kept] = group_mask[g, t]
                n_wanted_pairs += 1 if group_mask[g, t] else 0
            selected[n_kept] = selected[t]
            n_kept += 1
    return n_kept, n_wanted_pairs


@kernel
def bound_rows(b, block, n_selected, centers, rows):
    """Tile. Write the bounds of the scored rows of block b: for the scored groups, and for the new labels.

    block : `certify.Block` as `nearest_of_rows` leaves it; its work is overwritten
    n_selected : the number of scored rows
    centers : `Centers`; rows : INOUT `structs.passes.Rows`, its bounds updated
    """
    start, stop = rows_of(b, rows)
    n_rows, upper, lower = stop - start, rows.upper, rows.lower[b]
    errors, panel_groups, duplicates = centers.packed.errors, centers.packed.groups, centers.drifts.duplicates
    selected, group_mask, norms = block.selected, block.group_mask, block.norms
    best, second = block.scores.best, block.scores.second
    n_panels, n_groups = best.shape[0], group_mask.shape[0]
    root, winner, decided = block.work[0], block.work[1], block.work[2]
    least = decided
    # Loops without branches, so that they vectorize.
    for t in range(n_selected):
        square = 2.0 * root[t] + norms[t] * norms[t] * (1.0 + WIDEN)
        square = root[t] if decided[t] != 0.0 else square
        root[t] = np.sqrt(square if square > 0.0 else 0.0) * (1.0 + WIDEN)
    for t in range(n_selected):
        upper[selected[t]] = root[t]
    p = 0
    for g in range(n_groups):
        first = p
        while p < n_panels and panel_groups[p] == g:
            p += 1
        n_wanted = 0
        for t in range(n_selected):
            n_wanted += group_mask[g, t]
        if n_wanted == 0:
            continue
        nothing = np.inf if duplicates[g] else MIN_BOUND
        least[:] = np.inf
        for q in range(first, p):
            own, e0, e1, e2 = float(q), errors[q, 0], errors[q, 1], errors[q, 2]
            for t in range(n_selected):
                one, two, norm = np.float64(best[q, t]), np.float64(second[q, t]), norms[t]
                score = (two if winner[t] == own else one) - (e0 + (e1 + e2 * norm) * norm)
                least[t] = score if score < least[t] else least[t]
        for t in range(n_selected):
            square = 2.0 * least[t] + norms[t] * norms[t] * (1.0 - WIDEN / 2)
            bound = np.sqrt(square if square > 0.0 else 0.0) * (1.0 - WIDEN)
            least[t] = bound if bound > nothing else 0.0
        if n_wanted == n_rows:
            for t in range(n_rows):
                lower[g, t] = least[t]
            continue
        for t in range(n_selected):
            if group_mask[g, t]:
                lower[g, selected[t] - start] = least[t]


@kernel
def count_wanted(group_mask, n_selected):
    """Return the number of undecided pairs of row and group."""
    total = 0
    for g in range(group_mask.shape[0]):
        for t in range(n_selected):
            total += 1 if group_mask[g, t] else 0
    return total
