"""What users hand in, as arrays of real numbers: frames, Arrow tables, objects, memory of other libraries.

None of these libraries is imported here. What comes from one is recognized by the module that its user has
imported, or by its methods.
"""

from __future__ import annotations

import numbers
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine import thresholds as at

#: Dtypes of real numbers, as `dtype.num` names them in any byte order: bool, integers, float16 to float64.
REAL = frozenset(np.dtype(code).num for code in "?bBhHiIlLqQefd")
KINDS = "real numbers (bool, integer, float16, float32 or float64)"

#: Devices of DLPack whose memory NumPy reads: CPU, pinned memory of CUDA and ROCm, managed memory of CUDA.
HOST_DEVICES = (1, 3, 11, 13)
DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI", 15: "WebGPU"}

#: Values of a block of rows that is gathered from columns: about what fits into the second-level cache.
BLOCK_VALUES = 1 << 16

#: What NumPy reads as a container of numbers, or as a number, whoever made it.
PLAIN = (list, tuple, int, float, np.generic)

#: What libraries raise where their data cannot be read as an array.
UNREADABLE = (ValueError, TypeError, RuntimeError, BufferError)


class Part(NamedTuple):
    """An argument, or one of its columns, as errors name it."""

    name: str
    column: int | None = None
    label: Any = None

    def __str__(self) -> str:
        return self.name if self.column is None else f"{self.name}, {column_named(self.column, self.label)},"

    def at(self, index: Sequence[Any]) -> str:
        """Return where an element is, in words."""
        place = [int(i) for i in index] + ([] if self.column is None else [self.column])
        if len(place) == 1:
            return f"row {place[0]}"
        if len(place) == 2:
            return f"row {place[0]}, {column_named(place[1], self.label)}"
        return f"position {tuple(place)}"

    def missing(self, index: Sequence[Any]) -> ValueError:
        return ValueError(f"{self.name} has a missing value in {self.at(index)}: fill or drop it first")


class Columns(NamedTuple):
    """The columns of a frame or table, of any library.

    labels : their names; None if this is a single column, which stands for a 1-D array
    read : returns the row of the first missing value of a column, or None, and the column's values
    whole : returns all values as one array, where the library does so without a copy or faster
    """

    labels: Sequence[Any] | None
    columns: Iterable[Any]
    read: Callable[[Any], tuple[int | None, Any]]
    whole: Callable[[], np.ndarray] | None = None


def column_named(column: int, label: Any = None) -> str:
    """Return a column in words: its number, and its name if it has another one."""
    plain = label is None or (isinstance(label, numbers.Integral) and label == column)
    return f"column {column}" + ("" if plain else f" ({label!r})")


def special(value: np.floating) -> str:
    """Return a value that is not finite, in scikit-learn's words."""
    if np.isnan(value):
        return "NaN."
    return f"infinity or a value too large for {value.dtype!r}."


def working(dtype: np.dtype) -> np.dtype:
    """Return float32 for float16 and float32, float64 for all other real numbers."""
    single = dtype.kind == "f" and dtype.itemsize < 8
    return np.dtype(np.float32 if single else np.float64)


def as_real(value: Any, name: str, *, text: bool = False) -> np.ndarray:
    """Return value as an array of real numbers, of any dtype and layout; an array is not copied.

    The columns of a frame get their common dtype (`numpy.result_type`), objects become float64.

    Parameters
    ----------
    value : anything; name : of the argument, for errors
    text : whether text that spells numbers is read, as scikit-learn does

    Raises
    ------
    TypeError : value does not hold real numbers, is sparse, or is not in the memory of the CPU
    ValueError : value cannot be read as an array, or has missing values
    """
    read: Callable[[Any], np.ndarray] = np.asarray
    if isinstance(value, np.ndarray):
        # Not `np.ma`: NumPy imports it at the first access, which takes longer than many calls.
        masked = _is_a(value, sys.modules.get("numpy.ma"), "MaskedArray") and not value.dtype.names
        if masked and np.ma.is_masked(value):
            raise Part(name).missing(np.argwhere(np.ma.getmaskarray(value))[0])
    elif not isinstance(value, PLAIN):
        _refuse(value, name)
        columns = columns_of(value)
        if columns is not None:
            return _gathered(columns, len(value), name, text)
        read = np.from_dlpack if _speaks_dlpack_alone(value) else np.asarray
    try:
        array = read(value)
    except UNREADABLE as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    return _real(array, Part(name), text)


def is_sparse(value: Any) -> bool:
    """Return whether value is a sparse matrix or array, of SciPy or of a library with SciPy's methods."""
    return callable(getattr(value, "tocsr", None))


