"""The building blocks inside of a user's own compiled code: the bits of the Python functions."""

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import ugly
from numba import njit, prange
from numba.core.caching import NullCache
from numba.core.errors import TypingError
from numba.core.runtime import _nrt_python, rtsys

import numbakmeans
from numbakmeans import jit
from numbakmeans._fit import nearest, seed
from numbakmeans._kernels.room import NO_ROOM
from numbakmeans._samples import Samples

DTYPES = [np.float32, np.float64]


@njit
def users_fit(X, centers, max_iter):
    return jit.fit(X, centers, max_iter)


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


def bits(*parts):
    return [(np.asarray(part).dtype, np.asarray(part).tobytes()) for part in parts]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ugly.cases(np.float64))
def test_fit(name, dtype):
    X, centers = ugly.cases(dtype)[name]
    with np.errstate(all="ignore"):
        right = numbakmeans.fit(X, centers, max_iter=3)
        ours = users_fit(X, centers, 3)
    assert bits(*ours[:6]) == bits(*right)
    assert ours.status == jit.OK


def test_the_callers_options_do_not_leak():
    """Sums reordered or fused, division that raises: none of it reaches the building blocks."""
    X, centers = ugly.cases(np.float64)["ties but for one bit"]
    assert bits(*users_careless_fit(X, centers, 3)) == bits(*users_fit(X, centers, 3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ugly.cases(np.float64))
def test_nearest(name, dtype):
    X, centers = ugly.cases(dtype)[name]
    labels, sq_dists, status = users_nearest(X, centers)
    assert bits(labels, sq_dists) == bits(*nearest(Samples(X), centers))
    assert status == jit.OK


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ugly.cases(np.float64))
def test_a_pass_in_two_steps(name, dtype):
    X, centers = ugly.cases(dtype)[name]
    with np.errstate(all="ignore"):
        right = numbakmeans.fit(X, centers, max_iter=1)
        found = users_update(X, users_nearest(X, centers).labels, centers)
    assert bits(found.centers) == bits(right.centers)
    assert bits(found.sizes) == bits(np.bincount(right.labels, minlength=len(centers)))
    assert found.status == jit.OK


def test_layouts_share_a_signature_of_the_kernels(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 4))
    locked, whole = X.copy(), (9 * X).astype(np.int32)
    locked.flags.writeable = False
    layouts = (np.asfortranarray(X), X[::-1].copy()[::-1], locked, np.repeat(X, 2, axis=1)[:, ::2], whole)
    # What comes from the cache does not say what it is made of.
    monkeypatch.setattr(jit.nearest, "_cache", NullCache())
    rest = (np.zeros((3, 4)), 1, 60, 16, np.empty(60, np.int32), np.empty(60), NO_ROOM)
    jit._nearest_rows(0, locked, *rest)
    before = len(jit._nearest_rows.signatures)
    for array in layouts:
        right = nearest(Samples(array), array[:3])
        assert bits(*users_nearest(array, array[:3])[:2]) == bits(*right)
    assert len(jit._nearest_rows.signatures) == before
    # The control: given the caller's array as it is, there would be one more.
    jit._nearest_rows(0, X, *rest)
    assert len(jit._nearest_rows.signatures) == before + 1


def every_block(X, labels, centers, rng):
    """Return what the building blocks make of an array."""
    # More points than rows: NaN, which there is no integer for.
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
        (njit(every_block), np.int32),  # which the building blocks are compiled for already
    ],
    ids=["int32", "bool", "with threads", "from njit"],
)
def test_integers_are_worked_on_in_float64(call, dtype):
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
BAD_KINDS = {
    "float16": (ROWS.astype(np.float16), r"array\(float16, 2d, C\)"),
    "complex": (ROWS.astype(complex), r"array\(complex128, 2d, C\)"),
    "one dimension": (ROWS[0], r"array\(float64, 1d, C\)"),
}
BLOCKS = {
    "fit": lambda X, centers: jit.fit(X, centers, 1),
    "parallel_fit": lambda X, centers: jit.parallel_fit(X, centers, 1),
    "nearest": lambda X, centers: jit.nearest(X, centers),
    "parallel_nearest": lambda X, centers: jit.parallel_nearest(X, centers),
    "update": lambda X, centers: jit.update(X, np.zeros(4, np.int64), centers),
    "parallel_update": lambda X, centers: jit.parallel_update(X, np.zeros(4, np.int64), centers),
    "points": lambda X, _: jit.points(X, 1, np.random.default_rng(0)),
    "plus_plus": lambda X, _: jit.plus_plus(X, 1, np.random.default_rng(0)),
    "parallel_plus_plus": lambda X, _: jit.parallel_plus_plus(X, 1, np.random.default_rng(0)),
}


