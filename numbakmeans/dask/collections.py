"""Dask's collections as parts, and what is computed of all of them.

Everything is `dask.delayed`, so that it runs under every scheduler. Nothing is scattered: what a lost worker
held is made again from the collection that the user handed in.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed

from numbakmeans._engine.containers import KINDS, REAL, as_real
from numbakmeans._engine.parts.survey import Survey, merge_surveys, survey
from numbakmeans._engine.parts.whole import Whole
from numbakmeans._numba.runtime import one_thread

#: How many results a task merges.
FAN_IN = 8


def is_collection(X: Any) -> bool:
    """Return whether X is an array, a data frame or a series of Dask."""
    return isinstance(X, da.Array) or hasattr(X, "to_dask_array")


def as_array(X: Any, name: str) -> da.Array:
    """Return a collection as an array."""
    if not is_collection(X):
        raise TypeError(
            f"{name} must be an array or a data frame of Dask, got {type(X).__qualname__}; "
            "numbakmeans.KMeans takes data that is in memory"
        )
    array = X if isinstance(X, da.Array) else X.to_dask_array()
    if array.dtype.num not in REAL:
        raise TypeError(f"{name} must hold {KINDS}, got dtype {array.dtype}")
    return array


def as_rows(X: Any) -> da.Array:
    """Return a collection as an array of rows, which are not cut."""
    array = as_array(X, "X")
    if array.ndim != 2:
        raise ValueError(f"Expected 2D array, got {array.ndim}D array instead: X has shape {array.shape}")
    return array if array.numblocks[1] == 1 else array.rechunk({1: -1})


def on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function whose kernels use one thread: the threads of a worker have a task each."""
    with one_thread():
        return function(*map(aligned, arguments))


def aligned(value: Any) -> Any:
    """Return a value whose arrays are aligned; those that come from another process may not be."""
    if isinstance(value, np.ndarray):
        return value if value.flags.aligned else value.copy()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(aligned, value))
    return value


def compute(*what: Any) -> tuple[Any, ...]:
    """Return the values of what is delayed."""
    values: tuple[Any, ...] = dask.compute(*what)
    return values


def persist(*what: Delayed) -> list[Delayed]:
    """Return what is delayed, once its values are computed, or are being computed, where they lie."""
    return list(dask.persist(*what))


