"""The functions of `scipy.cluster.vq` in nopython code: the bits, errors and warnings of Python."""

import json
import subprocess
import warnings

import numpy as np
import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError
from numba.extending import overload
from support import edge_cases
from support.environments import program, under

import numbakmeans
from numbakmeans import ClusterError, _nopython, jit, kmeans, kmeans2, vq, whiten

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
# Few, as each takes some seconds to compile.
FORMS = {
    "float64": X,
    "float32, Fortran order": np.asfortranarray(X.astype(np.float32)),
    "int64, strided, read-only": np.repeat((10 * X).astype(np.int64), 2, axis=1)[:, ::2],
    "1-D float32": X[:, 0].astype(np.float32),
}
FORMS["int64, strided, read-only"].flags.writeable = False


# Without the GIL, on which two threads would take turns.
@njit(nogil=True)
def clusters(data, k, n_iter, minit, missing):
    return kmeans2(data, k, n_iter, minit=minit, missing=missing)


@njit
def clusters_by_default(data, k):
    return numbakmeans.kmeans2(data, k)


@njit
def drawn_clusters(data, k, minit, rng):
    return kmeans2(data, k=k, iter=3, minit=minit, rng=rng)


@njit
def codes(obs, book):
    return vq(obs, book)


@njit
def whitened(obs):
    return whiten(obs)


@njit
def refined(obs, guess, thresh):
    return kmeans(obs, guess, thresh=thresh)


@njit
def drawn_codes(obs, k, rng):
    return kmeans(obs, k, iter=4, rng=rng)


@njit(fastmath=True, error_model="python")
def careless(obs, book):
    return vq(obs, book)


@njit
def by_points(data, k, n_iter, missing, rng):
    return kmeans2(data, k, n_iter, minit="points", missing="raise", rng=rng)


@njit
def by_points_with_a_warning(data, k, n_iter, check, rng):
    return kmeans2(data, k, n_iter, 0.1, "points", check_finite=check, rng=rng)


@njit
def by_picks(data, k, n_iter, check, rng):
    return kmeans2(data, k, n_iter, minit="++", check_finite=check, rng=rng)


@njit
def by_default(data, k, n_iter, check):
    return kmeans2(data, k, n_iter, check_finite=check)


def bits(results):
    return [(np.asarray(part).dtype, np.asarray(part).shape, np.asarray(part).tobytes()) for part in results]


def same_state(one, other):
    return one.bit_generator.state == other.bit_generator.state


@pytest.mark.parametrize("form", FORMS)
def test_kmeans2_from_given_centroids_gives_pythons_bits(form):
    data = FORMS[form]
    start = data[:4].astype(np.float64)
    ours = clusters(data, start, 4, "matrix", "raise")
    assert bits(ours) == bits(kmeans2(data, start, 4, minit="matrix", missing="raise"))
    # The negative control: another start shows.
    assert bits(ours) != bits(kmeans2(data, data[10:14], 4, minit="matrix"))


@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_edge_cases_give_pythons_bits(name):
    data, centers = edge_cases.cases(np.float64)[name]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert bits(clusters(data, centers, 3, "points", "warn")) == bits(
            kmeans2(data, centers, 3, minit="points")
        )
        assert bits(codes(data, centers)) == bits(vq(data, centers))


def test_defaults_are_those_of_python():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert bits(clusters_by_default(X, X[:5])) == bits(kmeans2(X, X[:5]))


@pytest.mark.parametrize("form", ["float64", "1-D float32"])
@pytest.mark.parametrize("minit", ["points", "++", "random"])
def test_random_starts_give_pythons_bits(form, minit):
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    data = FORMS[form]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for k in (3, 7):
            assert bits(drawn_clusters(data, k, minit, ours)) == bits(
                kmeans2(data, k, 3, minit=minit, rng=right)
            )
            assert same_state(ours, right)


def test_a_random_start_with_more_features_than_rows_gives_pythons_bits():
    data = RNG.normal(size=(5, 9))
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert bits(drawn_clusters(data, 2, "random", ours)) == bits(
            kmeans2(data, 2, 3, minit="random", rng=right)
        )
    assert same_state(ours, right)


@pytest.mark.parametrize("form", ["float64", "float32, Fortran order", "1-D float32"])
def test_vq_and_whiten_give_pythons_bits(form):
    data = FORMS[form]
    assert bits(codes(data, data[:4])) == bits(vq(data, data[:4]))
    assert bits([whitened(data)]) == bits([whiten(data)])
    assert bits(codes(data[:0], data[:2])) == bits(vq(data[:0], data[:2]))


