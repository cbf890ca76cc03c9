"""The building blocks inside a user's own compiled code: they give the bits of the Python functions."""

import numpy as np
import pytest
from numba import njit, prange
from numba.core.errors import TypingError
from support import edge_cases
from support.comparison import bits

import numbakmeans
from numbakmeans import _nopython, jit
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.fit import seed
from numbakmeans._engine.samples import Samples

DTYPES = [np.float32, np.float64]
INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, bool]


@pytest.fixture
def answered_by_python(monkeypatch):
    """Return a list that collects the names of the doors behind which Python answers a call."""
    names = []
    for name in ("fit", "nearest", "update", "points", "plus_plus"):
        answer = getattr(_nopython, name)

        def note(*addresses, name=name, answer=answer):
            names.append(name)
            return answer(*addresses)

        monkeypatch.setattr(_nopython, name, note)
    return names


@njit
def users_fit(X, centers, max_iter):
    return jit.fit(X, centers, max_iter)


@njit
def users_parallel_fit(X, centers, max_iter):
    return jit.parallel_fit(X, centers, max_iter)


@njit(fastmath=True, error_model="python", boundscheck=True)
def users_careless_fit(X, centers, max_iter):
    return jit.fit(X, centers, max_iter)


@njit
def users_nearest(X, centers):
    return jit.nearest(X, centers)


@njit
def users_update(X, labels, centers):
    return jit.update(X, labels, centers)


@njit
def users_starts(X, k, rng):
    return jit.points(X, k, rng), jit.plus_plus(X, k, rng)


@njit
def users_parallel(X, centers, max_iter, rng):
    labels = jit.parallel_nearest(X, centers)
    moved = jit.parallel_update(X, labels.labels, centers)
    return jit.parallel_fit(X, centers, max_iter), labels, moved, jit.parallel_plus_plus(X, 5, rng)


@njit(parallel=True)
def many_fits(data, starts):
    labels = np.empty(data.shape[:2], np.int32)
    inertias, status = np.empty(len(data)), np.empty(len(data), np.int64)
    for b in prange(len(data)):
        result = jit.fit(data[b], starts[b], 5)
        labels[b], inertias[b], status[b] = result.labels, result.inertia, result.status
    return labels, inertias, status


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_fit_gives_pythons_bits(name, dtype):
    X, centers = edge_cases.cases(dtype)[name]
    with np.errstate(all="ignore"):
        right = numbakmeans.fit(X, centers, max_iter=3)
        ours = users_fit(X, centers, 3)
    assert bits(*ours[:6]) == bits(*right)
    assert ours.status == jit.OK


