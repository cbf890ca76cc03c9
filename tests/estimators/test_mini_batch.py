"""MiniBatchKMeans: batches move the centers as the oracle says, and `fit` ends by scikit-learn's rules."""

import copy
import inspect
import pickle
import re

import numpy as np
import oracle
import pytest
from sklearn.cluster import MiniBatchKMeans as Theirs
from support import weights as heavy

from numbakmeans import Blocks, KMeans, MiniBatchKMeans
from numbakmeans.estimators import _mini_batches, _validation, mini_batch
from numbakmeans.estimators._base import InvalidParameterError, NotFittedError

N_SAMPLES, N_CLUSTERS = 600, 6


def rows_of(dtype, n_samples=N_SAMPLES):
    rng = np.random.default_rng(0)
    rows = 10 * rng.normal(size=(n_samples, 5)) + 30 * rng.integers(0, 3, size=(n_samples, 1))
    return rows.astype(dtype)


def batches_of(X, size=100):
    return [X[start : start + size] for start in range(0, len(X), size)]


def same(one, other):
    assert one.cluster_centers_.tobytes() == other.cluster_centers_.tobytes()
    assert np.array_equal(one.labels_, other.labels_)
    assert (one.inertia_, one.n_steps_) == (other.inertia_, other.n_steps_)


# --- Batches


def differences(X, weights, monkeypatch=None):
    """Return after which batches centers or labels are not those of the oracle."""
    start, counts = X[:N_CLUSTERS].astype(np.result_type(X, np.float32)), np.zeros(N_CLUSTERS)
    k = MiniBatchKMeans(N_CLUSTERS, init=start, reassignment_ratio=0)
    centers, wrong = start, []
    for b, rows in enumerate(batches_of(X)):
        own = None if weights is None else weights[100 * b : 100 * b + 100]
        k.partial_fit(rows, sample_weight=own)
        centers, counts = oracle.mini_batch(rows.astype(centers.dtype), centers, counts, own)
        labels, _ = oracle.assign(rows, centers)
        if k.cluster_centers_.tobytes() != centers.tobytes() or not np.array_equal(k.labels_, labels):
            wrong.append(b)
    assert k.n_steps_ == b + 1
    return wrong


WEIGHTS = ("none", "ones", "random", "zeros and ties", "of any magnitude", "one outweighs all")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_batches_move_the_centers_as_the_oracle_says(name, dtype, threads):
    weights = None
    if name != "none":
        weights = np.concatenate([heavy.cases(100)[name]] * (N_SAMPLES // 100))
    X = rows_of(dtype)
    if dtype in ("float16", "int16"):
        X = X.astype(np.float32 if dtype == "float16" else np.float64)
    assert differences(X, weights) == []


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        (
            _mini_batches,
            "labeled_totals",
            lambda w, labels, k: np.bincount(labels, minlength=k).astype(float),
        ),
        (mini_batch, "nearest_labels", lambda samples, centers: np.zeros(len(samples), np.int32)),
    ],
)
def test_faults_are_noticed(module, name, wrong, monkeypatch):
    """The negative control."""
    X, weights = rows_of("float64"), np.random.default_rng(0).random(N_SAMPLES)
    assert differences(X, weights) == []
    monkeypatch.setattr(module, name, wrong)
    assert differences(X, weights)


def test_the_first_batch_gives_the_means_of_its_rows():
    X = rows_of("float64", 100)
    k = MiniBatchKMeans(3, init=X[:3]).partial_fit(X)
    labels, _ = oracle.assign(X, X[:3])
    assert k.cluster_centers_.tobytes() == oracle.update(X, labels, X[:3]).tobytes()


def test_centers_that_are_hardly_ever_nearest_are_replaced():
    X = rows_of("float64")
    far = np.concatenate([X[:3], X[:3] + 1e6])
    kept = MiniBatchKMeans(6, init=far, reassignment_ratio=0).partial_fit(X)
    assert np.array_equal(kept.cluster_centers_[3:], far[3:])
    replaced = MiniBatchKMeans(6, init=far, random_state=0).partial_fit(X)
    rows = {row.tobytes() for row in X}
    assert all(center.tobytes() in rows for center in replaced.cluster_centers_[3:])
    assert replaced._learner.counts.all()
    weights = np.zeros(len(X))
    weights[:10] = 1.0
    weighted = MiniBatchKMeans(6, init=far, random_state=0).partial_fit(X, sample_weight=weights)
    rows = {row.tobytes() for row in X[:10]}
    assert all(center.tobytes() in rows for center in weighted.cluster_centers_[3:])


