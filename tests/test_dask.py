"""numbakmeans.dask: the bits of one array, for any chunks, schedulers and order."""

import multiprocessing
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import numbakmeans
from numbakmeans import ClusterError
from numbakmeans._engine.parts import passes, seeding
from numbakmeans._numba import runtime
from numbakmeans.dask import KMeans, collections, rounds
from numbakmeans.estimators._base import ConvergenceWarning, InvalidParameterError, NotFittedError

N_SAMPLES, N_CLUSTERS = 700, 6


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def rows_of(dtype, n_samples=N_SAMPLES):
    rng = np.random.default_rng(0)
    rows = 10 * rng.normal(size=(n_samples, 5)) + 30 * rng.integers(0, 3, size=(n_samples, 1))
    return rows.astype(dtype)


def weights_of(kind, n_samples=N_SAMPLES):
    rng = np.random.default_rng(1)
    return {
        "none": None,
        "integers": rng.integers(0, 3, n_samples),
        "reals": rng.random(n_samples) * 10.0 ** rng.integers(-4, 4, n_samples),
        "mostly zero": (np.arange(n_samples) % 50 == 7) * 0.1,
    }[kind]


def in_memory(X, weights=None, **parameters):
    parameters = {"n_clusters": N_CLUSTERS, "init": "k-means||", "random_state": 0, **parameters}
    return numbakmeans.KMeans(**parameters).fit(X, sample_weight=weights)


def in_parts(X, weights=None, **parameters):
    return KMeans(**{"n_clusters": N_CLUSTERS, "random_state": 0, **parameters}).fit(X, sample_weight=weights)


def differences(ours, right):
    """Return the attributes of a fit that are not those in memory."""
    assert isinstance(ours.labels_, da.Array)
    labels = ours.labels_.compute()
    same = {
        "cluster_centers_": ours.cluster_centers_.dtype == right.cluster_centers_.dtype
        and ours.cluster_centers_.tobytes() == right.cluster_centers_.tobytes(),
        "labels_": labels.dtype == np.int32 and np.array_equal(labels, right.labels_),
    }
    for name in ("inertia_", "n_iter_", "converged_", "n_empty_", "n_features_in_"):
        same[name] = getattr(ours, name) == getattr(right, name)
    return [name for name, is_same in same.items() if not is_same]


def chunked(X, sizes):
    return da.from_array(X, chunks=(sizes, -1))


# --- Bits


@pytest.mark.parametrize("weights", ["none", "integers", "reals", "mostly zero"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16", "uint8"])
def test_every_dtype_and_weight(dtype, weights):
    X, weights = rows_of(dtype), weights_of(weights)
    assert differences(in_parts(chunked(X, 300), weights), in_memory(X, weights)) == []


@pytest.mark.parametrize("sizes", [7, 1000, (0, 1, 0, 399, 300, 0)], ids=str)
def test_every_size_of_chunks(sizes):
    X, weights = rows_of("float32"), weights_of("reals")
    assert differences(in_parts(chunked(X, sizes), weights), in_memory(X, weights)) == []


def test_chunks_of_one_row():
    X = rows_of("float64", 60)
    assert differences(in_parts(chunked(X, 1), n_clusters=3), in_memory(X, n_clusters=3)) == []


FAR = np.concatenate([rows_of("float64")[:3], rows_of("float64")[:3] + 1e4])
OPTIONS = {
    "to the fixed point": {"tol": 0},
    "few passes": {"max_iter": 3},
    "a tolerance that matters": {"tol": 0.05},
    "empty clusters": {"init": FAR},
    "empty clusters that stay": {"init": FAR, "empty_clusters": "keep"},
    "one cluster": {"n_clusters": 1},
    "cosine": {"metric": "cosine"},
    "fixed centers": {"init": FAR, "fixed": [0, 4]},
    "starts at random": {"init": "random", "n_init": 3},
    "three starts": {"n_init": 3},
}


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("weights", ["none", "reals"])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option(name, weights):
    X, weights = rows_of("float64"), weights_of(weights)
    options = OPTIONS[name]
    if name == "starts at random":
        weights = None
    ours, right = in_parts(chunked(X, 150), weights, **options), in_memory(X, weights, **options)
    assert differences(ours, right) == []


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_fewer_candidates_than_clusters(monkeypatch):
    X = np.repeat(rows_of("float64", 3), 40, axis=0)
    for weights in (None, weights_of("integers", 120)):
        assert differences(in_parts(chunked(X, 50), weights), in_memory(X, weights)) == []
    monkeypatch.setattr(rounds, "MOST_GATHERED", 100)
    with pytest.raises(ValueError, match="found only 3 distinct rows to choose n_clusters=6"):
        in_parts(chunked(X, 50))


def test_values_far_apart_in_magnitude():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N_SAMPLES, 4)) * 10.0 ** rng.integers(-30, 30, size=(N_SAMPLES, 1))
    for weights in (None, weights_of("reals")):
        assert differences(in_parts(chunked(X, 200), weights), in_memory(X, weights)) == []