@pytest.mark.parametrize("form", ["float64", "1-D float32"])
def test_kmeans_gives_pythons_bits(form):
    data = FORMS[form]
    book, distortion = refined(data, data[:6], 1e-5)
    right, right_distortion = kmeans(data, data[:6])
    # Numba returns a float32 number as a Python float.
    assert (bits([book]), distortion) == (bits([right]), float(right_distortion))
    ours, rights = np.random.default_rng(4), np.random.default_rng(4)
    book, distortion = drawn_codes(data, 5, ours)
    right, right_distortion = kmeans(data, 5, iter=4, rng=rights)
    assert (bits([book]), distortion) == (bits([right]), float(right_distortion))
    assert same_state(ours, rights)


def test_an_array_of_one_element_is_a_number():
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert bits(drawn_clusters(X, np.array([[3.0]]), "points", ours)) == bits(
            kmeans2(X, np.array([[3.0]]), 3, minit="points", rng=right)
        )
    book, _ = drawn_codes(X, np.array([[3.0]]), ours)
    assert bits([book]) == bits([kmeans(X, np.array([[3.0]]), iter=4, rng=right)[0]])
    assert same_state(ours, right)
    with pytest.raises(ValueError, match="must be an integer"):
        drawn_codes(X, np.array([[2.5]]), ours)
    with pytest.raises(ValueError, match="infs or NaNs: k_or_guess"):
        drawn_codes(X, np.array([[np.nan]]), ours)
    one = np.ones((1, 1))
    for call in (lambda: clusters(X, one, 2, "points", "warn"), lambda: refined(X, one, 1e-5)):
        with pytest.raises(ValueError, match=r"of one element is a number.*pass rng"):
            call()
    assert same_state(ours, right)


def run_inside(cache, layer, *passes):
    command = program("nopython_program", layer, *passes)
    result = subprocess.run(command, env=under(layer, cache), capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_situation_under_every_layer_gives_pythons_bits(tmp_path):
    """The first layer compiles, and the others find its code in Numba's cache."""
    for layer in ("omp", "workqueue", "tbb"):
        assert run_inside(tmp_path, layer) == []
    # The negative control: compared with fewer passes, every situation differs.
    situations = (
        "called",
        "in a parallel function",
        "inside of a prange",
        "from two threads",
        "in a forked child",
    )
    assert run_inside(tmp_path, "omp", "1") == list(situations)


def test_errors_are_those_of_python():
    far = np.array([[0.0] * 3, [9e9] * 3])
    bad = X.copy()
    bad[3, 1] = np.nan
    generator = np.random.default_rng(0)
    calls = [
        (ClusterError, clusters, X, far, 1, "matrix", "raise"),
        (ValueError, clusters, X, far, 0, "matrix", "raise"),
        (ValueError, clusters, X, far, 1, "wrong \u20ac", "raise"),
        (ValueError, clusters, X, far, 1, "matrix", "wr\xf6ng"),
        (ValueError, clusters, bad, far, 1, "matrix", "warn"),
        (ValueError, clusters, X, bad[:5], 1, "matrix", "warn"),
        (ValueError, clusters, X, X[:, :2], 1, "matrix", "warn"),
        (ValueError, clusters, X[:0], far, 1, "matrix", "warn"),
        (ValueError, clusters, X, X[:0], 1, "matrix", "warn"),
        (ValueError, by_default, X, X[:, :2], 1, True),
        (ValueError, by_default, X, X[:0], 1, True),
        (ValueError, by_default, X[:0], far, 1, True),
        (ValueError, by_default, X, far, 0, True),
        (ValueError, by_default, bad, far, 1, True),
        (ValueError, by_default, X, bad[:5], 1, True),
        (ValueError, drawn_clusters, X, 61, "points", generator),
        (ValueError, drawn_clusters, X, 0, "points", generator),
        (ValueError, drawn_clusters, X, 2, "matrix", generator),
        (ValueError, by_points, X, 61, 1, "raise", generator),
        (ValueError, by_points, X, 0, 1, "raise", generator),
        (ValueError, by_points, X, -(2**63), 1, "raise", generator),
        (ValueError, by_points, X, 2, 0, "raise", generator),
        (ValueError, by_points, X[:0], 2, 1, "raise", generator),
        (ValueError, by_points, bad, 2, 1, "raise", generator),
        (ValueError, by_picks, X, -1, 1, True, generator),
        (ValueError, by_picks, bad, 2, 1, True, generator),
        (ValueError, codes, X, X[:, :2]),
        (ValueError, codes, X, X[:0]),
        (ValueError, codes, bad, X),
        (ValueError, whitened, bad),
        (ValueError, refined, X, X[:6], -1.0),
        (ValueError, refined, X, bad[:6], 1e-5),
        (ValueError, refined, X, X[:6, :2], 1e-5),
        (ValueError, refined, X, X[:0], 1e-5),
        (ValueError, drawn_codes, X, 0, generator),
        (ValueError, drawn_codes, X, 61, generator),
    ]
    for kind, function, *arguments in calls:
        with pytest.raises(kind) as error:
            function(*arguments)
        with pytest.raises(kind) as right:
            function.py_func(*arguments)
        assert (type(error.value), str(error.value)) == (type(right.value), str(right.value))
    assert same_state(generator, np.random.default_rng(0))


def test_warnings_point_at_the_callers_line():
    with pytest.warns(UserWarning, match=r"empty.*1 of 2") as caught:
        clusters(X, np.array([[0.0] * 3, [9e9] * 3]), 1, "matrix", "warn")
    with pytest.warns(RuntimeWarning, match="standard deviation zero") as more:
        whitened(np.ones((4, 2)))
    assert [record.filename for record in [*caught, *more]] == [__file__] * 2


@njit
def without_generator(data):
    return kmeans2(data, 3)


@njit
def of_two_ranks(data):
    return vq(data, data[0])


@njit
def of_strings(data):
    return kmeans2(data, data, minit=3)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (without_generator, "pass rng, or centroids as k"),
        (of_two_ranks, "obs has 2 dimensions, but code_book 1"),
        (of_strings, "minit must be a string in nopython code"),
    ],
)
def test_type_errors_are_raised_at_compilation(function, words):
    with pytest.raises(TypingError, match=words):
        function(X)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda half: clusters(half, X, 1, "matrix", "warn"), "kmeans2: data"),
        (lambda half: clusters(X, half, 1, "matrix", "warn"), "kmeans2: k"),
        (lambda half: refined(half, X, 0.1), "kmeans: obs"),
        (lambda half: refined(X, half, 0.1), "kmeans: k_or_guess"),
        (lambda half: codes(half, X), "vq: obs"),
        (lambda half: codes(X, half), "vq: code_book"),
        (whitened, "whiten: obs"),
    ],
)
def test_float16_is_refused_at_compilation(call, name):
    with pytest.raises(TypingError, match=rf"{name} must be .* of float32, .* got array\(float16"):
        call(X.astype(np.float16))


