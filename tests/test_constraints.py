"""Centers that stay, and centers and rows of length 1: the oracle's bits."""

import functools

import numpy as np
import oracle
import pytest
from support import edge_cases, variants

from numbakmeans import KMeans, fit
from numbakmeans._engine import fit as _fit
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.constraints import Constraints, as_fixed, unit_centers, with_unit_rows
from numbakmeans._engine.exact import unit_vector
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.unit_rows import NORMALIZE, normalized

DTYPES = [np.float32, np.float64]
NAMES = list(edge_cases.cases(np.float64))
checking = pytest.mark.usefixtures("bounds_checked")


# --- Unit vectors


def rows_of_any_kind(dtype, n_features):
    """Return rows of ordinary and of extreme values, none of them zero."""
    rng = np.random.default_rng(n_features)
    info = np.finfo(dtype)
    normal = rng.normal(size=(4, n_features))
    lowest, highest = np.log10(float(info.tiny)), np.log10(float(info.max))
    spread = 10.0 ** rng.uniform(lowest, highest, size=(4, n_features))
    grid = rng.integers(-5, 6, size=(4, n_features)) + (np.arange(n_features) == 0) * 20
    edges = np.full((3, n_features), [[info.max], [info.tiny], [info.smallest_subnormal]])
    subnormal = rng.integers(1, 9, size=(2, n_features)) * float(info.smallest_subnormal)
    axis = (np.arange(n_features) == n_features - 1) * np.array([[-1.0], [3.0], [1e-40]])
    rows = [normal, normal * 1e30, normal * 1e-30, normal * spread, grid, edges, subnormal, axis, 3.0 * grid]
    with np.errstate(over="ignore"):
        X = np.vstack(rows).astype(dtype)
    return X[X.any(1) & np.isfinite(X).all(1)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_features", [1, 2, 3, 16, 50])
def test_rows_divided_by_their_lengths_are_the_oracles(dtype, n_features):
    X = rows_of_any_kind(dtype, n_features)
    right = np.array([oracle.unit(x) for x in X])
    assert normalized(X).tobytes() == right.tobytes()
    assert np.array([unit_vector(x) for x in X]).tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_ordinary_values_are_certain(dtype):
    X = np.random.default_rng(0).normal(size=(2000, 40)).astype(dtype)
    uncertain, out = np.empty(len(X), np.bool_), np.empty_like(X)
    assert NORMALIZE.on(False)(1, X, out, uncertain) == 0
    # The control: values that cannot be scaled.
    Y = np.array([[3.0, 4.0], [1e305, 1e305], [0.0, 0.0]])
    uncertain, out = np.empty(3, np.bool_), np.empty_like(Y)
    assert NORMALIZE.on(False)(1, Y, out, uncertain) == 1
    assert uncertain.tolist() == [False, True, False]


# --- Passes


def unit_case(name, dtype):
    """Return an edge case without its zero rows and centers; None if nothing is left."""
    X, centers = edge_cases.cases(dtype)[name]
    X, centers = X[X.any(1)], centers[centers.any(1)]
    return (X, centers) if len(X) and len(centers) else None


def mask_of(centers):
    """Return a mask of every third center."""
    return np.arange(len(centers)) % 3 == 1


@functools.cache
def answer(name, dtype, kind, relocates):
    X, start, weights, constraints = problem(name, dtype, kind)
    unit = constraints.unit
    rows = np.array([oracle.unit(x) for x in X]) if unit else X
    begin = np.array([oracle.unit(c) for c in start.astype(np.float64)]) if unit else start
    return oracle.lloyd(rows, begin, 4, weights, relocates, 0.0, constraints.fixed, unit)


def problem(name, dtype, kind):
    """Return rows, starting centers, weights and constraints."""
    X, centers = unit_case(name, dtype) if "unit" in kind else edge_cases.cases(dtype)[name]
    weights = np.arange(len(X)) % 4 * 0.3 if "weights" in kind and len(X) > 1 else None
    return X, centers, weights, Constraints(mask_of(centers) if "fixed" in kind else None, "unit" in kind)


def passes(name, dtype, kind, relocates, variant):
    X, start, weights, constraints = problem(name, dtype, kind)
    samples = Samples(X, weights)
    if constraints.unit:
        samples, start = with_unit_rows(samples, "X"), unit_centers(start, "centers")
    with variants.forced(variant) as algorithm:
        options = {"relocates": relocates, "constraints": constraints, "algorithm": algorithm}
        return _fit.iterate(samples, start, 4, **options)


def same(got, right, n_features, dtype):
    centers, labels, n_iter, _, settled = right
    return (
        got.centers[:, :n_features].astype(dtype).tobytes() == centers.astype(dtype).tobytes()
        and np.array_equal(got.labels, labels)
        and (got.n_iter, got.settled) == (n_iter, settled)
    )


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("kind", ["fixed", "unit", "unit, fixed, weights"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_constrains_centers_alike(name, dtype, kind, variant):
    if "unit" in kind and unit_case(name, dtype) is None:
        assert not edge_cases.cases(dtype)[name][0].any(1).all()
        return
    relocates = kind != "unit"
    with np.errstate(all="ignore"):
        right = answer(name, dtype, kind, relocates)
        got = passes(name, dtype, kind, relocates, variant)
    assert same(got, right, problem(name, dtype, kind)[0].shape[1], dtype)


def test_another_constraint_is_noticed():
    """The control."""
    name, dtype = "normal", np.float64
    n_features = unit_case(name, dtype)[0].shape[1]
    right = answer(name, dtype, "unit", False)
    assert same(passes(name, dtype, "unit", False, "lloyd"), right, n_features, dtype)
    for other in ("fixed", "unit, fixed", "unit, weights"):
        assert not same(passes(name, dtype, other, False, "lloyd"), right, n_features, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unit_rows_in_slabs_and_in_any_layout(dtype, monkeypatch):
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(3000, 7)) + 0.3).astype(dtype)
    options = {"metric": "cosine", "max_iter": 5, "fixed": [2], "sample_weight": rng.random(3000)}
    expected = fit(X, X[:9], **options)
    for name in ("MAX_COPY_BYTES", "MAX_SLAB_BYTES"):
        monkeypatch.setattr(at, name, 0)
    monkeypatch.setattr(at, "MIN_SLAB_ROWS", 100)
    assert with_unit_rows(Samples(X), "X").slab_rows < 3000
    for other in (np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, axis=1)[:, ::2]):
        got = fit(other, X[:9], **options)
        assert [np.asarray(a).tobytes() for a in got] == [np.asarray(a).tobytes() for a in expected]


def test_a_mean_of_zero_leaves_its_center():
    both = fit(np.array([[1.0, 0.0], [-1.0, 0.0]]), [[0.0, 2.0]], metric="cosine")
    assert both.centers.tolist() == [[0.0, 1.0]]
    assert both.inertia == 4.0


def test_the_inertia_is_twice_one_minus_the_cosine():
    X = np.random.default_rng(5).normal(size=(400, 6)) + 1
    found = fit(X, X[:5], metric="cosine")
    units = X / np.linalg.norm(X, axis=1)[:, None]
    cosines = (units * found.centers[found.labels]).sum(1)
    assert np.isclose(found.inertia, 2 * (1 - cosines).sum(), rtol=1e-9)
    assert np.allclose(np.linalg.norm(found.centers, axis=1), 1)
    # The scale of a row does not matter; the control: without the metric it does.
    scaled = X * 2.0 ** np.random.default_rng(6).integers(-9, 9, 400)[:, None]
    assert np.array_equal(fit(scaled, X[:5], metric="cosine").labels, found.labels)
    assert not np.array_equal(fit(scaled, X[:5]).labels, found.labels)


def test_a_fit_goes_on_from_the_centers_of_another():
    X = np.random.default_rng(7).normal(size=(500, 4))
    known = fit(X, X[:3])
    more = fit(X, np.vstack([known.centers, X[:2]]), fixed=[0, 1, 2])
    assert more.centers[:3].tobytes() == known.centers.tobytes()
    assert more.inertia < known.inertia
    assert fit(X, known.centers, fixed=[True] * 3).labels.tolist() == known.labels.tolist()


def test_a_tolerance_is_that_of_the_constrained_centers():
    X = np.random.default_rng(8).normal(size=(300, 3))
    held = fit(X, X[:4], fixed=range(4), tol=1e-12)
    assert (held.n_iter, held.converged) == (1, True)
    assert fit(X, X[:4], tol=1e-12).n_iter > 1


# --- Arguments


@pytest.mark.parametrize(
    ("fixed", "error", "message"),
    [
        ([0, 4], ValueError, "fixed must hold indices from 0 to 3, got 4"),
        ([-1], ValueError, "fixed must hold indices from 0 to 3, got -1"),
        ([True, False], ValueError, "fixed must say for each of 4 centers whether it stays, got 2"),
        ([0.5], TypeError, "fixed must hold indices of centers, or be a mask of bools, got dtype float64"),
        ([[0]], ValueError, r"fixed must be a 1-D array of indices, or a mask, got shape \(1, 1\)"),
        (["a"], TypeError, "fixed must hold"),
    ],
)
def test_bad_fixed_centers(fixed, error, message):
    X = np.random.default_rng(9).normal(size=(20, 2))
    with pytest.raises(error, match=message):
        fit(X, X[:4], fixed=fixed)
    with pytest.raises(error, match=message):
        KMeans(4, init=X[:4], fixed=fixed).fit(X)


def test_fixed_centers_by_index_and_by_mask():
    assert as_fixed([2, 0, 2], 4).tolist() == [True, False, True, False]
    assert as_fixed([], 2).tolist() == [False, False]
    assert as_fixed(np.array([False, True]), 2).tolist() == [False, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.float16])
