"""Sparse rows give the bits of dense ones, and are never dense as a whole."""

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from support import variants
from support.comparison import bits
from support.package_copies import module_with, require_noticed
from test_layouts import ITERATING, passes, slabs  # noqa: F401, a fixture

from numbakmeans import fit, kmeans, kmeans2, kmeans2_batch, vq, whiten
from numbakmeans._engine import containers as _containers
from numbakmeans._engine import fit as _fit
from numbakmeans._engine import samples as _samples
from numbakmeans._engine import sparse_rows as _sparse_rows
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS

X64 = np.random.default_rng(5).normal(size=(60, 3)) * 100

FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]


def sparse_data(dtype, n_samples=700, n_features=9):
    rng = np.random.default_rng(8)
    dense = rng.integers(-40, 40, size=(n_samples, n_features)) * (
        rng.uniform(size=(n_samples, n_features)) < 0.2
    )
    return (dense / 3 if np.dtype(dtype).kind == "f" else np.abs(dense)).astype(dtype)


def made(kind, dense):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sp.SparseEfficiencyWarning)  # many diagonals
        return getattr(sp, kind)(dense)


def scrambled(dtype):
    """Return CSR rows with duplicates and zeros that are stored, in no order, and 64-bit indices."""
    rng = np.random.default_rng(2)
    n, d, m = 700, 9, 4000
    starts = np.concatenate([[0], np.sort(rng.integers(0, m, n - 1)), [m]])
    values = (rng.integers(-3, 4, m) / (7 if np.dtype(dtype).kind == "f" else 1)).astype(dtype)
    found = sp.csr_matrix((values, rng.integers(0, d, m), starts), shape=(n, d))
    found.indices, found.indptr = found.indices.astype(np.int64), found.indptr.astype(np.int64)
    return found


def require_the_bits_of_dense_rows(matrix):
    dense = matrix.toarray()
    sparse = _sparse_rows.SparseRows(matrix, "X")
    samples, right = Samples(sparse), Samples(dense)
    assert samples.dtype == right.dtype
    assert samples.shape == right.shape
    centers = np.unique(dense, axis=0)[:20].astype(np.float64) + 0.25
    for way in ITERATING:
        assert passes(samples, centers, way) == passes(right, centers, way), way
    assert bits(*nearest(samples, centers)) == bits(*nearest(right, centers))
    for method in SEEDINGS:
        got, starts = (_fit.seed(each, 20, method, np.random.default_rng(5)) for each in (samples, right))
        assert bits(got) == bits(starts), method
    for index in (3, slice(None, None, 7), np.array([5, 5, 0]), (slice(None), slice(2, 5))):
        assert bits(samples.rows(index)) == bits(right.rows(index))


@pytest.mark.usefixtures("slabs")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
@pytest.mark.parametrize("kind", FORMATS)
def test_sparse_rows(kind, dtype):
    matrix = made(f"{kind}_matrix", sparse_data(dtype))
    before = matrix.copy()
    require_the_bits_of_dense_rows(matrix)
    assert (matrix != before).nnz == 0


@pytest.mark.usefixtures("slabs")
@pytest.mark.parametrize("kind", FORMATS)
def test_sparse_arrays(kind):
    require_the_bits_of_dense_rows(made(f"{kind}_array", sparse_data(np.float32)))


@pytest.mark.usefixtures("slabs")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, bool])
def test_sparse_rows_in_disorder(dtype):
    matrix = scrambled(dtype)
    parts = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
    assert not matrix.has_canonical_format
    require_the_bits_of_dense_rows(matrix)
    assert bits(matrix.data, matrix.indices, matrix.indptr) == bits(*parts)


def test_few_sparse_rows_are_copied_as_a_whole():
    matrix = sp.csr_array(sparse_data(np.float64))
    samples = Samples(_sparse_rows.SparseRows(matrix, "X"))
    assert bits(samples.X) == bits(matrix.toarray())
    right = fit(matrix.toarray(), matrix.toarray()[:5])
    got = _fit.as_result(samples, _fit.iterate(samples, matrix.toarray()[:5], 300))
    assert bits(*got) == bits(*right)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sparse_values_that_are_not_finite(bad, slabs):  # noqa: F811
    dense = sparse_data(np.float64)
    assert Samples(_sparse_rows.SparseRows(sp.csr_array(dense), "X")).finite
    dense[650, 3] = bad
    samples = Samples(_sparse_rows.SparseRows(sp.csr_array(dense), "X"))
    assert not samples.finite
    assert samples.first_not_finite() == f"{bad} in row 650, column 3"


def test_sparse_rows_are_never_dense_as_a_whole():
    n_samples, n_features = 20_000, 1200
    matrix = sp.random_array(
        (n_samples, n_features), density=1e-3, format="csr", rng=np.random.default_rng(0)
    )
    centers = matrix[:2].toarray()
    taken = []
    for _ in range(2):  # the first call compiles
        tracemalloc.start()
        samples = Samples(_sparse_rows.SparseRows(matrix, "X"))
        made = variants.iterate(samples, centers, 1, "lloyd")
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert samples.X is None
    assert taken[1] < at.MAX_COPY_BYTES + at.MAX_SPARE_BYTES  # of 192 MB
    assert samples.memory.share < matrix.data.nbytes
    assert made.labels.shape == (n_samples,)