def test_more_rows_than_whole_bins_hold(monkeypatch):
    """Whether bins are halved depends on the number of all rows, not of those of a part."""
    from numbakmeans._engine import samples
    from numbakmeans._engine.parts import whole

    for module in (samples, whole):
        monkeypatch.setattr(module, "MANY_ROWS", 500)
    X, weights = rows_of("float64"), weights_of("reals")
    for given in (None, weights):
        assert differences(in_parts(chunked(X, 100), given), in_memory(X, given)) == []


def rounded(*given):
    """Return a contribution whose sums have lost their last bits, as float64 partial sums would."""
    found = contribution(*given)
    return found._replace(sums=found.sums // 2**30 * 2**30)


def numbered_by_chunk(*given):
    """Return rows that are sampled by their numbers in the chunk."""
    *others, draw = given
    found = sampled(*others, draw._replace(first=0))
    return found._replace(rows=draw.first + found.rows)


def without_weights(block, _, *given):
    return contribution(block, None, *given)


contribution, sampled = passes.contribution, seeding.sampled


@pytest.mark.parametrize(
    ("module", "name", "wrong", "weighted"),
    [
        (passes, "contribution", rounded, True),
        (seeding, "sampled", numbered_by_chunk, True),
        (passes, "fingerprint", lambda labels, first: np.zeros(2, np.int64), False),
        (passes, "most_costly", lambda part, centers, labels, n: (np.arange(n), np.ones(n)), False),
    ],
    ids=["sums that are rounded", "numbers of the chunk", "moves unnoticed", "other rows relocated"],
)
def test_faults_are_noticed(module, name, wrong, weighted, monkeypatch):
    """The negative control."""
    X, weights = rows_of("float64"), weights_of("reals") if weighted else None
    options = {} if weighted else {"init": FAR}
    right = in_memory(X, weights, **options)
    assert differences(in_parts(chunked(X, 100), weights, **options), right) == []
    monkeypatch.setattr(module, name, wrong)
    assert differences(in_parts(chunked(X, 100), weights, **options), right)


# --- Order, schedulers, containers


def test_the_order_of_merging_does_not_matter(monkeypatch):
    X, weights = rows_of("float32"), weights_of("reals")
    right = in_memory(X, weights, init=FAR.astype("float32"))
    shuffled = random.Random(0)

    def merged_in_any_order(parts):
        parts = list(parts)
        shuffled.shuffle(parts)
        return passes_merge(parts)

    passes_merge = passes.merge_contributions
    monkeypatch.setattr(passes, "merge_contributions", merged_in_any_order)
    for fan_in in (2, 3, 100):
        monkeypatch.setattr(collections, "FAN_IN", fan_in)
        ours = in_parts(chunked(X, 40), weights, init=FAR.astype("float32"))
        assert differences(ours, right) == []


def test_the_threaded_scheduler():
    X, weights = rows_of("float32"), weights_of("reals")
    with dask.config.set(scheduler="threads", num_workers=2):
        assert differences(in_parts(chunked(X, 250), weights), in_memory(X, weights)) == []


def test_the_multiprocessing_scheduler():
    X, weights = rows_of("float32"), weights_of("reals")
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(2, mp_context=context) as pool,
        dask.config.set(scheduler="processes", pool=pool),
    ):
        assert differences(in_parts(chunked(X, 250), weights), in_memory(X, weights)) == []


