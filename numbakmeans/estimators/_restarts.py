"""One fit of KMeans: starting centers, the passes from each of them, and the best result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._arguments import EMPTY_CLUSTER, ClusterError
from numbakmeans._engine import restarts
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.constraints import Constraints, unit_centers
from numbakmeans._engine.distances import exact_weighted_sum, inertia_of
from numbakmeans._engine.fit import iterate, mean_variance, seed
from numbakmeans._engine.samples import Samples
from numbakmeans.estimators._base import ConvergenceWarning, warn
from numbakmeans.estimators._validation import as_centers, is_given, streams
from numbakmeans.estimators._watching import Callbacks, Replay, Stopped, Watch, is_watched

#: How the engine calls the methods of `init`.
METHODS = {"k-means++": "greedy ++", "k-means||": "parallel ++", "random": "points"}


class Job(NamedTuple):
    """What all starts of a fit have in common.

    init : a key of `METHODS`, a function, or the starting centers; tol : in squared units of the data
    empty_clusters : one of `_validation.EMPTY_CLUSTERS`
    constraints : on the centers, None if they are means
    """

    samples: Samples
    n_clusters: int
    init: Any
    max_iter: int
    tol: float
    empty_clusters: str
    constraints: Constraints | None

    @property
    def unit(self) -> bool:
        """Whether rows and centers have length 1."""
        return self.constraints is not None and self.constraints.unit

    def start(self, stream: np.random.Generator) -> np.ndarray:
        """Return the starting centers that one stream of random numbers gives."""
        samples = self.samples
        if isinstance(self.init, str):
            return seed(samples, self.n_clusters, METHODS[self.init], stream)
        rows = (np.asarray(samples.array, samples.dtype) if samples.X is None else samples.X).view()
        rows.flags.writeable = False
        # What scikit-learn hands to such a function.
        random_state = np.random.RandomState(stream.bit_generator)
        centers = self.init(rows, self.n_clusters, random_state=random_state)
        return as_start(centers, (self.n_clusters, samples.shape[1]), self.unit)


class Outcome(NamedTuple):
    """The result of one start; `labels` and `inertia` belong to `centers`, which have the working dtype.

    moves : the number of rows that moved in each pass, if somebody listens
    """

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool
    n_empty: int
    moves: list[int]


def take_over(estimator: Any, best: Outcome) -> None:
    """Set the attributes of a fit, and warn about empty clusters."""
    estimator.cluster_centers_ = best.centers
    estimator._n_features_out = len(best.centers)
    estimator.labels_ = best.labels
    estimator.inertia_ = best.inertia
    estimator.n_iter_ = best.n_iter
    estimator.converged_ = best.converged
    estimator.n_empty_ = best.n_empty
    if best.n_empty:
        found = len(best.centers) - best.n_empty
        warn(
            f"Number of distinct clusters ({found}) found smaller than n_clusters ({estimator.n_clusters}). "
            "Possibly due to duplicate points in X.",
            ConvergenceWarning,
        )


def tolerance(samples: Samples, tol: float) -> float:
    """Return the sum of squared shifts that a relative tolerance stands for."""
    return tol * mean_variance(samples) if tol else 0.0


def assigned(samples: Samples, centers: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the labels of the nearest centers, and the exact weighted sum of D to these."""
    labels, sq_dists = nearest(samples, centers)
    return labels, exact_weighted_sum(samples, sq_dists)


def fit_best(
    job: Job, generator: Any, n_init: int, estimator: Any, callbacks: Callbacks | None
) -> tuple[Outcome, list[float]]:
    """Return the start with the smallest inertia, the first of equals, and the inertia of each.

    estimator : its parameters say who wants to be told what (`_watching.Watch`)
    """
    best: Outcome | None = None
    inertias = []
    given = isinstance(job.init, np.ndarray)
    starts = (job.init,) if given else (job.start(stream) for stream in streams(generator, n_init))
    small = job.constraints is None and restarts.are_small(job.samples, job.n_clusters)
    if n_init > 1 and small and not is_watched(estimator, callbacks):
        outcomes = _fit_each(job, list(starts))
    else:
        outcomes = (_fit_once(job, start, estimator, callbacks) for start in starts)
    for outcome in outcomes:
        inertias.append(outcome.inertia)
        if best is None or outcome.inertia < best.inertia:
            best = outcome
        if callbacks is not None and callbacks.wanted and callbacks.end_start(outcome.centers):
            break
    assert best is not None
    return best, inertias


