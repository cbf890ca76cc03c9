"""Projections: a few numbers for each row and center, whose distances never exceed the true ones.

Let V hold h orthonormal directions. The projection p(x) consists of V'x and of the residual norm, the length
of the part of x that is orthogonal to V. Then |p(x) - p(c)| <= |x - c|: orthogonal projection shortens
distances, and the lengths of two vectors differ by no more than the vectors do. Projections go through the
same register tile as rows and centers.

Rounding. V is orthonormal up to e1 = |V'V - I|; u is the unit roundoff, d the number of features. The
products of a packed row with V are computed in float32, CHUNK features at a time, with an error of at most
1.05 sqrt(h) (CHUNK + d / CHUNK + 6) u |x|; those of a center in float64, with an error of at most
1.05 sqrt(h) (d + 6) u |x|. So V'x is off by e |x|, where e is the respective factor plus e1. The square of
the residual norm is |x|**2 minus the square of V'x: it is off by at most 3 e |x|**2, and its root r by the
smaller of sqrt(3 e) |x| and 3 e |x|**2 / r. `projection_error` is the sum of both errors; |p(x) - p(c)| may
be too large by the projection errors of x and c together. Centers have almost no residual, which is where
the error of the root is largest: hence float64 for centers.

References
----------
J. Drake, G. Hamerly, "Accelerated k-means with adaptive distance bounds", OPT workshop at NIPS 2012, bounds
distances by differences of norms; L. Kuffo, E. Krippner, P. Boncz, "PDX: a data layout for vector similarity
search", SIGMOD 2025, prunes by some of the dimensions after a rotation.
"""

import numpy as np

from numbakmeans._engine.kernels.certify import error_bound
from numbakmeans._engine.kernels.pack import distinct_centers, norm_of, pack_panel, pack_rows, square_norm
from numbakmeans._engine.simd import product_tile, tile_columns, tile_rows
from numbakmeans._engine.structs.passes import CHUNK, Transform
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import bounding_kernel, kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import maximum, minimum

#: Squared norm up to which a vector is too short to give a direction.
MIN_SQUARE_NORM = 2.0**-200


@bounding_kernel
def orthonormalize(vectors):
    """Orthonormalize vectors (n_vectors, n_features) in place by Gram-Schmidt; dependent ones become 0."""
    n_vectors, n_features = vectors.shape
    for t in range(n_vectors):
        before = square_norm(vectors, t)
        # A second pass removes what rounding leaves after the first ("twice is enough").
        for _ in range(2):
            for s in range(t):
                along = np.float32(0.0)
                for f in range(n_features):
                    along += vectors[t, f] * vectors[s, f]
                for f in range(n_features):
                    vectors[t, f] -= along * vectors[s, f]
        square = square_norm(vectors, t)
        # In float64: the reciprocal of a short length overflows float32.
        factor = 1.0 / np.sqrt(square) if square > maximum(1e-6 * before, MIN_SQUARE_NORM) else 0.0
        for f in range(n_features):
            vectors[t, f] *= factor


@bounding_kernel
def off_orthonormal(vectors):
    """Return the Frobenius norm of V'V - I for vectors V, zero vectors excluded.

    Zero vectors only shorten projections, so that the bounds still hold.
    """
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
def projection_error(norm, rest, loss):
    """Return an upper bound on the error of a projection.

    norm : of the row or center; rest : its residual norm; loss : the error e per unit of norm
    """
    if norm == 0.0:
        return 0.0
    worst = np.sqrt(3.0 * loss) * norm
    return loss * norm + minimum(worst, 3.0 * loss * norm * norm / rest) + 2.0**-22 * rest


@kernel
def product_buffer(rows, n_vectors, arena):
    """Return zeros for the products of rows and vectors: (n_panels, at least len(rows), columns)."""
    n_at_once, columns = tile_rows(rows), tile_columns(rows)
    n_panels = (n_vectors + columns - 1) // columns
    return zeros(arena, (n_panels, len(rows) + n_at_once, columns), rows.dtype)


@kernel
def add_products(rows, n_rows, panels, sums, arena):
    """Tile. Add the products of rows with the vectors of panels; sums : INOUT, from `product_buffer`."""
    n_at_once = tile_rows(rows)
    marked = mark(arena)
    chosen = empty(arena, n_rows + n_at_once, np.int64)
    for t in range(len(chosen)):
        chosen[t] = minimum(t, maximum(n_rows - 1, 0))
    for p in range(len(panels)):
        for first in range(0, n_rows, n_at_once):
            product_tile(rows, chosen, first, panels, p, sums[p][first:])
    release(arena, marked)


@kernel
def take_products(sums, n_rows, n_vectors, out):
    """Tile. Move the sums of `add_products` to out (at least n_rows, at least n_vectors), leaving zeros."""
    columns = sums.shape[2]
    for p in range(len(sums)):
        first = p * columns
        for t in range(n_rows):
            for c in range(minimum(columns, n_vectors - first)):
                out[t, first + c] = sums[p, t, c]
                sums[p, t, c] = 0.0


