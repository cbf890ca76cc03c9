"""Certified scores, but only for rows that are undecided by bounds kept from pass to pass.

Centers that are close together share a panel of the register tile, and one or more panels form a group. Each
row has an upper bound on the distance to its own center, and for each group a lower bound on the distance to
all centers of the group except its own. Between passes the upper bound grows by the distance that its center
moved, and a lower bound shrinks by the largest distance that a center of the group moved. While the upper
bound stays below all lower bounds, the label cannot change, and the row is not even read. Otherwise the upper
bound is replaced by the true distance; if that is not enough, only the groups whose lower bound it exceeds
are scored, and the row's own.

Where the processor multiplies bytes quickly, rows are also kept in a coarse form of one byte a value
(`kernels.coarse`), whose distances to coarse centers leave few candidates for each undecided row; the
distances to these are computed one by one (`kernels.pairs`). Then no pass scores rows in full, not even the
first. Elsewhere, undecided rows with many features are compared by their projections (`kernels.projections`),
a few numbers that give a lower bound for each center, likewise. Whether either pays is estimated from sampled
rows, before or after the first pass.

If the bounds leave nearly everything undecided, as in the first passes over data without clusters, checking
them is wasted work: all rows are scored, and new bounds are written if that costs next to nothing or may pay
in the next pass. Before each pass, sampled rows show whether checking pays again.

If few centers moved far, these are scored for all rows, so that only the moves of the others lower the bounds
of the groups (`kernels.fast_centers`).

References
----------
Y. Ding, Y. Zhao, X. Shen, M. Musuvathi, T. Mytkowicz, "Yinyang k-means: a drop-in replacement of the classic
k-means with consistent speedup", ICML 2015. G. Hamerly, "Making k-means even faster", SDM 2010: one group.
"""

from __future__ import annotations

import math

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import panels as _panels
from numbakmeans._engine.algorithms.base import Algorithm, Pass
from numbakmeans._engine.algorithms.coarse import coarse_rows, pack_coarse
from numbakmeans._engine.algorithms.panels import (
    gather,
    pack_buffers,
    panel_columns,
    places_of,
    rows_at_once,
)
from numbakmeans._engine.algorithms.projections import (
    MOST_LOSS,
    basis_of,
    directions,
    lengths,
    multiplies,
    pack_projections,
    projection_distances,
    projections_of_rows,
    spanning,
)
from numbakmeans._engine.plan import Plan
from numbakmeans._engine.samples import Samples, tables_of
from numbakmeans._engine.structs.passes import (
    Basis,
    Clusters,
    Coarse,
    CoarseRows,
    FastCenters,
    Places,
    Projections,
    Rows,
    Schedule,
    Transform,
)
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.entries import Entry

_follow_centers = Entry("numbakmeans._engine.kernels.bounds", "follow_centers")
_pack_fast = Driver("numbakmeans._engine.kernels.fast_centers", "pack_fast")

_NO_FAST = np.empty(0, np.int64)
_NO_PROJECTIONS = np.empty((0, 1), np.float32)


def pack_fast(
    plan: Plan, dtype: np.dtype, centers: np.ndarray, transform: Transform, fast: np.ndarray
) -> FastCenters:
    """Return the `FastCenters` of a pass.

    dtype : dtype of the rows; centers : (n_clusters, padded features), all centers
    fast : indices of the fast-moving ones
    """
    n_fast = len(fast)
    order = places_of(np.arange(n_fast), panel_columns(dtype, n_fast))
    packed = pack_buffers(n_fast, len(transform.origin), order, dtype)
    _pack_fast.on(plan.parallel)(plan.n_tasks, centers[fast], transform, packed)
    places = np.full(len(centers), -1)
    # A duplicate center has no score of its own; then the scores prove nothing, and none counts as fast.
    if packed.distinct.all():
        places[fast] = np.arange(n_fast)
    return FastCenters(places, packed)


