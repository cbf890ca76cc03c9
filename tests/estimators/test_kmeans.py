"""KMeans: its results are those of the oracle, and its parameters mean what they say."""

import inspect
import math
import re
import warnings

import numpy as np
import oracle
import pytest

from numbakmeans import ClusterError, KMeans
from numbakmeans._engine import thresholds as at
from numbakmeans.estimators import _restarts, _validation, kmeans
from numbakmeans.estimators._base import ConvergenceWarning, InvalidParameterError, NotFittedError

# Empty clusters are what many of these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def cases(dtype):
    """Return small data and starting centers, by what is special about them."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(60, 3))
    grid = rng.integers(0, 4, size=(50, 2)).astype(float)
    far = np.concatenate([normal[:3], normal[:4] + 100.0])
    found = {
        "normal": (normal, normal[:5]),
        "ties": (grid, grid[:6]),
        "equal rows": (np.repeat(grid[:4], 9, axis=0), grid[:4].repeat(2, axis=0)),
        "empty clusters": (normal, far),
        "more clusters than distinct rows": (np.repeat(normal[:2], 5, axis=0), normal[:4]),
        "one feature": (normal[:, :1], normal[:4, :1]),
        "far from the origin": (normal + 1e4, normal[:4] + 1e4),
        "as many clusters as rows": (normal[:6], normal[:6][::-1]),
        "one row": (normal[:1], normal[1:2]),
    }
    return {name: (X.astype(dtype), centers.astype(dtype)) for name, (X, centers) in found.items()}


WEIGHTS = {
    "none": lambda n: None,
    "integers": lambda n: np.random.default_rng(1).integers(0, 4, n) + (np.arange(n) == 0),
    "reals": lambda n: (
        np.random.default_rng(2).random(n) * 10.0 ** np.random.default_rng(3).integers(-4, 4, n)
    ),
}


def differences(X, start, weights=None, **parameters):
    """Return the attributes of a fit that are not those of the oracle."""
    k = KMeans(n_clusters=len(start), init=start, **parameters).fit(X, sample_weight=weights)
    weights = None if weights is None else np.asarray(weights, np.float64)
    options = {
        name: value for name, value in parameters.items() if name in ("max_iter", "empty_clusters", "tol")
    }
    centers, labels, inertia, n_iter, converged = oracle.fit(X, start, weights=weights, **options)
    counted = labels if weights is None else labels[weights > 0]
    right = {
        "cluster_centers_": k.cluster_centers_.dtype == X.dtype
        and k.cluster_centers_.tobytes() == centers.tobytes(),
        "labels_": k.labels_.dtype == np.int32 and np.array_equal(k.labels_, labels),
        "inertia_": type(k.inertia_) is float and k.inertia_ == inertia,
        "n_iter_": k.n_iter_ == n_iter,
        "converged_": k.converged_ is converged,
        "n_empty_": k.n_empty_ == len(start) - len(np.unique(counted)),
        "predict": np.array_equal(k.predict(X), k.labels_),
    }
    return [name for name, is_right in right.items() if not is_right]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", cases(np.float64))
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"max_iter": 1},
        {"max_iter": 2, "tol": 0},
        {"tol": 0},
        {"tol": 0.05},
        {"empty_clusters": "keep"},
        {"algorithm": "elkan"},
    ],
    ids=str,
)
def test_fits(parameters, name, weights, dtype):
    X, start = cases(dtype)[name]
    assert differences(X, start, WEIGHTS[weights](len(X)), **parameters) == []


FAULTS = {
    "labels of the pass, not of its centers": (
        ("assigned", lambda samples, centers: (np.zeros(len(samples), np.int32), 1.0)),
        {"max_iter": 1},
        {"labels_", "inertia_", "n_empty_", "predict"},
    ),
    "an inertia without weights": (
        ("exact_weighted_sum", lambda samples, values: math.fsum(values)),
        {},
        {"inertia_"},
    ),
    "an absolute tolerance": (("mean_variance", lambda samples: 10.0), {"tol": 0.3}, None),
    "no relocation": (
        ("iterate", lambda *a, relocates, **b: _iterate(*a, relocates=False, **b)),
        {},
        None,
    ),
    "no weights": (
        ("iterate", lambda samples, *a, **b: _iterate(kmeans.Samples(samples.array), *a, **b)),
        {},
        None,
    ),
}
_iterate = _restarts.iterate


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_noticed(fault, monkeypatch):
    """The negative control."""
    (name, wrong), parameters, attributes = FAULTS[fault]
    X, start = cases(np.float64)["empty clusters"]
    weights = WEIGHTS["reals"](len(X))
    assert differences(X, start, weights, **parameters) == []
    monkeypatch.setattr(_restarts, name, wrong)
    found = set(differences(X, start, weights, **parameters))
    assert found
    assert attributes is None or found <= attributes


def test_a_center_that_is_kept_is_rounded():
    """float64 centers enter float32 data unrounded; labels belong to rounded ones."""
    X = np.array([[0.0], [1.0], [2.0], [3.0 - 2**-24], [10.0]], np.float32)
    for shift in np.linspace(-1e-7, 1e-7, 21):
        start = np.array([[1.5], [4.5 + shift], [10.0]])
        assert differences(X, start, empty_clusters="keep", tol=0) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_integer_weights_are_copies_of_rows(dtype):
    X, start = cases(dtype)["normal"]
    weights = WEIGHTS["integers"](len(X))
    parameters = {"n_clusters": len(start), "init": start}
    weighted = KMeans(**parameters).fit(X, sample_weight=weights)
    copied = KMeans(**parameters, tol=0).fit(np.repeat(X, weights, axis=0))
    weighted = KMeans(**parameters, tol=0).fit(X, sample_weight=weights)
    assert weighted.cluster_centers_.tobytes() == copied.cluster_centers_.tobytes()
    assert weighted.inertia_ == copied.inertia_
    assert np.array_equal(np.repeat(weighted.labels_, weights), copied.labels_)
    # The control: other weights make a difference.
    assert weighted.inertia_ != KMeans(**parameters, tol=0).fit(X).inertia_


def test_a_number_is_the_weight_of_all_rows():
    X, start = cases(np.float64)["normal"]
    k = KMeans(n_clusters=5, init=start).fit(X, sample_weight=2)
    assert k.inertia_ == 2 * KMeans(n_clusters=5, init=start).fit(X).inertia_
    assert k.score(X, sample_weight=2) == -k.inertia_


@pytest.mark.parametrize("weights", WEIGHTS)
def test_score(weights):
    X, start = cases(np.float64)["normal"]
    k = KMeans(n_clusters=5, init=start, max_iter=3).fit(X)
    given = WEIGHTS[weights](len(X))
    expected = oracle.inertia(
        X, k.cluster_centers_, k.labels_, None if given is None else given.astype(float)
    )
    assert k.score(X, sample_weight=given) == -expected


# --- Distances


@pytest.mark.parametrize("fitted", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, bool])
@pytest.mark.parametrize("whole", [True, False])
def test_transform(dtype, fitted, whole, monkeypatch):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(300, 5)) * 3).astype(dtype)
    k = KMeans(n_clusters=7, init=rng.normal(size=(7, 5))).fit(rng.normal(size=(50, 5)).astype(fitted))
    if not whole:
        monkeypatch.setattr(at, "MAX_COPY_BYTES", 0)
        monkeypatch.setattr(at, "MAX_SLAB_BYTES", 1 << 10)
        monkeypatch.setattr(at, "MIN_SLAB_ROWS", 16)
        monkeypatch.setattr(at, "MAX_SMALL_VALUES", 0)
    working = np.float32 if dtype in (np.float16, np.float32) else np.float64
    result = np.float32 if working == fitted == np.float32 else np.float64
    D = oracle.sq_dists(X.astype(working), k.cluster_centers_)
    expected = np.array([[oracle.root(d, result) for d in row] for row in D], result)
    found = k.transform(X)
    assert found.dtype == result
    assert found.tobytes() == expected.tobytes()
    assert k.transform(np.asfortranarray(X)).tobytes() == expected.tobytes()


def test_fit_transform_and_fit_predict():
    X, start = cases(np.float32)["normal"]
    for max_iter in (1, 300):
        k = KMeans(n_clusters=5, init=start, max_iter=max_iter)
        assert k.fit_transform(X).tobytes() == k.transform(X).tobytes()
        assert k.fit_predict(X) is k.labels_
        assert np.array_equal(k.predict(X), k.labels_)
        assert k.transform(X).argmin(1).tolist() == k.labels_.tolist()


# --- Restarts and random states


def uniform(X, n_clusters, random_state):
    """Return starting centers for `init`."""
    return random_state.uniform(-2, 2, size=(n_clusters, X.shape[1]))


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random", uniform])
@pytest.mark.parametrize("weights", ["none", "integers"])
def test_restarts_are_single_fits_with_the_spawned_streams(init, weights):
    """A Generator spawns one child a fit, so that fits in a row are the starts of a single one."""
    X, _ = cases(np.float64)["normal"]
    given = WEIGHTS[weights](len(X))
    parameters = {"n_clusters": 6, "init": init, "max_iter": 4}
    many = KMeans(**parameters, n_init=5, random_state=3, keep_history=True).fit(X, sample_weight=given)
    generator = np.random.default_rng(3)
    singles = [KMeans(**parameters, n_init=1, random_state=generator) for _ in range(5)]
    for single in singles:
        single.fit(X, sample_weight=given)
    assert [single.inertia_ for single in singles] == many.inertias_.tolist()
    best = singles[int(np.argmin(many.inertias_))]
    assert many.cluster_centers_.tobytes() == best.cluster_centers_.tobytes()
    assert np.array_equal(many.labels_, best.labels_)
    assert (many.inertia_, many.n_iter_) == (best.inertia_, best.n_iter_)
    # The control: the starts differ, and so do those of another seed.
    assert len(set(many.inertias_)) > 1
    other = KMeans(**parameters, n_init=5, random_state=4, keep_history=True).fit(X, sample_weight=given)
    assert other.inertias_.tolist() != many.inertias_.tolist()


def test_the_first_of_equal_starts_wins():
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    starts = iter([[[0.0], [11.0]], [[11.0], [0.0]], [[0.0], [11.0]]])
    k = KMeans(n_clusters=2, init=lambda *_, random_state: next(starts), n_init=3).fit(X)
    assert k.cluster_centers_.ravel().tolist() == [0.5, 10.5]
    starts = iter([[[0.0], [1.0]], [[11.0], [0.0]], [[0.0], [11.0]]])
    k.set_params(max_iter=1).fit(X)
    assert k.cluster_centers_.ravel().tolist() == [10.5, 0.5]


def centers_for(random_state, **parameters):
    X, _ = cases(np.float64)["normal"]
    k = KMeans(n_clusters=6, init="random", n_init=1, max_iter=1, random_state=random_state, **parameters)
    return k.fit(X).cluster_centers_.tolist()


def test_random_states():
    assert (
        centers_for(7) == centers_for(7) == centers_for(np.int64(7)) == centers_for(np.random.default_rng(7))
    )
    assert centers_for(7) != centers_for(8)
    # A generator goes on, and a RandomState does not need a seed sequence.
    generator, legacy = np.random.default_rng(7), np.random.RandomState(7)
    assert centers_for(generator) != centers_for(generator)
    first = centers_for(legacy)
    assert first != centers_for(legacy)
    assert first == centers_for(np.random.RandomState(7))
    assert first == centers_for(np.random.Generator(np.random.RandomState(7)._bit_generator))
    np.random.seed(7)
    assert centers_for(None) == first
    assert centers_for(None) != first
    np.random.seed(7)
    assert centers_for(np.random) == first


def test_streams_do_not_depend_on_their_number():
    for make in (np.random.default_rng, np.random.RandomState):
        one, three = _validation.streams(make(5), 1), _validation.streams(make(5), 3)
        draws = [stream.random() for stream in three]
        assert one[0].random() == draws[0]
        assert len(set(draws)) == 3


def state(generator):
    bits = getattr(generator, "_bit_generator", None) or generator.bit_generator
    return repr(bits.state), getattr(bits.seed_seq, "n_children_spawned", None)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_the_random_state_is_left_alone(make):
    X, _ = cases(np.float64)["normal"]
    generator = make(0)
    before = state(generator)
    for given, weights in ((X * np.nan, None), (X[:2], None), (X, -np.ones(len(X)))):
        with pytest.raises(ValueError, match=r"NaN|n_samples|Negative"):
            KMeans(n_clusters=5, random_state=generator).fit(given, sample_weight=weights)
    KMeans(n_clusters=5, init=X[:5], random_state=generator).fit(X)
    assert state(generator) == before
    # The control.
    KMeans(n_clusters=5, random_state=generator).fit(X)
    assert state(generator) != before


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_starting_centers_depend_on_weights(init):
    """Rows of weight 0 are never among them."""
    X, _ = cases(np.float64)["normal"]
    X[::2] += 1e3
    weights = np.arange(60.0) % 2
    for seed in range(20):
        k = KMeans(5, init=init, n_init=1, max_iter=1, empty_clusters="keep", random_state=seed)
        assert k.fit(X, sample_weight=weights).cluster_centers_.max() < 100
        # The control.
        assert k.fit(X).cluster_centers_.max() > 100


def test_n_init():
    X, start = cases(np.float64)["normal"]
    for init, n_init in (("k-means++", 1), ("k-means||", 1), ("random", 10), (uniform, 10), (start, 1)):
        assert len(KMeans(n_clusters=5, init=init, keep_history=True).fit(X).inertias_) == n_init
    k = KMeans(n_clusters=5, init=start, n_init=3, keep_history=True)
    with pytest.warns(
        RuntimeWarning, match="Explicit initial center position passed: performing only one"
    ) as seen:
        k.fit(X)
    assert seen[0].filename == __file__
    assert len(k.inertias_) == 1


def test_what_a_callable_gets():
    X, start = cases(np.float32)["normal"]
    for given, dtype in (
        (X, np.float32),
        ((X * 9).astype(int), np.float64),
        (X.astype(np.float16), np.float32),
    ):
        seen = []

        def init(rows, n_clusters, random_state, seen=seen):
            seen.append((rows, n_clusters, type(random_state)))
            return start.tolist()

        KMeans(n_clusters=5, init=init, n_init=2).fit(given)
        for rows, n_clusters, kind in seen:
            assert np.array_equal(rows, given)
            assert (rows.dtype, n_clusters, kind) == (dtype, 5, np.random.RandomState)
            assert not rows.flags.writeable
        assert len(seen) == 2


# --- What is told of the passes


def test_history_and_progress():
    X, start = cases(np.float64)["normal"]
    told = []
    k = KMeans(n_clusters=5, init=start, keep_history=True, progress=lambda *state: told.append(state)).fit(X)
    assert [n for n, _ in told] == list(range(1, k.n_iter_ + 1))
    assert [moved for _, moved in told] == k.history_.tolist()
    assert k.history_[0] == len(X)
    assert k.inertias_.tolist() == [k.inertia_]
    quiet = KMeans(n_clusters=5, init=start).fit(X)
    assert not hasattr(quiet, "history_")
    assert not hasattr(quiet, "inertias_")

    def enough(n_iter, moved):
        if n_iter == 2:
            raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        KMeans(n_clusters=5, init=start, progress=enough).fit(X)


def test_the_history_is_that_of_the_best_start():
    X, _ = cases(np.float64)["normal"]
    k = KMeans(n_clusters=6, init="random", n_init=8, random_state=0, keep_history=True).fit(X)
    assert len(k.history_) == k.n_iter_
    assert k.inertia_ == k.inertias_.min()


@pytest.mark.parametrize("tol", [0, 0.01])
@pytest.mark.parametrize("weights", ["none", "integers"])
@pytest.mark.parametrize("name", ["normal", "empty clusters"])
def test_verbose(name, weights, tol, capsys):
    """Each pass has the inertia of the centers it starts from."""
    X, start = cases(np.float64)[name]
    given = WEIGHTS[weights](len(X))
    KMeans(n_clusters=len(start), init=start, tol=tol, verbose=1).fit(X, sample_weight=given)
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "Initialization complete"
    heavy = None if given is None else given.astype(float)
    centers = start
    for n, line in enumerate(lines):
        labels = oracle.assign(X, centers)[0]
        assert line == f"Iteration {n}, inertia {oracle.inertia(X, centers, labels, heavy)}."
        centers = oracle.lloyd(X, centers, 1, heavy, relocates=True)[0]
    converged = f"Converged at iteration {len(lines) - 1}: "
    if tol == 0:
        assert last == converged + "strict convergence."
    else:
        pattern = re.escape(converged) + r"center shift \S+ within tolerance \S+\.|.*strict convergence\."
        assert re.fullmatch(pattern, last)
    # Watching changes nothing.
    assert differences(X, start, given, tol=tol, verbose=1) == []


def test_verbose_as_scikit_learn(capsys):
    theirs = pytest.importorskip("sklearn.cluster").KMeans
    X = np.random.default_rng(0).normal(size=(500, 3))
    found = []
    for kind in (KMeans, theirs):
        for tol in (0, 1e-2):
            kind(n_clusters=4, init=X[:4], n_init=1, tol=tol, verbose=1, max_iter=40).fit(X)
        found.append(
            [re.sub(r"\d+\.\d+(e-\d+)?", "#", line) for line in capsys.readouterr().out.splitlines()]
        )
    assert found[0] == found[1]


# --- Empty clusters


def test_empty_clusters():
    X, start = cases(np.float64)["empty clusters"]
    parameters = {"n_clusters": len(start), "init": start}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relocated = KMeans(**parameters).fit(X)
    assert relocated.n_empty_ == 0
    message = (
        r"Number of distinct clusters \(3\) found smaller than n_clusters \(7\). Possibly due to duplicate"
    )
    with pytest.warns(ConvergenceWarning, match=message) as seen:
        kept = KMeans(**parameters, empty_clusters="keep").fit(X)
    assert seen[0].filename == __file__
    assert kept.n_empty_ == 4
    assert np.array_equal(kept.cluster_centers_[3:], start[3:])
    assert relocated.inertia_ < kept.inertia_
    with pytest.raises(ClusterError, match=r"One of the clusters is empty.*4 of 7"):
        KMeans(**parameters, empty_clusters="raise").fit(X)
    with pytest.raises(ClusterError, match="1 of 2"):
        KMeans(2, init=[[0.0], [9.0]], empty_clusters="raise").fit([[0.0], [1.0]])
    assert KMeans(2, init=[[0.0], [9.0]], empty_clusters="raise").fit([[0.0], [8.0]]).n_empty_ == 0


def test_rows_of_weight_0_do_not_fill_a_cluster():
    X, weights = [[0.0], [1.0], [50.0]], [1, 1, 0]
    k = KMeans(3, init=[[0.0], [1.0], [50.0]]).fit(X, sample_weight=weights)
    assert k.n_empty_ == 1
    assert k.labels_.tolist() == [0, 1, 2]
    with pytest.raises(
        ValueError, match=r"init='random' takes n_clusters=3 rows of positive weight, but .* 2"
    ):
        KMeans(3, init="random").fit(X, sample_weight=weights)


# --- Inputs


def test_inputs_are_neither_changed_nor_shared():
    X, start = cases(np.float64)["normal"]
    weights = WEIGHTS["reals"](len(X))
    before = [array.tobytes() for array in (X, start, weights)]
    k = KMeans(n_clusters=5, init=start, max_iter=1, copy_x=False).fit(X, sample_weight=weights)
    k.transform(X), k.predict(X), k.score(X, sample_weight=weights)
    assert [array.tobytes() for array in (X, start, weights)] == before
    for array in (k.cluster_centers_, k.labels_):
        assert not any(np.shares_memory(array, given) for given in (X, start, weights))
        assert array.flags.owndata
        assert array.flags.writeable


def test_arrays_are_read_in_place():
    X = np.ones((9, 3))
    k = KMeans(2)
    for given in (X, np.asfortranarray(X), X[::2], X.astype(np.float32), X.astype(np.int8)):
        assert np.shares_memory(_validation.as_rows(k, given, fitting=True), given)
    weights = np.ones(9)
    assert np.shares_memory(_validation.as_weights(weights, 9), weights)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint64, bool, ">f4", object])
def test_dtypes(dtype):
    X = (np.random.default_rng(0).normal(size=(40, 3)) * 20).astype(dtype)
    working = np.float32 if dtype in (np.float16, ">f4") else np.float64
    start = X[:3].astype(working) + np.arange(3, dtype=working)[:, None] / 8
    k = KMeans(n_clusters=3, init=start).fit(X)
    same = KMeans(n_clusters=3, init=start).fit(X.astype(working))
    assert k.cluster_centers_.dtype == working
    assert k.cluster_centers_.tobytes() == same.cluster_centers_.tobytes()
    assert np.array_equal(k.predict(X), same.labels_)


PARAMETERS = [
    ({"n_clusters": 0}, r"'n_clusters' parameter of KMeans must be an int in the range \[1, .* Got 0"),
    ({"n_clusters": 2.5}, "'n_clusters' parameter of KMeans must be an int"),
    ({"n_clusters": 2**31}, "'n_clusters' parameter"),
    ({"init": "k-means"}, "'init' parameter of KMeans must be a str among"),
    ({"init": 3}, "'init' parameter"),
    ({"init": {1, 2}}, "'init' parameter"),
    ({"n_init": 0}, "'n_init' parameter of KMeans must be a str among {'auto'} or an int"),
    ({"n_init": "warn"}, "'n_init' parameter"),
    ({"max_iter": 0}, "'max_iter' parameter"),
    ({"max_iter": 3.0}, "'max_iter' parameter"),
    ({"tol": -1.0}, "'tol' parameter"),
    ({"tol": np.nan}, "'tol' parameter"),
    ({"tol": np.inf}, "'tol' parameter"),
    ({"tol": "small"}, "'tol' parameter"),
    ({"verbose": -1}, "'verbose' parameter"),
    ({"random_state": -1}, "'random_state' parameter of KMeans must be a non-negative int"),
    ({"random_state": "seed"}, "'random_state' parameter"),
    ({"copy_x": 1}, "'copy_x' parameter"),
    (
        {"algorithm": "full"},
        "'algorithm' parameter of KMeans must be a str among {'elkan', 'lloyd'}. Got 'full'",
    ),
    ({"empty_clusters": "drop"}, "'empty_clusters' parameter"),
    ({"metric": "manhattan"}, "'metric' parameter"),
    ({"fixed": 3}, "'fixed' parameter of KMeans must be an array-like or None. Got 3"),
    ({"keep_history": 1}, "'keep_history' parameter"),
    ({"progress": 3}, "'progress' parameter of KMeans must be a callable or None. Got 3"),
]


@pytest.mark.parametrize(("parameters", "words"), PARAMETERS, ids=str)
def test_bad_parameters(parameters, words):
    """As in scikit-learn, the error is of both kinds, and comes with the fit."""
    k = KMeans(**parameters)
    with pytest.raises(InvalidParameterError, match=words) as caught:
        k.fit(np.ones((3, 2)))
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)


def test_every_parameter_is_checked():
    names = set(inspect.signature(KMeans).parameters)
    assert names <= {*_validation.RULES, "random_state"}
    assert names == {next(iter(parameters)) for parameters, _ in PARAMETERS}


X3 = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (
            [1.0, 2.0],
            ValueError,
            r"Expected 2D array, got 1D array instead: X has shape \(2,\)(.|\n)*reshape",
        ),
        (3.0, ValueError, "Expected 2D array, got scalar array instead"),
        (np.ones((2, 2, 2)), ValueError, "Found array with dim 3, while dim <= 2 is required by KMeans"),
        (
            np.ones((0, 3)),
            ValueError,
            r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1",
        ),
        (np.ones((4, 0)), ValueError, r"Found array with 0 feature\(s\) \(shape=\(4, 0\)\) while a minimum"),
        ([[1, 2], [3]], ValueError, "inhomogeneous"),
        ([["a", "b"]] * 3, ValueError, "X has no number for float64 in row 0, column 0: could not convert"),
        (X3 + 1j, ValueError, "Complex data not supported"),
        (np.where(X3 == 5, np.nan, X3), ValueError, r"Input X contains NaN\. .* row 1, column 2\."),
        (
            np.where(X3 == 7, np.inf, X3),
            ValueError,
            r"Input X contains infinity or a value too large.* row 2, column 1",
        ),
    ],
)
def test_bad_samples(X, error, words):
    with pytest.raises(error, match=words):
        KMeans(1).fit(X)
    k = KMeans(2, init=X3[:2]).fit(X3)
    for method in (k.predict, k.transform, k.score):
        with pytest.raises(error, match=words):
            method(X)


def test_bad_shapes():
    with pytest.raises(ValueError, match="n_samples=4 should be >= n_clusters=5"):
        KMeans(5).fit(X3)
    k = KMeans(2, init=X3[:2]).fit(X3)
    for method in (k.predict, k.transform, k.score):
        with pytest.raises(ValueError, match="X has 2 features, but KMeans is expecting 3 features as input"):
            method(X3[:, :2])


@pytest.mark.parametrize(
    ("init", "error", "words"),
    [
        (
            X3,
            ValueError,
            r"The shape of the initial centers \(4, 3\) does not match the number of clusters 2",
        ),
        (
            X3[:2, :2],
            ValueError,
            r"initial centers \(2, 2\) does not match the number of features of the data 3",
        ),
        (X3[0], ValueError, r"Expected 2D array, got 1D array instead: init has shape \(3,\)"),
        (X3[:2] * np.nan, ValueError, "Input init contains NaN"),
        ([["a"], ["b"]], ValueError, "init has no number for float64 in row 0, column 0: could not convert"),
    ],
)
def test_bad_centers(init, error, words):
    for given in (init, lambda *_, random_state: init):
        with pytest.raises(error, match=words):
            KMeans(2, init=given).fit(X3)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.ones(3), ValueError, r"sample_weight.shape == \(3,\), expected \(4,\)"),
        (np.ones((4, 1)), ValueError, "Sample weights must be 1D array or scalar, got 2D array"),
        ([1, 2, -3, 4], ValueError, r"Negative values in data passed to `sample_weight`: row 2 .* -3.0"),
        (-1.0, ValueError, "Negative values"),
        ([1, np.nan, 1, 1], ValueError, "sample_weight contains NaN or infinity: row 1"),
        ([1, 1, 1, np.inf], ValueError, "sample_weight contains NaN or infinity: row 3"),
        (np.zeros(4), ValueError, "Sample weights must contain at least one non-zero number"),
        (0, ValueError, "Sample weights must contain at least one non-zero number"),
        (["a"] * 4, ValueError, "sample_weight has no number for float64 in row 0: could not convert"),
    ],
)
def test_bad_weights(weights, error, words):
    k = KMeans(2, init=X3[:2]).fit(X3)
    for method in (k.score, k.fit, k.fit_predict, k.fit_transform):
        with pytest.raises(error, match=words):
            method(X3, sample_weight=weights)


def test_not_fitted():
    for method in ("predict", "transform", "score"):
        with pytest.raises(NotFittedError, match=r"This KMeans instance is not fitted yet\. Call 'fit' with"):
            getattr(KMeans(), method)(X3)
    with pytest.raises(NotFittedError):
        KMeans().get_feature_names_out()


def test_a_fit_that_fails_leaves_the_results_of_the_one_before():
    k = KMeans(2, init=X3[:2]).fit(X3)
    before = k.cluster_centers_.tobytes()
    with pytest.raises(ValueError, match="NaN"):
        k.fit(X3 * np.nan)
    assert k.cluster_centers_.tobytes() == before
    assert k.predict(X3).tolist() == k.labels_.tolist()