@njit
def users_weighted_fit(X, centers, weights):
    return jit.fit(X, centers, 4, None, weights), jit.parallel_fit(X, centers, 4, sample_weight=weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weighted_fit_gives_pythons_bits(dtype):
    X, centers = edge_cases.cases(dtype)["normal"]
    weights = np.random.default_rng(2).random(len(X))
    right = numbakmeans.fit(X, centers, max_iter=4, sample_weight=weights)
    for ours in (*users_weighted_fit(X, centers, weights), jit.fit(X, centers, 4, sample_weight=weights)):
        assert bits(*ours[:6]) == bits(*right)
        assert ours.status == jit.OK
    # The control: the weights matter.
    assert bits(*right) != bits(*numbakmeans.fit(X, centers, max_iter=4))


def test_bad_weights_are_a_status():
    X, centers = edge_cases.cases(np.float64)["normal"]
    for weights, status in (
        (np.zeros(len(X)), jit.BAD_WEIGHT),
        (-np.ones(len(X)), jit.BAD_WEIGHT),
        (np.full(len(X), np.nan), jit.BAD_WEIGHT),
        (np.ones(len(X) - 1), jit.BAD_SHAPE),
    ):
        for result in (*users_weighted_fit(X, centers, weights), jit.fit(X, centers, 4, None, weights)):
            assert result.status == status
            assert np.isnan(result.inertia)


def test_the_callers_options_do_not_leak():
    """Reordered or fused sums and raising divisions do not reach the building blocks."""
    X, centers = edge_cases.cases(np.float64)["ties but for one bit"]
    assert bits(*users_careless_fit(X, centers, 3)) == bits(*users_fit(X, centers, 3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_nearest_gives_pythons_bits(name, dtype):
    X, centers = edge_cases.cases(dtype)[name]
    labels, sq_dists, status = users_nearest(X, centers)
    assert bits(labels, sq_dists) == bits(*nearest(Samples(X), centers))
    assert status == jit.OK


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_nearest_and_update_make_one_pass_of_fit(name, dtype):
    X, centers = edge_cases.cases(dtype)[name]
    with np.errstate(all="ignore"):
        right = numbakmeans.fit(X, centers, max_iter=1)
        found = users_update(X, users_nearest(X, centers).labels, centers)
    assert bits(found.centers) == bits(right.centers)
    assert bits(found.sizes) == bits(np.bincount(right.labels, minlength=len(centers)))
    assert found.status == jit.OK


LARGE = {
    "many rows and features": (3000, 40, 50),
    "many rows": (20_000, 8, 9),
    "many rows of one feature": (12_000, 1, 3),
    "few rows, many clusters": (300, 30, 300),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LARGE)
def test_large_problems_are_solved_by_python(name, dtype, answered_by_python):
    n_samples, n_features, n_clusters = LARGE[name]
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(n_samples, n_features)) + rng.integers(-5, 5, size=(n_samples, 1))).astype(dtype)
    centers = X[:n_clusters].astype(np.float64)
    right = numbakmeans.fit(X, centers, max_iter=3)
    assert bits(*users_fit(X, centers, 3)[:6]) == bits(*right)
    labels, sq_dists = nearest(Samples(X), centers)
    assert bits(*users_nearest(X, centers)[:2]) == bits(labels, sq_dists)
    found = users_update(X, labels, centers)
    assert bits(found.centers) == bits(jit.fit(X, centers, 1).centers)
    assert answered_by_python == ["fit", "nearest", "update"]
    # The control: few rows are not.
    users_fit(X[:50], centers[:3], 3)
    assert answered_by_python == ["fit", "nearest", "update"]


def test_starts_of_large_data_are_found_by_python(answered_by_python):
    X = np.random.default_rng(0).normal(size=(40_000, 4))
    ours, right = np.random.default_rng(5), np.random.default_rng(5)
    points, plus_plus = users_starts(X, 7, ours)
    assert np.array_equal(points, seed(Samples(X), 7, "points", right))
    assert np.array_equal(plus_plus, seed(Samples(X), 7, "++", right))
    assert ours.bit_generator.state == right.bit_generator.state
    assert answered_by_python == ["plus_plus"]


def layouts(X):
    """Return the rows of an array in various memory layouts, for which Numba has different types."""
    record = np.zeros(X.shape, [("first", np.int8), ("value", X.dtype)])
    record["value"] = X
    locked = X.copy()
    locked.flags.writeable = False
    return {
        "C": X.copy(),
        "Fortran": np.asfortranarray(X),
        "strided": np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
        "backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": locked,
        "unaligned": record["value"],
    }


@njit
def users_blocks(X, centers, labels):
    return jit.nearest(X, centers), jit.update(X, labels, centers), jit.fit(X, centers, 2)


def assert_blocks(X, centers):
    labels = np.arange(len(X)) % len(centers)
    right = numbakmeans.fit(X, centers, max_iter=2)
    found = users_blocks(X, centers, labels)
    assert bits(*found[0][:2]) == bits(*nearest(Samples(np.asarray(X)), centers))
    assert bits(*found[1]) == bits(*jit.update(X, labels, centers))
    assert bits(*found[2][:6]) == bits(*right)
    # The control: other rows.
    assert bits(*found[2][:6]) != bits(*numbakmeans.fit(X[::-1] + X, centers, max_iter=2))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_any_layout_gives_pythons_bits(dtype):
    for n_samples in (60, 12_000):  # Python solves the second one
        X = (50 * np.random.default_rng(0).normal(size=(n_samples, 4))).astype(dtype)
        for array in layouts(X).values():
            assert_blocks(array, array[:3])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_any_integer_dtype_gives_pythons_bits(dtype):
    for n_samples in (60, 12_000):
        X = np.random.default_rng(0).integers(0, 250, size=(n_samples, 4)).astype(np.int64)
        X = X > 99 if dtype is bool else (X - 130).astype(dtype)
        assert_blocks(X, X[:3])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_may_have_any_integer_dtype(dtype):
    X = np.random.default_rng(0).normal(size=(60, 3))
    labels = (np.arange(60) % 2).astype(dtype)
    assert bits(*users_update(X, labels, X[:2])) == bits(*jit.update(X, labels, X[:2]))


def test_labels_that_no_float_represents_are_refused():
    labels = np.array([0, 2**63 + 1, 1], np.uint64)
    assert users_update(np.ones((3, 1)), labels, np.ones((2, 1))).status == jit.BAD_LABEL
    assert users_update(np.ones((3, 1)), labels[::2], np.ones((2, 1))).status == jit.BAD_SHAPE


def every_block(X, labels, centers, rng):
    """Return the results of the building blocks for an array."""
    # More points than rows: NaN, which no integer represents.
    starts = jit.points(X, 4, rng), jit.points(X, 99, rng), jit.plus_plus(X, 4, rng)
    return jit.fit(X, centers, 3), jit.nearest(X, centers), jit.update(X, labels, centers), starts


def every_parallel_block(X, labels, centers, rng):
    starts = (jit.parallel_plus_plus(X, 4, rng),)
    fits = jit.parallel_fit(X, centers, 3), jit.parallel_nearest(X, centers)
    return *fits, jit.parallel_update(X, labels, centers), starts


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        (every_block, np.int32),
        (every_block, bool),
        (every_parallel_block, np.int64),
        (njit(every_block), np.int32),
        (njit(every_parallel_block), np.int32),
    ],
    ids=["int32", "bool", "with threads", "from njit", "from njit, with threads"],
)
def test_integers_are_processed_in_float64(call, dtype):
    X = np.random.default_rng(0).integers(0, 5, size=(60, 3)).astype(dtype)
    labels = np.arange(60) % 4

    def found(X):
        results = call(X, labels, X[:4], np.random.default_rng(1))
        return [bits(*result) for result in results]

    right = found(X.astype(np.float64))
    assert found(X) == right
    # The control: other rows give others.
    assert found(X[::-1].copy()) != right


