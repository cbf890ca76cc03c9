"""Inputs that change while they are read, or are bad where exceptions may be lost."""

import threading
import time

import numpy as np

from support.situations.answers import data


def changing_input():
    """Write to the data from another thread while it is read: results are meaningless, but well formed."""
    from numbakmeans import fit, kmeans, kmeans2, vq, whiten
    from numbakmeans._engine import thresholds as at
    from numbakmeans._engine.samples import Samples
    from support import variants

    # Convert in slabs what kernels cannot read in place, and use bounds and projections whatever they cost.
    at.MAX_COPY_BYTES, at.MAX_SLAB_BYTES = 0, 1 << 18
    variants.check_all_bounds()
    X, few = np.random.default_rng(0).normal(size=(20_000, 64)), data()[:20_000]
    centers = X[:80].copy()
    stop = threading.Event()

    def change():
        rng = np.random.default_rng(1)
        while not stop.is_set():
            for array in (X, few):
                array[:: rng.integers(1, 5)] = rng.choice(
                    [np.nan, np.inf, -np.inf, 1.7e308, 5e-324, 0.0, 1e9]
                )
                time.sleep(0.0005)
                array[...] = rng.normal(size=array.shape)

    def ask(array, book):
        k = len(book)
        for minit in ("random", "points", "++"):
            found = kmeans2(array, k, 3, minit=minit, check_finite=False, rng=0)
            assert 0 <= found[1].min() <= found[1].max() < k
        labels = vq(array, book, check_finite=False)[0]
        assert 0 <= labels.min() <= labels.max() < k
        result = fit(array[:, ::-1], book, max_iter=4, check_finite=False)
        assert 0 <= result.labels.min() <= result.labels.max() < k
        for variant in variants.VARIANTS:
            labels = variants.iterate(Samples(array), book, 4, variant).labels
            assert 0 <= labels.min() <= labels.max() < k
        kmeans(array[:500], 5, iter=1, thresh=np.inf, check_finite=False, rng=0)
        whiten(array, check_finite=False)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(3):
            ask(X, centers)
            ask(few, centers[:, :4])
    finally:
        stop.set()
        thread.join()
    return True


def errors_in_a_prange():
    """Solve problems, one with a NaN: an error (not under workqueue) or nothing; the next call is right."""
    from numba import njit, prange, threading_layer

    from numbakmeans import kmeans2

    @njit(cache=True, parallel=True)
    def labels_of(problems):
        labels = np.full(problems.shape[:2], -7, np.int32)
        for b in prange(len(problems)):
            labels[b] = kmeans2(problems[b], problems[b, :3], 4, minit="matrix")[1]
        return labels

    problems = np.random.default_rng(0).normal(size=(8, 40, 3))
    right = np.stack([kmeans2(problem, problem[:3], 4)[1] for problem in problems])
    for bad in range(8):
        spoilt = problems.copy()
        spoilt[bad, 3, 1] = np.nan
        try:
            found = labels_of(spoilt)
        except (SystemError, ValueError):
            assert threading_layer() != "workqueue"
        else:
            undone = (found == -7).all(axis=1)
            assert undone[bad]
            assert (undone | (found == right).all(axis=1)).all()
        assert np.array_equal(labels_of(problems), right)
    return True
