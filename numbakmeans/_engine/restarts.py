"""The passes from several starts over the same few rows, side by side: each start on one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
) -> Iterator[Passes]:
    """Yield what `fit.iterate` returns from each of the starting centers (n_clusters, n_features).

    The samples are such that `are_small` holds.
    """
    # As many at a time as the memory for their labels allows.
    step = max(1, at.MAX_COPY_BYTES // (4 * len(samples)))
    rules: dict[str, Any] = {"stop_on_empty": stop_on_empty, "relocates": relocates, "tol": tol}
    for first in range(0, len(starts), step):
        some = starts[first : first + step]
        for start, passes in zip(some, _iterate_some(samples, some, max_iter, **rules), strict=True):
            yield iterate(samples, start, max_iter, **rules) if passes is None else passes


def _iterate_some(
    samples: Samples,
    starts: Sequence[np.ndarray],
    max_iter: int,
    *,
    stop_on_empty: bool,
    relocates: bool,
    tol: float,
) -> list[Passes | None]:
    """Return the passes from each start; None where the kernel leaves them unsolved."""
    n_starts, n_clusters = len(starts), len(starts[0])
    centers, labels = np.array(starts, np.float64), np.full((n_starts, len(samples)), -1, np.int32)
    n_iter, ever_empty = np.zeros(n_starts, np.int64), np.zeros(n_starts, np.bool_)
    n_empty, left, end = np.zeros((3, n_starts), np.int64)
    # All starts that go on have made the same number of passes.
    going, n_made = np.arange(n_starts), 0
    while len(going) and n_made < max_iter:
        n_passes = min(max_iter - n_made, _passes_per_call(samples, n_clusters, len(going)))
        options = Options(samples.single, n_passes, stop_on_empty, relocates, tol)
        # The kernel takes problems that lie side by side: copy them, and write the results back.
        of_going = centers[going], labels[going]
        outcomes = _solve(samples, *of_going, options).T
        centers[going], labels[going] = of_going
        n_empty[going], left[going], end[going] = outcomes[0], outcomes[2], outcomes[4]
        ever_empty[going] |= outcomes[1] > 0
        n_iter[going] += outcomes[3]
        n_made += n_passes
        going = going[(end[going] == 0) & (left[going] == 0) & ~(stop_on_empty & ever_empty[going])]
    found: list[Passes | None] = []
    for s in range(n_starts):
        ended = bool(end[s] > 0), bool(end[s] == 2), int(n_empty[s]), bool(ever_empty[s])
        n_decided = int(n_iter[s]) * len(samples)
        statistics = n_decided, n_decided * n_clusters, 0
        passes = Passes(pad_centers(centers[s]), labels[s].copy(), int(n_iter[s]), *ended, *statistics)
        found.append(None if left[s] else passes)
    return found


def are_small(samples: Samples, n_clusters: int) -> bool:
    """Return whether the passes from one start are so little work that one thread is enough for them."""
    return (
        _plan.side_by_side(samples.shape, n_clusters, samples.memory) and samples.finite and samples.summable
    )


def _passes_per_call(samples: Samples, n_clusters: int, n_starts: int) -> int:
    """Return how many passes one call makes from each start, so that Ctrl-C is answered in time."""
    work = int(_plan.pass_work(len(samples), samples.shape[1], n_clusters))
    n_tasks = _plan.sweep(samples.shape, work=work * n_starts).n_tasks
    return _plan.per_call(work * -(-n_starts // n_tasks))


def _solve(samples: Samples, centers: np.ndarray, labels: np.ndarray, options: Options) -> np.ndarray:
    """Make passes from some starts, and return their `Problems.outcomes`.

    centers : INOUT (n_starts, n_clusters, n_features), float64; labels : INOUT (n_starts, n_samples)
    """
    (n_starts, n_clusters, n_features), n_samples = centers.shape, len(samples)
    every, outcomes = np.arange(n_starts + 1), np.empty((n_starts, 5), np.int64)
    flat_centers, flat_labels = centers.reshape(-1, n_features), labels.reshape(-1)
    problems = Problems(
        samples.wide,
        every * n_samples,
        every * n_clusters,
        Answer(flat_centers, flat_labels, flat_centers),
        outcomes,
        None if samples.weights is None else samples.kernel_weights,
    )
    plan = _plan.sweep((n_starts * n_samples, n_features), work=n_starts * samples.size * n_clusters)
    SOLVE_ALL.on(plan.parallel)(plan.n_tasks, problems, options)
    return outcomes
