"""Few features: only the centers that can be nearest somewhere in a block of neighbours are compared.

The rows are brought into spatial order once (`_kernels.cells`). In every pass, a center c is out of the
running for a block if another, z, is nearer everywhere in the block's bounding box. z is the center nearest
to the middle of the box. The difference of the squared distances is linear in x, so that its largest value
over the box is the sum of each feature's larger end:

    |x - z|**2 - |x - c|**2  <=  sum over f of max of (x_f - z_f)**2 - (x_f - c_f)**2 at x_f = low_f, high_f

Where that is below zero by more than what rounding can do here and in the definition, c is never the nearest
of any row in the box. What remains is decided by the definition; where one center remains, which is the rule
deep inside a cluster, the whole block is labelled and moved at once, by the exact sums of its rows. With one
feature blocks are runs of the sorted rows, and two centers remain only where their boundary crosses one.

Rounding. Let v = 2**-53 and M the sum over f of the largest (x_f - z_f)**2 and (x_f - c_f)**2 at the ends: no
distance in the box, to z or to c, is above M. The definition errs by at most (d + 3) v M for each of the two;
computing the bound by at most (d + 6) v M. That is (3 d + 12) v M in all; with squares that underflow, each
by less than 2**-1074, below (4 d + 16) v M + d 2**-1070. No bound is kept between passes: nothing can drift.

References
----------
T. Kanungo, D. M. Mount, N. S. Netanyahu, C. D. Piatko, R. Silverman, A. Y. Wu, "An efficient k-means
clustering algorithm: analysis and implementation", IEEE Transactions on Pattern Analysis and Machine
Intelligence 24, 2002, doi 10.1109/TPAMI.2002.1017616: candidates of a box, on a tree. Here on two levels.
"""

from __future__ import annotations

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._arrays import new_empty
from numbakmeans._jit import kernel
from numbakmeans._kernels.cells import (
    Blocks,
    block_of,
    cut_blocks,
    fill_blocks,
    labels_of_rows,
    sort_rows,
    widths_of,
)
from numbakmeans._kernels.sums import add_totals, relabel
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples
from numbakmeans._simd import nearest_lanes
from numbakmeans._slots import driver, spread

#: Owner of a block whose rows have different labels, and of one whose rows are in no table yet.
MIXED, NOBODY = -1, -2


@kernel
def contenders(lows, highs, table, n_centers, work, found):
    """Tile. Find the centers that can be nearest somewhere in a box; return how many.

    table : (n_features, at least n_centers), the centers' features side by side
    work : workspace (2, at least n_centers); found : OUT, their positions in the table, in order
    """
    n_features = len(lows)
    gaps, sizes = work[0, :n_centers], work[1, :n_centers]
    for c in range(n_centers):
        gaps[c] = 0.0
    for f in range(n_features):
        middle = 0.5 * lows[f] + 0.5 * highs[f]
        for c in range(n_centers):
            e = middle - table[f, c]
            gaps[c] += e * e
    z = 0
    for c in range(1, n_centers):
        z = c if gaps[c] < gaps[z] else z
    for c in range(n_centers):
        gaps[c], sizes[c] = 0.0, 0.0
    for f in range(n_features):
        low, high = lows[f], highs[f]
        z_low = (low - table[f, z]) * (low - table[f, z])
        z_high = (high - table[f, z]) * (high - table[f, z])
        z_size = max(z_low, z_high)
        for c in range(n_centers):
            e_low, e_high = low - table[f, c], high - table[f, c]
            c_low, c_high = e_low * e_low, e_high * e_high
            at_low, at_high = z_low - c_low, z_high - c_high
            gaps[c] += at_low if at_low > at_high else at_high
            c_size = c_low if c_low > c_high else c_high
            sizes[c] += c_size if c_size > z_size else z_size
    margin, least = (4 * n_features + 16) * 2.0**-53, n_features * 2.0**-1070
    n_found = 0
    for c in range(n_centers):
        found[n_found] = c
        # Written so that a NaN, of an overflow, keeps the center.
        n_found += 0 if gaps[c] + margin * sizes[c] + least < 0.0 else 1
    return n_found