def test_a_task_uses_one_thread(monkeypatch):
    found, original = [], passes.contribution

    def counted(*given):
        found.append(runtime.threads())
        return original(*given)

    monkeypatch.setattr(passes, "contribution", counted)
    before = runtime.threads()
    with dask.config.set(scheduler="threads"):
        in_parts(chunked(rows_of("float64"), 100))
    assert set(found) == {1}
    assert runtime.threads() == before


def test_numbers_of_rows_that_are_not_known():
    X, weights = rows_of("float64"), weights_of("reals")
    mask = np.arange(N_SAMPLES) % 3 > 0
    rows = chunked(X, 100)
    some, own = rows[da.from_array(mask, chunks=100)], da.from_array(weights, chunks=100)
    assert np.isnan(some.shape[0])
    right = in_memory(X[mask], weights[mask])
    for given in (own[da.from_array(mask, chunks=100)], weights[mask]):
        assert differences(in_parts(some, given), right) == []
    ours = in_parts(some)
    assert ours.labels_.shape == (mask.sum(),)
    assert np.array_equal(ours.predict(some).compute(), ours.labels_.compute())


def test_columns_that_are_cut():
    X = rows_of("float64")
    assert differences(in_parts(da.from_array(X, chunks=(200, 2))), in_memory(X)) == []


def test_sparse_chunks():
    X = rows_of("float64") * (np.random.default_rng(2).random((N_SAMPLES, 5)) < 0.4)
    rows = chunked(X, 200).map_blocks(csr_array, meta=csr_array((0, 5)))
    ours = in_parts(rows, weights_of("reals"))
    assert differences(ours, in_memory(X, weights_of("reals"))) == []


def test_data_frames():
    X, names = rows_of("float32"), ["a", "b", "c", "d", "e"]
    frame = dd.from_pandas(pd.DataFrame(X, columns=names), npartitions=4)
    weights = dd.from_pandas(pd.Series(weights_of("reals")), npartitions=4)
    ours = in_parts(frame, weights)
    assert differences(ours, in_memory(X, weights_of("reals"))) == []
    assert ours.feature_names_in_.tolist() == names
    assert np.array_equal(ours.predict(frame).compute(), ours.labels_.compute())
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(frame[names[::-1]])
    assert not hasattr(ours.fit(chunked(X, 100)), "feature_names_in_")


def test_graphs_hold_centers_once_and_no_rows():
    """What the client sends in a pass: no rows, and the centers a single time."""
    X, graphs = rows_of("float64"), []
    source = da.map_blocks(lambda block_id: X[100 * block_id[0] :][:100], chunks=((100,) * 7, 5), dtype=float)
    original = dask.compute
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask, "compute", lambda *what: graphs.append(what[0].dask) or original(*what))
        in_parts(source)
    passes_ = [graph for graph in graphs if any("kmeans-pass" in str(key) for key in graph)]
    assert passes_
    for graph in passes_:
        names = [key for key in graph if isinstance(key, str) and key.startswith("kmeans-")]
        assert sum(name.startswith("kmeans-centers") for name in names) == 1
        assert sum(name.startswith("kmeans-pass") for name in names) == 7
        assert dask.utils.key_split(next(n for n in names if "pass" in n)) in (
            "kmeans-pass",
            "kmeans-merge-pass",
        )


# --- Other methods


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_lazy_and_the_same(dtype, metric):
    X, weights = rows_of(dtype), weights_of("reals")
    rows = chunked(X, (0, 300, 400))
    ours, right = in_parts(rows, metric=metric), in_memory(X, metric=metric)
    for method in ("predict", "transform"):
        lazy, there = getattr(ours, method)(rows), getattr(right, method)(X)
        assert isinstance(lazy, da.Array)
        assert (lazy.dtype, lazy.shape) == (there.dtype, there.shape)
        assert lazy.compute().tobytes() == there.tobytes()
        assert getattr(ours, method)(X).tobytes() == there.tobytes()
    for given in (None, weights):
        assert ours.score(rows, sample_weight=given) == right.score(X, sample_weight=given)
        assert ours.score(X, sample_weight=given) == right.score(X, sample_weight=given)
    parameters = {"n_clusters": N_CLUSTERS, "random_state": 0, "metric": metric}
    assert np.array_equal(KMeans(**parameters).fit_predict(rows).compute(), right.labels_)
    assert KMeans(**parameters).fit_transform(rows).compute().tobytes() == right.transform(X).tobytes()