def test_zero_rows_and_centers_are_named(dtype):
    X = np.arange(1, 41).reshape(20, 2).astype(dtype)
    start = X[:3].copy()
    X[7] = 0
    with pytest.raises(ValueError, match="row 7 of X is zero"):
        fit(X, start, metric="cosine")
    with pytest.raises(ValueError, match="row 7 of X is zero"):
        KMeans(3, metric="cosine", random_state=0).fit(X)
    X[7] = 1
    model = KMeans(3, metric="cosine", random_state=0).fit(X)
    with pytest.raises(ValueError, match="row 0 of X is zero"):
        model.predict(X[:1] * 0)
    start[1] = 0
    with pytest.raises(ValueError, match="row 1 of centers is zero"):
        fit(X, start, metric="cosine")
    with pytest.raises(ValueError, match="row 1 of init is zero"):
        KMeans(3, init=start, metric="cosine").fit(X)


def test_unknown_metrics_and_fixed_centers_that_nobody_gives():
    X = np.random.default_rng(10).normal(size=(20, 2))
    with pytest.raises(ValueError, match="metric must be one of"):
        fit(X, X[:2], metric="manhattan")
    with pytest.raises(ValueError, match="'metric' parameter of KMeans must be a str among"):
        KMeans(2, metric="manhattan").fit(X)
    with pytest.raises(ValueError, match="fixed needs starting centers: init must give them"):
        KMeans(2, fixed=[0]).fit(X)
    with pytest.raises(ValueError, match="'fixed' parameter of KMeans must be an array-like or None"):
        KMeans(2, fixed=3).fit(X)


