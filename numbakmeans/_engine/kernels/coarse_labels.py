"""The nearest center of each row by coarse rows (`coarse`), in a single sweep that keeps no bounds."""

from numbakmeans._engine.kernels.bounds import Centers, drifts_of, measure_own, rows_of
from numbakmeans._engine.kernels.certify import block_buffers
from numbakmeans._engine.kernels.coarse_pairs import find_first
from numbakmeans._engine.kernels.pack import measure_rows
from numbakmeans._engine.kernels.pairs import decide_pairs, pair_buffers
from numbakmeans._engine.kernels.reference import label_sq_dists_chunk
from numbakmeans._engine.kernels.yinyang import packed_centers
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for


@kernel
def assign_task(task, arena, n_tasks, centers, rows, sq_dists):
    """Task. Label the rows of every n-th block; see `assign`."""
    X, labels, coarse, block_rows = rows.X, rows.labels, centers.coarse, rows.lower.shape[2]
    block = block_buffers(X, block_rows, 0, 1, False, False, arena)
    pairs = pair_buffers(len(coarse.panels), coarse.singles, block_rows, arena)
    for b in range(task, len(rows.lower), n_tasks):
        start, stop = rows_of(b, rows)
        measure_rows(X, start, stop, centers.transform, rows.norms)
        rows.lower[b] = 0.0
        find_first(b, block, centers, rows, pairs, arena)
        for i in range(start, stop):
            labels[i] = block.labels[i - start]
        measure_own(start, stop, centers, rows)
        decide_pairs(b, block, stop - start, centers, coarse.singles, rows, pairs)
        for i in range(start, stop):
            labels[i] = block.labels[i - start]
        if len(sq_dists) > 0:
            label_sq_dists_chunk(X, centers.points, labels, start, stop, sq_dists)


@kernel
def assign(executor, n_tasks, clusters, rows, sq_dists, arena):
    """Write the label of every row, and D to its nearest center.

    clusters : `structs.passes.Clusters`, with coarse rows, of a single group
    rows : `structs.passes.Rows`, its labels OUT, the others workspace
    sq_dists : OUT (n_samples,), float64, or (0,) if they are not wanted
    """
    packed = packed_centers(executor, n_tasks, rows.X, clusters, clusters.coarse, arena)
    drifts = drifts_of(clusters.moved, clusters.groups, 1, packed.distinct, None, arena)
    points, transform = clusters.points, clusters.transform
    centers = Centers(points, transform, packed, drifts, None, clusters.coarse, None)
    parallel_for(executor, n_tasks, assign_task, (n_tasks, centers, rows, sq_dists))
