"""Every algorithm gives the oracle's bits, pass by pass, on edge cases, for any number of threads."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from support import edge_cases, variants
from support.comparison import PASSES, count_broken, differences, expected_passes

from numbakmeans import fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS, certified, panels, small, yinyang
from numbakmeans._engine.assignment import nearest, nearest_labels
from numbakmeans._engine.distances import pad_centers
from numbakmeans._engine.fit import iterate
from numbakmeans._engine.kernels.small import bins_of, keeps_parts, pack_rows
from numbakmeans._engine.samples import Samples, update_means
from numbakmeans._engine.transforms import NO_TRANSFORM
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import DISABLED

DTYPES = [np.float32, np.float64]
#: For tests of bounds, projections and fast centers themselves; without it, the plan decides on them.
checking = pytest.mark.usefixtures("bounds_checked")


def case(name, dtype):
    if name == "wide enough":
        return edge_cases.wide_enough(dtype)
    if name == "many rows and features":
        return edge_cases.many_rows_and_features(dtype)
    return {**edge_cases.cases(dtype), **edge_cases.not_finite(dtype)}[name]


NAMES = [*edge_cases.cases(np.float64), *edge_cases.not_finite(np.float64)]
LARGER = ["wide enough", "many rows and features"]


@pytest.fixture(scope="module")
def answers():
    """Return a function that gives the oracle's answers, computed once for all threads and algorithms."""
    known = {}

    def answer(name, dtype):
        if (name, dtype) not in known:
            known[name, dtype] = expected_passes(*case(name, dtype))
        return known[name, dtype]

    return answer


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edge_cases_give_the_oracles_bits(name, dtype, variant, threads, answers):
    assert differences(*case(name, dtype), answers(name, dtype), variant) == []


@checking
@pytest.mark.parametrize("variant", [variant for variant in variants.VARIANTS if variant != "small"])
@pytest.mark.parametrize("name", NAMES)
def test_bins_that_are_cut_in_two_change_no_bit(name, variant, answers, monkeypatch):
    """As for a million rows and more; the kernel of small problems never has so many."""
    monkeypatch.setattr(Samples, "many", True)
    X, centers = case(name, np.float64)
    bins = Samples(X).bins.exponents
    # Half a bin after the first part, if there are more.
    assert len(bins) == 1 or (bins[0] - bins[1] < 43).any()
    assert differences(X, centers, answers(name, np.float64), variant) == []


def differences_of_fit(X, centers, expected):
    """Return which results of `fit`, with the plan that users get, differ from the oracle's."""
    wrong = []
    for n_iter, (right_centers, right_labels, empties, still) in enumerate(expected, start=1):
        # Some data holds NaN and infinities; the inertia of such data is tested elsewhere.
        got = fit(X, centers, max_iter=n_iter, check_finite=False)
        told = (got.n_iter, got.converged, got.n_empty)
        if not np.array_equal(got.labels, right_labels):
            wrong.append((n_iter, "labels"))
        if got.centers.tobytes() != right_centers.tobytes():
            wrong.append((n_iter, "centers"))
        if told != (still or n_iter, still is not None, empties[(still or n_iter) - 1]):
            wrong.append((n_iter, "passes"))
    return wrong


@pytest.fixture
def chosen(monkeypatch):
    """Record the algorithms that the plan chooses."""
    keys, choose = [], _plan.algorithm
    monkeypatch.setattr(_plan, "algorithm", lambda *given: keys.append(choose(*given)) or keys[-1])
    return keys


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*NAMES, *LARGER])
def test_edge_cases_give_the_oracles_bits_as_users_fit_them(name, dtype, answers, chosen):
    X, centers = case(name, dtype)
    expected = answers(name, dtype)
    with np.errstate(all="ignore"):
        assert differences_of_fit(X, centers, expected) == []
    assert len(chosen) == PASSES


