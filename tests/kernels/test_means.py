"""Exact means, checked against fractions: quick vectorized ones, and the recomputing of uncertain ones."""

import inspect
from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._engine import thresholds as at
from numbakmeans._engine.columns import column_means
from numbakmeans._engine.exact import quotient, recompute_means, recompute_means_of_rows
from numbakmeans._engine.kernels import means
from numbakmeans._engine.samples import MEANS, Samples, labeled_means
from numbakmeans._engine.structs.sums import Bins, Sums
from numbakmeans._numba.compiler import kernel

ANY = st.floats(allow_nan=False, allow_infinity=False)
DTYPES = [np.float32, np.float64]


def mean_of(values, dtype, divisor=None):
    samples = Samples(np.array(values, dtype).reshape(-1, 1))
    return dtype(column_means(samples, single=dtype is np.float32, divisor=divisor)[0])


@given(st.lists(ANY, min_size=1, max_size=30))
def test_means_of_any_doubles_are_the_oracles(values):
    assert mean_of(values, np.float64).tobytes() == oracle.exact_mean(values, np.float64).tobytes()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30))
def test_means_of_any_singles_are_the_oracles(values):
    values = np.array(values, np.float32)
    assert mean_of(values, np.float32).tobytes() == oracle.exact_mean(values, np.float32).tobytes()


@given(st.lists(ANY, min_size=1, max_size=20), st.integers(1, 2**34))
def test_means_with_any_divisor_are_the_oracles(values, divisor):
    got = mean_of(values, np.float64, divisor)
    assert got.tobytes() == oracle.exact_mean(values, np.float64, divisor).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_halves_round_to_even(dtype):
    one, above = dtype(1), np.nextafter(dtype(1), dtype(2))
    after = np.nextafter(above, dtype(2))
    assert mean_of([one, above], dtype) == one
    assert mean_of([above, after], dtype) == after


def test_only_a_negative_mean_that_underflows_is_minus_zero():
    assert not np.signbit(mean_of([-0.0, -0.0], np.float64))
    assert not np.signbit(mean_of([1.0, -1.0], np.float64))
    assert np.signbit(mean_of([-5e-324, 0.0, 0.0], np.float64))


def test_the_mean_of_huge_values_is_finite():
    huge = np.finfo(np.float64).max
    assert mean_of([huge, huge, huge], np.float64) == huge
    assert mean_of([huge, huge], np.float64, divisor=1) == np.inf


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widened", [False, True])
def test_means_do_not_depend_on_threads(dtype, widened, threads, monkeypatch):
    monkeypatch.setattr(at, "MAX_SMALL_VALUES", 10**9 if widened else 0)
    rng = np.random.default_rng(5)
    X = (rng.normal(size=(9001, 3)) * 10.0 ** rng.integers(-8, 8, size=(9001, 1))).astype(dtype)
    labels = rng.integers(0, 5, len(X)).astype(np.int32)
    found, sizes = labeled_means(Samples(X), labels, 6)
    expected = oracle.update(X, labels, np.zeros((6, 3)))
    assert found.tobytes() == expected.tobytes()
    assert sizes.tolist() == np.bincount(labels, minlength=6).tolist()


# --- Certainty


def total_of(parts, exponents):
    return sum(part * Fraction(2) ** e for part, e in zip(parts, exponents, strict=True))


def quick(cases, exponents, single, divide=means.quick_means):
    """Return the quick means of some sums, and which are certain; cases : pairs of parts and a count."""
    work = np.empty((6 + 2 * len(exponents), len(cases)))
    work[4] = [count for _, count in cases]
    for p, e in enumerate(exponents):
        work[6 + p] = np.ldexp(1.0, e)
        work[6 + len(exponents) + p] = np.array([parts[p] for parts, _ in cases], np.int64).view(np.float64)
    divide(len(cases), len(exponents), single, None, work)
    assert set(work[1].tolist()) <= {0.0, 1.0}
    return work[0], work[1] == 1.0


