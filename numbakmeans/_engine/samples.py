"""Input arrays: the caller's data as rows in the working dtype, measured once.

Only this module deals with dtypes and layouts. Kernels see nothing but aligned, C-ordered float32 or float64:
the caller's own memory if it qualifies, a copy if that is small, and otherwise one slab of rows after the
other, so that no large array is ever copied as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.bins import (
    GROUP,
    HUGE,
    LEAST,
    LIMIT,
    MANY_ROWS,
    SCALE,
    SHRINK,
    SPECIALS,
    part_exponent,
)
from numbakmeans._engine.containers import REAL, column_of, working
from numbakmeans._engine.containers import as_real as _as_real
from numbakmeans._engine.exact import recompute_means, weighted_means
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.structs.sums import Bins, Ranges, Sums
from numbakmeans._engine.transforms import NO_TRANSFORM, transform_for
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry, group

SURVEY = Driver("numbakmeans._engine.kernels.ranges", "survey")
COUNT_PARTS = Entry("numbakmeans._engine.kernels.ranges", "count_parts")
ADD_LABELED = Driver("numbakmeans._engine.kernels.sums", "add_labeled")
MEANS = Driver("numbakmeans._engine.kernels.means", "means")

#: More rows than this could overflow the exact sums (`kernels.sums`).
MAX_SAMPLES = 2**35
#: Labels are int32.
MAX_CLUSTERS = 2**31 - 1

T = TypeVar("T")


class computed_once(Generic[T]):  # noqa: N801, a decorator
    """`functools.cached_property` without the lock that all instances share in Python 3.11.

    With it, threads would wait for each other's sweeps, and a forked child for a thread it does not have.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self._name = compute, compute.__name__

    def __get__(self, instance: Any, _owner: type) -> T:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


def as_real(value: Any, name: str) -> np.ndarray:
    """Return value as an array of real numbers, of any dtype and layout; an array is not copied.

    `containers.as_real` says what is read, and what raises which error.
    """
    if type(value) is np.ndarray and value.dtype.num in REAL:
        return value
    return _as_real(value, name)


def working_dtype(array: np.ndarray | RowSource) -> np.dtype:
    """Return float32 for float16 and float32, float64 for all other real numbers."""
    return working(array.dtype)


def as_working(value: Any, name: str) -> np.ndarray:
    """Return value as an aligned C-ordered array of its working dtype; errors as in `as_real`."""
    array = as_real(value, name)
    return _as_required(array, working_dtype(array))


def as_doubles(array: np.ndarray) -> np.ndarray:
    """Return real numbers as an aligned C-ordered array of float64; one that is so already is not copied."""
    return _as_required(array, np.dtype(np.float64))


