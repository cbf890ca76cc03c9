"""Starts over the same few rows, side by side: the bits of a fit of their own."""

import numpy as np
import pytest
from support import edge_cases
from support.package_copies import copy_with, run_tests

from numbakmeans import KMeans
from numbakmeans._engine import restarts as _restarts
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.fit import iterate
from numbakmeans._engine.restarts import are_small, iterate_each
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
RULES = [
    {},
    {"tol": 1e-3},
    {"relocates": True},
    {"relocates": True, "tol": 1e-3},
    {"stop_on_empty": True},
]


def starts_of(centers):
    """Return starts: the given one, others near it, and one with a center that no row is near."""
    rng = np.random.default_rng(2)
    spread = np.abs(centers).max() * 0.01
    near = [centers + rng.normal(size=centers.shape) * spread for _ in range(4)]
    far = centers.astype(np.float64)
    far[-1] = far[-1] * 3 + 4 * np.abs(centers).max()
    return [centers, *near, far]


def fields_of(passes):
    """Return all but the statistics, which depend on the algorithm."""
    return [np.asarray(field).tobytes() for field in passes[: passes._fields.index("n_decided")]]


def different(samples, starts, **rules):
    """Return the starts whose passes differ from those of a fit of their own."""
    each = list(iterate_each(samples, starts, 20, **rules))
    alone = [iterate(samples, start, 20, algorithm="small", **rules) for start in starts]
    assert len(each) == len(starts)
    # Labels do not keep those of the other starts alive.
    assert all(passes.labels.base is None for passes in each)
    return [
        s for s, pair in enumerate(zip(each, alone, strict=True)) if fields_of(pair[0]) != fields_of(pair[1])
    ]


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["normal", "ties on a grid", "mixed scales", "one feature", "empty clusters", "denormal"]
)
def test_starts_side_by_side_are_fits_of_their_own(name, dtype, weighted, rules, threads):
    X, centers = edge_cases.cases(dtype)[name]
    samples = Samples(X, np.arange(len(X)) % 3 * 0.7 if weighted else None)
    if not samples.summable:
        assert not are_small(samples, len(centers))
        return
    assert different(samples, starts_of(centers), **rules) == []


def test_starts_that_the_kernel_leaves_unsolved_are_solved(monkeypatch):
    X, centers = edge_cases.cases(np.float64)["normal"]
    solved = []
    monkeypatch.setattr(_restarts, "iterate", lambda *a, **k: solved.append(1) or iterate(*a, **k))
    assert different(Samples(X), starts_of(centers), relocates=True) == []
    assert 0 < len(solved) < 6


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("name", ["normal", "empty clusters"])
def test_starts_that_take_longer_than_a_call_go_on(name, rules, monkeypatch):
    X, centers = edge_cases.cases(np.float64)[name]
    calls, solve = [], _restarts._solve
    monkeypatch.setattr(_restarts, "_solve", lambda *a: calls.append(len(a[1])) or solve(*a))
    monkeypatch.setattr(_restarts, "_passes_per_call", lambda *_: 3)
    assert different(Samples(X), starts_of(centers), **rules) == []
    assert calls[0] == 6
    assert calls == sorted(calls, reverse=True)
    assert len(calls) > 1 or name != "normal"


def test_few_starts_at_a_time_for_many_rows(monkeypatch):
    X, centers = edge_cases.cases(np.float64)["normal"]
    calls, solve = [], _restarts._solve
    monkeypatch.setattr(_restarts, "_solve", lambda *a: calls.append(len(a[1])) or solve(*a))
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 4 * 4 * len(X))
    assert different(Samples(X), starts_of(centers)) == []
    assert calls == [4, 2]


def test_calls_for_many_starts_are_as_short_as_for_one(monkeypatch):
    samples = Samples(np.zeros((1000, 5)))
    monkeypatch.setattr(_restarts._plan, "threads", lambda: 2)
    one, some, many = (_restarts._passes_per_call(samples, 10, n_starts) for n_starts in (1, 8, 10**9))
    assert 3.9 < one / some <= 4.1
    assert many == 1


def test_large_problems_and_special_values_are_not_solved_side_by_side():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    assert are_small(Samples(X), 4)
    assert not are_small(Samples(rng.normal(size=(at.MAX_SMALL_VALUES, 2))), 4)
    X[5] = np.nan
    assert not are_small(Samples(X), 4)
    weights = np.ones(100)
    weights[:2] = 1e300, 1e-300
    assert not are_small(Samples(X[6:], weights[:94]), 4)


def some_rows(X, n_clusters, random_state):
    return X[random_state.permutation(40)[:n_clusters]]


@pytest.mark.parametrize("empty_clusters", ["relocate", "keep"])
@pytest.mark.parametrize("init", ["k-means++", "random", some_rows])
def test_a_history_changes_no_result(init, empty_clusters):
    """With one, the starts are fitted one after the other."""
    X = np.random.default_rng(4).normal(size=(200, 3))
    options = {"init": init, "n_init": 6, "random_state": 3, "empty_clusters": empty_clusters}
    each, alone = KMeans(9, **options), KMeans(9, keep_history=True, **options)
    each.fit(X), alone.fit(X)
    for name in ("cluster_centers_", "labels_", "inertia_", "n_iter_", "converged_", "n_empty_"):
        assert np.asarray(getattr(each, name)).tobytes() == np.asarray(getattr(alone, name)).tobytes()
    assert each.inertia_ == min(alone.inertias_)


def test_a_fault_is_found(tmp_path):
    """The control: starts that tell of one pass more than they made."""
    line = "outcomes[b, 3], outcomes[b, 4] = n_iter,"
    copy_with(tmp_path, "_engine/kernels/small.py", line, line.replace("n_iter", "n_iter + 1"))
    test = f"{__file__}::test_starts_that_the_kernel_leaves_unsolved_are_solved"
    found = run_tests(tmp_path, test)
    assert found.returncode == 1, found.stdout
    assert "AssertionError" in found.stdout
