"""fit: its results are consistent."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from support import edge_cases

from numbakmeans import FitResult, fit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_iter", [1, 2, 50])
def test_results_are_consistent(dtype, max_iter, threads):
    X, centers = edge_cases.cases(dtype)["normal"]
    result = fit(X, centers, max_iter=max_iter)
    right_centers, right_labels, empties = oracle.kmeans2(X, centers, max_iter)
    assert isinstance(result, FitResult)
    assert result.centers.tobytes() == right_centers.tobytes()
    assert np.array_equal(result.labels, right_labels)
    D = oracle.sq_dists(X, result.centers)[np.arange(len(X)), result.labels]
    assert result.inertia == float(sum(map(Fraction, D.tolist())))
    assert result.n_empty == empties[-1]
    assert result.n_iter <= max_iter
    assert result.converged == (max_iter == 50)


def test_a_converged_fit_is_a_fixed_point():
    X, centers = edge_cases.cases(np.float64)["normal"]
    result = fit(X, centers)
    again = fit(X, result.centers, max_iter=1)
    assert result.converged
    assert np.array_equal(again.labels, result.labels)
    assert again.centers.tobytes() == result.centers.tobytes()


def test_it_stops_only_when_nothing_moves():
    X, centers = edge_cases.cases(np.float64)["normal"]
    n_iter = fit(X, centers).n_iter
    # The last pass found the labels of the pass before it, which had changed some.
    labels = [oracle.kmeans2(X, centers, n)[1] for n in (n_iter - 2, n_iter - 1, n_iter)]
    assert not np.array_equal(labels[0], labels[1])
    assert np.array_equal(labels[1], labels[2])


def test_empty_clusters_keep_their_center():
    X, centers = edge_cases.cases(np.float64)["empty clusters"]
    result = fit(X, centers)
    assert result.n_empty == 2
    assert np.array_equal(result.centers[3:], centers[3:])


def test_inertia_may_be_infinite():
    X = np.array([[1e200], [-1e200]])
    assert fit(X, np.array([[0.0]])).inertia == np.inf


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"X": [[1, 2], [3]]}, ValueError, "X cannot be read as an array"),
        ({"X": [1.0, 2.0]}, ValueError, "X must be a non-empty 2-D array"),
        ({"X": np.zeros((0, 2))}, ValueError, "X must be a non-empty 2-D array"),
        ({"X": [["a", "b"]]}, TypeError, "X must hold real numbers"),
        ({"X": [[1.0, np.nan]]}, ValueError, "X must not contain infs or NaNs"),
        ({"centers": [[1.0, 2.0, 3.0]]}, ValueError, "centers has 3 features, but X has 2"),
        ({"centers": [[1.0, np.inf]]}, ValueError, "centers must not contain infs or NaNs"),
        ({"centers": 3}, ValueError, "centers must be a non-empty 2-D array"),
        ({"centers": [[1j, 2]]}, TypeError, "centers must hold real numbers"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"max_iter": 2.5}, TypeError, "max_iter must be an integer"),
    ],
)
def test_bad_input(kwargs, error, words):
    X = np.arange(10.0).reshape(5, 2)
    arguments = {"X": X, "centers": X[:2], **kwargs}
    with pytest.raises(error, match=words):
        fit(**arguments)


def test_progress_is_called_after_each_pass_and_may_end_the_fit():
    X = np.random.default_rng(0).normal(size=(200, 2))
    told = []
    result = fit(X, X[:5], progress=lambda *state: told.append(state))
    assert [n for n, _ in told] == list(range(1, result.n_iter + 1))
    assert told[0][1] == len(X)
    assert told[-1][1] == 0

    def enough(n, _):
        if n == 2:
            raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        fit(X, X[:5], progress=enough)
    with pytest.raises(TypeError, match="progress must be callable, got 3"):
        fit(X, X[:5], progress=3)


def test_weights_tolerance_and_relocation_reach_the_passes():
    rng = np.random.default_rng(4)
    X, weights = rng.normal(size=(80, 3)), rng.random(80)
    start = np.vstack([X[:4], [[99.0] * 3]])
    got = fit(X, start, max_iter=9, tol=1e-3, sample_weight=weights, empty_clusters="relocate")
    limit = 1e-3 * np.var(X, axis=0).mean()
    centers, _, n_iter, converged, _ = oracle.lloyd(X, start, 9, weights, True, limit)
    assert got.centers.tobytes() == centers.tobytes()
    assert (got.n_iter, got.converged, got.n_empty) == (n_iter, converged, 0)
    # The tolerance has ended it: the labels are those of the centers returned.
    assert np.array_equal(got.labels, oracle.assign(X, centers)[0])
    assert got.inertia == oracle.inertia(X, centers, got.labels, weights)
    plain = fit(X, start, max_iter=9)
    assert plain.n_empty == 1
    assert plain.n_iter > got.n_iter


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "tol must not be negative, got -1.0"),
        ({"tol": float("nan")}, "tol must not be negative"),
        ({"empty_clusters": "drop"}, "empty_clusters must be one of"),
        ({"sample_weight": [1.0]}, "sample_weight must hold a weight for each of 4 rows"),
        (
            {"sample_weight": [1.0, -1.0, 1.0, 1.0]},
            "sample_weight must be finite and not negative, got -1.0 for row 1",
        ),
        ({"sample_weight": [0.0] * 4}, "sample_weight must have a weight above zero"),
        (
            {"sample_weight": [1.0, float("inf"), 1.0, 1.0]},
            "must be finite and not negative, got inf for row 1",
        ),
    ],
)
def test_bad_options_of_weighted_fits(options, message):
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match=message):
        fit(X, X[:2], **options)