ROWS = np.ones((4, 2))
BAD_KINDS = {"float16": ROWS.astype(np.float16), "complex": ROWS.astype(complex), "one dimension": ROWS[0]}
BLOCKS = {
    "fit": lambda X, centers, _: jit.fit(X, centers, 1),
    "parallel_fit": lambda X, centers, _: jit.parallel_fit(X, centers, 1),
    "nearest": lambda X, centers, _: jit.nearest(X, centers),
    "parallel_nearest": lambda X, centers, _: jit.parallel_nearest(X, centers),
    "update": lambda X, centers, _: jit.update(X, np.zeros(4, np.int64), centers),
    "parallel_update": lambda X, centers, _: jit.parallel_update(X, np.zeros(4, np.int64), centers),
    "points": lambda X, _, rng: jit.points(X, 1, rng),
    "plus_plus": lambda X, _, rng: jit.plus_plus(X, 1, rng),
    "parallel_plus_plus": lambda X, _, rng: jit.parallel_plus_plus(X, 1, rng),
}


@pytest.mark.parametrize("kind", BAD_KINDS)
@pytest.mark.parametrize("block", BLOCKS)
def test_other_arrays_are_refused(block, kind):
    bad, rng = BAD_KINDS[kind], np.random.default_rng(0)
    calls = [
        (BLOCKS[block], TypeError, r"must be a 2-D array of float32, float64, integers or bool, got [12]-D"),
        (
            njit(BLOCKS[block]),
            TypingError,
            r"must be a 2-D array of float32, float64, integers or bool, got array",
        ),
    ]
    for call, error, expected in calls:
        with pytest.raises(error, match=f"X {expected}"):
            call(bad, ROWS, rng)
        if not block.endswith(("points", "plus_plus")):
            with pytest.raises(error, match=f"centers {expected}"):
                call(ROWS, bad, rng)


OTHERS = {
    "max_iter": lambda X, work, rng: jit.fit(X, X, 1.5),
    "rng": lambda X, work, rng: jit.points(X, 1, 5),
    "n_clusters": lambda X, work, rng: jit.plus_plus(X, 1.5, rng),
    "labels": lambda X, work, rng: jit.update(X, X[0], X),
}
FOR_COMPILED = {
    "no work": lambda X, work, rng: jit.fit(X, X, 1, X),
    "scattered work": lambda X, work, rng: jit.fit(X, X, 1, work[::2]),
    "no passes": lambda X, work, rng: jit.fit(X, X, None),
    "no such argument": lambda X, work, rng: jit.fit(X, X, 1, passes=3),
    "too few": lambda X, work, rng: jit.fit(X),
}


@pytest.mark.parametrize("name", [*OTHERS, *FOR_COMPILED])
def test_other_arguments_are_refused(name):
    call, rest = {**OTHERS, **FOR_COMPILED}[name], (ROWS, jit.workspace(4, 2, 4), np.random.default_rng(0))
    with pytest.raises(TypingError):
        njit(call)(*rest)
    if name in OTHERS:
        with pytest.raises(TypeError):
            call(*rest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 2, 7, 50])
