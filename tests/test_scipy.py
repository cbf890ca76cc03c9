"""The functions of `scipy.cluster.vq`: signatures, dtypes, layouts, generators, warnings, errors."""

import copy
import inspect
import pickle
import re
import sys
import warnings

import numpy as np
import oracle
import pytest
import scipy.cluster.vq
from support import edge_cases

import numbakmeans
from numbakmeans import ClusterError, kmeans, kmeans2, vq, whiten

FUNCTIONS = {"kmeans2": kmeans2, "kmeans": kmeans, "vq": vq, "whiten": whiten}
DATA = np.random.default_rng(0).normal(size=(60, 3))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_scipys(name):
    ours, scipys = inspect.signature(FUNCTIONS[name]), inspect.signature(getattr(scipy.cluster.vq, name))
    as_told = [(p.name, p.kind, p.default) for p in ours.parameters.values()]
    assert as_told == [(p.name, p.kind, p.default) for p in scipys.parameters.values()]


def call(name, data, **kwargs):
    if name == "whiten":
        return (whiten(data),)
    if name == "vq":
        return vq(data, np.asarray(data)[:4])
    return FUNCTIONS[name](data, 4, **{"rng": 1, **kwargs})


def same(a, b):
    return [(np.asarray(x).dtype, np.asarray(x).tobytes()) for x in a] == [
        (np.asarray(x).dtype, np.asarray(x).tobytes()) for x in b
    ]


# --- arrays in and out


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", edge_cases.layouts(np.ones((2, 2))))
def test_layouts_change_nothing(name, dtype, layout):
    X = DATA.astype(dtype)
    data = edge_cases.layouts(X)[layout]
    before = copy.deepcopy(data)
    assert same(call(name, data), call(name, X))
    assert np.array_equal(data, before)


