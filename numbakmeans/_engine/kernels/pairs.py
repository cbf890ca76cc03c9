"""Single pairs of row and center: those that are left open, and the nearest centers among these.

Where bounds leave a row and a group undecided, the coarse forms (`coarse`) or the projections (`projections`)
of the row and of each center in the group give a lower bound for each pair. The pairs that remain, a few
centers per row, do not need the tile: their distances are computed individually, in float32 whatever the
dtype of the data.

Rounding. Packed rows and centers are off by at most 2**-24 of their norms, and a sum of d squared
differences, in any order, by (d + 3) 2**-24 of itself, plus underflow. The computed distance is off by at
most (d + 8) 2**-24 of itself plus 2**-22 (|x| + |c|) plus 2**-60. Centers that these bounds do not separate
are resolved by reference distances.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.bounds import WIDEN, rows_of, safe_root
from numbakmeans._engine.kernels.certify import choose_rows, error_of
from numbakmeans._engine.kernels.pack import pack_rows
from numbakmeans._engine.kernels.projections import projection_error
from numbakmeans._engine.kernels.reference import sq_dist_to
from numbakmeans._engine.simd import (
    PAIRS_AT_ONCE,
    lane_rows,
    lowest_bit,
    near_tile,
    pair_sq_dists,
    tile_lanes,
    tile_rows,
)
from numbakmeans._numba.arena import empty, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import minimum

#: Upper bounds on the norm of a projection relative to that of its row (`algorithms.projections.MOST_LOSS`),
#: and on the error that underflow causes in a distance.
PROJECTION_REACH, TINY = 1.01, 2.0**-60


class Pairs(NamedTuple):
    """The open pairs of some rows with centers, and the workspace to find and to resolve them.

    hits : (n_panels, n_rows), int64, the open centers of each panel for a row, one bit per column
    any_hits : (n_rows,), int64, not zero for a row with an open center
    places, chosen, limits, some_hits, least, norms, reaches, raised : for the rows that need a group
    row : (1, n_features), float32, a packed row
    candidates, sq_dists, lows : (at least n_clusters,), the open centers of that row, the squared distances
    to them, and lower bounds on their distances
    """

    hits: np.ndarray
    any_hits: np.ndarray
    places: np.ndarray
    chosen: np.ndarray
    limits: np.ndarray
    some_hits: np.ndarray
    least: np.ndarray
    norms: np.ndarray
    reaches: np.ndarray
    raised: np.ndarray
    row: np.ndarray
    candidates: np.ndarray
    sq_dists: np.ndarray
    lows: np.ndarray


@kernel
def pair_buffers(n_panels, singles, n_rows, arena):
    """Return `Pairs` for up to n_rows rows; singles : `structs.passes.Singles`."""
    n_clusters, n_features = singles.centers.shape
    filled = n_rows + tile_rows(singles.centers) + tile_lanes(singles.centers) + lane_rows(singles.centers)
    return Pairs(
        empty(arena, (n_panels, n_rows), np.int64),
        empty(arena, n_rows, np.int64),
        empty(arena, n_rows, np.int64),
        empty(arena, filled, np.int64),
        zeros(arena, filled, np.float32),
        empty(arena, filled, np.int64),
        empty(arena, filled, np.float32),
        empty(arena, n_rows, np.float64),
        empty(arena, n_rows, np.float64),
        empty(arena, n_rows, np.float64),
        empty(arena, (1, n_features), np.float32),
        empty(arena, n_clusters + PAIRS_AT_ONCE, np.int64),
        empty(arena, n_clusters + PAIRS_AT_ONCE, np.float32),
        empty(arena, n_clusters, np.float64),
    )


@kernel
def find_pairs(b, block, n_selected, projections, duplicates, rows, pairs):
    """Tile. Find the pairs that projections leave open, and raise lower bounds to those of the other pairs.

    block : `certify.Block`, with its selected rows and group mask set
    projections : `structs.passes.Projections`; duplicates : as in `bounds.Drifts`
    rows : INOUT `structs.passes.Rows`, its lower bounds updated; pairs : INOUT `Pairs`
    """
    (start, _), selected, group_mask, packed = (
        rows_of(b, rows),
        block.selected,
        block.group_mask,
        projections.packed,
    )
    norms, upper, lower = rows.norms, rows.upper, rows.lower[b]
    n_panels, n_at_once = len(packed.panels), tile_rows(projections.rows)
    places, chosen, limits = pairs.places, pairs.chosen, pairs.limits
    some_hits, least = pairs.some_hits, pairs.least
    rest = projections.rows.shape[1] - 1
    p = 0
    for g in range(len(group_mask)):
        n_chosen = choose_rows(selected, n_selected, group_mask[g], n_at_once, places, chosen)
        for c in range(n_chosen):
            i = chosen[c]
            pairs.norms[c] = norms[i]
            pairs.reaches[c] = projection_error(
                norms[i], np.float64(projections.rows[i, rest]), projections.loss
            )
            pairs.raised[c] = np.inf
        while p < n_panels and packed.groups[p] == g:
            widest = projections.panel_errors[p]
            for c in range(n_chosen):
                norm = pairs.norms[c]
                reach = (upper[chosen[c]] + pairs.reaches[c] + widest) * (1.0 + 2.0 * WIDEN)
                error = error_of(packed.errors, p, norm * PROJECTION_REACH)
                limit = 0.5 * (reach * reach - norm * norm * (1.0 - WIDEN)) + error
                limits[c] = np.float32(limit + WIDEN * abs(limit))
            for first in range(0, n_chosen, n_at_once):
                of_rows = (limits, some_hits, least)
                near_tile(projections.rows, chosen, first, packed.panels, packed.half_norms, p, of_rows)
            for c in range(n_chosen):
                norm = pairs.norms[c]
                error = error_of(packed.errors, p, norm * PROJECTION_REACH)
                square = 2.0 * (least[c] - error) + norm * norm * (1.0 - WIDEN)
                pairs.raised[c] = minimum(pairs.raised[c], safe_root(square) - widest)
            pairs.hits[p][:n_selected] = 0
            for c in range(n_chosen):
                pairs.hits[p, places[c]] = some_hits[c]
            p += 1
        for c in range(n_chosen):
            r = chosen[c] - start
            bound = np.float32((pairs.raised[c] - pairs.reaches[c]) * (1.0 - WIDEN))
            if duplicates[g]:
                lower[g, r] = 0.0
            elif bound > lower[g, r]:
                lower[g, r] = bound


@kernel
def find_open_rows(pairs, n_rows):
    """Tile. Mark the rows that have an open center."""
    any_hits = pairs.any_hits
    any_hits[:n_rows] = 0
    for p in range(len(pairs.hits)):
        hits = pairs.hits[p]
        for t in range(n_rows):
            any_hits[t] |= hits[t]


@kernel
def decide_pairs(b, block, n_selected, centers, singles, rows, pairs):
    """Tile. Find the nearest center of each row among the open pairs, and update the bounds.

    block : INOUT `certify.Block`, with its selected rows set, its labels written
    centers : `bounds.Centers`; singles : `structs.passes.Singles`; the others as in `find_pairs`

    Returns
    -------
    n_pairs, n_decided : the number of open pairs, and of rows resolved by reference distances
    """
    start, _ = rows_of(b, rows)
    X, labels, norms, upper, lower = rows.X, rows.labels, rows.norms, rows.upper, rows.lower[b]
    points, transform, groups = centers.points, centers.transform, centers.drifts.groups
    n_panels, columns = len(pairs.hits), len(singles.members) // len(pairs.hits)
    selected, found, candidates, lows = block.selected, block.labels, pairs.candidates, pairs.lows
    loss = (X.shape[1] + 8) * 2.0**-24
    n_pairs, n_decided = 0, 0
    find_open_rows(pairs, n_selected)
    for t in range(n_selected):
        i = selected[t]
        found[t] = own = np.int64(labels[i])
        if pairs.any_hits[t] == 0:
            continue
        n_open = 0
        for p in range(n_panels):
            word = pairs.hits[p, t]
            while word != 0:
                j = singles.members[p * columns + lowest_bit(word)]
                word &= word - 1
                candidates[n_open] = j
                # A row that was modified after validation may match padding, too.
                n_open += 1 if j >= 0 and j != own else 0
        if n_open == 0:
            continue
        n_pairs += n_open
        pack_rows(X, selected[t:], 1, transform, pairs.row)
        for c in range(n_open, n_open + PAIRS_AT_ONCE):
            candidates[c] = own
        pair_sq_dists(pairs.row[0], singles.centers, candidates, n_open, pairs.sq_dists)
        # The upper bound is the distance to the row's own center, widened.
        nearest, own_low = np.float64(upper[i]), upper[i] * (1.0 - 4.0 * WIDEN) - TINY
        for c in range(n_open):
            j = candidates[c]
            root = np.sqrt(np.float64(pairs.sq_dists[c]))
            off = root * loss + 2.0**-22 * (norms[i] + singles.norms[j]) + TINY
            lows[c] = root - off
            if root + off < nearest:
                nearest, found[t] = root + off, j
        rivals = 1 if found[t] != own and own_low <= nearest else 0
        for c in range(n_open):
            rivals += 1 if candidates[c] != found[t] and lows[c] <= nearest else 0
        if rivals > 0:
            n_decided += 1
            square, winner = sq_dist_to(X, i, points, own), own
            for c in range(n_open):
                if lows[c] <= nearest:
                    other = sq_dist_to(X, i, points, candidates[c])
                    if other < square or (other == square and candidates[c] < winner):
                        square, winner = other, candidates[c]
            nearest, found[t] = np.sqrt(square) * transform.scale, winner
        if found[t] != own:
            upper[i] = nearest * (1.0 + WIDEN)
            g = groups[own]
            lower[g, i - start] = minimum(lower[g, i - start], np.float32(own_low * (1.0 - WIDEN)))
        for c in range(n_open):
            if candidates[c] != found[t]:
                g = groups[candidates[c]]
                lower[g, i - start] = minimum(lower[g, i - start], np.float32(lows[c] * (1.0 - WIDEN)))
    return n_pairs, n_decided
