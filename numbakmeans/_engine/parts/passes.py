"""What a part contributes to a pass, to relocations of empty clusters, and to the results of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.bins import LOWEST
from numbakmeans._engine.distances import exact_units, label_sq_dists, weighted_products, weighted_units
from numbakmeans._engine.exact import PRODUCT_LOWEST, quotient
from numbakmeans._engine.fit import algorithm_for
from numbakmeans._engine.parts.whole import Whole, part_of
from numbakmeans._engine.relocation import most_costly
from numbakmeans._engine.samples import labeled_sums
from numbakmeans._numba.entries import Entry

ADD_LABELS = Entry("numbakmeans._engine.kernels.fingerprints", "add_labels")


class Contribution(NamedTuple):
    """What rows contribute to the centers of a pass.

    sums, counts : of all tasks, as in `structs.Sums`, without padding
    fingerprint : (2,), int64, of the labels
    """

    sums: np.ndarray
    counts: np.ndarray
    fingerprint: np.ndarray


def merge_contributions(contributions: Sequence[Contribution]) -> Contribution:
    """Return what all rows contribute."""
    sums, counts, fingerprints = zip(*contributions, strict=True)
    return Contribution(
        sum(sums[1:], sums[0]), sum(counts[1:], counts[0]), np.bitwise_xor.reduce(fingerprints)
    )


def contribution(
    block: Any, weights: np.ndarray | None, whole: Whole, centers: np.ndarray, first: int
) -> Contribution:
    """Return what a part contributes to a pass.

    centers : (n_clusters, padded features); first : the number of its first row
    """
    part = part_of(block, weights, whole)
    labels = np.full(len(part), -1, np.int32)
    algorithm = algorithm_for(part, centers, "certified")
    tables = algorithm.tables(len(centers))
    algorithm.run(centers, labels, tables)
    n_clusters = len(centers)
    return Contribution(
        tables.sums[:, :n_clusters].sum(0), tables.counts[:, :n_clusters].sum(0), fingerprint(labels, first)
    )


def fingerprint(labels: np.ndarray, first: int) -> np.ndarray:
    """Return 128 bits, (2,), int64, that tell labels of consecutive rows from others.

    Those of parts are combined by exclusive or, and a row can be taken out again. Whether a pass has changed
    a label is known by them, without the labels of the pass before. That they miss a change has a
    probability of 2**-128.

    first : the number of the first row
    """
    bits = np.zeros(2, np.int64)
    ADD_LABELS(labels, first, bits)
    return bits


def relabeled(bits: np.ndarray, rows: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return a fingerprint after some rows have changed their labels, both int32."""
    after = bits.copy()
    for t, row in enumerate(rows.tolist()):
        after ^= fingerprint(new[t : t + 1], row) ^ fingerprint(old[t : t + 1], row)
    return after


class Costly(NamedTuple):
    """The most costly rows of some parts, in order of cost: where they are, and what they hold.

    costs, rows, labels : (n,), float64, int64, int32; weights : (n,), as kernels take them, or None
    values : (n, n_features), in the working dtype
    """

    costs: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None
    values: np.ndarray

    def at(self, places: Any) -> Costly:
        fields: Any = (None if field is None else field[places] for field in self)
        return Costly(*fields)


def costly(
    block: Any, weights: np.ndarray | None, whole: Whole, centers: np.ndarray, first: int, n_rows: int
) -> Costly:
    """Return the most costly rows of a part, at most n_rows; first : the number of its first row."""
    part = part_of(block, weights, whole)
    labels, _ = nearest(part, centers[:, : part.shape[1]])
    rows, costs = most_costly(part, centers, labels, n_rows)
    own = None if weights is None else part.kernel_weights[rows]
    values = part.array[rows].astype(part.dtype, order="C")
    return Costly(costs, first + rows, labels[rows], own, values)


def merge_costly(found: Sequence[Costly], n_rows: int) -> Costly:
    """Return the most costly rows of all parts; of equal ones those with the lowest numbers."""
    parts = zip(*found, strict=True)
    fields: Any = (None if field[0] is None else np.concatenate(field) for field in parts)
    merged = Costly(*fields)
    return merged.at(np.lexsort((merged.rows, -merged.costs))[:n_rows])


class Total(NamedTuple):
    """The exact sum of squared distances, in units of 2**PRODUCT_LOWEST, and the sizes of the clusters.

    infinite : whether a summand is
    counts : (n_clusters,), int64, rows of weight above 0
    """

    units: int
    infinite: bool
    counts: np.ndarray

    def rounded(self) -> float:
        """Return the sum, rounded once."""
        return float("inf") if self.infinite else quotient(self.units, 1 << -PRODUCT_LOWEST, single=False)


def merge_totals(totals: Sequence[Total]) -> Total:
    """Return the totals of all parts."""
    units, infinite, counts = zip(*totals, strict=True)
    return Total(sum(units), any(infinite), np.sum(counts, axis=0))


def _total(values: np.ndarray, weights: np.ndarray | None, counts: np.ndarray) -> Total:
    """Return the exact sum of weights times values, which are at least 0."""
    summands = values if weights is None else weighted_products(values, weights)
    units = None if summands is None else exact_units(summands)
    if units is not None:
        return Total(units << LOWEST - PRODUCT_LOWEST, False, counts)
    units = None if weights is None else weighted_units(values, weights)
    return Total(units or 0, units is None, counts)


def inertia(block: Any, weights: np.ndarray | None, whole: Whole, centers: np.ndarray) -> Total:
    """Return the inertia of a part for centers (n_clusters, n_features), and the sizes of its clusters."""
    part = part_of(block, weights, whole)
    labels, sq_dists = nearest(part, centers)
    counted = labels if weights is None else labels[weights > 0]
    return _total(sq_dists, weights, np.bincount(counted, minlength=len(centers)))


def column_sums(block: Any, whole: Whole) -> Contribution:
    """Return the exact sums of the columns of a part; rows count alike."""
    part = part_of(block, None, whole)
    tables = labeled_sums(part, np.zeros(len(part), np.int32), 1)
    return Contribution(tables.sums[:, :1].sum(0), tables.counts[:, :1].sum(0), np.zeros(2, np.int64))


def variance(block: Any, whole: Whole, mean: np.ndarray) -> Total:
    """Return the sum of the squared distances of a part's rows to their mean (1, padded features)."""
    part = part_of(block, None, whole)
    sq_dists = label_sq_dists(part, mean, np.zeros(len(part), np.int32))
    return _total(sq_dists, None, np.zeros(1, np.int64))