@kernel
def own_block(block, size, owner, label, totals, constants, scales, rest, labels, sums, counts):
    """Tile. Give all rows of a block one label; return how many changed theirs."""
    if owner == MIXED:
        new_labels = new_empty(size, np.int64)
        new_labels[:] = label
        return relabel(block.T, 0, size, new_labels, constants, scales, rest, labels, sums, counts)
    if owner >= 0:
        add_totals(totals, -1, sums[owner])
        counts[owner] -= size
    add_totals(totals, 1, sums[label])
    counts[label] += size
    return size


@kernel
def filtered_block(
    block, size, owner, candidates, n_candidates, centers, constants, scales, work, rest, labels, sums, counts
):
    """Tile. Label the rows of a block by the definition; return its new owner, and how many rows changed.

    candidates : the centers that can be nearest, in ascending order; work : workspace (lanes,), int64
    """
    if owner >= 0:
        labels[:] = owner
    nearest_lanes(block, centers, candidates, n_candidates, work)
    changed, differ = 0, 0
    for r in range(size):
        changed |= work[r] ^ labels[r]
        differ |= work[r] ^ work[0]
    moved = 0
    if changed:
        moved = relabel(block.T, 0, size, work, constants, scales, rest, labels, sums, counts)
    return (MIXED if differ else work[0]), moved


@kernel
def filtered_chunk(first, last, blocks, table, centers, constants, scales, owners, labels, sums, counts):
    """Chunk. Assign the rows of blocks [first, last); sums, counts : of the slot; see `filtered_pass`."""
    starts, widths, data, lows, highs, totals = blocks
    n_features, n_clusters = table.shape
    low, high = lows[first].copy(), highs[first].copy()
    widest = 0
    for b in range(first, last):
        widest = max(widest, widths[b + 1] - widths[b])
        for f in range(n_features):
            low[f] = min(low[f], lows[b, f])
            high[f] = max(high[f], highs[b, f])
    work, found = new_empty((2, n_clusters), np.float64), new_empty(n_clusters + 1, np.int64)
    n_near = contenders(low, high, table, n_clusters, work, found)
    near, near_table = found[:n_near].copy(), new_empty((n_features, n_near), np.float64)
    for f in range(n_features):
        for c in range(n_near):
            near_table[f, c] = table[f, near[c]]
    rest, lane_labels = new_empty(n_features, np.float64), new_empty(widest, np.int64)
    moved, n_decided, n_pairs = 0, 0, 0
    for b in range(first, last):
        n_candidates = contenders(lows[b], highs[b], near_table, n_near, work, found)
        for c in range(n_candidates):
            found[c] = near[found[c]]
        label, owner = found[0], owners[b]
        if n_candidates == 1 and owner == label:
            continue
        size = starts[b + 1] - starts[b]
        block = block_of(data, widths, b, n_features)
        block_labels = labels[starts[b] : starts[b + 1]]
        if n_candidates == 1:
            moved += own_block(
                block, size, owner, label, totals[b], constants, scales, rest, block_labels, sums, counts
            )
            owners[b] = label
        else:
            owners[b], block_moved = filtered_block(
                block,
                size,
                owner,
                found,
                n_candidates,
                centers,
                constants,
                scales,
                lane_labels[: block.shape[1]],
                rest,
                block_labels,
                sums,
                counts,
            )
            moved += block_moved
            n_decided += size
            n_pairs += size * n_candidates
    return moved, n_decided, n_pairs


@kernel
def filtered_slot(
    slot, chunk_blocks, blocks, table, centers, constants, scales, owners, labels, sums, counts
):
    """Slot. Assign the rows of every n-th chunk; see `filtered_pass`."""
    n_blocks, n_slots = len(owners), sums.shape[0]
    grids, tables = (constants, scales), (owners, labels, sums[slot], counts[slot])
    moved, n_decided, n_pairs = 0, 0, 0
    for first in range(slot * chunk_blocks, n_blocks, n_slots * chunk_blocks):
        last = min(first + chunk_blocks, n_blocks)
        done = filtered_chunk(first, last, blocks, table, centers, *grids, *tables)
        moved, n_decided, n_pairs = moved + done[0], n_decided + done[1], n_pairs + done[2]
    return moved, n_decided, n_pairs


