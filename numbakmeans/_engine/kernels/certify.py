"""Certified nearest centers: approximate scores with error bounds, and reference distances as a fallback.

Let x and c be a row and a center after the transform (`kernels.pack`), and s the scale of the transform. Half
of s**2 D(x, c) is the score S = |c|**2 / 2 - x.c plus |x|**2 / 2, which is the same for all centers. The tile
computes an approximation S' in the working dtype.

Error bound. Let u be the unit roundoff of the working dtype (2**-24 or 2**-53), v = 2**-53, X = |x|, C the
largest |c| of a panel, and d the number of features.

- Packed rows and centers are rounded once or twice, rows that are used in place not at all: x' = x (1 + e),
  c' = c (1 + e), |e| <= 2u, so that |x'.c' - x.c| <= 4.1 u X C. Half norms are summed in float64, with an
  error of at most ((d + 3) v + u) C**2 / 2.
- The products of up to m features (`SUMMED_FEATURES`) are added one after another, the first of them to the
  half norm, and the sums of these chunks likewise (`vectors.Vectors.sum_over`). Each term passes through at
  most a = min(d, m) + ceil(d / m) - 1 additions instead of d, and is itself rounded where there is no fused
  multiply-add: by Cauchy-Schwarz and [1]_, the error is at most 1.04 (a + 1) u (X C + C**2 / 2) for d up to
  2**19.
- The reference distance is rounded, too: |D' - D| <= (d + 3) v D, and s**2 D <= (X + C)**2.

Let E = 1.05 ((a + 8) u (X C + C**2 / 2) + (d + 4) v (X + C)**2). If S' + E of one center is below S' - E' of
another, E' being the bound for the latter, their reference distances are in the same order. Each panel has
its own C, so that a distant center does not loosen the bounds of the others. Underflow in scaling and in
products, and the rounding of X and C themselves, are covered by a term of 2**-140 (2**-1000 in float64) and
by the factor 1.05; so is the rounding of S' + E, of S' - E, and of E itself, fused or not.
`transforms.scale_for` rejects magnitudes beyond 2**±400. Padding and duplicate centers have infinite scores,
which are never the smallest. None of this holds for NaN: callers pass only finite data.

References
----------
.. [1] N. J. Higham, "Accuracy and Stability of Numerical Algorithms", second edition, 2002, section 3.1.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.pack import (
    Scores,
    distinct_centers,
    pack_panel,
    pack_rows,
    row_numbers,
    score_buffers,
)
from numbakmeans._engine.kernels.reference import approx_sq_dist, sq_dist_to
from numbakmeans._engine.simd import (
    SUMMED_FEATURES,
    compare_panels,
    lane_rows,
    score_lanes,
    score_tile,
    tile_rows,
    transpose_rows,
)
from numbakmeans._engine.structs.passes import Packed, Transform
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum, minimum


class Centers(NamedTuple):
    """The centers of a pass.

    points : (n_clusters, padded features), float64, the original centers
    transform, packed : `structs.passes.Transform`, `Packed`
    """

    points: np.ndarray
    transform: Transform
    packed: Packed


class Block(NamedTuple):
    """A block of rows to assign with the tile, and the results; each array has space for all rows of a block.

    selected : int64, indices into X of the selected rows
    group_mask : (n_groups, block_rows), bool, the groups that each row is scored against (`score_rows`)
    rows : buffer for packed rows, empty where the rows of X are used in place
    norms : of the selected rows, after the transform
    lanes : (blocks, n_features, lane rows), the transposed rows, or empty
    scores : from `pack.score_buffers`
    work : for each row, the smallest upper end of all scores, the panel where it occurs, and 0.0; for a row
    resolved by reference distances, the squared distance to its nearest center in transformed units, the
    panel of that center, and 1.0
    labels : int64, the nearest centers
    """

    selected: np.ndarray
    group_mask: np.ndarray
    rows: np.ndarray
    norms: np.ndarray
    lanes: np.ndarray
    scores: Scores
    work: np.ndarray
    labels: np.ndarray


@kernel
def block_buffers(X, block_rows, n_panels, n_groups, transposes, packs, arena):
    """Return a `Block` for rows of X.

    transposes : whether rows are transposed where they are scored against all centers
    packs : whether rows are packed
    """
    n_features, width = X.shape[1], lane_rows(X)
    n_blocks = (block_rows + width - 1) // width
    return Block(
        empty(arena, n_blocks * width, np.int64),
        empty(arena, (n_groups, block_rows), np.bool_),
        empty(arena, (n_blocks * width if packs else 0, n_features), X.dtype),
        zeros(arena, n_blocks * width, np.float64),
        empty(arena, (n_blocks if transposes else 0, n_features, width), X.dtype),
        score_buffers(X, block_rows, n_panels, arena),
        empty(arena, (3, n_blocks * width), np.float64),
        empty(arena, n_blocks * width, np.int64),
    )


@kernel
def error_bound(n_features, single, norm, errors):
    """Write a, b, c of a panel, such that E <= a + b X + c X**2 for a row of norm X.

    norm : the largest norm of a center in the panel; errors : OUT (3,)
    """
    u = 2.0**-24 if single else 2.0**-53
    definition = (n_features + 4) * 2.0**-53
    n_chunks = (n_features + SUMMED_FEATURES - 1) // SUMMED_FEATURES
    n_additions = minimum(n_features, SUMMED_FEATURES) + n_chunks - 1
    tile = (n_additions + 8) * u
    least = 2.0**-140 if single else 2.0**-1000
    constant = tile * norm * norm / 2 + definition * norm * norm
    errors[0] = 1.05 * constant + least * (1 + n_features)
    errors[1] = 1.05 * (tile * norm + 2 * definition * norm) + least * n_features
    errors[2] = 1.05 * definition


@kernel
def panels_task(task, arena, n_tasks, points, transform, packed):
    """Task. Write every n-th panel; see `pack_centers`."""
    single = packed.panels.itemsize == 4
    for p in range(task, len(packed.panels), n_tasks):
        norm = pack_panel(points, transform, packed, p)
        error_bound(len(transform.origin), single, norm, packed.errors[p])


@kernel
def pack_centers(executor, n_tasks, X, points, transform, places, arena):
    """Return the centers as `Packed`, in the dtype of X.

    points : (n_clusters, padded features), float64; places : `structs.passes.Places`
    """
    n_features, n_panels = X.shape[1], len(places.groups)
    columns = len(places.members) // n_panels
    packed = Packed(
        empty(arena, len(points), np.bool_),
        places.members,
        empty(arena, (n_panels, n_features, columns), X.dtype),
        empty(arena, (n_panels, columns), X.dtype),
        empty(arena, (n_panels, 3), np.float64),
        places.groups,
    )
    distinct_centers(points, n_features, packed.distinct, arena)
    parallel_for(executor, n_tasks, panels_task, (n_tasks, points, transform, packed))
    return packed


@kernel
def error_of(errors, p, norm):
    """Return E for the scores of panel p and a row of the given norm."""
    return errors[p, 0] + (errors[p, 1] + errors[p, 2] * norm) * norm


@kernel
def choose_rows(numbers, n_rows, wanted, n_at_once, places, chosen):
    """Write the masked rows: their positions among the n_rows rows, and their indices, padded to whole tiles.

    numbers : (at least n_rows,), int64, row indices; wanted : (at least n_rows,), bool, the mask
    n_at_once : rows per tile; places, chosen : OUT, positions and indices

    Returns
    -------
    n_chosen : the number of masked rows
    """
    n_chosen = 0
    for t in range(n_rows):
        places[n_chosen], chosen[n_chosen] = t, numbers[t]
        n_chosen += 1 if wanted[t] else 0
    for t in range(n_chosen, n_chosen + n_at_once):
        chosen[t] = chosen[0] if n_chosen > 0 else 0
    return n_chosen


@kernel
def score_rows(rows, numbers, n_rows, group_mask, packed, scores):
    """Tile. Find the two smallest scores of each row in each panel.

    rows : (rows, n_features), after the transform; numbers : (at least n_rows,), int64, indices into rows
    group_mask : (n_groups, at least n_rows), bool, the groups whose panels a row is scored against; elsewhere
    its scores are +inf
    packed : `Packed`; scores : INOUT, from `pack.score_buffers`
    """
    panels, half_norms, groups = packed.panels, packed.half_norms, packed.groups
    places, chosen = scores.places, scores.chosen
    n_panels = panels.shape[0]
    n_at_once = tile_rows(rows)
    n_chosen = 0
    for p in range(n_panels):
        best, second, columns = scores.best[p], scores.second[p], scores.columns[p]
        if p == 0 or groups[p] != groups[p - 1]:
            n_chosen = choose_rows(numbers, n_rows, group_mask[groups[p]], n_at_once, places, chosen)
        if n_chosen < n_rows:
            best[:n_rows] = np.inf
            second[:n_rows] = np.inf
            columns[:n_rows] = 0
            best, second, columns = scores.some_best, scores.some_second, scores.some_columns
        for first in range(0, n_chosen, n_at_once):
            score_tile(rows, chosen, first, panels, half_norms, p, (best, second, columns))
        if n_chosen < n_rows:
            for t in range(n_chosen):
                r = places[t]
                scores.best[p, r], scores.second[p, r] = best[t], second[t]
                scores.columns[p, r] = columns[t]


class Candidates(NamedTuple):
    """Workspace: the panels that may hold the nearest center of a row, and the distances to their centers.

    undecided : (n_panels,), int64, these panels; near : (n_panels * columns,), float64, squared distances
    """

    undecided: np.ndarray
    near: np.ndarray


@kernel
def decide(X, block, t, points, packed, scale, candidates):
    """Find the nearest center of a row by reference distances, among those whose score may be the smallest.

    t : index of the row in the block; candidates : workspace `Candidates`; the others as in `nearest_of_rows`

    The additions of a reference distance form a dependency chain, so distances summed in any order are
    computed first. Both kinds have a relative error below (d + 3) 2**-53, plus underflow: reference distances
    are needed only if several centers are this close to the smallest distance.

    In undecided panels, the two smallest of these distances replace the scores, each increased by its E.
    Bounds derived from them (`bounds.bound_rows`) hold, and are as tight as the norms allow. The winner may
    not have the smallest of these distances, but only because of their rounding, which is less than what
    bounds are widened by.

    Returns
    -------
    label, panel, sq_dist : the center, its panel, and the squared distance in transformed units
    """
    best, second, columns = block.scores.best, block.scores.second, block.scores.columns
    i, norm, limit, (undecided, near) = block.selected[t], block.norms[t], block.work[0, t], candidates
    width = len(packed.members) // best.shape[0]
    n_undecided, smallest = 0, np.inf
    for p in range(best.shape[0]):
        error = error_of(packed.errors, p, norm)
        if best[p, t] - error > limit or best[p, t] == np.inf:
            continue
        only_best = second[p, t] - error > limit
        nearest, next_nearest = np.inf, np.inf
        for c in range(width):
            j, total = packed.members[p * width + c], np.inf
            if j >= 0 and packed.distinct[j] and (c == columns[p, t] or not only_best):
                total = approx_sq_dist(X, i, points, j)
            near[n_undecided * width + c] = total
            if total < nearest:
                nearest, next_nearest = total, nearest
            elif total < next_nearest:
                next_nearest = total
        undecided[n_undecided] = p
        n_undecided += 1
        smallest = minimum(smallest, nearest)
        best[p, t] = 0.5 * (nearest * scale * scale - norm * norm) + error
        if not only_best:
            second[p, t] = 0.5 * (next_nearest * scale * scale - norm * norm) + error
    reach = smallest * (1.0 + (X.shape[1] + 4) * 2.0**-50) + X.shape[1] * 2.0**-1070
    n_close, winner = 0, -1
    # No center may qualify if another thread modifies the data.
    for q in range(n_undecided * width if smallest < np.inf else 0):
        if near[q] <= reach:
            n_close += 1
            winner = q
    sq_dist, label = np.inf, len(points)
    for q in range(n_undecided * width if n_close > 1 else 0):
        if near[q] <= reach:
            j = packed.members[undecided[q // width] * width + q % width]
            total = sq_dist_to(X, i, points, j)
            if total < sq_dist or (total == sq_dist and j < label):
                sq_dist, label, winner = total, j, q
    if winner < 0:
        return 0, -1, np.inf
    panel = undecided[winner // width]
    return packed.members[panel * width + winner % width], panel, near[winner] * scale * scale


@kernel
def score_some(X, block, n_selected, packed, transform, arena):
    """Tile. Score the first n_selected rows of a block against the groups in their masks.

    block : INOUT `Block`, with its selected rows and group mask set; packed : all centers, a `Packed`
    """
    selected, group_mask, rows = block.selected, block.group_mask, block.rows
    source, numbers = X, selected
    marked = mark(arena)
    if len(rows) > 0:
        pack_rows(X, selected, n_selected, transform, rows)
        source, numbers = rows, row_numbers(n_selected, arena)
    score_rows(source, numbers, n_selected, group_mask, packed, block.scores)
    release(arena, marked)


@kernel
def transpose_block(X, n_selected, block, transform, arena):
    """Tile. Transpose the first n_selected rows of a block; n_selected is at least 1."""
    selected, rows, lanes = block.selected, block.rows, block.lanes
    width = lanes.shape[2]
    marked = mark(arena)
    numbers_of_packed = row_numbers(width, arena)
    # Pad the last lanes with the last row.
    for t in range(n_selected, len(selected)):
        selected[t] = selected[n_selected - 1]
    for b in range((n_selected + width - 1) // width):
        source, numbers, first = X, selected, b * width
        if len(rows) > 0:
            pack_rows(X, selected[first:], width, transform, rows)
            source, numbers, first = rows, numbers_of_packed, 0
        transpose_rows(source, numbers, first, lanes[b])
    release(arena, marked)


@kernel
def score_all(X, start, stop, block, packed, transform, arena):
    """Tile. Select rows [start, stop) in a block, and score them against all centers.

    block : INOUT `Block`; if it has lanes, the rows are transposed
    packed : as in `score_some`

    Returns
    -------
    n_selected : the number of rows
    """
    n_selected, lanes = stop - start, block.lanes
    width, columns = lanes.shape[2], packed.panels.shape[2]
    for t in range(n_selected):
        block.selected[t] = start + t
    block.group_mask[:] = True
    if len(lanes) == 0:
        score_some(X, block, n_selected, packed, transform, arena)
        return n_selected
    transpose_block(X, n_selected, block, transform, arena)
    best, second, places = block.scores.best, block.scores.second, block.scores.columns
    for p in range(len(packed.panels)):
        filled = maximum(minimum(columns, len(packed.distinct) - p * columns), 0)
        of_panel = (best[p], second[p], places[p])
        for b in range((n_selected + width - 1) // width):
            score_lanes(lanes[b], packed.panels, packed.half_norms, p, (filled, b * width), of_panel)
    return n_selected


@kernel
def nearest_of_rows(X, block, n_selected, points, packed, scale, arena):
    """Tile. Find the nearest of the scored centers for the first n_selected rows of a block.

    block : INOUT `Block`, after `score_some` or `score_all`, with its norms set
    points : (n_clusters, padded features), all original centers; packed : `Packed`

    Returns
    -------
    n_decided : the number of rows resolved by reference distances
    """
    norms, scores, work, labels = block.norms, block.scores, block.work, block.labels
    n_panels, n_decided = len(packed.panels), 0
    of_panels = (scores.best, scores.second, scores.columns)
    compare_panels(of_panels, packed.errors, norms, packed.panels.shape[2], n_selected, (work, labels))
    limit, winner, rival, decided = work[0], work[1], work[2], work[2]
    # Loops without branches, so that they can be vectorized; few rows are left for the last one.
    for t in range(n_selected):
        # An infinite limit means that the row was modified after validation: certify nothing.
        certain = (rival[t] > limit[t]) & (limit[t] < np.inf)
        decided[t] = 0.0 if certain else 1.0
        n_decided += 0 if certain else 1
    for t in range(n_selected):
        labels[t] = packed.members[labels[t]]
    if n_decided > 0:
        marked = mark(arena)
        candidates = Candidates(
            empty(arena, n_panels, np.int64), empty(arena, len(packed.members), np.float64)
        )
        for t in range(n_selected):
            if decided[t] != 0.0:
                labels[t], winner[t], limit[t] = decide(X, block, t, points, packed, scale, candidates)
        release(arena, marked)
    return n_decided