def _as_required(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    flags = array.flags
    # As `np.require` does, which takes ten times as long to find out that there is nothing to do.
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def padded(n_features: int) -> int:
    """Return the padded number of features: the next multiple of the group that kernels add at once."""
    return max(GROUP, -(-n_features // GROUP) * GROUP)


def not_finite(X: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield row and column of each non-finite value, piece by piece: X may be mapped from a large file."""
    step = max(at.MAX_SLAB_BYTES // (16 * X.shape[1]), 1)  # an index pair is two int64
    for start in range(0, len(X), step):
        for row, column in np.argwhere(~np.isfinite(X[start : start + step])):
            yield start + int(row), int(column)


def _read_only(array: np.ndarray) -> np.ndarray:
    # Kernels must not write to the caller's data.
    view = array.view()
    view.flags.writeable = False
    return view


class Samples:
    """Rows in the working dtype, and properties of the data that a sweep over them finds.

    Parameters
    ----------
    array : (n_samples, n_features), any real numbers in any layout, at least one element; or a
        `RowSource`
    weights : (n_samples,), float64, finite, at least 0, some above; None if all rows count alike

    Attributes
    ----------
    shape : (n_samples, n_features)
    dtype, single : the working dtype, and whether it is float32
    X : all rows, read-only; None if they come in slabs
    """

    def __init__(self, array: np.ndarray | RowSource, weights: np.ndarray | None = None) -> None:
        self.array: Any = array
        self.shape, self.size, self.weights = array.shape, array.size, weights
        self.dtype = working_dtype(array)
        self.single = self.dtype == np.float32
        self._ready = array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned
        # Reading ahead takes two buffers.
        self._n_buffers = 2 if isinstance(array, RowSource) and array.reads_ahead else 1
        self._buffered = self._n_buffers * self.dtype.itemsize
        self.slab_rows = _plan.slab_rows(array.shape, self._buffered, self._ready)
        self.X: np.ndarray | None = None
        if self.slab_rows == len(array):
            whole: Any = array
            self.X = _read_only(_as_required(whole, self.dtype))

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, index: Any) -> np.ndarray:
        """Return a float64 copy of the rows at an index, rounded to the working dtype."""
        return self.array[index].astype(self.dtype).astype(np.float64)

    @computed_once
    def memory(self) -> _plan.Memory:
        """The working memory that is left for algorithms."""
        return _plan.memory(self.shape, self.array.itemsize, self._buffered, self._ready)

    @computed_once
    def _buffers(self) -> list[np.ndarray]:
        return [np.empty((self.slab_rows, self.shape[1]), self.dtype) for _ in range(self._n_buffers)]

    def converted(self, *parts: slice, buffer: int = 0) -> np.ndarray:
        """Return parts of the caller's rows, concatenated and converted; valid until the next call.

        buffer : the number of the buffer that holds them
        """
        if len(parts) == 1 and isinstance(self.array, RowSource) and self.array.dtype == self.dtype:
            ready = self.array.in_place(parts[0])
            if ready is not None:
                return _read_only(ready)
        filled, room = 0, self._buffers[buffer]
        for part in parts:
            count = len(range(*part.indices(len(self))))
            target = room[filled : filled + count]
            if isinstance(self.array, RowSource):
                self.array.write(part, target)
            else:
                np.copyto(target, self.array[part])
            filled += count
        return _read_only(room[:filled])

    def slabs(self, edges: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield all rows, in slabs: their range, and the rows, read-only and valid until the next slab.

        edges : where slabs may end, ascending from 0 to n_samples, no more than `slab_rows` apart
        """
        if self.X is not None:
            yield slice(0, len(self)), self.X
            return
        parts, start = [], 0
        while start < len(self):
            stop = min(start + self.slab_rows, len(self))
            if edges is not None:
                stop = int(edges[np.searchsorted(edges, stop, side="right") - 1])
            parts.append(slice(start, stop))
            start = stop
        if self._n_buffers > 1:
            yield from self._read_ahead(parts)
            return
        for part in parts:
            yield part, self.converted(part)

    def _read_ahead(self, parts: list[slice]) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slabs, and write the next one in another thread while one is computed on."""
        # Imported here, as it takes longer than many calls.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self.converted, parts[0], buffer=0)
            for t, part in enumerate(parts):
                X = coming.result()
                if t + 1 < len(parts):
                    coming = reader.submit(self.converted, parts[t + 1], buffer=(t + 1) % self._n_buffers)
                yield part, X

    @computed_once
    def wide(self) -> np.ndarray:
        """All rows in float64; X must not be None. Kernels for few rows take float64 for either dtype."""
        whole = np.asarray(self.X)
        return whole if not self.single else _read_only(whole.astype(np.float64))

    @property
    def few(self) -> bool:
        """Whether there are so few values that one float64 kernel is used for both working dtypes."""
        return self.X is not None and self.size <= at.MAX_SMALL_VALUES

    @property
    def many(self) -> bool:
        """Whether there are so many rows that the bins of exact sums must be halved."""
        return len(self) >= MANY_ROWS

    @computed_once
    def measured(self) -> tuple[np.ndarray, np.ndarray, Ranges]:
        """Largest magnitude and finest bit of each column (n_features,), and the `Ranges` of the values."""
        n_features = self.shape[1]
        largest, finest, ends = (
            np.zeros(n_features),
            np.full(n_features, np.inf),
            np.empty(n_features, np.int64),
        )
        plan = _plan.sweep(self.shape, work=8 * self.size)
        n_parts, finite = 1, True
        run = SURVEY.on(plan.parallel)
        for _, X in [(None, self.wide)] if self.few else self.slabs():
            n_parts, finite_here = run(plan.n_tasks, X, self.many, (largest, finest, ends))
            finite = finite and finite_here
        return largest, finest, Ranges(ends, n_parts, finite)

    @computed_once
    def scaled_weights(self) -> tuple[np.ndarray, int]:
        """The weights, and an exponent e: times 2**-e, the largest of them is at least 0.5 and below 1."""
        weights = np.asarray(self.weights)
        exponent = math.frexp(weights.max())[1]
        return np.ldexp(weights, -exponent), exponent

    @computed_once
    def _products(self) -> tuple[np.ndarray, np.ndarray]:
        """Largest magnitudes and finest bits of the products of weights and values, and of the weights."""
        largest, finest, _ = self.measured
        weights = Samples(self.scaled_weights[0].reshape(-1, 1))
        (most,), (least,), _ = weights.measured
        return np.append(largest * most, most), np.append(finest * least, least)

    @computed_once
    def summable(self) -> bool:
        """Whether products of weights and values can be split exactly; always true without weights.

        Not if one of them may overflow on the way, or have a bit below 2**LOWEST.
        """
        if self.weights is None:
            return True
        weights, exponent = self.scaled_weights
        exact = (np.ldexp(weights, exponent) == self.weights).all()
        return bool(exact and (self.measured[0] < LIMIT).all() and (self._products[1] > 0).all())

    @computed_once
    def kernel_weights(self) -> np.ndarray:
        """The weights as kernels take them; if products cannot be split, they only tell which rows count."""
        return self.scaled_weights[0] if self.summable else 0.5 * (np.asarray(self.weights) > 0)

    @computed_once
    def ranges(self) -> Ranges:
        """The `Ranges` of what is summed: the values, or with weights the products and the weights."""
        if self.weights is None:
            return self.measured[2]
        largest, finest = self._products
        ends = np.empty(len(largest), np.int64)
        n_parts = COUNT_PARTS(largest, np.maximum(finest, LEAST), self.many, ends)
        return Ranges(ends, n_parts, self.measured[2].finite)

    @computed_once
    def finite(self) -> bool:
        """Whether all values are finite; for few values NumPy finds out without a kernel."""
        return bool(np.isfinite(np.asarray(self.X)).all()) if self.few else self.measured[2].finite

    def first_not_finite(self, given: Any = None) -> str:
        """Return the first value that is not finite, and where it is, in words.

        given : what the caller handed in, whose columns may have names
        """
        places = ((rows, X, place) for rows, X in self.slabs() for place in not_finite(X))
        rows, X, (row, column) = next(places)
        return f"{X[row, column]} in row {rows.start + row}, {column_of(given, column)}"

    @computed_once
    def bins(self) -> Bins:
        """The bins of the exact sums; `kernels.sums.make_bins` is the same for kernels."""
        ends, n_parts, _ = self.ranges
        distinct = set(ends.tolist())
        parts = {end: [part_exponent(end, p, self.many) for p in range(n_parts)] for end in distinct}
        exponents = np.array([parts[end] for end in ends.tolist()], np.int64).T.copy()
        huge = ends > HUGE
        shifts = np.zeros(exponents.shape, np.int64)
        shifts[0, huge] = SCALE
        return Bins(exponents, np.ldexp(1.5, 52 + exponents - shifts), np.where(huge, SHRINK, 1.0))

    @property
    def surveyed(self) -> bool:
        """Whether it is known if all values are finite."""
        return "finite" in vars(self) or "measured" in vars(self)

    def take_as_finite(self) -> None:
        """Note that a sweep has found all values to be finite."""
        vars(self)["finite"] = True

    def transform(self, wide: np.ndarray) -> Transform:
        """Return the transform for starting centers (n_clusters, padded features).

        It also suits all later centers, which are no further out, or within the reach of the rows' source.
        """
        if not self.finite:
            return NO_TRANSFORM
        largest = np.maximum(self.measured[0], getattr(self.array, "reach", 0.0))
        return transform_for(largest, wide, self.dtype)

    def tables(self, n_clusters: int, n_tasks: int) -> Sums:
        """Return zeroed exact sums; padding keeps the tasks on separate cache lines."""
        rows, columns = self.ranges.n_parts + (0 if self.finite else SPECIALS), len(self.ranges.ends)
        spare, spare_counts = (-(-16 // (rows * columns)), 16) if n_tasks > 1 else (0, 0)
        tables = Sums(
            self.bins,
            np.zeros((n_tasks, n_clusters + spare, rows, columns), np.int64),
            np.zeros((n_tasks, n_clusters + spare_counts), np.int64),
            np.zeros(n_clusters, np.int64),
            np.zeros((n_clusters, self.shape[1]), np.bool_),
            None if self.weights is None else self.kernel_weights,
        )
        return group(tables)


def tables_of(tables: Sums, rows: Any) -> Sums:
    """Return exact sums with the weights of some rows alone, as kernels take them with these rows."""
    if tables.weights is None:
        return tables
    n_samples = len(tables.weights)
    whole = isinstance(rows, slice) and rows.indices(n_samples) == (0, n_samples, 1)
    return tables if whole else tables._replace(weights=tables.weights[rows])


def update_means(
    samples: Samples, tables: Sums, labels: np.ndarray, centers: np.ndarray, single: bool | None = None
) -> None:
    """Replace centers (n_clusters, padded features) by the means of exact sums, and write the sizes.

    labels : of all rows, used where products with weights cannot be split
    single : whether means are rounded to float32; that of the samples if None
    """
    n_clusters, single = len(centers), samples.single if single is None else single
    if not samples.summable:
        tables.sizes[:] = tables.counts[:, :n_clusters].sum(0)
        centers[:] = centers.astype(np.float32 if single else np.float64)
        weighted_means(samples.rows(slice(None)), np.asarray(samples.weights), labels, single, centers)
        return
    plan = _plan.means(n_clusters, samples.shape[1])
    run = MEANS.on(plan.parallel)
    if run(tables, single, plan.chunk_rows, centers):
        recompute_means(tables, single, centers)


def labeled_means(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean of the rows of each label, rounded once to the working dtype, and their number.
    With weights, weighted means, and the number of rows of weight above 0. The mean of no rows is 0.
    """
    n_features = samples.shape[1]
    tables = labeled_sums(samples, labels, n_clusters)
    centers = np.zeros((n_clusters, padded(n_features)))
    update_means(samples, tables, labels, centers)
    return centers[:, :n_features].astype(samples.dtype), tables.sizes


def labeled_totals(values: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the exact sum of the values of each label, rounded once."""
    samples = Samples(values.reshape(-1, 1))
    return totals_of(samples, labeled_sums(samples, labels, n_clusters))


def totals_of(samples: Samples, tables: Sums) -> np.ndarray:
    """Return the exact sums of a single column, rounded once."""
    n_clusters = len(tables.sizes)
    totals = np.zeros((n_clusters, padded(1)))
    # A mean over 1.
    tables.counts[:] = 0
    tables.counts[0, :n_clusters] = 1
    update_means(samples, tables, np.zeros(0, np.int32), totals, single=False)
    return totals[:, 0].copy()


def labeled_sums(samples: Samples, labels: np.ndarray, n_clusters: int) -> Sums:
    """Return the exact sums of the rows of each label."""
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    tables = samples.tables(n_clusters, plan.n_tasks)
    run = ADD_LABELED.on(plan.parallel)
    for rows, X in samples.slabs() if not samples.few else [(slice(None), samples.wide)]:
        run(X, labels[rows], plan.chunk_rows, tables_of(tables, rows))
    return tables