@driver
def filtered_pass(
    loop,
    chunk_blocks,
    starts,
    widths,
    data,
    lows,
    highs,
    totals,
    table,
    centers,
    constants,
    scales,
    owners,
    labels,
    sums,
    counts,
):
    """Assign every row to its nearest center, and bring owners, labels, sums and counts up to date.

    Parameters
    ----------
    chunk_blocks : blocks that share a first choice of centers
    starts, widths, data, lows, highs, totals : the blocks, from `_kernels.cells`
    table : (n_features, n_clusters), the centers' features side by side
    centers, constants, scales, sums, counts : as in `lloyd.lloyd_pass`
    owners : INOUT (n_blocks,), int32, the label of all rows of a block, or `MIXED` or `NOBODY`
    labels : INOUT (n_samples,), int32, of the rows in their new order; not looked at in an owned block
    """
    blocks = Blocks(starts, widths, data, lows, highs, totals)
    tables = (constants, scales, owners, labels, sums, counts)
    return spread(loop, sums.shape[0], filtered_slot, (chunk_blocks, blocks, table, centers, *tables))


def lay_grid(samples: Samples, n_bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid of 2**n_bits cells over the bulk of the rows: the arguments of `cells.number_chunk`."""
    n_samples, n_features = samples.shape
    sample = np.sort(samples.rows(slice(None, None, max(1, n_samples // _plan.GRID_SAMPLE))), axis=0)
    # A few rows far out must not stretch the cells of all others; they go to the cells at the rim.
    rim = len(sample) // 200
    origin, end = sample[rim], sample[-1 - rim]
    sides = end - origin
    halvings = np.zeros(n_features, np.int64)
    order = []
    for _ in range(n_bits):
        f = int(np.argmax(sides / 2.0**halvings))
        halvings[f] += 1
        order.append(f)
    counts = 2**halvings
    with np.errstate(divide="ignore", over="ignore"):
        steps = np.where(sides > 0, counts / sides, 0.0)
    bits = np.zeros((n_features, int(counts.max())), np.int32)
    left = halvings.copy()
    for level, f in enumerate(order):
        left[f] -= 1
        bits[f] |= ((np.arange(bits.shape[1]) >> left[f]) & 1).astype(np.int32) << (n_bits - 1 - level)
    return origin, np.where(np.isfinite(steps), steps, 0.0), (counts - 1).astype(np.float64), bits


class Filtering(Algorithm):
    """Rows in spatial blocks, and for each block the centers that can win in it."""

    driver = filtered_pass
    tier = filtered_pass.tier
    whole = True

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        X, (n_samples, n_features) = samples.X, samples.shape
        exponents, self.constants, self.scales = self.grids
        n_bits = _plan.grid_bits(n_samples)
        self.order = np.empty(n_samples, np.int32)
        self.labels = np.empty(n_samples, np.int32)
        ends = np.zeros((plan.n_slots, 2**n_bits), np.int32)
        sort_rows.on(plan.parallel)(X, *lay_grid(samples, n_bits), ends, self.labels, self.order)
        self.labels.fill(-1)
        starts = np.empty(min(n_samples, ends.shape[1] + n_samples // _plan.BLOCK_ROWS) + 1, np.int64)
        n_blocks = cut_blocks(ends[-1], _plan.BLOCK_ROWS, starts)
        self.starts = starts[: n_blocks + 1].copy()
        self.widths = widths_of(self.starts, n_blocks, X)
        self.data = np.empty(self.widths[-1] * n_features, samples.dtype)
        self.lows, self.highs = np.empty((n_blocks, n_features)), np.empty((n_blocks, n_features))
        self.totals = np.zeros((n_blocks, *exponents.shape), np.int64)
        self.owners = np.full(n_blocks, NOBODY, np.int32)
        fill_blocks.on(plan.parallel)(
            X,
            plan.n_slots,
            self.order,
            self.starts,
            self.widths,
            self.constants,
            self.scales,
            self.data,
            self.lows,
            self.highs,
            self.totals,
        )

    def run(self, centers: np.ndarray, _: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        table = np.ascontiguousarray(centers[:, : self.samples.shape[1]].T)
        done = self.driver.on(self.plan.parallel)(
            _plan.CHUNK_BLOCKS,
            self.starts,
            self.widths,
            self.data,
            self.lows,
            self.highs,
            self.totals,
            table,
            centers,
            self.constants,
            self.scales,
            self.owners,
            self.labels,
            sums,
            counts,
        )
        return Pass(*done)

    def finish(self, labels: np.ndarray) -> None:
        labels_of_rows.on(self.plan.parallel)(
            self.order, self.plan.n_slots, self.starts, self.owners, self.labels, labels
        )
