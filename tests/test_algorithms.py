"""Every algorithm in the table gives the oracle's bits, pass by pass, on ugly data, for any threads."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
import ugly

from numbakmeans import _plan
from numbakmeans._algorithms import ALGORITHMS
from numbakmeans._fit import iterate, nearest
from numbakmeans._kernels import canonical
from numbakmeans._samples import Samples

DTYPES = [np.float32, np.float64]
PASSES = 4


def expected_passes(X, centers):
    with np.errstate(all="ignore"):
        return [oracle.kmeans2(X, centers, n_iter) for n_iter in range(1, PASSES + 1)]


def differences(X, centers, expected, algorithm):
    """Return which results of each number of passes are not the oracle's."""
    wrong = []
    for n_iter, (right_centers, right_labels, empties) in enumerate(expected, start=1):
        got = iterate(Samples(X), centers, n_iter, algorithm=algorithm)
        got_centers = got.centers[:, : X.shape[1]].astype(X.dtype)
        if not np.array_equal(got.labels, right_labels):
            wrong.append((n_iter, "labels"))
        if got_centers.tobytes() != right_centers.tobytes():
            wrong.append((n_iter, "centers"))
        if got.n_empty != empties[-1] or got.ever_empty != any(empties):
            wrong.append((n_iter, "empties"))
    return wrong


def case(name, dtype):
    if name == "wide enough":
        return ugly.wide_enough(dtype)
    return {**ugly.cases(dtype), **ugly.not_finite(dtype)}[name]


NAMES = [*ugly.cases(np.float64), *ugly.not_finite(np.float64)]


@pytest.fixture(scope="module")
def answers():
    """The oracle's answers, computed once for all threads and algorithms."""
    known = {}

    def answer(name, dtype):
        if (name, dtype) not in known:
            known[name, dtype] = expected_passes(*case(name, dtype))
        return known[name, dtype]

    return answer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_ugly_data(name, dtype, algorithm, threads, answers):
    assert differences(*case(name, dtype), answers(name, dtype), algorithm) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nearest_centers_of_ugly_data(name, dtype, algorithm, threads, monkeypatch):
    monkeypatch.setattr(_plan, "algorithm", lambda *_: algorithm)
    X, centers = case(name, dtype)
    with np.errstate(all="ignore"):
        right_labels, right = oracle.assign(X, centers)
    labels, sq_dists = nearest(Samples(X), centers)
    assert np.array_equal(labels, right_labels)
    assert sq_dists.tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_rows_need_the_definition(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 40)).astype(dtype)
    certified = iterate(Samples(X), X[:50], 3, algorithm="certified")
    assert certified.n_decided < 0.01 * 3 * len(X)
    assert iterate(Samples(X), X[:50], 3, algorithm="lloyd").n_decided == 3 * len(X)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_chunks_for_each_thread(dtype, algorithm, threads, answers):
    X, centers = ugly.wide_enough(dtype)
    plan = _plan.sweep(X.shape, work=X.size * len(centers))
    assert plan.parallel == (threads > 1)
    assert plan.n_slots == threads
    assert -(-len(X) // plan.chunk_rows) >= 3 * threads
    assert differences(X, centers, answers("wide enough", dtype), algorithm) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blocks_of_every_width(algorithm, monkeypatch):
    X, centers = ugly.cases(np.float64)["odd widths"]
    expected = expected_passes(X, centers)
    for lanes in (16, 32, 64, 128):
        for chunk in (16, 48, 128, 512):
            monkeypatch.setattr(_plan, "LANES", lanes)
            monkeypatch.setattr(_plan, "CHUNK_ROWS", chunk)
            assert differences(X, centers, expected, algorithm) == []


def test_a_fused_multiply_add_would_be_noticed():
    """Rows half way between two centers: how each operation is rounded decides."""
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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_planted_faults_are_found(algorithm):
    """Ties to the highest index, a skipped last center, a mean that is rounded on the way."""
    X, centers = ugly.cases(np.float64)["ties on a grid"]
    expected = expected_passes(X, centers)
    assert differences(X, centers, expected, algorithm) == []
    assert differences(X[:-1], centers, expected, algorithm) != []
    assert differences(X, centers[:-1], [(c[:-1], *rest) for c, *rest in expected], algorithm) != []
    assert differences(X, centers[::-1], [(c[::-1], *rest) for c, *rest in expected], algorithm) != []
    normal, start = ugly.cases(np.float64)["normal"]
    rounded = [(c + np.spacing(c), *rest) for c, *rest in expected_passes(normal, start)]
    assert differences(normal, start, rounded, algorithm) != []


def test_the_tile_reads_every_feature_and_lane():
    block = np.zeros((8, 128))
    labels, sq_dists = np.empty(128, np.int64), np.empty(128)
    for f in range(8):
        for lane in (0, 63, 127):
            block[f, lane] = 1
            canonical.nearest_tile(block, np.zeros((2, 8)), np.empty(128), sq_dists, labels)
            assert np.flatnonzero(sq_dists).tolist() == [lane]
            block[f, lane] = 0
