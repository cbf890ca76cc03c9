"""Rows in spatial order, cut into blocks of neighboring rows, stored features first.

A grid is laid over the bulk of the data by halving its longest side again and again. Each row gets the number
of its cell, whose bits are the halvings (Z-order). In rows sorted by this number, every part that the
halvings produce is a contiguous run, and each largest run that fits into a block becomes one. The position
and resolution of the grid change no result.

A block stores its rows side by side, features first, in the working dtype: feature f of row r of block b is
``data[widths[b] * n_features + f * (widths[b + 1] - widths[b]) + r]``. Its width is a multiple of the number
of lanes that `nearest_lanes` handles at once; spare lanes repeat the first row.

References
----------
G. M. Morton, "A computer oriented geodetic data base and a new technique in file sequencing", IBM, 1966.
"""

import numpy as np

from numbakmeans._engine.kernels.sums import add_lanes, add_totals, split_weighted
from numbakmeans._engine.simd import lanes_at_once
from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum, minimum
from numbakmeans._numba.tables import folded


@kernel
def number_task(task, arena, X, grid, cells, histograms):
    """Task. Write the cell of each row of the task, and count the rows of each cell; see `sort_rows`."""
    origin, steps, limits, bits = grid
    n_samples, n_tasks = X.shape[0], histograms.shape[0]
    histogram = histograms[task]
    for i in range(task * n_samples // n_tasks, (task + 1) * n_samples // n_tasks):
        cell = 0
        for f in range(X.shape[1]):
            place = (np.float64(X[i, f]) - origin[f]) * steps[f]
            # Comparisons that a NaN passes, too, in case another thread modifies the data.
            place = place if place > 0.0 else 0.0
            cell += bits[f, int(place if place < limits[f] else limits[f])]
        cells[i] = cell
        histogram[cell] += 1


@kernel
def place_task(task, arena, histograms, cells, order):
    """Task. Write the indices of the task's rows to their sorted positions; see `sort_rows`."""
    n_samples, n_tasks = len(cells), histograms.shape[0]
    for i in range(task * n_samples // n_tasks, (task + 1) * n_samples // n_tasks):
        cell = cells[i]
        order[histograms[task, cell]] = i
        histograms[task, cell] += 1


@kernel
def total_task(task, arena, histograms, totals):
    """Task. Count the rows in a range of cells; totals : OUT (n_tasks,), int64."""
    n_tasks, n_cells = histograms.shape
    first, end = task * n_cells // n_tasks, (task + 1) * n_cells // n_tasks
    total = 0
    for s in range(n_tasks):
        for cell in range(first, end):
            total += histograms[s, cell]
    totals[task] = total


@kernel
def begin_task(task, arena, histograms, totals):
    """Task. Replace the counts of a range of cells by the positions where the rows of each task begin."""
    n_tasks, n_cells = histograms.shape
    place = 0
    for s in range(task):
        place += totals[s]
    for cell in range(task * n_cells // n_tasks, (task + 1) * n_cells // n_tasks):
        for s in range(n_tasks):
            count = histograms[s, cell]
            histograms[s, cell] = place
            place += count


@kernel
def sort_rows(executor, X, grid, histograms, cells, order, arena):
    """Sort the rows by cell; the sort is stable.

    grid : `structs.cells.CellGrid`
    histograms : INOUT (n_tasks, n_cells), int32, zeros on entry; on return, the end of each task's rows of
    each cell
    cells : workspace (n_samples,), int32; order : OUT (n_samples,), int32
    """
    n_tasks = histograms.shape[0]
    parallel_for(executor, n_tasks, number_task, (X, grid, cells, histograms))
    marked = mark(arena)
    totals = empty(arena, n_tasks, np.int64)
    parallel_for(executor, n_tasks, total_task, (histograms, totals))
    parallel_for(executor, n_tasks, begin_task, (histograms, totals))
    release(arena, marked)
    parallel_for(executor, n_tasks, place_task, (histograms, cells, order))


@kernel
def cut_blocks(ends, block_rows, starts):
    """Cut the sorted rows into blocks along the halvings of the grid; return the number of blocks.

    ends : (n_cells,), the end of each cell's rows; n_cells is a power of two
    starts : OUT, the first row of each block, then n_samples; large enough for any cut
    """
    n_blocks = 0
    first, size = 0, len(ends)
    while first < len(ends):
        begin, end = ends[first - 1] if first > 0 else 0, ends[first + size - 1]
        if end - begin > block_rows and size > 1:
            size //= 2
            continue
        for start in range(begin, end, block_rows):
            starts[n_blocks] = start
            n_blocks += 1
        first += size
        # The next part is as large as its position in the tree of halvings allows.
        while size < len(ends) and first % (2 * size) == 0:
            size *= 2
    starts[n_blocks] = ends[len(ends) - 1]
    return n_blocks


@kernel
def widths_of(starts, X, widths):
    """Write where each block's lanes begin; starts : (n_blocks + 1,); widths : OUT (n_blocks + 1,), int64."""
    step = lanes_at_once(X)
    widths[0] = 0
    for b in range(len(starts) - 1):
        size = starts[b + 1] - starts[b]
        widths[b + 1] = widths[b] + (size + step - 1) // step * step


@kernel
def block_of(data, widths, b, n_features):
    """Return block b as a table (n_features, width of the block)."""
    return folded(data, widths[b] * n_features, n_features, widths[b + 1] - widths[b])


@kernel
def fill_block(X, rows, block, lows, highs):
    """Tile. Copy rows of X into a block, and write its bounding box."""
    n_features, width = block.shape
    for r in range(width):
        i = rows[r] if r < len(rows) else rows[0]
        for f in range(n_features):
            block[f, r] = X[i, f]
    for f in range(n_features):
        low, high = block[f, 0], block[f, 0]
        for r in range(1, width):
            low = minimum(low, block[f, r])
            high = maximum(high, block[f, r])
        lows[f], highs[f] = low, high


@kernel
def total_block(X, rows, block, weights, bins, total, arena):
    """Tile. Add the rows of X in a block to zeroed sums; return how many count, those of weight above 0.

    weights : of all rows of X, None if they count alike; total : INOUT, as in `sums.add_row`
    """
    if weights is None:
        add_lanes(block, len(rows), bins, total, arena)
        return len(rows)
    marked, n_counted = mark(arena), 0
    rest = empty(arena, 2 * bins.constants.shape[1], np.float64)
    parts = empty(arena, bins.constants.shape, np.int64)
    for r in range(len(rows)):
        weight = weights[rows[r]]
        split_weighted(X, rows[r], weight, bins, rest, parts)
        add_totals(parts, 1, total)
        n_counted += 1 if weight > 0.0 else 0
    release(arena, marked)
    return n_counted


@kernel
def fill_task(task, arena, X, n_tasks, order, blocks, weighing):
    """Task. Copy the rows of some blocks; see `fill_blocks`."""
    (weights, bins), data, widths = weighing, blocks.data, blocks.widths
    n_blocks = len(widths) - 1
    for b in range(task * n_blocks // n_tasks, (task + 1) * n_blocks // n_tasks):
        block = block_of(data, widths, b, X.shape[1])
        rows = order[blocks.starts[b] : blocks.starts[b + 1]]
        fill_block(X, rows, block, blocks.lows[b], blocks.highs[b])
        blocks.counts[b] = total_block(X, rows, block, weights, bins, blocks.totals[b], arena)


@kernel
def fill_blocks(executor, X, n_tasks, order, blocks, weighing):
    """Copy all rows into their blocks, and compute the bounding box and the exact sums of each block.

    blocks : INOUT `structs.cells.Blocks`; on entry starts and widths are set, and totals are zeros
    weighing : the weights of the rows, None if they count alike, and the `Bins` of the sums
    """
    parallel_for(executor, n_tasks, fill_task, (X, n_tasks, order, blocks, weighing))


@kernel
def labels_task(task, arena, order, n_tasks, starts, block_labels, found):
    """Task. Write the labels of the rows of some blocks; see `labels_of_rows`."""
    n_blocks, (lane_labels, labels) = len(block_labels), found
    for b in range(task * n_blocks // n_tasks, (task + 1) * n_blocks // n_tasks):
        for p in range(starts[b], starts[b + 1]):
            labels[order[p]] = block_labels[b] if block_labels[b] >= 0 else lane_labels[p]


@kernel
def labels_of_rows(executor, order, n_tasks, starts, block_labels, found):
    """Scatter the labels of the sorted rows back to the original order.

    block_labels : (n_blocks,), int32, the common label of a block's rows, or negative where they differ
    found : labels of the sorted rows, and OUT labels in the original order, (n_samples,), int32
    """
    parallel_for(executor, n_tasks, labels_task, (order, n_tasks, starts, block_labels, found))
