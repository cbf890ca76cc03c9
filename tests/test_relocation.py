"""Empty clusters take the rows that cost most, and a tolerance ends the passes: the oracle's bits."""

import numpy as np
import oracle
import pytest
import ugly
import ways

from numbakmeans._engine import fit as _fit
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
checking = pytest.mark.usefixtures("bounds_checked")


def cases(dtype):
    """Return data whose starting centers leave many clusters empty: name -> (X, centers)."""
    rng = np.random.default_rng(41)
    normal, grid = rng.normal(size=(300, 5)), rng.integers(0, 4, size=(300, 3)).astype(float)
    wide = rng.normal(size=(40, 48)) * 3
    crowd = wide[rng.integers(40, size=500)] + rng.normal(size=(500, 48)) * 0.5
    far = np.arange(12.0)[:, None] * np.ones(5) * 50 + 100
    out = {
        "centers far out": (normal, np.vstack([normal[:4], far])),
        "equal centers": (normal, np.repeat(normal[:3], 6, axis=0)),
        "ties": (grid, np.vstack([grid[:2], np.full((7, 3), 99.0)])),
        "few distinct rows": (np.repeat(grid[:3], 20, axis=0), np.full((5, 3), 50.0)),
        "all rows equal": (np.ones((30, 2)), np.array([[0.0, 0], [1, 1], [5, 5]])),
        "as many clusters as rows": (normal[:12], np.vstack([normal[:6], far[:6]])),
        "more clusters than rows": (normal[:4], np.vstack([normal[:4], far[:4]])),
        "few rows each": (
            np.array([[0.0], [10.0], [10.5], [20.0], [20.25], [20.5]]),
            np.array([[0.0], [10.0], [20.0], [500.0], [600.0]]),
        ),
        "many panels": (crowd, np.vstack([crowd[:70], crowd[:1].repeat(60, axis=0) + 1e3])),
        "one feature": (normal[:, :1], np.vstack([normal[:3, :1], far[:6, :1]])),
        "two features": (normal[:, :2], np.vstack([normal[:3, :2], far[:6, :2]])),
    }
    return {name: (X.astype(dtype), centers.astype(dtype)) for name, (X, centers) in out.items()}


NAMES = list(cases(np.float64))


@pytest.fixture(scope="module")
def answers():
    known = {}

    def answer(*given):
        if given not in known:
            name, dtype, weighted, n_iter = given
            X, centers = cases(dtype)[name]
            known[given] = oracle.fit(X, centers, n_iter, weights_of(X, weighted), relocates=True)
        return known[given]

    return answer


def weights_of(X, weighted):
    return np.random.default_rng(6).integers(0, 3, size=len(X)) * 0.7 + 1e-9 if weighted else None


def same(got, X, expected):
    centers, labels, n_iter = expected
    return (
        got.centers[:, : X.shape[1]].astype(X.dtype).tobytes() == centers.tobytes()
        and np.array_equal(got.labels, labels)
        and got.n_iter == n_iter
    )


def relocated(X, weights, centers, n_iter, way, **rules):
    with ways.forced(way) as algorithm:
        samples = Samples(X, weights)
        return _fit.iterate(samples, centers, n_iter, relocates=True, algorithm=algorithm, **rules)


@checking
@pytest.mark.parametrize("way", ways.WAYS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_relocates_alike(name, dtype, weighted, way, answers):
    X, centers = cases(dtype)[name]
    for n_iter in (1, 2, 5):
        got = relocated(X, weights_of(X, weighted), centers, n_iter, way)
        assert same(got, X, answers(name, dtype, weighted, n_iter)), n_iter


@checking
@pytest.mark.parametrize("way", ways.WAYS)
def test_relocation_and_any_number_of_threads(way, threads, answers):
    X, centers = cases(np.float64)["ties"]
    assert same(relocated(X, None, centers, 5, way), X, answers("ties", np.float64, False, 5))


@pytest.mark.parametrize("name", NAMES)
def test_no_cluster_stays_empty_that_could_have_a_row(name):
    X, centers = cases(np.float64)[name]
    got = relocated(X, None, centers, 300, "lloyd")
    assert got.settled
    assert got.n_empty == max(0, len(centers) - len(np.unique(X, axis=0)))


def test_a_relocation_makes_the_inertia_smaller():
    X, centers = cases(np.float64)["centers far out"]
    kept, moved = (_fit.iterate(Samples(X), centers, 30, relocates=relocates) for relocates in (False, True))
    assert _fit.inertia_of(Samples(X), moved.centers, moved.labels) < 0.9 * _fit.inertia_of(
        Samples(X), kept.centers, kept.labels
    )


@checking
@pytest.mark.parametrize("way", ways.WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["normal", "ties on a grid", "empty clusters", "many clusters", "offset 1e8"]
)
def test_a_tolerance_ends_the_passes(name, dtype, way):
    X, centers = ugly.cases(dtype)[name]
    settled = oracle.fit(X, centers, 50)[2]
    seen = set()
    for tol in (1e-6, 1e-3, 1e-2, 0.3, 30.0, 1e30):
        right_centers, right_labels, n_iter = oracle.fit(X, centers, 50, tol=tol)
        with ways.forced(way) as algorithm:
            got = _fit.iterate(Samples(X), centers, 50, tol=tol, algorithm=algorithm)
        assert same(got, X, (right_centers, right_labels, n_iter)), tol
        assert got.converged
        assert got.settled or n_iter < settled
        seen.add(n_iter)
    assert 1 in seen
    assert len(seen) > 1


def test_another_row_or_pass_is_noticed():
    """The negative control."""
    X, centers = cases(np.float64)["ties"]
    expected = oracle.fit(X, centers, 2, relocates=True)
    assert same(relocated(X, None, centers, 2, "lloyd"), X, expected)
    assert not same(relocated(X, None, centers, 3, "lloyd"), X, expected)
    assert not same(_fit.iterate(Samples(X), centers, 2), X, expected)