def right_means(cases, exponents, dtype):
    return [oracle.round_fraction(total_of(parts, exponents) / count, dtype) for parts, count in cases]


def wrong_means(cases, exponents, dtype, divide=means.quick_means):
    """Return the indices of means that are marked certain but are not the true means, rounded once."""
    found, certain = quick(cases, exponents, dtype is np.float32, divide)
    right = np.array(right_means(cases, exponents, dtype), np.float64)
    return np.flatnonzero(certain & (found.view(np.int64) != right.view(np.int64))).tolist()


COUNTS = st.one_of(st.integers(1, 40), st.integers(1, 2**34))
#: Sums of parts as they occur: of at most 50 bits, added up to 2**35 times; lower parts have finer bins.
PARTS = st.integers(-(2**62), 2**62)


@st.composite
def sums(draw):
    """Draw the exponents of some parts, and sums of such parts with their counts."""
    n_parts, bits = draw(st.integers(1, 4)), draw(st.integers(27, 50))
    top = draw(st.one_of(st.integers(-200, 200), st.integers(-1074, 1023)))
    exponents = [max(top - p * bits, -1074) for p in range(n_parts)]
    case = st.tuples(st.lists(PARTS, min_size=n_parts, max_size=n_parts), COUNTS)
    return draw(st.lists(case, min_size=1, max_size=9)), exponents


@pytest.mark.parametrize("dtype", DTYPES)
@given(sums())
def test_certain_means_are_right(dtype, given):
    assert wrong_means(*given, dtype) == []


@st.composite
def near_ties(draw, dtype):
    """Draw a sum whose quotient is the midpoint of two neighboring floats, or nearly so, and its count.

    The sum has three parts, 45 bits apart: the midpoint times the count, and a tiny remainder or none.
    """
    digits = 24 if dtype is np.float32 else 53
    odd = 2 * draw(st.integers(2 ** (digits - 1), 2**digits - 1)) + 1
    count = draw(st.sampled_from([2, 3, 5, 6, 7, 10, 12, 14, 24, 100, 999, 1000, 4095]))
    more = draw(st.sampled_from([0, 0, 1, -1, 5, -(2**20), 2**40, -(2**45) + 1]))
    high, low = divmod(odd * count, 2**45)
    sign = draw(st.sampled_from([1, -1]))
    return [sign * high, sign * low, sign * more], count


#: The third part continues where the second one ends, or lies further down.
TIE_EXPONENTS, GAP_EXPONENTS = [-30, -75, -120], [-30, -75, -140]


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
def test_near_ties_are_right_or_uncertain(dtype, data):
    """Most ties come from even counts that are not powers of two; midpoints of two float32 are float64."""
    cases = data.draw(st.lists(near_ties(dtype), min_size=1, max_size=9))
    assert wrong_means(cases, TIE_EXPONENTS, dtype) == []
    # Exact quotients are certain: many ties are exact, and recomputing all of them would take long.
    _, certain = quick(cases, TIE_EXPONENTS, dtype is np.float32)
    exact = [more == 0 for (_, _, more), _ in cases]
    assert not (exact & ~certain).any()


def faulty(old, new):
    """Return `quick_means` with a fault."""
    source = inspect.getsource(means.quick_means.py_func)
    assert source.count(old) == 1
    names = {**vars(means), "kernel": lambda function: function}
    exec(source.replace(old, new), names)
    # With this name it is not looked up in a module, and not cached.
    names["quick_means"].__qualname__ = "faulty.<locals>.quick_means"
    return kernel(names["quick_means"])