def test_a_different_fit_is_detected(answers):
    """The negative control: other bits in a center, other labels, one empty cluster more."""
    X, centers = case("normal", np.float64)
    expected = answers("normal", np.float64)
    for change in (
        lambda c, labels, *rest: (np.nextafter(c, np.inf), labels, *rest),
        lambda c, labels, *rest: (c, np.roll(labels, 1), *rest),
        lambda c, labels, empties, still: (c, labels, [n + 1 for n in empties], still),
    ):
        assert len(differences_of_fit(X, centers, [change(*each) for each in expected])) == PASSES


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*NAMES, *LARGER])
@pytest.mark.parametrize("variant", [variant for variant in variants.VARIANTS if "yinyang" in variant])
def test_edge_cases_give_the_oracles_bits_at_the_real_cost_of_bounds(name, dtype, variant, answers):
    """None of it is large enough for the plan itself to choose bounds."""
    assert differences(*case(name, dtype), answers(name, dtype), variant) == []


@pytest.mark.parametrize(
    ("dtype", "n_features", "expected"),
    [
        (np.float32, 32, "yinyang"),
        (np.float64, 32, "yinyang"),
        (np.float32, 3, "filtering"),
        (np.float32, 16, "certified"),
    ],
)
def test_larger_data_gives_lloyds_bits_as_users_fit_it(dtype, n_features, expected, chosen):
    rng = np.random.default_rng(n_features)
    means = rng.normal(size=(64, n_features))
    X = (means[rng.integers(64, size=20_000)] + rng.normal(size=(20_000, n_features)) * 0.4).astype(dtype)
    max_iter = 5 if expected == "certified" else 25
    got = fit(X, X[:64], max_iter=max_iter)
    assert chosen == [expected]
    right = iterate(Samples(X), X[:64], max_iter, algorithm="lloyd")
    assert np.array_equal(got.labels, right.labels)
    assert got.centers.tobytes() == right.centers[:, :n_features].astype(dtype).tobytes()
    assert (got.n_iter, got.converged, got.n_empty) == (right.n_iter, right.converged, right.n_empty)


