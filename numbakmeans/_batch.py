"""Many small problems in one call: `kmeans2_batch`."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._arguments import (
    EMPTY_CLUSTER,
    NOT_FINITE,
    TOO_MANY_POINTS,
    as_count,
    as_generator,
    as_options,
)
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.containers import column_of
from numbakmeans._engine.fit import iterate, seed
from numbakmeans._engine.samples import Samples, as_real, as_working, not_finite, working_dtype
from numbakmeans._engine.seeding import SEEDINGS, points
from numbakmeans._engine.seeding.plus_plus import PICK_EACH
from numbakmeans._engine.structs.problems import Answer, Options, Problems
from numbakmeans._engine.weights import as_weights
from numbakmeans._numba.drivers import Driver
from numbakmeans._scipy import ClusterError

SOLVE_ALL = Driver("numbakmeans._engine.kernels.small", "solve_all")

Pair = tuple[np.ndarray, np.ndarray]


class _Problems:
    """The problems of a batch: their sizes, and access to the concatenated rows of a range of them."""

    def __init__(self, data: Any) -> None:
        self.stacked = not isinstance(data, list | tuple)
        if self.stacked:
            self.array = as_real(data, "data")
            if self.array.ndim not in (2, 3):
                raise ValueError(
                    "data must be an array (B, M, N) or (B, M), or a list of arrays (M, N) or (M,), "
                    f"got shape {self.array.shape}"
                )
            shapes = [self.array.shape[1:]] * min(len(self.array), 1)
            self.dtype = working_dtype(self.array)
        else:
            self.arrays = [as_real(part, f"data[{b}]") for b, part in enumerate(data)]
            shapes = [part.shape for part in self.arrays]
            dtypes = {working_dtype(part) for part in self.arrays}
            if len(dtypes) > 1:
                raise ValueError("all problems must have the same working dtype, got float32 and float64")
            self.dtype = dtypes.pop() if dtypes else np.dtype(np.float64)
        self._check(shapes)
        self.flat = len(shapes[0]) == 1
        self.n_features = 1 if self.flat else shapes[0][1]
        sizes = np.array([shape[0] for shape in shapes], np.int64)
        self.sizes = np.repeat(sizes, len(self.array)) if self.stacked else sizes

    def __len__(self) -> int:
        return len(self.sizes)

    @staticmethod
    def _check(shapes: Sequence[tuple[int, ...]]) -> None:
        if not shapes:
            raise ValueError("data must hold at least one problem")
        for b, shape in enumerate(shapes):
            if len(shape) not in (1, 2) or 0 in shape:
                raise ValueError(f"data[{b}] must be a non-empty array (M, N) or (M,), got shape {shape}")
            if shape[1:] != shapes[0][1:]:
                raise ValueError(
                    f"data[{b}] has shape {shape}, but data[0] {shapes[0]}: all problems must have the same "
                    "number of features"
                )

    def rows(self, first: int, last: int) -> np.ndarray:
        """Return the rows of problems [first, last), in the working dtype, read-only."""
        if self.stacked:
            some = np.require(self.array[first:last], self.dtype, ["C_CONTIGUOUS", "ALIGNED"])
            rows = some.reshape(-1, self.n_features)
        else:
            parts = [part.reshape(len(part), -1) for part in self.arrays[first:last]]
            # The concatenation of Fortran-ordered parts is Fortran-ordered.
            rows = np.ascontiguousarray(np.concatenate(parts, dtype=self.dtype, casting="same_kind"))
        rows.flags.writeable = False
        return rows

    def in_shape(
        self, centers: np.ndarray, center_starts: np.ndarray, labels: np.ndarray, row_starts: np.ndarray
    ) -> Pair | list[Pair]:
        """Return concatenated centers and labels in the form of the data, stacked or as a list."""
        if self.stacked:
            shape = (len(self), -1) if self.flat else (len(self), -1, self.n_features)
            return centers.reshape(shape), labels.reshape(len(self), -1)
        found = centers[:, 0] if self.flat else centers
        books = (found[start:stop].copy() for start, stop in pairwise(center_starts))
        parts = (labels[start:stop].copy() for start, stop in pairwise(row_starts))
        return list(zip(books, parts, strict=True))

    def groups(self, n_clusters: np.ndarray | int, n_iter: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of problems to solve in one call each: Ctrl-C is answered between calls."""
        ends = np.cumsum(_plan.problem_work(self.sizes, self.n_features, n_clusters, n_iter))
        first, done = 0, 0.0
        while first < len(self):
            last = min(int(np.searchsorted(ends, done + at.MAX_CALL_STEPS)) + 1, len(self))
            yield first, last
            first, done = last, float(ends[last - 1])