def as_start(init: Any, shape: tuple[int, int], unit: bool) -> np.ndarray:
    """Return starting centers that the caller gives, checked; unit : divided by their lengths."""
    centers = as_centers(init, shape)
    return unit_centers(centers, "init") if unit else centers


def starts_of(estimator: Any, samples: Samples, many: int, unit: bool = False) -> tuple[Any, int]:
    """Return the parameter `init`, with centers that it gives checked, and the number of starts.

    many : what ``n_init='auto'`` stands for where starts differ much
    """
    init, given, n_clusters = estimator.init, is_given(estimator.init), int(estimator.n_clusters)
    varied = callable(init) or (not given and init == "random")
    n_init = (many if varied else 1) if isinstance(estimator.n_init, str) else int(estimator.n_init)
    if given:
        init = as_start(init, (n_clusters, samples.shape[1]), unit)
        if n_init != 1:
            warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(estimator).__name__} instead of n_init={n_init}.",
                RuntimeWarning,
            )
    elif not callable(init):
        init = str(init)
        if init == "random" and samples.weights is not None:
            n_rows = int(np.count_nonzero(samples.weights))
            if n_rows < n_clusters:
                raise ValueError(
                    f"init='random' takes n_clusters={n_clusters} rows of positive weight, but "
                    f"sample_weight has only {n_rows}."
                )
    return init, 1 if given else n_init


def _fit_each(job: Job, starts: list[np.ndarray]) -> Iterator[Outcome]:
    """Make the passes from each start, side by side; yield the outcomes in their order."""
    relocates, stop_on_empty = job.empty_clusters == "relocate", job.empty_clusters == "raise"
    options: dict[str, Any] = {"relocates": relocates, "stop_on_empty": stop_on_empty, "tol": job.tol}
    for passes in restarts.iterate_each(job.samples, starts, job.max_iter, **options):
        yield _outcome(job, passes, [])


def _fit_once(job: Job, start: np.ndarray, estimator: Any, callbacks: Callbacks | None) -> Outcome:
    """Make the passes from one start."""
    samples, n_features = job.samples, job.samples.shape[1]
    rules: dict[str, Any] = {"relocates": job.empty_clusters == "relocate", "constraints": job.constraints}

    def passes_from(centers: np.ndarray, max_iter: int, **options: Any) -> Any:
        return iterate(samples, centers, max_iter, **rules, **options)

    def one_pass(centers: np.ndarray) -> np.ndarray:
        return passes_from(centers, 1).centers[:, :n_features]

    def inertia_before(centers: np.ndarray) -> float:
        return assigned(samples, centers)[1]

    watch = Watch(estimator, Replay(one_pass, start), inertia_before, callbacks, samples.dtype)
    options = {"stop_on_empty": job.empty_clusters == "raise", "tol": job.tol}
    try:
        passes = passes_from(start, job.max_iter, progress=watch.progress, **options)
    except Stopped as stopped:
        # An exception leaves no result behind; the same passes again do.
        passes = passes_from(start, stopped.args[0], **options)
    if watch.printer is not None:
        watch.printer.finish(passes.settled, passes.converged, job.tol)
    return _outcome(job, passes, watch.moves)


def _outcome(job: Job, passes: Any, moves: list[int]) -> Outcome:
    """Return the result of passes, with labels that belong to its centers; ClusterError as the job asks."""
    samples = job.samples
    # Exact: the first pass has rounded them all.
    centers = passes.centers[:, : samples.shape[1]].astype(samples.dtype)
    labels, n_empty = passes.labels, passes.n_empty
    if passes.settled:
        inertia = inertia_of(samples, passes.centers, labels)
    else:
        labels, inertia = assigned(samples, centers)
        n_empty = len(centers) - _count_clusters(labels, samples.weights)
    if job.empty_clusters == "raise" and (passes.ever_empty or n_empty):
        count = n_empty or passes.n_empty
        raise ClusterError(f"{EMPTY_CLUSTER} In the last pass: {count} of {job.n_clusters}.")
    return Outcome(centers, labels, inertia, passes.n_iter, passes.converged, n_empty, moves)


def _count_clusters(labels: np.ndarray, weights: np.ndarray | None) -> int:
    """Return the number of clusters that have rows, of positive weight."""
    counted = labels if weights is None else labels[weights > 0]
    return int(np.count_nonzero(np.bincount(counted)))
