"""Frames, Arrow tables, objects and other libraries' memory give the bits of the plain array."""

import re
import subprocess
import sys
import types
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from sklearn.utils import check_array
from support.comparison import bits
from support.package_copies import module_with, require_noticed
from test_layouts import ITERATING, passes, slabs  # noqa: F401, a fixture

from numbakmeans import fit, kmeans, kmeans2, kmeans2_batch, vq, whiten
from numbakmeans._engine import containers as _containers
from numbakmeans._engine import samples as _samples

X64 = np.random.default_rng(5).normal(size=(60, 3)) * 100
X32 = X64.astype(np.float32)
INTEGERS = X64.astype(np.int64)
TRUTHS = X64[:, 0] > 0
DECIMALS = [Decimal(repr(x)) for x in X64[:, 0].tolist()]
EXACT = [Fraction(n, 3) for n in INTEGERS[:, 1].tolist()]
MIXED = {"truth": TRUTHS, "count": INTEGERS[:, 1], "size": X64[:, 2]}
MIXED_VALUES = np.column_stack([TRUTHS, INTEGERS[:, 1], X64[:, 2]]).astype(np.float64)
SINGLE = {"truth": TRUTHS, "small": INTEGERS[:, 1].astype(np.int16), "size": X32[:, 2]}
SINGLE_VALUES = np.column_stack([TRUTHS, INTEGERS[:, 1], X32[:, 2]]).astype(np.float32)


class ArrayOnly:
    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array.astype(dtype or self._array.dtype)


class InterfaceOnly:
    def __init__(self, array):
        self._array, self.__array_interface__ = array, array.__array_interface__


class DLPackOnly:
    """Memory that DLPack alone hands over, on a device of any type; with a shape, as in the array API."""

    def __init__(self, array, device=1):
        self._array, self._device, self.shape = array, device, array.shape

    def __dlpack__(self, **how):
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._device, 0


class OnAnotherDevice(DLPackOnly):
    """Hands over an array as well, by a transfer that nobody asked for."""

    def __array__(self, dtype=None, copy=None):
        return self._array


def nullable(columns):
    return pd.DataFrame(columns).convert_dtypes()


def arrow_backed(columns):
    return pd.DataFrame(
        {key: pd.Series(pa.array(c), dtype=pd.ArrowDtype(pa.array(c).type)) for key, c in columns.items()}
    )


def chunked(columns):
    table = pa.table(columns)
    return pa.concat_tables([table.slice(0, 7), table.slice(7)])