@kernel
def products_task(task, arena, n_tasks, rows, panels, out):
    """Task. Write the products of a contiguous range of the rows; see `products`."""
    start, stop = task * len(rows) // n_tasks, (task + 1) * len(rows) // n_tasks
    sums = product_buffer(rows[start:stop], out.shape[1], arena)
    add_products(rows[start:stop], stop - start, panels, sums, arena)
    take_products(sums, stop - start, out.shape[1], out[start:stop])


@kernel
def products(executor, n_tasks, rows, panels, out):
    """Write the products of rows (n_rows, n_features) and the vectors of panels, all float32.

    panels : (n_panels, n_features, columns); out : OUT (n_rows, n_vectors)
    """
    parallel_for(executor, n_tasks, products_task, (n_tasks, rows, panels, out))


@kernel
def add_residual_norms(projections, norms, n_rows):
    """Tile. Write the residual norms of rows into the last column of their projections.

    projections : INOUT (at least n_rows, n_directions + 1), with its products set; norms : of the rows
    """
    n_directions = projections.shape[1] - 1
    for t in range(n_rows):
        projections[t, n_directions] = 0.0
        rest = norms[t] * norms[t] - square_norm(projections, t)
        projections[t, n_directions] = np.sqrt(maximum(rest, 0.0))


@kernel
def projections_task(task, arena, X, shares, transform, chunks, found):
    """Task. Write the projections of the rows of every n-th block; see `projections_of_rows`."""
    (n_tasks, block_rows), (norms, projections) = shares, found
    n_features, n_directions = X.shape[1], projections.shape[1] - 1
    origin, scale = transform.origin, transform.scale
    rows = empty(arena, (block_rows, CHUNK), np.float32)
    sums = product_buffer(rows, n_directions, arena)
    for start in range(task * block_rows, len(X), n_tasks * block_rows):
        stop = minimum(start + block_rows, len(X))
        for chunk in range(len(chunks)):
            first = chunk * CHUNK
            width = minimum(CHUNK, n_features - first)
            for t in range(stop - start):
                for f in range(width):
                    rows[t, f] = (X[start + t, first + f] - origin[first + f]) * scale
                for f in range(width, CHUNK):
                    rows[t, f] = 0.0
            add_products(rows, stop - start, chunks[chunk], sums, arena)
        take_products(sums, stop - start, n_directions, projections[start:])
        add_residual_norms(projections[start:], norms[start:], stop - start)


@kernel
def projections_of_rows(executor, X, shares, transform, chunks, found):
    """Write the projections of all rows.

    shares : the number of tasks, and the rows per block; transform, chunks : as in `structs.passes`
    found : the norms of the rows (n_samples,), float64, and OUT their projections
    (n_samples, n_directions + 1), float32
    """
    parallel_for(executor, shares[0], projections_task, (X, shares, transform, chunks, found))


@kernel
def center_projections_task(task, arena, n_tasks, originals, basis, center_projections, projections):
    """Task. Write the fields of `Projections` for the centers of every n-th panel; see `pack_projections`.

    originals : the centers, and their transform
    """
    (points, transform), packed = originals, projections.packed
    _, n_directions, columns = packed.panels.shape
    n_directions -= 1
    origin, scale = transform.origin, transform.scale
    rows, norms = zeros(arena, (columns, len(origin)), np.float64), empty(arena, columns, np.float64)
    sums, some = (
        product_buffer(rows, n_directions, arena),
        empty(arena, (columns, n_directions + 1), np.float64),
    )
    identity = Transform(zeros(arena, n_directions + 1, np.float64), 1.0, True)
    for p in range(task, len(packed.panels), n_tasks):
        here = packed.members[p * columns : (p + 1) * columns]
        # Padding comes last.
        n_rows = columns
        while here[n_rows - 1] < 0:
            n_rows -= 1
        pack_rows(points, here, n_rows, transform, rows)
        for t in range(n_rows):
            norms[t] = norm_of(points, here[t], origin) * scale
        add_products(rows, n_rows, basis.panels, sums, arena)
        take_products(sums, n_rows, n_directions, some)
        add_residual_norms(some, norms, n_rows)
        widest = 0.0
        for t in range(n_rows):
            j = here[t]
            projections.singles.norms[j] = norms[t]
            for f in range(len(origin)):
                projections.singles.centers[j, f] = rows[t, f]
            for f in range(n_directions + 1):
                center_projections[j, f] = some[t, f]
            widest = maximum(widest, projection_error(norms[t], some[t, n_directions], basis.center_loss))
        projections.panel_errors[p] = widest
        norm = pack_panel(center_projections, identity, packed, p)
        error_bound(n_directions + 1, True, norm, packed.errors[p])


@kernel
def pack_projections(executor, n_tasks, points, transform, basis, projections, arena):
    """Write the fields of `Projections` for the centers.

    points : (n_clusters, padded features), float64; transform, basis : `structs.passes.Transform`, `Basis`
    projections : INOUT `structs.passes.Projections`, with its rows, loss, members and groups set
    """
    distinct_centers(points, len(transform.origin), projections.packed.distinct, arena)
    center_projections = empty(arena, (len(points), projections.rows.shape[1]), np.float64)
    parallel_for(
        executor,
        n_tasks,
        center_projections_task,
        (n_tasks, (points, transform), basis, center_projections, projections),
    )
