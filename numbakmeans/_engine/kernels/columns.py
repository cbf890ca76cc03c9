"""Exact sums of whole columns, and what follows from them: variances, and columns divided by numbers.

Rows are read as lines of so many values that any number of features fills vectors. Each value of a line has
an accumulator of its own; those of a column are added up at the end.
"""

import numpy as np

from numbakmeans._engine.bins import BIN_BITS, BIN_END, HUGE
from numbakmeans._engine.kernels.means import means_chunk
from numbakmeans._engine.kernels.ranges import RUN, exponent_above, survey
from numbakmeans._engine.kernels.sums import make_bins, split
from numbakmeans._engine.structs.sums import Bins, Sums
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.tables import flat

#: Parts of a squared difference: they hold all bits of ordinary data.
SQUARE_PARTS = 4


@kernel
def line_width(n_features):
    """Return the number of values in a line: whole rows, and at least one run."""
    return (RUN + n_features - 1) // n_features * n_features


@kernel
def add_run(values, means, constants, first, sums, rest):
    """Tile. Add some values of a line, or their squared differences from means, to accumulators.

    means : (width of a line,), or None if the values themselves are added
    constants, sums : (n_parts, width of a line), float64, and INOUT, int64
    first : where in the line the values are; rest : workspace, as long as values

    Returns the number of values that the parts do not hold.
    """
    n_values, n_left = len(values), 0
    if means is None:
        for t in range(n_values):
            rest[t] = np.float64(values[t])
    if means is not None:
        for t in range(n_values):
            difference = np.float64(values[t]) - means[first + t]
            rest[t] = difference * difference
    for p in range(len(constants)):
        n_left = 0
        for t in range(n_values):
            part, rest[t] = split(rest[t], constants[p, first + t])
            sums[p, first + t] += part
            n_left += 1 if rest[t] != 0.0 else 0
        if n_left == 0:
            break
    return n_left


@kernel
def add_lines(X, start, stop, means, bins, table, arena):
    """Chunk. Add rows [start, stop), or their squared differences from means, to an accumulator.

    means : (n_features,), or None; table : INOUT (n_parts, n_features), int64

    Returns the number of values that the parts do not hold.
    """
    n_parts, n_features = bins.constants.shape
    width = line_width(n_features)
    marked = mark(arena)
    constants, sums = empty(arena, (n_parts, width), np.float64), zeros(arena, (n_parts, width), np.int64)
    rest, line_means = empty(arena, RUN, np.float64), empty(arena, width, np.float64)
    for p in range(n_parts):
        for t in range(width):
            constants[p, t] = bins.constants[p, t % n_features]
    if means is not None:
        for t in range(width):
            line_means[t] = means[t % n_features]
    values, n_left = flat(X[start:stop]), 0
    for first in range(0, len(values), width):
        line = values[first : first + width]
        for begin in range(0, len(line), RUN):
            run = line[begin : begin + RUN]
            if means is None:
                n_left += add_run(run, None, constants, begin, sums, rest)
            if means is not None:
                n_left += add_run(run, line_means, constants, begin, sums, rest)
    for p in range(n_parts):
        for t in range(width):
            table[p, t % n_features] += sums[p, t]
    release(arena, marked)
    return n_left


@kernel
def add_columns_task(task, arena, X, n_tasks, means, tables):
    """Task. Add a contiguous range of rows; see `add_columns`."""
    start, stop = task * len(X) // n_tasks, (task + 1) * len(X) // n_tasks
    return add_lines(X, start, stop, means, tables.bins, tables.sums[task, 0], arena)


@kernel
def add_columns(executor, X, n_tasks, means, tables):
    """Add all rows, or their squared differences from means, to the sums of the first cluster.

    X : (n_samples, n_features), finite; means : (n_features,), or None
    tables : INOUT `Sums`, none of whose columns is scaled

    Returns the number of values that the parts do not hold: 0 where the bins were made for these values.
    """
    return parallel_for(executor, n_tasks, add_columns_task, (X, n_tasks, means, tables))