class Yinyang(Algorithm):
    """Certified scores for rows that bounds on the distances leave undecided."""

    driver = Driver("numbakmeans._engine.kernels.yinyang", "yinyang_pass")

    def __init__(self, samples: Samples, plan: Plan, transform: Transform) -> None:
        super().__init__(samples, plan, transform)
        self.n_passes, self.expected = 0, 1.0
        self.basis: Basis | None = None
        self.coarse: CoarseRows | None = None

    def _begin(self, centers: np.ndarray) -> None:
        samples, (origin, scale, _), plan = self.samples, self.transform, self.plan
        n_samples, n_features = samples.shape
        n_clusters = len(centers)
        columns = panel_columns(samples.dtype, n_clusters)
        projection_columns = (
            columns if n_clusters <= columns else panel_columns(_NO_PROJECTIONS.dtype, n_clusters)
        )
        some = slice(0, n_features, _plan.sampled_feature_step(samples.shape))
        order = gather((centers[:, some] - origin[some]) * scale, projection_columns)
        members = places_of(order, projection_columns).members
        n_panels, n_projection_panels = len(members) // columns, len(members) // projection_columns
        sizes = _plan.bounds(
            samples.shape, n_clusters, n_projection_panels, self.rules.max_iter, samples.memory
        )
        places = np.empty(n_clusters, np.int64)
        places[order] = np.arange(n_clusters)
        projection_groups = np.arange(n_projection_panels) * sizes.n_groups // n_projection_panels
        self.projection_places = Places(members, projection_groups)
        self.places = Places(members, projection_groups[np.arange(n_panels) * columns // projection_columns])
        self.groups = projection_groups[places // projection_columns]
        of_block = (samples.dtype.itemsize, n_panels, plan.n_tasks, rows_at_once(samples.dtype))
        block_rows = _plan.block_rows(samples.shape, *of_block)
        self.block_rows = min(block_rows, samples.slab_rows)
        self.transposes = _plan.transposes(n_features, n_clusters, samples.dtype.itemsize)
        n_blocks = -(-n_samples // self.block_rows)
        self.edges = np.minimum(np.arange(n_blocks + 1) * self.block_rows, n_samples)
        self.upper = np.empty(n_samples, np.float32)
        self.lower = np.empty((n_blocks, sizes.n_groups, self.block_rows), np.float32)
        self.before, self.moved = centers.copy(), np.zeros(n_clusters)
        self.fast, self.projections, self.basis = _NO_FAST, _NO_PROJECTIONS, None
        self.norms = np.empty(n_samples)
        self.projection_sizes = _plan.projection_sizes(samples.shape[1], sizes.n_directions)
        self.coarse = None
        if _panels.multiplies_bytes() and _plan.coarse_fits(samples.shape, sizes.n_groups, samples.memory):
            self.coarse = coarse_rows(samples, plan, centers, self._costs(0, coarse=True))

    def _try_projections(self, centers: np.ndarray, labels: np.ndarray) -> None:
        """Make projections with the number of directions that is best for sampled rows, or none if none pays.

        The directions are those of largest variance of the centers: then the residuals of centers are small,
        and the projected distances are close to the true ones.
        """
        (origin, scale, _), plan = self.transform, self.plan
        n_samples, n_features = self.samples.shape
        step = -(-n_samples // max(1, min(n_samples, at.SAMPLE_PROJECTION_PAIRS // len(centers))))
        given = (self.samples.rows(slice(None, None, step)), centers[:, :n_features])
        rows, points = (((some - origin) * scale).astype(np.float32) for some in given)
        moved = np.zeros(self.lower.shape[1])
        np.maximum.at(moved, self.groups, self.moved)
        own = labels[::step, None]
        upper = lengths(rows - points[own[:, 0]])[:, None]
        blocks, places = np.divmod(np.arange(n_samples)[::step], self.block_rows)
        undecided = self.lower[blocks, :, places] - moved < upper
        multiply = multiplies(plan.parallel, plan.n_tasks)

        def cost_of(size: int, products: tuple[np.ndarray, np.ndarray]) -> float:
            opened = projection_distances(rows, points, products, size, multiply) < upper
            opened &= undecided[:, self.groups]
            np.put_along_axis(opened, own, False, axis=1)
            shares = float(undecided.mean()), float(opened.mean())
            return _plan.projection_cost(size, self._costs(size), len(centers), *shares)

        some = points[:: -(-len(points) // at.SAMPLE_PROJECTION_CENTERS)]
        basis = spanning(some, self.projection_sizes[0])
        # Better directions take longer to find: do not try if these are nowhere near paying.
        if (
            not cost_of(len(basis), (multiply(rows, basis), multiply(points, basis)))
            < at.MAX_ROUGH_PROJECTION_COST
        ):
            return
        basis, off = directions(some, basis, multiply)
        products = multiply(rows, basis), multiply(points, basis)
        best, cost = 0, np.inf
        for size in self.projection_sizes:
            its_cost = cost_of(size, products)
            if its_cost >= cost:
                break
            best, cost = size, its_cost
        chosen = basis_of(basis[:best], off)
        # In this form the test fails for NaN.
        if cost < at.MAX_PROJECTION_COST and chosen.row_loss < MOST_LOSS:
            self._make_projections(chosen, best)
            self.expected = cost

    def _foresee(self, centers: np.ndarray, costs: _plan.Costs) -> np.ndarray:
        """Estimate from sampled rows what bounds will cost in this pass, if that may be too much.

        Returns
        -------
        fast : indices of the centers that moved so far that it pays to score them for all rows
        """
        # Fast centers of the last pass have capped the bounds of their groups as well: always try again.
        expected_first = math.inf if len(self.fast) else self.expected - costs.checking
        tried = _plan.fast_tried(self.samples.size * len(centers), expected_first)
        if not tried and self.expected <= costs.checked:
            return _NO_FAST
        rows = np.arange(0, len(self.samples), -(-len(self.samples) // at.SAMPLE_FORECAST_ROWS))
        rows = rows[self.upper[rows] < np.inf]
        if not len(rows):
            return _NO_FAST
        blocks, places = np.divmod(rows, self.block_rows)
        slack = np.ascontiguousarray((self.lower[blocks, :, places] - self.upper[rows, None]).T)
        order = np.argsort(-self.moved)
        sizes = _plan.fast_sizes(self.moved[order]) if tried else []
        estimates = []
        for size in (0, *sizes):
            shares = self._open_shares(slack, order[size:])
            estimates.append(_plan.bounds_cost(size, costs, len(centers), *shares))
        cost = min(estimates)
        pays = cost < min(estimates[0], 1.0) * at.MAX_FAST_COST
        if pays or self.expected > costs.checked:
            self.expected = cost if pays else estimates[0]
        return order[: sizes[estimates.index(cost) - 1]] if pays else _NO_FAST

    def _open_shares(self, slack: np.ndarray, lowering: np.ndarray) -> tuple[float, float]:
        """Return the shares of pairs of row and group, and of rows, that bounds will leave undecided.

        slack : (n_groups, n_rows), the lower bounds of the sampled rows less their upper bounds
        lowering : centers whose moves lower the bounds of their groups
        """
        largest = np.zeros(len(slack), slack.dtype)
        np.maximum.at(largest, self.groups[lowering], self.moved[lowering].astype(slack.dtype))
        is_open = slack <= largest[:, None]
        return np.count_nonzero(is_open) / is_open.size, np.count_nonzero(is_open.any(0)) / slack.shape[1]

    def _make_projections(self, basis: Basis, n_directions: int) -> None:
        samples, plan = self.samples, self.plan
        self.basis = basis
        self.projections = np.empty((len(samples), n_directions + 1), np.float32)
        run = projections_of_rows.on(plan.parallel)
        for rows, X in samples.slabs(self.edges):
            found = (self.norms[rows], self.projections[rows])
            run(X, (plan.n_tasks, self.block_rows), self.transform, basis.chunks, found)

    def relabeled(self, rows: np.ndarray, labels: np.ndarray) -> None:
        # Trivial bounds: the lower ones of their old groups leave out their old centers.
        blocks, places = np.divmod(rows, self.block_rows)
        self.upper[rows] = np.inf
        self.lower[blocks, :, places] = 0.0

    def _costs(self, n_directions: int, coarse: bool = False) -> _plan.Costs:
        shape = self.samples.shape[1], len(self.before), self.samples.dtype.itemsize
        return _plan.costs(*shape, _plan.Bounds(self.lower.shape[1], n_directions, coarse))

    def run(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> Pass:
        if self.n_passes == 0:
            self._begin(centers)
        else:
            _follow_centers(centers, self.before, self.transform.scale, self.moved)
        if self.n_passes > 0 and self.projection_sizes and self.coarse is None:
            self._try_projections(centers, labels)
            self.projection_sizes = []
        costs = self._costs(self.projections.shape[1] - 1, self.coarse is not None)
        foreseen = self.n_passes > 0 and self.projections is _NO_PROJECTIONS and self.coarse is None
        self.fast = self._foresee(centers, costs) if foreseen else _NO_FAST
        done = self._pass(centers, labels, tables)
        moved, n_decided, n_scored, n_paired, saved, n_checked, spent = (int(count) for count in done)
        if self.n_passes > 0:
            self.expected = _plan.next_cost(spent / n_checked if n_checked else self.expected, costs)
        self.n_passes += 1
        if saved < 0:
            self.projections, self.coarse = _NO_PROJECTIONS, None
        # All groups but one have the same size.
        return Pass(moved, n_decided, round(n_scored * len(centers) / self.lower.shape[1]) + n_paired)

    def _pass(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> np.ndarray:
        """Run the pass; return the counts from `yinyang_pass`, summed over the slabs."""
        plan, transform = self.plan, self.transform
        costs = self._costs(self.projections.shape[1] - 1, self.coarse is not None)
        schedule = Schedule(self.transposes, self.n_passes, float(self.expected), costs)
        clusters = Clusters(centers, transform, self.moved, self.places, self.groups, None, None, None)
        if len(self.fast):
            fast = pack_fast(plan, self.samples.dtype, centers, transform, self.fast)
            clusters = clusters._replace(fast=fast)
        projections: Projections | None = None
        if self.basis is not None and len(self.projections):
            projections = pack_projections(
                plan, self.projections, self.basis, clusters, self.projection_places
            )
        coarse: Coarse | None = None
        if self.coarse is not None:
            coarse = pack_coarse(plan, self.coarse, clusters, self.projection_places, self.lower.shape[1])
        run, done = self.driver.on(plan.parallel), np.zeros(7, np.int64)
        for rows, X in self.samples.slabs(self.edges):
            blocks = slice(rows.start // self.block_rows, -(-rows.stop // self.block_rows))
            some = projections and projections._replace(rows=projections.rows[rows])
            kept = (labels[rows], self.norms[rows], self.upper[rows], self.lower[blocks])
            few = coarse and coarse._replace(rows=coarse.rows.part(rows))
            of_rows = Rows(X, *kept), tables_of(tables, rows)
            done += run(schedule, clusters._replace(projections=some, coarse=few), *of_rows)
        return done
