"""Thousands of random cases compared with SciPy itself: generator state, start and labels."""

import copy
import os
import subprocess
import sys
import warnings
from fractions import Fraction

import numpy as np
import oracle
import pytest
import scipy.cluster.vq as theirs
from support.environments import importing_tests
from support.scipy_internals import TESTS, private

from numbakmeans import ClusterError, kmeans, kmeans2, vq
from numbakmeans._arguments import _as_random_state, as_generator
from numbakmeans._engine.fit import seed as our_start
from numbakmeans._engine.samples import Samples

N_CASES = 2000
BIT_GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]
METHODS = {"random": private._krandinit, "points": private._kpoints, "++": private._kpp}


def random_case(number):
    """Return data, k, minit, and the argument that gives the generator."""
    rng = np.random.default_rng(number)
    n = int(rng.integers(1, 501))
    d = int(rng.integers(1, 41))
    shape = n if rng.random() < 0.15 else (n, d)
    data = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4) + rng.integers(-2, 3)
    if rng.random() < 0.2:
        data = np.round(data)  # ties and duplicates
    bits = BIT_GENERATORS[number % 4](number)
    given = [
        {"rng": number},
        {"seed": number},
        {"rng": np.random.Generator(bits)},
        {"seed": np.random.Generator(bits)},
        {"seed": np.random.RandomState(number)},
        {"rng": np.random.RandomState(number)},
    ][number % 6]
    return data, int(rng.integers(1, 31)), ["random", "points", "++"][number % 3], given


def state_of(given):
    """Return the state of the generator that was passed, if one was."""
    value = next(iter(given.values()))
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    return None


def generator_of(given):
    (name, value), *_ = given.items()
    return as_generator(value) if name == "rng" else _as_random_state(value)


def rounding_of_scipy(x, centers):
    """Return a bound on the error of SciPy's squared distances, which it expands to |x|² - 2xc + |c|²."""
    size = float(np.abs(x).sum() ** 2 + max(np.abs(c).sum() ** 2 for c in centers))
    return Fraction((len(x) + 8) * 4 * np.finfo(np.float64).eps * size)