def _refuse(value: Any, name: str) -> None:
    """Raise the error for data that NumPy would misread, or read in more memory than its owner expects."""
    if is_sparse(value):
        raise TypeError(
            f"{name} is sparse ({type(value).__name__}), but must be dense here: pass {name}.toarray() if it "
            "fits into memory, or use the estimator KMeans, which makes it dense block by block"
        )
    device = getattr(value, "__dlpack_device__", None)
    try:
        kind, number = device() if callable(device) else (1, 0)
    except UNREADABLE:  # a device that DLPack has no number for: NumPy will tell
        return
    if kind not in HOST_DEVICES:
        where = f"{DEVICES.get(int(kind), f'DLPack type {int(kind)}')}, number {int(number)}"
        raise TypeError(
            f"{name} is in the memory of another device ({where}): copy it to the CPU first, for example "
            f"with {name}.cpu(), {name}.get() or {name}.to_device('cpu')"
        )


def _speaks_dlpack_alone(value: Any) -> bool:
    others = ("__array__", "__array_interface__", "__array_struct__")
    return hasattr(value, "__dlpack__") and not any(hasattr(value, other) for other in others)


# --- Values


def _real(values: np.ndarray, part: Part, text: bool) -> np.ndarray:
    """Return values, if they are real numbers; read from objects, or from text if that is allowed."""
    if values.dtype.num in REAL:
        return values
    of_text = values.dtype.kind in "UST"
    if values.dtype.kind == "O" or (of_text and text):
        return _from_objects(values.astype(object, copy=False), part, text)
    more = ", which is text: convert it to numbers first" if of_text else ""
    raise TypeError(f"{part} must hold {KINDS}, got dtype {values.dtype}{more}")


def _is_number(kind: type) -> bool:
    """Return whether objects of a type are real numbers, which are rounded to float64 once."""
    if issubclass(kind, np.longdouble | np.timedelta64):
        return False
    # Decimal is a Number, and none of the kinds of numbers.
    decimal = issubclass(kind, numbers.Number) and not issubclass(kind, numbers.Complex)
    return issubclass(kind, numbers.Real | np.bool_) or decimal


def _missing_kinds() -> set[type]:
    """Return the types whose objects mark missing values."""
    pandas = sys.modules.get("pandas")
    marks = (getattr(pandas, mark, None) for mark in ("NA", "NaT"))
    return {type(None), *map(type, marks)}


def _from_objects(values: np.ndarray, part: Part, text: bool) -> np.ndarray:
    objects = values.ravel().tolist()
    kinds = set(map(type, objects))
    missing = _missing_kinds()
    allowed = {kind for kind in kinds if _is_number(kind) or (text and issubclass(kind, str | bytes))}
    if allowed != kinds:
        i = next(i for i, each in enumerate(objects) if type(each) not in allowed)
        kind, index = type(objects[i]), np.unravel_index(i, values.shape)
        if values.ndim == 0:
            whole = objects[0]
            advice = ": make it a list first" if isinstance(whole, Set | Iterator) else ""
            raise TypeError(f"{part.name} must hold {KINDS}, got {kind.__name__}{advice}")
        if kind in missing:
            raise part.missing(index)
        # Python's sentence, which scikit-learn's checks of estimators look for.
        if issubclass(kind, Sequence) and not issubclass(kind, str | bytes):
            found = f"but has a {kind.__name__} in {part.at(index)}"
            raise TypeError(f"{part.name} must hold {KINDS}, {found}: rows must all have the same length")
        why = f": float() argument must be a string or a real number, not {kind.__name__!r}" if text else ""
        raise TypeError(f"{part.name} must hold {KINDS}, but has a {kind.__name__} in {part.at(index)}{why}")
    try:
        return values.astype(np.float64)
    except (*UNREADABLE, ArithmeticError) as error:
        i = next((i for i, each in enumerate(objects) if not _converts(each)), 0)
        where = part.at(np.unravel_index(i, values.shape))
        raise ValueError(f"{part.name} has no number for float64 in {where}: {error}") from error


def _converts(each: Any) -> bool:
    try:
        float(each)
    except (*UNREADABLE, ArithmeticError):
        return False
    return True


