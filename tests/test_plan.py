"""The plan: sizes and thresholds."""

import numpy as np
import pytest

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS, panels, yinyang
from numbakmeans._engine.distances import pad_centers
from numbakmeans._engine.fit import iterate, seed
from numbakmeans._engine.samples import Samples, update_means
from numbakmeans._engine.seeding import plus_plus


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 1000, 10**6, 2**34])
@pytest.mark.parametrize("n_features", [1, 3, 100, 10_000])
@pytest.mark.parametrize("work", [1, 10**12])
def test_plans_of_any_shape_keep_their_limits(n_samples, n_features, work, threads):
    plan = _plan.sweep((n_samples, n_features), work)
    assert plan.n_tasks == (threads if plan.parallel else 1)
    assert 16 <= plan.chunk_rows <= at.MAX_CHUNK_ROWS
    assert plan.chunk_rows % 16 == 0
    # Every thread has a chunk if there are enough rows.
    if n_samples >= 16 * threads:
        assert -(-n_samples // plan.chunk_rows) >= plan.n_tasks or n_samples < 32 * threads


def test_little_work_is_done_by_one_thread():
    shape = (1000, 4)
    assert not _plan.sweep(shape, at.MIN_PARALLEL_STEPS - 1).parallel
    assert _plan.sweep(shape, at.MIN_PARALLEL_STEPS).parallel


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (1024, 3), (1025, 3), (10**7, 2), (3000, 2900)])
def test_chunks_of_the_covariance_cover_the_rows(shape):
    chunk_rows, n_chunks = _plan.scatter_chunks(shape)
    assert (n_chunks - 1) * chunk_rows < shape[0] <= n_chunks * chunk_rows
    assert n_chunks == 1 or n_chunks * shape[1] ** 2 * 8 <= at.MAX_SCATTER_BYTES


def test_calls_of_seeding_are_bounded():
    assert _plan.per_call(10**9 * 50) == 1
    assert 1 < _plan.per_call(10_000) <= at.MAX_CALL_STEPS / 10_000
    # A pick costs something, however few the rows.
    assert _plan.per_call(_plan.pick_work(1)) <= 20_000


def test_few_rows_do_not_start_threads_for_each_pick(monkeypatch):
    started = []
    monkeypatch.setattr(plus_plus.PICK_ROWS, "on", started.append)
    for n_samples in (10, 100_000):
        with pytest.raises(TypeError, match="not callable"):
            seed(Samples(np.ones((n_samples, 1))), 10**6, "++", np.random.default_rng(0))
    assert started == [False, True]


def test_calls_of_passes_are_bounded():
    """A pass counts at least as much as its distances, and at least something, however small it is."""
    assert _plan.pass_work(9999, 1, 1000) >= 9999 * 1000
    assert _plan.per_call(_plan.pass_work(1, 1, 1)) <= 10**6
    assert _plan.per_call(_plan.pass_work(10, 1, 5_000_000)) <= 2


@pytest.mark.parametrize(
    ("n_samples", "n_clusters", "max_iter", "alone"),
    [(128_000, 1, 1, False), (130_001, 1, 1, True), (128_000, 500, 300, True), (10, 3, 10**400, True)],
)
def test_long_problems_of_a_batch_have_their_own_calls(n_samples, n_clusters, max_iter, alone):
    assert _plan.alone(n_samples, _plan.problem_work(n_samples, 1, n_clusters, max_iter)) == alone


def test_many_tiny_problems_are_split_into_calls():
    ends = np.cumsum(_plan.problem_work(np.ones(10**5, int), 1, 1, 1))
    assert 1000 < np.searchsorted(ends, at.MAX_CALL_STEPS) < 20_000


@pytest.mark.parametrize(
    ("shape", "n_clusters", "max_iter", "expected"),
    [
        ((150, 4), 3, 10, "small"),
        ((20_000, 2), 16, 10, "filtering"),
        # One thread, as several would not pay.
        ((10_000, 2), 16, 1, "small"),
        ((1797, 64), 5, 300, "small"),
        ((1797, 64), 10, 300, "certified"),
        ((130_000, 2), 16, 1, "certified"),
        ((1_000_000, 2), 2, 1, "lloyd"),
        ((1_000_000, 2), 64, 1, "certified"),
        ((1_000_000, 2), 256, 1, "certified"),
        ((1_000_000, 2), 16, 3, "filtering"),
        ((1_000_000, 4), 16, 3, "certified"),
        ((20_000, 2), 3, 10, "small"),
        ((1_000_000, 6), 64, 10, "filtering"),
        ((1_000_000, 7), 64, 100, "certified"),
        ((1_000_000, 16), 64, 5, "certified"),
        ((1_000_000, 16), 64, 10, "yinyang"),
        ((5000, 32), 64, 300, "certified"),
        ((50_000, 128), 1000, 10, "yinyang"),
        ((50_000, 128), 1000, 1, "certified"),
        ((1_000_000, 7), 5, 10, "certified"),
        ((1_000_000, 7), 2, 10, "lloyd"),
        ((2**31, 2), 16, 10, "certified"),
        ((2**31, 2), 64, 10, "certified"),
    ],
)
def test_the_algorithm_is_chosen_by_shape_clusters_and_passes(shape, n_clusters, max_iter, expected):
    memory = _plan.memory(shape, 8, 8, ready=True)
    assert _plan.algorithm(shape, n_clusters, 8, max_iter, memory) == expected