def test_rows_with_zero_strides_are_clustered():
    rows = np.broadcast_to(np.array([1.0, 2.0]), (10, 2))
    centroid, label = kmeans2(rows, rows[:1], minit="matrix")
    assert centroid.tolist() == [[1, 2]]
    assert label.tolist() == [0] * 10


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("dtype", "working"),
    [
        *[(t, np.float64) for t in (np.bool_, np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64)],
        *[(np.float16, np.float32), (">f4", np.float32), (">f8", np.float64), (">i4", np.float64)],
    ],
)
def test_other_dtypes_are_converted(name, dtype, working):
    X = (np.abs(DATA) * 20 % 3).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        got = call(name, X)
        assert same(got, call(name, X.astype(working)))
    assert got[0].dtype == (np.int32 if name == "vq" else working)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "value",
    [
        DATA.astype(np.longdouble),
        DATA.astype(complex),
        DATA.astype(str).astype(object),
        DATA.astype("M8[s]"),
        DATA.astype("m8[s]"),
        np.array([["a", "b"]]),
        np.zeros(3, [("x", "f8")]),
    ],
    ids=lambda value: str(value.dtype) + type(value).__name__,
)
def test_arrays_of_other_than_real_numbers_are_refused(name, value):
    with pytest.raises(TypeError, match=r"^(data|obs) "):
        call(name, value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_masked_array_is_taken_if_it_masks_nothing(name):
    row, column = np.argwhere(DATA > 1)[0]
    with pytest.raises(ValueError, match=rf"^(data|obs) has a missing value in row {row}, column {column}:"):
        call(name, np.ma.masked_greater(DATA, 1))
    assert same(call(name, np.ma.array(DATA)), call(name, DATA))
    assert same(call(name, np.ma.array(DATA, mask=np.zeros_like(DATA, bool))), call(name, DATA))


@pytest.mark.parametrize("name", ["kmeans2", "kmeans"])
def test_results_never_alias_inputs(name):
    start = DATA[:3].copy()
    X = DATA[:3].copy()
    for result in FUNCTIONS[name](X, start):
        assert not np.shares_memory(result, X)
        assert not np.shares_memory(result, start)
    assert not np.shares_memory(whiten(X), X)
    assert not np.shares_memory(whiten(X[:0]), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("minit", ["random", "points", "++", "matrix"])
def test_one_dimensional_data_is_one_column(dtype, minit):
    x = DATA[:, 0].astype(dtype)
    k = x[:4] if minit == "matrix" else 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        centroid, label = kmeans2(x, k, minit=minit, rng=2)
        column = kmeans2(x[:, None], k[:, None] if minit == "matrix" else k, minit=minit, rng=2)
    assert centroid.shape == (4,)
    assert np.array_equal(centroid, column[0][:, 0])
    assert np.array_equal(label, column[1])
    assert centroid.dtype == dtype


def test_float32_data_may_start_from_float64_centroids():
    X, start = edge_cases.cases(np.float32)["float64 centers"]
    assert start.dtype == np.float64
    centroid, label = kmeans2(X, start, iter=1)
    expected = oracle.kmeans2(X, start, 1)
    assert np.array_equal(label, expected[1])
    assert centroid.dtype == np.float32


# --- generators


BIT_GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


@pytest.mark.parametrize("name", ["kmeans2", "kmeans"])
def test_rng_and_seed_choose_the_generator_as_in_scipy(name):
    def run(**kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return FUNCTIONS[name](DATA, 4, **kwargs)

    legacy = np.random.RandomState
    assert same(run(rng=3), run(rng=np.random.default_rng(3)))
    assert same(run(seed=3), run(seed=legacy(3)))
    assert not same(run(seed=3), run(rng=3))
    # A RandomState given as rng becomes a Generator on its bit generator.
    assert same(run(rng=legacy(3)), run(rng=np.random.Generator(legacy(3)._bit_generator)))
    assert same(run(seed=np.random.default_rng(3)), run(rng=3))
    # Neither is given, or seed is None: the global RandomState.
    results = []
    for kwargs in ({}, {"seed": None}, {"seed": np.random}):
        np.random.seed(5)
        results.append(run(**kwargs))
    assert same(results[0], run(seed=5))
    assert same(results[0], results[1])
    assert same(results[0], results[2])
    # An explicit None is fresh entropy, which leaves the global state alone.
    before = np.random.get_state()[1].copy()
    run(rng=None)
    assert np.array_equal(np.random.get_state()[1], before)
    with pytest.raises(TypeError, match="multiple values for argument now known as `rng`"):
        run(rng=1, seed=1)


def test_rng_is_checked_and_seed_ignored_where_centroids_are_given():
    with pytest.raises(TypeError, match=r"^rng "):
        kmeans2(DATA, DATA[:3], rng="x")
    assert same(kmeans2(DATA, DATA[:3], seed="x"), kmeans2(DATA, DATA[:3]))


# --- clusters


@pytest.mark.parametrize("minit", ["random", "points", "++"])
@pytest.mark.parametrize("k", [np.int8(3), np.array(3), np.array([3]), [[3]], 3.0, np.float32(3)])
def test_a_count_may_be_any_whole_number(minit, k):
    assert same(kmeans2(DATA, k, minit=minit, rng=1), kmeans2(DATA, 3, minit=minit, rng=1))


@pytest.mark.parametrize("minit", ["random", "points", "++"])
@pytest.mark.parametrize("k", [3.7, np.float64(3.2), [3.5]])
def test_a_fractional_count_is_truncated_with_a_warning(minit, k):
    with pytest.warns(UserWarning, match="k was not an integer, was converted.") as seen:
        got = kmeans2(DATA, k, minit=minit, rng=1)
    assert seen[0].filename == __file__
    assert same(got, kmeans2(DATA, 3, minit=minit, rng=1))


def test_one_centroid_is_centroids_only_with_matrix():
    centroid, _ = kmeans2(DATA[:, :1], [[2.0]], minit="matrix")
    assert centroid.shape == (1, 1)
    centroid, _ = kmeans2(DATA[:, :1], [[2.0]], minit="points", rng=0)
    assert centroid.shape == (2, 1)


@pytest.mark.parametrize("minit", ["random", "++"])
def test_more_clusters_than_rows_leave_some_empty(minit):
    with pytest.warns(UserWarning, match="One of the clusters is empty"):
        centroid, label = kmeans2(DATA[:4], 9, minit=minit, rng=0)
    assert centroid.shape == (9, 3)
    assert len(np.unique(label)) <= 4
    assert np.isfinite(centroid).all()


def test_one_warning_per_call_points_at_the_caller():
    X, centers = edge_cases.cases(np.float64)["empty clusters"]
    with pytest.warns(UserWarning, match="One of the clusters is empty") as seen:
        kmeans2(X, centers, iter=10)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    sentence = "One of the clusters is empty. Re-run kmeans with a different initialization."
    assert str(seen[0].message).startswith(sentence)
    assert str(seen[0].message).endswith("In the last pass: 2 of 5.")


def test_an_empty_cluster_raises_in_the_pass_in_which_it_appears():
    X, centers = edge_cases.cases(np.float64)["empty clusters"]
    sentence = "One of the clusters is empty. Re-run kmeans with a different initialization."
    with pytest.raises(ClusterError, match=re.escape(sentence)):
        kmeans2(X, centers, missing="raise")
    assert issubclass(ClusterError, Exception)
    kmeans2(X, centers[:3], missing="raise")


def test_scipys_error_catches_ours():
    X, centers = edge_cases.cases(np.float64)["empty clusters"]
    with pytest.raises(scipy.cluster.vq.ClusterError) as caught:
        kmeans2(X, centers, missing="raise")
    assert isinstance(caught.value, ClusterError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, ClusterError)
    assert again.args == caught.value.args
    assert type(caught.value).__name__ == "ClusterError"


def test_scipy_is_not_needed_for_our_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.cluster.vq")
    assert type(ClusterError("x")) is ClusterError


def test_a_cluster_that_is_empty_for_a_while_is_reported():
    # The second center gets no row in the first pass, and one in the second.
    X, centers = np.array([[0.0], [1.0], [10.0]]), np.array([[0.5], [-9.9], [1.5]])
    empties = oracle.kmeans2(X, centers, 4)[2]
    assert empties[0] == 1
    with pytest.warns(UserWarning, match="One of the clusters is empty"):
        kmeans2(X, centers, iter=4)
    with pytest.raises(ClusterError):
        kmeans2(X, centers, iter=4, missing="raise")


@pytest.mark.parametrize(
    "data",
    [
        np.column_stack([DATA, np.ones(60)]),
        np.column_stack([DATA, DATA[:, 0] * 2]),
        np.ones((20, 3)),
        DATA[:3],
        DATA[:1],
    ],
    ids=["constant column", "dependent column", "equal rows", "n == d", "one row"],
)
def test_random_starts_of_a_singular_covariance_are_finite(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        centroid, _ = kmeans2(data, 2, minit="random", rng=0)
    assert np.isfinite(centroid).all()


def test_plus_plus_picks_row_0_once_distinct_rows_run_out():
    X = np.repeat(np.eye(2), 5, axis=0)
    with pytest.warns(UserWarning, match="One of the clusters is empty"):
        centroid, _ = kmeans2(X, 4, minit="++", rng=0)
    # Once nothing is left to pick, row 0 is picked, as in SciPy.
    assert np.array_equal(np.sort(centroid, axis=0)[[0, -1]], [[0, 0], [1, 1]])


# --- values that are not finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_error_names_the_place_of_a_value_that_is_not_finite(bad):
    X = DATA.copy()
    X[7, 2] = bad
    place = re.escape(f"array must not contain infs or NaNs: data has {bad} in row 7, column 2")
    with pytest.raises(ValueError, match=place):
        kmeans2(X, 3, rng=0)
    for call_it, name in (
        (lambda: kmeans2(DATA, X[:8]), "k"),
        (lambda: vq(X, DATA), "obs"),
        (lambda: vq(DATA, X), "code_book"),
        (lambda: kmeans(X, 3), "obs"),
        (lambda: kmeans(DATA, X), "k_or_guess"),
        (lambda: whiten(X), "obs"),
    ):
        with pytest.raises(ValueError, match=f"array must not contain infs or NaNs: {name}"):
            call_it()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.not_finite(np.float64))
def test_values_that_are_not_finite_give_the_oracles_bits_without_the_check(name, dtype):
    X, centers = edge_cases.not_finite(dtype)[name]
    with np.errstate(all="ignore"):
        right = oracle.kmeans2(X, centers, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        centroid, label = kmeans2(X, centers, iter=3, minit="matrix", check_finite=False)
        assert centroid.tobytes() == right[0].tobytes()
        assert np.array_equal(label, right[1])
        for minit in ("random", "points", "++"):
            _, label = kmeans2(X, 2, minit=minit, rng=0, check_finite=False)
            assert set(label) <= {0, 1}
    code, dist = vq(X, centers, check_finite=False)
    with np.errstate(all="ignore"):
        codes, sq_dists = oracle.assign(X, centers)
    assert np.array_equal(code, codes)
    assert dist.tolist() == [oracle.root(v, dtype) for v in sq_dists]
    kmeans(X, 2, rng=0, check_finite=False)
    with np.errstate(all="ignore"):
        assert np.isnan(whiten(X, check_finite=False)).any() == (not np.isfinite(X).all())


# --- far from the origin


@pytest.mark.parametrize("offset", [1e3, 1e4])
def test_labels_of_float32_data_far_from_the_origin_are_right(offset):
    X = (np.random.default_rng(1).normal(size=(20_000, 8)) + offset).astype(np.float32)
    book = X[:9]
    right = oracle.assign(X, book)[0]
    assert np.array_equal(vq(X, book)[0], right)
    assert np.array_equal(kmeans2(X, book, iter=1)[1], right)
    # The negative control: SciPy gets many labels of this data wrong.
    assert (scipy.cluster.vq.vq(X, book)[0] != right).mean() > 0.1


# --- vq, kmeans and whiten match their definitions


@pytest.mark.parametrize(
    "dtypes", [("f4", "f4"), ("f4", "f8"), ("f8", "f4"), ("f8", "f8"), ("i4", "f4"), ("f2", "f4")]
)
def test_vq_matches_the_definition(dtypes):
    X, book = (DATA * 4).astype(dtypes[0]), (DATA[:5] * 4).astype(dtypes[1])
    code, dist = vq(X, book)
    codes, sq_dists = oracle.assign(X, book)
    single = set(dtypes) <= {"f2", "f4"}
    assert code.dtype == np.int32
    assert np.array_equal(code, codes)
    assert dist.dtype == (np.float32 if single else np.float64)
    assert dist.tolist() == [oracle.root(v, dist.dtype.type) for v in sq_dists]


def test_vq_takes_no_rows_and_no_features():
    code, dist = vq(np.zeros((0, 3)), DATA[:2])
    assert (code.shape, code.dtype, dist.shape, dist.dtype) == ((0,), np.int32, (0,), np.float64)
    code, dist = vq(np.zeros((4, 0)), np.zeros((2, 0)))
    assert code.tolist() == [0] * 4
    assert dist.tolist() == [0.0] * 4
    assert vq(3.0, 1.0)[1].tolist() == [2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kmeans_matches_the_definition(dtype):
    X, book = DATA.astype(dtype), np.vstack([DATA[:4], [[50.0] * 3]]).astype(dtype)
    got_book, got = kmeans(X, book, thresh=1e-3)
    previous = np.inf
    while True:
        codes, sq_dists = oracle.assign(X, book)
        distortion = oracle.exact_mean([oracle.root(v, dtype) for v in sq_dists], dtype)
        book = oracle.update(X, codes, book)[np.unique(codes)]
        if not abs(previous - distortion) > 1e-3:
            break
        previous = distortion
    assert got_book.tobytes() == book.tobytes()
    assert len(book) == 4
    assert got == distortion
    assert type(got) is dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whiten_matches_the_definition(dtype):
    X = np.column_stack([DATA, DATA[:, 0] * 1e-20 + 1e4, np.arange(60)]).astype(dtype)
    wide = X.astype(np.float64)
    deviations = []
    for column in wide.T:
        mean = oracle.exact_mean(column, np.float64)
        deviations.append(dtype(np.sqrt(oracle.exact_mean((column - mean) ** 2, np.float64))))
    deviations = np.array(deviations)
    with pytest.warns(RuntimeWarning, match="Some columns have standard deviation zero") as seen:
        got = whiten(X)
    assert seen[0].filename == __file__
    assert deviations[3] == 0
    deviations[3] = 1
    assert got.tobytes() == (X / deviations).tobytes()


def test_whiten_takes_any_rank_from_one():
    assert np.array_equal(whiten(DATA[:, 0]), whiten(DATA[:, :1])[:, 0])
    assert np.array_equal(whiten(DATA.reshape(20, 3, 3)), whiten(DATA.reshape(20, 9)).reshape(20, 3, 3))


# --- bad input

X = DATA
BAD = [
    (kmeans2, {"data": None}, TypeError, "data"),
    (kmeans2, {"data": [[1, 2], [3]]}, ValueError, "data"),
    (kmeans2, {"data": 3.0}, ValueError, "Input of rank > 2 is not supported. data"),
    (kmeans2, {"data": np.zeros((2, 2, 2))}, ValueError, "Input of rank > 2 is not supported. data"),
    (kmeans2, {"data": np.zeros((0, 2))}, ValueError, "Empty input is not supported. data"),
    (kmeans2, {"data": np.zeros((2, 0))}, ValueError, "Empty input is not supported. data"),
    (kmeans2, {"k": None}, TypeError, "k "),
    (kmeans2, {"k": "3"}, TypeError, "k "),
    (kmeans2, {"k": 2 + 1j}, TypeError, "k "),
    (kmeans2, {"k": np.nan}, ValueError, "k "),
    (kmeans2, {"k": np.inf}, ValueError, "k "),
    (kmeans2, {"k": 0}, ValueError, r"Cannot ask kmeans2 for 0 clusters \(k was 0\)"),
    (kmeans2, {"k": -2}, ValueError, r"Cannot ask kmeans2 for -2 clusters \(k was -2\)"),
    (kmeans2, {"k": 0.5}, ValueError, r"Cannot ask kmeans2 for 0 clusters \(k was 0.5\)"),
    (kmeans2, {"k": 2**31}, ValueError, "k must be at most"),
    (kmeans2, {"k": []}, ValueError, "Empty input is not supported. k"),
    (kmeans2, {"k": [[1, 2], [3]]}, ValueError, "k cannot be read"),
    (kmeans2, {"k": X[0]}, ValueError, "k array doesn't match data rank"),
    (kmeans2, {"k": X[:2, :2]}, ValueError, "k array doesn't match data dimension"),
    (kmeans2, {"k": 3, "minit": "matrix"}, ValueError, "k array doesn't match data rank"),
    (kmeans2, {"k": None, "minit": "matrix"}, TypeError, "k "),
    (
        kmeans2,
        {"k": X[:2].astype(str).astype(object)},
        TypeError,
        "k must hold real numbers .* a str in row 0",
    ),
    (kmeans2, {"k": [[1, None, 2]]}, ValueError, "k has a missing value in row 0, column 1"),
    (
        kmeans2,
        {"k": 61, "minit": "points"},
        ValueError,
        "Cannot take a larger sample than population .*k is 61",
    ),
    (kmeans2, {"iter": 0}, ValueError, r"Invalid iter \(0\), must be a positive integer."),
    (kmeans2, {"iter": 0.5}, ValueError, r"Invalid iter \(0.5\), must be a positive integer."),
    (kmeans2, {"iter": 2.5}, TypeError, "iter must be an integer"),
    (kmeans2, {"iter": "ten"}, ValueError, "Invalid iter"),
    (kmeans2, {"iter": None}, TypeError, "Invalid iter"),
    (kmeans2, {"iter": np.inf}, OverflowError, "Invalid iter"),
    (kmeans2, {"thresh": "small"}, TypeError, "thresh"),
    (kmeans2, {"minit": "kmeans++"}, ValueError, "Unknown init method 'kmeans.*minit"),
    (kmeans2, {"minit": 3}, ValueError, "Unknown init method 3.*minit"),
    (kmeans2, {"minit": ["++"]}, ValueError, "Unknown init method.*minit"),
    (kmeans2, {"missing": "ignore"}, ValueError, "Unknown missing method 'ignore'.*missing"),
    (kmeans2, {"missing": None}, ValueError, "Unknown missing method None.*missing"),
    (kmeans2, {"rng": "x"}, TypeError, "rng"),
    (kmeans2, {"rng": -1}, ValueError, "rng"),
    (kmeans2, {"seed": "x"}, ValueError, "'x' cannot be used to seed.*seed"),
    (kmeans2, {"seed": -1}, ValueError, "seed"),
    (kmeans2, {"seed": 1.5}, ValueError, "cannot be used to seed.*seed"),
    (kmeans, {"obs": None}, TypeError, "obs"),
    (kmeans, {"obs": np.zeros((2, 2, 2))}, ValueError, "obs"),
    (kmeans, {"obs": 1.0}, ValueError, "obs"),
    (kmeans, {"obs": np.zeros((0, 2))}, ValueError, "obs"),
    (kmeans, {"k_or_guess": None}, TypeError, "k_or_guess"),
    (kmeans, {"k_or_guess": "3"}, TypeError, "k_or_guess"),
    (kmeans, {"k_or_guess": 2.5}, ValueError, "If k_or_guess is a scalar, it must be an integer."),
    (kmeans, {"k_or_guess": 0}, ValueError, "Asked for 0 clusters.*k_or_guess"),
    (kmeans, {"k_or_guess": -1}, ValueError, "Asked for -1 clusters.*k_or_guess"),
    (kmeans, {"k_or_guess": []}, ValueError, "Asked for 0 clusters.*k_or_guess"),
    (kmeans, {"k_or_guess": np.nan}, ValueError, "array must not contain infs or NaNs: k_or_guess"),
    (kmeans, {"k_or_guess": X[0]}, ValueError, "same number of dimensions.*k_or_guess"),
    (kmeans, {"k_or_guess": X[:2, :2]}, ValueError, "same number of features.*k_or_guess"),
    (kmeans, {"k_or_guess": 61}, ValueError, "Cannot take a larger sample than population.*k_or_guess is 61"),
    (kmeans, {"iter": 0}, ValueError, "iter must be at least 1, got 0"),
    (kmeans, {"iter": 1.5}, TypeError, "iter must be an integer"),
    (kmeans, {"iter": "x"}, ValueError, "iter"),
    (kmeans, {"thresh": -1e-9}, ValueError, "thresh"),
    (kmeans, {"thresh": np.nan}, ValueError, "thresh"),
    (kmeans, {"thresh": None}, TypeError, "thresh"),
    (kmeans, {"rng": "x"}, TypeError, "rng"),
    (kmeans, {"seed": "x"}, ValueError, "seed"),
    (vq, {"obs": None}, TypeError, "obs"),
    (vq, {"obs": X[None]}, ValueError, "number of dimensions: obs"),
    (vq, {"obs": X[None], "code_book": X[None]}, ValueError, "ndim different than 1 or 2.*obs"),
    (vq, {"obs": X[:, :2]}, ValueError, "same number of features .*obs has 2"),
    (vq, {"code_book": None}, TypeError, "code_book"),
    (vq, {"code_book": X[0]}, ValueError, "same number of dimensions.*code_book"),
    (vq, {"code_book": np.zeros((0, 3))}, ValueError, "code_book must hold 1 to"),
    (vq, {"code_book": [[1, 2], [3]]}, ValueError, "code_book cannot be read"),
    (whiten, {"obs": None}, TypeError, "obs"),
    (whiten, {"obs": 3.0}, ValueError, "obs must have at least one dimension"),
    (whiten, {"obs": [[1, 2], [3]]}, ValueError, "obs cannot be read"),
]
GOOD = {
    kmeans2: {"data": X, "k": 3, "minit": "points"},
    kmeans: {"obs": X, "k_or_guess": 3},
    vq: {"obs": X, "code_book": X[:3]},
    whiten: {"obs": X},
}


@pytest.mark.parametrize(("function", "kwargs", "error", "words"), BAD)
def test_bad_input(function, kwargs, error, words):
    rng = np.random.default_rng(7)
    arguments = {**GOOD[function], **kwargs}
    if function in (kmeans2, kmeans) and not {"rng", "seed"} & set(kwargs):
        arguments["rng"] = rng
    before, state = copy.deepcopy(arguments), copy.deepcopy(rng.bit_generator.state)
    with pytest.raises(error, match=words) as caught:
        function(**arguments)
    assert type(caught.value) is error
    np.testing.assert_equal(rng.bit_generator.state, state)
    for name in arguments:
        if name != "rng":
            np.testing.assert_equal(arguments[name], before[name])


@pytest.mark.parametrize("function", GOOD)
def test_the_good_input_is_good(function):
    """The negative control of the test above: the arguments that it varies raise nothing."""
    assert len(function(**GOOD[function])) > 0


@pytest.mark.parametrize("function", GOOD)
def test_every_argument_has_bad_values(function):
    told = {name for f, kwargs, *_ in BAD if f is function for name in kwargs}
    flags = {"check_finite"}  # any object is true or false
    assert told | flags == set(inspect.signature(function).parameters)


def test_the_public_names():
    assert set(numbakmeans.__all__) == set(dir(numbakmeans))
    for name in numbakmeans.__all__:
        assert getattr(numbakmeans, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'kmeans3'"):
        _ = numbakmeans.kmeans3
