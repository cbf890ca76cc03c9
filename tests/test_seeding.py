"""Starting centers: the oracle's picks, SciPy's random streams, independence of threads."""

import itertools
from pathlib import Path

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import edge_cases
from support.package_copies import copy_with, run_tests

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.fit import seed
from numbakmeans._engine.kernels import gaussian, plus_plus, quantization
from numbakmeans._engine.kernels.pairwise import sum_leaf, sum_leaves
from numbakmeans._engine.samples import Samples, padded
from numbakmeans._engine.seeding import SEEDINGS
from numbakmeans._engine.seeding import plus_plus as seeding
from numbakmeans._engine.structs.seeds import GROUP_LANES, POINTS_AT_ONCE, Job, QuantizedRows


@pytest.fixture(params=["quantized", "not quantized"])
def quantized(request, monkeypatch):
    """Quantize rows whatever the number of picks, or never."""
    monkeypatch.setattr(at, "MIN_QUANTIZED_PICKS", 0 if request.param == "quantized" else 10**9)
    monkeypatch.setattr(at, "MIN_QUANTIZED_STEPS", 0)


def picks_of(X, first, uniforms):
    return seeding.place(Samples(X), len(uniforms) + 1, np.array([first]), np.array(uniforms))


def pick_case(X, first, uniforms):
    with np.errstate(all="ignore"):
        picks = oracle.plus_plus(X, first, uniforms)
    return picks_of(X, first, uniforms).tobytes() == X[picks].astype(np.float64).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_plus_plus_picks_the_oracles_rows_of_edge_cases(name, dtype, quantized, threads):
    X, centers = edge_cases.cases(dtype)[name]
    rng = np.random.default_rng(4)
    assert pick_case(X, int(rng.integers(len(X))), rng.random(len(centers)).tolist())


@pytest.mark.parametrize("edge", [0.0, 1e-300, 0.5, np.nextafter(1, 0)])
def test_plus_plus_picks_the_oracles_rows_at_the_edges_of_the_draw(edge, quantized, threads):
    X, _ = edge_cases.cases(np.float64)["normal"]
    assert pick_case(X, 3, [edge] * 5)
    # Where rounding leaves the last running sum below the draw, SciPy raises IndexError.
    D = oracle.sq_dists(X, X[[3]]).min(1)
    if np.cumsum(D / D.sum())[-1] < edge:
        assert np.array_equal(picks_of(X, 3, [edge])[1], X[np.flatnonzero(D > 0)[-1]])


def test_some_data_leaves_the_last_running_sum_below_one():
    """The branch that the test above exercises is reachable."""
    rng = np.random.default_rng(0)
    sums = [np.cumsum(D / D.sum())[-1] for D in rng.random((50, 257))]
    assert min(sums) < np.nextafter(1, 0)
    D = next(D for D in rng.random((50, 257)) if np.cumsum(D / D.sum())[-1] < np.nextafter(1, 0))
    assert plus_plus.scan_pick(D, None, D.sum(), np.nextafter(1, 0)) == 256


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plus_plus_picks_the_oracles_rows_over_many_leaves(dtype, quantized, threads):
    X, _ = edge_cases.wide_enough(dtype)
    plan = _plan.sweep(X.shape, work=X.size)
    assert plan.n_tasks == threads
    assert len(seeding.leaves_of(len(X)).depths) >= 3 * threads
    assert pick_case(X, 5, np.random.default_rng(8).random(6).tolist())


def test_too_many_features_are_not_quantized(monkeypatch):
    samples = Samples(np.random.default_rng(0).normal(size=(300, 5)))
    assert seeding.quantization_step(samples)[1] > 0
    monkeypatch.setattr(seeding, "MAX_FEATURES", 4)
    assert seeding.quantization_step(samples)[1] == 0


def test_plus_plus_picks_the_oracles_rows_once_distinct_ones_run_out(quantized, threads):
    X = np.repeat(np.eye(3), 20, axis=0)
    assert pick_case(X, 0, [0.2, 0.9, 0.3, 0.7, 0.1])