def leaky(x):
    raise NotImplementedError


@overload(leaky, jit_options={})
def _leaky(x):
    return lambda x: x != x


@njit(fastmath=True)
def calls_leaky(x):
    return leaky(x)


def test_the_callers_options_do_not_leak():
    with pytest.raises(ValueError, match="infs or NaNs"):
        careless(np.full((2, 2), np.nan), np.ones((1, 2)))
    # The negative control: an overload that states no options inherits fastmath, and misses NaN.
    assert not calls_leaky(np.nan)


@njit
def two_counts(data, rng):
    return kmeans2(data, 2, 1, minit="points", rng=rng)[1], kmeans2(data, 3, 2, minit="points", rng=rng)[1]


@njit
def two_fits(data):
    return jit.fit(data, data[:2], 5).labels, jit.fit(data, data[:2], 6).labels


@njit
def plain(data, n):
    return data[n]


@njit
def two_plain(data):
    return plain(data, 1), plain(data, 2)


def compilations(call, *arguments):
    """Return how many functions Numba compiles for a call."""
    with event.install_recorder("numba:compile") as recorder:
        call(*arguments)
    return sum(each.is_start for _, each in recorder.buffer)


def test_calls_compile_nothing_but_the_users_function():
    locked = X.copy()
    locked.flags.writeable = False
    rng = np.random.default_rng(0)
    for data in (X, locked):  # so that the kernels are compiled already
        clusters(data, X[:2], 2, "matrix", "warn")
        drawn_clusters(data, 2, "points", rng)
        jit.fit(data, data[:2], 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert compilations(two_counts, X, rng) == 1
        assert compilations(two_fits, locked) == 1
    # The negative control: Numba compiles a user's function again for each literal number.
    assert compilations(two_plain, X) == 3


@pytest.fixture
def answered_by_python(monkeypatch):
    """Return a list that grows by one for each call that Python answers."""
    calls = []

    class Words(_nopython._Words):
        def __init__(self, address):
            calls.append(address)
            super().__init__(address)

    monkeypatch.setattr(_nopython, "_Words", Words)
    return calls


@pytest.mark.parametrize("form", [*FORMS, "bool", "one row"])
def test_few_rows_are_answered_without_python(form, answered_by_python):
    data = {**FORMS, "bool": X > 0.4, "one row": X[:1]}[form]
    k = min(4, len(data))
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for minit, call in (("++", by_picks), ("points", by_points_with_a_warning)):
            if form == "bool" and minit == "points":
                continue
            assert bits(call(data, k, 5, True, ours)) == bits(kmeans2(data, k, 5, minit=minit, rng=right))
            assert same_state(ours, right)
        start = data[: k + 1]
        if form != "bool" and start.size != 1:
            assert bits(by_default(data, start, 5, True)) == bits(kmeans2(data, start, 5))
    assert answered_by_python == []
    # The control: a start that the kernel does not support.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn_clusters(data, k, "points", ours)
    assert len(answered_by_python) == 1


@pytest.mark.parametrize(
    ("n_samples", "n_features", "k"),
    [(3000, 40, 50), (20_000, 2, 3), (200, 100, 100), (60, 3, 61), (1, 1, 1)],
)
def test_other_problems_are_answered_by_python(n_samples, n_features, k, answered_by_python):
    data = np.random.default_rng(1).normal(size=(n_samples, n_features)).astype(np.float32)
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bits(by_picks(data, k, 3, True, ours)) == bits(kmeans2(data, k, 3, minit="++", rng=right))
        assert same_state(ours, right)
        assert len(answered_by_python) == (n_samples > 1)
        start = data[:k]
        if start.size > 1:
            assert bits(by_default(data, start, 3, True)) == bits(kmeans2(data, start, 3))
        else:
            with pytest.raises(ValueError, match="pass rng"):
                by_default(data, np.ones_like(start), 3, True)


def test_an_empty_cluster_is_reported_after_a_kernel_has_drawn(answered_by_python):
    data = np.repeat([[1.0, 2.0], [3.0, 4.0]], 20, axis=0)
    for call in (by_points_with_a_warning, by_picks):
        ours, right = np.random.default_rng(4), np.random.default_rng(4)
        minit = "++" if call is by_picks else "points"
        with pytest.warns(UserWarning, match="3 of 5|4 of 5") as caught:
            found = call(data, 5, 3, True, ours)
        with pytest.warns(UserWarning, match="empty") as expected:
            assert bits(found) == bits(kmeans2(data, 5, 3, minit=minit, rng=right))
        assert str(caught[0].message) == str(expected[0].message)
        assert caught[0].filename == __file__
        assert same_state(ours, right)
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with pytest.raises(ClusterError, match="One of the clusters is empty") as ours_error:
        by_points(data, 5, 3, "raise", ours)
    with pytest.raises(ClusterError) as right_error:
        kmeans2(data, 5, 3, minit="points", missing="raise", rng=right)
    assert str(ours_error.value) == str(right_error.value)
    assert same_state(ours, right)
    assert len(answered_by_python) == 3


@pytest.mark.parametrize("name", edge_cases.not_finite(np.float64))
def test_unchecked_data_gives_pythons_bits(name, answered_by_python):
    data, centers = edge_cases.not_finite(np.float64)[name]
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert bits(by_default(data, centers, 3, False)) == bits(
            kmeans2(data, centers, 3, check_finite=False)
        )
        for minit, call in (("++", by_picks), ("points", by_points_with_a_warning)):
            found = call(data, 3, 3, False, ours)
            assert bits(found) == bits(kmeans2(data, 3, 3, minit=minit, check_finite=False, rng=right))
            assert same_state(ours, right)
    assert len(answered_by_python) >= 1
    if not np.isfinite(data).all():
        with pytest.raises(ValueError, match="infs or NaNs"):
            by_picks(data, 3, 3, True, ours)
        assert same_state(ours, right)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.cases(np.float64))
def test_edge_cases_with_random_starts_give_pythons_bits(name, dtype):
    data, centers = edge_cases.cases(dtype)[name]
    ours, right = np.random.default_rng(4), np.random.default_rng(4)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for minit, call in (("++", by_picks), ("points", by_points_with_a_warning)):
            k = min(len(centers), len(data))
            assert bits(call(data, k, 3, True, ours)) == bits(kmeans2(data, k, 3, minit=minit, rng=right))
            assert same_state(ours, right)
        assert bits(by_default(data, centers, 3, True)) == bits(kmeans2(data, centers, 3))


@njit(fastmath=True, error_model="python", boundscheck=True)
def careless_clusters(data, centers):
    return kmeans2(data, centers, 3)


@pytest.mark.parametrize("name", ["offset 1e8", "ties on a grid", "odd widths"])
def test_kernels_ignore_the_callers_options(name, answered_by_python):
    data, centers = edge_cases.cases(np.float64)[name]
    assert bits(careless_clusters(data, centers)) == bits(kmeans2(data, centers, 3))
    assert answered_by_python == []
