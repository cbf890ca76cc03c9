"""Any dtype and layout gives the bits of its values in the working dtype, even if it is not copied."""

import tracemalloc

import numpy as np
import pytest
from support import edge_cases, variants

from numbakmeans import ClusterError, fit, kmeans, kmeans2, kmeans2_batch, vq, whiten
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.assignment import nearest, nearest_labels
from numbakmeans._engine.fit import seed
from numbakmeans._engine.samples import Samples, labeled_means

DTYPES = [np.float32, np.float64]
ITERATING = [variant for variant in variants.VARIANTS if not ALGORITHMS[variant.partition(",")[0]].whole]


@pytest.fixture
def slabs(monkeypatch):
    """Make slabs as small as possible, for all data that is not used in place."""
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 0)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 0)


def unaligned(X):
    raw = np.zeros(X.nbytes + 1, np.uint8)
    raw[1:] = X.ravel().view(np.uint8)
    return raw[1:].view(X.dtype).reshape(X.shape)


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "another byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "unaligned": unaligned,
    "a column of a record": lambda X: np.dstack([X, X]).view([("a", X.dtype), ("b", X.dtype)])["a"][..., 0],
}


def passes(samples, centers, variant):
    """Return centers and labels as bytes, and how the passes ended."""
    made = variants.iterate(samples, centers, 3, variant)
    return made.centers.tobytes(), made.labels.tobytes(), *made[2:6]


@pytest.mark.usefixtures("bounds_checked")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*edge_cases.cases(np.float64), *edge_cases.not_finite(np.float64)])
def test_passes_in_slabs_give_the_same_bits(name, dtype, slabs):
    X, centers = {**edge_cases.cases(dtype), **edge_cases.not_finite(dtype)}[name]
    for algorithm in ITERATING:
        right = passes(Samples(X), centers, algorithm)
        assert passes(Samples(LAYOUTS["another byte order"](X)), centers, algorithm) == right, algorithm


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bits(layout, dtype, slabs):
    X = np.random.default_rng(7).normal(size=(300, 3)).astype(dtype)
    array = LAYOUTS[layout](X)
    array.flags.writeable = False
    assert Samples(array).X is None
    assert whole_face(array) == whole_face(X)


@pytest.mark.usefixtures("bounds_checked")
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_slabs_and_threads_give_the_same_bits(dtype, slabs, threads):
    X, centers = edge_cases.wide_enough(dtype)
    samples = Samples(np.asfortranarray(X))
    assert len(list(samples.slabs())) > 3 * threads
    for algorithm in ITERATING:
        assert passes(samples, centers, algorithm) == passes(Samples(X), centers, algorithm)
    labels, sq_dists = nearest(Samples(X), centers)
    for ours, right in zip(nearest(samples, centers), (labels, sq_dists), strict=True):
        assert ours.tobytes() == right.tobytes()
    assert nearest_labels(samples, centers).tobytes() == labels.tobytes()
    means, sizes = labeled_means(samples, labels, len(centers))
    right_means, right_sizes = labeled_means(Samples(X), labels, len(centers))
    assert means.tobytes() == right_means.tobytes()
    assert sizes.tolist() == right_sizes.tolist()