#: What is handed in, and the array that it stands for.
CONTAINERS = {
    "pandas, one block": (pd.DataFrame(X64), X64),
    "pandas, one block, float32": (pd.DataFrame(X32, columns=list("abc")), X32),
    "pandas, a column a block": (pd.DataFrame({j: X64[:, j].copy() for j in range(3)}), X64),
    "pandas, reordered columns": (pd.DataFrame(X64)[[2, 0, 1]], X64[:, [2, 0, 1]]),
    "pandas, the same name twice": (pd.DataFrame(X64, columns=["a", "a", "b"]), X64),
    "pandas, integers": (pd.DataFrame(INTEGERS), INTEGERS),
    "pandas, integers of several sizes": (
        pd.DataFrame({"a": INTEGERS[:, 0].astype(np.int8), "b": INTEGERS[:, 1]}),
        np.column_stack([INTEGERS[:, 0].astype(np.int8), INTEGERS[:, 1]]),
    ),
    "pandas, mixed": (pd.DataFrame(MIXED), MIXED_VALUES),
    "pandas, mixed, float32": (pd.DataFrame(SINGLE), SINGLE_VALUES),
    "pandas, float32 and int64": (
        pd.DataFrame({"a": X32[:, 0], "b": 2**40 + INTEGERS[:, 1]}),
        np.column_stack([X32[:, 0].astype(np.float64), 2**40 + INTEGERS[:, 1]]),
    ),
    "pandas, float16": (
        pd.DataFrame({"a": X64[:, 0].astype(np.float16), "b": X64[:, 1].astype(np.float16)}),
        X64[:, :2].astype(np.float16),
    ),
    "pandas, nullable": (nullable(MIXED), MIXED_VALUES),
    "pandas, nullable, float32": (nullable(SINGLE), SINGLE_VALUES),
    "pandas, Arrow": (arrow_backed(MIXED), MIXED_VALUES),
    "pandas, Arrow, float32": (arrow_backed(SINGLE), SINGLE_VALUES),
    "pandas, objects": (pd.DataFrame(MIXED, dtype=object), MIXED_VALUES),
    "pandas, sparse columns": (pd.DataFrame(INTEGERS % 3).astype(pd.SparseDtype(int, 0)), INTEGERS % 3),
    "pandas, categories": (
        pd.DataFrame({"a": pd.Categorical(INTEGERS[:, 0]), "b": X64[:, 1]}),
        np.column_stack([INTEGERS[:, 0], X64[:, 1]]),
    ),
    "polars": (pl.DataFrame(X64), X64),
    "polars, float32": (pl.DataFrame(X32), X32),
    "polars, mixed": (pl.DataFrame(MIXED), MIXED_VALUES),
    "polars, mixed, float32": (pl.DataFrame(SINGLE), SINGLE_VALUES),
    "polars, chunks": (pl.concat([pl.DataFrame(X64)[:7], pl.DataFrame(X64)[7:]], rechunk=False), X64),
    "polars, float32 and int64": (
        pl.DataFrame({"a": X32[:, 0], "b": 2**40 + INTEGERS[:, 1]}),
        np.column_stack([X32[:, 0].astype(np.float64), 2**40 + INTEGERS[:, 1]]),
    ),
    "polars, wide integers": (
        pl.DataFrame({"a": pl.Series(INTEGERS[:, 0], dtype=pl.Int128), "b": X64[:, 1]}),
        np.column_stack([INTEGERS[:, 0], X64[:, 1]]),
    ),
    "polars, decimals": (pl.DataFrame({"a": DECIMALS, "b": X64[:, 1]}), X64[:, :2]),
    "Arrow table": (pa.table(MIXED), MIXED_VALUES),
    "Arrow table, float32": (pa.table(SINGLE), SINGLE_VALUES),
    "Arrow table, chunks": (chunked(MIXED), MIXED_VALUES),
    "Arrow table, decimals": (pa.table({"a": DECIMALS, "b": X64[:, 1]}), X64[:, :2]),
    "Arrow batch": (pa.RecordBatch.from_pydict({key: pa.array(c) for key, c in MIXED.items()}), MIXED_VALUES),
    "xarray": (xr.DataArray(X64, dims=("row", "feature"), coords={"feature": list("abc")}), X64),
    "xarray, objects": (xr.DataArray(X64.astype(object)), X64),
    "objects": (X64.astype(object), X64),
    "objects, Fortran order": (np.asfortranarray(X64.astype(object)), X64),
    "Decimal and Fraction": (
        [list(pair) for pair in zip(DECIMALS, EXACT, strict=True)],
        np.column_stack([X64[:, 0], [float(each) for each in EXACT]]),
    ),
    "integers beyond int64": (
        [[2**64 + 2**20 * n, n] for n in INTEGERS[:, 1].tolist()],
        np.array([[float(2**64 + 2**20 * n), n] for n in INTEGERS[:, 1].tolist()]),
    ),
    "NumPy's scalars": (
        np.array([[np.float32(a), np.bool_(b)] for a, b in zip(X32[:, 0], TRUTHS, strict=True)], object),
        np.column_stack([X32[:, 0].astype(np.float64), TRUTHS]),
    ),
    "__array__": (ArrayOnly(X32), X32),
    "__array_interface__": (InterfaceOnly(X32), X32),
    "DLPack": (DLPackOnly(X32), X32),
    "DLPack, pinned memory": (DLPackOnly(X64, 3), X64),
    "masked, without a mask": (np.ma.array(X64), X64),
}
#: One-dimensional ones.
SERIES = {
    "pandas": (pd.Series(X64[:, 0]), X64[:, 0]),
    "pandas, index": (pd.Index(X64[:, 0]), X64[:, 0]),
    "pandas, nullable": (pd.Series(INTEGERS[:, 0], dtype="Int32"), INTEGERS[:, 0]),
    "pandas, nullable array": (pd.array(X32[:, 0], dtype="Float32"), X32[:, 0]),
    "polars": (pl.Series(X32[:, 0]), X32[:, 0]),
    "polars, truths": (pl.Series(TRUTHS), TRUTHS),
    "Arrow": (pa.array(X32[:, 0]), X32[:, 0]),
    "Arrow, chunks": (pa.chunked_array([X64[:9, 0], X64[9:, 0]]), X64[:, 0]),
    "objects": (X64[:, 0].astype(object), X64[:, 0]),
    "DLPack": (DLPackOnly(X64[:, 0].copy()), X64[:, 0]),
}