#: Sums that need care: near ties, by less than float64 resolves, and parts that cancel.
CAREFUL = [
    *([[4, 0, more], 3] for more in (1, -1)),
    *(
        [[(2 * m + 1) * count >> 45, (2 * m + 1) * count & 2**45 - 1, more], count]
        for m in (2**52, 2**52 + 1, 2**53 - 1, 2**23, 2**23 + 1, 2**24 - 1)
        for count in (1, 3, 6, 10, 1000)
        for more in (0, 1, -1, 2**20, -(2**20))
    ),
    *([[2**60, low, more], 3] for low in (-(2**59) - 1, 2**44 + 1) for more in (-1, 1)),
]


@pytest.mark.parametrize(
    ("old", "new", "dtype"),
    [
        ("abs(r) * 2.0**-48 + (abs(q) + size / divisor) * 2.0**-96", "0.0", np.float64),
        ("coarse if single and coarse > error else error", "error", np.float32),
        ("unrounded and (r == 0.0 or not single)", "unrounded", np.float32),
        ("unrounded = exact[t] != 0.0", "unrounded = True", np.float64),
        (" and missing == 0.0", "", np.float64),
    ],
)
def test_false_certainty_is_detected(old, new, dtype):
    """The negative control."""
    for wrong, divide in ((False, means.quick_means), (True, faulty(old, new))):
        places = [
            wrong_means(CAREFUL, exponents, dtype, divide) for exponents in (TIE_EXPONENTS, GAP_EXPONENTS)
        ]
        assert any(places) == wrong


@pytest.mark.parametrize("dtype", DTYPES)
def test_most_means_are_certain(dtype):
    """Of ordinary data; otherwise quick means would be useless."""
    rng = np.random.default_rng(0)
    cases = [
        (parts.tolist(), int(count))
        for parts, count in zip(
            rng.integers(-(2**58), 2**58, (5000, 2)), rng.integers(1, 10**6, 5000), strict=True
        )
    ]
    assert quick(cases, [-50, -100], dtype is np.float32)[1].mean() > 0.999


# --- Recomputing uncertain means


@given(st.integers(-(2**200), 2**200), st.integers(1, 2**200), st.booleans())
def test_quotients_are_rounded_once(total, divisor, single):
    dtype = np.float32 if single else np.float64
    right = float(oracle.round_fraction(Fraction(total, divisor), dtype))
    # Python rounds the quotient of two integers once.
    assert single or right == total / divisor
    found = quotient(total, divisor, single)
    assert (found, np.signbit(found)) == (right, np.signbit(right))


@given(st.integers(-1200, 1100), st.integers(1, 2**60), st.integers(1, 2**40), st.booleans())
def test_quotients_at_the_ends_of_the_range_are_rounded_once(exponent, total, divisor, single):
    dtype = np.float32 if single else np.float64
    value = Fraction(total, divisor) * Fraction(2) ** exponent
    assert quotient(value.numerator, value.denominator, single) == float(oracle.round_fraction(value, dtype))


def tables_of(sums, counts, exponents, centers):
    sizes, uncertain = np.empty(len(centers), np.int64), np.zeros(centers.shape, bool)
    bins = Bins(exponents, np.empty(exponents.shape), np.empty(centers.shape[1]))
    return Sums(bins, sums, counts, sizes, uncertain, None)


def mended(sums, counts, exponents, single, centers):
    """Return the means that kernels and `recompute_means` find together, and how many were uncertain."""
    tables, found = tables_of(sums, counts, exponents, centers), centers.copy()
    n_uncertain = MEANS.on(False)(tables, single, 2, found)
    assert tables.uncertain.sum() == n_uncertain
    assert np.array_equal(tables.sizes, counts.sum(0))
    recompute_means(tables, single, found)
    assert not tables.uncertain.any()
    return found, n_uncertain