def _gathered(columns: Columns, n_rows: int, name: str, text: bool) -> np.ndarray:
    """Return the values of all columns; what must be copied, in the working dtype of their common dtype."""
    if columns.whole is not None:
        return columns.whole()
    arrays, labels = [], columns.labels
    for j, column in enumerate(columns.columns):
        part = Part(name) if labels is None else Part(name, j, labels[j])
        try:
            row, values = columns.read(column)
        except Exception as error:  # each library has errors of its own
            raise ValueError(f"{part} cannot be read as an array: {error}") from error
        if row is not None:
            raise part.missing([row])
        if labels is not None and values.ndim != 1:
            raise TypeError(f"{part} must hold {KINDS}, got arrays")
        arrays.append(_real(values, part, text))
    if labels is None:
        return arrays[0]
    out = np.empty((n_rows, len(arrays)), working(np.result_type(*{array.dtype for array in arrays}, bool)))
    step = max(BLOCK_VALUES // max(len(arrays), 1), 16)
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        for j, array in enumerate(arrays):
            out[rows, j] = array[rows]
    return out


# --- Libraries


def columns_of(value: Any) -> Columns | None:
    """Return the columns of a frame, series or table; None if value is none of them."""
    for library, open_columns in LIBRARIES.items():
        module = sys.modules.get(library)
        columns = None if module is None else open_columns(module, value)
        if columns is not None:
            return columns
    return None


def column_of(value: Any, column: int) -> str:
    """Return a column of what was handed in, in words."""
    columns, label = columns_of(value), None
    if columns is not None and columns.labels is not None:
        label = columns.labels[column]
    if _is_a(value, sys.modules.get("xarray"), "DataArray") and value.ndim == 2:
        index = value.indexes.get(value.dims[1])
        label = None if index is None else index[column]
    return column_named(column, label)


def _is_a(value: Any, module: Any, *names: str) -> bool:
    """Return whether value has one of a module's types; another module of that name may have none."""
    found = (getattr(module, name, None) for name in names)
    return isinstance(value, tuple(each for each in found if isinstance(each, type)))


def _first(mask: Any) -> int | None:
    rows = np.flatnonzero(np.asarray(mask))
    return int(rows[0]) if len(rows) else None


def _of_pandas(pandas: Any, value: Any) -> Columns | None:
    if _is_a(value, pandas, "DataFrame"):
        columns = (value.iloc[:, j] for j in range(value.shape[1]))
        return Columns(list(value.columns), columns, _read_pandas, _whole_of_pandas(value))
    extensions = getattr(getattr(pandas, "api", None), "extensions", None)
    if _is_a(value, pandas, "Series", "Index") or _is_a(value, extensions, "ExtensionArray"):
        return Columns(None, [pandas.Series(value)], _read_pandas)
    return None


def _whole_of_pandas(frame: Any) -> Callable[[], np.ndarray] | None:
    """Return what makes an array of a frame of plain columns; None if that is a large copy, not C-ordered."""
    dtypes = set(frame.dtypes)
    if not all(isinstance(dtype, np.dtype) and dtype.num in REAL for dtype in dtypes):
        return None
    if len(dtypes) == 1:
        return frame.to_numpy
    small = dtypes and frame.size * 8 <= at.MAX_COPY_BYTES
    return partial(frame.to_numpy, dtype=working(np.result_type(*dtypes))) if small else None


def _read_pandas(series: Any) -> tuple[int | None, Any]:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return None, series.to_numpy()
    if hasattr(series, "sparse"):
        return None, series.sparse.to_dense().to_numpy()
    row = _first(series.isna())
    if row is not None:
        return row, None
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.num in REAL:
        return None, series.to_numpy(numpy_dtype)
    return None, np.asarray(series)


def _of_polars(polars: Any, value: Any) -> Columns | None:
    if _is_a(value, polars, "DataFrame"):
        return Columns(value.columns, value.get_columns(), _read_polars)
    if _is_a(value, polars, "Series"):
        return Columns(None, [value], _read_polars)
    return None


def _read_polars(series: Any) -> tuple[int | None, Any]:
    if series.null_count():
        return _first(series.is_null().to_numpy()), None
    if str(series.dtype) in ("Int128", "UInt128"):  # NumPy has no such integers
        return None, np.array(series.to_list(), object)
    return None, series.to_numpy()


def _of_arrow(arrow: Any, value: Any) -> Columns | None:
    if _is_a(value, arrow, "Table", "RecordBatch"):
        return Columns(value.schema.names, value.columns, _read_arrow)
    if _is_a(value, arrow, "Array", "ChunkedArray"):
        return Columns(None, [value], _read_arrow)
    return None


def _read_arrow(column: Any) -> tuple[int | None, Any]:
    return (_first(column.is_null()) if column.null_count else None), np.asarray(column)


#: The libraries whose frames are read column by column, and what opens them.
LIBRARIES: dict[str, Callable[[Any, Any], Columns | None]] = {
    "pandas": _of_pandas,
    "polars": _of_polars,
    "pyarrow": _of_arrow,
}
