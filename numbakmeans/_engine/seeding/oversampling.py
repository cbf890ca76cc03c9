"""'parallel ++': k-means||, a few rounds that each sample many rows at once, of which k are kept.

The first row is drawn by its weight. In each of `ROUNDS` rounds, every row is sampled by itself, with
probability OVERSAMPLING * k * mass / potential: the mass is the row's weight times D to the nearest row
sampled so far, and the potential the exact sum of all masses, rounded once. Each row sampled is then a
candidate, with the weight of all rows nearest to it (ties go to the one sampled first), and greedy k-means++
picks k of them.

If no more than k candidates have a weight above 0, all of them are kept, in the order in which they were
sampled, and greedy k-means++ picks the rest among all rows, with the numbers drawn for these picks.

Whether a row is sampled depends on a number of its own, made by a counter-based generator from a key, the
round and the row's index (`kernels.oversampling`). So neither threads nor the way in which the rows are
divided matter.

References
----------
B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii, "Scalable k-means++", PVLDB 5, 2012,
doi 10.14778/2180912.2180915: twice as many rows a round as clusters, and 5 rounds, do as well as k-means++.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.distances import exact_sum
from numbakmeans._engine.samples import Samples, labeled_totals, padded
from numbakmeans._engine.seeding import greedy
from numbakmeans._engine.seeding.plus_plus import NO_INTEGERS, leaves_of, pick_first, weights_of
from numbakmeans._engine.structs.seeds import Picking
from numbakmeans._numba.drivers import Driver

SAMPLE_ROWS = Driver("numbakmeans._engine.kernels.oversampling", "sample_rows")

#: Rows that are sampled in a round, on average, for each cluster; and rounds.
OVERSAMPLING, ROUNDS = 2, 5


def draw(
    rng: Any, n_samples: int, n_clusters: int, n_features: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the key of the samples, a uniform number for the first row, and those of greedy k-means++."""
    integers = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    key = integers(2**63 - 1, size=1, dtype=np.int64)
    return key, rng.uniform(size=1 + greedy.n_uniforms(n_clusters))


def place(samples: Samples, n_clusters: int, key: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return k of the candidates as centers."""
    leaves = leaves_of(len(samples))
    (first, sq_dists), uniforms = pick_first(samples, leaves, uniforms[0]), uniforms[1:]
    labels = np.zeros(len(samples), np.int32)
    chosen = np.array([first])
    lower(samples, chosen, 0, sq_dists, labels)
    for turn in range(ROUNDS):
        expected = float(OVERSAMPLING * n_clusters)
        rows = sampled_rows(samples, sq_dists, (int(key[0]), turn, expected))
        if len(rows):
            lower(samples, rows, len(chosen), sq_dists, labels)
            chosen = np.concatenate([chosen, rows])
    weights = weights_of_candidates(samples, labels, len(chosen))
    chosen, weights = chosen[weights > 0.0], weights[weights > 0.0]
    if len(chosen) > n_clusters:
        candidates = Samples(samples.array[chosen], weights)
        return greedy.place(candidates, n_clusters, NO_INTEGERS, uniforms)
    picks, center = np.empty(n_clusters, np.int64), np.zeros(padded(samples.shape[1]))
    picks[: len(chosen)] = chosen
    greedy.complete(samples, len(chosen), leaves, None, Picking(picks, uniforms[1:], center, sq_dists))
    return samples.rows(picks)


def lower(
    samples: Samples, rows: np.ndarray, n_before: int, sq_dists: np.ndarray, labels: np.ndarray
) -> None:
    """Lower D to the distances from more rows; label the rows that get nearer to one, from n_before on."""
    new_labels, new_dists = nearest(samples, samples.rows(rows))
    new_labels += n_before
    nearer = new_dists < sq_dists
    np.copyto(labels, new_labels, where=nearer)
    np.copyto(sq_dists, new_dists, where=nearer)


def sampled_rows(samples: Samples, sq_dists: np.ndarray, draw: tuple[int, int, float]) -> np.ndarray:
    """Return the rows that one round samples, in order.

    draw : the key, the number of the round, and the number of rows expected
    """
    weights = weights_of(samples)
    potential = exact_sum(sq_dists if weights is None else masses_of(sq_dists, weights))
    sampled = np.empty(len(samples), np.bool_)
    plan = _plan.sweep(samples.shape, work=8 * len(samples))
    run = SAMPLE_ROWS.on(plan.parallel)
    run(plan.n_tasks, sq_dists, weights, (*draw, potential), sampled)
    return np.flatnonzero(sampled)


def masses_of(sq_dists: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the masses of all rows."""
    masses = np.zeros(len(sq_dists))
    # Not where w is 0: an overflowed D would make it NaN.
    with np.errstate(over="ignore"):
        return np.multiply(weights, sq_dists, out=masses, where=weights > 0.0)


def weights_of_candidates(samples: Samples, labels: np.ndarray, n_candidates: int) -> np.ndarray:
    """Return the exact sum of the weights of the rows of each label, rounded once."""
    if samples.weights is None:
        return np.bincount(labels, minlength=n_candidates).astype(np.float64)
    return labeled_totals(samples.weights, labels, n_candidates)
