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
from numbakmeans._jit import kernel
from numbakmeans._kernels.canonical import pack_block
from numbakmeans._kernels.means import means
from numbakmeans._kernels.room import NO_ROOM, empty
from numbakmeans._kernels.sums import label_lanes, relabel
from numbakmeans._plan import FIRST_SUMS_CLUSTERS, FIRST_SUMS_FEATURES, RESIDENT_ROWS, Plan
from numbakmeans._samples import Frame, Samples, precision
from numbakmeans._simd import lanes_at_once, nearest_lanes
from numbakmeans._slots import ALONE, driver, spread


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
def resident_slot(slot, X, blocks, centers, constants, scales, labels, sums, counts, room):
    """Slot. Assign the rows of every n-th block, and move them between its sums; return how many."""
    block_rows, n_slots = blocks.shape[2], sums.shape[0]
    used = room[0]
    new_labels, rest = empty(room, (block_rows,), np.int64), empty(room, (X.shape[1],), np.float64)
    rest_of_lanes, parts = empty(room, (block_rows,), np.float64), empty(room, (block_rows,), np.int64)
    few = X.shape[1] <= FIRST_SUMS_FEATURES and sums.shape[1] <= FIRST_SUMS_CLUSTERS
    in_lanes = few and sums.shape[2] == len(constants)
    candidates = empty(room, (len(centers),), np.int64)
    for j in range(len(centers)):
        candidates[j] = j
    moved = 0
    for b in range(slot, len(blocks), n_slots):
        start, stop = b * block_rows, min((b + 1) * block_rows, len(X))
        if labels[start] < 0:
            pack_block(X, start, stop, blocks[b])
        nearest_lanes(blocks[b], centers, candidates, len(centers), new_labels)
        tables = (labels, sums[slot], counts[slot])
        if labels[start] < 0 and in_lanes:
            work = (rest_of_lanes, parts)
            moved += label_lanes(blocks[b], start, stop, new_labels, constants, scales, *work, *tables)
        else:
            moved += relabel(X, start, stop, new_labels, constants, scales, rest, *tables)
    room[0] = used
    return moved


@driver
def resident_pass(loop, X, blocks, centers, constants, scales, labels, sums, counts, room):
    """Assign every row to its nearest center; arguments as of `lloyd_pass`.

    blocks : INOUT, from `empty_blocks`, filled in the first pass
    room : with words for one thread alone
    """
    tables = (constants, scales, labels, sums, counts)
    return spread(loop, sums.shape[0], resident_slot, (X, blocks, centers, *tables, room))


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
    chunk_clusters = (len(centers) + len(sums) - 1) // len(sums)
    n_iter, moved, n_empty, ever_empty = 0, -1, 0, False
    if labels[0] >= 0:
        # Only the first pass of all packs them.
        block_rows = blocks.shape[2]
        for b in range(len(blocks)):
            pack_block(X, b * block_rows, min((b + 1) * block_rows, len(X)), blocks[b])
    while n_iter < max_iter and moved != 0 and not (stop_on_empty and ever_empty):
        n_iter += 1
        moved = _resident_pass(loop, X, blocks, centers, constants, scales, labels, sums, counts, room)
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
    framed = False
    whole = True

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.blocks: np.ndarray | None = None

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        if self.blocks is None:
            self.blocks = empty_blocks(self.samples.X, NO_ROOM)
        _, constants, scales = self.grids
        run = self.driver.on(self.plan.parallel)
        args = (centers, constants, scales, labels, sums, counts, NO_ROOM)
        moved = run(self.samples.X, self.blocks, *args)
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
