"""Every algorithm, in place and in slabs, gives the oracle's bits on data that hypothesis generates."""

import numba
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import variants

from numbakmeans import fit
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.samples import Samples


@st.composite
def problems(draw):
    """Draw rows, starting centers, passes, threads, and whether bounds are checked even if it does not pay.

    The rows are noise, blobs or ties, at any scale and offset.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_samples, n_features = draw(st.integers(1, 400)), draw(st.integers(1, 60))
    n_clusters = draw(st.integers(1, 120))
    kind = draw(st.sampled_from(["noise", "blobs", "grid", "few distinct rows", "one line"]))
    if kind == "grid":
        X = rng.integers(0, draw(st.integers(1, 4)), size=(n_samples, n_features)).astype(float)
    elif kind == "few distinct rows":
        X = rng.normal(size=(5, n_features))[rng.integers(5, size=n_samples)]
    elif kind == "one line":
        X = np.outer(rng.normal(size=n_samples), rng.normal(size=n_features))
    else:
        X = rng.normal(size=(n_samples, n_features))
        if kind == "blobs":
            X = X * 0.1 + rng.normal(size=(9, n_features))[rng.integers(9, size=n_samples)]
    X = X * 10.0 ** draw(st.integers(-30, 30)) + draw(st.sampled_from([0.0, 1.0, 1e4]))
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    centers = X[rng.integers(n_samples, size=n_clusters)].astype(np.float64)
    if draw(st.booleans()):
        centers += rng.normal(size=centers.shape) * np.abs(X).max()
    order = draw(st.sampled_from(["C", "F"]))
    threads, asked = draw(st.sampled_from([1, 3, 8])), draw(st.booleans())
    return np.asarray(X, order=order), centers, draw(st.integers(1, 5)), threads, asked


def differences(X, centers, n_iter, right):
    """Return the variants whose centers, labels or numbers of empty clusters differ from the right ones."""
    right_centers, right_labels, empties = right
    wrong = []
    for variant in variants.VARIANTS:
        got = variants.iterate(Samples(X), centers, n_iter, variant)
        same = np.array_equal(got.labels, right_labels) and got.n_empty == empties[-1]
        if not same or got.centers[:, : X.shape[1]].astype(X.dtype).tobytes() != right_centers.tobytes():
            wrong.append(variant)
    return wrong


@settings(max_examples=150)
@given(problems())
def test_every_variant_gives_the_oracles_bits(problem):
    X, centers, n_iter, threads, asked = problem
    before = numba.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        for name in ("MIN_PARALLEL_STEPS", "MAX_COPY_BYTES", "MAX_SLAB_BYTES"):
            patch.setattr(at, name, 0)
        patch.setattr(at, "MAX_SMALL_STEPS", {4: 0, 8: 0})
        patch.setattr(at, "MAX_REFINED_STEPS", 0)
        if asked:
            variants.check_all_bounds(patch.setattr)
        numba.set_num_threads(threads)
        right = oracle.kmeans2(X, centers, n_iter)
        assert differences(X, centers, n_iter, right) == []
        labels, sq_dists = nearest(Samples(X), centers)
        result = fit(X, centers, max_iter=n_iter)
        numba.set_num_threads(before)
    right_labels, right_dists = oracle.assign(X, centers)
    assert np.array_equal(labels, right_labels)
    assert sq_dists.tobytes() == right_dists.tobytes()
    right_centers, right_labels, _ = right
    assert np.array_equal(result.labels, right_labels)
    assert result.centers.tobytes() == right_centers.tobytes()


def test_a_difference_would_be_noticed():
    """The control."""
    X = np.random.default_rng(0).normal(size=(50, 3))
    centers, labels, empties = oracle.kmeans2(X, X[:4], 3)
    assert differences(X, X[:4], 3, (centers, labels, empties)) == []
    assert differences(X, X[:4], 3, (np.nextafter(centers, 9), labels, empties)) == variants.VARIANTS
    assert differences(X, X[:4], 3, (centers, labels[::-1], empties)) == variants.VARIANTS
