"""KMeans as one of scikit-learn's: checks, pipelines, searches, containers, routing, callbacks."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin, clone, is_clusterer
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from numbakmeans import KMeans, MiniBatchKMeans
from numbakmeans.estimators import _base

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")

X = np.random.default_rng(0).normal(size=(90, 4)) + np.repeat(np.eye(3, 4) * 9, 30, axis=0)
NAMES = ["a", "b", "c", "d"]

#: Checks that fail, and why. scikit-learn's own KMeans fails them, too.
EXPECTED = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"),
    "the starting centers differ: one draw falls on other rows where these are repeated or shuffled",
)
#: Checks that spherical k-means alone fails.
EXPECTED_OF_COSINE = dict.fromkeys(
    (
        "check_estimators_dtypes",
        "check_estimator_sparse_tag",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
    ),
    "the data has rows of zeros, which have no direction",
)


def expected(estimator):
    """Return the checks that an estimator fails."""
    return EXPECTED | (EXPECTED_OF_COSINE if getattr(estimator, "metric", "") == "cosine" else {})


@parametrize_with_checks(
    [
        KMeans(),
        KMeans(n_clusters=2, init="random", n_init=2, max_iter=5),
        KMeans(n_clusters=3, init="k-means||", empty_clusters="keep", keep_history=True),
        KMeans(n_clusters=3, metric="cosine"),
        MiniBatchKMeans(),
        MiniBatchKMeans(n_clusters=2, init="random", batch_size=10),
    ],
    expected_failed_checks=expected,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_checks_that_fail_pass_from_given_centers(name):
    """The centers are rows of the check's data. The tolerance is one of rows, whatever their weights."""
    init = np.random.RandomState(42).rand(15, 30)[:3]
    getattr(estimator_checks, name)("KMeans", KMeans(3, init=init, tol=0))


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (("fit", lambda self, X, y=None, sample_weight=None: None), "check_estimators_fit_returns_self"),
        (("predict", lambda self, X: np.zeros(len(X), int)), "check_estimators_nan_inf"),
    ],
)
def test_the_checks_notice_faults(fault, check):
    """The negative control."""
    faulty = type("KMeans", (KMeans,), dict([fault]))
    results = check_estimator(faulty(), on_fail=None, on_skip=None)
    assert check in {result["check_name"] for result in results if result["status"] == "failed"}


def test_it_is_one_of_scikit_learns_estimators():
    k = KMeans()
    assert is_clusterer(k)
    for base in (BaseEstimator, ClusterMixin, TransformerMixin):
        assert isinstance(k, base)
    assert get_tags(k).input_tags.sparse
    assert get_tags(k).transformer_tags.preserves_dtype == ["float64", "float32"]
    assert _base.NotFittedError is NotFittedError
    assert _base.ConvergenceWarning is ConvergenceWarning
    assert "KMeans" in KMeans(3)._repr_html_()
    assert repr(KMeans(3, tol=0)) == "KMeans(n_clusters=3, tol=0)"


def test_its_parameters_are_those_of_scikit_learns_kmeans():
    from sklearn.cluster import KMeans as Theirs

    theirs, ours = Theirs().get_params(), KMeans().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    assert set(ours) - set(theirs) == {"empty_clusters", "metric", "fixed", "keep_history", "progress"}
    fitted = [{name for name in vars(k.fit(X)) if name.endswith("_")} for k in (Theirs(3), KMeans(3))]
    assert fitted[1] - fitted[0] == {"converged_", "n_empty_"}
    assert fitted[0] <= fitted[1]


def same(one, other):
    return one.cluster_centers_.tobytes() == other.cluster_centers_.tobytes() and np.array_equal(
        one.labels_, other.labels_
    )


def test_clones_and_copies():
    k = KMeans(3, init=X[:3], tol=0, progress=print, random_state=np.random.default_rng(0))
    k.set_params(progress=None).fit(X)
    again = clone(k)
    assert not hasattr(again, "cluster_centers_")
    assert same(again.fit(X), k)
    for copied in (copy.deepcopy(k), pickle.loads(pickle.dumps(k)), copy.copy(k)):
        assert same(copied, k)
        assert np.array_equal(copied.predict(X), k.labels_)


def test_saved_by_joblib_and_mapped(tmp_path):
    k = KMeans(3, random_state=0).fit(X)
    joblib.dump((k, X), tmp_path / "k.joblib")
    mapped, rows = joblib.load(tmp_path / "k.joblib", mmap_mode="r")
    assert isinstance(rows, np.memmap)
    assert np.array_equal(mapped.predict(rows), k.labels_)
    assert same(clone(k).fit(rows), k)


# --- Pipelines and searches


