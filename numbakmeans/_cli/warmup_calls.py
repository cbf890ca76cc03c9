"""Calls that together compile every function: each kernel, for each combination of argument kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._batch import kmeans2_batch
from numbakmeans._engine import plan, thresholds
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.constraints import Constraints
from numbakmeans._engine.distances import distances
from numbakmeans._engine.fit import fit, iterate, seed
from numbakmeans._engine.parts.passes import fingerprint
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS
from numbakmeans._engine.unit_rows import normalized
from numbakmeans._numba.doors import DOORS, LAYOUT, resolve
from numbakmeans._numba.drivers import threaded
from numbakmeans._scipy import kmeans, vq, whiten

#: What makes the pass with bounds keep coarse rows (where these are quick), keep projections of rows, score
#: some centers for all rows, or nothing of these.
BOUNDED: tuple[dict[str, Any], ...] = (
    {"coarse_cost": lambda *_: 0.0},
    {
        "MAX_COARSE_COST": 0.0,
        "MIN_PROJECTION_STEPS": 0,
        "MAX_PROJECTION_TRIAL": float("inf"),
        "projection_cost": lambda *_: 0.0,
    },
    {
        "MAX_COARSE_COST": 0.0,
        "MIN_PROJECTION_PANELS": 2**31,
        "fast_tried": lambda *_: True,
        "fast_sizes": lambda moved: [len(moved) // 3],
        "bounds_cost": lambda size, *_: -float(size),
    },
    {"MAX_COARSE_COST": 0.0, "MIN_PROJECTION_PANELS": 2**31, "fast_tried": lambda *_: False},
)


class Task(NamedTuple):
    """A call; those of one group share parts, and compile faster one after the other in one process."""

    group: str
    call: Callable[[], object]


def tasks() -> list[Task]:
    """Return all calls, the longest first."""
    rng = np.random.default_rng(0)
    # On both sides of what few values are, and of what quantized rows pay for; in few directions, for
    # projections.
    small, large = rng.normal(size=(80, 16)), rng.normal(size=(thresholds.MAX_SMALL_VALUES // 8 + 1, 8))
    flat = large[:600] @ large[:8, :8].repeat(8, axis=1)
    found: list[Task] = []
    for dtype in (np.float64, np.float32):
        group = np.dtype(dtype).name
        found += [Task(group, call) for call in _bounded_calls(flat.astype(dtype))]
        for X in (small, small[:, :2], large):
            found += [Task(group, call) for call in _engine_calls(X.astype(dtype))]
            found += [Task(group, call) for call in _public_calls(X.astype(dtype))]
        found += [Task(group, call) for call in _batch_calls(small[None].astype(dtype))]
    found += [Task("doors", partial(resolve, LAYOUT, name)) for name, door in DOORS.items() if door.kinds]
    found.append(Task("float64", partial(fingerprint, np.zeros(3, np.int32), 0)))
    return [*found, Task("threads", threaded)]


def _bounded_calls(X: np.ndarray) -> Iterator[Callable[[], object]]:
    """Yield passes with bounds."""
    for weights in (None, np.linspace(0.0, 1.0, len(X))):
        for changes in BOUNDED:
            yield partial(_bounded, Samples(X, weights), changes)


def _engine_calls(X: np.ndarray) -> Iterator[Callable[[], object]]:
    """Yield all ways to seed, to run passes and to assign rows."""
    samples, weighted = Samples(X), Samples(X, np.linspace(0.0, 1.0, len(X)))
    for n_clusters in (2, 64):
        for method in SEEDINGS:
            yield partial(_seeded, samples, n_clusters, method)
        for algorithm in ALGORITHMS:
            # All passes in one call, and one by one.
            for progress in (None, lambda *_: None):
                yield partial(iterate, samples, X[:n_clusters], 2, algorithm=algorithm, progress=progress)
        for scored in (True, False):
            yield partial(nearest, samples, X[:n_clusters], scored=scored)
        yield partial(_nearest_coarse, samples, X[:n_clusters])
    # A center that no row is near.
    start = np.vstack([X[:4], np.full((1, X.shape[1]), 1e6, X.dtype)])
    for algorithm in ALGORITHMS:
        for rows in (samples, weighted):
            yield partial(iterate, rows, start, 2, algorithm=algorithm, relocates=True, tol=1e-9)
    # One pass per call.
    constraints = Constraints(np.arange(len(start)) == 0, False)
    for rows in (samples, weighted):
        yield partial(iterate, rows, start, 2, algorithm="certified", constraints=constraints)
    for dtype in (np.float32, np.float64):
        yield partial(distances, samples, X[:2].astype(dtype))
    yield partial(normalized, X)


def _public_calls(X: np.ndarray) -> Iterator[Callable[[], object]]:
    """Yield calls of the public functions."""
    yield partial(fit, X, X[:2], max_iter=2, sample_weight=np.linspace(0.0, 1.0, len(X)), tol=1e-4)
    yield partial(fit, X, X[:2], max_iter=2)
    yield partial(kmeans, X, X[:2])
    yield partial(vq, X, X[:2])
    yield partial(whiten, X)


def _batch_calls(X: np.ndarray) -> Iterator[Callable[[], object]]:
    """Yield calls of the batch; X : (n_problems, n_samples, n_features)."""
    yield partial(kmeans2_batch, X, X[:, :2], 2)
    yield partial(kmeans2_batch, X, X[:, :2], 2, sample_weight=np.ones(X.shape[:2]))
    for minit in ("++", "points"):
        yield partial(kmeans2_batch, X, 2, 1, minit=minit, rng=0)


def _bounded(samples: Samples, changes: dict[str, Any]) -> None:
    with _planned(**changes):
        iterate(samples, samples.rows(slice(200)), 4, algorithm="yinyang")


def _nearest_coarse(samples: Samples, centers: np.ndarray) -> None:
    with _planned(coarse_cost=lambda *_: 0.0):
        nearest(samples, centers, scored=True)


def _seeded(samples: Samples, n_clusters: int, method: str) -> None:
    seed(samples, n_clusters, method, np.random.default_rng(0))
    if method != "random":
        weighted = Samples(samples.array, np.ones(len(samples)))
        seed(weighted, n_clusters, method, np.random.default_rng(0))


@contextmanager
def _planned(**changes: Any) -> Iterator[None]:
    """Let the plan decide otherwise for a while."""
    homes = {name: vars(thresholds if name.isupper() else plan) for name in changes}
    before = {name: homes[name][name] for name in changes}
    try:
        for name, value in changes.items():
            homes[name][name] = value
        yield
    finally:
        for name, value in before.items():
            homes[name][name] = value
