"""The pairs of row and center that coarse forms leave open (`coarse`), and lower bounds for all others.

Rows are compared side by side, in lanes.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.kernels.bounds import WIDEN, count_wanted, rows_of
from numbakmeans._engine.kernels.certify import choose_rows
from numbakmeans._engine.kernels.coarse import MARGIN
from numbakmeans._engine.simd import NEVER, lane_rows, lowest_bit, near_coarse, rising_coarse, transpose_rows
from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import maximum, minimum

#: A difference between scores that none exceeds.
MOST_FAR = 2.0**31 - 2.0


class Lanes(NamedTuple):
    """Workspace: coarse rows side by side, and what is known and found of each; all but two (lane rows,).

    words : (n_words, lane rows), int32
    squares, errors, reaches : float64, |q|**2, E, and u / s + E
    own : int32, the row's own center, -1 if it has none
    limits, most : int32, as in `simd.near_coarse`; hits : (columns,), int64, likewise
    bounds : float32, lower bounds
    """

    words: np.ndarray
    squares: np.ndarray
    errors: np.ndarray
    reaches: np.ndarray
    own: np.ndarray
    limits: np.ndarray
    most: np.ndarray
    hits: np.ndarray
    bounds: np.ndarray


@kernel
def lane_buffers(coarse, arena):
    """Return `Lanes`."""
    width, (_, n_words, columns) = lane_rows(coarse.singles.centers), coarse.panels.shape
    return Lanes(
        empty(arena, (n_words, width), np.int32),
        empty(arena, width, np.float64),
        empty(arena, width, np.float64),
        empty(arena, width, np.float64),
        empty(arena, width, np.int32),
        empty(arena, width, np.int32),
        empty(arena, width, np.int32),
        empty(arena, columns, np.int64),
        empty(arena, width, np.float32),
    )


@kernel
def gather_lanes(chosen, first, coarse, lanes):
    """Tile. Lay coarse rows side by side; chosen : (at least first + lane rows,), int64, the rows."""
    errors, squares = coarse.rows.errors, coarse.rows.squares
    transpose_rows(coarse.rows.words, chosen, first, lanes.words)
    for t in range(len(lanes.limits)):
        i = chosen[first + t]
        lanes.errors[t], lanes.squares[t] = errors[i], squares[i]


@kernel
def limit_lanes(lanes, n_lanes, widest):
    """Tile. Write the limits of rows side by side: a center is open only if its score is above.

    n_lanes : how many of the rows count; widest : the largest E' of a center
    """
    squares, reaches, limits, least = lanes.squares, lanes.reaches, lanes.limits, NEVER + 2.0
    for t in range(len(limits)):
        reach = reaches[t] + widest
        limit = 0.5 * (squares[t] - reach * reach * (1.0 + MARGIN))
        limits[t] = np.int32(np.floor(limit if limit > least else least) - 1.0)
    for t in range(n_lanes, len(limits)):
        limits[t] = np.int32(2**31 - 1)


@kernel
def bound_lanes(lanes, widest, unit):
    """Tile. Write lower bounds on the distances of rows side by side to the centers that are not open.

    widest : the largest E' of these; unit : a step, transformed
    """
    squares, errors, most, bounds = lanes.squares, lanes.errors, lanes.most, lanes.bounds
    for t in range(len(bounds)):
        square = squares[t] - 2.0 * most[t]
        root = np.sqrt(square if square > 0.0 else 0.0) * (1.0 - MARGIN)
        bounds[t] = np.float32((root - errors[t] - widest) * unit * (1.0 - WIDEN))


@kernel
def raise_bounds(numbers, n_lanes, start, is_duplicate, bounds, lower):
    """Tile. Raise the lower bounds of a group to those found for rows side by side.

    numbers : these rows; start : the first of the block; lower : INOUT (block rows,), float32
    is_duplicate : whether a center of the group is one, which has no score of its own
    """
    for t in range(n_lanes):
        r = numbers[t] - start
        if is_duplicate:
            lower[r] = 0.0
        elif bounds[t] > lower[r]:
            lower[r] = bounds[t]


@kernel
def open_pairs(hits, members, own, places, opened):
    """Tile. Add the open pairs of a panel row by row, but for those with the rows' own centers.

    hits : (columns,), int64, a bit for each lane; members : (at least columns,), int64, the centers of the
    panel; own : of each lane; places : of the lanes in opened, INOUT (rows,), int64, a bit for each column
    """
    for c in range(len(hits)):
        word, j = hits[c], members[c]
        while word != 0:
            t = lowest_bit(word)
            word &= word - 1
            if own[t] != j:
                opened[places[t]] |= 1 << c


@kernel
def find_close(b, block, n_selected, centers, rows, pairs, arena):
    """Tile. Find the pairs that coarse rows leave open, and raise lower bounds to those of the other pairs.

    Rows that need a group are gathered for it; if they need most groups, once for all of them.

    block : `certify.Block`, with its selected rows and group mask set; centers : `bounds.Centers`
    rows : INOUT `structs.passes.Rows`, its lower bounds updated; pairs : INOUT `pairs.Pairs`
    """
    start, (selected, group_mask), coarse = rows_of(b, rows)[0], block[:2], centers.coarse
    marked, n_groups, width = mark(arena), len(group_mask), lane_rows(coarse.singles.centers)
    lanes, everywhere = lane_buffers(coarse, arena), empty(arena, n_selected, np.bool_)
    everywhere[:] = True
    close_panels(pairs, n_selected)
    at_once = 1 if 2 * count_wanted(group_mask, n_selected) < n_selected * n_groups else n_groups
    per_unit = (1.0 + 2.0 * WIDEN) / coarse.unit
    for g in range(0, n_groups, at_once):
        wanted = everywhere if at_once > 1 else group_mask[g]
        n_chosen = choose_rows(selected, n_selected, wanted, width, pairs.places, pairs.chosen)
        for first in range(0, n_chosen, width):
            gather_lanes(pairs.chosen, first, coarse, lanes)
            for t in range(width):
                i = pairs.chosen[first + t]
                lanes.reaches[t], lanes.own[t] = rows.upper[i] * per_unit + lanes.errors[t], rows.labels[i]
            n_lanes = minimum(width, n_chosen - first)
            for h in range(g, g + at_once):
                open_group(h, n_lanes, coarse, lanes, pairs.places[first:], pairs.hits)
                duplicate = centers.drifts.duplicates[h]
                raise_bounds(pairs.chosen[first:], n_lanes, start, duplicate, lanes.bounds, rows.lower[b][h])
    release(arena, marked)


@kernel
def close_panels(pairs, n_rows):
    """Tile. Leave no pair of the first rows open."""
    for p in range(len(pairs.hits)):
        opened = pairs.hits[p]
        opened[:n_rows] = 0


@kernel
def open_group(g, n_lanes, coarse, lanes, places, opened):
    """Tile. Find the open pairs of rows side by side with the centers of a group, and bounds for the others.

    lanes : INOUT `Lanes`; places : of the rows in opened; opened : INOUT (n_panels, rows), int64
    """
    columns, widest = coarse.panels.shape[2], coarse.group_errors[g]
    limit_lanes(lanes, n_lanes, widest)
    lanes.most[:] = np.int32(NEVER)
    for p in range(coarse.first_panels[g], coarse.first_panels[g + 1]):
        found = (lanes.limits, lanes.hits, lanes.most)
        near_coarse(lanes.words, coarse.panels, coarse.begins, p, columns, found)
        open_pairs(lanes.hits, coarse.singles.members[p * columns :], lanes.own, places, opened[p])
    bound_lanes(lanes, widest, coarse.unit)


# --- The first pass


class Rising(NamedTuple):
    """Workspace: what one sweep over all panels finds of rows side by side, with limits that rise.

    hits : (n_panels, columns), int64; tops : (n_panels, lane rows), int32, the largest score in each panel
    best, places : (lane rows,), int32, the largest of all, and the place of its center; here : in a panel
    """

    hits: np.ndarray
    tops: np.ndarray
    best: np.ndarray
    places: np.ndarray
    here: np.ndarray


@kernel
def rising_buffers(coarse, arena):
    """Return `Rising`."""
    width, (n_panels, _, columns) = lane_rows(coarse.singles.centers), coarse.panels.shape
    return Rising(
        empty(arena, (n_panels, columns), np.int64),
        empty(arena, (n_panels, width), np.int32),
        empty(arena, width, np.int32),
        empty(arena, width, np.int32),
        empty(arena, width, np.int32),
    )


@kernel
def sweep_panel(p, coarse, lanes, rising):
    """Tile. Compare rows side by side with panel p, and take its best centers if they are better."""
    best, places, here, tops = rising.best, rising.places, rising.here, rising.tops[p]
    found = (lanes.limits, rising.hits[p], lanes.most, best, tops, here)
    rising_coarse(lanes.words, coarse.panels, coarse.begins, p, coarse.panels.shape[2], found)
    for t in range(len(best)):
        places[t] = here[t] if tops[t] > best[t] else places[t]
        best[t] = tops[t] if tops[t] > best[t] else best[t]


@kernel
def limit_rising(coarse, lanes, best):
    """Tile. Write how far below the largest score so far another must be to be out of the question.

    Let a be an upper bound on |q - r| of the center with that score, and so of the one with the largest score
    of all. Another center is farther from the row than the latter if its score is lower by a d + d**2 / 2 +
    1/2, where d is 2 (E + E'), widened.
    """
    widest = 0.0
    for g in range(len(coarse.group_errors)):
        widest = maximum(widest, coarse.group_errors[g])
    squares, errors, limits, most = lanes.squares, lanes.errors, lanes.limits, MOST_FAR
    for t in range(len(limits)):
        square = squares[t] - 2.0 * best[t] + 1.0
        a = np.sqrt(square if square > 0.0 else 0.0)
        d = 2.0 * (errors[t] + widest) * (1.0 + 2.0 * WIDEN) + 4.0 * WIDEN * a
        far = (a * d + 0.5 * d * d + 0.5) * (1.0 + MARGIN) + 1.0
        limits[t] = np.int32(far if far < most else most)


@kernel
def take_hits(p, n_lanes, lanes, rising):
    """Tile. Return the lanes whose hits in panel p count in the end, a bit for each; lower bounds for others.

    A panel without a score above the final limit has none that counts.
    """
    tops, best, far, most, kept = rising.tops[p], rising.best, lanes.limits, lanes.most, 0
    for t in range(n_lanes):
        counts = np.int64(best[t]) - tops[t] < far[t]
        kept |= np.int64(counts) << t
        most[t] = tops[t] if not counts and tops[t] > most[t] else most[t]
    return kept


@kernel
def find_first(b, block, centers, rows, pairs, arena):
    """Tile. Find the center with the largest score of each row of block b, and the pairs left open besides.

    In one sweep over the centers: a pair is open if its score is not far enough below the largest so far.
    Panels that turn out to be too far in the end are left out again.

    block : its labels OUT, and what `find_close` needs; the others as there, rows with lower bounds of 0
    """
    (start, stop), coarse, selected = rows_of(b, rows), centers.coarse, block.selected
    marked, width = mark(arena), lane_rows(coarse.singles.centers)
    lanes, rising = lane_buffers(coarse, arena), rising_buffers(coarse, arena)
    n_rows, members, first_panels = stop - start, coarse.singles.members, coarse.first_panels
    close_panels(pairs, n_rows)
    for t in range(n_rows + width):
        pairs.chosen[t] = minimum(start + t, stop - 1)
    for t in range(n_rows):
        pairs.places[t] = t
    most = empty(arena, (len(block.group_mask), width), np.int32)
    for first in range(0, n_rows, width):
        n_lanes = minimum(width, n_rows - first)
        gather_lanes(pairs.chosen, first, coarse, lanes)
        rising.best[:], lanes.limits[:] = np.int32(NEVER), np.int32(0)
        sweep_panel(0, coarse, lanes, rising)
        limit_rising(coarse, lanes, rising.best)
        for g in range(len(most)):
            lanes.most[:] = np.int32(NEVER)
            for p in range(first_panels[g], first_panels[g + 1]):
                sweep_panel(p, coarse, lanes, rising)
            most[g] = lanes.most
        limit_rising(coarse, lanes, rising.best)
        for t in range(width):
            lanes.own[t] = members[rising.places[t]]
        for t in range(n_lanes):
            selected[first + t], block.labels[first + t] = start + first + t, lanes.own[t]
        for g in range(len(most)):
            for t in range(width):
                lanes.most[t] = most[g, t]
            for p in range(first_panels[g], first_panels[g + 1]):
                kept, hits = take_hits(p, n_lanes, lanes, rising), rising.hits[p]
                if kept != 0:
                    for c in range(len(hits)):
                        hits[c] &= kept
                    open_pairs(hits, members[p * len(hits) :], lanes.own, pairs.places[first:], pairs.hits[p])
            bound_lanes(lanes, coarse.group_errors[g], coarse.unit)
            duplicate = centers.drifts.duplicates[g]
            raise_bounds(pairs.chosen[first:], n_lanes, start, duplicate, lanes.bounds, rows.lower[b][g])
    release(arena, marked)