def test_pipelines():
    scaled = StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(X)
    k = KMeans(3, random_state=0).fit(scaled)
    assert np.array_equal(pipeline.predict(X), k.labels_)
    assert pipeline.transform(X).tobytes() == k.transform(scaled).tobytes()
    assert pipeline.score(X) == -k.inertia_
    assert pipeline.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2"]
    weights = np.arange(90.0)
    pipeline.fit(X, kmeans__sample_weight=weights)
    assert same(pipeline[-1], clone(k).fit(scaled, sample_weight=weights))
    # As a step that makes features.
    y = np.repeat([0, 1, 2], 30)
    model = make_pipeline(KMeans(6, random_state=0), LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.95
    assert cross_val_score(model, X, y, cv=3).min() > 0.9


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_grid_search(backend):
    grid = {"kmeans__n_clusters": [2, 3, 4], "kmeans__init": ["k-means++", "random"]}
    pipeline = make_pipeline(StandardScaler(), KMeans(random_state=0))
    alone = GridSearchCV(pipeline, grid, cv=3).fit(X)
    with joblib.parallel_backend(backend, n_jobs=2):
        shared = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X)
    for key in ("mean_test_score", "split0_test_score", "rank_test_score"):
        assert shared.cv_results_[key].tolist() == alone.cv_results_[key].tolist()
    assert shared.best_params_ == alone.best_params_
    assert shared.best_params_["kmeans__n_clusters"] == 4
    assert same(shared.best_estimator_[-1], alone.best_estimator_[-1])


# --- Containers


@pytest.fixture
def frames():
    return {"pandas": pd.DataFrame(X, columns=NAMES), "polars": pl.DataFrame(X, schema=NAMES)}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_in(kind, frames):
    frame = frames[kind]
    k = KMeans(3, random_state=0).fit(frame)
    assert k.feature_names_in_.tolist() == NAMES
    assert k.feature_names_in_.dtype == object
    plain = KMeans(3, random_state=0).fit(X)
    assert not hasattr(plain, "feature_names_in_")
    assert same(k, plain)
    assert np.array_equal(k.predict(frame), k.labels_)
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        k.predict(frame[NAMES[::-1]])
    with pytest.warns(
        UserWarning, match="X does not have valid feature names, but KMeans was fitted with"
    ) as seen:
        k.predict(X)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="X has feature names, but KMeans was fitted without feature names"):
        plain.predict(frame)
    bad = X.copy()
    bad[7, 1] = np.nan
    bad_frame = pd.DataFrame(bad, columns=NAMES) if kind == "pandas" else pl.DataFrame(bad, schema=NAMES)
    with pytest.raises(ValueError, match=r"Input X contains NaN\. The first .* row 7, column 1 \('b'\)"):
        k.fit(bad_frame)


def test_names_that_are_no_strings():
    k = KMeans(3, random_state=0).fit(pd.DataFrame(X))
    assert not hasattr(k, "feature_names_in_")
    with pytest.raises(
        TypeError, match="Feature names are only supported if all input features have string names"
    ):
        k.fit(pd.DataFrame(X, columns=["a", 1, "b", 2]))


@pytest.mark.parametrize(("kind", "container"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
@pytest.mark.parametrize("everywhere", [False, True])
def test_frames_out(kind, container, everywhere, frames):
    k = KMeans(3, random_state=0)
    expected = k.fit_transform(X)
    with sklearn.config_context(**({"transform_output": kind} if everywhere else {})):
        if not everywhere:
            k.set_output(transform=kind)
        for given in (X, frames[kind]):
            for found in (k.fit_transform(given), k.transform(given)):
                assert isinstance(found, container)
                assert list(found.columns) == ["kmeans0", "kmeans1", "kmeans2"]
                assert np.array_equal(found.to_numpy(), expected)
        pipeline = make_pipeline(StandardScaler(), KMeans(2, random_state=0))
        if not everywhere:
            pipeline.set_output(transform=kind)
        assert isinstance(pipeline.fit_transform(frames[kind]), container)
        columns = make_column_transformer((KMeans(2, random_state=0), ["a", "b"]), remainder="passthrough")
        if not everywhere:
            columns.set_output(transform=kind)
        found = columns.fit_transform(frames[kind])
        assert list(found.columns) == ["kmeans__kmeans0", "kmeans__kmeans1", "remainder__c", "remainder__d"]


def test_an_index_is_kept():
    frame = pd.DataFrame(X, columns=NAMES, index=np.arange(90)[::-1])
    found = KMeans(3, random_state=0).set_output(transform="pandas").fit_transform(frame)
    assert found.index.tolist() == frame.index.tolist()


# --- Metadata routing


def test_metadata_routing():
    weights = np.arange(90.0)
    with sklearn.config_context(enable_metadata_routing=True):
        k = KMeans(3, random_state=0)
        k.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, k).fit(X, sample_weight=weights)
        search = GridSearchCV(k, {"n_clusters": [2, 3]}, cv=3).fit(X, sample_weight=weights)
    scaled = StandardScaler().fit_transform(X)
    assert same(pipeline[-1], KMeans(3, random_state=0).fit(scaled, sample_weight=weights))
    assert not same(pipeline[-1], KMeans(3, random_state=0).fit(scaled))
    best = KMeans(search.best_params_["n_clusters"], random_state=0)
    assert same(search.best_estimator_, best.fit(X, sample_weight=weights))
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"),
    ):
        make_pipeline(scaler, KMeans(3)).fit(X, sample_weight=weights)