@pytest.mark.parametrize("variant", ["lloyd", "certified", "certified, transposed", "yinyang, coarse rows"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nearest_centers_of_edge_cases_are_the_oracles(name, dtype, variant, threads):
    X, centers = case(name, dtype)
    with np.errstate(all="ignore"):
        right_labels, right = oracle.assign(X, centers)
    with variants.forced(variant) as algorithm:
        labels, sq_dists = nearest(Samples(X), centers, scored=algorithm != "lloyd")
        alone = nearest_labels(Samples(X), centers, scored=algorithm != "lloyd")
    assert np.array_equal(alone, right_labels)
    assert np.array_equal(labels, right_labels)
    assert sq_dists.tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_features", [3, 20])
@pytest.mark.parametrize(
    ("value", "holds"), [(1.0, True), (1e10, True), (1e30, False), (np.inf, False), (np.nan, False)]
)
def test_one_sweep_finds_labels_and_whether_rows_are_finite(dtype, n_features, value, holds, monkeypatch):
    sweeps = []
    run = certified.nearest
    monkeypatch.setattr(certified, "nearest", lambda *a, **k: sweeps.append(run(*a, **k)) or sweeps[-1])
    X = np.random.default_rng(0).normal(size=(3000, n_features)).astype(dtype)
    centers = X[:40].copy()
    X[1234, 1] = value
    samples = Samples(X)
    with np.errstate(all="ignore"):
        right = oracle.assign(X, centers)[0]
    assert not samples.surveyed
    assert np.array_equal(nearest_labels(samples, centers, scored=True), right)
    # Where the scale of the centers does not suit all rows, there is a second sweep, unless it cannot help.
    expected = [True] if holds else [False, True] if np.isfinite(value) else [False]
    assert [sweep[-1] for sweep in sweeps] == expected
    assert samples.surveyed
    assert samples.finite == np.isfinite(value)


@pytest.mark.parametrize(
    ("shift", "scale", "identity"),
    [(0, 1, True), (0, 1e-3, True), (9, 1, False), (0, 1e-9, False), (0, 1e9, False)],
)
def test_rows_near_zero_are_not_transformed(shift, scale, identity):
    X = (np.random.default_rng(0).normal(size=(300, 20)) + shift) * scale
    transform = Samples(X).transform(pad_centers(X[:40]))
    assert transform.identity == identity
    assert (transform.scale == 1.0 and not transform.origin.any()) == identity


def broken_bounds(X, centers, n_passes, spoil=1.0):
    """Return how many bounds do not hold, and whether projections and fast centers were used."""
    samples = Samples(X)
    wide = pad_centers(centers)
    plan = _plan.sweep(X.shape, X.size * len(centers))
    transform = samples.transform(wide)
    algorithm = ALGORITHMS["yinyang"](samples, plan, transform)
    tables = samples.tables(len(centers), plan.n_tasks)
    labels = np.full(len(X), -1, np.int32)
    n_broken, projections_used, fast_used = 0, False, False
    for _ in range(n_passes):
        algorithm.run(wide, labels, tables)
        projections_used |= len(algorithm.projections) > 0
        fast_used |= len(algorithm.fast) > 0
        n_broken += count_broken(algorithm, X, wide, labels, spoil)
        update_means(samples, tables, labels, wide)
    return n_broken, projections_used, fast_used


@checking
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in NAMES if "many" in name])
@pytest.mark.parametrize("variant", ["yinyang", "yinyang, fast centers", "yinyang, coarse rows"])
def test_bounds_hold_in_every_pass(name, dtype, variant):
    X, centers = case(name, dtype)
    with variants.forced(variant):
        n_broken, projections_used, fast_used = broken_bounds(X, centers, 6)
        assert n_broken == 0
        assert projections_used == (variant == "yinyang" and X.shape[1] >= at.MIN_PROJECTION_FEATURES)
        # Nothing moves where every row is a center.
        assert fast_used == (variant == "yinyang, fast centers" and len(centers) < len(X))
        # The negative control: the bounds are tight, and do not hold if they are made a tenth tighter.
        assert "far out" in name or broken_bounds(X, centers, 6, spoil=1.1)[0] > 0