@pytest.mark.parametrize("kind", BAD_KINDS)
@pytest.mark.parametrize("block", BLOCKS)
def test_other_arrays_are_refused_at_compilation(block, kind):
    bad, got = BAD_KINDS[kind]
    expected = f"must be an array of 2 dimensions, of float32, float64, integers or bool, got {got}"
    with pytest.raises(TypingError, match=f"X {expected}"):
        BLOCKS[block](bad, ROWS)
    if not block.endswith(("points", "plus_plus")):
        with pytest.raises(TypingError, match=f"centers {expected}"):
            BLOCKS[block](ROWS, bad)


@njit
def users_refused(X):
    return jit.nearest(X, X)


def test_other_arrays_are_refused_in_a_users_function():
    with pytest.raises(TypingError, match="X must be an array of 2 dimensions"):
        users_refused(ROWS.astype(np.float16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 2, 7, 50])
def test_starts(dtype, k):
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
        **ugly.cases(dtype),
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


def test_inside_of_a_prange(threads):
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


@njit
def users_loop(X, centers, labels, n_times, work):
    """Return the last results; what each call returns lies in the workspace."""
    for _ in range(n_times):
        found = jit.nearest(X, centers, work)
        sq_dists = found.sq_dists.copy() if n_times == 1 else found.sq_dists
        update = jit.update(X, labels, centers, work)
        means = update.centers.copy() if n_times == 1 else update.centers
        fit = jit.fit(X, centers, 5, work)
    return fit, sq_dists, means


def allocations(call):
    """Return what a call of compiled code returns, and how many arrays it allocated."""
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    result = call()
    return result, rtsys.get_allocation_stats().alloc - before


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (9, 2, 3), (100, 1, 100), (200, 4, 5), (3, 300, 2), (1000, 8, 8), (50, 65, 50)]
)
def test_a_loop_with_a_workspace_allocates_nothing(shape, dtype):
    n_samples, n_features, n_clusters = shape
    rng = np.random.default_rng(0)
    # Integers tie, and their means lie half way between two float32 as often as not.
    X = rng.integers(0, 4, size=(n_samples, n_features)).astype(dtype)
    X[0] += rng.random(n_features).astype(dtype)
    centers, labels = X[:n_clusters], rng.integers(n_clusters, size=n_samples)
    work = jit.workspace(*shape)
    once, of_one = allocations(lambda: users_loop(X, centers, labels, 1, work))
    right = jit.fit(X, centers, 5), jit.nearest(X, centers).sq_dists, jit.update(X, labels, centers).centers
    assert bits(*once[0]) == bits(*right[0])
    assert bits(*once[1:]) == bits(*right[1:])
    # Two copies are made in the first, and arrays handed over and returned count in both.
    _, of_many = allocations(lambda: users_loop(X, centers, labels, 50, work))
    assert of_many == of_one - 2
    # The control: what does not suffice is not used, and then each call allocates.
    small = jit.workspace(1, 1, 1)[:20]
    again, of_small = allocations(lambda: users_loop(X, centers, labels, 50, small))
    assert bits(*again[0]) == bits(*right[0])
    assert of_small >= 50 + of_many


@njit
def users_seeds(X, n_clusters, n_times, rng, work):
    """Return results from starts that lie in the same workspace."""
    for _ in range(n_times):
        drawn = jit.fit(X, jit.points(X, n_clusters, rng, work), 5, work).inertia
        fit = jit.fit(X, jit.plus_plus(X, n_clusters, rng, work), 5, work)
    return fit, drawn


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (9, 2, 3), (100, 1, 100), (200, 4, 5), (3, 300, 2), (1000, 8, 8), (12_000, 2, 300)]
)
def test_seeding_with_a_workspace_allocates_nothing(shape, dtype):
    n_samples, n_features, n_clusters = shape
    X = np.random.default_rng(0).integers(0, 9, size=(n_samples, n_features)).astype(dtype)
    rng, work = np.random.default_rng(1), jit.workspace(*shape)
    (fit, drawn), of_one = allocations(lambda: users_seeds(X, n_clusters, 1, rng, work))
    rng = np.random.default_rng(1)
    assert drawn == jit.fit(X, jit.points(X, n_clusters, rng), 5).inertia
    assert bits(*fit) == bits(*jit.fit(X, jit.plus_plus(X, n_clusters, rng), 5))
    _, of_many = allocations(lambda: users_seeds(X, n_clusters, 20, rng, work))
    assert of_many == of_one
    # The control: for the rows, but not what is made of them.
    small = work[: n_samples * n_features + 8]
    _, of_small = allocations(lambda: users_seeds(X, n_clusters, 20, rng, small))
    assert of_small >= 20 + of_many