# --- Callbacks (scikit-learn 1.9)


class Recorder:
    """A callback that writes down what it is told; stop : the task and number at which it wants an end."""

    def __init__(self, stop=None):
        self.stop, self.seen, self.fitted = stop, [], {}

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.seen.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, metadata=None, fitted_estimator=None):
        self.seen.append(("end", context.task_name, context.task_id))
        self.metadata, self.X = metadata, X
        if isinstance(estimator, KMeans):
            self.fitted[context.task_name, context.task_id] = fitted_estimator.cluster_centers_
            fitted_estimator.predict(X)
        return (context.task_name, context.task_id) == self.stop


def tasks_of(recorder, event="end"):
    return [each[1:] for each in recorder.seen if each[0] == event]


def test_callbacks():
    told, k = Recorder(), KMeans(5, init=X[:5])
    plain = clone(k).fit(X)
    assert k.set_callbacks(told).fit(X, sample_weight=np.ones(90)) is k
    assert same(k, plain)
    passes = [("pass", n) for n in range(k.n_iter_)]
    assert tasks_of(told) == [*passes, ("start", 0), ("fit", 0)]
    assert tasks_of(told, "begin") == [("fit", 0), ("start", 0), *passes]
    assert (told.seen[0], told.seen[-1]) == ("setup", "teardown")
    assert told.metadata["sample_weight"].tolist() == [1.0] * 90
    assert told.X is X
    for n, centers in enumerate(told.fitted[each] for each in passes):
        expected = KMeans(5, init=X[:5], max_iter=n + 1, tol=0).fit(X).cluster_centers_
        assert centers.tobytes() == expected.tobytes()
    assert told.fitted["fit", 0].tobytes() == plain.cluster_centers_.tobytes()


def test_callbacks_end_passes_and_starts():
    k = KMeans(5, init=X[:5], tol=0).set_callbacks(Recorder(stop=("pass", 1))).fit(X)
    assert same(k, KMeans(5, init=X[:5], tol=0, max_iter=2).fit(X))
    assert k.n_iter_ == 2
    told = Recorder(stop=("start", 1))
    k = KMeans(5, init="random", n_init=4, random_state=0, keep_history=True).set_callbacks(told).fit(X)
    assert [each for each in tasks_of(told) if each[0] == "start"] == [("start", 0), ("start", 1)]
    every = KMeans(5, init="random", n_init=4, random_state=0, keep_history=True).fit(X)
    assert k.inertias_.tolist() == every.inertias_[:2].tolist()


def test_callbacks_are_torn_down_after_an_error():
    told = Recorder()
    k = KMeans(5, init="random", progress=lambda *_: 1 / 0).set_callbacks(told)
    with pytest.raises(ZeroDivisionError):
        k.fit(X)
    assert told.seen[-1] == "teardown"
    # Before the fit itself there is nothing to tear down.
    told = Recorder()
    with pytest.raises(ValueError, match="n_samples"):
        KMeans(500).set_callbacks(told).fit(X)
    assert told.seen == []


def test_callbacks_of_a_pipeline():
    """One that is set on the pipeline is handed on to its steps, and finds our tasks among those."""
    told = Recorder()
    told.max_propagation_depth = None
    pipeline = make_pipeline(StandardScaler(), KMeans(3, random_state=0)).set_callbacks(told)
    pipeline.fit(X)
    assert [each for each in tasks_of(told) if each[0] == "start"] == [("start", 0)]
    assert len([each for each in tasks_of(told) if each[0] == "pass"]) == pipeline[-1].n_iter_
    assert told.seen.count("teardown") == 1
    # Without any, a pipeline still gives its steps a place among its tasks.
    plain = make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(X)
    assert same(plain[-1], pipeline[-1])


def test_scikit_learns_own_callbacks(capsys):
    bar = ProgressBar()
    k = KMeans(3, init="random", n_init=2, random_state=0).set_callbacks(bar).fit(X)
    assert same(k, KMeans(3, init="random", n_init=2, random_state=0).fit(X))
    assert "KMeans" in capsys.readouterr().out
    monitor = ScoringMonitor(scoring=lambda estimator, X, y: {"inertia": -estimator.score(X)})
    k = KMeans(3, init=X[:3], tol=0).set_callbacks(monitor).fit(X)
    scores = [each for each in monitor.get_logs().data if each["task_name"] == "pass"]
    assert len(scores) == k.n_iter_
