"""Kernels of the 'random' initialization: the data's covariance, its factor, and normal draws with it."""

import numpy as np

from numbakmeans._numba.arena import zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum


@kernel
def scatter_chunk(chunk, arena, X, mean, part, scatters):
    """Chunk. Add the products of centered columns to the upper triangle; arguments as in `scatter_matrices`.

    Four rows are added per sweep, which saves loads and stores of the running sums.
    """
    chunk_rows, first, last = part
    n_features, scatter = X.shape[1], scatters[chunk]
    stop = minimum(chunk * chunk_rows + minimum(last, chunk_rows), X.shape[0])
    rows = zeros(arena, (4, n_features), np.float64)
    for start in range(chunk * chunk_rows + first, stop, 4):
        for r in range(4):
            for f in range(n_features):
                rows[r, f] = X[start + r, f] - mean[f] if start + r < stop else 0.0
        for a in range(n_features):
            x0, x1, x2, x3 = rows[0, a], rows[1, a], rows[2, a], rows[3, a]
            for b in range(a, n_features):
                scatter[a, b] += (x0 * rows[0, b] + x1 * rows[1, b]) + (x2 * rows[2, b] + x3 * rows[3, b])


@kernel
def scatter_matrices(executor, X, mean, part, scatters):
    """Add the products of centered columns over some rows of each chunk.

    part : (chunk_rows, first, last): the rows of a chunk, and the range [first, last) of them to add; first
    is a multiple of 4, because rows are added in fours
    scatters : INOUT (n_chunks, d, d), zeros at first
    """
    parallel_for(executor, scatters.shape[0], scatter_chunk, (X, mean, part, scatters))


@kernel
def factor(matrix, first, last):
    """Overwrite the upper triangle of a positive semidefinite matrix with U such that U.T @ U is the matrix.

    first, last : the rows to complete in this call; those before are complete

    A pivot that does not exceed the rounding error of its diagonal element belongs to a column that depends
    linearly on the previous ones. Its row of U is set to zero, where LAPACK would fail or divide by noise.
    """
    n = matrix.shape[0]
    for j in range(first, minimum(last, n)):
        diagonal = matrix[j, j]
        for p in range(j):
            diagonal += matrix[p, j] * matrix[p, j]
        pivot = matrix[j, j]
        if pivot <= n * 2.0**-52 * diagonal:
            for b in range(j, n):
                matrix[j, b] = 0.0
            continue
        root = np.sqrt(pivot)
        matrix[j, j] = root
        for b in range(j + 1, n):
            matrix[j, b] /= root
        for a in range(j + 1, n):
            x = matrix[j, a]
            for b in range(a, n):
                matrix[a, b] -= x * matrix[j, b]


@kernel
def color(normals, upper, mean, centers):
    """Write normals @ upper + mean; upper : (n, n), upper triangular; centers : OUT."""
    n = upper.shape[0]
    for j in range(centers.shape[0]):
        for b in range(n):
            centers[j, b] = 0.0
        for a in range(n):
            x = normals[j, a]
            for b in range(a, n):
                centers[j, b] += x * upper[a, b]
        for b in range(n):
            centers[j, b] += mean[b]