# --- The estimator


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_the_estimator_on_the_sphere(init):
    X = np.random.default_rng(11).normal(size=(300, 5)).astype(np.float32) + 0.5
    model = KMeans(6, init=init, metric="cosine", random_state=1, n_init=2).fit(X)
    units = normalized(X)
    assert np.array_equal(model.labels_, oracle.assign(units, model.cluster_centers_)[0])
    assert model.inertia_ == oracle.inertia(units, model.cluster_centers_, model.labels_)
    assert np.array_equal(model.predict(X * np.float32(4)), model.labels_)
    assert -model.score(X) == model.inertia_
    chords = np.linalg.norm(units[:, None].astype(float) - model.cluster_centers_, axis=2)
    assert np.allclose(model.transform(X), chords, atol=1e-6)


def test_the_estimator_takes_sparse_rows_on_the_sphere():
    sparse = pytest.importorskip("scipy.sparse")
    X = np.random.default_rng(12).random((200, 30)) * (np.random.default_rng(13).random((200, 30)) < 0.2)
    X[:, 0] += 0.1
    dense = KMeans(5, metric="cosine", random_state=0).fit(X)
    model = KMeans(5, metric="cosine", random_state=0).fit(sparse.csr_array(X))
    assert model.cluster_centers_.tobytes() == dense.cluster_centers_.tobytes()
    assert np.array_equal(model.predict(sparse.csc_array(X)), dense.labels_)


def test_the_estimator_keeps_fixed_centers():
    X = np.random.default_rng(14).normal(size=(300, 4))
    model = KMeans(5, init=X[:5], fixed=[1, 3]).fit(X)
    assert model.cluster_centers_[[1, 3]].tobytes() == X[[1, 3]].tobytes()
    right = oracle.lloyd(X, X[:5], 300, None, True, 1e-4 * oracle.mean_variance(X), as_fixed([1, 3], 5))
    assert model.cluster_centers_.tobytes() == right[0].tobytes()
    called = KMeans(5, init=lambda rows, k, random_state: rows[:k], fixed=[1, 3], n_init=1).fit(X)
    assert called.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
