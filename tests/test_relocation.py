"""Empty clusters take the rows that cost most, and a tolerance ends the passes: the oracle's bits."""

import functools

import numpy as np
import oracle
import pytest
from support import edge_cases, variants
from support.comparison import count_broken

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.distances import pad_centers
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
            np.array([[-5.0], [10.0], [20.0], [500.0], [600.0]]),
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
            known[given] = oracle.lloyd(X, centers, n_iter, weights_of(X, weighted), relocates=True)[:3]
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


def relocated(X, weights, centers, n_iter, variant, **rules):
    with variants.forced(variant) as algorithm:
        samples = Samples(X, weights)
        return _fit.iterate(samples, centers, n_iter, relocates=True, algorithm=algorithm, **rules)


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_relocates_alike(name, dtype, weighted, variant, answers):
    X, centers = cases(dtype)[name]
    for n_iter in (1, 2, 5):
        got = relocated(X, weights_of(X, weighted), centers, n_iter, variant)
        assert same(got, X, answers(name, dtype, weighted, n_iter)), n_iter


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
def test_relocation_and_any_number_of_threads(variant, threads, answers):
    X, centers = cases(np.float64)["ties"]
    assert same(relocated(X, None, centers, 5, variant), X, answers("ties", np.float64, False, 5))


@checking
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["centers far out", "ties", "many panels"])
def test_bounds_hold_after_a_relocation(name, dtype):
    """In results, stale bounds would hardly show: the center that takes a row lies on it at first."""
    X, centers = cases(dtype)[name]
    samples, wide = Samples(X), pad_centers(centers)
    plan = _plan.sweep(X.shape, X.size * len(centers))
    algorithm = ALGORITHMS["yinyang"](samples, plan, samples.transform(wide))
    tables, labels = algorithm.tables(len(centers)), np.full(len(X), -1, np.int32)
    algorithm.run(wide, labels, tables)
    before = labels.copy()
    assert algorithm._relocate(wide, labels, tables) > 0
    assert (before != labels).any()
    assert count_broken(algorithm, X, wide, labels) == 0


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


TOLERANCES = (1e-6, 1e-3, 1e-2, 0.3, 30.0, 1e30)


@functools.cache
def answers_within(name, dtype):
    """Return the oracle's answer for each tolerance."""
    X, centers = edge_cases.cases(dtype)[name]
    return [oracle.lloyd(X, centers, 20, tol=tol)[:3] for tol in TOLERANCES]


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["normal", "ties on a grid", "empty clusters"])
def test_a_tolerance_ends_the_passes(name, dtype, variant):
    X, centers = edge_cases.cases(dtype)[name]
    answers = answers_within(name, dtype)
    for tol, answer in zip(TOLERANCES, answers, strict=True):
        with variants.forced(variant) as algorithm:
            got = _fit.iterate(Samples(X), centers, 20, tol=tol, algorithm=algorithm)
        assert same(got, X, answer), tol
        assert got.converged or got.n_iter == 20
    # The largest tolerances end the passes at once, before the labels settle.
    assert got.converged
    assert not got.settled
    assert len({n_iter for *_, n_iter in answers}) > 1


def test_another_row_or_pass_is_noticed():
    """The negative control."""
    X, centers = cases(np.float64)["ties"]
    expected = oracle.lloyd(X, centers, 2, relocates=True)[:3]
    assert same(relocated(X, None, centers, 2, "lloyd"), X, expected)
    assert not same(relocated(X, None, centers, 3, "lloyd"), X, expected)
    assert not same(_fit.iterate(Samples(X), centers, 2), X, expected)