@pytest.mark.parametrize("step", [1, 3, 7])
@pytest.mark.parametrize("n_lowering", [0, 5, 12])
def test_shares_left_open_are_predicted(step, n_lowering):
    rng = np.random.default_rng(step)
    X = rng.normal(size=(50, 8))
    algorithm = yinyang.Yinyang(Samples(X), _plan.sweep(X.shape, 1), NO_TRANSFORM)
    algorithm.upper, algorithm.block_rows = rng.random(50).astype(np.float32), 16
    algorithm.lower = rng.random((4, 3, 16)).astype(np.float32) + np.float32(0.3)
    algorithm.groups, algorithm.moved = rng.integers(3, size=12), rng.random(12) / 2
    lowering, rows = rng.permutation(12)[:n_lowering], np.arange(0, 50, step)
    moves = [[algorithm.moved[j] for j in lowering if algorithm.groups[j] == g] for g in range(3)]
    largest = [max(some, default=0.0) for some in moves]
    slack = np.array([algorithm.lower[i // 16, :, i % 16] - algorithm.upper[i] for i in rows])
    is_open = slack <= largest
    right = is_open.mean(), is_open.any(1).mean()
    assert algorithm._open_shares(slack.T, lowering) == pytest.approx(right)
    assert 0 < right[0] < right[1]


@checking
@pytest.mark.parametrize("sound", [True, False])
def test_nan_directions_give_no_projections(sound, monkeypatch):
    X, centers = case("many panels", np.float32)
    factor, directions = np.float32(1.0 if sound else np.nan), yinyang.directions
    monkeypatch.setattr(
        yinyang, "directions", lambda *args: tuple(part * factor for part in directions(*args))
    )
    samples, wide = Samples(X), pad_centers(centers)
    algorithm = ALGORITHMS["yinyang"](samples, _plan.sweep(X.shape, 1), samples.transform(wide))
    tables = samples.tables(len(centers), algorithm.plan.n_tasks)
    labels = np.full(len(X), -1, np.int32)
    for _ in range(2):
        algorithm.run(wide, labels, tables)
    assert (len(algorithm.projections) > 0) == sound


@checking
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("coarse", [False, True])
def test_rows_that_become_nan_keep_a_valid_label(dtype, coarse, monkeypatch):
    """Their projections are near everything, even the padding of the last panel."""
    monkeypatch.setattr(panels, "multiplies_bytes", lambda: coarse)
    X, centers = case("many panels", dtype)
    samples, wide = Samples(X.copy()), pad_centers(centers)
    algorithm = ALGORITHMS["yinyang"](samples, _plan.sweep(X.shape, 1), samples.transform(wide))
    tables = samples.tables(len(centers), algorithm.plan.n_tasks)
    labels = np.full(len(X), -1, np.int32)
    for _ in range(3):
        algorithm.run(wide, labels, tables)
        update_means(samples, tables, labels, wide)
        samples.array[::7] = np.nan
        assert labels.min() >= 0
        assert labels.max() < len(centers)
    assert (algorithm.coarse is not None, len(algorithm.projections) > 0) == (coarse, not coarse)
    assert len(algorithm.places.members) > len(centers)


@checking
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["many panels", "many rows and features"])
def test_projections_that_do_not_pay_are_dropped(name, dtype, answers, monkeypatch):
    made, left = [], []

    class Watched(yinyang.Yinyang):
        def _make_projections(self, *args):
            super()._make_projections(*args)
            made.append(len(self.projections))

        def run(self, *args):
            done = super().run(*args)
            left.append(len(self.projections))
            return done

    monkeypatch.setitem(ALGORITHMS, "yinyang", Watched)
    assert differences(*case(name, dtype), answers(name, dtype), "yinyang") == []
    assert made[0] == max(left) > 0
    made.clear()
    left.clear()
    monkeypatch.setattr(_plan, "costs", lambda *_: variants.FREE._replace(narrowing=10.0))
    assert differences(*case(name, dtype), answers(name, dtype), "yinyang") == []
    assert made[0] > max(left) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["many panels", "many rows and features"])
@pytest.mark.parametrize("pays", [True, False])
def test_coarse_rows_that_do_not_pay_are_dropped(name, dtype, pays, answers, monkeypatch):
    kept = []

    class Watched(yinyang.Yinyang):
        def run(self, *args):
            done = super().run(*args)
            kept.append(self.coarse is not None)
            return done

    monkeypatch.setitem(ALGORITHMS, "yinyang", Watched)
    # Undone before what is around it.
    with variants.forced("yinyang, coarse rows"), monkeypatch.context() as inner:
        inner.setattr(_plan, "costs", lambda *_: variants.FREE._replace(pairs=0.0 if pays else 1e9))
        X, centers = case(name, dtype)
        for n_iter, (right_centers, right_labels, *_) in enumerate(answers(name, dtype), start=1):
            got = iterate(Samples(X), centers, n_iter, algorithm="yinyang")
            assert np.array_equal(got.labels, right_labels)
            assert got.centers[:, : X.shape[1]].astype(dtype).tobytes() == right_centers.tobytes()
    assert set(kept) == {pays}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_features", [2, 5])
def test_rows_between_centers_are_decided(dtype, n_features):
    """Many rows are nearly as far from another center: nearer than one byte a value tells."""
    X = np.random.default_rng(n_features).random((6000, n_features)).astype(dtype)
    for n_iter in (1, 2, 3, 6, 12):
        got = variants.iterate(Samples(X), X[:150], n_iter, "yinyang, coarse rows")
        right = iterate(Samples(X), X[:150], n_iter, algorithm="lloyd")
        assert np.array_equal(got.labels, right.labels)
        assert got.centers.tobytes() == right.centers.tobytes()
        assert got.n_pairs < right.n_pairs / 10


@pytest.mark.parametrize("dtype", DTYPES)
def test_coarse_rows_are_made_only_where_sampled_rows_leave_few_pairs_open(dtype, monkeypatch):
    """Tight clusters far from each other: one byte a value does not tell their rows apart."""
    monkeypatch.setattr(panels, "multiplies_bytes", lambda: True)
    rng = np.random.default_rng(0)
    made = {}
    for spread in (1.0, 1e5):
        means = spread * rng.normal(size=(3, 32))
        X = (means[rng.integers(3, size=20_000)] + rng.normal(size=(20_000, 32))).astype(dtype)
        samples, wide = Samples(X), pad_centers(X[:256].astype(float))
        algorithm = ALGORITHMS["yinyang"](samples, _plan.sweep(X.shape, 1), samples.transform(wide))
        labels = np.full(len(X), -1, np.int32)
        algorithm.run(wide, labels, samples.tables(256, algorithm.plan.n_tasks))
        made[spread] = algorithm.coarse is not None
    assert made == {1.0: True, 1e5: False}


@checking
@pytest.mark.parametrize(("checking", "kept"), [(2.0, 3.0), (0.7, 3.0), (0.7, 0.8), (0.7, 0.0)])
@pytest.mark.parametrize("transposes", [False, True])
def test_bounds_are_checked_only_while_that_pays(checking, kept, transposes, monkeypatch, threads):
    """Bounds are checked only as long as that pays; results are right either way."""
    monkeypatch.setattr(
        _plan, "costs", lambda *_: variants.FREE._replace(checked=1.0, checking=checking, kept=kept)
    )
    monkeypatch.setattr(_plan, "transposes", lambda *_: transposes)
    monkeypatch.setattr(at, "MAX_PACKED_BYTES", 0)
    rng = np.random.default_rng(6)
    X = rng.normal(size=(100, 9))[rng.integers(100, size=4000)] + rng.normal(size=(4000, 9)) * 0.1
    right = iterate(Samples(X), X[:50], 20, algorithm="lloyd")
    got = iterate(Samples(X), X[:50], 20, algorithm="yinyang")
    assert np.array_equal(got.labels, right.labels)
    assert got.centers.tobytes() == right.centers.tobytes()
    monkeypatch.setattr(_plan, "costs", lambda *_: variants.FREE)
    least = iterate(Samples(X), X[:50], 20, algorithm="yinyang").n_pairs
    assert least < got.n_pairs < right.n_pairs


@checking
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_features", [16, 70])
def test_long_runs_agree(dtype, n_features, threads):
    """To the fixed point, with many panels; bounds survive many passes."""
    rng = np.random.default_rng(n_features)
    means = rng.normal(size=(40, n_features)) * 2
    X = (means[rng.integers(40, size=3000)] + rng.normal(size=(3000, n_features))).astype(dtype)
    right = iterate(Samples(X), X[:200], 60, algorithm="lloyd")
    for variant in variants.VARIANTS:
        got = variants.iterate(Samples(X), X[:200], 60, variant)
        assert np.array_equal(got.labels, right.labels)
        assert got.centers.tobytes() == right.centers.tobytes()
        assert got.n_iter == right.n_iter
    assert right.n_iter > 5


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_rows_need_the_reference_distance(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 40)).astype(dtype)
    certified = iterate(Samples(X), X[:50], 3, algorithm="certified")
    assert certified.n_decided < 0.01 * 3 * len(X)
    assert iterate(Samples(X), X[:50], 3, algorithm="lloyd").n_decided == 3 * len(X)


