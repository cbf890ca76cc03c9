"""What a part does in the rounds of k-means|| (`seeding.oversampling`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.distances import exact_units
from numbakmeans._engine.parts.passes import Contribution
from numbakmeans._engine.parts.whole import Part, Whole, part_of, template
from numbakmeans._engine.samples import labeled_sums, totals_of
from numbakmeans._engine.seeding import oversampling
from numbakmeans._engine.seeding.oversampling import Draw


class Seeded(NamedTuple):
    """For each row D to the nearest candidate, and the number of that one."""

    sq_dists: np.ndarray
    labels: np.ndarray


def lowered(block: Any, whole: Whole, before: Seeded | None, points: np.ndarray, n_before: int) -> Seeded:
    """Return D of a part's rows once there are more candidates.

    points : the new ones, (n, n_features), float64, which are numbered from n_before on
    """
    part = part_of(block, None, whole)
    if before is None:
        after = Seeded(np.full(len(part), np.inf), np.zeros(len(part), np.int32))
    else:
        after = Seeded(before.sq_dists.copy(), before.labels.copy())
    oversampling.lower(part, points, n_before, *after)
    return after


def potential(weights: np.ndarray | None, seeded: Seeded) -> int | None:
    """Return the exact sum of a part's masses, in units of 2**LOWEST; None if it is infinite."""
    return exact_units(oversampling.masses_of(seeded.sq_dists, weights))


def merge_potentials(potentials: Sequence[int | None]) -> int | None:
    """Return the exact sum of all masses."""
    finite = [each for each in potentials if each is not None]
    return sum(finite) if len(finite) == len(potentials) else None


class Taken(NamedTuple):
    """Some rows: their numbers, ascending, and their values in the common dtype."""

    rows: np.ndarray
    values: np.ndarray


def merge_taken(taken: Sequence[Taken]) -> Taken:
    """Return the rows of all parts; taken : in the order of the rows."""
    return Taken(*(np.concatenate(field) for field in zip(*taken, strict=True)))


def sampled(block: Any, weights: np.ndarray | None, whole: Whole, seeded: Seeded, draw: Draw) -> Taken:
    """Return the rows of a part that a round samples."""
    part = part_of(block, weights, whole)
    found = np.flatnonzero(oversampling.sampled(part, seeded.sq_dists, draw))
    return Taken(draw.first + found, part.array[found])


def taken(block: Any, whole: Whole, rows: np.ndarray, first: int) -> Taken:
    """Return rows of a part by their places in it; first : the number of its first row."""
    return Taken(first + rows, part_of(block, None, whole).array[rows])


def loads(weights: np.ndarray | None, whole: Whole, seeded: Seeded, n_candidates: int) -> Contribution:
    """Return what a part contributes to the weights of the candidates."""
    none = np.zeros(2, np.int64)
    if weights is None:
        return Contribution(np.zeros(0), np.bincount(seeded.labels, minlength=n_candidates), none)
    part = Part(weights.reshape(-1, 1), None, _of_weights(whole))
    tables = labeled_sums(part, seeded.labels, n_candidates)
    return Contribution(tables.sums[:, :n_candidates].sum(0), tables.counts[:, :n_candidates].sum(0), none)


def merged_loads(merged: Contribution, whole: Whole) -> np.ndarray:
    """Return the weights of the candidates, each an exact sum rounded once."""
    if not whole.weighted:
        return merged.counts.astype(np.float64)
    samples = template(_of_weights(whole), False)
    tables = samples.tables(len(merged.counts), 1)
    tables.sums[0] = merged.sums
    return totals_of(samples, tables)


def _of_weights(whole: Whole) -> Whole:
    """Return what is known of the weights, as rows of one feature."""
    largest, finest = np.array([whole.heaviest]), np.array([whole.lightest])
    return Whole(whole.n_samples, np.dtype(np.float64), largest, finest, unit=False)