@pytest.mark.parametrize(("itemsize", "max_iter"), [(4, 20), (8, 10)])
def test_bounds_need_more_passes_where_scores_cost_less(itemsize, max_iter):
    shape = 20_000, 32
    memory = _plan.memory(shape, itemsize, itemsize, ready=True)
    assert _plan.algorithm(shape, 64, itemsize, max_iter, memory) == "yinyang"
    assert _plan.algorithm(shape, 64, itemsize, max_iter - 1, memory) == "certified"


@pytest.mark.parametrize("n_samples", [1000, 10**5, 10**7, 10**9])
@pytest.mark.parametrize("n_features", [8, 64, 400])
@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("n_panels", [1, 7, 1000])
def test_bounds_take_at_most_a_quarter_of_the_data(n_samples, n_features, itemsize, n_panels):
    memory = _plan.memory((n_samples, n_features), itemsize, itemsize, ready=True)
    shape = (n_samples, n_features)
    most = n_samples * (n_features * itemsize // 4 + 32) + at.MAX_SPARE_BYTES
    n_groups, n_directions, _ = _plan.bounds(shape, 32 * n_panels, n_panels, 300, memory)
    assert 1 <= n_groups <= n_panels
    # The upper bound; with projections, also these, the residual norm and the norm.
    row_bytes = 4 * n_groups + 4
    assert n_samples * (row_bytes + (4 * (n_directions + 1) + 8 if n_directions else 0)) <= most
    # With coarse rows, the norm, these in whole words, their errors and squares.
    coarse_bytes = 8 + (n_features + 3) // 4 * 4 + 8
    fits = n_samples * (row_bytes + coarse_bytes) <= most
    assert _plan.coarse_fits(shape, n_groups, memory) <= fits
    assert not _plan.coarse_fits(shape, n_groups, memory._replace(lean=True))
    assert fits or n_samples > 10**5


def test_the_longest_rows_have_no_coarse_form():
    memory = _plan.Memory(2**40, 2**40, True, False)
    assert _plan.coarse_fits((1000, _plan.MAX_COARSE_FEATURES), 1, memory)
    assert not _plan.coarse_fits((1000, _plan.MAX_COARSE_FEATURES + 1), 1, memory)


def test_coarse_rows_pay_with_many_clusters_and_where_they_leave_little_open():
    def cost(n_clusters, opened, itemsize=4):
        return _plan.coarse_cost(_plan.costs(64, n_clusters, itemsize, _plan.Bounds(4, 0, True)), opened)

    assert cost(500, 0.001) < at.MAX_COARSE_COST < min(cost(500, 0.3), cost(16, 0.001))
    assert cost(200, 0.001, 8) < cost(200, 0.001, 4)
    # Once made, they are checked at any cost.
    assert _plan.costs(64, 500, 4, _plan.Bounds(4, 0, True)).checked == np.inf


@pytest.mark.parametrize("shape", [(10, 3), (50, 3), (1000, 3), (10**6, 16), (10**6, 784), (10**6, 10_000)])
@pytest.mark.parametrize("at_once", [3, 24, 48])
def test_blocks_of_rows_fill_their_lanes(shape, at_once):
    rows, share = _plan.block_rows(shape, 4, 9, 2, at_once), -(-shape[0] // 2)
    assert 1 <= rows <= min(at.MAX_CHUNK_ROWS, share)
    assert rows % at_once == 0 or rows == share
    # As many as fit, but at least as many as fill the lanes.
    row_bytes = shape[1] * 4 + 9 * 12
    assert rows * row_bytes <= at.MAX_PACKED_BYTES or rows <= at_once
    assert rows == share or (rows + at_once) * row_bytes > at.MAX_PACKED_BYTES or rows + at_once > 512


def test_rows_are_transposed_for_many_clusters():
    assert _plan.transposes(at.MAX_TRANSPOSED_FEATURES * 100, 100, 4)
    assert not _plan.transposes(at.MAX_TRANSPOSED_FEATURES * 100 + 1, 100, 4)
    assert _plan.transposes(at.MAX_TRANSPOSED_BYTES // 8, 2, 8)


def test_bounds_pay_less_where_all_scores_are_cheaper(monkeypatch):
    """Undecided rows are scored without the transposed layout."""
    some = _plan.Bounds(10, 0)
    assert 0 < _plan.costs(384, 1000, 4, some).checking < 0.1
    assert _plan.costs(16, 10, 4, some).checking > 1
    assert _plan.costs(384, 1000, 4, _plan.Bounds(20, 0)).checking > _plan.costs(384, 1000, 4, some).checking
    transposed = _plan.costs(64, 1000, 4, some)
    assert transposed.groups > 1
    monkeypatch.setattr(_plan, "transposes", lambda *_: False)
    alone = _plan.costs(64, 1000, 4, some)
    assert alone.groups == 1
    assert alone.checking < transposed.checking


def test_bounds_are_kept_where_they_are_cheap_or_likely_to_pay():
    dear = _plan.costs(16, 100, 4, _plan.Bounds(4, 0))
    assert _plan.costs(64, 256, 4, _plan.Bounds(8, 0)).kept == np.inf
    assert 1 < dear.kept < 1.5
    # The expected cost decays from pass to pass, down to that of checking, and so bounds are kept again.
    expected = [3.0]
    while expected[-1] > dear.kept:
        expected.append(_plan.next_cost(expected[-1], dear))
        assert dear.checking < expected[-1] < expected[-2]
    assert 3 < len(expected) < 9


def test_projections_are_tried_where_a_pass_takes_long(monkeypatch):
    memory = _plan.memory((50_000, 64), 4, 4, ready=True)
    assert _plan.bounds((50_000, 64), 100, 4, 10, memory).n_directions == 0
    assert _plan.bounds((50_000, 64), 200, 4, 10, memory).n_directions == 21


@pytest.mark.parametrize(
    ("shape", "n_clusters", "max_iter", "expected"),
    [
        ((20_000, 384), 200, 10, 128),
        ((20_000, 384), 200, 3, 73),
        ((2000, 784), 400, 10, 0),
        ((5000, 3072), 1000, 10, 0),
        ((5000, 3072), 1000, 300, 0),
        ((100_000, 10_000), 100, 300, 0),
        ((100_000, 800), 100, 300, 100),
    ],
)
def test_a_trial_of_projections_costs_little(shape, n_clusters, max_iter, expected, monkeypatch):
    memory = _plan.memory(shape, 4, 4, ready=True)
    assert _plan.bounds(shape, n_clusters, 4, max_iter, memory).n_directions == expected


def test_projections_cost_less_for_float64():
    single, double = (_plan.costs(384, 1000, itemsize, _plan.Bounds(10, 96)) for itemsize in (4, 8))
    assert 0 < double.narrowing < single.narrowing < 1
    assert 1 < double.pairs < single.pairs
    assert _plan.costs(384, 1000, 4, _plan.Bounds(10, 48)).narrowing < single.narrowing


def test_projections_pay_where_they_leave_little_open():
    costs = _plan.costs(384, 1000, 4, _plan.Bounds(10, 96))
    assert _plan.projection_cost(96, costs, 1000, 1.0, 0.01) < at.MAX_PROJECTION_COST
    assert _plan.projection_cost(96, costs, 1000, 1.0, 0.3) > 1
    # Making them does not pay for few centers; and where bounds suffice, nothing can pay.
    assert _plan.projection_cost(96, costs, 50, 1.0, 0.01) > _plan.projection_cost(96, costs, 1000, 1.0, 0.01)
    assert _plan.projection_cost(96, costs, 1000, 0.0, 0.0) == np.inf


def test_projections_are_tried_in_falling_sizes():
    assert _plan.projection_sizes(384, 1000) == [128, 96, 64, 48]
    assert _plan.projection_sizes(384, 100) == [100, 96, 64, 48]
    assert _plan.projection_sizes(384, 48) == [48]
    assert _plan.projection_sizes(384, 0) == []


@pytest.mark.parametrize(("data", "expected"), [("few directions", True), ("all directions", False)])
def test_projections_are_made_where_they_pay(data, expected, monkeypatch):
    # As if the passes took a long time.
    monkeypatch.setattr(at, "MIN_PROJECTION_STEPS", 0)
    monkeypatch.setattr(panels, "multiplies_bytes", lambda: False)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 200)).astype(np.float32)
    if data == "few directions":
        X *= np.where(np.arange(200) < 20, 3.0, 0.3).astype(np.float32)
    samples, centers = Samples(X), pad_centers(X[:300])
    plan = _plan.sweep(X.shape, X.size * 300)
    algorithm = ALGORITHMS["yinyang"](samples, plan, samples.transform(centers))
    tables = samples.tables(300, plan.n_tasks)
    labels = np.full(len(X), -1, np.int32)
    looked, directions = [], yinyang.directions
    monkeypatch.setattr(yinyang, "directions", lambda *given: looked.append(0) or directions(*given))
    for _ in range(2):
        algorithm.run(centers, labels, tables)
        assert not len(algorithm.projections) or expected
        update_means(samples, tables, labels, centers)
    assert (len(algorithm.projections) > 0) == expected
    # Where they do not pay, the best directions are not even computed.
    assert len(looked) == expected


@pytest.mark.parametrize("spread", [0.1, 10.0])
def test_sampled_rows_decide_whether_bounds_pay(spread, monkeypatch):
    """Before the second pass, for well-separated clusters and for noise."""
    monkeypatch.setattr(panels, "multiplies_bytes", lambda: False)
    rng = np.random.default_rng(0)
    means = rng.normal(size=(64, 40))
    X = means[rng.integers(64, size=6000)] + rng.normal(size=(6000, 40)) * spread
    samples, centers = Samples(X), pad_centers(means)
    plan = _plan.sweep(X.shape, X.size * 64)
    algorithm = ALGORITHMS["yinyang"](samples, plan, samples.transform(centers))
    tables = samples.tables(64, plan.n_tasks)
    labels = np.full(len(X), -1, np.int32)
    algorithm.run(centers, labels, tables)
    update_means(samples, tables, labels, centers)
    done = algorithm.run(centers, labels, tables)
    assert (done.n_pairs < 0.2 * 64 * len(X)) == (spread < 1)
    assert (done.n_pairs == 64 * len(X)) == (spread > 1)


@pytest.mark.parametrize("pays", [at.MAX_FAST_COST, 0.0])
def test_fast_centers_are_scored_where_they_pay(pays, monkeypatch):
    """Some centers start in the wrong place, among many that hardly move."""
    monkeypatch.setattr(at, "MIN_FAST_STEPS", 0)
    monkeypatch.setattr(panels, "multiplies_bytes", lambda: False)
    monkeypatch.setattr(at, "MAX_FAST_COST", pays)
    found, foresee = [], yinyang.Yinyang._foresee
    monkeypatch.setattr(
        yinyang.Yinyang, "_foresee", lambda *given: found.append(foresee(*given)) or found[-1]
    )
    rng = np.random.default_rng(0)
    means = rng.normal(size=(256, 40)) * 3
    X = means[rng.integers(256, size=6000)] + rng.normal(size=(6000, 40))
    start = means.copy()
    start[:40] = X[rng.integers(6000, size=40)]
    right = iterate(Samples(X), start, 6, algorithm="lloyd")
    got = iterate(Samples(X), start, 6, algorithm="yinyang")
    assert got.centers.tobytes() == right.centers.tobytes()
    assert any(len(some) for some in found) == (pays > 0)


def test_passes_take_the_costs_of_bounds_from_the_plan(monkeypatch):
    checked, costs = [], _plan.costs

    def ask(*shape):
        checked.append(shape)
        return costs(*shape)

    monkeypatch.setattr(_plan, "costs", ask)
    X = np.random.default_rng(0).normal(size=(2000, 16))
    right = iterate(Samples(X), X[:100], 4, algorithm="lloyd")
    got = iterate(Samples(X), X[:100], 4, algorithm="yinyang")
    assert got.centers.tobytes() == right.centers.tobytes()
    assert {(*shape, bounds.n_directions) for *shape, bounds in checked} == {(16, 100, 8, 0)}
    assert len(checked) >= 4
    assert all(bounds.n_groups > 1 for *_, bounds in checked)


def test_scores_pay_later_without_sums():
    assert _plan.scored(3)
    assert not _plan.scored(2)
    for itemsize, least in ((4, 8), (8, 32)):
        assert not _plan.nearest_scored((10**6, 8), least - 1, itemsize, with_dists=False)
        assert _plan.nearest_scored((10**6, 8), least, itemsize, with_dists=False)
        # Reference distances find distances in the same go.
        assert not _plan.nearest_scored((10**6, 8), 2 * least - 1, itemsize, with_dists=True)
        assert _plan.nearest_scored((10**6, 8), 2 * least, itemsize, with_dists=True)
    assert not _plan.nearest_scored((1000, 8), 64, 4, with_dists=False)
