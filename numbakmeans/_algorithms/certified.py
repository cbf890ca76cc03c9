"""Lloyd's algorithm with scores from a register tile, and labels certified or decided by the definition.

The same labels as `lloyd`, at the speed of the machine's fused multiply-adds.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

import numpy as np

from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._jit import driver, kernel, prange
from numbakmeans._kernels.canonical import sq_dist_to
from numbakmeans._kernels.certify import error_bounds, nearest_of_tile
from numbakmeans._kernels.exact import relabel
from numbakmeans._kernels.pack import distinct_centers, pack_panels, pack_rows, panel_buffers, row_buffers


@kernel
def prepare(X, centers, origin, scale):
    """Return what all chunks of a pass share: distinct, panels, half_norms, bounds."""
    n_clusters, n_features = centers.shape[0], X.shape[1]
    distinct = np.empty(n_clusters, np.bool_)
    distinct_centers(centers, n_features, distinct)
    panels, half_norms = panel_buffers(X, n_clusters)
    center_norm = pack_panels(centers, distinct, origin, scale, panels, half_norms)
    return distinct, panels, half_norms, error_bounds(n_features, X.itemsize == 4, center_norm)


@kernel
def certified_chunk(
    X,
    start,
    stop,
    centers,
    origin,
    scale,
    distinct,
    panels,
    half_norms,
    bounds,
    constants,
    scales,
    labels,
    sums,
    counts,
):
    """Chunk. Assign rows [start, stop) and move them between the sums of one slot; see `lloyd_chunk`.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    shared = (distinct, panels, half_norms, bounds)
    buffers = row_buffers(X)
    rows, norms = buffers[0], buffers[1]
    n_rows = len(rows)
    new_labels, rest = np.empty(n_rows, np.int64), np.empty(X.shape[1])
    moved, n_decided = 0, 0
    for first in range(start, stop, n_rows):
        end = min(first + n_rows, stop)
        pack_rows(X, first, end, origin, scale, rows, norms)
        n_decided += nearest_of_tile(X, first, end, centers, shared, buffers, new_labels)
        moved += relabel(X, first, end, new_labels, constants, scales, rest, labels, sums, counts)
    return moved, n_decided


@driver
def certified_pass(X, chunk_rows, centers, origin, scale, constants, scales, labels, sums, counts):
    """Assign every row to its nearest center, and bring labels, sums and counts up to date.

    Arguments are those of `lloyd_pass`, with the frame of the packed buffers; X and centers finite.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    """
    n_samples, n_slots = X.shape[0], sums.shape[0]
    distinct, panels, half_norms, bounds = prepare(X, centers, origin, scale)
    n_chunks = (n_samples + chunk_rows - 1) // chunk_rows
    moved, n_decided = 0, 0
    for s in prange(n_slots):
        for c in range(s, n_chunks, n_slots):
            stop = min((c + 1) * chunk_rows, n_samples)
            chunk_moved, chunk_decided = certified_chunk(
                X,
                c * chunk_rows,
                stop,
                centers,
                origin,
                scale,
                distinct,
                panels,
                half_norms,
                bounds,
                constants,
                scales,
                labels,
                sums[s],
                counts[s],
            )
            moved += chunk_moved
            n_decided += chunk_decided
    return moved, n_decided


@kernel
def certified_nearest_chunk(
    X, start, stop, centers, origin, scale, distinct, panels, half_norms, bounds, labels, sq_dists
):
    """Chunk. Write label and D of the nearest center for each row in [start, stop)."""
    shared = (distinct, panels, half_norms, bounds)
    buffers = row_buffers(X)
    rows, norms = buffers[0], buffers[1]
    n_rows = len(rows)
    new_labels = np.empty(n_rows, np.int64)
    for first in range(start, stop, n_rows):
        end = min(first + n_rows, stop)
        pack_rows(X, first, end, origin, scale, rows, norms)
        nearest_of_tile(X, first, end, centers, shared, buffers, new_labels)
        for i in range(first, end):
            labels[i] = new_labels[i - first]
            sq_dists[i] = sq_dist_to(X, i, centers, labels[i])


@driver
def certified_nearest(X, centers, origin, scale, n_slots, chunk_rows, labels, sq_dists):
    """Write label and D of the nearest center for every row; arguments as of `canonical.nearest`."""
    n_samples = X.shape[0]
    distinct, panels, half_norms, bounds = prepare(X, centers, origin, scale)
    n_chunks = (n_samples + chunk_rows - 1) // chunk_rows
    for s in prange(n_slots):
        for c in range(s, n_chunks, n_slots):
            stop = min((c + 1) * chunk_rows, n_samples)
            certified_nearest_chunk(
                X,
                c * chunk_rows,
                stop,
                centers,
                origin,
                scale,
                distinct,
                panels,
                half_norms,
                bounds,
                labels,
                sq_dists,
            )


class Certified(Algorithm):
    """Approximate scores from the register tile, and a certificate for each label."""

    driver = certified_pass

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        plan, (_, constants, scales) = self.plan, self.grids
        run = self.driver.on(plan.parallel)
        return Pass(
            *run(self.X, plan.chunk_rows, centers, *self.frame, constants, scales, labels, sums, counts)
        )