def exact_sq_dist(x, center):
    return sum((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(x, center, strict=True))


def compare_passes(data, start, n_passes=4):
    """Compare pass by pass, from our centroids each time; return how many labels differed."""
    rows = data.reshape(len(data), -1)
    scale = np.abs(rows).max(0)
    centers, n_different = start, 0
    for _ in range(n_passes):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            ours, labels = kmeans2(data, centers, iter=1, minit="matrix")
            scipys, scipy_labels = theirs.kmeans2(data, centers, iter=1, minit="matrix")
        book = np.asarray(centers).reshape(len(centers), -1)
        different = np.flatnonzero(labels != scipy_labels)
        for i in different:
            gap = exact_sq_dist(rows[i], book[scipy_labels[i]]) - exact_sq_dist(rows[i], book[labels[i]])
            assert gap + Fraction(1, 10**15) * exact_sq_dist(rows[i], book[labels[i]]) >= 0
            assert gap <= rounding_of_scipy(rows[i], book)
        n_different += len(different)
        clean = np.setdiff1d(np.arange(len(centers)), [*labels[different], *scipy_labels[different]])
        wrong = np.abs(ours - scipys).reshape(len(centers), -1)[clean]
        assert (wrong <= 1e-12 * np.maximum(scale, np.abs(book[clean]))).all()
        centers = ours
    return n_different


def compare_case(number):
    """Return what one case compared ('start', 'refused' or 'singular'), and how many labels differed."""
    data, k, minit, given = random_case(number)
    ours_given, scipys_given = copy.deepcopy(given), copy.deepcopy(given)
    rows = data.reshape(len(data), -1)
    n, d = rows.shape
    if minit == "points" and k > n:
        for function, arguments in ((kmeans2, ours_given), (theirs.kmeans2, scipys_given)):
            with pytest.raises(ValueError, match="Cannot take a larger sample than population"):
                function(data, k, minit=minit, **arguments)
        np.testing.assert_equal(state_of(ours_given), state_of(scipys_given))
        return "refused", 0

    start = our_start(Samples(rows), k, minit, generator_of(copy.deepcopy(given)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scipys_start = METHODS[minit](data, k, generator_of(copy.deepcopy(given)), np).reshape(k, d)
        except np.linalg.LinAlgError:
            scipys_start = np.full((k, d), np.nan)
        kmeans2(data, k, minit=minit, iter=1, **ours_given)
        try:
            theirs.kmeans2(data, k, minit=minit, iter=1, **scipys_given)
        except (np.linalg.LinAlgError, ValueError):
            assert minit == "random"
    np.testing.assert_equal(state_of(ours_given), state_of(scipys_given))
    kind = "start"
    if minit != "random":
        assert np.array_equal(start, scipys_start)
    elif n != d and np.isfinite(scipys_start).all():
        assert (np.abs(start - scipys_start) <= 1e-12 * np.abs(rows).max(0)).all()
    else:
        kind = "singular"
    return kind, compare_passes(data, start if data.ndim == 2 else start[:, 0])


def test_random_cases_match_scipys_but_for_rounding():
    kinds = {"start": 0, "refused": 0, "singular": 0}
    n_different = 0
    for number in range(N_CASES):
        kind, different = compare_case(number)
        kinds[kind] += 1
        n_different += different
    # Most cases compare the start, and labels differ as rarely as expected from rounding.
    assert kinds["start"] > 0.9 * N_CASES
    assert n_different <= 20


@pytest.mark.parametrize("exponent", [532, -560])
def test_squares_that_leave_float64_are_ties(exponent):
    X, book = np.array([[-1.0], [1.0], [0.2], [0.9]]), np.array([[1.0], [0.3]])
    far = np.ldexp(X, exponent), np.ldexp(book, exponent)
    found = vq(*far)[0]
    np.testing.assert_array_equal(found, oracle.assign(*far)[0])
    # Where squares overflow, SciPy returns labels that it has never written.
    if exponent < 0:
        np.testing.assert_array_equal(found, theirs.vq(*far)[0])
    # Not the nearest ones, which the same values near 1 have.
    assert found.tolist() != [1, 0, 1, 0]
    assert vq(X, book)[0].tolist() == [1, 0, 1, 0]
    # Within the limits, all powers of two give these labels.
    for within in (511, -511):
        assert vq(np.ldexp(X, within), np.ldexp(book, within))[0].tolist() == [1, 0, 1, 0]


def test_a_wrong_label_is_not_excused():
    """The negative control: a label that is wrong by more than rounding is found."""
    data = np.random.default_rng(0).normal(size=(100, 6))
    book = data[:5]
    labels = theirs.vq(data, book)[0]
    wrong = (labels[50] + 1) % 5
    gap = exact_sq_dist(data[50], book[wrong]) - exact_sq_dist(data[50], book[labels[50]])
    assert gap > rounding_of_scipy(data[50], book)


def test_kmeans_matches_scipys():
    for number in range(60):
        rng = np.random.default_rng(number)
        data = rng.normal(size=(int(rng.integers(20, 200)), int(rng.integers(1, 12))))
        for given in ({"rng": number}, {"seed": number}):
            book, distortion = kmeans(data, 4, iter=3, **given)
            scipys, scipys_distortion = theirs.kmeans(data, 4, iter=3, **given)
            assert np.allclose(book, scipys, rtol=1e-10, atol=1e-12)
            assert np.isclose(distortion, scipys_distortion, rtol=1e-12)


# --- SciPy's own test file


def run_scipys_tests(**environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "support.scipy_tests_plugin"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, "--pyargs", TESTS]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=importing_tests(**environment),
        check=False,
    )


#: SciPy's tests that fail on purpose. None: they assert nothing of what docs/coming-from-scipy.md lists as
#: different.
EXCEPTIONS: list[str] = []


def test_scipys_own_tests_pass():
    result = run_scipys_tests()
    passed = int(result.stdout.rsplit(" passed", 1)[0].rsplit(maxsplit=1)[-1])
    failed = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAILED")]
    assert failed == EXCEPTIONS
    assert result.returncode == 0
    assert passed >= 30


def test_scipys_own_tests_find_a_planted_fault():
    result = run_scipys_tests(PLANT_FAULT_IN_VQ_TESTS="1")
    assert result.returncode == 1
    assert "test_kmeans2_simple" in result.stdout


def test_cluster_error_is_our_own():
    with pytest.raises(ClusterError):
        kmeans2([[0.0], [1.0]], [[0.0], [9.0], [99.0]], missing="raise")
