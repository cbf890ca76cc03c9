"""Arrays in: whatever the caller has becomes samples in the working dtype, measured once.

Here, and nowhere else, dtypes and layouts are dealt with. Kernels see aligned C-ordered float32 or float64
alone: the caller's own memory where it is that, a copy where one is small, and otherwise one slab of rows
after the other, so that no large array is ever copied as a whole.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.bins import (
    GROUP,
    HUGE,
    LOWEST,
    MANY_ROWS,
    MAX_FEATURES,
    SCALE,
    SHRINK,
    SPECIALS,
    part_exponent,
)
from numbakmeans._engine.exact import mend_means
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.structs.sums import Bins, Ranges, Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import group

SURVEY = Driver("numbakmeans._engine.kernels.ranges", "survey")
ADD_LABELLED = Driver("numbakmeans._engine.kernels.sums", "add_labelled")
MEANS = Driver("numbakmeans._engine.kernels.means", "means")

#: Rows beyond this could overflow the exact sums (`kernels.sums`).
MAX_SAMPLES = 2**35
#: Labels are int32.
MAX_CLUSTERS = 2**31 - 1

NO_TRANSFORM = Transform(np.empty(0), 0.0, False)

T = TypeVar("T")


class computed_once(Generic[T]):  # noqa: N801, a decorator
    """`functools.cached_property` without the lock that all instances share in Python 3.11.

    Threads would wait for each other's sweeps, and a forked child for a thread that it does not have.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self._name = compute, compute.__name__

    def __get__(self, instance: Any, _owner: type) -> T:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


def as_real(value: Any, name: str) -> np.ndarray:
    """Return value as an array of real numbers, of any dtype and layout: no copy of an array.

    Raises
    ------
    TypeError : not an array of real numbers, or a masked array with a mask
    ValueError : cannot be read as an array
    """
    # NumPy imports that module for who asks, which takes longer than many a call.
    masked = sys.modules.get("numpy.ma")
    if isinstance(value, getattr(masked, "MaskedArray", ())) and np.ma.is_masked(value):
        raise TypeError(f"{name} is a masked array with masked values: fill or drop them first")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "biuf" or (kind == "f" and (size > 8 or array.dtype.char == "g")):
        raise TypeError(
            f"{name} must hold real numbers (bool, integer, float16, float32 or float64), "
            f"got dtype {array.dtype}"
        )
    return array


def working_dtype(array: np.ndarray) -> np.dtype:
    """Return float32 for float16 and float32, float64 for all other real numbers."""
    single = array.dtype.kind == "f" and array.dtype.itemsize < 8
    return np.dtype(np.float32 if single else np.float64)


def as_working(value: Any, name: str) -> np.ndarray:
    """Return value as an aligned C-ordered array of its working dtype; errors as in `as_real`."""
    array = as_real(value, name)
    return np.require(array, working_dtype(array), ["C_CONTIGUOUS", "ALIGNED"])


