"""Rows in blocks: the bits of one array, whatever the blocks are, and never all rows at once."""

import sys
import threading

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from numbakmeans import Blocks, KMeans, fit
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.samples import Samples

N_SAMPLES, N_CLUSTERS = 1500, 7


def rows_of(dtype, n_features=5):
    rng = np.random.default_rng(0)
    rows = 10 * rng.normal(size=(N_SAMPLES, n_features)) + 20 * rng.integers(0, 3, size=(N_SAMPLES, 1))
    return rows.astype(dtype)


def cut(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class Dataset:
    """A dataset on disk: it reads slices alone, and notes how many rows at a time."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.most, self.threads = 0, set()

    def __getitem__(self, index):
        assert isinstance(index, slice)
        self.most = max(self.most, len(range(*index.indices(len(self.rows)))))
        self.threads.add(threading.current_thread())
        return self.rows[index]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read as a whole")


@pytest.fixture(params=[False, True], ids=["copied whole", "in slabs"])
def slabs(request, monkeypatch):
    """Whether the data is small enough to be copied, or is read slab by slab."""
    if request.param:
        monkeypatch.setattr(at, "MAX_COPY_BYTES", 1000)
        monkeypatch.setattr(at, "MAX_SLAB_BYTES", 16_000)
    return request.param


def same(ours, right):
    for name in ("cluster_centers_", "labels_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(right, name), strict=True)
    assert (ours.inertia_, ours.n_iter_) == (right.inertia_, right.n_iter_)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int16", "uint8"])
@pytest.mark.parametrize("size", [1, 7, 1000, N_SAMPLES])
def test_blocks_give_the_bits_of_an_array(size, dtype, slabs):
    rows = rows_of(dtype)
    right = KMeans(N_CLUSTERS, random_state=0).fit(rows)
    blocks = Blocks(cut(rows, size))
    ours = KMeans(N_CLUSTERS, random_state=0).fit(blocks)
    same(ours, right)
    np.testing.assert_array_equal(ours.predict(blocks), right.predict(rows))
    assert ours.score(blocks) == right.score(rows)
    np.testing.assert_array_equal(ours.transform(blocks), right.transform(rows), strict=True)


@pytest.mark.parametrize(
    "options",
    [
        {"init": "k-means||"},
        {"init": "random", "n_init": 3},
        {"metric": "cosine"},
        {"n_init": 2, "max_iter": 3},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_options_give_the_bits_of_an_array(options, weighted, slabs):
    rows = rows_of("float32")
    weights = np.random.default_rng(1).integers(0, 4, N_SAMPLES) * 0.3 if weighted else None
    ours, right = (
        KMeans(N_CLUSTERS, random_state=0, **options).fit(X, sample_weight=weights)
        for X in (Blocks(cut(rows, 211)), rows)
    )
    same(ours, right)


def test_empty_clusters_take_rows_of_blocks(slabs):
    rows = rows_of("float64")
    start = np.vstack([rows[:2], np.full((3, 5), 1e6)])
    right, found = (fit(X, start, empty_clusters="relocate") for X in (rows, Blocks(cut(rows, 100))))
    assert found.n_empty == right.n_empty == 0
    np.testing.assert_array_equal(found.labels, right.labels)
    np.testing.assert_array_equal(found.centers, right.centers)
    assert found.inertia == right.inertia


def test_blocks_of_several_dtypes_get_the_common_one(slabs):
    parts = [rows_of(dtype)[:100] for dtype in ("int32", "float16", "uint8", "float32")]
    together = np.concatenate(parts)
    blocks = Blocks(parts)
    assert blocks.dtype == together.dtype == np.float64
    np.testing.assert_array_equal(blocks[:], together, strict=True)
    same(KMeans(3, random_state=0).fit(blocks), KMeans(3, random_state=0).fit(together))


def test_rows_can_be_converted_while_they_are_read(slabs):
    X = rows_of("float64")
    blocks = Blocks(cut(X, 400), "float32")
    assert blocks.dtype == np.float32
    assert np.array_equal(blocks[:], X.astype(np.float32))
    ours = KMeans(N_CLUSTERS, random_state=0).fit(blocks)
    same(ours, KMeans(N_CLUSTERS, random_state=0).fit(X.astype(np.float32)))
    with pytest.raises(TypeError, match="dtype must be one of real numbers"):
        Blocks(X, complex)


def test_a_dataset_is_read_slab_by_slab_in_another_thread(monkeypatch):
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 1000)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 16_000)
    rows = rows_of("float64")
    dataset = Dataset(rows)
    samples = Samples(Blocks(dataset))
    same(
        KMeans(N_CLUSTERS, random_state=0).fit(Blocks(dataset)), KMeans(N_CLUSTERS, random_state=0).fit(rows)
    )
    assert 0 < dataset.most <= samples.slab_rows < N_SAMPLES / 4
    # Both buffers together have the size of one slab.
    assert 2 * samples.slab_rows * rows.itemsize * rows.shape[1] <= 16_000
    assert dataset.threads - {threading.main_thread()}


def test_what_is_kept_does_not_grow_with_the_size_of_the_rows():
    """A quarter of an array may be used to save time; of rows in blocks, nothing is in memory."""
    X = rows_of("float32")
    assert Samples(X).memory.share > 0
    assert Samples(Blocks(cut(X, 400))).memory.share == 0


def test_rows_that_kernels_can_read_are_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 1000)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 4000)
    X = rows_of("float32")
    np.save(tmp_path / "a.npy", X)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for rows in (X, mapped):
        blocks = Blocks([rows[:700], rows[700:]])
        shared = [np.shares_memory(part, rows) for _, part in Samples(blocks).slabs()]
        assert shared.count(False) == 1  # that of both blocks
    for blocks in ([X[::-1]], [np.asfortranarray(X)], [X.astype(">f4")]):
        assert not any(np.shares_memory(part, blocks[0]) for _, part in Samples(Blocks(blocks)).slabs())
    assert not any(part.flags.writeable for _, part in Samples(Blocks([X])).slabs())


def test_an_error_of_a_dataset_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 1000)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 16_000)

    class Broken(Dataset):
        def __getitem__(self, index):
            if index.stop > 1200:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    blocks = Blocks(Broken(rows_of("float64")))
    with pytest.raises(OSError, match="the disk is gone"):
        fit(blocks, rows_of("float64")[:3])


def test_rows_can_be_indexed_like_an_array():
    rows = rows_of("float32")
    blocks = Blocks(cut(rows, 13))
    for index in (3, -1, slice(5, 700, 3), slice(None), slice(40, 20), [5, 1, 1499], np.array([-1, 0])):
        np.testing.assert_array_equal(blocks[index], rows[index], strict=True)
    np.testing.assert_array_equal(blocks[slice(2, 90), slice(1, 3)], rows[2:90, 1:3], strict=True)
    np.testing.assert_array_equal(np.asarray(blocks), rows, strict=True)
    for index in (N_SAMPLES, -N_SAMPLES - 1, [0, N_SAMPLES], np.ones(N_SAMPLES, bool)):
        with pytest.raises(IndexError, match="rows must be indices from -1500 to 1499"):
            blocks[index]


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ([], ValueError, "at least one row and one feature"),
        ([np.empty((0, 3))], ValueError, r"at least one row and one feature, got shape \(0, 3\)"),
        ([np.ones((2, 3)), np.ones((2, 4))], ValueError, "block 1 has 4 features, but block 0 has 3"),
        ([np.ones((2, 3)), np.ones(3)], ValueError, r"block 1 must be 2-D, got shape \(3,\)"),
        ([np.ones((2, 3), complex)], TypeError, "block 0 must hold real numbers"),
        ([[["a", "b"]]], TypeError, "block 0 must hold real numbers"),
        (iter([np.ones((2, 3))]), TypeError, "blocks must be a sequence, as they are read more than once"),
    ],
)
def test_wrong_blocks_are_refused(blocks, error, message):
    with pytest.raises(error, match=message):
        Blocks(blocks)


def test_values_that_are_not_finite_are_named():
    rows = rows_of("float64")
    rows[1234, 2] = np.nan
    with pytest.raises(ValueError, match="row 1234, column 2"):
        KMeans(2).fit(Blocks(cut(rows, 100)))
    with pytest.raises(ValueError, match="nan in row 1234, column 2"):
        fit(Blocks(cut(rows, 100)), rows[:2])


# --- Parquet


@pytest.fixture
def file(tmp_path):
    rows = rows_of("float32", 3)
    columns = {"x": rows[:, 0], "n": rows[:, 1].astype(np.int16), "name": ["a"] * len(rows), "z": rows[:, 2]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet", row_group_size=400)
    return tmp_path / "rows.parquet"


def test_row_groups_of_parquet_are_blocks(file, slabs):
    rows = rows_of("float32", 3)
    together = np.column_stack([rows[:, 2], rows[:, 0], rows[:, 1].astype(np.int16)])
    blocks = Blocks.from_parquet(file, ["z", "x", "n"])
    assert repr(blocks) == f"Blocks(shape=({N_SAMPLES}, 3), dtype=float32, blocks=4)"
    np.testing.assert_array_equal(blocks[:], together, strict=True)
    same(KMeans(4, random_state=0).fit(blocks), KMeans(4, random_state=0).fit(together))


def test_what_is_wrong_with_parquet_is_named(file, tmp_path):
    with pytest.raises(TypeError, match=r"column 'name' must hold real numbers .*, got (large_)?string"):
        Blocks.from_parquet(file)
    with pytest.raises(ValueError, match="has no 'y'"):
        Blocks.from_parquet(file, ["x", "y"])
    parquet.write_table(
        pyarrow.table({"x": pyarrow.array(["a"]).dictionary_encode()}), tmp_path / "words.parquet"
    )
    with pytest.raises(TypeError, match=r"column 'x' must hold real numbers .*, got dictionary"):
        Blocks.from_parquet(tmp_path / "words.parquet")
    parquet.write_table(pyarrow.table({"x": [1.0, None]}), tmp_path / "gaps.parquet")
    with pytest.raises(ValueError, match="a value is missing in row group 0, column 'x'"):
        fit(Blocks.from_parquet(tmp_path / "gaps.parquet"), np.ones((1, 1)))


def test_parquet_needs_pyarrow(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError):
        Blocks.from_parquet(file)


# --- Blocks that a function yields


def test_blocks_can_be_yielded_by_a_function(slabs):
    X, calls = rows_of("float32"), []

    def blocks():
        calls.append(0)
        yield from cut(X, 400)

    given = Blocks(blocks)
    assert given.shape == X.shape
    for options in ({}, {"init": "k-means||"}):
        ours = KMeans(N_CLUSTERS, random_state=0, **options).fit(given)
        same(ours, KMeans(N_CLUSTERS, random_state=0, **options).fit(X))
    assert len(calls) > 2
    assert np.array_equal(given[[1499, 3, 700]], X[[1499, 3, 700]])


def test_a_function_must_yield_the_same_blocks_each_time():
    X, calls = rows_of("float64"), []

    def changing(later):
        calls.clear()

        def blocks():
            calls.append(0)
            return cut(X, 500) if len(calls) == 1 else later

        return Blocks(blocks)

    with pytest.raises(ValueError, match="there is no block 2 now"):
        changing(cut(X, 500)[:2])[:]
    with pytest.raises(ValueError, match=r"block 0 had shape \(500, 5\) .* now has \(700, 5\)"):
        changing(cut(X, 700))[:]
    with pytest.raises(ValueError, match="at least one row"):
        Blocks(list)


# --- Labels


@pytest.mark.parametrize("options", [{}, {"tol": 0.1}, {"max_iter": 2}])
def test_labels_can_go_to_a_file(tmp_path, options):
    X = rows_of("float64")
    right = fit(X, X[:N_CLUSTERS], **options)
    labels = np.memmap(tmp_path / "labels", np.int32, "w+", shape=(N_SAMPLES,))
    ours = fit(Blocks(cut(X, 400)), X[:N_CLUSTERS], labels=labels, **options)
    assert ours.labels is labels
    assert np.array_equal(labels, right.labels)
    assert ours.inertia == right.inertia


def _read_only(labels):
    labels.flags.writeable = False
    return labels


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.zeros(9), TypeError, "labels must be an array of int32, got float64"),
        ([0] * 9, TypeError, "labels must be an array of int32, got list"),
        (np.zeros(8, np.int32), ValueError, r"labels must have shape \(9,\), got \(8,\)"),
        (np.zeros(18, np.int32)[::2], ValueError, "writeable, aligned and contiguous"),
        (_read_only(np.zeros(9, np.int32)), ValueError, "writeable, aligned and contiguous"),
    ],
)
def test_arrays_that_cannot_hold_labels_are_refused(labels, error, words):
    X = np.arange(18.0).reshape(9, 2)
    with pytest.raises(error, match=words):
        fit(X, X[:2], labels=labels)