@kernel
def tables_for(ends, n_parts, halved, n_tasks, arena):
    """Return `Sums` of a single cluster, zeros; ends : as in `Ranges`, none above `HUGE`."""
    n_features = len(ends)
    exponents, constants = (
        empty(arena, (n_parts, n_features), np.int64),
        empty(arena, (n_parts, n_features), np.float64),
    )
    scales = empty(arena, n_features, np.float64)
    make_bins(ends, halved, exponents, constants, scales)
    return Sums(
        Bins(exponents, constants, scales),
        zeros(arena, (n_tasks, 1, n_parts, n_features), np.int64),
        zeros(arena, (n_tasks, 1), np.int64),
        zeros(arena, 1, np.int64),
        zeros(arena, (1, n_features), np.bool_),
        None,
    )


@kernel
def average(executor, X, means, tables, outcome, arena):
    """Write the exact mean of each column, or of its squared differences from means, rounded once.

    means : (n_features,), or None; tables : of `tables_for`, zeros
    outcome : divisor of the sums, whether means are rounded to float32, and OUT (1, n_features), the means

    Returns whether all of them are certain.
    """
    divisor, single, averages = outcome
    n_left = add_columns(executor, X, len(tables.sums), means, tables)
    tables.counts[0, 0] = divisor
    return means_chunk(0, arena, tables, None, single, 1, averages) == 0 and n_left == 0


@kernel
def ranges_for(executor, n_tasks, X, halved, most, arena):
    """Return the ends of the columns' bins, the number of parts, the largest magnitudes, and a verdict.

    The verdict is whether all values are finite, and no end above `most`; halved : as in `ranges.survey`
    """
    n_features = X.shape[1]
    largest, finest = zeros(arena, n_features, np.float64), empty(arena, n_features, np.float64)
    ends = empty(arena, n_features, np.int64)
    finest[:] = np.inf
    n_parts, fits = survey(executor, n_tasks, X, halved, (largest, finest, ends), arena)
    for f in range(n_features):
        fits = fits and ends[f] <= most
    return ends, n_parts, largest, fits


@kernel
def averages(executor, X, n_tasks, halved, outcome, arena):
    """Write the exact mean of each column, rounded once.

    outcome : as in `average`; the others as in `variances`

    Returns whether they are certain; not if values are not finite, or too large.
    """
    ends, n_parts, _, fits = ranges_for(executor, n_tasks, X, halved, HUGE, arena)
    if not fits:
        return False
    return average(executor, X, None, tables_for(ends, n_parts, halved, n_tasks, arena), outcome, arena)


@kernel
def variances(executor, X, n_tasks, halved, found, arena):
    """Write the mean squared difference of each column from its mean, summed exactly and rounded once.

    halved : as in `ranges.survey`; found : OUT (1, n_features)

    Returns whether they are certain; not if values are not finite, or too large, or have unusually many bits.
    """
    n_samples, n_features = X.shape
    # The end of the squares' bin, see below, must not be above HUGE either.
    most = (HUGE - BIN_BITS - 3) // 2
    ends, n_parts, largest, fits = ranges_for(executor, n_tasks, X, halved, most, arena)
    if not fits:
        return False
    means = zeros(arena, (1, n_features), np.float64)
    tables = tables_for(ends, n_parts, halved, n_tasks, arena)
    if not average(executor, X, None, tables, (n_samples, False, means), arena):
        return False
    for f in range(n_features):
        # Differences are at most twice as large as values, and rounding may reach the next power of two.
        exponent = 2 * exponent_above(largest[f]) + 3 if largest[f] > 0.0 else 0
        ends[f] = exponent + (BIN_END - exponent) % BIN_BITS
    tables = tables_for(ends, SQUARE_PARTS * (2 if halved else 1), halved, n_tasks, arena)
    return average(executor, X, means[0], tables, (n_samples, False, found), arena)


@kernel
def divide_task(task, arena, X, n_tasks, divisors, quotients):
    """Task. Divide a contiguous range of rows; see `divide`."""
    n_features, width = X.shape[1], line_width(X.shape[1])
    start, stop = task * len(X) // n_tasks, (task + 1) * len(X) // n_tasks
    line = empty(arena, width, X.dtype)
    for t in range(width):
        line[t] = divisors[t % n_features]
    values, results = flat(X[start:stop]), flat(quotients[start:stop])
    for first in range(0, len(values), width):
        some, out = values[first : first + width], results[first : first + width]
        for t in range(len(some)):
            out[t] = some[t] / line[t]


@kernel
def divide(executor, X, n_tasks, divisors, quotients):
    """Divide each column by a number; divisors : (n_features,); quotients : OUT, as X; all of one dtype."""
    parallel_for(executor, n_tasks, divide_task, (X, n_tasks, divisors, quotients))