def all_sq_dists(X, picks):
    """Return D after all these picks, as '++' updates it with quantized rows, and the sums of the leaves."""
    samples, leaves = Samples(X), seeding.leaves_of(len(X))
    origin, scale = seeding.quantization_step(samples)
    n_leaves, (n_samples, n_features) = len(leaves.depths), X.shape
    lanes = -(-int(np.diff(leaves.starts).max()) // GROUP_LANES) * GROUP_LANES
    # Without a scale, no leaf is quantized.
    n_quantized = n_leaves if scale > 0 else 0
    steps, sizes = np.empty((n_quantized, n_features, lanes), np.int8), np.zeros((n_quantized, 2, lanes))
    bounds = np.full((n_quantized, lanes), np.inf, np.float32)
    quantized = QuantizedRows(origin, scale or 1.0, steps, sizes.astype(np.float32), bounds)
    sq_dists, center = np.full(n_samples, np.inf), np.zeros(padded(n_features))
    point = np.zeros(n_features + 1, np.float32)
    for p, pick in enumerate(picks):
        center[:n_features] = X[pick]
        quantization.scale_point(center, origin, scale or 1.0, point)
        last_pick = plus_plus.LastPick(center, point, sq_dists, p == 0)
        job = Job(leaves, 0, n_leaves, p, p + 1, 1)
        plus_plus.lower_task(0, samples.X, job, quantized, None, last_pick)
    return sq_dists, leaves.sums


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_quantization_skips_no_row_that_changes(name, dtype):
    """Every D, and so the sum of every leaf, is right, not only the resulting picks."""
    X, _ = edge_cases.cases(dtype)[name]
    picks = np.random.default_rng(9).integers(len(X), size=40)
    sq_dists, leaf_sums = all_sq_dists(X, picks)
    right = oracle.sq_dists(X, X[picks]).min(1)
    assert sq_dists.tobytes() == right.tobytes()
    with np.errstate(over="ignore"):
        assert leaf_sums.tobytes() == leaf_sums_of(right)[1].tobytes()


def near_marks(X, c, sq_dists, forget=0.0):
    """Return which rows of one leaf quantization does not rule out for row c.

    forget : the share of the quantization errors that is left out
    """
    origin, scale = seeding.quantization_step(Samples(X))
    n, d = X.shape
    lanes = -(-n // GROUP_LANES) * GROUP_LANES
    block = np.zeros((padded(d), 128))
    block[:d, :n] = X.T
    quantized, sizes = np.empty((d, lanes), np.int8), np.zeros((2, lanes), np.float32)
    quantization.quantize_leaf(block, n, origin, scale, quantized, sizes)
    bounds, point = np.full(lanes, np.inf, np.float32), np.zeros(d + 1, np.float32)
    sizes[0] *= 1 - forget
    bounds[:n] = [quantization.bound_of(*row, scale, d) for row in zip(sq_dists, *sizes, strict=False)]
    quantization.scale_point(X[c].astype(np.float64), origin, scale, point)
    assert point[d] < np.inf
    (marks,) = near_marks_of(quantized, point, bounds, n, 1)
    # One of several points, in any place.
    points = np.zeros((2 * POINTS_AT_ONCE, d + 1), np.float32)
    points[:, d] = -np.inf
    place = c % len(points)
    points[place] = point
    many = near_marks_of(quantized, points, bounds, n, len(points))
    assert not np.delete(many, place, axis=0).any()
    assert np.array_equal(many[place], marks)
    return marks


def near_marks_of(quantized, points, bounds, n, n_points):
    """Return which of the n rows may get nearer to each point."""
    lanes = len(bounds)
    hits = np.empty((n_points, lanes // GROUP_LANES + 1), np.int64)
    quantization.mark_near(quantized, points, bounds, hits)
    marks = np.zeros((n_points, lanes), np.bool_)
    for word, marked in zip(hits, marks, strict=True):
        rows = np.empty(lanes, np.int64)
        n_near = quantization.near_rows(word[:-1].copy(), rows)
        marked[rows[:n_near]] = True
    assert not marks[:, n:].any()
    return marks[:, :n]


def quantized_case(number, n, d, dtype):
    rng = np.random.default_rng(number)
    X = (rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 4, size=d) + rng.normal() * 1e3).astype(dtype)
    if number % 3 == 0:
        # Some outliers, beyond the last quantization step.
        X[rng.integers(n, size=3)] *= 50
    c = int(rng.integers(n))
    X.flags.writeable = False
    return X, c, oracle.sq_dists(X, X[[c]])[:, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(128, 1), (97, 2), (128, 7), (100, 64), (5, 1), (33, 300)])
def test_a_row_that_comes_nearer_by_one_bit_is_near(n, d, dtype):
    for number in range(12):
        X, c, D = quantized_case(number, n, d, dtype)
        assert near_marks(X, c, np.nextafter(D, np.inf)).all()
        assert not near_marks(X, c, np.zeros(n)).any()


def test_without_quantization_errors_rows_are_skipped():
    """The negative control; and quantization is useful: rows whose D is half the new one are ruled out."""
    X, c, D = quantized_case(1, 100, 40, np.float64)
    assert near_marks(X, c, np.nextafter(D, np.inf)).all()
    assert near_marks(X, c, np.nextafter(D, np.inf), forget=1.0).sum() < 80
    assert near_marks(X, c, D / 2).sum() <= 5


@pytest.mark.parametrize(
    "change",
    [
        (" + error", ""),
        ("length * length * ", "length * length * 0.999 * "),
        ("norms[r] * (1.0 - ", "norms[r] * (1.001 - "),
        ("hit &= hit - 1", "hit &= (hit - 1) & (hit - 2)"),
    ],
    ids=["no error", "a length too small", "a norm too large", "rows forgotten"],
)
def test_a_fault_in_the_quantization_is_found(change, tmp_path):
    copy_with(tmp_path, "_engine/kernels/quantization.py", *change)
    test = f"{Path(__file__)}::test_a_row_that_comes_nearer_by_one_bit_is_near"
    result = run_tests(tmp_path, test)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "AssertionError" in result.stdout


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_data_that_is_not_finite_is_not_quantized(special):
    X = np.random.default_rng(1).normal(size=(50, 3))
    X[7, 1] = special
    assert seeding.quantization_step(Samples(X))[1] == 0
    assert seeding.quantization_step(Samples(X[8:]))[1] > 0


def test_a_pick_out_of_reach_is_compared_with_every_row():
    X = np.random.default_rng(1).normal(size=(2000, 3))
    X[77] = 1e9
    point = np.zeros(4, np.float32)
    origin, scale = seeding.quantization_step(Samples(X))
    quantization.scale_point(X[77], origin, scale, point)
    assert point.tolist() == [0.0, 0.0, 0.0, np.inf]
    quantization.scale_point(X[78], origin, scale, point)
    assert point[3] < 0
    picks = [5, 77, 78, 9]
    assert all_sq_dists(X, picks)[0].tobytes() == oracle.sq_dists(X, X[picks]).min(1).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 16, 200])