@pytest.mark.parametrize("ratio", [1.0, 50.0])
def test_no_more_centers_are_replaced_than_half_a_batch(ratio):
    X = rows_of("float64", 8)
    learner = _mini_batches.Learner(6, ratio, np.random.default_rng(0))
    learner.counts = np.array([1.0, 5.0, 2.0, 3.0, 4.0, 9.0])
    before = X[:6] + 0.1
    samples = _mini_batches.Samples(X[6:])
    after, n_replaced = learner.step(samples, before, np.array([5, 5], np.int32))
    assert n_replaced <= 1
    assert (after != before).any(1).sum() <= 3


def test_a_stream_that_is_saved_goes_on_where_it_was():
    first, *others = batches_of(rows_of("float32"), 60)
    k = MiniBatchKMeans(20, random_state=0).partial_fit(first)
    copies = [copy.deepcopy(k), pickle.loads(pickle.dumps(k))]
    for rows in others:
        for each in (k, *copies):
            each.partial_fit(rows)
    for each in copies:
        same(each, k)


def test_a_fit_can_go_on_with_batches():
    X = rows_of("float64")
    k = MiniBatchKMeans(3, random_state=0).fit(X)
    centers, n_steps = k.cluster_centers_.copy(), k.n_steps_
    before = k.cluster_centers_
    k.partial_fit(X + 1)
    assert k.n_steps_ == n_steps + 1
    assert np.array_equal(before, centers)  # those that the caller may have kept
    assert not np.array_equal(k.cluster_centers_, centers)


# --- Fits


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_blocks_and_threads_do_not_change_a_bit(init, weighted, threads):
    X = rows_of("float32", 3000)
    weights = np.random.default_rng(1).random(3000) * (np.arange(3000) % 7 > 0) if weighted else None
    parameters = {"init": init, "batch_size": 200, "random_state": 5, "max_iter": 2, "tol": 1e-5}
    right = MiniBatchKMeans(N_CLUSTERS, **parameters).fit(X, sample_weight=weights)
    for rows in (Blocks([X[:7], X[7:7], X[7:1999], X[1999:]]), np.asfortranarray(X), X.tolist()):
        k = MiniBatchKMeans(N_CLUSTERS, **parameters).fit(rows, sample_weight=weights)
        if not isinstance(rows, list):  # these are float64
            same(k, right)
    assert right.labels_.shape == (3000,)


def test_it_does_about_as_well_as_all_rows_and_as_scikit_learn():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(10_000, 8)) + 6 * rng.normal(size=(12, 8))[rng.integers(0, 12, 10_000)]).astype(
        "f4"
    )
    full = min(KMeans(12, random_state=s).fit(X).inertia_ for s in range(3))
    ours = [MiniBatchKMeans(12, random_state=s, n_init=3).fit(X).inertia_ for s in range(5)]
    theirs = [Theirs(12, random_state=s, n_init=3).fit(X).inertia_ for s in range(3)]
    assert np.median(ours) < 1.03 * full
    assert np.median(ours) < 1.02 * np.median(theirs)


def test_more_weight_is_a_better_chance():
    X = np.concatenate([np.zeros((500, 1)), np.ones((500, 1))])
    k = MiniBatchKMeans(1, random_state=0, batch_size=100, max_no_improvement=None, max_iter=20)
    k.fit(X, sample_weight=np.where(X[:, 0] > 0, 3.0, 1.0))
    assert abs(k.cluster_centers_[0, 0] - 0.75) < 0.03
    k.fit(X, sample_weight=X[:, 0])
    assert k.cluster_centers_[0, 0] == 1.0
    k.fit(X, sample_weight=np.where(X[:, 0] > 0, np.finfo(float).max, 1.0))
    assert k.cluster_centers_[0, 0] == 1.0


