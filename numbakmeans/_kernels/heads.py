"""Heads: a few numbers for each row and center whose distances are never above the true ones.

With V a few orthonormal directions, the head of x is V'x and one more number, the length of what V leaves
of x. Then |head(x) - head(c)| <= |x - c|: the first part is a projection, and the lengths of two vectors
differ by no more than the vectors do. Heads go through the same register tile as rows and centers.

Rounding. V is orthonormal up to e1 = |V'V - I|. A packed row or center x has its products with V off by
at most 1.05 sqrt(h) (2 d + 6) u |x|, u = 2**-24, and so the first part by e |x|, e being that plus e1. The
square of the rest is |x|**2 less the square of the first part: off by at most 3 e |x|**2, and its root r by
the smaller of sqrt(3 e) |x| and 3 e |x|**2 / r. `slack` is the sum: what |head(x) - head(c)| may be too large
by is the slack of the one and of the other.

References
----------
J. Drake, G. Hamerly, "Accelerated k-means with adaptive distance bounds", OPT workshop at NIPS 2012, bounds
distances by differences of norms; L. Kuffo, E. Krippner, P. Boncz, "PDX: a data layout for vector similarity
search", SIGMOD 2025, prunes by some of the dimensions after a rotation.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._jit import bounding_kernel, frozen, kernel
from numbakmeans._kernels.certify import error_bounds
from numbakmeans._kernels.pack import measure_rows, pack_panels, pack_rows, panel_buffers, square_norm
from numbakmeans._simd import product_tile, tile_columns, tile_rows
from numbakmeans._slots import driver, spread


class Heads(NamedTuple):
    """The heads of all rows, and those of the centers as the tile wants them.

    rows : (n_samples, n_directions + 1), float32
    loss : e, for one unit; panels, half_norms, errors, groups : as in `certify.Packed`
    slacks : (n_panels,), the largest slack of each panel
    """

    rows: np.ndarray
    loss: float
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    slacks: np.ndarray
    groups: np.ndarray


@kernel
def panels_of(vectors):
    """Return float32 vectors (n_vectors, n_features) as panels, filled up with zeros."""
    n_vectors, n_features = vectors.shape
    columns = tile_columns(vectors)
    panels = np.zeros(((n_vectors + columns - 1) // columns, n_features, columns), np.float32)
    for t in range(n_vectors):
        for f in range(n_features):
            panels[t // columns, f, t % columns] = vectors[t, f]
    return panels


@bounding_kernel
def orthonormalize(vectors):
    """Make vectors (n_vectors, n_features) orthonormal, one by one; one that depends on others becomes 0."""
    n_vectors, n_features = vectors.shape
    for t in range(n_vectors):
        before = square_norm(vectors, t)
        # Twice is enough, for what the first time leaves by rounding.
        for _ in range(2):
            for s in range(t):
                along = np.float32(0.0)
                for f in range(n_features):
                    along += vectors[t, f] * vectors[s, f]
                for f in range(n_features):
                    vectors[t, f] -= along * vectors[s, f]
        square = square_norm(vectors, t)
        factor = np.float32(1.0 / np.sqrt(square) if square > 1e-6 * before else 0.0)
        for f in range(n_features):
            vectors[t, f] *= factor


@bounding_kernel
def off_orthonormal(vectors):
    """Return the Frobenius norm of V'V - I for nonzero vectors V; zeros only shorten heads."""
    square = 0.0
    for t in range(len(vectors)):
        for s in range(t + 1):
            product = 0.0
            for f in range(vectors.shape[1]):
                product += np.float64(vectors[t, f]) * np.float64(vectors[s, f])
            if t == s:
                square += (product - 1.0) * (product - 1.0) if product > 0.0 else 0.0
            else:
                square += 2.0 * product * product
    return np.sqrt(square)


@kernel
def slack(norm, rest, loss):
    """Return how far a head may be off; norm of the row, length of the rest, and the loss e for one unit."""
    if norm == 0.0:
        return 0.0
    worst = np.sqrt(3.0 * loss) * norm
    return loss * norm + min(worst, 3.0 * loss * norm * norm / rest) + 2.0**-22 * rest


@kernel
def multiply_rows(rows, n_rows, panels, out):
    """Tile. Write the products of some rows with the vectors of panels.

    out : OUT (at least n_rows, n_vectors + 1), the last column left as it is
    """
    n_at_once, columns = tile_rows(rows), tile_columns(rows)
    n_vectors = out.shape[1] - 1
    tile = np.empty((n_at_once, columns), rows.dtype)
    chosen = np.empty(n_rows + n_at_once, np.int64)
    for t in range(len(chosen)):
        chosen[t] = min(t, max(n_rows - 1, 0))
    for p in range(panels.shape[0]):
        width = min(columns, n_vectors - p * columns)
        for first in range(0, n_rows, n_at_once):
            product_tile(rows, chosen, first, panels, p, tile)
            for r in range(min(n_at_once, n_rows - first)):
                for c in range(width):
                    out[first + r, p * columns + c] = tile[r, c]


