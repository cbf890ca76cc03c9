"""Many problems in one call: each gives the bits of a call of its own."""

import warnings

import numpy as np
import pytest
from support import edge_cases

from numbakmeans import ClusterError, kmeans2, kmeans2_batch
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.fit import iterate, seed
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
METHODS = ["points", "++", "random"]
pytestmark = pytest.mark.filterwarnings("ignore:One of the clusters is empty")


def stack(dtype=np.float64, shape=(23, 60, 4)):
    rng = np.random.default_rng(1)
    return (rng.normal(size=shape) + rng.integers(-3, 3, size=(*shape[:-1], 1))).astype(dtype)


def same(ours, right):
    """Return whether two results have the same dtypes, shapes and bits."""
    pairs = [(np.asarray(one), np.asarray(other)) for one, other in zip(ours, right, strict=True)]
    return all((a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) for a, b in pairs)


def one_by_one(data, k, rng=None, **options):
    children = np.random.default_rng(rng).spawn(len(data))
    starts = k if isinstance(k, list | np.ndarray) else [k] * len(data)
    return [kmeans2(X, c, rng=r, **options) for X, c, r in zip(data, starts, children, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("minit", METHODS)
def test_each_problem_matches_its_own_call(dtype, minit, threads):
    data = stack(dtype)
    centroids, labels = kmeans2_batch(data, 5, minit=minit, rng=3)
    assert (centroids.shape, centroids.dtype) == ((23, 5, 4), dtype)
    assert (labels.shape, labels.dtype) == ((23, 60), np.int32)
    for result, right in zip(
        zip(centroids, labels, strict=True), one_by_one(data, 5, 3, minit=minit), strict=True
    ):
        assert same(result, right)


@pytest.mark.parametrize("dtype", DTYPES)
def test_given_centroids_match_separate_calls(dtype, threads):
    data = stack(dtype)
    start = data[:, :7] + 0.01
    centroids, labels = kmeans2_batch(data, start, iter=4)
    right = one_by_one(data, start, iter=4)
    assert all(
        same(ours, other) for ours, other in zip(zip(centroids, labels, strict=True), right, strict=True)
    )
    assert not same((centroids[0], labels[0]), right[1])  # the control


@pytest.mark.parametrize("minit", METHODS)
def test_one_dimensional_problems_match_separate_calls(minit):
    data = stack(shape=(9, 50, 1))[..., 0]
    centroids, labels = kmeans2_batch(data, 3, minit=minit, rng=3)
    assert centroids.shape == (9, 3)
    right = one_by_one(data, 3, 3, minit=minit)
    assert all(
        same(ours, other) for ours, other in zip(zip(centroids, labels, strict=True), right, strict=True)
    )


@pytest.mark.parametrize("minit", METHODS)
@pytest.mark.parametrize("flat", [False, True])
def test_problems_of_different_sizes_match_separate_calls(minit, flat, threads):
    data = [X[: 10 + 7 * b, 0] if flat else X[: 10 + 7 * b] for b, X in enumerate(stack(shape=(8, 70, 3)))]
    found = kmeans2_batch(data, 4, minit=minit, rng=5)
    assert isinstance(found, list)
    right = one_by_one(data, 4, 5, minit=minit)
    assert all(same(ours, other) for ours, other in zip(found, right, strict=True))


def test_each_problem_of_a_list_may_have_its_own_centroids():
    data = list(stack(shape=(6, 40, 3)))
    start = [X[: b + 1] for b, X in enumerate(data)]
    found = kmeans2_batch(data, start, minit="matrix")
    right = one_by_one(data, start, minit="matrix")
    assert all(same(ours, other) for ours, other in zip(found, right, strict=True))


@pytest.mark.parametrize("columns", [1, 3])
def test_a_list_in_fortran_order_matches_separate_calls(columns):
    data = [np.asfortranarray(X) for X in stack(shape=(6, 40, columns))]
    found = kmeans2_batch(data, 4, minit="points", rng=5)
    right = one_by_one(data, 4, 5, minit="points")
    assert all(same(ours, other) for ours, other in zip(found, right, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_edge_cases_match_separate_calls(dtype):
    cases = {**edge_cases.cases(dtype), **edge_cases.not_finite(dtype)}
    for name, (X, centers) in cases.items():
        data, start = np.stack([X, X[::-1]]), np.stack([centers, centers[::-1]])
        with np.errstate(all="ignore"):
            found = kmeans2_batch(data, start, iter=3, minit="matrix", check_finite=False)
            right = one_by_one(data, start, iter=3, minit="matrix", check_finite=False)
        for b in range(2):
            assert same((found[0][b], found[1][b]), right[b]), name


@pytest.mark.parametrize("given", [np.float16, np.int32, bool, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_dtype_and_layout_matches_separate_calls(given, order):
    data = np.random.default_rng(0).integers(0, 50, size=(5, 30, 3)).astype(given, order=order)
    data.flags.writeable = False
    centroids, labels = kmeans2_batch(data, 3, minit="points", rng=0)
    right = one_by_one(data, 3, 0, minit="points")
    assert all(
        same(ours, other) for ours, other in zip(zip(centroids, labels, strict=True), right, strict=True)
    )


def test_large_problems_and_many_calls_change_no_bit(monkeypatch):
    data = stack()
    right = kmeans2_batch(data, 5, minit="points", rng=3)
    monkeypatch.setattr(at, "MAX_SMALL_VALUES", 100)
    assert _plan.alone(60 * 4, 1)
    assert same(kmeans2_batch(data, 5, minit="points", rng=3), right)
    monkeypatch.setattr(at, "MAX_CALL_STEPS", 1)
    assert same(kmeans2_batch(data, 5, minit="points", rng=3), right)


def test_the_generator_spawns_children_once():
    rng = np.random.default_rng(4)
    kmeans2_batch(stack(), 2, minit="points", rng=rng)
    assert rng.bit_generator.seed_seq.n_children_spawned == 23
    kmeans2_batch(stack(), stack()[:, :2], rng=rng)
    assert rng.bit_generator.seed_seq.n_children_spawned == 23
    assert rng.random() == np.random.default_rng(4).random()


def test_one_warning_names_the_problem_with_an_empty_cluster():
    data, start = stack(), stack()[:, :3].copy()
    start[[4, 9], 1] = 1e9
    with pytest.warns(
        UserWarning, match=r"In 2 of 23 problems\. In the last pass of problem 4: 1 of 3"
    ) as found:
        kmeans2_batch(data, start)
    assert found[0].filename == __file__
    with pytest.raises(ClusterError, match="problem 4: 1 of 3"):
        kmeans2_batch(data, start, missing="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kmeans2_batch(data, stack()[:, :3], missing="raise")


BAD = {
    "a scalar": ((3.0, 2), ValueError, "data must be an array"),
    "no problems": (([], 2), ValueError, "at least one problem"),
    "an empty problem": (([np.ones(3), np.ones(0)], 2), ValueError, r"data\[1\] must be a non-empty array"),
    "features that differ": (([np.ones((3, 2)), np.ones((3, 1))], 2), ValueError, r"data\[1\] has shape"),
    "two dtypes": (([np.ones(3), np.ones(3, np.float32)], 2), ValueError, "the same working dtype"),
    "text": (([["a"]], 2), TypeError, r"data\[0\] must hold real numbers"),
    "too many points": (([np.ones(9), np.ones(3)], 4), ValueError, r"k is 4, data\[1\] has 3 rows"),
    "k of zero": ((np.ones((2, 3, 1)), 0), ValueError, "0 clusters"),
    "centroids of one problem": ((np.ones((2, 3, 1)), np.ones((3, 1))), ValueError, "for each of 2 problems"),
    "too few centroids": ((np.ones((2, 3, 1)), np.ones((1, 3, 1))), ValueError, "for each of 2 problems"),
    "centroids of too few": (([np.ones(3)], [np.ones(2), np.ones(2)]), ValueError, "for 2 problems"),
    "centroids of another rank": (
        ([np.ones(3)], [np.ones((2, 1))]),
        ValueError,
        r"k\[0\] doesn't match the rank",
    ),
    "features of k": ((np.ones((2, 3, 2)), np.ones((2, 3, 1))), ValueError, "k has 1 features, but data 2"),
    "not finite": (
        (np.array([[1.0, 2], [np.nan, 4]]), 2),
        ValueError,
        r"data\[1\] has nan in row 0, column 0",
    ),
    "k not finite": ((np.ones((2, 2)), [[1.0], [np.inf]]), ValueError, r"from k\[1\] is not finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    arguments, error, message = BAD[name]
    rng = np.random.default_rng(0)
    with pytest.raises(error, match=message):
        kmeans2_batch(*arguments, minit="points", rng=rng)
    assert rng.bit_generator.seed_seq.n_children_spawned == 0


def test_a_generator_that_cannot_spawn_is_refused():
    class Fixed(np.random.bit_generator.ISeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            return np.ones(n_words, dtype)

    with pytest.raises(ValueError, match="rng must be able to spawn"):
        kmeans2_batch(stack(), 2, minit="points", rng=np.random.Generator(np.random.PCG64(Fixed())))
    kmeans2_batch(stack(), 2, minit="points", rng=7)


class Backwards(np.random.Generator):
    """A generator that draws in its own way."""

    def choice(self, *args, **kwargs):
        return super().choice(*args, **kwargs)[::-1]


def test_a_generator_subclass_makes_its_own_draws():
    data = stack()
    ours, right = (Backwards(np.random.PCG64(3)) for _ in range(2))
    centroids, labels = kmeans2_batch(data, 5, minit="points", rng=ours)
    for b, child in enumerate(right.spawn(len(data))):
        assert same((centroids[b], labels[b]), kmeans2(data[b], 5, minit="points", rng=child))
    # The control: NumPy's own draw gives another order.
    assert not same((centroids, labels), kmeans2_batch(data, 5, minit="points", rng=3))


def weights_for(data):
    """Return weights of many kinds, some of them zeros."""
    rng = np.random.default_rng(8)
    kinds = (
        np.ones,
        rng.random,
        lambda n: rng.integers(0, 3, n) + (np.arange(n) == 0),
        lambda n: rng.random(n) * 1e-300,
    )
    extreme = [lambda n: 10.0 ** rng.integers(-320, 300, n)]
    return [((*kinds, *extreme)[b % 5](len(part))).astype(float) for b, part in enumerate(data)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("minit", ["matrix", "points", "++"])
def test_weighted_problems_are_solved_as_each_alone(minit, dtype):
    rng = np.random.default_rng(3)
    data = [rng.normal(size=(n, 3)).astype(dtype) for n in (30, 41, 25, 60, 33, 30, 52)]
    weights, start = weights_for(data), [part[:4] for part in data]
    found = kmeans2_batch(
        data, start if minit == "matrix" else 4, 6, minit=minit, sample_weight=weights, rng=5
    )
    streams = np.random.default_rng(5).spawn(len(data))
    different = 0
    for b, (centers, labels) in enumerate(found):
        samples = Samples(data[b], weights[b])
        begin = start[b] if minit == "matrix" else seed(samples, 4, minit, streams[b])
        expected = iterate(samples, begin, 6)
        assert centers.tobytes() == expected.centers[:, :3].astype(dtype).tobytes()
        assert np.array_equal(labels, expected.labels)
        different += (
            centers.tobytes() != iterate(Samples(data[b]), begin, 6).centers[:, :3].astype(dtype).tobytes()
        )
    # The control: all weights but ones matter.
    assert different >= 4


@pytest.mark.parametrize(
    ("weights", "minit", "message"),
    [
        (np.ones((2, 5)), "++", "sample_weight has weights for 2 problems, but data has 3"),
        (np.ones((3, 4)), "++", r"sample_weight\[0\] must hold a weight for each of 5 rows"),
        (-np.ones((3, 5)), "++", r"sample_weight\[0\] must be finite and not negative"),
        ([np.ones(5), np.zeros(5), np.ones(5)], "++", r"sample_weight\[1\] must have a weight above zero"),
        (np.ones((3, 5)), "random", "minit='random' does not take sample_weight"),
    ],
)
def test_bad_weights(weights, minit, message):
    with pytest.raises(ValueError, match=message):
        kmeans2_batch(np.arange(30.0).reshape(3, 5, 2), 2, minit=minit, sample_weight=weights, rng=0)