def require_workers() -> None:
    """Check that all workers, if there are any, have this version of the package.

    One that has not could not even read its tasks: it would be taken for lost, and the fit would never end.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return
    try:
        client = distributed.Client.current()
    except ValueError:  # there is none
        return
    # `eval` is known everywhere.
    found = client.run(eval, "__import__('numbakmeans').__version__", on_error="return")
    ours = sys.modules["numbakmeans"].__version__
    for address, version in found.items():
        if version != ours:
            has = "cannot import numbakmeans" if isinstance(version, Exception) else f"has {version}"
            raise RuntimeError(f"the worker {address} {has}: install numbakmeans {ours} on all workers")


class Parts:
    """The rows of a collection in parts that have rows, and what is known of them.

    Parameters
    ----------
    X : array or data frame, (n_samples, n_features), numbers of rows known or not
    sample_weight : array or series of Dask, array_like (n_samples,), a number, or None
    unit : whether rows are divided by their lengths

    Attributes
    ----------
    whole : what is known of all rows
    sizes, starts : the number of rows of each part, and that of its first row
    loads : the exact sum of the weights of each part

    Raises
    ------
    TypeError : X or sample_weight does not hold real numbers
    ValueError : shapes do not match, there is no row, or a value is not finite; it names chunk and row
    RuntimeError : a worker has not this version of the package
    """

    def __init__(self, X: Any, sample_weight: Any, unit: bool) -> None:
        require_workers()
        array = as_rows(X)
        weights = None if sample_weight is None else _as_weights(sample_weight, array)
        self._token, self._n_calls = uuid.uuid4().hex, 0
        self.blocks: list[Any] = array.to_delayed().ravel().tolist()
        self.weights: list[Any] = [None] * len(self.blocks)
        if weights is not None:
            self.weights = weights.to_delayed().ravel().tolist()
        found = self._look(array.dtype, array.shape[1], unit)
        self._refuse(found)
        keep = [part for part, size in enumerate(found.sizes) if size]
        self.blocks, self.weights = [self.blocks[p] for p in keep], [self.weights[p] for p in keep]
        self.sizes, self.loads = [found.sizes[p] for p in keep], [found.loads[p] for p in keep]
        self.starts = [0, *accumulate(self.sizes)]
        self.all_sizes = tuple(found.sizes)
        self.whole = Whole(
            self.starts[-1],
            array.dtype,
            found.largest,
            found.finest,
            unit,
            weights is not None,
            found.heaviest,
            found.lightest,
        )
        self.shared_whole = self.share("whole", self.whole)

    def __len__(self) -> int:
        return len(self.blocks)

    def _look(self, dtype: np.dtype, n_features: int, unit: bool) -> Survey:
        """Return what is found in all parts."""
        calls = [
            self._task("survey", p, survey, block, weights, dtype, n_features, unit)
            for p, (block, weights) in enumerate(zip(self.blocks, self.weights, strict=True))
        ]
        return self.reduce("survey", calls, merge_surveys)

    def _refuse(self, found: Survey) -> None:
        """Raise an error about the first part that cannot be used."""
        if found.fault is not None:
            part, row, words = found.fault
            place = f"row {row} of chunk {part} (row {sum(found.sizes[:part]) + row} of all)"
            raise ValueError(words.replace("{row}", place))
        if sum(found.sizes) == 0:
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required by KMeans.")
        if self.weights[0] is not None and found.heaviest == 0:
            raise ValueError("Sample weights must contain at least one non-zero number.")

    # --- Tasks

    def share(self, what: str, value: Any) -> Delayed:
        """Return a value as one task, which all others can refer to."""
        return delayed(value, name=f"kmeans-{what}-{self._next()}", traverse=False)

    def _next(self) -> str:
        self._n_calls += 1
        return f"{self._token}{self._n_calls}"

    def _task(self, what: str, number: int, function: Callable[..., Any], *arguments: Any) -> Delayed:
        name = f"kmeans-{what}-{self._next()}-{number}"
        return delayed(on_one_thread, pure=False, traverse=False)(function, *arguments, dask_key_name=name)

    def each(
        self,
        what: str,
        function: Callable[..., Any],
        arguments: Callable[[int], tuple[Any, ...]],
        parts: Sequence[int] | None = None,
    ) -> list[Delayed]:
        """Return a call for each part, or for some.

        function : takes what `arguments` returns for the number of a part
        """
        numbers = range(len(self)) if parts is None else parts
        return [self._task(what, p, function, *arguments(p)) for p in numbers]

    def rows(self, part: int) -> tuple[Any, Any, Delayed]:
        """Return what many functions take first: the block of a part, its weights, and the whole."""
        return self.blocks[part], self.weights[part], self.shared_whole

    def reduce(self, what: str, calls: list[Delayed], merge: Callable[[Sequence[Any]], Any]) -> Any:
        """Return the merged results of calls, which a tree of tasks makes."""
        while True:
            groups = [calls[start : start + FAN_IN] for start in range(0, len(calls), FAN_IN)]
            merged = delayed(merge, pure=False)
            calls = [
                merged(group, dask_key_name=f"kmeans-merge-{what}-{self._next()}-{g}")
                for g, group in enumerate(groups)
            ]
            if len(calls) == 1:
                return compute(calls[0])[0]


def _as_weights(value: Any, array: da.Array) -> da.Array:
    """Return weights with the chunks of an array of rows."""
    sizes = array.chunks[0]
    known = not np.isnan(sizes).any()
    if not is_collection(value):
        given = as_real(value, "sample_weight").astype(np.float64)
        if not known:
            array = array.copy()
            array.compute_chunk_sizes()
            sizes, known = array.chunks[0], True
        given = np.full(sum(sizes), given) if given.ndim == 0 else given
        if given.shape != (sum(sizes),):
            raise ValueError(f"sample_weight.shape == {given.shape}, expected {(sum(sizes),)}!")
        return da.from_array(given, chunks=(sizes,))
    weights = as_array(value, "sample_weight")
    if weights.ndim != 1:
        raise ValueError(f"Sample weights must be 1D array or scalar, got {weights.ndim}D array.")
    weights = weights.astype(np.float64)
    if known and not np.isnan(weights.chunks[0]).any():
        if weights.shape != array.shape[:1]:
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {array.shape[:1]}!")
        return weights.rechunk((sizes,))
    # The first look at the parts compares their numbers of rows.
    if weights.numblocks != array.numblocks[:1]:
        raise ValueError(
            f"sample_weight has {weights.numblocks[0]} chunks, but X has {array.numblocks[0]}, and not all "
            "numbers of rows are known: call compute_chunk_sizes of both"
        )
    return weights
