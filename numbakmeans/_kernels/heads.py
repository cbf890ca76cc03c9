"""Heads: a few numbers for each row and center whose distances are never above the true ones.

With V a few orthonormal directions, the head of x is V'x and one more number, the length of what V leaves
of x. Then |head(x) - head(c)| <= |x - c|: the first part is a projection, and the lengths of two vectors
differ by no more than the vectors do. Heads go through the same register tile as rows and centers.

Rounding. V is orthonormal up to e1 = |V'V - I|. A packed row has its products with V in float32, summed
over CHUNK features at a time: off by at most 1.05 sqrt(h) (CHUNK + d / CHUNK + 6) u |x|. A center has them in
float64, off by at most 1.05 sqrt(h) (d + 6) u |x|. So the first part is off by e |x|, e being that plus e1.
The square of the rest is |x|**2 less the square of the first part: off by at most 3 e |x|**2, and its root r
by the smaller of sqrt(3 e) |x| and 3 e |x|**2 / r. `slack` is the sum: what |head(x) - head(c)| may be too
large by is the slack of the one and of the other. Directions leave next to nothing of a center, and then its
root is off by most: that is why it is float64.

References
----------
J. Drake, G. Hamerly, "Accelerated k-means with adaptive distance bounds", OPT workshop at NIPS 2012, bounds
distances by differences of norms; L. Kuffo, E. Krippner, P. Boncz, "PDX: a data layout for vector similarity
search", SIGMOD 2025, prunes by some of the dimensions after a rotation.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._jit import bounding_kernel, frozen, kernel
from numbakmeans._kernels.certify import error_bound
from numbakmeans._kernels.pack import norm_of, pack_panel, pack_rows, panel_buffers, square_norm
from numbakmeans._simd import product_tile, tile_columns, tile_rows
from numbakmeans._slots import driver, spread

#: Features whose products are summed before they are added to those of others.
CHUNK = 128
#: The square of a vector that gives no direction.
SHORTEST = 2.0**-200
#: The loss for one unit from which directions give no heads: `pairs.HEAD_REACH` holds below.
MOST_LOSS = 2.0**-7


class Basis(NamedTuple):
    """Directions, and what they make heads with.

    chunks : (n_chunks, n_panels, CHUNK, columns), float32, for rows
    panels : (n_panels, n_features, columns), float64, for centers; row_loss, center_loss : e, for one unit
    """

    chunks: np.ndarray
    panels: np.ndarray
    row_loss: float
    center_loss: float


class Heads(NamedTuple):
    """The heads of all rows, and those of the centers as the tile wants them.

    rows : (n_samples, n_directions + 1), float32
    loss : e of rows, for one unit; members, panels, half_norms, errors, groups : as in `certify.Packed`
    slacks : (n_panels,), the largest slack of each panel
    centers : (n_clusters, n_features), float32, the centers themselves in the frame; norms : (n_clusters,)
    """

    rows: np.ndarray
    loss: float
    members: np.ndarray
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    slacks: np.ndarray
    groups: np.ndarray
    centers: np.ndarray
    norms: np.ndarray


@kernel
def panels_of(vectors, start, stop):
    """Return features [start, stop) of vectors (n_vectors, n_features) as panels, filled up with zeros."""
    n_vectors, n_features = vectors.shape
    columns = tile_columns(vectors)
    panels = new_zeros(((n_vectors + columns - 1) // columns, stop - start, columns), vectors.dtype)
    for t in range(n_vectors):
        for f in range(start, min(stop, n_features)):
            panels[t // columns, f - start, t % columns] = vectors[t, f]
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
        # Not in float32, where the inverse of a short length is infinite.
        factor = 1.0 / np.sqrt(square) if square > max(1e-6 * before, SHORTEST) else 0.0
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
def product_buffer(rows, n_vectors):
    """Return zeros for the products of rows and some vectors: (n_panels, at least len(rows), columns)."""
    n_at_once, columns = tile_rows(rows), tile_columns(rows)
    return new_zeros(((n_vectors + columns - 1) // columns, len(rows) + n_at_once, columns), rows.dtype)


@kernel
def add_products(rows, n_rows, panels, sums):
    """Tile. Add the products of some rows with the vectors of panels; sums : INOUT, from `product_buffer`."""
    n_at_once = tile_rows(rows)
    chosen = new_empty(n_rows + n_at_once, np.int64)
    for t in range(len(chosen)):
        chosen[t] = min(t, max(n_rows - 1, 0))
    for p in range(len(panels)):
        for first in range(0, n_rows, n_at_once):
            product_tile(rows, chosen, first, panels, p, sums[p, first:])


@kernel
def take_products(sums, n_rows, out):
    """Tile. Move what `add_products` left to out (at least n_rows, n_vectors + 1), but its last column."""
    n_vectors, columns = out.shape[1] - 1, sums.shape[2]
    for p in range(len(sums)):
        first = p * columns
        for t in range(n_rows):
            for c in range(min(columns, n_vectors - first)):
                out[t, first + c] = sums[p, t, c]
                sums[p, t, c] = 0.0


@kernel
def products_slot(slot, n_slots, rows, panels, out):
    """Slot. Write the products of some of the rows; see `products`."""
    start, stop = slot * len(rows) // n_slots, (slot + 1) * len(rows) // n_slots
    sums = product_buffer(rows[start:stop], out.shape[1] - 1)
    add_products(rows[start:stop], stop - start, panels, sums)
    take_products(sums, stop - start, out[start:stop])


@driver
def products(loop, n_slots, rows, vectors):
    """Return the products of rows (n_rows, n_features) and vectors, float32: (n_rows, n_vectors)."""
    out = new_empty((len(rows), len(vectors) + 1), np.float32)
    spread(loop, n_slots, products_slot, (n_slots, rows, panels_of(vectors, 0, rows.shape[1]), out))
    return out[:, : len(vectors)].copy()


@kernel
def add_rests(heads, norms, n_rows):
    """Tile. Write what directions leave of rows, whose norms are given, beside their products."""
    n_directions = heads.shape[1] - 1
    for t in range(n_rows):
        heads[t, n_directions] = 0.0
        rest = norms[t] * norms[t] - square_norm(heads, t)
        heads[t, n_directions] = np.sqrt(max(rest, 0.0))


@kernel
def heads_slot(slot, X, n_slots, block_rows, origin, scale, chunks, norms, heads):
    """Slot. Write the heads of the rows of every n-th block; see `heads_of_rows`."""
    rows = new_empty((block_rows, CHUNK), np.float32)
    sums = product_buffer(rows, heads.shape[1] - 1)
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        for chunk in range(len(chunks)):
            first = chunk * CHUNK
            part, here = X[start:stop, first : first + CHUNK], origin[first : first + CHUNK]
            for t in range(stop - start):
                for f in range(len(here)):
                    rows[t, f] = (part[t, f] - here[f]) * scale
                for f in range(len(here), CHUNK):
                    rows[t, f] = 0.0
            add_products(rows, stop - start, chunks[chunk], sums)
        take_products(sums, stop - start, heads[start:])
        add_rests(heads[start:], norms[start:], stop - start)


@driver
def heads_of_rows(loop, X, n_slots, block_rows, origin, scale, chunks, norms, heads):
    """Write the heads of all rows.

    origin, scale : of the frame; chunks : as in `Basis`; norms : (n_samples,), float64
    heads : OUT (n_samples, n_directions + 1), float32
    """
    spread(loop, n_slots, heads_slot, (X, n_slots, block_rows, origin, scale, chunks, norms, heads))


@kernel
def center_heads_slot(slot, n_slots, basis, centers, distinct, origin, scale, center_heads, heads):
    """Slot. Write what `Heads` says of the centers of every n-th panel; see `pack_heads`."""
    members, columns, n_directions = heads.members, heads.panels.shape[2], heads.panels.shape[1] - 1
    rows, norms = new_zeros((columns, len(origin)), np.float64), new_empty(columns, np.float64)
    sums, some = product_buffer(rows, n_directions), new_empty((columns, n_directions + 1), np.float64)
    nowhere = new_zeros(n_directions + 1, np.float64)
    for p in range(slot, len(heads.panels), n_slots):
        here = members[p * columns : (p + 1) * columns]
        # Places without a center come last.
        n_rows = columns
        while here[n_rows - 1] < 0:
            n_rows -= 1
        pack_rows(centers, here, n_rows, origin, scale, rows)
        for t in range(n_rows):
            norms[t] = norm_of(centers, here[t], origin) * scale
        add_products(rows, n_rows, basis.panels, sums)
        take_products(sums, n_rows, some)
        add_rests(some, norms, n_rows)
        widest = 0.0
        for t in range(n_rows):
            j = here[t]
            heads.norms[j] = norms[t]
            for f in range(len(origin)):
                heads.centers[j, f] = rows[t, f]
            for f in range(n_directions + 1):
                center_heads[j, f] = some[t, f]
            widest = max(widest, slack(norms[t], some[t, n_directions], basis.center_loss))
        heads.slacks[p] = widest
        norm = pack_panel(center_heads, distinct, members, nowhere, 1.0, p, heads.panels, heads.half_norms)
        error_bound(n_directions + 1, True, norm, heads.errors[p])


@kernel
def pack_heads(loop, n_slots, heads_of_rows, basis, centers, distinct, members, groups, origin, scale):
    """Return `Heads`, whose first field is heads_of_rows; without directions there are no panels.

    basis : `Basis`; the others as of `certify.pack_centers`
    """
    n_directions, columns = heads_of_rows.shape[1] - 1, tile_columns(heads_of_rows)
    n_panels = len(members) // columns if n_directions > 0 else 0
    n_clusters = len(centers) if n_directions > 0 else 0
    center_heads = new_empty((n_clusters, n_directions + 1), np.float64)
    heads = Heads(
        frozen(heads_of_rows),
        basis.row_loss,
        members,
        *panel_buffers(heads_of_rows, n_panels, columns),
        new_empty(n_panels, np.float64),
        groups,
        new_empty((n_clusters, len(origin)), np.float32),
        new_empty(n_clusters, np.float64),
    )
    of_centers = (centers, distinct, origin, scale, center_heads)
    spread(loop, n_slots, center_heads_slot, (n_slots, basis, *of_centers, heads))
    return heads


#: Returns the products of rows (n_rows, n_features) and vectors, float32: (n_rows, n_vectors).
Multiply = Callable[[np.ndarray, np.ndarray], np.ndarray]


def multiplies(parallel: bool, n_slots: int) -> Multiply:
    """Return what multiplies arrays, without BLAS, whose threads would go on spinning beside ours."""
    run = products.on(parallel)
    return lambda rows, vectors: run(n_slots, *map(np.ascontiguousarray, (rows, vectors)))


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return the lengths of rows, float32."""
    return np.sqrt(np.square(rows).sum(1))