def face(X, start):
    """Return the results of every public function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of empty clusters
        seeded, given = kmeans2(X, 2, minit="++", rng=1), kmeans2(X, start, 3)
    found = [*seeded, *given, *vq(X, start), *kmeans(X, 2, iter=2, rng=1), whiten(X)]
    return bits(*found, *(fit(X, start) if given[0].ndim == 2 else []))


def require_same_values(container, array):
    """Check the array that is made of a container: its values in the working dtype."""
    got = _samples.as_real(container, "X")
    working = _samples.working_dtype(array)
    assert type(got) is np.ndarray
    assert _samples.working_dtype(got) == working
    assert bits(got.astype(working, order="C")) == bits(array.astype(working, order="C"))


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_bits_of_the_array(name):
    container, array = CONTAINERS[name]
    require_same_values(container, array)
    start = array[:4].astype(np.float64)
    assert (
        face(container, start)
        == face(np.ascontiguousarray(array), start)
        == face(np.asfortranarray(array), start)
    )


@pytest.mark.parametrize("name", SERIES)
def test_the_bits_of_the_one_dimensional_array(name):
    container, array = SERIES[name]
    require_same_values(container, array)
    start = array[:4].astype(np.float64)
    assert face(container, start) == face(array, start)


#: Those with a conversion of their own; that of polars may round decimals twice.
OWN = [name for name, (it, _) in CONTAINERS.items() if hasattr(it, "to_numpy") and "decimals" not in name]


@pytest.mark.parametrize("name", OWN)
def test_the_bits_of_its_own_conversion(name):
    """But for truth values beside float32, of which pandas makes objects."""
    container, array = CONTAINERS[name]
    own = container.to_numpy()
    if own.dtype == object and array.dtype == np.float32:
        own = own.astype(np.float32)
    assert face(container, own[:4].astype(np.float64)) == face(own, own[:4].astype(np.float64))


@pytest.mark.parametrize("name", CONTAINERS)
def test_centers_in_containers(name):
    container, array = CONTAINERS[name]
    X = np.repeat(array, 2, axis=0).astype(np.float64) + 1
    right = face(X, array.astype(_samples.working_dtype(array)))
    assert face(X, container) == right


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name.startswith("pandas")])
def test_large_frames_of_pandas(name, slabs):  # noqa: F811
    require_same_values(*CONTAINERS[name])


def test_frames_of_a_batch():
    frames, arrays = zip(
        *(CONTAINERS[name] for name in ("pandas, mixed", "polars, mixed", "Arrow table")), strict=True
    )
    got, right = (kmeans2_batch(list(parts), 2, minit="++", rng=2) for parts in (frames, arrays))
    assert [bits(*pair) for pair in got] == [bits(*pair) for pair in right]
    start = np.tile([0.0, 100.0], (60, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of empty clusters
        flat = kmeans2_batch(pd.DataFrame(MIXED), pl.DataFrame(start), iter=1)
        assert bits(*flat) == bits(*kmeans2_batch(MIXED_VALUES, start, iter=1))


def test_what_is_not_copied():
    assert _samples.as_real(X64, "X") is X64
    for container in (
        pd.DataFrame(X64),
        xr.DataArray(X64),
        DLPackOnly(X64),
        InterfaceOnly(X64),
        np.ma.array(X64),
    ):
        assert np.shares_memory(
            _samples.as_real(container, "X"),
            np.asarray(container) if isinstance(container, pd.DataFrame) else X64,
        )
    for series in (pl.Series(X64[:, 0]), pa.array(X64[:, 0])):
        assert np.shares_memory(_samples.as_real(series, "X"), series.to_numpy())


def test_many_blocks_of_rows():
    X = np.random.default_rng(0).normal(size=(_containers.BLOCK_VALUES + 5, 2))
    require_same_values(pl.DataFrame(X), X)
    wide = X[: 30 * 1000].reshape(30, -1)
    require_same_values(pa.table({str(j): column for j, column in enumerate(wide.T)}), wide)


def test_the_containers_stay_as_they_were():
    for name in ("pandas, mixed", "pandas, nullable", "pandas, objects"):
        container = CONTAINERS[name][0]
        before = container.copy(deep=True)
        face(container, X64[:4])
        pd.testing.assert_frame_equal(container, before)


def test_frames_without_columns_or_rows():
    for empty in (
        pd.DataFrame(index=range(5)),
        pl.DataFrame(),
        pd.DataFrame({"a": []}),
        pa.table({"a": pa.array([], pa.int8())}),
    ):
        with pytest.raises(ValueError, match=r"X must be a non-empty 2-D array, got shape \(\d, \d\)"):
            fit(empty, X64[:1])
    assert _samples.as_real(pd.DataFrame(index=range(5)), "X").shape == (5, 0)


# --- Missing values


def without(columns, name, row):
    """Return columns of which one has None in a row."""
    return {
        key: [*c[:row].tolist(), None, *c[row + 1 :].tolist()] if key == name else c
        for key, c in columns.items()
    }


GAP = without(MIXED, "count", 7)
WITH_A_GAP = {
    "pandas, nullable": lambda: pd.DataFrame({**GAP, "count": pd.array(GAP["count"], "Int64")}),
    "pandas, nullable truths": lambda: pd.DataFrame(
        {"a": X64[:, 0], "count": pd.array([True] * 7 + [None], "boolean").take([*range(8), *[0] * 52])}
    ),
    "pandas, Arrow": lambda: arrow_backed(MIXED).assign(
        count=pd.Series(GAP["count"], dtype="int64[pyarrow]")
    ),
    "pandas, objects": lambda: pd.DataFrame({**GAP, "count": pd.Series(GAP["count"], dtype=object)}),
    "pandas, NA in objects": lambda: pd.DataFrame(
        {**GAP, "count": pd.Series([pd.NA if n is None else n for n in GAP["count"]], dtype=object)}
    ),
    "pandas, categories": lambda: pd.DataFrame({**GAP, "count": pd.Categorical(GAP["count"])}),
    "polars": lambda: pl.DataFrame(GAP),
    "Arrow table": lambda: pa.table(GAP),
    "Arrow table, chunks": lambda: chunked(GAP),
}


def place(row, column, label=" ('count')"):
    return f"X has a missing value in row {row}, column {column}{label}: fill or drop it first"


PLACE, NAMELESS_PLACE = place(7, 1), place(7, 1, "")
WITH_A_NAMELESS_GAP = {
    "objects": lambda: np.array([MIXED["truth"], GAP["count"], MIXED["size"]], object).T,
    "lists": lambda: [list(row) for row in zip(*GAP.values(), strict=True)],
    "masked": lambda: np.ma.array(
        MIXED_VALUES, mask=[[i == 7 and j == 1 for j in range(3)] for i in range(60)]
    ),
}


def require_missing(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        fit(given, X64[:4])


@pytest.mark.parametrize("name", WITH_A_GAP)
def test_missing_values_are_named(name):
    given = WITH_A_GAP[name]()
    require_missing(given, PLACE)
    with pytest.raises(ValueError, match=re.escape(PLACE.replace("X", "code_book", 1))):
        vq(X64, given)


@pytest.mark.parametrize("name", WITH_A_NAMELESS_GAP)
def test_missing_values_of_arrays_are_named(name):
    require_missing(WITH_A_NAMELESS_GAP[name](), NAMELESS_PLACE)


def test_missing_values_of_series_are_named():
    for series in (
        pd.Series([1, None], dtype="Int8"),
        pl.Series([1.5, None]),
        pa.array([1, None]),
        [2, None],
        np.ma.array([1, 2], mask=[0, 1]),
    ):
        with pytest.raises(ValueError, match="data has a missing value in row 1: fill or drop it first"):
            kmeans2(series, 1)
    with pytest.raises(ValueError, match=r"data has a missing value in position \(0, 1, 0\)"):
        kmeans2_batch(np.array([[[1], [None]], [[3], [4]]], object), 1)


def test_nan_stays_what_it_is():
    """In plain columns, or where a library tells it from a missing value: the finite check names it."""
    bad = X64.copy()
    bad[9, 2] = np.nan
    columns = dict(zip("abc", bad.T, strict=True))
    for frame in (
        pd.DataFrame(columns),
        pl.DataFrame(columns),
        pa.table(columns),
        xr.DataArray(bad, dims=("n", "d"), coords={"d": list("abc")}),
    ):
        with pytest.raises(
            ValueError, match=r"^X must not contain infs or NaNs, but has nan in row 9, column 2 \('c'\)$"
        ):
            fit(frame, X64[:4])
        for call in (
            lambda f: kmeans2(f, 3),
            lambda f: kmeans2(X64, f),
            lambda f: kmeans(X64, f),
            lambda f: whiten(f),
            lambda f: vq(f, X64),
            lambda f: vq(X64, f),
        ):
            with pytest.raises(
                ValueError,
                match=r"^array must not contain infs or NaNs: \w+ has nan in row 9, column 2 \('c'\)$",
            ):
                call(frame)
        assert fit(frame, X64[:4], check_finite=False).labels[9] == 0
        with pytest.raises(ValueError, match=r": data\[1\] has nan in row 9, column 2 \('c'\)$"):
            kmeans2_batch([X64, frame], 2)
    for plain in (pd.DataFrame(bad), bad, bad.tolist(), bad.astype(object)):
        with pytest.raises(ValueError, match=r"but has nan in row 9, column 2$"):
            fit(plain, X64[:4])
    with pytest.raises(
        ValueError, match=r"centers must not contain infs or NaNs, but has inf in row 1, column 0$"
    ):
        fit(X64, [[1.0, 2, 3], [np.inf, 2, 3]])


# --- What is refused

REFUSED = {
    "text in pandas": (
        pd.DataFrame({"a": X64[:3, 0], "city": ["Rom", "Bonn", "1"]}),
        r"has a str in row 0, column 1 \('city'\)",
    ),
    "text in polars": (
        pl.DataFrame({"a": [1.0, 2.0], "city": ["1", "2"]}),
        r"has a str in row 0, column 1 \('city'\)",
    ),
    "text in Arrow": (pa.table({"city": ["1", "2"]}), r"has a str in row 0, column 0 \('city'\)"),
    "text": (np.array([["1", "2"]]), "got dtype <U1, which is text: convert it to numbers first"),
    "text in objects": ([[1, "2"], [object(), 4]], None),
    "dates in pandas": (
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}),
        r"X, column 0 \('when'\), must hold .* dtype datetime64",
    ),
    "dates in polars": (
        pl.DataFrame({"when": pl.Series([0], dtype=pl.Datetime)}),
        r"X, column 0 \('when'\), must hold .* dtype datetime64",
    ),
    "dates in Arrow": (
        pa.table({"when": pa.array([0], pa.timestamp("s"))}),
        r"X, column 0 \('when'\), must hold .* dtype datetime64",
    ),
    "time spans among objects": (
        np.array([[1, np.timedelta64(3, "s")]], object),
        "has a timedelta64 in row 0, column 1",
    ),
    "longdouble among objects": (
        np.array([[1, np.longdouble(3)]], object),
        "has a longdouble in row 0, column 1",
    ),
    "complex among objects": (np.array([[1, 2], [1j, 3]], object), "has a complex in row 1, column 0"),
    "complex in pandas": (
        pd.DataFrame({"a": [1j]}),
        r"X, column 0 \('a'\), must hold .*, got dtype complex128",
    ),
    "lists in polars": (pl.DataFrame({"a": [1], "list": [[1, 2]]}), None),
    "arrays in polars": (
        pl.DataFrame({"a": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}),
        r"X, column 0 \('a'\), must hold .*, got arrays",
    ),
    "a mapping": ({"a": [1.0]}, "X must hold .*, got dict$"),
    "a set": ({1.0, 2.0}, "X must hold .*, got set: make it a list first"),
    "a generator": ((x for x in (1.0, 2.0)), "X must hold .*, got generator: make it a list first"),
    "rows of several lengths": (
        np.array([[1, 2], [3]], object),
        "but has a list in row 0: rows must all have the same length",
    ),
    "nothing": (None, "X must hold .*, got NoneType"),
    "a frame that is not computed": (pl.LazyFrame({"a": [1.0]}), "X must hold .*, got LazyFrame"),
}


def require_refused(given, words):
    with pytest.raises(TypeError, match=f"^(?=X).*{words or ''}"):
        fit(given, X64[:4])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    require_refused(*REFUSED[name])


def test_values_that_have_no_number():
    for value, error in ((10**400, "too large"), (Decimal("sNaN"), "sNaN|signaling")):
        with pytest.raises(ValueError, match=f"^X has no number for float64 in row 1, column 0: .*({error})"):
            fit([[1, 2], [value, Decimal(1)]], X64[:1])


@pytest.mark.parametrize("device", [2, 8, 10, 99])
@pytest.mark.parametrize("kind", [DLPackOnly, OnAnotherDevice])
def test_other_devices_are_refused(device, kind):
    require_refused(kind(X64, device), "is in the memory of another device .*: copy it to the CPU first")
    with pytest.raises(TypeError, match=r"^k is in the memory of another device"):
        kmeans2(X64, kind(X64, device))


def test_a_library_says_why_it_cannot_be_read():
    class Attached(ArrayOnly):
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call detach() first")

    with pytest.raises(ValueError, match=r"^X cannot be read as an array: call detach\(\) first$"):
        fit(Attached(X64), X64[:1])
    with pytest.raises(ValueError, match=r"^X cannot be read as an array: .*Dataset"):
        fit(xr.Dataset({"a": ("n", X64[:, 0])}), X64[:1])


def test_a_column_that_its_library_cannot_convert():
    class StrangeError(Exception):
        pass

    def fails(_):
        raise StrangeError("no such type")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.Series, "to_numpy", fails)
        with pytest.raises(
            ValueError, match=r"^X, column 0 \('a'\), cannot be read as an array: no such type$"
        ):
            fit(pl.DataFrame({"a": [1.0]}), X64[:1])


def test_another_module_of_such_a_name(monkeypatch):
    for name in ("pandas", "polars", "pyarrow", "xarray"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    require_same_values(ArrayOnly(X64), X64)
    with pytest.raises(ValueError, match=r"in row 0, column 0$"):
        fit(ArrayOnly(X64 * np.nan), X64[:1])


def test_no_library_is_imported():
    program = """