@kernel
def products_slot(slot, n_slots, rows, panels, out):
    """Slot. Write the products of some of the rows; see `products`."""
    start, stop = slot * len(rows) // n_slots, (slot + 1) * len(rows) // n_slots
    multiply_rows(rows[start:stop], stop - start, panels, out[start:stop])


@driver
def products(loop, n_slots, rows, vectors):
    """Return the products of rows (n_rows, n_features) and vectors, float32: (n_rows, n_vectors)."""
    out = np.zeros((len(rows), len(vectors) + 1), np.float32)
    spread(loop, n_slots, products_slot, (n_slots, rows, panels_of(vectors), out))
    return out[:, : len(vectors)].copy()


@kernel
def head_rows(rows, norms, n_rows, basis, heads):
    """Tile. Write the heads of packed rows, whose norms are given.

    basis : (n_panels, n_features, columns), float32, the directions as panels
    heads : OUT (at least n_rows, n_directions + 1), float32
    """
    n_directions = heads.shape[1] - 1
    multiply_rows(rows, n_rows, basis, heads)
    for t in range(n_rows):
        heads[t, n_directions] = 0.0
        rest = norms[t] * norms[t] - square_norm(heads, t)
        heads[t, n_directions] = np.sqrt(max(rest, 0.0))


@kernel
def heads_slot(slot, X, n_slots, block_rows, origin, scale, basis, heads, norms):
    """Slot. Write the heads of the rows of every n-th block; see `heads_of_rows`."""
    rows, picks = np.empty((block_rows, X.shape[1]), np.float32), np.empty(block_rows, np.int64)
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        for i in range(start, stop):
            picks[i - start] = i
        pack_rows(X, picks, stop - start, origin, scale, rows)
        measure_rows(X, start, stop, origin, scale, norms)
        head_rows(rows, norms[start:], stop - start, basis, heads[start:])


@driver
def heads_of_rows(loop, X, n_slots, block_rows, origin, scale, basis, heads, norms):
    """Write the heads of all rows, and their norms.

    heads : OUT (n_samples, n_directions + 1), float32; norms : OUT (n_samples,), float64
    """
    spread(loop, n_slots, heads_slot, (X, n_slots, block_rows, origin, scale, basis, heads, norms))


@kernel
def pack_heads(heads_of_rows, loss, basis, centers, distinct, members, groups, origin, scale):
    """Return `Heads`, whose fields the first two arguments are; without directions there are no panels.

    basis : as of `head_rows`; the others as of `certify.pack_centers`
    """
    n_directions = heads_of_rows.shape[1] - 1
    n_clusters, n_features = len(centers), len(origin)
    if n_directions == 0:
        n_clusters = 0
    rows, norms = np.empty((n_clusters, n_features), np.float32), np.empty(n_clusters)
    heads = np.empty((n_clusters, n_directions + 1), np.float32)
    pack_rows(centers, np.arange(n_clusters), n_clusters, origin, scale, rows)
    measure_rows(centers, 0, n_clusters, origin, scale, norms)
    head_rows(rows, norms, n_clusters, basis, heads)
    columns = tile_columns(rows)
    n_panels = len(members) // columns if n_directions > 0 else 0
    panels, half_norms, panel_norms = panel_buffers(heads, n_panels, columns)
    zeros = np.zeros(n_directions + 1)
    pack_panels(heads, distinct, members, zeros, 1.0, panels, half_norms, panel_norms)
    errors, slacks = np.empty((n_panels, 3)), np.zeros(n_panels)
    error_bounds(n_directions + 1, True, panel_norms, errors)
    for t in range(n_panels * columns):
        if members[t] >= 0:
            j = members[t]
            p = t // columns
            slacks[p] = max(slacks[p], slack(norms[j], heads[j, n_directions], loss))
    return Heads(frozen(heads_of_rows), loss, panels, half_norms, errors, slacks, groups)


def directions(
    points: np.ndarray, n_directions: int, parallel: bool, n_slots: int
) -> tuple[np.ndarray, float]:
    """Return orthonormal directions (n_directions, n_features) along which points spread most, float32.

    Also returns how far they are from orthonormal. A few steps of subspace iteration, from some of the
    points: how good they are changes no result. No BLAS, whose threads would go on spinning beside ours.
    """
    multiply = products.on(parallel)
    points = points - points.mean(0)
    columns = np.ascontiguousarray(points.T)
    basis = points[:: max(1, len(points) // n_directions)][:n_directions].copy()
    for _ in range(2):
        orthonormalize(basis)
        along = np.ascontiguousarray(multiply(n_slots, points, basis).T)
        basis = multiply(n_slots, along, columns)
    orthonormalize(basis)
    return basis, off_orthonormal(basis)
