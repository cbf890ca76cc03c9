"""'parallel ++': k-means||, a few rounds that each sample many rows at once, of which k are kept.

The first row is drawn by its weight: it is the first at which the exact running sum of weights exceeds a
uniform number times their sum. In each of `ROUNDS` rounds, every row is sampled by itself, with probability
OVERSAMPLING * k * mass / potential: the mass is the row's weight times D to the nearest row sampled so far,
and the potential the exact sum of all masses, rounded once. Each row sampled is then a candidate, with the
weight of all rows nearest to it (ties go to the one sampled first), and greedy k-means++ picks k of them.

If no more than k candidates have a weight above 0, all of them are kept, in the order in which they were
sampled, and greedy k-means++ picks the rest among all rows, with the numbers drawn for these picks.

Whether a row is sampled depends on a number of its own, made by a counter-based generator from a key, the
round and the row's index (`kernels.oversampling`), and all sums are exact. So neither threads nor the way in
which the rows are divided matter: they may lie on several machines (`candidates`).

References
----------
B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii, "Scalable k-means++", PVLDB 5, 2012,
doi 10.14778/2180912.2180915: twice as many rows a round as clusters, and 5 rounds, do as well as k-means++.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.columns import exact_total
from numbakmeans._engine.distances import exact_sum
from numbakmeans._engine.samples import Samples, labeled_totals, padded
from numbakmeans._engine.seeding import greedy
from numbakmeans._engine.seeding.plus_plus import NO_INTEGERS, leaves_of, weights_of
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
    rounds = Rounds(samples)
    chosen, weights = candidates(rounds, n_clusters, int(key[0]), uniforms[0])
    if len(chosen) > n_clusters:
        return pick(Samples(samples.array[chosen], weights), n_clusters, uniforms)
    picks, center = np.empty(n_clusters, np.int64), np.zeros(padded(samples.shape[1]))
    picks[: len(chosen)] = chosen
    picking = Picking(picks, uniforms[2:], center, rounds.sq_dists)
    greedy.complete(samples, len(chosen), leaves_of(len(samples)), None, picking)
    return samples.rows(picks)


def pick(candidates: Samples, n_clusters: int, uniforms: np.ndarray) -> np.ndarray:
    """Return k candidates, of which there are more, as centers."""
    return greedy.place(candidates, n_clusters, NO_INTEGERS, uniforms[1:])


class Rows(Protocol):
    """What the rounds do with all rows, wherever these are.

    first(uniform) : return the first row
    lower(rows, n_before) : lower D to the distances from more rows; number these from n_before on
    sampled(key, turn, expected) : return the rows that a round samples, ascending
    weights(n_candidates) : return for each candidate the exact sum of the weights of the rows nearest to it,
        rounded once
    """

    def first(self, uniform: float) -> int: ...
    def lower(self, rows: np.ndarray, n_before: int) -> None: ...
    def sampled(self, key: int, turn: int, expected: float) -> np.ndarray: ...
    def weights(self, n_candidates: int) -> np.ndarray: ...


def candidates(rows: Rows, n_clusters: int, key: int, uniform: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that all rounds sample, and their weights, which are above 0."""
    chosen = np.array([rows.first(uniform)])
    rows.lower(chosen, 0)
    for turn in range(ROUNDS):
        more = rows.sampled(key, turn, float(OVERSAMPLING * n_clusters))
        if len(more):
            rows.lower(more, len(chosen))
            chosen = np.concatenate([chosen, more])
    weights = rows.weights(len(chosen))
    return chosen[weights > 0.0], weights[weights > 0.0]


class Rounds:
    """`Rows` in the memory of this process."""

    def __init__(self, samples: Samples) -> None:
        self._samples, self._weights = samples, weights_of(samples)
        self.sq_dists, self._labels = np.full(len(samples), np.inf), np.zeros(len(samples), np.int32)

    def first(self, uniform: float) -> int:
        if self._weights is None:
            return share(uniform, len(self._samples))
        return reached(self._weights, share(uniform, total_of(self._weights)))

    def lower(self, rows: np.ndarray, n_before: int) -> None:
        lower(self._samples, self._samples.rows(rows), n_before, self.sq_dists, self._labels)

    def sampled(self, key: int, turn: int, expected: float) -> np.ndarray:
        potential = exact_sum(masses_of(self.sq_dists, self._weights))
        draw = Draw(key, turn, 0, expected, potential)
        return np.flatnonzero(sampled(self._samples, self.sq_dists, draw))

    def weights(self, n_candidates: int) -> np.ndarray:
        if self._weights is None:
            return np.bincount(self._labels, minlength=n_candidates).astype(np.float64)
        return labeled_totals(self._weights, self._labels, n_candidates)


def share(uniform: float, total: int) -> int:
    """Return uniform * total, rounded down; a running sum of integers exceeds both or none."""
    numerator, denominator = float(uniform).as_integer_ratio()
    return numerator * total // denominator


def total_of(weights: np.ndarray) -> int:
    """Return the exact sum of weights, in units of 2**LOWEST."""
    return exact_total(Samples(weights.reshape(-1, 1)))


def reached(weights: np.ndarray, target: int) -> int:
    """Return the first row at which the running sum of weights exceeds a target below their sum."""
    start, stop = 0, len(weights)
    while stop - start > 1:
        middle = (start + stop) // 2
        left = total_of(weights[start:middle])
        if left > target:
            stop = middle
        else:
            start, target = middle, target - left
    return start


class Draw(NamedTuple):
    """Which numbers a round compares, and with what.

    key, turn : the stream; first : the number of the first row among all rows
    expected : the number of rows that are sampled on average; potential : the sum of all masses
    """

    key: int
    turn: int
    first: int
    expected: float
    potential: float


def lower(
    samples: Samples, points: np.ndarray, n_before: int, sq_dists: np.ndarray, labels: np.ndarray
) -> None:
    """Lower D to the distances from points; label the rows that get nearer to one, from n_before on."""
    new_labels, new_dists = nearest(samples, points)
    new_labels += n_before
    nearer = new_dists < sq_dists
    np.copyto(labels, new_labels, where=nearer)
    np.copyto(sq_dists, new_dists, where=nearer)


def sampled(samples: Samples, sq_dists: np.ndarray, draw: Draw) -> np.ndarray:
    """Return whether each row is sampled in a round."""
    found = np.empty(len(samples), np.bool_)
    plan = _plan.sweep(samples.shape, work=8 * len(samples))
    SAMPLE_ROWS.on(plan.parallel)(plan.n_tasks, sq_dists, weights_of(samples), tuple(draw), found)
    return found


def masses_of(sq_dists: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the masses of all rows."""
    if weights is None:
        return sq_dists
    masses = np.zeros(len(sq_dists))
    # Not where w is 0: an overflowed D would make it NaN.
    with np.errstate(over="ignore"):
        return np.multiply(weights, sq_dists, out=masses, where=weights > 0.0)
