"""Entry points that nopython callers reach without Python: small problems, on one thread.

An array is passed as its address, the code of its dtype (`tables.read_rows`), its sizes and its strides, so
that one function serves every layout and dtype. Anything large or unusual is declined and left to Python
(`_nopython`).
"""

import numpy as np

from numbakmeans._engine.kernels.means import means_chunk
from numbakmeans._engine.kernels.plus_plus import pick_all
from numbakmeans._engine.kernels.ranges import ranges_of
from numbakmeans._engine.kernels.reference import label_sq_dists_chunk, nearest_chunk
from numbakmeans._engine.kernels.sampling import choose_without_replacement, draw_plus_plus
from numbakmeans._engine.kernels.small import exact_quotient, solve_problem, sums_for
from numbakmeans._engine.kernels.sums import add_row, sums_of_task
from numbakmeans._engine.structs.problems import Answer, Options
from numbakmeans._engine.thresholds import MAX_NOPYTHON_STEPS, MAX_SMALL_VALUES, MIN_FILTERED_ROWS
from numbakmeans._numba.arena import empty, lend, zeros
from numbakmeans._numba.callers_arrays import read_rows
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.scalars import maximum, minimum
from numbakmeans._numba.status import BAD_COUNT, BAD_SHAPE, DECLINED, DRAWN, GIVEN, NOT_FINITE, OK, POINTS
from numbakmeans._numba.tables import flat, table_at


@kernel
def is_small(n_samples, n_features, n_clusters):
    """Return whether the problem is not empty and small enough to be solved here."""
    size = n_samples * n_features
    # Neither product may overflow.
    few = 0 < size <= MAX_SMALL_VALUES and 0 < n_clusters < MAX_NOPYTHON_STEPS
    return few and size * n_clusters < MAX_NOPYTHON_STEPS and n_samples < MIN_FILTERED_ROWS


@kernel
def is_disjoint(array, address, n_bytes):
    """Return whether an array shares no byte with the n_bytes bytes at address."""
    low, _, n_rows, n_columns, row_stride, column_stride = array
    high = low + 8
    if n_rows * n_columns == 0:
        return True
    rows, columns = (n_rows - 1) * row_stride, (n_columns - 1) * column_stride
    low, high = low + minimum(rows, 0) + minimum(columns, 0), high + maximum(rows, 0) + maximum(columns, 0)
    return high <= address or address + n_bytes <= low


@kernel
def lend_unless_overlapping(arena, work, X, centers):
    """Lend the caller's workspace, (address, bytes), to the arena unless an input overlaps it."""
    if is_disjoint(X, work[0], work[1]) and is_disjoint(centers, work[0], work[1]):
        lend(arena, work[0], work[1])


@kernel
def rows_at(array, arena):
    """Return an array, given as (address, code, rows, columns, strides), as a float64 table."""
    address, code, n_rows, n_columns, row_stride, column_stride = array
    rows = empty(arena, (n_rows, n_columns), np.float64)
    read_rows(address, code, row_stride, column_stride, rows)
    return rows


