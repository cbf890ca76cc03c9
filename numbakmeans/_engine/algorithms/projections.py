"""The Python side of projections (`kernels.projections`): directions, and trials of their number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numbakmeans._engine.algorithms.panels import pack_buffers, panels_of, singles_of, tile_columns
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.structs.passes import CHUNK, Basis, Clusters, Places, Projections
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

#: Relative projection error from which directions are not used: below it `pairs.PROJECTION_REACH` holds.
MOST_LOSS = 2.0**-7
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)

_KERNELS = "numbakmeans._engine.kernels.projections"
_products, _pack_projections = Driver(_KERNELS, "products"), Driver(_KERNELS, "pack_projections")
projections_of_rows = Driver(_KERNELS, "projections_of_rows")
_orthonormalize, _off_orthonormal = Entry(_KERNELS, "orthonormalize"), Entry(_KERNELS, "off_orthonormal")

#: Returns the products of rows (n_rows, n_features) and vectors, float32: (n_rows, n_vectors).
Multiply = Callable[[np.ndarray, np.ndarray], np.ndarray]


def multiplies(parallel: bool, n_tasks: int) -> Multiply:
    """Return a function that multiplies arrays, without BLAS, whose threads would compete with ours."""
    run = _products.on(parallel)

    def multiply(rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), len(vectors)), SINGLE)
        run(n_tasks, np.ascontiguousarray(rows), panels_of(vectors, tile_columns(SINGLE)), out)
        return out

    return multiply


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return the Euclidean norms of rows, float32."""
    return np.sqrt(np.square(rows).sum(1))


def projection_distances(
    rows: np.ndarray,
    centers: np.ndarray,
    products: tuple[np.ndarray, np.ndarray],
    n_directions: int,
    multiply: Multiply,
) -> np.ndarray:
    """Return approximately the distances between projected rows and centers, to try a number of directions.

    products : of the rows and of the centers with at least n_directions directions
    """
    along = [some[:, :n_directions] for some in products]
    squares = [np.square(some).sum(1) for some in (rows, centers)]
    rests = [
        np.sqrt(np.maximum(square - np.square(some).sum(1), 0.0))
        for square, some in zip(squares, along, strict=True)
    ]
    projections = [np.column_stack(parts) for parts in zip(along, rests, strict=True)]
    square = squares[0][:, None] + squares[1] - 2.0 * multiply(projections[0], projections[1])
    return np.sqrt(np.maximum(square, 0.0))


def _moderate(points: np.ndarray) -> np.ndarray:
    """Return points scaled so that squares of large values neither overflow nor underflow."""
    return np.ldexp(points, -np.frexp(np.abs(points).max())[1])


def spanning(points: np.ndarray, n_directions: int) -> np.ndarray:
    """Return orthonormal directions (n_directions, n_features), float32, that span as many points."""
    basis = _moderate(points[:: max(1, len(points) // n_directions)][:n_directions])
    _orthonormalize(basis)
    return basis


def directions(points: np.ndarray, basis: np.ndarray, multiply: Multiply) -> tuple[np.ndarray, float]:
    """Return orthonormal directions of largest variance of the points, float32, and their error.

    Two steps of subspace iteration from a given basis; the quality of the directions does not affect any
    result. The error is how far they are from orthonormal.
    """
    points = _moderate(points)
    for _ in range(2):
        basis = multiply(multiply(points, basis).T, points.T)
        _orthonormalize(basis)
    return basis, _off_orthonormal(basis)


def basis_of(vectors: np.ndarray, off: float) -> Basis:
    """Return the `Basis` for the results of `directions`."""
    n_directions, n_features = vectors.shape
    n_chunks = -(-n_features // CHUNK)
    wide = np.zeros((n_directions, n_chunks * CHUNK), SINGLE)
    wide[:, :n_features] = vectors
    chunks = np.stack([panels_of(some, tile_columns(SINGLE)) for some in np.split(wide, n_chunks, axis=1)])
    panels = panels_of(vectors.astype(DOUBLE), tile_columns(DOUBLE))
    each = 1.05 * n_directions**0.5
    row_loss = each * (CHUNK + n_chunks + 6) * 2.0**-24 + off
    return Basis(chunks, panels, float(row_loss), float(each * (n_features + 6) * 2.0**-53 + off))


def pack_projections(
    plan: Plan, rows: np.ndarray, basis: Basis, clusters: Clusters, places: Places
) -> Projections:
    """Return the `Projections` of rows and centers.

    rows : (n_samples, n_directions + 1), float32, projections of the rows
    places : places of the centers, in panels as wide as the tile
    """
    points, transform = clusters.points, clusters.transform
    n_clusters, n_features = len(points), len(transform.origin)
    packed = pack_buffers(n_clusters, rows.shape[1], places, SINGLE)
    singles = singles_of(n_clusters, n_features, places)
    projections = Projections(rows, basis.row_loss, packed, np.empty(len(places.groups)), singles)
    _pack_projections.on(plan.parallel)(plan.n_tasks, points, transform, basis, projections)
    return projections
