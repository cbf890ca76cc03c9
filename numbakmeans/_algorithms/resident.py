"""Few rows: every distance by the definition, on rows that stay packed, and many passes in one call.

What `lloyd` does, for problems so small that calling compiled code costs as much as running it.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

from __future__ import annotations

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass, Progress, Run
from numbakmeans._jit import DISABLED, kernel
from numbakmeans._kernels.canonical import pack_block
from numbakmeans._kernels.means import means
from numbakmeans._kernels.room import NO_ROOM, empty
from numbakmeans._kernels.sums import label_lanes, relabel, relabel_lanes, split_lanes
from numbakmeans._plan import LANE_SUMS_CLUSTERS, LANE_SUMS_FEATURES, RESIDENT_ROWS, ROOM_PARTS, Plan
from numbakmeans._samples import Frame, Samples, precision
from numbakmeans._simd import lanes_at_once, nearest_lanes
from numbakmeans._slots import ALONE, driver, spread
from numbakmeans._tiers import Tier


@kernel
def empty_blocks(X, room):
    """Return all rows as blocks (n_blocks, n_features, rows of a block), float64, zeros so far."""
    lanes = lanes_at_once(X)
    n_blocks = (len(X) + RESIDENT_ROWS - 1) // RESIDENT_ROWS
    # Blocks of equal size: lanes without a row cost as much as others.
    block_rows = (-(-len(X) // max(n_blocks, 1)) + lanes - 1) // lanes * lanes
    blocks = empty(room, (n_blocks, X.shape[1], block_rows), np.float64)
    blocks[:] = 0.0
    return blocks


@kernel
def empty_parts(blocks, n_clusters, constants, sums, room):
    """Return room for the parts of all blocks (n_blocks, n_parts, n_features, rows of a block), int64.

    For no block, where rows are faster moved between sums as they are.
    """
    n_blocks, n_features, block_rows = blocks.shape
    n_parts = len(constants)
    few = n_features <= LANE_SUMS_FEATURES and n_clusters <= LANE_SUMS_CLUSTERS and n_parts <= ROOM_PARTS
    # More rows of sums than parts: some values are not finite.
    kept = few and sums.shape[2] == n_parts and not DISABLED
    return empty(room, (n_blocks if kept else 0, n_parts, n_features, block_rows), np.int64)


@kernel
def pack_lanes(X, b, blocks, constants, scales, rest, parts):
    """Tile. Pack the rows of block b, and split them where their parts are kept; rest : workspace."""
    block_rows = blocks.shape[2]
    start, stop = b * block_rows, min((b + 1) * block_rows, len(X))
    pack_block(X, start, stop, blocks[b])
    if len(parts) > 0:
        split_lanes(blocks[b], stop - start, constants, scales, rest, parts[b])


@kernel
def resident_slot(slot, X, blocks, parts, centers, constants, scales, labels, sums, counts, room):
    """Slot. Assign the rows of every n-th block, and move them between its sums; return how many."""
    block_rows, n_slots = blocks.shape[2], sums.shape[0]
    used = room[0]
    new_labels = empty(room, (block_rows,), np.int64)
    rest = empty(room, (max(block_rows, X.shape[1]),), np.float64)
    candidates = empty(room, (len(centers),), np.int64)
    for j in range(len(centers)):
        candidates[j] = j
    moved = 0
    for b in range(slot, len(blocks), n_slots):
        start, stop = b * block_rows, min((b + 1) * block_rows, len(X))
        first = labels[start] < 0
        if first:
            pack_lanes(X, b, blocks, constants, scales, rest, parts)
        nearest_lanes(blocks[b], centers, candidates, len(centers), new_labels)
        # Without the padding.
        tables = (labels, sums[slot][: len(centers)], counts[slot])
        if len(parts) == 0:
            moved += relabel(X, start, stop, new_labels, constants, scales, rest, *tables)
        elif first:
            moved += label_lanes(parts[b], start, stop, new_labels, *tables)
        else:
            moved += relabel_lanes(parts[b], start, stop, new_labels, *tables)
    room[0] = used
    return moved


@driver
def resident_pass(loop, X, blocks, parts, centers, constants, scales, labels, sums, counts, room):
    """Assign every row to its nearest center; arguments as of `lloyd_pass`.

    blocks, parts : INOUT, from `empty_blocks` and `empty_parts`, filled in the first pass
    room : with words for one thread alone
    """
    tables = (constants, scales, labels, sums, counts)
    return spread(loop, sums.shape[0], resident_slot, (X, blocks, parts, centers, *tables, room))


_resident_pass, _means = resident_pass.kernel, means.kernel


@kernel
def resident_run(
    loop,
    X,
    max_iter,
    stop_on_empty,
    exponents,
    constants,
    scales,
    bits,
    lowest,
    centers,
    labels,
    sums,
    counts,
    sizes,
    room,
):
    """Make up to max_iter passes, or as many more, where the arrays are as an earlier call left them.

    bits, lowest : precision of the working dtype; sizes : INOUT (n_clusters,), int64

    Returns
    -------
    n_iter, moved, n_empty, ever_empty : as in `base.Run`, of this call
    """
    blocks = empty_blocks(X, room)
    parts = empty_parts(blocks, len(centers), constants, sums, room)
    chunk_clusters = (len(centers) + len(sums) - 1) // len(sums)
    n_iter, moved, n_empty, ever_empty = 0, -1, 0, False
    if labels[0] >= 0:
        # Only the first pass of all packs them.
        rest = empty(room, (blocks.shape[2],), np.float64)
        for b in range(len(blocks)):
            pack_lanes(X, b, blocks, constants, scales, rest, parts)
    while n_iter < max_iter and moved != 0 and not (stop_on_empty and ever_empty):
        n_iter += 1
        moved = _resident_pass(loop, X, blocks, parts, centers, constants, scales, labels, sums, counts, room)
        if moved != 0:
            options = (bits, lowest, chunk_clusters)
            _means(loop, sums, counts, exponents, *options, centers, sizes, room)
        n_empty = 0
        for j in range(len(sizes)):
            n_empty += 1 if sizes[j] == 0 else 0
        ever_empty = ever_empty or n_empty > 0
    return n_iter, moved, n_empty, ever_empty


class Resident(Algorithm):
    """Every distance by the definition, rows packed once; alone, many passes in one call."""

    driver = resident_pass
    tier = Tier("resident_run", "resident_pass")
    framed = False
    whole = True

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.blocks: np.ndarray | None = None
        self.parts: np.ndarray | None = None

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        _, constants, scales = self.grids
        if self.blocks is None:
            self.blocks = empty_blocks(self.samples.X, NO_ROOM)
            self.parts = empty_parts(self.blocks, len(centers), constants, sums, NO_ROOM)
        run = self.driver.on(self.plan.parallel)
        args = (centers, constants, scales, labels, sums, counts, NO_ROOM)
        moved = run(self.samples.X, self.blocks, self.parts, *args)
        return Pass(moved, len(labels), len(labels) * len(centers))

    def run_all(
        self, centers: np.ndarray, labels: np.ndarray, max_iter: int, stop_on_empty: bool, progress: Progress
    ) -> Run:
        if self.plan.parallel or progress is not None:
            return super().run_all(centers, labels, max_iter, stop_on_empty, progress)
        sums, counts = self.samples.tables(len(centers), 1)
        bits = precision(self.samples.single)
        sizes = np.empty(len(centers), np.int64)
        outputs = (centers, labels, sums, counts, sizes, NO_ROOM)
        step = _plan.per_call(_plan.pass_work(len(labels), self.samples.shape[1], len(centers)))
        n_iter, moved, n_empty, ever_empty = 0, -1, 0, False
        while n_iter < max_iter and moved != 0 and not (stop_on_empty and ever_empty):
            more = min(step, max_iter - n_iter)
            n_more, moved, n_empty, now_empty = resident_run(
                ALONE, self.samples.X, more, stop_on_empty, *self.grids, *bits, *outputs
            )
            n_iter, ever_empty = n_iter + n_more, ever_empty or now_empty
        n_decided = n_iter * len(labels)
        return Run(n_iter, moved == 0, n_empty, ever_empty, n_decided, n_decided * len(centers), 0)