def test_labels_only_where_they_are_wanted():
    X = rows_of("float64")
    k = MiniBatchKMeans(3, random_state=0).fit(X)
    inertia = k.inertia_
    k.set_params(compute_labels=False).fit(X)
    assert not hasattr(k, "labels_")
    assert 0.8 * inertia < k.inertia_ < 1.25 * inertia
    assert np.array_equal(k.fit_predict(X), k.predict(X))
    assert not hasattr(k.partial_fit(X), "labels_")
    one = MiniBatchKMeans(3, random_state=0, compute_labels=False, max_iter=1).fit(X)
    assert one.n_steps_ == 1
    assert one.inertia_ > 0


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"max_no_improvement": 3}, "lack of improvement in inertia"),
        ({"tol": 0.5, "max_no_improvement": None}, "small centers change"),
    ],
)
def test_fits_say_why_they_end_as_scikit_learn_does(parameters, reason, capsys):
    X = rows_of("float64", 2000)
    printed = []
    for estimator in (MiniBatchKMeans, Theirs):
        k = estimator(3, random_state=0, batch_size=100, verbose=1, n_init=2, **parameters).fit(X)
        printed.append(capsys.readouterr().out)
        assert re.search(rf"Converged \({reason}\) at step {k.n_steps_}/2000", printed[-1])
        assert k.n_iter_ == -(-k.n_steps_ * 100 // 2000)
    for line in (r"Inertia for init 2/2: [0-9.]+", r"Minibatch step 2/2000: mean batch inertia: [0-9.]+"):
        assert all(re.search(line, each) for each in printed)


def steps(inertias, patience, share):
    """Return the batch that ends a fit, by scikit-learn's rules, for made inertias."""
    average, least, waited = None, np.inf, 0
    for step, mean in enumerate(inertias[1:], 1):
        average = mean if average is None else average * (1 - share) + mean * share
        waited = 0 if average < least else waited + 1
        least = min(least, average)
        if waited >= patience:
            return step
    return None


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_fits_end_where_scikit_learns_rules_say(patience):
    rng = np.random.default_rng(0)
    inertias = (5 + 3 * 0.9 ** np.arange(200) + 0.3 * rng.normal(size=200)).tolist()
    rule, centers = _mini_batches.Convergence(2000, 100, patience, 0.0), np.ones(1)
    found = next(step for step, mean in enumerate(inertias) if rule.reached(mean, centers, centers))
    assert found == steps(inertias, patience, 2 * 100 / 2001)


def test_weights_of_1_are_none():
    X = rows_of("float64")
    fits = [MiniBatchKMeans(5, random_state=0).fit(X, sample_weight=w) for w in (None, np.ones(N_SAMPLES))]
    same(*fits)


# --- Arguments


def test_its_parameters_and_attributes_are_those_of_scikit_learn():
    ours, theirs = (inspect.signature(each).parameters for each in (MiniBatchKMeans, Theirs))
    assert {name: p.default for name, p in ours.items()} == {name: p.default for name, p in theirs.items()}
    fitted = [
        {name for name in vars(k(3).fit(rows_of("float64"))) if name.endswith("_")}
        for k in (MiniBatchKMeans, Theirs)
    ]
    assert fitted[0] == fitted[1]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"batch_size": 0},
            r"'batch_size' parameter of MiniBatchKMeans must be an int in the range \[1, inf\)",
        ),
        ({"compute_labels": 1}, "'compute_labels' .* must be an instance of 'bool'"),
        ({"max_no_improvement": -1}, r"'max_no_improvement' .* \[0, inf\) or None"),
        ({"init_size": 0}, r"'init_size' .* \[1, inf\) or None"),
        ({"reassignment_ratio": -0.1}, r"'reassignment_ratio' .* \[0.0, inf\)"),
        ({"n_clusters": 0}, "'n_clusters'"),
        ({"init": "best"}, "'init'"),
        ({"random_state": "x"}, "'random_state'"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_parameters(parameters, words, method):
    with pytest.raises(InvalidParameterError, match=words):
        getattr(MiniBatchKMeans(**parameters), method)(np.ones((9, 2)))


def test_every_parameter_is_checked():
    names = set(inspect.signature(MiniBatchKMeans).parameters)
    assert names <= {*_validation.RULES, "random_state"}


def test_a_bad_batch_changes_nothing():
    X = rows_of("float64")
    k = MiniBatchKMeans(3, random_state=0)
    with pytest.raises(ValueError, match=r"n_samples=2 should be >= n_clusters=3"):
        k.partial_fit(X[:2])
    with pytest.raises(NotFittedError):
        k.predict(X)
    k.partial_fit(X)
    right = copy.deepcopy(k).partial_fit(X[:50])
    bad = X.copy()
    bad[3, 2] = np.nan
    for rows, weights, words in (
        (bad, None, "Input X contains NaN. The first such value is in row 3, column 2"),
        (X[:, :2], None, "X has 2 features, but MiniBatchKMeans is expecting 5 features"),
        (X, np.full(len(X), np.finfo(float).max), "sample_weight is too large"),
        (X, -np.ones(len(X)), "Negative values"),
    ):
        with pytest.raises(ValueError, match=words):
            k.partial_fit(rows, sample_weight=weights)
    same(k.partial_fit(X[:50]), right)


def test_starts_from_too_few_rows_warn():
    X = rows_of("float64")
    with pytest.warns(RuntimeWarning, match="init_size=3 should be larger than n_clusters=20"):
        k = MiniBatchKMeans(20, init_size=3, random_state=0).fit(X)
    assert k._init_size == 60
    with pytest.warns(RuntimeWarning, match="performing only one init in MiniBatchKMeans"):
        MiniBatchKMeans(3, init=X[:3], n_init=4).fit(X)


def test_the_random_state_is_left_alone_by_bad_input():
    generator = np.random.default_rng(0)
    state = generator.bit_generator.state
    with pytest.raises(ValueError, match="NaN"):
        MiniBatchKMeans(2, random_state=generator).fit([[np.nan], [1.0]])
    assert generator.bit_generator.state == state