def head_distances(
    rows: np.ndarray,
    centers: np.ndarray,
    products: tuple[np.ndarray, np.ndarray],
    n_directions: int,
    multiply: Multiply,
) -> np.ndarray:
    """Return about what heads of some size tell of the distances of rows and centers, to try that size.

    products : of the ones and of the others with at least so many directions
    """
    along = [some[:, :n_directions] for some in products]
    squares = [np.square(some).sum(1) for some in (rows, centers)]
    rests = [
        np.sqrt(np.maximum(square - np.square(some).sum(1), 0.0))
        for square, some in zip(squares, along, strict=True)
    ]
    heads = [np.column_stack(parts) for parts in zip(along, rests, strict=True)]
    square = squares[0][:, None] + squares[1] - 2.0 * multiply(heads[0], heads[1])
    return np.sqrt(np.maximum(square, 0.0))


def _moderate(points: np.ndarray) -> np.ndarray:
    """Return points scaled so that no square of a large one overflows, nor vanishes."""
    return np.ldexp(points, -np.frexp(np.abs(points).max())[1])


def spanning(points: np.ndarray, n_directions: int) -> np.ndarray:
    """Return orthonormal directions (n_directions, n_features) that span as many of the points, float32."""
    basis = _moderate(points[:: max(1, len(points) // n_directions)][:n_directions])
    orthonormalize(basis)
    return basis


def directions(points: np.ndarray, basis: np.ndarray, multiply: Multiply) -> tuple[np.ndarray, float]:
    """Return orthonormal directions along which points spread most, float32, found from those of a basis.

    Also returns how far they are from orthonormal. A few steps of subspace iteration: how good they are
    changes no result.
    """
    points = _moderate(points)
    columns = np.ascontiguousarray(points.T)
    for _ in range(2):
        basis = multiply(multiply(points, basis).T, columns)
        orthonormalize(basis)
    return basis, off_orthonormal(basis)


def basis_of(vectors: np.ndarray, off: float) -> Basis:
    """Return the `Basis` of directions as `directions` returns them."""
    n_directions, n_features = vectors.shape
    chunks = np.stack([panels_of(vectors, first, first + CHUNK) for first in range(0, n_features, CHUNK)])
    panels = panels_of(vectors.astype(np.float64), 0, n_features)
    each = 1.05 * n_directions**0.5
    row_loss = each * (CHUNK + len(chunks) + 6) * 2.0**-24 + off
    return Basis(chunks, panels, row_loss, each * (n_features + 6) * 2.0**-53 + off)


#: That of no directions.
NO_BASIS = Basis(np.empty((0, 0, 0, 1), np.float32), np.empty((0, 0, 1)), 0.0, 0.0)
