"""Starting centers: rows at random, or the rounds of k-means|| over all parts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from dask.delayed import Delayed

from numbakmeans._engine.bins import LOWEST
from numbakmeans._engine.exact import quotient
from numbakmeans._engine.parts import seeding as tasks
from numbakmeans._engine.parts.passes import merge_contributions
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS, oversampling
from numbakmeans._engine.seeding.oversampling import Draw, share
from numbakmeans.dask.collections import Parts, compute, persist

#: With fewer candidates than clusters, all rows are gathered if there are no more values than this.
MOST_GATHERED = 1 << 22


def seed(parts: Parts, n_clusters: int, init: str, stream: np.random.Generator) -> np.ndarray:
    """Return starting centers (n_clusters, n_features), float64, that `fit.seed` returns for one array."""
    whole = parts.whole
    n_samples, n_features = whole.n_samples, len(whole.largest)
    if init == "random":
        rows, _ = SEEDINGS["points"].draw(stream, n_samples, n_clusters, n_features)
        return rows_at(parts, rows)
    method = SEEDINGS["parallel ++"]
    key, uniforms = method.draw(stream, n_samples, n_clusters, n_features)
    rounds = Rounds(parts)
    chosen, weights = oversampling.candidates(rounds, n_clusters, int(key[0]), uniforms[0])
    if len(chosen) > n_clusters:
        return oversampling.pick(Samples(rounds.values(chosen), weights), n_clusters, uniforms)
    if n_samples * n_features > MOST_GATHERED:
        raise ValueError(
            f"init='k-means||' has found only {len(chosen)} distinct rows to choose n_clusters={n_clusters} "
            "centers from: ask for fewer clusters, or give the centers"
        )
    return method.place(gathered(parts), n_clusters, key, uniforms)


def rows_at(parts: Parts, rows: np.ndarray) -> np.ndarray:
    """Return rows by their numbers, in any order, rounded to the working dtype, float64."""
    order = np.argsort(rows)
    found = _taken(parts, rows[order])
    values = np.empty((len(rows), found.values.shape[1]))
    values[order] = Samples(found.values).rows(slice(None))
    return values


def gathered(parts: Parts) -> Samples:
    """Return all rows, and their weights, in memory."""
    rows = Samples(_taken(parts, np.arange(parts.whole.n_samples)).values)
    if not parts.whole.weighted:
        return rows
    return Samples(rows.array, np.concatenate(compute(*parts.weights)))


def _taken(parts: Parts, rows: np.ndarray) -> tasks.Taken:
    """Return rows by their numbers, which are ascending."""
    edges = np.searchsorted(rows, parts.starts).tolist()
    own = {p: rows[edges[p] : edges[p + 1]] - parts.starts[p] for p in range(len(parts))}
    calls = parts.each(
        "rows",
        tasks.taken,
        lambda p: (parts.blocks[p], parts.shared_whole, own[p], parts.starts[p]),
        [p for p, places in own.items() if len(places)],
    )
    found: tasks.Taken = parts.reduce("rows", calls, tasks.merge_taken)
    return found


class Rounds:
    """`oversampling.Rows` in parts. What is known of each row stays where the row is."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._seeded: Sequence[Delayed | None] = [None] * len(parts)
        #: The candidates, and their values.
        self._chosen: dict[int, np.ndarray] = {}

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Return the values of candidates."""
        return np.array([self._chosen[row] for row in rows.tolist()])

    def _remember(self, found: tasks.Taken) -> np.ndarray:
        self._chosen.update(zip(found.rows.tolist(), found.values, strict=True))
        return found.rows

    def first(self, uniform: float) -> int:
        parts = self._parts
        row = share(uniform, parts.whole.n_samples)
        if parts.whole.weighted:
            running = [0, *accumulate(parts.loads)]
            target = share(uniform, running[-1])
            p = bisect_right(running, target) - 1
            (only,) = parts.each(
                "first", oversampling.reached, lambda p: (parts.weights[p], target - running[p]), [p]
            )
            row = parts.starts[p] + int(compute(only)[0])
        return int(self._remember(_taken(parts, np.array([row])))[0])

    def lower(self, rows: np.ndarray, n_before: int) -> None:
        parts, before = self._parts, self._seeded
        points = parts.share("candidates", Samples(self.values(rows)).rows(slice(None)))
        self._seeded = persist(
            *parts.each(
                "distances",
                tasks.lowered,
                lambda p: (parts.blocks[p], parts.shared_whole, before[p], points, n_before),
            )
        )

    def sampled(self, key: int, turn: int, expected: float) -> np.ndarray:
        parts, seeded = self._parts, self._seeded
        calls = parts.each("potential", tasks.potential, lambda p: (parts.weights[p], seeded[p]))
        units = parts.reduce("potential", calls, tasks.merge_potentials)
        total = float("inf") if units is None else quotient(units, 1 << -LOWEST, single=False)
        calls = parts.each(
            "sample",
            tasks.sampled,
            lambda p: (*parts.rows(p), seeded[p], Draw(key, turn, parts.starts[p], expected, total)),
        )
        return self._remember(parts.reduce("sample", calls, tasks.merge_taken))

    def weights(self, n_candidates: int) -> np.ndarray:
        parts, seeded = self._parts, self._seeded
        calls = parts.each(
            "weights",
            tasks.loads,
            lambda p: (parts.weights[p], parts.shared_whole, seeded[p], n_candidates),
        )
        found = parts.reduce("weights", calls, merge_contributions)
        return tasks.merged_loads(found, parts.whole)