def kmeans2_batch(
    data: Any,
    k: Any,
    iter: int = 10,
    thresh: float = 1e-5,
    minit: str = "random",
    missing: str = "warn",
    check_finite: bool = True,
    *,
    sample_weight: Any = None,
    rng: Any = None,
) -> Pair | list[Pair]:
    """
    Run `kmeans2` on many problems in one call.

    Problems are solved in parallel, each on one thread. This is for problems so small that separate calls of
    `kmeans2` would be mostly overhead. (Large ones are solved one after the other, each with all threads.)
    The result of problem b is bit-identical to that of ``kmeans2(data[b], ..., rng=rng.spawn(B)[b])``.

    Parameters
    ----------
    data : array_like (B, M, N) or (B, M), or list of B array_likes (M, N) or (M,)
        B problems of M observations of N features (or of M scalars). In a list M may differ.
    k : int, or array_like (B, k, N) or (B, k), or list of B array_likes (k, N) or (k,)
        The number of clusters of every problem, or the initial centroids of each.
    iter, thresh, minit, missing, check_finite : int, float, str, str, bool
        As in `kmeans2`.
    sample_weight : array_like (B, M), or list of B array_likes (M,), optional
        A weight for each observation, as in `fit`. With weights, data is always checked, and `minit` is
        'points', '++' or 'matrix'.
    rng : {None, int, numpy.random.Generator, ...}, optional
        Passed through `numpy.random.default_rng`; one child is spawned for each problem. Not used if `k`
        holds centroids.

    Returns
    -------
    centroid : ndarray (B, k, N) or (B, k)
        As from `kmeans2`, for each problem.
    label : ndarray (B, M), int32
        As from `kmeans2`, for each problem. For a list of problems, a list of B pairs of centroid and label
        is returned.

    Raises
    ------
    ClusterError
        A cluster is empty and `missing` is 'raise'.
    TypeError, ValueError
        As in `kmeans2`; the message names the problem. Also if there are no problems, if their numbers of
        features or working dtypes differ, or if the generator cannot spawn.

    Warns
    -----
    UserWarning
        A cluster was empty in some pass of some problem; there is one warning for all.

    See Also
    --------
    kmeans2 : One problem.
    numbakmeans.jit.fit : For problems that are made inside a `prange`.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import kmeans2, kmeans2_batch
    >>> data = np.random.default_rng(0).normal(size=(1000, 200, 4))
    >>> centroid, label = kmeans2_batch(data, 5, minit="points", rng=1)
    >>> centroid.shape, label.shape
    ((1000, 5, 4), (1000, 200))
    >>> one, _ = kmeans2(data[7], 5, minit="points", rng=np.random.default_rng(1).spawn(1000)[7])
    >>> bool((one == centroid[7]).all())
    True
    """
    n_iter = as_options(iter, thresh, minit, missing)
    problems = _Problems(data)
    given = _given_centroids(k, minit, problems)
    n_clusters = _counts(k, minit, problems) if given is None else given[1]
    weights = _weights(sample_weight, problems)
    if weights is not None and given is None and minit == "random":
        raise ValueError("minit='random' does not take sample_weight: use 'points' or '++'")
    if check_finite or weights is not None:
        _require_finite(problems, data)
    children = _children(rng, len(problems)) if given is None else []

    row_starts, center_starts = _starts(problems.sizes), _starts(n_clusters)
    centers = np.empty((center_starts[-1], problems.n_features))
    labels = np.full(row_starts[-1], -1, np.int32)
    outcomes = np.zeros((len(problems), 5), np.int64)
    for first, last in problems.groups(n_clusters, n_iter):
        X, starts = problems.rows(first, last), row_starts[first : last + 1] - row_starts[first]
        of_rows = slice(row_starts[first], row_starts[last])
        of_weights = None if weights is None else weights[of_rows]
        of_centers = slice(center_starts[first], center_starts[last])
        group = center_starts[first : last + 1] - center_starts[first]
        start = (
            given[0][of_centers]
            if given is not None
            else _seed(_Part(X, starts, of_weights), int(n_clusters[0]), minit, children[first:last])
        )
        if check_finite or weights is not None:
            _require_finite_start(
                start, group, first, "k" if given is not None else f"minit={minit!r} and data"
            )
        centers[of_centers] = start
        stop = missing == "raise"
        answer = Answer(centers[of_centers], labels[of_rows], centers[of_centers])
        _solve(Problems(X, starts, group, answer, outcomes[first:last], of_weights), n_iter, stop)
    _report_empty(outcomes, n_clusters, missing)
    found = centers.astype(problems.dtype)
    return problems.in_shape(found, center_starts, labels, row_starts)


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)])


