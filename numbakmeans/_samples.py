"""Arrays in: whatever the caller has becomes samples in the working dtype, measured once.

Here, and nowhere else, dtypes and layouts are dealt with. Kernels see aligned C-ordered float32 or float64
alone: the caller's own memory where it is that, a copy where one is small, and otherwise one slab of rows
after the other, so that no large array is ever copied as a whole.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from numbakmeans import _interpreted, _plan
from numbakmeans._kernels.canonical import GROUP
from numbakmeans._kernels.certify import MAX_FEATURES
from numbakmeans._kernels.means import means
from numbakmeans._kernels.pack import scale_for
from numbakmeans._kernels.ranges import measure
from numbakmeans._kernels.room import NO_ROOM
from numbakmeans._kernels.sums import SPECIALS, add_labelled, make_grids, part_bits
from numbakmeans._slots import Entry

#: Rows beyond this could overflow the exact sums (`_kernels.sums`).
MAX_SAMPLES = 2**35
#: Labels are int32.
MAX_CLUSTERS = 2**31 - 1

GRIDS = Entry(make_grids)

Grids = tuple[np.ndarray, np.ndarray, np.ndarray]
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


class Frame(NamedTuple):
    """The origin (n_features,) and the scale of what the tile sees; scale 0 where the data has none.

    as_is : the origin is zero and the scale 1, so that the tile can see the data as it is
    """

    origin: np.ndarray
    scale: float
    as_is: bool = False


UNFRAMED = Frame(np.empty(0), 0.0)


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
    def ranges(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Largest magnitude and finest bit of each column (n_slots, n_features); all values finite?"""
        n_features = self.shape[1]
        plan = _plan.sweep(self.shape, work=8 * self.size)
        largest = np.zeros((plan.n_slots, n_features))
        finest = np.full((plan.n_slots, n_features), np.inf)
        finite = np.ones(plan.n_slots, np.bool_)
        for _, X in self.slabs():
            run = measure.by(_interpreted.measure, X.dtype, plan.work, plan.parallel)
            run(X, largest, finest, finite, NO_ROOM)
        return largest, finest, bool(finite.all())

    @property
    def finite(self) -> bool:
        return self.ranges[2]

    @computed_once
    def grids(self) -> Grids:
        """Exponents, constants and scales of the exact sums."""
        largest, finest, _ = self.ranges
        run = GRIDS.by(_interpreted.make_grids, largest.dtype, self.shape[1])
        return run(largest, finest, part_bits(len(self)), NO_ROOM)

    def frame(self, wide: np.ndarray) -> Frame:
        """Return the frame for starting centers (n_clusters, padded features): later lie no further out."""
        n_features = self.shape[1]
        origin = np.zeros(n_features)
        if not self.finite or n_features > MAX_FEATURES:
            return Frame(origin, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            # A value of the working dtype: subtracting it rounds once.
            centers = wide[:, :n_features]
            origin = centers.mean(0).astype(self.dtype).astype(np.float64)
            around_zero, around_origin = (centers**2).sum(), ((centers - origin) ** 2).sum()
        if around_zero <= _plan.AS_IS * around_origin:
            scale = scale_for(self.ranges[0], wide, n_features, np.zeros(n_features))
            if 2.0**-16 <= scale <= 2.0**16:
                return Frame(np.zeros(n_features), 1.0, True)
        return Frame(origin, scale_for(self.ranges[0], wide, n_features, origin))

    def tables(self, n_clusters: int, n_slots: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tables of sums and counts, all zero; `_kernels.sums` has their layout."""
        n_parts, n_features = self.grids[0].shape
        rows = n_parts + (0 if self.finite else SPECIALS)
        spare = -(-16 // (rows * n_features))
        sums = np.zeros((n_slots, n_clusters + spare, rows, n_features), np.int64)
        return sums, np.zeros((n_slots, n_clusters + 16), np.int64)


def precision(single: bool) -> tuple[int, int]:
    """Return mantissa bits and finest exponent of float32 or float64."""
    return (24, -149) if single else (53, -1074)


def update_means(
    samples: Samples, sums: np.ndarray, counts: np.ndarray, single: bool, centers: np.ndarray
) -> np.ndarray:
    """Replace centers (n_clusters, padded features) by the means in the tables; return the sizes."""
    n_clusters = len(centers)
    exponents = samples.grids[0]
    # A mean costs about as much as a thousand elementary steps.
    plan = _plan.sweep((n_clusters, exponents.shape[1]), work=1000 * n_clusters * exponents.shape[1])
    sizes = np.empty(n_clusters, np.int64)
    options = (*precision(single), plan.chunk_rows)
    run = means.by(_interpreted.means, sums.dtype, plan.work, plan.parallel)
    run(sums, counts, exponents, *options, centers, sizes, NO_ROOM)
    return sizes


def labelled_means(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean of the rows of each label, rounded once to the working dtype, and their number.

    The mean of no rows is 0.
    """
    n_features = samples.shape[1]
    sums, counts = _labelled_sums(samples, labels, n_clusters)
    centers = np.zeros((n_clusters, padded(n_features)))
    sizes = update_means(samples, sums, counts, samples.single, centers)
    return centers[:, :n_features].astype(samples.dtype), sizes


def column_means(samples: Samples, single: bool = False, divisor: int | None = None) -> np.ndarray:
    """Return the exact mean of each column, rounded once to float64 (or to float32 values).

    divisor : what to divide the sums by, the number of rows unless given
    """
    sums, counts = _labelled_sums(samples, np.zeros(len(samples), np.int32), 1)
    if divisor is not None:
        counts[:, 0] = 0
        counts[0, 0] = divisor
    centers = np.zeros((1, samples.shape[1]))
    update_means(samples, sums, counts, single, centers)
    return centers[0]


def _labelled_sums(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    sums, counts = samples.tables(n_clusters, plan.n_slots)
    tables = (*samples.grids[1:], sums, counts)
    run = add_labelled.by(_interpreted.add_labelled, samples.dtype, plan.work, plan.parallel)
    for rows, X in samples.slabs():
        run(X, labels[rows], plan.chunk_rows, *tables, NO_ROOM)
    return sums, counts
