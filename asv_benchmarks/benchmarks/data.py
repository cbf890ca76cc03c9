"""The data of the benchmarks: made from a fixed seed, or shipped with scikit-learn."""

import functools

import numpy as np


@functools.cache
def blobs(n_samples, n_features, n_clusters, dtype):
    """Return clustered rows, and starting centers among them."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(n_clusters, n_features)) * 3
    X = means[rng.integers(n_clusters, size=n_samples)] + rng.normal(size=(n_samples, n_features))
    X = X.astype(dtype)
    return X, X[rng.choice(n_samples, n_clusters, replace=False)].copy()


@functools.cache
def uniform(n_samples, n_features, n_clusters, dtype):
    """Return rows without any clusters, and starting centers among them."""
    rng = np.random.default_rng(0)
    X = rng.random((n_samples, n_features)).astype(dtype)
    return X, X[rng.choice(n_samples, n_clusters, replace=False)].copy()


@functools.cache
def along_directions(n_samples, n_features, n_clusters, dtype):
    """Return rows that spread ever less along further directions, as embeddings do, and starting centers."""
    rng = np.random.default_rng(0)
    spread = 1.0 / np.sqrt(1.0 + np.arange(n_features))
    transposed = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    X = ((rng.normal(size=(n_samples, n_features)) * spread) @ transposed).astype(dtype)
    return X, X[rng.choice(n_samples, n_clusters, replace=False)].copy()


@functools.cache
def photo(n_clusters, dtype):
    """Return the pixels of scikit-learn's china.jpg (273,280 x 3), and starting centers among them."""
    from sklearn.datasets import load_sample_image

    X = load_sample_image("china.jpg").reshape(-1, 3).astype(dtype)
    colors = np.unique(X, axis=0)
    return X, colors[np.random.default_rng(0).choice(len(colors), n_clusters, replace=False)].copy()


REAL_SIZES = {
    "photo pixels, 273280 x 3, k=64": lambda dtype: photo(64, dtype),
    "100000 x 16, k=100": lambda dtype: blobs(100_000, 16, 100, dtype),
    "20000 x 128, k=200": lambda dtype: blobs(20_000, 128, 200, dtype),
    "20000 x 384 like embeddings, k=200": lambda dtype: along_directions(20_000, 384, 200, dtype),
    "1000000 x 2, k=16": lambda dtype: blobs(1_000_000, 2, 16, dtype),
}
