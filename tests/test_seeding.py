"""Starting centers: the oracle's picks, SciPy's streams, no dependence on threads."""

import itertools
import threading

import numpy as np
import oracle
import pytest
import ugly
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans import _plan
from numbakmeans import _seeding as seeding
from numbakmeans._fit import seed
from numbakmeans._kernels.pairwise import leaves_of, sum_leaf, sum_leaves
from numbakmeans._samples import Samples


def picks_of(X, first, uniforms):
    place = seeding.SEEDINGS["++"].place
    return place(Samples(X), len(uniforms) + 1, np.array([first]), np.array(uniforms))


def pick_case(X, first, uniforms):
    with np.errstate(all="ignore"):
        picks = oracle.plus_plus(X, first, uniforms)
    return picks_of(X, first, uniforms).tobytes() == X[picks].astype(np.float64).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ugly.cases(np.float64))
def test_plus_plus_on_ugly_data(name, dtype, threads):
    X, centers = ugly.cases(dtype)[name]
    rng = np.random.default_rng(4)
    assert pick_case(X, int(rng.integers(len(X))), rng.random(len(centers)).tolist())


@pytest.mark.parametrize("edge", [0.0, 1e-300, 0.5, np.nextafter(1, 0)])
def test_plus_plus_at_the_edges_of_the_draw(edge, threads):
    X, _ = ugly.cases(np.float64)["normal"]
    assert pick_case(X, 3, [edge] * 5)
    # Where rounding leaves the last running sum below the draw, SciPy raises IndexError.
    D = oracle.sq_dists(X, X[[3]]).min(1)
    if np.cumsum(D / D.sum())[-1] < edge:
        assert np.array_equal(picks_of(X, 3, [edge])[1], X[np.flatnonzero(D > 0)[-1]])


def test_some_data_leaves_the_last_running_sum_below_one():
    """The branch that the test above is about exists."""
    rng = np.random.default_rng(0)
    sums = [np.cumsum(D / D.sum())[-1] for D in rng.random((50, 257))]
    assert min(sums) < np.nextafter(1, 0)
    D = next(D for D in rng.random((50, 257)) if np.cumsum(D / D.sum())[-1] < np.nextafter(1, 0))
    assert seeding.scan_pick(D, D.sum(), np.nextafter(1, 0)) == 256


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plus_plus_over_many_leaves(dtype, threads):
    X, _ = ugly.wide_enough(dtype)
    plan = _plan.sweep(X.shape, work=X.size)
    assert plan.n_slots == threads
    assert len(leaves_of(len(X))[1]) >= 3 * threads
    assert pick_case(X, 5, np.random.default_rng(8).random(6).tolist())


def test_fewer_distinct_rows_than_picks(threads):
    X = np.repeat(np.eye(3), 20, axis=0)
    assert pick_case(X, 0, [0.2, 0.9, 0.3, 0.7, 0.1])


def leaf_sums_of(D):
    starts, depths = leaves_of(len(D))
    sums = np.array([sum_leaf(D, a, b) for a, b in itertools.pairwise(starts)])
    return starts, sums, sum_leaves(sums, depths)


@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_the_certain_pick_is_the_scanned_one(number, n):
    rng = np.random.default_rng(number)
    D = rng.random(n) ** rng.integers(1, 30)
    starts, sums, total = leaf_sums_of(D)
    running = np.cumsum(D / total)
    # Draws on, just under and just over the limits between rows, and anywhere.
    limits = running[rng.integers(0, n, 5)]
    for uniform in (*limits, *np.nextafter(limits, 0), *np.nextafter(limits, 2), *rng.random(5)):
        certain = seeding.certain_pick(D, starts, sums, total, uniform)
        scanned = seeding.scan_pick(D, total, uniform)
        assert certain in (-1, scanned)
        assert seeding.pick_row(D, starts, sums, total, uniform) == scanned


def test_most_picks_are_certain_and_limits_are_not():
    D = np.random.default_rng(6).random(5000)
    starts, sums, total = leaf_sums_of(D)
    running = np.cumsum(D / total)
    middles = (running[:-1] + running[1:]) / 2
    assert all(seeding.certain_pick(D, starts, sums, total, u) == i + 1 for i, u in enumerate(middles))
    # The negative control: on a limit the sum by leaves may be off by one row, and says so.
    assert all(seeding.certain_pick(D, starts, sums, total, u) == -1 for u in running[:100])


@pytest.mark.parametrize("method", seeding.SEEDINGS)
@pytest.mark.parametrize("name", ["normal", "offset 1e8", "more features than rows", "one feature"])
def test_every_method_gives_the_same_bits_for_any_threads(method, name, threads):
    X, _ = ugly.cases(np.float64)[name]
    got = seed(Samples(X), 3, method, np.random.default_rng(1))
    assert got.tobytes() == ONE_THREAD.setdefault((method, name), got).tobytes()
    assert got.dtype == np.float64


ONE_THREAD = {}


@pytest.mark.parametrize("method", seeding.SEEDINGS)
def test_the_lock_is_held_while_drawing(method, monkeypatch):
    rng = np.random.default_rng(0)
    row = seeding.SEEDINGS[method]
    free = []

    def try_lock():
        free.append(rng.bit_generator.lock.acquire(blocking=False))
        if free[-1]:
            rng.bit_generator.lock.release()

    def ask_from_another_thread(*args):
        # The lock is reentrant: its owner would get it again.
        thread = threading.Thread(target=try_lock)
        thread.start()
        thread.join()
        return row.draw(*args)

    monkeypatch.setitem(seeding.SEEDINGS, method, row._replace(draw=ask_from_another_thread))
    seed(Samples(np.eye(5)), 3, method, rng)
    ask_from_another_thread(rng, 5, 3, 5)
    assert free == [False, True]


def factor_of(matrix):
    upper = matrix.copy()
    seeding.factor(upper)
    return np.triu(upper)


def test_the_factor_is_choleskys():
    A = np.random.default_rng(2).normal(size=(30, 12))
    matrix = A.T @ A
    assert np.allclose(factor_of(matrix), np.linalg.cholesky(matrix).T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dependent", [0, 3, 7])
def test_the_factor_of_a_singular_matrix(dependent):
    A = np.random.default_rng(2).normal(size=(30, 8))
    A[:, dependent] = 2 * A[:, (dependent + 1) % 8] - A[:, (dependent + 2) % 8]
    matrix = A.T @ A
    upper = factor_of(matrix)
    assert np.allclose(upper.T @ upper, matrix, rtol=1e-10, atol=1e-10)
    assert not factor_of(np.zeros((3, 3))).any()


def test_one_row_has_no_spread():
    X = np.array([[3.0]])
    assert seed(Samples(X), 2, "random", np.random.default_rng(0)).tolist() == [[3.0], [3.0]]
    assert seed(Samples(np.ones((1, 4))), 2, "random", np.random.default_rng(0)).tolist() == [[1.0] * 4] * 2


def test_random_follows_the_data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(4000, 3)) @ np.array([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 0.1]]) + 7
    centers = seed(Samples(X), 200_000, "random", rng)
    assert np.allclose(np.cov(centers.T), np.cov(X.T), atol=0.05)
    assert np.allclose(centers.mean(0), X.mean(0), atol=0.02)
