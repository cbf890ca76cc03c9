"""Compare results bit for bit, and the passes of an algorithm with the oracle's."""

import numpy as np
import oracle

from numbakmeans._engine.samples import Samples
from support import variants

PASSES = 4


def bits(*parts):
    """Return the dtypes, shapes and bytes of some results."""
    return [(np.asarray(part).dtype, np.shape(part), np.asarray(part).tobytes()) for part in parts]


def expected_passes(X, centers):
    """Return centers, labels and empty clusters after each pass, and the first pass that moved no row."""
    passes, empties, before, still = [], [], None, None
    with np.errstate(all="ignore"):
        for n_iter in range(1, PASSES + 1):
            centers, labels, of_pass = oracle.kmeans2(X, centers, 1)
            empties = [*empties, *of_pass]
            if still is None and np.array_equal(labels, before):
                still = n_iter
            passes.append((centers, labels, empties, still))
            before = labels
    return passes


def differences(X, centers, expected, variant):
    """Return which results differ from the oracle's, for each number of passes."""
    wrong = []
    for n_iter, (right_centers, right_labels, empties, still) in enumerate(expected, start=1):
        got = variants.iterate(Samples(X), centers, n_iter, variant)
        got_centers = got.centers[:, : X.shape[1]].astype(X.dtype)
        if not np.array_equal(got.labels, right_labels):
            wrong.append((n_iter, "labels"))
        if got_centers.tobytes() != right_centers.tobytes():
            wrong.append((n_iter, "centers"))
        if got.n_empty != empties[-1] or got.ever_empty != any(empties):
            wrong.append((n_iter, "empties"))
        if (got.n_iter, got.converged) != (still or n_iter, still is not None):
            wrong.append((n_iter, "passes"))
    return wrong


def count_broken(algorithm, X, centers, labels, spoil=1.0):
    """Return how many bounds of a `Yinyang` do not hold for (padded) centers; spoil : tightens the bounds."""
    every = np.arange(len(X))
    differences = X.astype(np.float64)[:, None, :] - centers[None, :, : X.shape[1]]
    distances = np.sqrt((differences**2).sum(2)) * algorithm.transform.scale
    own = distances[every, labels].copy()
    distances[every, labels] = np.inf
    lower = algorithm.lower.transpose(0, 2, 1).reshape(-1, algorithm.lower.shape[1])[: len(X)]
    n_broken = int((algorithm.upper < own * spoil).sum())
    for g in range(lower.shape[1]):
        n_broken += int((lower[:, g] * spoil > distances[:, algorithm.groups == g].min(1)).sum())
    return n_broken
