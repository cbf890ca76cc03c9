"""Weighted rows: the oracle's bits in every algorithm, and integer weights as duplicated rows."""

import functools
import math
from fractions import Fraction

import numpy as np
import oracle
import pytest
from support import edge_cases, variants

from numbakmeans._engine import fit as _fit
from numbakmeans._engine.distances import exact_weighted_sum, pad_centers
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
PASSES = 3
checking = pytest.mark.usefixtures("bounds_checked")


def weights_of(kind, n_samples):
    rng = np.random.default_rng(31)
    kinds = {
        "ones": np.ones(n_samples),
        "small integers": rng.integers(0, 4, size=n_samples).astype(float),
        "uniform": rng.random(n_samples),
        "a third of them zero": rng.random(n_samples) * rng.integers(0, 3, size=n_samples),
        "far apart": 10.0 ** rng.integers(-15, 15, size=n_samples),
        "tiny": rng.random(n_samples) * 1e-300,
        "huge": rng.random(n_samples) * 1e300,
        "beyond what can be split": 10.0 ** rng.integers(-320, 300, size=n_samples),
    }
    weights = kinds[kind]
    weights[0] = max(weights[0], 1e-320)
    return weights


KINDS = ["ones", "small integers", "uniform", "a third of them zero", "far apart", "tiny", "huge"]
EXTREME = "beyond what can be split"
#: Without those for which the oracle takes seconds.
NAMES = [name for name in edge_cases.cases(np.float64) if "many" not in name]


@pytest.fixture(scope="module")
def answers():
    """Return a function that gives the oracle's answers after each pass, computed once."""
    known = {}

    def answer(name, dtype, kind):
        if (name, dtype, kind) not in known:
            X, centers = edge_cases.cases(dtype)[name]
            weights, passes = weights_of(kind, len(X)), []
            with np.errstate(all="ignore"):
                for n_iter in range(1, PASSES + 1):
                    passes.append(oracle.lloyd(X, centers, n_iter, weights)[:3])
            known[name, dtype, kind] = passes
        return known[name, dtype, kind]

    return answer


def differences(X, centers, weights, expected, variant):
    """Return which results differ from the oracle's, for each number of passes."""
    wrong = []
    for n_iter, (right_centers, right_labels, right_passes) in enumerate(expected, start=1):
        got = variants.iterate(Samples(X, weights), centers, n_iter, variant)
        if got.centers[:, : X.shape[1]].astype(X.dtype).tobytes() != right_centers.tobytes():
            wrong.append((n_iter, "centers"))
        if not np.array_equal(got.labels, right_labels):
            wrong.append((n_iter, "labels"))
        if got.n_iter != right_passes:
            wrong.append((n_iter, "passes"))
        counted = np.unique(right_labels[weights > 0])
        if got.n_empty != len(centers) - len(counted):
            wrong.append((n_iter, "empties"))
    return wrong


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_algorithm_weighs_rows(kind, dtype, variant, answers):
    for name in ("ties on a grid", "mixed scales", "odd widths", "offset 1e8"):
        X, centers = edge_cases.cases(dtype)[name]
        assert differences(X, centers, weights_of(kind, len(X)), answers(name, dtype, kind), variant) == [], (
            name
        )


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
def test_weights_and_any_number_of_threads(variant, threads, answers):
    X, centers = edge_cases.cases(np.float64)["normal"]
    weights = weights_of("uniform", len(X))
    assert differences(X, centers, weights, answers("normal", np.float64, "uniform"), variant) == []


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edge_cases(name, dtype, variant, answers):
    X, centers = edge_cases.cases(dtype)[name]
    kind = "a third of them zero"
    assert differences(X, centers, weights_of(kind, len(X)), answers(name, dtype, kind), variant) == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["normal", "mixed scales", "largest and smallest", "denormal"])
def test_products_that_cannot_be_split_are_summed_in_integers(name, dtype, answers):
    X, centers = edge_cases.cases(dtype)[name]
    weights = weights_of(EXTREME, len(X))
    assert not Samples(X, weights).summable
    assert differences(X, centers, weights, answers(name, dtype, EXTREME), "yinyang") == []


@functools.cache
def many_rows(dtype):
    """Return rows, their weights, centers, and the oracle's answer after four passes."""
    X, centers = edge_cases.wide_enough(dtype)
    weights = weights_of("uniform", len(X))
    return X, weights, centers, oracle.lloyd(X, centers, 4, weights)[:3]


@checking
@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_in_any_layout_and_in_slabs(dtype, variant, monkeypatch):
    X, weights, centers, (right_centers, right_labels, _) = many_rows(dtype)
    expected = variants.iterate(Samples(X, weights), centers, 4, "lloyd")
    assert expected.centers[:, :3].astype(dtype).tobytes() == right_centers.tobytes()
    assert np.array_equal(expected.labels, right_labels)
    for given in (np.asfortranarray(X), X[::-1].copy()[::-1]):
        got = variants.iterate(Samples(given, weights), centers, 4, variant)
        assert got.centers.tobytes() == expected.centers.tobytes()
        assert np.array_equal(got.labels, expected.labels)
    monkeypatch.setattr(_fit.Samples, "slabs", slabs_of_1000_rows)
    got = variants.iterate(Samples(X, weights), centers, 4, variant)
    assert got.centers.tobytes() == expected.centers.tobytes()


