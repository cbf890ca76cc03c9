"""Certified scores, but only where bounds kept from pass to pass leave a doubt.

Centers that lie together share a panel of the register tile, and one or more panels are a group. For every
row are kept an upper bound on the distance to its own center, and for each group a lower bound on the
distance to all its centers but its own. Between passes the first grows by what its center moved, the others
shrink by the most that a center of the group moved. While the upper bound stays below all lower ones, the
label cannot change, and the row is not even read. Where it does not, it is replaced by the true distance;
and where that is not enough, only the groups are scored whose bound it passes, and the row's own.

Where the bounds leave nearly everything open, as in the first passes over data without clusters, looking at
them is for nothing: only a block now and then is asked, and the others are scored and bounded anew at once.

References
----------
Y. Ding, Y. Zhao, X. Shen, M. Musuvathi, T. Mytkowicz, "Yinyang k-means: a drop-in replacement of the classic
k-means with consistent speedup", ICML 2015. G. Hamerly, "Making k-means even faster", SDM 2010: one group.
"""

from __future__ import annotations

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._jit import kernel
from numbakmeans._kernels.bounds import (
    bound_rows,
    count_needs,
    doubt_by_heads,
    drifts_of,
    keep_doubtful,
    pick_rows,
)
from numbakmeans._kernels.certify import (
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
    score_rows,
    score_some,
)
from numbakmeans._kernels.exact import relabel, relabel_row
from numbakmeans._kernels.heads import directions, heads_of_rows, pack_heads, panels_of
from numbakmeans._kernels.pack import measure_rows, panel_columns, rows_at_once, score_buffers
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples
from numbakmeans._slots import driver, spread

#: Of so many blocks one is always asked for its bounds.
ASKED = 16