@pytest.mark.parametrize("method", ["points", "++", "random"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_seeding_in_slabs_gives_the_same_bits(dtype, method, slabs, threads):
    X = np.random.default_rng(3).normal(size=(5003, 9)).astype(dtype)
    for array in (np.asfortranarray(X), X[:, ::-1].copy()[:, ::-1]):
        right = seed(Samples(X), 20, method, np.random.default_rng(5))
        assert seed(Samples(array), 20, method, np.random.default_rng(5)).tobytes() == right.tobytes()


def whole_face(X):
    """Return the results of every public function for X, 300 rows."""
    centroid, label = kmeans2(X, 4, minit="++", rng=1)
    code, dist = vq(X, X[:5])
    book, distortion = kmeans(X, 3, iter=2, rng=1)
    result = fit(X, X[:4])
    parts = (centroid, label, code, dist, book, distortion, *result, whiten(X))
    return [(np.asarray(part).dtype, np.asarray(part).tobytes()) for part in parts]


@pytest.mark.parametrize(
    ("given", "working"),
    [
        (np.float16, np.float32),
        (bool, np.float64),
        *((np.dtype(f"{kind}{size}"), np.float64) for kind in "iu" for size in (1, 2, 4, 8)),
        (np.dtype(">i4"), np.float64),
        (np.dtype(">f8"), np.float64),
        (np.dtype(">f2"), np.float32),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("copied", [False, True])
def test_every_dtype_gives_the_bits_of_its_working_dtype(given, working, order, copied, slabs, monkeypatch):
    if copied:
        monkeypatch.setattr(at, "MAX_COPY_BYTES", 10**6)
    X = np.random.default_rng(7).integers(0, 100, size=(300, 3)) % (2 if given is bool else 100)
    assert (Samples(X.astype(given, order)).X is None) != copied
    assert whole_face(X.astype(given, order)) == whole_face(X.astype(working))


def test_integers_beyond_2_to_53_are_rounded(slabs):
    X = 2**60 + np.random.default_rng(2).integers(0, 2**40, size=(300, 2))
    assert whole_face(X) == whole_face(X.astype(np.float64))


def test_a_bad_value_in_a_later_slab_is_found(slabs):
    X = np.zeros((300, 2), order="F")
    X[200, 1] = np.inf
    with pytest.raises(ValueError, match="data has inf in row 200, column 1"):
        kmeans2(X, X[:2])
    with pytest.raises(ClusterError):
        kmeans2(X[:200], np.zeros((2, 2)), missing="raise")


@pytest.mark.parametrize("given", [np.float32, np.float16, np.int16])
def test_data_mapped_from_a_file_gives_the_same_bits(given, tmp_path, slabs):
    X = np.random.default_rng(7).integers(0, 100, size=(300, 3)).astype(given)
    X.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", given, "r", shape=X.shape)
    assert whole_face(mapped) == whole_face(X)


@pytest.mark.parametrize("place", [(0, 1), (60_000, 9)])
@pytest.mark.parametrize("call", [lambda X: kmeans2(X, 3), lambda X: kmeans2_batch(X[None], 3)])
def test_a_bad_value_is_found_in_little_memory(call, place, monkeypatch):
    """The rows may be a file larger than memory."""
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 2**16)
    X = np.zeros((100_000, 10))
    X[place] = X[-1, -1] = np.nan
    taken = []
    for _ in range(2):  # the first call compiles
        tracemalloc.start()
        with pytest.raises(ValueError, match=f"has nan in row {place[0]}, column {place[1]}$"):
            call(X)
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert taken[1] < X.size // 4  # a mask of all values takes X.size bytes


def test_skipped_rows_of_slabs_are_detected(slabs, monkeypatch):
    """The control: each slab leaves out one row."""
    X, centers = edge_cases.wide_enough(np.float64)
    array, right = np.asfortranarray(X), passes(Samples(X), centers, "certified")
    assert passes(Samples(array), centers, "certified") == right
    found = Samples.slabs

    def fewer(self, edges=None):
        for rows, part in found(self, edges):
            yield slice(rows.start, rows.stop - 1), part[:-1]

    monkeypatch.setattr(Samples, "slabs", fewer)
    assert passes(Samples(array), centers, "certified") != right


def test_lean_keeps_nothing_that_only_saves_time(monkeypatch):
    shape = (100_000, 64)
    memory = _plan.memory(shape, 4, 4, ready=True)
    assert _plan.algorithm(shape, 100, 4, 10, memory) == "yinyang"
    assert _plan.quantized_leaves(shape, 100, 1000, 112, memory) > 0
    monkeypatch.setenv("NUMBAKMEANS_LEAN", "1")
    memory = _plan.memory(shape, 4, 4, ready=True)
    assert _plan.algorithm(shape, 100, 4, 10, memory) == "certified"
    assert _plan.quantized_leaves(shape, 100, 1000, 112, memory) == 0
    assert _plan.algorithm((100_000, 2), 100, 4, 10, memory) == "certified"
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    lean = kmeans2(X, X[:50])
    monkeypatch.setenv("NUMBAKMEANS_LEAN", "0")
    for ours, right in zip(lean, kmeans2(X, X[:50]), strict=True):
        assert ours.tobytes() == right.tobytes()