def slabs_of_1000_rows(samples, edges=None):
    """Yield rows in slabs that end where blocks may end."""
    start = 0
    while start < len(samples):
        stop = min(start + 1000, len(samples))
        if edges is not None:
            stop = int(edges[np.searchsorted(edges, stop, side="right") - 1])
        yield slice(start, stop), samples.X[start:stop]
        start = stop


@pytest.mark.parametrize("variant", variants.VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["normal", "ties on a grid", "mixed scales", "one feature", "many clusters"])
def test_integer_weights_are_duplicated_rows(name, dtype, variant):
    X, centers = edge_cases.cases(dtype)[name]
    times = np.random.default_rng(5).integers(0, 4, size=len(X))
    weighted, copied = Samples(X, times.astype(float)), Samples(np.repeat(X, times, axis=0))
    one, other = (variants.iterate(samples, centers, 5, variant) for samples in (weighted, copied))
    assert one.centers.tobytes() == other.centers.tobytes()
    assert np.array_equal(np.repeat(one.labels, times), other.labels)
    inertias = [_fit.inertia_of(s, p.centers, p.labels) for s, p in ((weighted, one), (copied, other))]
    assert inertias[0] == inertias[1]


@pytest.mark.parametrize("kind", [*KINDS, EXTREME])
@pytest.mark.parametrize("name", ["normal", "mixed scales", "tiny", "large", "denormal"])
def test_inertia_is_the_exact_weighted_sum(name, kind):
    X, centers = edge_cases.cases(np.float64)[name]
    weights, labels = weights_of(kind, len(X)), oracle.assign(X, centers)[0]
    expected = oracle.inertia(X, centers, labels, weights)
    assert _fit.inertia_of(Samples(X, weights), pad_centers(centers), labels) == expected


@pytest.mark.parametrize("n_rows", [1, 40, 5000])
@pytest.mark.parametrize("exponents", [(-8, 8), (-1074, -900), (-480, -440), (440, 520), (900, 1023)])
def test_products_are_summed_exactly(exponents, n_rows, threads):
    """Also where they overflow, where rounding errors underflow, and where a row of weight 0 is far out."""
    rng = np.random.default_rng(n_rows)
    values, weights = np.ldexp(rng.random((2, n_rows)), rng.integers(*exponents, size=(2, n_rows)))
    weights[rng.random(n_rows) < 0.1] = 0.0
    weights[0], values[weights == 0] = weights[0] or 1.0, np.inf
    pairs = zip(values[weights > 0], weights[weights > 0], strict=True)
    right = sum(Fraction(value) * Fraction(weight) for value, weight in pairs)
    with np.errstate(over="ignore"):
        expected = float(right) if right < 2**1024 - 2**970 else np.inf
    assert exact_weighted_sum(Samples(np.ones((n_rows, 1)), weights), values) == expected


def test_rounded_products_would_be_noticed():
    """The negative control: the exact sum of rounded products is another one."""
    pairs = np.random.default_rng(0).random((100, 2, 2))
    found = [exact_weighted_sum(Samples(np.ones((2, 1)), weights), values) for values, weights in pairs]
    rounded = [math.fsum((values * weights).tolist()) for values, weights in pairs]
    assert sum(one != other for one, other in zip(found, rounded, strict=True)) > 20


def test_weights_do_not_change_where_they_are_ignored():
    """The negative control: other weights are noticed, in the sums and in the inertia."""
    X, centers = edge_cases.cases(np.float64)["normal"]
    weights = weights_of("uniform", len(X))
    expected = [oracle.lloyd(X, centers, n_iter, weights)[:3] for n_iter in range(1, PASSES + 1)]
    assert differences(X, centers, weights, expected, "lloyd") == []
    weights[7] = np.nextafter(weights[7], 2)
    assert differences(X, centers, weights, expected, "lloyd") != []
    labels = expected[-1][1]
    inertia = _fit.inertia_of(Samples(X, weights), pad_centers(centers), labels)
    assert inertia != oracle.inertia(X, centers, labels, np.ones(len(X)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["normal", "offset 1e4", "constant column", "one feature", "one row"])
def test_mean_variance_ignores_weights(name, dtype):
    X, _ = edge_cases.cases(dtype)[name]
    weights = weights_of("uniform", len(X))
    expected = np.var(X.astype(np.float64), axis=0).mean()
    assert _fit.mean_variance(Samples(X, weights)) == pytest.approx(expected, rel=1e-9)
    assert _fit.mean_variance(Samples(X)) == _fit.mean_variance(Samples(X, weights))