# --- Errors


def test_values_that_are_not_finite_are_named_by_chunk_and_row():
    X = rows_of("float32")
    X[321, 2] = np.nan
    words = r"Input X contains NaN. The first such value is in row 21 of chunk 3 \(row 321 of all\), column 2"
    with pytest.raises(ValueError, match=words):
        in_parts(chunked(X, 100))
    rows = chunked(X, 100)
    with pytest.raises(ValueError, match=r"contains NaN.* in row 21, column 2"):
        in_parts(chunked(rows_of("float32"), 100)).predict(rows).compute()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            np.where(np.arange(N_SAMPLES) == 250, -1.0, 1.0),
            r"Negative values .* row 50 of chunk 2 .* weight -1",
        ),
        (np.where(np.arange(N_SAMPLES) == 650, np.nan, 1.0), r"NaN or infinity: row 50 of chunk 6"),
        (np.zeros(N_SAMPLES), "at least one non-zero"),
        ([None] * N_SAMPLES, "sample_weight has a missing value"),
        (np.ones(N_SAMPLES - 1), r"sample_weight.shape == \(699,\), expected \(700,\)"),
        (da.ones(N_SAMPLES - 1, chunks=100), r"sample_weight.shape == \(699,\), expected \(700,\)"),
        (da.ones((N_SAMPLES, 2), chunks=100), "must be 1D"),
        (10.0 ** np.linspace(-300, 300, N_SAMPLES), "too far apart in magnitude"),
    ],
    ids=["negative", "NaN", "zero", "missing", "short", "short collection", "2-D", "extreme"],
)
def test_bad_weights(weights, words):
    with pytest.raises(ValueError, match=words):
        in_parts(chunked(rows_of("float64"), 100), weights)


def test_a_number_is_the_weight_of_all_rows():
    X = rows_of("float64")
    assert differences(in_parts(chunked(X, 100), 3.0), in_memory(X, np.full(N_SAMPLES, 3.0))) == []


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (
            rows_of("float64"),
            TypeError,
            "array or a data frame of Dask, got ndarray; numbakmeans.KMeans",
        ),
        (da.zeros(9, chunks=3), ValueError, "Expected 2D array, got 1D array"),
        (da.zeros((9, 2), chunks=3, dtype=complex), TypeError, "must hold real numbers"),
        (da.zeros((0, 2), chunks=3), ValueError, "Found array with 0 sample"),
        (da.zeros((4, 2), chunks=3), ValueError, "n_samples=4 should be >= n_clusters=6"),
    ],
)
def test_bad_rows(X, error, words):
    with pytest.raises(error, match=words):
        in_parts(X)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"init": "k-means++"}, "'init' parameter of KMeans must be a str among"),
        ({"init": max}, "'init' parameter"),
        ({"n_clusters": 0}, "'n_clusters'"),
        ({"tol": -1}, "'tol'"),
        ({"fixed": [0]}, "fixed needs starting centers"),
    ],
)
def test_bad_parameters(parameters, words):
    with pytest.raises(ValueError, match=words):
        in_parts(chunked(rows_of("float64"), 100), **parameters)
    assert issubclass(InvalidParameterError, ValueError)


def test_random_rows_have_no_weights():
    with pytest.raises(ValueError, match="init='random' draws rows without weights"):
        in_parts(chunked(rows_of("float64"), 100), weights_of("reals"), init="random")


def test_empty_clusters_warn_or_raise():
    X = chunked(rows_of("float64"), 100)
    with pytest.warns(ConvergenceWarning, match=r"Number of distinct clusters \(3\)"):
        in_parts(X, init=FAR, empty_clusters="keep")
    with pytest.raises(ClusterError):
        in_parts(X, init=FAR, empty_clusters="raise")


def test_not_fitted_and_other_features():
    X = chunked(rows_of("float64"), 100)
    with pytest.raises(NotFittedError):
        KMeans().predict(X)
    with pytest.raises(ValueError, match="X has 3 features, but KMeans is expecting 5"):
        in_parts(X).predict(X[:, :3])


def test_the_error_where_dask_is_missing():
    code = "import sys; sys.modules['dask'] = None; import numbakmeans.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "ImportError: numbakmeans.dask needs Dask with its arrays: pip install 'numbakmeans[dask]'"
        in done.stderr
    )