@pytest.fixture
def small_chunks(monkeypatch):
    """Give a task few rows at a time, except in `small`, whose block size is compiled in."""
    monkeypatch.setattr(at, "MAX_CHUNK_ROWS", 64)
    monkeypatch.setattr(at, "MAX_PACKED_BYTES", 0)
    monkeypatch.setattr(at, "SPATIAL_CHUNK_BLOCKS", 1)
    monkeypatch.setattr(at, "MAX_SPATIAL_ROWS", 32)


MANY_CHUNKS = [
    *(("wide enough", variant) for variant in variants.VARIANTS),
    *(
        ("many rows and features", variant)
        for variant in variants.VARIANTS
        if variant not in ("filtering", "small")
    ),
]


@checking
@pytest.mark.parametrize(("name", "variant"), MANY_CHUNKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_chunks_for_each_thread_change_no_bit(dtype, name, variant, small_chunks, threads, answers):
    assert differences(*case(name, dtype), answers(name, dtype), variant) == []


@checking
@pytest.mark.parametrize(
    ("name", "key"), sorted({(name, variant.partition(",")[0]) for name, variant in MANY_CHUNKS})
)
def test_there_are_three_chunks_for_each_thread(name, key, small_chunks, threads):
    X, centers = case(name, np.float32)
    samples, wide, plan = Samples(X), pad_centers(centers), _plan.sweep(X.shape, work=X.size * len(centers))
    assert plan.parallel == (threads > 1)
    assert plan.n_tasks == threads
    algorithm = ALGORITHMS[key](samples, plan, samples.transform(wide))
    tables = samples.tables(len(centers), plan.n_tasks)
    if key != "small":
        algorithm.run(wide, np.full(len(X), -1, np.int32), tables)
    n_chunks = {
        "lloyd": len(X) // plan.chunk_rows,
        "certified": len(X) // certified.layout(samples, plan, NO_TRANSFORM, len(centers)).block_rows,
        "small": n_blocks(samples.wide, samples.ranges),
        "filtering": len(getattr(algorithm, "block_labels", ())),
        "yinyang": len(getattr(algorithm, "lower", ())),
    }
    assert n_chunks[key] >= 3 * threads


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
def test_chunks_of_every_size_change_no_bit(variant, monkeypatch):
    X, centers = edge_cases.cases(np.float64)["odd widths"]
    expected = expected_passes(X, centers)
    for chunk in (16, 48, 128, 512):
        monkeypatch.setattr(at, "MAX_CHUNK_ROWS", chunk)
        assert differences(X, centers, expected, variant) == []


def test_a_fused_multiply_add_would_be_noticed():
    """For rows halfway between two centers, the rounding of each operation decides."""
    rng = np.random.default_rng(3)
    n_fused_differ = 0
    for x in rng.normal(size=(500, 1, 3)):
        offset = rng.normal(size=3)
        centers = np.vstack([x - offset, x + offset])
        label, _ = nearest(Samples(x), centers)
        assert label == oracle.assign(x, centers)[0]
        fused = np.zeros(2)
        for f in range(3):
            difference = x[0, f] - centers[:, f]
            fused = [
                float(Fraction(e) * Fraction(e) + Fraction(s)) for e, s in zip(difference, fused, strict=True)
            ]
        n_fused_differ += int(np.argmin(fused) != label[0])
    assert n_fused_differ > 0


class TieForTheHigher:
    """In the first pass, a row that is tied between centers gets the highest label."""

    def finish(self, labels):
        super().finish(labels)
        D = oracle.sq_dists(self.samples.array, self.start)
        i = np.flatnonzero((D.min(1, keepdims=True) == D).sum(1) > 1)[0]
        labels[i] = np.flatnonzero(D[i] == D[i].min())[-1]

    def run_all(self, centers, *args):
        self.start = centers[:, : self.samples.shape[1]].copy()
        return super().run_all(centers, *args)


class LastCenterLeftOut:
    """In all passes the last center is a duplicate of the first one, and so gets no rows."""

    def passes_per_call(self, _n_clusters):
        return 1

    def advance(self, centers, labels, tables, *args):
        hidden = centers[-1].copy()
        centers[-1] = centers[0]
        done = super().advance(centers, labels, tables, *args)
        assert not tables.sizes[-1]
        centers[-1] = hidden
        return done


class MeanOffByOneBit:
    """The last bit of one mean is wrong."""

    def advance(self, centers, labels, tables, *args):
        done = super().advance(centers, labels, tables, *args)
        centers[0, 0] = np.nextafter(centers[0, 0], np.inf)
        return done


@checking
@pytest.mark.parametrize("fault", [TieForTheHigher, LastCenterLeftOut, MeanOffByOneBit])
@pytest.mark.parametrize("variant", variants.VARIANTS)
def test_planted_faults_are_found(variant, fault, monkeypatch):
    """The negative control of `differences`: the results of a faulty algorithm differ."""
    X, centers = edge_cases.cases(np.float64)["ties on a grid"]
    # Distinct, so that the last one has rows.
    centers = np.unique(centers, axis=0)[:7]
    expected = expected_passes(X, centers)
    assert differences(X, centers, expected, variant) == []
    key = variant.partition(",")[0]
    monkeypatch.setitem(ALGORITHMS, key, type("Faulty", (fault, ALGORITHMS[key]), {}))
    assert differences(X, centers, expected, variant) != []


@kernel
def n_blocks(X, ranges, arena):
    """Return the number of blocks into which `small` packs the rows."""
    bins = bins_of(ranges, arena)
    return len(pack_rows(X, None, bins, arena).lanes)


@pytest.mark.parametrize(
    ("n_features", "n_clusters", "value", "solvers"),
    [
        (8, 20, 1.0, ["SOLVE"] if DISABLED else ["SOLVE_KEPT"]),
        (9, 20, 1.0, ["SOLVE"]),
        (8, 21, 1.0, ["SOLVE"]),
        # Values of such a range have dozens of parts, which only the kernel finds out.
        (8, 20, 1e300, ["SOLVE"] if DISABLED else ["SOLVE_KEPT", "SOLVE"]),
        (8, 20, np.nan, []),
    ],
)
def test_few_parts_are_kept(n_features, n_clusters, value, solvers, monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, n_features))
    X[7, 0] = value
    called = []

    def watched(name, solve):
        return lambda *args: called.append(name) or solve(*args)

    for name in ("SOLVE", "SOLVE_KEPT"):
        monkeypatch.setattr(small, name, watched(name, getattr(small, name)))
    got = iterate(Samples(X), X[10 : 10 + n_clusters], 1, algorithm="small")
    assert called == solvers
    right = iterate(Samples(X), X[10 : 10 + n_clusters], 1, algorithm="lloyd")
    assert got.centers.tobytes() == right.centers.tobytes()
    # For problems of a batch and of nopython code, compiled code decides: with the same result.
    with_parts = keeps_parts(n_features, n_clusters, Samples(X).ranges.n_parts)
    assert with_parts == (solvers == ["SOLVE_KEPT"]) or np.isnan(value)


@pytest.mark.parametrize("stop_on_empty", [False, True])
def test_small_passes_in_several_calls_give_the_bits_of_one(stop_on_empty, monkeypatch):
    """The last block is not full; an empty cluster stays empty, even in a call that moves no row."""
    X = np.random.default_rng(0).normal(size=(601, 3))
    starts = {"full": X[:9], "empty": np.append(X[:8], [[1e9] * 3], 0)}
    for centers in starts.values():
        for max_iter in (1, 2, 7, 10**6):
            whole = iterate(Samples(X), centers, max_iter, stop_on_empty=stop_on_empty, algorithm="small")
            for step in (1, 2, 5):
                with monkeypatch.context() as patch:
                    patch.setattr(at, "MAX_CALL_STEPS", step * _plan.pass_work(601, 3, 9))
                    assert _plan.per_call(_plan.pass_work(601, 3, 9)) == step
                    parts = iterate(
                        Samples(X), centers, max_iter, stop_on_empty=stop_on_empty, algorithm="small"
                    )
                assert parts.centers.tobytes() == whole.centers.tobytes()
                assert parts.labels.tobytes() == whole.labels.tobytes()
                assert parts[2:] == whole[2:]
