"""What estimators need of the engine, and the engine does not have yet: slow, exact, and to be deleted.

Signatures and meaning are those of `_engine.fit` and `_engine.samples`; `_restarts` and `_validation` import
these names from there once they exist.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import samples as _samples
from numbakmeans._engine.bins import LOWEST
from numbakmeans._engine.exact import quotient
from numbakmeans._engine.samples import Samples, labeled_means


class Passes(NamedTuple):
    centers: np.ndarray
    labels: np.ndarray
    n_iter: int
    converged: bool
    settled: bool
    n_empty: int
    ever_empty: bool


def as_real(value: Any, name: str) -> np.ndarray:
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(value):
        value = value.toarray()
    if not isinstance(value, np.ndarray):
        value = np.asarray(value)
    return _samples.as_real(value.astype(np.float64) if value.dtype == object else value, name)


def _units(values: np.ndarray) -> list[int]:
    """Return finite values in units of 2**LOWEST."""
    fractions = (value.as_integer_ratio() for value in values.tolist())
    return [top * (1 << -LOWEST) // bottom for top, bottom in fractions]


def inertia_of(samples: Samples, centers: np.ndarray, labels: np.ndarray) -> float:
    if samples.weights is None:
        return _fit.inertia_of(samples, centers, labels)
    sq_dists = _fit._label_sq_dists(samples, centers, labels)
    terms = zip(_units(samples.weights), _units(sq_dists), strict=True)
    return quotient(sum(w * D for w, D in terms), 1 << -2 * LOWEST, single=False)


def mean_variance(samples: Samples) -> float:
    return float(samples.rows(slice(None)).var(axis=0).mean())


def seed(samples: Samples, n_clusters: int, method: str, rng: Any) -> np.ndarray:
    weights = np.ones(len(samples)) if samples.weights is None else samples.weights
    if method == "points":
        chosen = rng.choice(len(samples), n_clusters, replace=False, p=weights / weights.sum())
        return samples.rows(chosen)
    n_trials = 2 + int(np.log(n_clusters))
    picks = [_pick(weights, rng.random())]
    nearest = _fit.nearest(samples, samples.rows(picks))[1]
    for _ in range(1, n_clusters):
        trials = [_pick(weights * nearest, u) for u in rng.random(n_trials)]
        after = [np.minimum(nearest, _fit.nearest(samples, samples.rows([row]))[1]) for row in trials]
        best = int(np.argmin([(weights * sq_dists).sum() for sq_dists in after]))
        nearest = after[best]
        picks.append(trials[best])
    return samples.rows(picks)


def _pick(masses: np.ndarray, u: float) -> int:
    running = np.cumsum(masses)
    reached = np.searchsorted(running, u * running[-1], side="right")
    return int(min(reached, np.flatnonzero(masses)[-1])) if running[-1] else 0


def iterate(
    samples: Samples,
    centers: np.ndarray,
    max_iter: int,
    *,
    stop_on_empty: bool = False,
    relocates: bool = False,
    tol: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> Passes:
    if samples.weights is None and not relocates and not tol:
        run = _fit.iterate(samples, centers, max_iter, stop_on_empty=stop_on_empty, progress=progress)
        return Passes(
            run.centers, run.labels, run.n_iter, run.converged, run.converged, run.n_empty, run.ever_empty
        )
    weights = np.ones(len(samples)) if samples.weights is None else samples.weights
    wide, n_features = _fit.pad_centers(centers), samples.shape[1]
    labels = np.full(len(samples), -1, np.int32)
    n_iter, settled, converged, n_empty, ever_empty = 0, False, False, 0, False
    while n_iter < max_iter and not converged and not (stop_on_empty and ever_empty):
        n_iter += 1
        found, sq_dists = _fit.nearest(samples, wide[:, :n_features])
        moved = int((found != labels).sum())
        labels = found
        relocated = relocates and _relocate(labels, weights, sq_dists, len(wide))
        new = _means(samples, labels, wide)
        with np.errstate(over="ignore"):
            shift = ((new - wide) ** 2).sum()
        wide = new
        n_empty = len(wide) - len(np.unique(labels[weights > 0]))
        ever_empty = ever_empty or n_empty > 0
        if progress is not None:
            progress(n_iter, moved)
        settled = not moved and not relocated
        converged = settled or bool(tol and shift <= tol)
    return Passes(wide, labels, n_iter, converged, settled, n_empty, ever_empty)


def _relocate(labels: np.ndarray, weights: np.ndarray, sq_dists: np.ndarray, n_clusters: int) -> bool:
    sizes = np.bincount(labels[weights > 0], minlength=n_clusters)
    masses, relocated = weights * sq_dists, False
    for j in np.flatnonzero(sizes == 0):
        free = np.where(sizes[labels] > 1, masses, 0)
        row = int(free.argmax())
        if not free[row] > 0:
            break
        sizes[labels[row]] -= 1
        sizes[j] += 1
        labels[row], masses[row], relocated = j, 0, True
    return relocated


def _means(samples: Samples, labels: np.ndarray, wide: np.ndarray) -> np.ndarray:
    new = np.zeros_like(wide)
    if samples.weights is None:
        means, sizes = labeled_means(samples, labels, len(wide))
        new[:, : samples.shape[1]] = means
        empty = sizes == 0
        new[empty] = wide[empty].astype(samples.dtype)
        return new
    heavy = np.array(_units(samples.weights), object)
    rows = samples.rows(slice(None))
    for j in range(len(wide)):
        members = (labels == j) & (samples.weights > 0)
        total = int(heavy[members].sum()) if members.any() else 0
        new[j] = wide[j].astype(samples.dtype)
        for f in range(samples.shape[1] if total else 0):
            value = sum(w * x for w, x in zip(heavy[members], _units(rows[members, f]), strict=True))
            new[j, f] = quotient(value, total << -LOWEST, samples.single)
    return new