def test_starts_are_those_of_python(dtype, k):
    X = np.random.default_rng(0).normal(size=(1000, 3)).astype(dtype)
    ours, right = np.random.default_rng(5), np.random.default_rng(5)
    points, plus_plus = users_starts(X, k, ours)
    assert np.array_equal(points, seed(Samples(X), k, "points", right))
    assert np.array_equal(plus_plus, seed(Samples(X), k, "++", right))
    assert points.dtype == plus_plus.dtype == dtype
    assert ours.bit_generator.state == right.bit_generator.state


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["normal", "ties but for one bit", "few rows", "not finite"])
def test_all_threads_give_the_same_bits(name, dtype, threads):
    X, centers = {
        **edge_cases.cases(dtype),
        "few rows": (np.ones((2, 3), dtype), np.ones((1, 3), dtype)),
        "not finite": (np.full((2, 3), np.nan, dtype), np.ones((1, 3), dtype)),
    }[name]
    with np.errstate(all="ignore"):
        found = users_parallel(X, centers, 3, np.random.default_rng(0))
        serial = users_nearest(X, centers)
        right = (users_fit(X, centers, 3), serial, users_update(X, serial.labels, centers))
        starts = jit.plus_plus(X, 5, np.random.default_rng(0))
    assert [bits(*part) for part in found] == [bits(*part) for part in (*right, starts)]
    assert (found[0].status == jit.OK) == (name != "not finite")


def test_fits_inside_a_prange_give_pythons_bits(threads):
    data = np.random.default_rng(1).normal(size=(40, 50, 3))
    data[7, 3, 1] = np.nan
    labels, inertias, status = many_fits(data, data[:, :4])
    for b in range(40):
        if b == 7:
            assert (status[b], np.isnan(inertias[b]), set(labels[b])) == (jit.NOT_FINITE, True, {-1})
            continue
        right = numbakmeans.fit(data[b], data[b, :4], max_iter=5)
        assert bits(labels[b], inertias[b]) == bits(right.labels, right.inertia)
        assert status[b] == jit.OK


BAD = {
    "no rows": (np.ones((0, 2)), np.ones((1, 2)), 1, jit.BAD_SHAPE),
    "no centers": (np.ones((3, 2)), np.ones((0, 2)), 1, jit.BAD_SHAPE),
    "no features": (np.ones((3, 0)), np.ones((1, 0)), 1, jit.BAD_SHAPE),
    "features": (np.ones((3, 2)), np.ones((1, 3)), 1, jit.BAD_SHAPE),
    "rows not finite": (np.array([[np.inf]]), np.ones((1, 1)), 1, jit.NOT_FINITE),
    "centers not finite": (np.ones((1, 1)), np.array([[np.nan]]), 1, jit.NOT_FINITE),
    "no passes": (np.ones((1, 1)), np.ones((1, 1)), 0, jit.BAD_COUNT),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_a_status(name):
    X, centers, max_iter, status = BAD[name]
    for fit in (users_fit, users_parallel_fit, jit.fit, jit.parallel_fit):
        result = fit(X, centers, max_iter)
        assert result.status == status
        assert np.isnan(result.centers).all()
        assert result.centers.shape == (len(centers), X.shape[1])
        assert np.isnan(result.inertia)
        assert (result.n_iter, result.converged, result.n_empty) == (0, False, 0)
        assert (result.labels == -1).all()
        assert len(result.labels) == len(X)
    if status != jit.BAD_COUNT:
        for nearest in (users_nearest, jit.nearest):
            labels, sq_dists, found = nearest(X, centers)
            assert found == status
            assert np.isnan(sq_dists).all()
            assert (labels == -1).all()
            assert len(labels) == len(sq_dists) == len(X)
        for update in (users_update, jit.update):
            means = update(X, np.zeros(len(X), np.int64), centers)
            assert means.status == status
            assert np.isnan(means.centers).all()
            assert (means.sizes == 0).all()


@pytest.mark.parametrize(
    ("labels", "status"),
    [([0, 1, 2], jit.OK), ([0, 1, 3], jit.BAD_LABEL), ([-1, 0, 0], jit.BAD_LABEL), ([0, 0], jit.BAD_SHAPE)],
)
def test_labels_out_of_range_give_a_status(labels, status):
    found = users_update(np.arange(6.0).reshape(3, 2), np.array(labels), np.zeros((3, 2)))
    assert found.status == status
    assert np.isnan(found.centers).all() == (status != jit.OK)
    assert found.sizes.sum() == (3 if status == jit.OK else 0)


@pytest.mark.parametrize("k", [-1, 0, 4])
def test_bad_counts_leave_the_generator_alone(k):
    rng = np.random.default_rng(0)
    points, plus_plus = users_starts(np.full((3, 2), np.nan), k, rng)
    assert points.shape == plus_plus.shape == (max(k, 0), 2)
    assert np.isnan(points).all()
    assert np.isnan(plus_plus).all()
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state