SPARSE_CALLS = {
    "kmeans2": lambda S: kmeans2(S, 2),
    "kmeans2, k": lambda S: kmeans2(X64, S),
    "kmeans": lambda S: kmeans(S, 2),
    "kmeans, k_or_guess": lambda S: kmeans(X64, S),
    "vq": lambda S: vq(S, X64),
    "vq, code_book": lambda S: vq(X64, S),
    "whiten": whiten,
    "fit": lambda S: fit(S, X64[:2]),
    "fit, centers": lambda S: fit(X64, S),
    "kmeans2_batch": lambda S: kmeans2_batch(S, 2),
    "kmeans2_batch, a list": lambda S: kmeans2_batch([X64, S], 2),
}


def require_sparse_refused(call, matrix):
    with pytest.raises(
        TypeError, match=r"^(\w+(\[1\])?) is sparse \(\w+\), but must be dense here: pass \1\.toarray\(\)"
    ):
        call(matrix)


@pytest.mark.parametrize("name", SPARSE_CALLS)
@pytest.mark.parametrize("make", [sp.csr_matrix, sp.coo_array, sp.csc_array])
def test_sparse_rows_are_refused_where_dense_ones_are_needed(name, make):
    require_sparse_refused(SPARSE_CALLS[name], make(X64))


def broken(change):
    matrix = sp.csr_matrix(sparse_data(np.float64))
    change(matrix)
    return matrix


BROKEN = {
    "a column beyond the last": lambda m: m.indices.__setitem__(5, 9),
    "a negative column": lambda m: m.indices.__setitem__(5, -1),
    "rows that overlap": lambda m: m.indptr.__setitem__(3, 500),
    "rows beyond the data": lambda m: m.indptr.__setitem__(-1, m.nnz + 1),
    "a first row that starts late": lambda m: m.indptr.__setitem__(0, 1),
}


def require_broken(name):
    with pytest.raises(ValueError, match=r"^X is not a valid sparse matrix: its indices are out of range"):
        _sparse_rows.SparseRows(broken(BROKEN[name]), "X")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_sparse_matrices_are_refused(name):
    require_broken(name)


def test_sparse_matrices_of_other_than_real_numbers_are_refused():
    for dtype in (complex, np.longdouble):
        with pytest.raises(TypeError, match=r"^X must hold real numbers .*, got dtype"):
            _sparse_rows.SparseRows(sp.csr_array(X64.astype(dtype)), "X")
    with pytest.raises(ValueError, match=r"^X must be 2-D, got shape \(60,\)"):
        _sparse_rows.SparseRows(sp.coo_array(X64[:, 0]), "X")


# --- Controls: with a fault, the test made for it fails

#: What is wrong: module, code, code with the fault, and the check that then fails.
CONTROLS = {
    "sparse matrices not refused": (
        _containers,
        "if is_sparse(value):",
        "if False:",
        lambda: require_sparse_refused(SPARSE_CALLS["fit"], sp.csr_array(X64)),
    ),
    "broken sparse matrices not refused": (
        _sparse_rows,
        "if not ascending or not inside or",
        "if False and",
        lambda: require_broken("a column beyond the last"),
    ),
    "sparse rows of another slab": (
        _sparse_rows,
        "some = self._rows[rows]",
        "some = self._rows[: rows.stop - rows.start]",
        lambda: require_the_bits_of_dense_rows(sp.csr_array(sparse_data(np.float64))),
    ),
    "sparse rows counted as dense ones": (
        _sparse_rows,
        "sum(part.nbytes for part in parts) // max(self.size, 1)",
        "self.dtype.itemsize",
        lambda: test_sparse_rows_are_never_dense_as_a_whole(),
    ),
    "sparse rows copied as a whole": (
        _sparse_rows,
        "        self._rows = matrix.tocsr()\n",
        "        self._rows = matrix.tocsr()\n"
        "        self.flags = type('Flags', (), {'c_contiguous': True, 'aligned': True})\n",
        lambda: test_sparse_rows_are_never_dense_as_a_whole(),
    ),
}


@pytest.mark.usefixtures("slabs")
@pytest.mark.parametrize("name", CONTROLS)
def test_a_fault_is_noticed(name, monkeypatch):
    module, old, new, check = CONTROLS[name]

    def plant(new):
        copy = module_with(module, old, new)
        if module is _containers:
            monkeypatch.setattr(_samples, "_as_real", copy.as_real)
        else:
            monkeypatch.setattr(_sparse_rows, "SparseRows", copy.SparseRows)

    require_noticed(check, lambda: plant(old), lambda: plant(new))