def test_picks_are_scipys(dtype, n_features, quantized):
    pytest.importorskip("scipy")
    from support.scipy_internals import private

    for number in range(8):
        X, _, _ = quantized_case(number, 3000, n_features, dtype)
        right = private._kpp(X, 30, np.random.default_rng(number), np)
        assert seed(Samples(X), 30, "++", np.random.default_rng(number)).tobytes() == right.tobytes()


def leaf_sums_of(D):
    leaves = seeding.leaves_of(len(D))
    leaves.sums[:] = [sum_leaf(D, a, b) for a, b in itertools.pairwise(leaves.starts)]
    return leaves, leaves.sums, sum_leaves(leaves.sums, leaves.depths)


@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_the_certain_pick_is_the_scanned_one(number, n):
    rng = np.random.default_rng(number)
    D = rng.random(n) ** rng.integers(1, 30)
    leaves, _, total = leaf_sums_of(D)
    running = np.cumsum(D / total)
    # Draws on, just under and just over the limits between rows, and anywhere.
    limits = running[rng.integers(0, n, 5)]
    for uniform in (*limits, *np.nextafter(limits, 0), *np.nextafter(limits, 2), *rng.random(5)):
        certain = plus_plus.certain_pick(D, None, leaves, total, uniform)
        scanned = plus_plus.scan_pick(D, None, total, uniform)
        assert certain in (-1, scanned)
        assert plus_plus.pick_row(D, None, leaves, total, uniform) == scanned


def test_most_picks_are_certain_but_limits_are_not():
    D = np.random.default_rng(6).random(5000)
    leaves, _, total = leaf_sums_of(D)
    running = np.cumsum(D / total)
    middles = (running[:-1] + running[1:]) / 2
    assert all(plus_plus.certain_pick(D, None, leaves, total, u) == i + 1 for i, u in enumerate(middles))
    # The negative control: on a limit, the sum by leaves may be off by one row, and reports it.
    assert all(plus_plus.certain_pick(D, None, leaves, total, u) == -1 for u in running[:100])


@pytest.mark.parametrize("method", SEEDINGS)
@pytest.mark.parametrize("name", ["normal", "offset 1e8", "more features than rows", "one feature"])
def test_every_method_gives_the_same_bits_for_any_threads(method, name, threads):
    X, _ = edge_cases.cases(np.float64)[name]
    got = seed(Samples(X), 3, method, np.random.default_rng(1))
    assert got.tobytes() == ONE_THREAD.setdefault((method, name), got).tobytes()
    assert got.dtype == np.float64


ONE_THREAD = {}


def factor_of(matrix):
    upper = matrix.copy()
    gaussian.factor(upper, 0, len(upper))
    return np.triu(upper)


def test_the_factor_is_choleskys():
    A = np.random.default_rng(2).normal(size=(30, 12))
    matrix = A.T @ A
    assert np.allclose(factor_of(matrix), np.linalg.cholesky(matrix).T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dependent", [0, 3, 7])
def test_a_singular_matrix_has_a_factor(dependent):
    A = np.random.default_rng(2).normal(size=(30, 8))
    A[:, dependent] = 2 * A[:, (dependent + 1) % 8] - A[:, (dependent + 2) % 8]
    matrix = A.T @ A
    upper = factor_of(matrix)
    assert np.allclose(upper.T @ upper, matrix, rtol=1e-10, atol=1e-10)
    assert not factor_of(np.zeros((3, 3))).any()


@pytest.mark.parametrize("method", SEEDINGS)
def test_work_in_pieces_gives_the_same_bits(method, monkeypatch):
    X = np.random.default_rng(2).normal(size=(3000, 6))
    whole = seed(Samples(X), 9, method, np.random.default_rng(0))
    monkeypatch.setattr(at, "MAX_CALL_STEPS", 1)
    assert np.array_equal(seed(Samples(X), 9, method, np.random.default_rng(0)), whole)


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