@kernel
def padded_rows_at(array, arena):
    """Return what `rows_at` returns, with columns of zeros up to a multiple of 4."""
    n_rows, n_columns = array[2], array[3]
    rows = rows_at(array, arena)
    wide = zeros(arena, (n_rows, (n_columns + 3) // 4 * 4), np.float64)
    for j in range(n_rows):
        for f in range(n_columns):
            wide[j, f] = rows[j, f]
    return wide


@kernel
def write_rows(rows, n_columns, single, address):
    """Write rows in the working dtype to a C-ordered array."""
    if single:
        narrow = table_at(address, (len(rows), n_columns), np.float32)
        for j in range(len(rows)):
            for f in range(n_columns):
                narrow[j, f] = rows[j, f]
    else:
        wide = table_at(address, (len(rows), n_columns), np.float64)
        for j in range(len(rows)):
            for f in range(n_columns):
                wide[j, f] = rows[j, f]


@kernel
def all_finite(rows):
    for i in range(len(rows)):
        for f in range(rows.shape[1]):
            if not abs(rows[i, f]) < np.inf:
                return False
    return True


@kernel
def fit(X, centers, max_iter, single, work, out, arena):
    """Fit a small problem; see `jit.fit`.

    X, centers : arrays, given as in `rows_at`; work : address and size in bytes of the caller's workspace
    out : addresses of the arrays to write: labels and centers

    Returns
    -------
    inertia, n_iter, converged, n_empty, status
    """
    n_samples, n_features, n_clusters = X[2], X[3], centers[2]
    declined = (np.nan, 0, False, 0, DECLINED)
    if not is_small(n_samples, n_features, n_clusters) or centers[3] != n_features or max_iter < 1:
        return declined
    lend_unless_overlapping(arena, work, X, centers)
    rows, book = rows_at(X, arena), padded_rows_at(centers, arena)
    if not all_finite(rows) or not all_finite(book):
        return declined
    labels, found = out
    own, ranges = table_at(labels, (n_samples,), np.int32), ranges_of(rows, arena)
    own[:] = -1
    tables, options = (
        sums_for(ranges, n_clusters, n_features, None, arena),
        Options(single, max_iter, False, False, 0.0),
    )
    done = solve_problem(rows, options, Answer(book, own, book), ranges.finite, tables, arena)
    n_iter, moved, n_empty, _, n_uncertain, _ = done
    sq_dists = empty(arena, (n_samples, 1), np.float64)
    label_sq_dists_chunk(rows, book, own, 0, n_samples, flat(sq_dists))
    inertia, certain = exact_quotient(sq_dists, 1, False, arena)
    if n_uncertain != 0 or not certain:
        return declined
    write_rows(book, n_features, single, found)
    return inertia, n_iter, moved == 0, n_empty, OK


@kernel
def nearest(X, centers, work, labels, sq_dists, arena):
    """Find the nearest centers of a few rows; return the status. See `jit.nearest`, and `fit` for the
    arguments.
    """
    n_samples, n_features, n_clusters = X[2], X[3], centers[2]
    if not is_small(n_samples, n_features, n_clusters) or centers[3] != n_features:
        return DECLINED
    lend_unless_overlapping(arena, work, X, centers)
    rows, book = rows_at(X, arena), padded_rows_at(centers, arena)
    if not all_finite(rows) or not all_finite(book):
        return DECLINED
    found = table_at(labels, (n_samples,), np.int32), table_at(sq_dists, (n_samples,), np.float64)
    nearest_chunk(rows, book, 0, n_samples, found, arena)
    return OK


@kernel
def update(X, labels, centers, single, work, out, arena):
    """Write the exact means of a few labeled rows; return the status; see `jit.update`.

    labels : a one-dimensional array, given like the others, as one column
    out : addresses of the arrays to write: means and sizes
    """
    n_samples, n_features, n_clusters = X[2], X[3], centers[2]
    if not is_small(n_samples, n_features, n_clusters) or centers[3] != n_features or labels[2] != n_samples:
        return DECLINED
    if is_disjoint(labels, work[0], work[1]):
        lend_unless_overlapping(arena, work, X, centers)
    rows, book, given = rows_at(X, arena), rows_at(centers, arena), rows_at(labels, arena)
    if not all_finite(rows) or not all_finite(book):
        return DECLINED
    tables = sums_for(ranges_of(rows, arena), n_clusters, n_features, None, arena)
    mine = sums_of_task(tables, 0, arena)
    for i in range(n_samples):
        if not 0.0 <= given[i, 0] < n_clusters:
            return DECLINED
        j = int(given[i, 0])
        add_row(rows, i, None, i, j, mine)
    if means_chunk(0, arena, tables, None, single, n_clusters, book) > 0:
        return DECLINED
    found, sizes = out
    own = table_at(sizes, (n_clusters,), np.int64)
    for j in range(n_clusters):
        own[j] = tables.sizes[j]
    write_rows(book, n_features, single, found)
    return OK


@kernel
def write_picks(rows, picks, single, found):
    """Write the picked rows in the working dtype to a C-ordered array."""
    n_features = rows.shape[1]
    if single:
        narrow = table_at(found, (len(picks), n_features), np.float32)
        for p in range(len(picks)):
            for f in range(n_features):
                narrow[p, f] = rows[picks[p], f]
    else:
        wide = table_at(found, (len(picks), n_features), np.float64)
        for p in range(len(picks)):
            for f in range(n_features):
                wide[p, f] = rows[picks[p], f]


@kernel
def points(X, n_clusters, single, source, work, found, arena):
    """Write distinct rows drawn at random; return the status; see `jit.points`.

    source : addresses of a `bitgen_t` and of the Python object; only Python uses the latter
    """
    n_samples = X[2]
    if not 1 <= n_clusters <= n_samples:
        return BAD_COUNT
    lend_unless_overlapping(arena, work, X, X)
    picks = empty(arena, n_clusters, np.int64)
    choose_without_replacement(source[0], n_samples, n_clusters, picks, arena)
    address, code, _, n_columns, row_stride, column_stride = X
    row, first = empty(arena, (1, n_columns), np.float64), zeros(arena, 1, np.int64)
    item = 4 if single else 8
    for p in range(n_clusters):
        # Only the picked rows are read: reading all would copy the data.
        read_rows(address + picks[p] * row_stride, code, row_stride, column_stride, row)
        write_picks(row, first, single, found + p * n_columns * item)
    return OK


@kernel
def picks_for(rows, n_clusters, bitgen, arena):
    """Return the indices of the rows that k-means++ picks."""
    picks, uniforms = empty(arena, n_clusters, np.int64), empty(arena, n_clusters - 1, np.float64)
    first = draw_plus_plus(bitgen, len(rows), uniforms)
    pick_all(rows, first, uniforms, picks, arena)
    return picks


@kernel
def plus_plus(X, n_clusters, single, source, work, found, arena):
    """Write the rows that k-means++ picks; return the status. See `jit.plus_plus`, and `points` for the
    arguments.
    """
    n_samples, n_features = X[2], X[3]
    if n_samples * n_features == 0:
        return BAD_SHAPE
    if n_clusters < 1:
        return BAD_COUNT
    if n_samples * n_features > MAX_SMALL_VALUES:
        return DECLINED
    lend_unless_overlapping(arena, work, X, X)
    rows = rows_at(X, arena)
    if not all_finite(rows):
        return NOT_FINITE
    write_picks(rows, picks_for(rows, n_clusters, source[0], arena), single, found)
    return OK


@kernel
def kmeans2(X, centers, begin, options, bitgen, out, arena):
    """Do what `kmeans2` does for a few rows, where it emits no warning and no error; return the status.

    X, centers : as in `fit`; centers are given only if start is GIVEN
    begin : (start, n_clusters): how the centers are initialized (`status`), and the number of clusters
    options : the first fields of `structs.problems.Options`; bitgen : address of a `bitgen_t`
    out : addresses of the arrays to write: centers and labels
    """
    (start, n_clusters), (single, max_iter, stop_on_empty), (found, labels) = begin, options, out
    n_samples, n_features = X[2], X[3]
    if not is_small(n_samples, n_features, n_clusters) or max_iter < 1:
        return DECLINED
    if start == GIVEN:
        # A single value would be read as a number of clusters.
        if centers[3] != n_features or n_clusters * n_features == 1:
            return DECLINED
    elif n_clusters > n_samples:
        return DECLINED
    rows = rows_at(X, arena)
    if not all_finite(rows):
        return DECLINED
    if start == GIVEN:
        book = padded_rows_at(centers, arena)
        if not all_finite(book):
            return DECLINED
    else:
        book = zeros(arena, (n_clusters, (n_features + 3) // 4 * 4), np.float64)
        if start == POINTS:
            picks = empty(arena, n_clusters, np.int64)
            choose_without_replacement(bitgen, n_samples, n_clusters, picks, arena)
        else:
            picks = picks_for(rows, n_clusters, bitgen, arena)
        for p in range(n_clusters):
            for f in range(n_features):
                book[p, f] = rows[picks[p], f]
        # For Python, should it take over: it must not draw again.
        write_rows(book, n_features, single, found)
    own, ranges = table_at(labels, (n_samples,), np.int32), ranges_of(rows, arena)
    own[:] = -1
    tables = sums_for(ranges, n_clusters, n_features, None, arena)
    rules = Options(single, max_iter, stop_on_empty, False, 0.0)
    done = solve_problem(rows, rules, Answer(book, own, book), ranges.finite, tables, arena)
    _, _, _, ever_empty, n_uncertain, _ = done
    if ever_empty or n_uncertain != 0:
        return DECLINED if start == GIVEN else DRAWN
    write_rows(book, n_features, single, found)
    return OK