@njit
def users_chain(X, centers, work):
    """Hand on what lies in the workspace."""
    for _ in range(3):
        labels = jit.nearest(X, centers, work).labels
        centers = jit.update(X, labels, centers, work).centers
    some = jit.fit(X, centers, 1, work)
    return jit.fit(X, some.centers[::-1], 2, work)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_lies_in_a_workspace_can_be_handed_on(dtype):
    X = np.random.default_rng(0).normal(size=(300, 3)).astype(dtype)
    chained = users_chain(X, X[:7], jit.workspace(300, 3, 7))
    centers = X[:7]
    for _ in range(3):
        centers = jit.update(X, jit.nearest(X, centers).labels, centers).centers
    assert bits(*chained) == bits(*jit.fit(X, jit.fit(X, centers, 1).centers[::-1], 2))


@pytest.mark.parametrize("first", [0, 1, 7, 8, 440])
def test_arguments_anywhere_in_a_workspace_are_left_alone(first):
    """At its first word, too, where a room keeps what is taken of it."""
    work = jit.workspace(30, 3, 4)
    X = work[first : first + 90].view(np.float64).reshape(30, 3)
    X[:] = given = np.random.default_rng(0).normal(size=(30, 3))
    assert bits(*jit.fit(X, X[:4], 5, work)) == bits(*jit.fit(given, given[:4], 5))
    assert np.array_equal(X, given)
    assert np.array_equal(
        jit.plus_plus(X, 4, np.random.default_rng(1), work), jit.plus_plus(given, 4, np.random.default_rng(1))
    )
    assert np.array_equal(X, given)


@pytest.mark.parametrize("work", [np.empty(0, np.int64), np.full(7, -1), np.full(8, 2**62), np.full(500, -9)])
def test_any_array_of_integers_is_a_safe_workspace(work):
    X = np.random.default_rng(0).normal(size=(30, 3)) * 10.0 ** np.arange(-100, 200, 100)
    fit = users_loop(X, X[:4], np.zeros(30, np.int64), 1, work)[0]
    assert bits(*fit) == bits(*jit.fit(X, X[:4], 5))


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
    result = users_fit(X, centers, max_iter)
    assert result.status == status
    assert np.isnan(result.centers).all()
    assert np.isnan(result.inertia)
    assert (result.labels == -1).all()
    if status != jit.BAD_COUNT:
        labels, sq_dists, found = users_nearest(X, centers)
        assert found == status
        assert np.isnan(sq_dists).all()
        assert (labels == -1).all()


@pytest.mark.parametrize(
    ("labels", "status"),
    [([0, 1, 2], jit.OK), ([0, 1, 3], jit.BAD_LABEL), ([-1, 0, 0], jit.BAD_LABEL), ([0, 0], jit.BAD_SHAPE)],
)
def test_labels_that_no_center_has(labels, status):
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


USERS_MODULE = """
import numpy as np
from numba import njit
from numbakmeans import jit

@njit(cache=True)
def groups(X, rng):
    starts = jit.plus_plus(X, 3, rng)
    assert jit.parallel_fit(X, starts, 50).inertia == jit.fit(X, starts, 50).inertia
    return jit.fit(X, starts, 50).inertia

if __name__ == "__main__":
    inertia = groups(np.arange(40.0).reshape(20, 2) ** 2, np.random.default_rng(0))
    print(inertia, sum(groups.stats.cache_hits.values()), len(jit.fit.signatures))
"""


def test_a_users_cached_function_loads_in_a_new_process(tmp_path):
    (tmp_path / "users.py").write_text(textwrap.dedent(USERS_MODULE))

    def run():
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "NUMBAKMEANS_CACHE_DIR": str(tmp_path / "ours"),
        }
        return subprocess.run(
            [sys.executable, tmp_path / "users.py"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    # Nothing of ours is even looked at the second time; the first is the control.
    first, second = run(), run()
    assert (first[1:], second[1:]) == (["0", "1"], ["1", "0"])
    # Made of kernels that come from our cache, the user's function must start threads as well.
    assert any((tmp_path / "ours").rglob("run_slots*"))
    shutil.rmtree(tmp_path / "cache")
    third, fourth = run(), run()
    assert (third[1:], fourth[1:]) == (["0", "1"], ["1", "0"])
    assert first[0] == second[0] == third[0] == fourth[0]