def _given_centroids(k: Any, minit: str, problems: _Problems) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the concatenated initial centroids of all problems and their numbers; None if k is a number."""
    if isinstance(k, numbers.Number) and minit != "matrix":
        return None
    if problems.stacked or not isinstance(k, list | tuple):
        book = as_working(k, "k")
        if book.size == 1 and minit != "matrix":
            return None
        if book.ndim != (2 if problems.flat else 3) or len(book) != len(problems) or book.size == 0:
            form = "(B, k)" if problems.flat else "(B, k, N)"
            raise ValueError(
                f"k must be a number, or centroids {form} for each of {len(problems)} problems, "
                f"got shape {book.shape}"
            )
        parts = [book.reshape(len(book) * book.shape[1], -1)]
        sizes = np.full(len(book), book.shape[1])
    else:
        if len(k) != len(problems):
            raise ValueError(f"k has centroids for {len(k)} problems, but data has {len(problems)}")
        parts = [as_working(part, f"k[{b}]") for b, part in enumerate(k)]
        for b, part in enumerate(parts):
            if part.ndim != (1 if problems.flat else 2) or part.size == 0:
                raise ValueError(f"k[{b}] doesn't match the rank of data[{b}]: it has shape {part.shape}")
        sizes = np.array([len(part) for part in parts])
        parts = [part.reshape(len(part), -1) for part in parts]
    for b, part in enumerate(parts):
        if part.shape[1] != problems.n_features:
            name = f"k[{b}]" if len(parts) == len(problems) else "k"
            raise ValueError(f"{name} has {part.shape[1]} features, but data {problems.n_features}")
    return np.concatenate(parts, dtype=np.float64), sizes


def _counts(k: Any, minit: str, problems: _Problems) -> np.ndarray:
    count = as_count(np.asarray(k))
    if count != np.asarray(k):
        warnings.warn("k was not an integer, was converted.", stacklevel=3)
    fewest = int(problems.sizes.argmin())
    if minit == "points" and count > problems.sizes[fewest]:
        rows = problems.sizes[fewest]
        raise ValueError(f"{TOO_MANY_POINTS}: k is {count}, data[{fewest}] has {rows} rows")
    return np.full(len(problems), count)


def _children(rng: Any, n_problems: int) -> list[np.random.Generator]:
    generator = as_generator(rng)
    try:
        return generator.spawn(n_problems)
    except (TypeError, AttributeError) as error:
        raise ValueError(
            "rng must be able to spawn a generator for each problem, as those of numpy.random.default_rng "
            f"are: {error}"
        ) from error


def _require_finite(problems: _Problems, given: Any) -> None:
    starts = _starts(problems.sizes)
    for first, last in problems.groups(1, 1):
        samples = Samples(problems.rows(first, last))
        if not samples.finite:
            row, column = next(not_finite(samples.array))
            b = int(np.searchsorted(starts, starts[first] + row, side="right")) - 1
            whose = column_of(None if problems.stacked else given[b], column)
            where = f"row {starts[first] + row - starts[b]}, {whose}"
            raise ValueError(f"{NOT_FINITE}: data[{b}] has {samples.array[row, column]} in {where}")


def _require_finite_start(start: np.ndarray, starts: np.ndarray, first: int, origin: str) -> None:
    bad = np.flatnonzero(~np.isfinite(start).all(1))
    if len(bad):
        b = first + int(np.searchsorted(starts, bad[0], side="right")) - 1
        raise ValueError(f"{NOT_FINITE}: a starting centroid from {origin}[{b}] is not finite")


class _Part(NamedTuple):
    """Some problems, concatenated: rows, where each begins, and weights, None if all rows count alike."""

    X: np.ndarray
    starts: np.ndarray
    weights: np.ndarray | None


def _seed(batch: _Part, n_clusters: int, minit: str, children: Sequence[np.random.Generator]) -> np.ndarray:
    """Return the concatenated starting centers of some problems."""
    X, starts, weights = batch
    row, sizes, n_features = SEEDINGS[minit], np.diff(starts).tolist(), X.shape[1]
    if weights is not None:
        parts = [Samples(X[start:stop], weights[start:stop]) for start, stop in pairwise(starts)]
        pairs = zip(parts, children, strict=True)
        return np.concatenate([seed(part, n_clusters, minit, rng) for part, rng in pairs])
    if minit == "points":
        rows = points.draw_each(children, np.diff(starts), n_clusters)
        return X[(rows + starts[:-1, None]).ravel()].astype(np.float64)
    draws = [
        row.draw(rng, n_samples, n_clusters, n_features)
        for rng, n_samples in zip(children, sizes, strict=True)
    ]
    size = max(sizes) * n_features
    work = n_clusters * _plan.pick_work(size)
    if minit == "++" and not _plan.alone(size, work):
        firsts, uniforms = np.concatenate([first for first, _ in draws]), np.array([u for _, u in draws])
        picks = np.empty((len(draws), n_clusters), np.int64)
        plan = _plan.sweep(X.shape, work=X.size * n_clusters)
        step = plan.n_tasks * _plan.per_call(work)
        for b in range(0, len(draws), step):
            some, ends = slice(b, b + step), starts[b : b + step + 1]
            PICK_EACH.on(plan.parallel)(X, plan.n_tasks, ends, (firsts[some], uniforms[some]), picks[some])
        return X[(picks + starts[:-1, None]).ravel()].astype(np.float64)
    parts = [Samples(X[start:stop]) for start, stop in pairwise(starts)]
    return np.concatenate(
        [row.place(part, n_clusters, *drawn) for part, drawn in zip(parts, draws, strict=True)]
    )


def _solve(problems: Problems, n_iter: int, stop_on_empty: bool) -> None:
    """Solve some problems, in at most n_iter passes each, and write their answers."""
    X, starts, center_starts, (centers, labels, _), outcomes, weights = problems
    sizes, n_clusters, n_features = np.diff(starts), np.diff(center_starts), X.shape[1]
    work = _plan.problem_work(sizes, n_features, n_clusters, n_iter)
    single = X.dtype == np.float32

    def solve_alone(b: int) -> None:
        rows = slice(starts[b], starts[b + 1])
        book = centers[center_starts[b] : center_starts[b + 1]]
        samples = Samples(X[rows], None if weights is None else weights[rows])
        passes = iterate(samples, book, n_iter, stop_on_empty=stop_on_empty)
        book[:], labels[rows] = passes.centers[:, :n_features], passes.labels
        outcomes[b, :3] = passes.n_empty, passes.ever_empty, 0

    if _plan.alone(int(sizes.max()) * n_features, work.max()):
        for b in range(len(sizes)):
            solve_alone(b)
        return
    plan = _plan.sweep(X.shape, work=X.size * int(n_clusters.max()) * n_iter)
    started = centers.copy()
    options = Options(bool(single), n_iter, stop_on_empty, False, 0.0)
    scaled, inexact = (None, ()) if weights is None else _scaled(weights, starts)
    wide = problems._replace(X=X.astype(np.float64, copy=False), weights=scaled)
    SOLVE_ALL.on(plan.parallel)(plan.n_tasks, wide, options)
    outcomes[list(inexact), 2] = 1
    # Those with means that the kernel left undecided are solved again from their start.
    for b in np.flatnonzero(outcomes[:, 2]).tolist():
        of_problem = slice(center_starts[b], center_starts[b + 1])
        centers[of_problem] = started[of_problem]
        solve_alone(b)


def _weights(value: Any, problems: _Problems) -> np.ndarray | None:
    """Return the concatenated weights of all rows; None if they count alike."""
    if value is None:
        return None
    if len(value) != len(problems):
        raise ValueError(f"sample_weight has weights for {len(value)} problems, but data has {len(problems)}")
    sizes = problems.sizes.tolist()
    parts = [
        as_weights(part, size, f"sample_weight[{b}]")
        for b, (part, size) in enumerate(zip(value, sizes, strict=True))
    ]
    return np.concatenate(parts)


def _scaled(weights: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return the weights of each problem times a power of two, below 1, and the problems that this rounds."""
    exponents = np.repeat(np.frexp(np.maximum.reduceat(weights, starts[:-1]))[1], np.diff(starts))
    scaled = np.ldexp(weights, -exponents)
    rounded = np.logical_or.reduceat(np.ldexp(scaled, exponents) != weights, starts[:-1])
    return scaled, np.flatnonzero(rounded).tolist()


def _report_empty(outcomes: np.ndarray, n_clusters: np.ndarray, missing: str) -> None:
    ever = np.flatnonzero(outcomes[:, 1])
    if not len(ever):
        return
    first = int(ever[0])
    count = f"In the last pass of problem {first}: {outcomes[first, 0]} of {n_clusters[first]}."
    if missing == "raise":
        raise ClusterError(f"{EMPTY_CLUSTER} {count}")
    message = f"{EMPTY_CLUSTER} In {len(ever)} of {len(outcomes)} problems. {count}"
    warnings.warn(message, stacklevel=3)
