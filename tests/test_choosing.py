"""choose_k: the measures are those of their definitions, and the right number of clusters is found."""

import numpy as np
import pytest
from sklearn.metrics import davies_bouldin_score

from numbakmeans import Blocks, choose_k, fit
from numbakmeans import _choosing as choosing

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3)) + 8 * np.eye(4, 3)[RNG.integers(0, 4, 400)]


def measures(X, centers, weights):
    """Return inertia and simplified silhouette by their definitions, in plain NumPy."""
    dists = np.sqrt(((X[:, None] - centers[None]) ** 2).sum(2))
    a, b = np.sort(dists, axis=1)[:, :2].T if len(centers) > 1 else (dists[:, 0], np.full(len(X), np.nan))
    return (weights * a**2).sum(), (weights * (b - a) / np.maximum(a, b)).sum() / weights.sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_measures_are_those_of_their_definitions(dtype, weighted, monkeypatch):
    monkeypatch.setattr(choosing, "MAX_DISTANCES", 1000)
    rows = X.astype(dtype)
    weights = RNG.integers(0, 4, len(X)).astype(float) if weighted else np.ones(len(X))
    choice = choose_k(rows, range(1, 9), rng=1, sample_weight=weights if weighted else None)
    for number, inertia, silhouette, centers in zip(
        choice.k, choice.inertia, choice.silhouette, choice.centers, strict=True
    ):
        assert centers.shape == (number, 3)
        right = measures(rows.astype(float), centers.astype(float), weights)
        np.testing.assert_allclose((inertia, silhouette), right, rtol=1e-5)
    assert np.isnan(choice.silhouette[0])
    assert choice.best == choice.elbow == 4


def test_the_index_of_davies_and_bouldin_is_scikit_learns():
    choice = choose_k(X, range(2, 7), rng=0, tol=0)
    for index, centers in zip(choice.davies_bouldin, choice.centers, strict=True):
        labels = fit(X, centers, max_iter=1).labels
        np.testing.assert_allclose(index, davies_bouldin_score(X, labels), rtol=1e-9)


def test_blocks_and_threads_give_the_same_bits(threads):
    right = choose_k(X, [2, 5, 3], rng=0, n_init=2)
    other = choose_k(Blocks([X[:7], X[7:]]), (5, 3, 2), rng=np.random.default_rng(0), n_init=2)
    for one, two in zip(right, other, strict=True):
        if isinstance(one, tuple):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))
        else:
            assert np.array_equal(one, two)


def test_more_starts_are_no_worse():
    one, many = (choose_k(X, range(2, 12), rng=3, n_init=n) for n in (1, 8))
    assert (many.inertia <= one.inertia).all()
    assert (many.inertia < one.inertia).any()


def test_what_is_told_about_progress():
    told = []
    choose_k(X, [2, 3, 7], rng=0, n_init=2, progress=lambda done, of: told.append((done, of)))
    assert told == [(n, 6) for n in range(6)]


def test_equal_rows():
    choice = choose_k(np.ones((5, 2)), [1, 2, 3], rng=0)
    assert choice.inertia.tolist() == [0.0, 0.0, 0.0]
    assert choice.silhouette[1:].tolist() == [0.0, 0.0]
    assert (choice.elbow, choice.best) == (1, 2)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"X": [1.0, 2.0]}, ValueError, "X must be a non-empty 2-D array"),
        ({"X": [[1.0], [np.nan]]}, ValueError, "X must not contain infs or NaNs, but has nan in row 1"),
        ({"k": [3]}, ValueError, "k must hold two or more numbers"),
        ({"k": [0, 3]}, ValueError, "each at least 1"),
        ({"k": [2, 401]}, ValueError, "k must be at most the number of rows, 400, got 401"),
        ({"k": [2.5, 3]}, TypeError, "k must hold integers"),
        ({"k": 3}, TypeError, "k must hold integers"),
        ({"n_init": 0}, ValueError, "n_init must be at least 1"),
        ({"sample_weight": np.zeros(400)}, ValueError, "sample_weight must have a weight above zero"),
    ],
)
def test_bad_arguments(given, error, words):
    with pytest.raises(error, match=words):
        choose_k(**{"X": X, **given})