@kernel
def yinyang_slot(
    slot,
    X,
    block_rows,
    turns,
    limit,
    centers,
    origin,
    scale,
    as_is,
    norms,
    packed,
    drifts,
    heads,
    constants,
    scales,
    labels,
    upper,
    lower,
    sums,
    counts,
):
    """Slot. Assign the rows of every n-th block; see `yinyang_pass`.

    packed : `certify.Packed`; drifts : `bounds.Drifts`; heads : `heads.Heads`
    """
    n_slots, n_groups = sums.shape[0], lower.shape[1]
    block = block_buffers(X, block_rows, len(packed.panels), n_groups, turns, not as_is)
    rest = np.empty(X.shape[1])
    head_scores = score_buffers(heads.rows, block_rows, len(heads.panels))
    picks, needs = block.picks, block.needs
    tables = (labels, sums[slot], counts[slot])
    moved, n_decided, n_asked, n_doubted, n_open, n_scored = 0, 0, 0, 0, 0, 0
    for turn, start in enumerate(range(slot * block_rows, len(X), n_slots * block_rows)):
        stop = min(start + block_rows, len(X))
        below = lower[start // block_rows]
        if labels[start] < 0:
            measure_rows(X, start, stop, origin, scale, norms)
        if labels[start] >= 0 and (turn % ASKED == 0 or n_open <= limit * n_asked):
            n_picks = pick_rows(X, start, stop, centers, scale, drifts, labels, upper, below, picks, needs)
            n_asked += (stop - start) * n_groups
            n_doubted += count_needs(needs, n_picks)
            if len(heads.rows) > 0:
                head_panels = (heads.panels, heads.half_norms, heads.groups)
                score_rows(heads.rows, picks, n_picks, needs, *head_panels, head_scores)
                doubt_by_heads(
                    start, picks, n_picks, heads, norms, drifts.twins, head_scores, upper, below, needs
                )
            n_picks = keep_doubtful(picks, n_picks, drifts.groups, labels, needs)
            n_open += count_needs(needs, n_picks)
            score_some(X, block, n_picks, packed, origin, scale)
            n_scored += count_needs(needs, n_picks)
        else:
            n_picks = score_all(X, start, stop, block, packed, origin, scale)
            n_scored += n_picks * n_groups
        for t in range(n_picks):
            block.norms[t] = norms[picks[t]]
        n_decided += nearest_of_rows(X, block, n_picks, centers, packed, scale)
        panels = (packed.errors, packed.groups, drifts.twins)
        bound_rows(start, stop - start, block, n_picks, *panels, upper, below)
        if labels[start] < 0:
            moved += relabel(X, start, stop, block.labels, constants, scales, rest, *tables)
            continue
        for t in range(n_picks):
            i, new = picks[t], block.labels[t]
            if new != labels[i]:
                relabel_row(X, i, new, constants, scales, rest, *tables)
                moved += 1
    return moved, n_decided, n_doubted, n_open, n_scored


@driver
def yinyang_pass(
    loop,
    X,
    block_rows,
    turns,
    limit,
    centers,
    before,
    members,
    groups,
    panel_groups,
    head_groups,
    origin,
    scale,
    as_is,
    norms,
    heads,
    basis,
    loss,
    constants,
    scales,
    labels,
    upper,
    lower,
    sums,
    counts,
):
    """Assign every row to its nearest center, and bring labels, bounds, sums and counts up to date.

    Parameters
    ----------
    limit : share of the pairs of row and group that bounds may leave open for their upkeep to pay
    turns : are rows that want all centers to be scored side by side (`certify.score_all`)?
    centers, before : (n_clusters, padded features), float64, of this pass and of the one before
    members, groups : which center stands where in the panels, and the group of each center
    panel_groups, head_groups : the group of each panel, and of each panel of heads
    heads, basis, loss : of the rows (`_kernels.heads`); heads may be empty: then there are none
    upper : INOUT (n_samples,), float32; lower : INOUT (n_blocks, n_groups, block_rows), float32

    The others are those of `certified_pass`.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_doubted, n_open : pairs of row and group that the bounds left open, and then the heads, where asked
    n_scored : pairs of row and group that were scored, asked or not
    """
    packed = pack_centers(X, centers, members, panel_groups, origin, scale)
    drifts = drifts_of(centers, before, groups, lower.shape[1], packed.distinct, scale)
    of_centers = (centers, packed.distinct, members, head_groups, origin, scale)
    packed_heads = pack_heads(heads, loss, basis, *of_centers)
    shared = (X, block_rows, turns, limit, centers, origin, scale, as_is, norms, packed, drifts, packed_heads)
    tables = (constants, scales, labels, upper, lower, sums, counts)
    return spread(loop, sums.shape[0], yinyang_slot, (*shared, *tables))


def gather(centers: np.ndarray, columns: int) -> np.ndarray:
    """Return which center stands where in the panels, so that those of a panel lie together; -1 for none.

    The centers are halved again and again, along the line between two that lie far apart.
    """
    n_clusters = len(centers)
    points = centers.astype(np.float32)
    order = np.arange(n_clusters)
    runs = [(0, n_clusters)]
    while runs:
        start, stop = runs.pop()
        if stop - start <= columns:
            continue
        some = points[order[start:stop]]
        one = some[((some - some[0]) ** 2).sum(1).argmax()]
        other = some[((some - one) ** 2).sum(1).argmax()]
        half = -(-(stop - start) // (2 * columns)) * columns
        along = (some * (other - one)).sum(1)
        order[start:stop] = order[start:stop][np.argpartition(along, half - 1)]
        runs += [(start, start + half), (start + half, stop)]
    members = np.full(-(-n_clusters // columns) * columns, -1)
    members[:n_clusters] = order
    return members


class Yinyang(Algorithm):
    """Certified scores where bounds on the distances leave a doubt."""

    driver = yinyang_pass

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.begun = False

    def _begin(self, centers: np.ndarray) -> None:
        samples, (origin, scale, _), plan = self.samples, self.frame, self.plan
        n_samples, n_features = samples.shape
        n_clusters = len(centers)
        none = np.empty((0, 0), samples.dtype)
        columns = panel_columns(none, n_clusters)
        head_columns = columns if n_clusters <= columns else panel_columns(_NO_HEADS, n_clusters)
        points = (centers[:, :n_features] - origin) * scale
        self.members = gather(points, head_columns)
        n_panels, n_head_panels = len(self.members) // columns, len(self.members) // head_columns
        sizes = _plan.bounds(samples.shape, n_head_panels, samples.memory)
        places = np.empty(n_clusters, np.int64)
        places[self.members[:n_clusters]] = np.arange(n_clusters)
        self.head_groups = np.arange(n_head_panels) * sizes.n_groups // n_head_panels
        self.panel_groups = self.head_groups[np.arange(n_panels) * columns // head_columns]
        self.groups = self.head_groups[places // head_columns]
        block_rows = _plan.block_rows(
            samples.shape, samples.dtype.itemsize, n_panels, plan.n_slots, rows_at_once(none)
        )
        self.block_rows = min(block_rows, samples.slab_rows)
        self.turns = _plan.turns(n_features, n_clusters, samples.dtype.itemsize)
        n_blocks = -(-n_samples // self.block_rows)
        self.edges = np.minimum(np.arange(n_blocks + 1) * self.block_rows, n_samples)
        self.upper = np.empty(n_samples, np.float32)
        self.lower = np.empty((n_blocks, sizes.n_groups, self.block_rows), np.float32)
        self.before = centers.copy()
        self.heads, self.basis, self.loss = _NO_HEADS, _NO_BASIS, 0.0
        self.norms = np.empty(n_samples)
        if sizes.n_directions > 0:
            self._make_heads(sizes.n_directions)
        self.begun = True

    def _make_heads(self, n_directions: int) -> None:
        samples, (origin, scale, _), plan = self.samples, self.frame, self.plan
        n_samples, n_features = samples.shape
        some = samples.rows(slice(None, None, -(-n_samples // _plan.HEAD_SAMPLE)))
        points = ((some - origin) * scale).astype(np.float32)
        basis, off = directions(points, n_directions, plan.parallel, plan.n_slots)
        self.basis = panels_of(basis)
        self.loss = 1.05 * n_directions**0.5 * (2 * n_features + 6) * 2.0**-24 + off
        self.heads = np.empty((n_samples, n_directions + 1), np.float32)
        run = heads_of_rows.on(plan.parallel)
        for rows, X in samples.slabs(self.edges):
            heads = (self.basis, self.heads[rows], self.norms[rows])
            run(X, plan.n_slots, self.block_rows, origin, scale, *heads)

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        if not self.begun:
            self._begin(centers)
        _, constants, scales = self.grids
        order = (self.members, self.groups, self.panel_groups, self.head_groups)
        run = self.driver.on(self.plan.parallel)
        limit = _plan.bounds_pay(
            self.samples.shape[1], len(centers), self.samples.dtype.itemsize, len(self.heads) > 0
        )
        done = np.zeros(5, np.int64)
        for rows, X in self.samples.slabs(self.edges):
            blocks = slice(rows.start // self.block_rows, -(-rows.stop // self.block_rows))
            heads = (self.norms[rows], self.heads[rows], self.basis, self.loss)
            tables = (constants, scales, labels[rows], self.upper[rows], self.lower[blocks], sums, counts)
            done += run(
                X,
                self.block_rows,
                self.turns,
                limit,
                centers,
                self.before,
                *order,
                *self.frame,
                *heads,
                *tables,
            )
        moved, n_decided, n_doubted, n_open, n_scored = (int(count) for count in done)
        self.before[:] = centers
        if n_doubted and n_open > _plan.HEADS_PAY * n_doubted:
            self.heads = _NO_HEADS
        # Groups are as large as each other, but for one.
        return Pass(moved, n_decided, round(n_scored * len(centers) / self.lower.shape[1]))


_NO_HEADS, _NO_BASIS = np.empty((0, 1), np.float32), np.empty((0, 1, 1), np.float32)
