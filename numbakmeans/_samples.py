"""Arrays in: whatever the caller has becomes samples in the working dtype, measured once.

Here, and nowhere else, dtypes, layouts, ranks and finiteness are checked. Messages start with SciPy's
sentence where SciPy raises too, and name the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from numbakmeans import _plan
from numbakmeans._kernels.canonical import GROUP
from numbakmeans._kernels.certify import MAX_FEATURES
from numbakmeans._kernels.exact import SPECIALS, add_labelled, make_grids, means, measure, part_bits
from numbakmeans._kernels.pack import scale_for

#: Rows beyond this could overflow the exact sums (`_kernels.exact`).
MAX_SAMPLES = 2**35
#: Labels are int32.
MAX_CLUSTERS = 2**31 - 1

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
    """The origin (n_features,) and the scale of packed buffers; scale 0 where the data has none."""

    origin: np.ndarray
    scale: float


UNFRAMED = Frame(np.empty(0), 0.0)


def as_working(value: Any, name: str) -> np.ndarray:
    """Return value as an aligned C-ordered array of its working dtype, float32 or float64.

    Raises
    ------
    TypeError : not an array of real numbers, or a masked array with a mask
    ValueError : cannot be read as an array
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(f"{name} is a masked array with masked values: fill or drop them first")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    kind, size = array.dtype.kind, array.dtype.itemsize
    dtype = np.float64 if kind in "biu" or size == 8 else np.float32
    if kind not in "biuf" or (kind == "f" and (size > 8 or array.dtype.char == "g")):
        raise TypeError(
            f"{name} must hold real numbers (bool, integer, float16, float32 or float64), "
            f"got dtype {array.dtype}"
        )
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def padded(n_features: int) -> int:
    """Return the features of a block: the next multiple of the group that the kernels add at once."""
    return max(GROUP, -(-n_features // GROUP) * GROUP)


class Samples:
    """Rows in the working dtype, read-only, and what a sweep over them found.

    Parameters
    ----------
    array : (n_samples, n_features), float32 or float64, C-order, at least one element
    """

    def __init__(self, array: np.ndarray) -> None:
        # Kernels know read-only arrays alone: one signature to compile for each working dtype.
        self.X = array.view()
        self.X.flags.writeable = False
        self.single = array.dtype == np.float32

    @computed_once
    def ranges(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Largest magnitude and finest bit of each column (n_slots, n_features); all values finite?"""
        X = self.X
        plan = _plan.sweep(X.shape, work=8 * X.size)
        largest = np.zeros((plan.n_slots, X.shape[1]))
        finest = np.full((plan.n_slots, X.shape[1]), np.inf)
        finite = np.ones(plan.n_slots, np.bool_)
        measure.on(plan.parallel)(X, plan.chunk_rows, largest, finest, finite)
        return largest, finest, bool(finite.all())

    @property
    def finite(self) -> bool:
        return self.ranges[2]

    @computed_once
    def grids(self) -> Grids:
        """Exponents, constants and scales of the exact sums."""
        largest, finest, _ = self.ranges
        return make_grids(largest, finest, part_bits(len(self.X)))

    def frame(self, wide: np.ndarray) -> Frame:
        """Return the frame for starting centers (n_clusters, padded features): later lie no further out."""
        n_features = self.X.shape[1]
        origin = np.zeros(n_features)
        if not self.finite or n_features > MAX_FEATURES:
            return Frame(origin, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            # A value of the working dtype: subtracting it rounds once.
            origin = wide[:, :n_features].mean(0).astype(self.X.dtype).astype(np.float64)
        return Frame(origin, scale_for(self.ranges[0], wide, n_features, origin))

    def tables(self, n_clusters: int, n_slots: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tables of sums and counts, all zero; `_kernels.exact` has their layout."""
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
    means.on(plan.parallel)(sums, counts, exponents, *precision(single), plan.chunk_rows, centers, sizes)
    return sizes


def labelled_means(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact mean of the rows of each label, rounded once to the working dtype, and their number.

    The mean of no rows is 0.
    """
    X = samples.X
    sums, counts = _labelled_sums(samples, labels, n_clusters)
    centers = np.zeros((n_clusters, padded(X.shape[1])))
    sizes = update_means(samples, sums, counts, samples.single, centers)
    return centers[:, : X.shape[1]].astype(X.dtype), sizes


def column_means(samples: Samples, single: bool = False, divisor: int | None = None) -> np.ndarray:
    """Return the exact mean of each column, rounded once to float64 (or to float32 values).

    divisor : what to divide the sums by, the number of rows unless given
    """
    X = samples.X
    sums, counts = _labelled_sums(samples, np.zeros(len(X), np.int32), 1)
    if divisor is not None:
        counts[:, 0] = 0
        counts[0, 0] = divisor
    centers = np.zeros((1, X.shape[1]))
    update_means(samples, sums, counts, single, centers)
    return centers[0]


def _labelled_sums(samples: Samples, labels: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    X = samples.X
    plan = _plan.sweep(X.shape, work=8 * X.size)
    sums, counts = samples.tables(n_clusters, plan.n_slots)
    _, constants, scales = samples.grids
    add_labelled.on(plan.parallel)(X, labels, plan.chunk_rows, constants, scales, sums, counts)
    return sums, counts