@pytest.mark.parametrize("single", [False, True])
@given(sums(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_all_means_are_right_after_recomputing(single, given, n_tasks, random):
    """Whether certain or not, with the sums split among the accumulators of some tasks."""
    cases, exponents = given
    dtype = np.float32 if single else np.float64
    tables = np.zeros((n_tasks, len(cases), len(exponents), 1), np.int64)
    counts = np.zeros((n_tasks, len(cases)), np.int64)
    for j, (parts, count) in enumerate(cases):
        counts[random.randrange(n_tasks), j] = count
        for p, part in enumerate(parts):
            one, other = random.randrange(n_tasks), random.randrange(n_tasks)
            taken = random.randint(0, part) if part >= 0 else -random.randint(0, -part)
            tables[one, j, p, 0] += taken
            tables[other, j, p, 0] += part - taken
    found, _ = mended(tables, counts, np.array(exponents)[:, None], single, np.zeros((len(cases), 1)))
    right = np.array(right_means(cases, exponents, dtype), np.float64)
    assert found[:, 0].tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
def test_means_of_rows_are_right(dtype, data):
    """The uncertain means of few rows are recomputed from the rows themselves."""
    values = st.floats(allow_nan=False, allow_infinity=False, width=32 if dtype is np.float32 else 64)
    rows = data.draw(st.lists(st.tuples(values, values, st.integers(0, 2)), min_size=1, max_size=30))
    X, labels = np.array([row[:2] for row in rows]), np.array([row[2] for row in rows], np.int32)
    # Clusters without rows have no uncertain means, and certain means are left alone.
    uncertain = np.isin([0, 1, 2], labels)[:, None] & np.array([True, False])
    centers, right = np.full((3, 2), 0.25), np.full((3, 2), 0.25)
    for j in np.unique(labels):
        right[j, 0] = oracle.exact_mean(X[labels == j, 0], dtype)
    recompute_means_of_rows(X, None, labels, dtype is np.float32, centers, uncertain)
    assert centers.tobytes() == right.tobytes()
    assert not uncertain.any()


@pytest.mark.parametrize("single", [False, True])
def test_uncertain_means_are_recomputed(single):
    """Without recomputing, some would be wrong."""
    dtype = np.float32 if single else np.float64
    tables = np.array([parts for parts, _ in CAREFUL], np.int64)[None, :, :, None]
    counts = np.array([[count for _, count in CAREFUL]])
    right = np.array(right_means(CAREFUL, GAP_EXPONENTS, dtype), np.float64)
    centers = np.zeros((len(CAREFUL), 1))
    found, n_uncertain = mended(tables, counts, np.array(GAP_EXPONENTS)[:, None], single, centers)
    assert found[:, 0].tobytes() == right.tobytes()
    assert 0 < n_uncertain < len(CAREFUL)
    unmended = tables_of(tables, counts, np.array(GAP_EXPONENTS)[:, None], centers)
    MEANS.on(False)(unmended, single, 2, centers)
    assert (centers[unmended.uncertain] != right[unmended.uncertain[:, 0]]).any()


@pytest.mark.parametrize(
    ("counts", "mean"),
    [
        ((0, 0, 0), 2.5),
        ((1, 0, 0), np.nan),
        ((0, 2, 0), np.inf),
        ((0, 0, 1), -np.inf),
        ((0, 1, 3), np.nan),
        ((1, 1, 0), np.nan),
    ],
)
def test_means_over_nan_and_infinities_ignore_the_parts(counts, mean):
    """If any are counted, the parts, which are meaningless then, are ignored."""
    tables = np.array([[[[5], *([count] for count in counts)]]], np.int64)
    found, n_uncertain = mended(tables, np.array([[2]]), np.array([[0]]), False, np.zeros((1, 1)))
    assert n_uncertain == any(counts)
    np.testing.assert_equal(found[0, 0], mean)


def test_an_empty_cluster_keeps_its_center():
    found, n_uncertain = mended(
        np.zeros((1, 2, 1, 1), np.int64), np.array([[0, 1]]), np.array([[0]]), False, np.array([[3.3], [7.0]])
    )
    assert found.ravel().tolist() == [3.3, 0.0]
    assert n_uncertain == 0
