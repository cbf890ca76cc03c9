"""Rows in spatial order, cut into blocks of neighbours, features first.

A grid is laid over the bulk of the data, halving its longest side again and again; each row gets the number
of its cell, whose bits are the halvings (Z-order). Sorted by it, every half of a half ... is a run of rows,
and the runs that fit into a block become one. Where the grid lies, and how fine it is, changes no result.

A block holds its rows side by side, features first, in the working dtype: feature f of row r of block b is
``data[widths[b] * n_features + f * (widths[b + 1] - widths[b]) + r]``. Its width is a multiple of what
`_simd.nearest_lanes` handles at once; the spare lanes repeat the first row.

References
----------
G. M. Morton, "A computer oriented geodetic data base and a new technique in file sequencing", IBM, 1966.
"""

import numpy as np

from numbakmeans._jit import driver, kernel, prange
from numbakmeans._kernels.exact import add_lanes
from numbakmeans._simd import lanes_at_once


@kernel
def number_chunk(X, start, stop, origin, steps, limits, bits, cells, histogram):
    """Chunk. Write the cell of each row in [start, stop), and count the rows of each cell.

    origin, steps, limits : (n_features,), where the grid starts, cells for one unit, and its last cell
    bits : (n_features, cells of a side), what a feature adds to the number of the cell
    cells : OUT (n_samples,), int32; histogram : INOUT (n_cells,), int32
    """
    for i in range(start, stop):
        cell = 0
        for f in range(X.shape[1]):
            place = (np.float64(X[i, f]) - origin[f]) * steps[f]
            # Conditions that a NaN passes, too, should another thread change the data.
            place = place if place > 0.0 else 0.0
            cell += bits[f, int(place if place < limits[f] else limits[f])]
        cells[i] = cell
        histogram[cell] += 1


@driver
def sort_rows(X, origin, steps, limits, bits, histograms, cells, order):
    """Sort the rows by their cells, rows of one cell in their order.

    histograms : INOUT (n_slots, n_cells), int32, zero at first, and then where each slot's rows end
    cells : workspace (n_samples,), int32; order : OUT (n_samples,), int32
    """
    n_samples, n_slots = X.shape[0], histograms.shape[0]
    for s in prange(n_slots):
        start, stop = s * n_samples // n_slots, (s + 1) * n_samples // n_slots
        number_chunk(X, start, stop, origin, steps, limits, bits, cells, histograms[s])
    place = 0
    for cell in range(histograms.shape[1]):
        for s in range(n_slots):
            count = histograms[s, cell]
            histograms[s, cell] = place
            place += count
    for s in prange(n_slots):
        for i in range(s * n_samples // n_slots, (s + 1) * n_samples // n_slots):
            cell = cells[i]
            order[histograms[s, cell]] = i
            histograms[s, cell] += 1


@kernel
def cut_blocks(ends, block_rows, starts):
    """Cut the sorted rows into blocks along the halvings of the grid; return how many there are.

    ends : (n_cells,), where each cell's rows end; n_cells a power of two
    starts : OUT, the first row of each block, and n_samples; large enough for any cut
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
        # The next part is as large as its place in the tree of halvings allows.
        while size < len(ends) and first % (2 * size) == 0:
            size *= 2
    starts[n_blocks] = ends[-1]
    return n_blocks


@kernel
def widths_of(starts, n_blocks, X):
    """Return where each block's lanes begin: (n_blocks + 1,), int64."""
    step = lanes_at_once(X)
    widths = np.zeros(n_blocks + 1, np.int64)
    for b in range(n_blocks):
        size = starts[b + 1] - starts[b]
        widths[b + 1] = widths[b] + (size + step - 1) // step * step
    return widths


@kernel
def block_of(data, widths, b, n_features):
    """Return block b: (n_features, its width)."""
    width = widths[b + 1] - widths[b]
    begin = widths[b] * n_features
    return data[begin : begin + n_features * width].reshape((n_features, width))


@kernel
def fill_block(X, rows, block, lows, highs, constants, scales, totals):
    """Chunk. Copy rows of X into a block; write its bounding box, and the exact sums of its rows."""
    n_features, width = block.shape
    for r in range(width):
        i = rows[r] if r < len(rows) else rows[0]
        for f in range(n_features):
            block[f, r] = X[i, f]
    for f in range(n_features):
        low, high = block[f, 0], block[f, 0]
        for r in range(1, width):
            low = min(low, block[f, r])
            high = max(high, block[f, r])
        lows[f], highs[f] = low, high
    add_lanes(block, len(rows), constants, scales, totals)


@driver
def fill_blocks(X, n_slots, order, starts, widths, constants, scales, data, lows, highs, totals):
    """Copy all rows into their blocks.

    data : OUT (widths[-1] * n_features,); lows, highs : OUT (n_blocks, n_features), float64
    totals : INOUT (n_blocks, n_parts, n_features), int64, zero at first
    """
    n_blocks = len(widths) - 1
    for s in prange(n_slots):
        for b in range(s * n_blocks // n_slots, (s + 1) * n_blocks // n_slots):
            block = block_of(data, widths, b, X.shape[1])
            rows = order[starts[b] : starts[b + 1]]
            fill_block(X, rows, block, lows[b], highs[b], constants, scales, totals[b])


@driver
def labels_of_rows(order, n_slots, starts, owners, lane_labels, labels):
    """Write the labels of the sorted rows to where the rows came from.

    owners : (n_blocks,), int32, the label of all rows of a block, or negative where they differ
    """
    n_blocks = len(owners)
    for s in prange(n_slots):
        for b in range(s * n_blocks // n_slots, (s + 1) * n_blocks // n_slots):
            for p in range(starts[b], starts[b + 1]):
                labels[order[p]] = owners[b] if owners[b] >= 0 else lane_labels[p]