import sys
import numpy as np
from numbakmeans._engine.samples import as_real
for given in ([[1.0]], [[None, 1]], np.ones((2, 2)), np.ones((2, 2), object), {}, "text", np.array(["a"])):
    try:
        as_real(given, "X")
    except (ValueError, TypeError):
        pass
print({"pandas", "polars", "pyarrow", "xarray", "torch", "scipy", "numba"} & set(sys.modules))
import pandas
print("pandas" in sys.modules)
"""
    folder = Path(_containers.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.stdout.split() == ["set()", "True"], done.stderr


# --- As scikit-learn reads them: for its estimator

TEXTS = {
    "text": np.array([["1.5", "2"], ["-3e2", "nan"]])[:, :1],
    "bytes": np.array([[b"1.5"], [b"2"]]),
    "text among objects": np.array([["1.5", 2], [Decimal("0.1"), True]], object),
    "pandas": pd.DataFrame({"a": ["1.5", "2"], "b": [1, 2]}),
    "pandas, strings": pd.DataFrame({"a": pd.Series(["1.5", "2"], dtype="string"), "b": [1, 2]}),
}
#: float32 that scikit-learn makes float64 of; here it stays.
WIDENED = [
    *("pandas, float16", "pandas, nullable, float32", "pandas, Arrow, float32"),
    *("polars, float32", "polars, mixed, float32"),
]
OTHERS = [
    name
    for name in CONTAINERS
    if re.match("pandas|polars|objects|Decimal|NumPy", name)
    and not re.search("same name|sparse|decimals", name)
]


@pytest.mark.parametrize("name", [*TEXTS, *OTHERS])
def test_values_are_those_of_scikit_learn(name):
    given = TEXTS[name] if name in TEXTS else CONTAINERS[name][0]
    right = check_array(given, dtype=[np.float64, np.float32])
    got = _containers.as_real(given, "X", text=True)
    assert bits(got.astype(right.dtype, order="C")) == bits(np.ascontiguousarray(right))
    if name not in WIDENED:
        assert _samples.working_dtype(got) == right.dtype
    if name in TEXTS:
        with pytest.raises(TypeError, match=r"^X must hold real numbers"):
            _containers.as_real(given, "X")


def test_text_that_is_no_number():
    for given in (np.array([["1"], ["two"]]), [["1"], ["two"]], pd.DataFrame({"a": ["1", "two"]})):
        with pytest.raises(
            ValueError, match=r"^X has no number for float64 in row 1, column 0.*: could not convert"
        ):
            _containers.as_real(given, "X", text=True)
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        _containers.as_real(np.array([[{}]], object), "X", text=True)


# --- Controls: without a guard, or with a fault, the test made for it fails


#: What is wrong: code, code with the fault, and the check that then fails.
CONTROLS = {
    "a library's own error let through": (
        "except Exception as error:",
        "except ZeroDivisionError as error:",
        lambda: test_a_column_that_its_library_cannot_convert(),
    ),
    "other devices not refused": (
        "if kind not in HOST_DEVICES:",
        "if False:",
        lambda: require_refused(OnAnotherDevice(X64, 2), "is in the memory of another device"),
    ),
    "pinned memory refused": (
        "HOST_DEVICES = (1, 3,",
        "HOST_DEVICES = (1,",
        lambda: require_same_values(*CONTAINERS["DLPack, pinned memory"]),
    ),
    "DLPack not read": (
        "np.from_dlpack if",
        "np.from_dlpack if False and",
        lambda: require_same_values(*CONTAINERS["DLPack"]),
    ),
    "the masks of pandas ignored": (
        "    row = _first(series.isna())\n",
        "    row = None\n",
        lambda: require_missing(WITH_A_GAP["pandas, Arrow"](), PLACE),
    ),
    "the nulls of polars ignored": (
        "if series.null_count():",
        "if False:",
        lambda: require_missing(WITH_A_GAP["polars"](), PLACE),
    ),
    "the nulls of Arrow ignored": (
        "if column.null_count else None",
        "if False else None",
        lambda: require_missing(WITH_A_GAP["Arrow table"](), PLACE),
    ),
    "pandas.NA not known": (
        '("NA", "NaT")',
        '("NaT",)',
        lambda: require_missing(WITH_A_GAP["pandas, NA in objects"](), PLACE),
    ),
    "None taken for a wrong type": (
        "if kind in missing:",
        "if False:",
        lambda: require_missing(WITH_A_GAP["pandas, objects"](), PLACE),
    ),
    "masks ignored": (
        "np.ma.is_masked(value)",
        "False",
        lambda: require_missing(WITH_A_NAMELESS_GAP["masked"](), NAMELESS_PLACE),
    ),
    "the last missing value, not the first": (
        "int(rows[0]) if",
        "int(rows[-1]) if",
        lambda: require_missing(pl.DataFrame({"count": [1, None, None]}), place(1, 0)),
    ),
    "the name of another column": (
        "Part(name, j, labels[j])",
        "Part(name, j, labels[0])",
        lambda: require_missing(WITH_A_GAP["polars"](), PLACE),
    ),
    "time spans taken for integers": (
        "np.longdouble | np.timedelta64",
        "np.longdouble",
        lambda: require_refused(*REFUSED["time spans among objects"]),
    ),
    "longdouble rounded": (
        "np.longdouble | np.timedelta64",
        "np.timedelta64",
        lambda: require_refused(*REFUSED["longdouble among objects"]),
    ),
    "text read where it is not allowed": (
        "(text and issubclass(kind, str | bytes))",
        "issubclass(kind, str | bytes)",
        lambda: require_refused(*REFUSED["text in pandas"]),
    ),
    "complex numbers taken for real ones": (
        " and not issubclass(kind, numbers.Complex)",
        "",
        lambda: require_refused(*REFUSED["complex among objects"]),
    ),
    "columns of arrays not refused": (
        "and values.ndim != 1:",
        "and False:",
        lambda: require_refused(*REFUSED["arrays in polars"]),
    ),
    "integers rounded to float32": (
        "working(np.result_type(*{array.dtype for array in arrays}, bool))",
        "np.float32",
        lambda: require_same_values(*CONTAINERS["polars, float32 and int64"]),
    ),
    "float32 widened beside truth values": (
        "working(np.result_type(*{array.dtype for array in arrays}, bool))",
        "np.float64",
        lambda: require_same_values(*CONTAINERS["polars, mixed, float32"]),
    ),
    "rows forgotten between blocks": (
        "rows = slice(start, start + step)",
        # What is forgotten must not happen to hold the right values, left over from an array before.
        "out[start + step - 1 : start + step] = -1.0; rows = slice(start, start + step - 1)",
        lambda: test_many_blocks_of_rows(),
    ),
    "one array copied column by column": (
        "return columns.whole()",
        "pass",
        lambda: test_what_is_not_copied(),
    ),
}


@pytest.mark.usefixtures("slabs")
@pytest.mark.parametrize("name", CONTROLS)
def test_a_fault_is_noticed(name, monkeypatch):
    old, new, check = CONTROLS[name]

    def plant(new):
        monkeypatch.setattr(_samples, "_as_real", module_with(_containers, old, new).as_real)

    require_noticed(check, lambda: plant(old), lambda: plant(new))
