"""The passes from several starts over the same few rows, side by side: each start on one thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.distances import pad_centers
from numbakmeans._engine.fit import Passes, iterate
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.structs.problems import Answer, Options, Problems
from numbakmeans._numba.drivers import Driver

SOLVE_ALL = Driver("numbakmeans._engine.kernels.small", "solve_all")


def iterate_each(
    samples: Samples,
    starts: Sequence[np.ndarray],
    max_iter: int,
    *,
    stop_on_empty: bool = False,
    relocates: bool = False,
    tol: float = 0.0,
) -> list[Passes]:
    """Return what `fit.iterate` does from each of the starting centers (n_clusters, n_features).

    The samples are such that `are_small` holds.
    """
    passes_at_most = min(max_iter, _plan.per_call(_pass_work(samples, len(starts[0]))))
    options = Options(samples.single, passes_at_most, stop_on_empty, relocates, tol)
    step = _starts_per_call(samples, len(starts[0]), passes_at_most)
    found: list[Passes] = []
    for first in range(0, len(starts), step):
        some = starts[first : first + step]
        for start, passes in zip(some, _solve(samples, some, options), strict=True):
            ended = passes is not None and (passes.converged or passes.n_iter < passes_at_most)
            if passes is None or not (ended or passes_at_most == max_iter):
                passes = iterate(
                    samples, start, max_iter, stop_on_empty=stop_on_empty, relocates=relocates, tol=tol
                )
            found.append(passes)
    return found


def are_small(samples: Samples, n_clusters: int) -> bool:
    """Return whether the passes from one start are so little work that one thread is enough for them."""
    return (
        _plan.side_by_side(samples.shape, n_clusters, samples.memory) and samples.finite and samples.summable
    )


def _pass_work(samples: Samples, n_clusters: int) -> int:
    return int(_plan.pass_work(len(samples), samples.shape[1], n_clusters))


def _starts_per_call(samples: Samples, n_clusters: int, max_iter: int) -> int:
    """Return how many starts one call makes passes from, so that Ctrl-C is answered in time."""
    work = _pass_work(samples, n_clusters) * max_iter
    n_tasks = _plan.sweep(samples.shape, work=work).n_tasks
    return min(n_tasks * _plan.per_call(work), max(n_tasks, at.MAX_COPY_BYTES // (8 * samples.size)))


def _solve(samples: Samples, starts: Sequence[np.ndarray], options: Options) -> list[Passes | None]:
    """Return the passes from each start; None where the kernel leaves them unsolved."""
    n_starts, n_clusters, (n_samples, n_features) = len(starts), len(starts[0]), samples.shape
    centers = np.concatenate(starts, dtype=np.float64)
    labels, outcomes = np.empty(n_starts * n_samples, np.int32), np.empty((n_starts, 5), np.int64)
    every = np.arange(n_starts + 1)
    problems = Problems(
        np.tile(samples.wide, (n_starts, 1)),
        every * n_samples,
        every * n_clusters,
        Answer(centers, labels, centers),
        outcomes,
        None if samples.weights is None else np.tile(samples.kernel_weights, n_starts),
    )
    plan = _plan.sweep((n_starts * n_samples, n_features), work=n_starts * samples.size * n_clusters)
    SOLVE_ALL.on(plan.parallel)(plan.n_tasks, problems, options)
    found: list[Passes | None] = []
    for s, (n_empty, ever_empty, left, n_iter, end) in enumerate(outcomes.tolist()):
        book = pad_centers(centers[s * n_clusters : (s + 1) * n_clusters])
        own = labels[s * n_samples : (s + 1) * n_samples].copy()
        ended = end > 0, end == 2, n_empty, ever_empty > 0
        n_decided = n_iter * n_samples
        passes = Passes(book, own, n_iter, *ended, n_decided, n_decided * n_clusters, kept_bytes=0)
        found.append(None if left else passes)
    return found
