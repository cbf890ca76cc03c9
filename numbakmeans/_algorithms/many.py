"""Many small problems in one call: the threads share them, and each is solved as a whole by one thread.

The passes are those of `resident`, and so the bits of every other algorithm.
"""

from __future__ import annotations

import numpy as np

from numbakmeans._algorithms.resident import resident_run
from numbakmeans._jit import kernel
from numbakmeans._kernels.room import LINE_WORDS, empty, room_of
from numbakmeans._kernels.sums import empty_tables
from numbakmeans._plan import LANE_SUMS_CLUSTERS, LANE_SUMS_FEATURES, ROOM_PARTS
from numbakmeans._slots import ALONE, driver, spread

#: Rows that fill up blocks, and features that fill up lanes, at most; arrays, each of which begins on a line.
BESIDE, ARRAYS = 192, 40


@kernel
def words_for(n_samples, n_features, n_clusters):
    """Return how many words of a room `solve` takes, and copies of all that is handed to it and found.

    More than that only where values span so much that their sums have more than `ROOM_PARTS` parts.
    """
    parts = ROOM_PARTS if n_features <= LANE_SUMS_FEATURES and n_clusters <= LANE_SUMS_CLUSTERS else 0
    of_rows = (n_samples + BESIDE) * ((2 + parts) * n_features + 4)
    of_clusters = n_clusters * ((ROOM_PARTS + 3) * n_features + 8)
    of_features = (n_features + BESIDE) * (4 * ROOM_PARTS + 16)
    return of_rows + of_clusters + of_features + ARRAYS * LINE_WORDS


@kernel
def solve(loop, n_slots, X, max_iter, stop_on_empty, bits, lowest, centers, labels, room):
    """Make up to max_iter passes over one problem; arguments as of `resident.resident_run`.

    centers : INOUT (n_clusters, padded features), float64; labels : OUT (n_samples,), int32

    Returns
    -------
    n_iter, moved, n_empty, ever_empty : as in `base.Run`
    """
    used = room[0]
    grids, sums, counts = empty_tables(loop, n_slots, X, len(centers), room)
    labels[:] = -1
    outputs = (centers, labels, sums, counts, empty(room, (len(centers),), np.int64))
    done = resident_run(loop, X, max_iter, stop_on_empty, *grids, bits, lowest, *outputs, room)
    room[0] = used
    return done


@kernel
def solve_slot(slot, n_slots, X, starts, center_starts, centers, labels, empties, options):
    """Slot. Solve every n-th problem; options : as of `solve`; others as of `solve_all`."""
    n_rows, n_clusters = 0, 0
    for b in range(slot, len(empties), n_slots):
        n_rows = max(n_rows, starts[b + 1] - starts[b])
        n_clusters = max(n_clusters, center_starts[b + 1] - center_starts[b])
    room = room_of(words_for(n_rows, X.shape[1], n_clusters))
    for b in range(slot, len(empties), n_slots):
        rows, book = slice(starts[b], starts[b + 1]), slice(center_starts[b], center_starts[b + 1])
        problem = (np.int64(ALONE), np.int64(1), X[rows])
        _, _, n_empty, ever_empty = solve(*problem, *options, centers[book], labels[rows], room)
        empties[b, 0], empties[b, 1] = n_empty, ever_empty


@driver
def solve_all(
    loop, X, n_slots, starts, max_iter, stop_on_empty, bits, lowest, center_starts, centers, labels, empties
):
    """Solve every problem.

    X : the rows of all problems, one after the other; starts : (n_problems + 1,), int64, where each begins
    center_starts : (n_problems + 1,), int64, the same of their centers
    centers : INOUT (all clusters, padded features), float64; labels : OUT (all rows,), int32
    empties : OUT (n_problems, 2), int64, `n_empty` and `ever_empty` of each
    """
    problems = (X, starts, center_starts, centers, labels, empties)
    options = (max_iter, stop_on_empty, bits, lowest)
    spread(loop, n_slots, solve_slot, (n_slots, *problems, options))