def padded(n_features: int) -> int:
    """Return the features of a block: the next multiple of the group that the kernels add at once."""
    return max(GROUP, -(-n_features // GROUP) * GROUP)


def _read_only(array: np.ndarray) -> np.ndarray:
    # Kernels know read-only arrays alone: one signature to compile for each working dtype.
    view = array.view()
    view.flags.writeable = False
    return view


class Samples:
    """Rows in the working dtype, and what a sweep over them found.

    Parameters
    ----------
    array : (n_samples, n_features), any real numbers in any layout, at least one element

    Attributes
    ----------
    shape : (n_samples, n_features)
    dtype, single : the working dtype, and whether it is float32
    X : all rows, read-only; None where they come in slabs
    memory : what others may still take (`_plan.Memory`)
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.size = array, array.shape, array.size
        self.dtype = working_dtype(array)
        self.single = self.dtype == np.float32
        ready = array.dtype == self.dtype and array.flags.c_contiguous and array.flags.aligned
        self.slab_rows, self.memory = _plan.intake(array.shape, array.itemsize, self.dtype.itemsize, ready)
        self.X: np.ndarray | None = None
        if self.slab_rows == len(array):
            self.X = _read_only(np.require(array, self.dtype, ["C_CONTIGUOUS", "ALIGNED"]))

    def __len__(self) -> int:
        return len(self.array)

    def rows(self, index: Any) -> np.ndarray:
        """Return a float64 copy of some rows."""
        return self.array[index].astype(self.dtype).astype(np.float64)

    @computed_once
    def _buffer(self) -> np.ndarray:
        return np.empty((self.slab_rows, self.shape[1]), self.dtype)

    def converted(self, *parts: slice) -> np.ndarray:
        """Return rows of the caller's array, one part after the other, until the next call."""
        filled = 0
        for part in parts:
            rows = self.array[part]
            np.copyto(self._buffer[filled : filled + len(rows)], rows)
            filled += len(rows)
        return _read_only(self._buffer[:filled])

    def slabs(self, edges: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Find all rows once, in slabs: where they are, and the rows, read-only, until the next slab.

        edges : ascending, from 0 to n_samples, where a slab may end; no more than `slab_rows` apart
        """
        if self.X is not None:
            yield slice(0, len(self)), self.X
            return
        start = 0
        while start < len(self):
            stop = min(start + self.slab_rows, len(self))
            if edges is not None:
                stop = int(edges[np.searchsorted(edges, stop, side="right") - 1])
            yield slice(start, stop), self.converted(slice(start, stop))
            start = stop

    @computed_once
    def wide(self) -> np.ndarray:
        """All rows in float64, of data that is there as a whole: few rows are worked on in it, whatever they
        are.
        """
        whole = np.asarray(self.X)
        return whole if not self.single else _read_only(whole.astype(np.float64))

    @property
    def few(self) -> bool:
        """Whether there are so few values that one kernel, of float64, serves for both working dtypes."""
        return self.X is not None and self.size <= _plan.SMALL_VALUES

    @property
    def many(self) -> bool:
        """Whether the rows are so many that the bins of exact sums are cut in two."""
        return len(self) >= MANY_ROWS

    @computed_once
    def measured(self) -> tuple[np.ndarray, Ranges]:
        """Largest magnitude of each column (n_features,), and what exact sums need to know."""
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
        return largest, Ranges(ends, n_parts, finite)

    @property
    def ranges(self) -> Ranges:
        return self.measured[1]

    @computed_once
    def finite(self) -> bool:
        """Whether all values are finite: of few, NumPy tells without a kernel."""
        return bool(np.isfinite(np.asarray(self.X)).all()) if self.few else self.measured[1].finite

    @computed_once
    def bins(self) -> Bins:
        """Where the parts of the exact sums lie, as `kernels.sums.make_bins` tells it."""
        ends, n_parts, _ = self.ranges
        distinct = set(ends.tolist())
        parts = {end: [part_exponent(end, p, self.many) for p in range(n_parts)] for end in distinct}
        exponents = np.array([parts[end] for end in ends.tolist()], np.int64).T.copy()
        huge = ends > HUGE
        shifts = np.zeros(exponents.shape, np.int64)
        shifts[0, huge] = SCALE
        return Bins(exponents, np.ldexp(1.5, 52 + exponents - shifts), np.where(huge, SHRINK, 1.0))

    def transform(self, wide: np.ndarray) -> Transform:
        """Return the frame for starting centers (n_clusters, padded features): later lie no further out."""
        n_features = self.shape[1]
        origin = np.zeros(n_features)
        if not self.finite or n_features > MAX_FEATURES:
            return Transform(origin, 0.0, False)
        with np.errstate(over="ignore", invalid="ignore"):
            # A value of the working dtype: subtracting it rounds once.
            centers = wide[:, :n_features]
            origin = centers.mean(0).astype(self.dtype).astype(np.float64)
            around_zero, around_origin = (centers**2).sum(), ((centers - origin) ** 2).sum()
        if around_zero <= _plan.IDENTITY_RATIO * around_origin:
            scale = scale_for(self.measured[0], wide, n_features, np.zeros(n_features))
            if 2.0**-16 <= scale <= 2.0**16:
                return Transform(np.zeros(n_features), 1.0, True)
        return Transform(origin, scale_for(self.measured[0], wide, n_features, origin), False)

    def tables(self, n_clusters: int, n_tasks: int) -> Sums:
        """Return exact sums of nothing; padding keeps the cache lines of slots apart."""
        n_features = self.shape[1]
        rows = self.ranges.n_parts + (0 if self.finite else SPECIALS)
        spare, spare_counts = (-(-16 // (rows * n_features)), 16) if n_tasks > 1 else (0, 0)
        tables = Sums(
            self.bins,
            np.zeros((n_tasks, n_clusters + spare, rows, n_features), np.int64),
            np.zeros((n_tasks, n_clusters + spare_counts), np.int64),
            np.zeros(n_clusters, np.int64),
            np.zeros((n_clusters, n_features), np.bool_),
        )
        return group(tables)


#: Beyond it, and below its inverse, squares overflow or vanish in the definition: only the definition knows.
LIMIT = 2.0**400


def scale_for(largest: np.ndarray, centers: np.ndarray, n_features: int, origin: np.ndarray) -> float:
    """Return the power of two that brings |x - origin| and |c - origin| to about 1, or 0 if none will do.

    largest : (n_features,), largest magnitudes of X; centers : (n_clusters, padded features)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        reach = (np.abs(centers[:, :n_features]) + np.abs(origin)).max()
        top = max((largest + np.abs(origin)).max(), reach)
    # Written so that a NaN is refused.
    if not (reach < LIMIT and 1.0 / LIMIT < top < LIMIT):
        return 0.0
    return math.ldexp(1.0, -math.frexp(top)[1])


def update_means(samples: Samples, tables: Sums, single: bool, centers: np.ndarray) -> None:
    """Replace centers (n_clusters, padded features) by the means in the tables, and write the sizes."""
    n_clusters = len(centers)
    # A mean costs about as much as a thousand elementary steps.
    plan = _plan.sweep((n_clusters, samples.shape[1]), work=1000 * n_clusters * samples.shape[1])
    run = MEANS.on(plan.parallel)
    if run(tables, single, plan.chunk_rows, centers):
        mend_means(tables, single, centers)


def labelled_means(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean of the rows of each label, rounded once to the working dtype, and their number.

    The mean of no rows is 0.
    """
    n_features = samples.shape[1]
    tables = _labelled_sums(samples, labels, n_clusters)
    centers = np.zeros((n_clusters, padded(n_features)))
    update_means(samples, tables, samples.single, centers)
    return centers[:, :n_features].astype(samples.dtype), tables.sizes


def column_means(samples: Samples, single: bool = False, divisor: int | None = None) -> np.ndarray:
    """Return the exact mean of each column, rounded once to float64 (or to float32 values).

    divisor : what to divide the sums by, the number of rows unless given
    """
    tables = _labelled_sums(samples, np.zeros(len(samples), np.int32), 1)
    if divisor is not None:
        tables.counts[:, 0] = 0
        tables.counts[0, 0] = divisor
    centers = np.zeros((1, samples.shape[1]))
    update_means(samples, tables, single, centers)
    return centers[0]


def exact_total(samples: Samples) -> int:
    """Return the exact sum of all values, which are finite, in units of 2**LOWEST."""
    sums = _labelled_sums(samples, np.zeros(len(samples), np.int32), 1).sums[:, 0].sum(0).tolist()
    pairs = zip(sums, samples.bins[0].tolist(), strict=True)
    return sum(part << exponent - LOWEST for row in pairs for part, exponent in zip(*row, strict=True))


def _labelled_sums(samples: Samples, labels: np.ndarray, n_clusters: int) -> Sums:
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    tables = samples.tables(n_clusters, plan.n_tasks)
    run = ADD_LABELLED.on(plan.parallel)
    for rows, X in samples.slabs() if not samples.few else [(slice(None), samples.wide)]:
        run(X, labels[rows], plan.chunk_rows, tables)
    return tables
