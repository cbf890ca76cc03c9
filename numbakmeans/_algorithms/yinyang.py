"""Certified scores, but only where bounds kept from pass to pass leave a doubt.

Centers that lie together share a panel of the register tile, and one or more panels are a group. For every
row are kept an upper bound on the distance to its own center, and for each group a lower bound on the
distance to all its centers but its own. Between passes the first grows by what its center moved, the others
shrink by the most that a center of the group moved. While the upper bound stays below all lower ones, the
label cannot change, and the row is not even read. Where it does not, it is replaced by the true distance;
and where that is not enough, only the groups are scored whose bound it passes, and the row's own.

Where the bounds leave nearly everything open, as in the first passes over data without clusters, looking at
them is for nothing: only a block now and then is asked, and the others are scored and bounded anew at once.

Invariants, in units of the frame (`_samples.Frame`), with a the label of row x and c any other center:

    |x - a| <= upper[i]    and    |x - c| >= lower[i, group of c]

Rounding. Every bound is made safe when it is written: distances from the definition's operands are off by
less than (d + 4) 2**-53, scores by E (`_kernels.certify`), norms of packed rows by less than 2**-21 (2**-50)
of their squares, and a stored float32 by 2**-24, all of which `WIDEN` covers with room to spare. The same
margin keeps the rounding of the definition from turning an order that the bounds prove.

References
----------
Y. Ding, Y. Zhao, X. Shen, M. Musuvathi, T. Mytkowicz, "Yinyang k-means: a drop-in replacement of the classic
k-means with consistent speedup", ICML 2015. G. Hamerly, "Making k-means even faster", SDM 2010: one group.
"""

from __future__ import annotations

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._algorithms.certified import prepare
from numbakmeans._jit import bounding_kernel, driver, kernel, prange
from numbakmeans._kernels.certify import error_of, nearest_of_rows, score_rows
from numbakmeans._kernels.exact import relabel_row
from numbakmeans._kernels.heads import (
    head_panels,
    heads_of_rows,
    off_orthonormal,
    orthonormalize,
    panels_of,
    products,
    slack,
)
from numbakmeans._kernels.pack import pack_rows, panel_columns, score_buffers
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples

#: What a bound is widened by, relative to itself, and below what a lower bound is nothing.
WIDEN, NOTHING = 2.0**-19, 2.0**-100
#: Of so many blocks one is always asked for its bounds.
ASKED = 16
#: The norm of a head over that of its row, at most.
HEAD_REACH = 1.01


@bounding_kernel
def distance(X, i, centers, j):
    """Return the distance between row i and center j, summed in any order."""
    square = 0.0
    for f in range(X.shape[1]):
        difference = X[i, f] - centers[j, f]
        square += difference * difference
    return np.sqrt(square)


@kernel
def safe_root(square):
    """Return the root of a lower bound on a square, rounded down; 0 where a float32 could not hold it."""
    root = np.sqrt(max(square, 0.0)) * (1.0 - WIDEN)
    return root if root > NOTHING else 0.0


@kernel
def drifts_of(centers, before, groups, scale, drifts, group_drifts):
    """Write how far each center moved at most, and the most in each group.

    groups : (n_clusters,), int64, the group of each center; drifts : OUT (n_clusters,)
    group_drifts : OUT (n_groups,), float32, rounded up
    """
    group_drifts[:] = 0.0
    for j in range(len(drifts)):
        drifts[j] = distance(centers, j, before, j) * scale * (1.0 + WIDEN)
        group_drifts[groups[j]] = max(group_drifts[groups[j]], np.float32(drifts[j] * (1.0 + WIDEN)))


@kernel
def pick_rows(X, start, stop, centers, scale, drifts, group_drifts, labels, upper, lower, picks, needs):
    """Tile. Bring the bounds of rows [start, stop) up to date; find rows and groups that are in doubt.

    upper : INOUT (n_samples,), float32; lower : INOUT (n_groups, block rows), float32, of these rows
    picks : OUT (rows,), int64; needs : OUT (n_groups, rows), bool

    Returns
    -------
    n_picks : how many rows are in doubt
    """
    n_groups = len(group_drifts)
    shrink, tiny = np.float32(1.0 - WIDEN), np.float32(NOTHING)
    nearest = np.full(stop - start, np.inf, np.float32)
    for g in range(n_groups):
        moved = group_drifts[g]
        for r in range(stop - start):
            bound = (lower[g, r] - moved) * shrink
            bound = bound if bound > tiny else np.float32(0.0)
            lower[g, r] = bound
            nearest[r] = bound if bound < nearest[r] else nearest[r]
    n_picks = 0
    for i in range(start, stop):
        own = labels[i]
        bound = (upper[i] + drifts[own]) * (1.0 + WIDEN)
        if not bound < nearest[i - start]:
            bound = distance(X, i, centers, own) * scale * (1.0 + WIDEN)
            if not bound < nearest[i - start]:
                picks[n_picks] = i
                n_picks += 1
        upper[i] = bound
    for g in range(n_groups):
        for t in range(n_picks):
            i = picks[t]
            needs[g, t] = not upper[i] < lower[g, i - start]
    return n_picks


@kernel
def doubt_by_heads(
    start, picks, n_picks, heads, head_norms, loss, head_shared, twins, scores, upper, lower, needs
):
    """Tile. Raise lower bounds by the heads' distances, and take back needs that they settle.

    The scores have been computed; head_shared : panels, half_norms, bounds, slacks and groups of panels
    """
    bounds, slacks, panel_groups = head_shared[2], head_shared[3], head_shared[4]
    best = scores[0]
    n_panels, n_groups = best.shape[0], needs.shape[0]
    raised = np.empty(n_picks)
    own_slack = np.empty(n_picks)
    for t in range(n_picks):
        i = picks[t]
        own_slack[t] = slack(head_norms[i], -np.float64(heads[i, heads.shape[1] - 1]), loss)
    p = 0
    for g in range(n_groups):
        raised[:] = np.inf
        while p < n_panels and panel_groups[p] == g:
            for t in range(n_picks):
                norm = head_norms[picks[t]]
                square = 2.0 * (best[p, t] - error_of(bounds, p, norm * HEAD_REACH)) + norm * norm * (
                    1.0 - WIDEN
                )
                bound = safe_root(square) - slacks[p] - own_slack[t]
                raised[t] = min(raised[t], bound)
            p += 1
        for t in range(n_picks):
            i = picks[t]
            if needs[g, t] and raised[t] > lower[g, i - start]:
                bound = np.float32(raised[t] * (1.0 - WIDEN))
                needs[g, t] = not upper[i] < bound
                lower[g, i - start] = 0.0 if twins[g] else bound


@kernel
def keep_doubtful(picks, n_picks, groups, labels, needs):
    """Tile. Drop the rows that need no group any more; the others need that of their center, too."""
    n_groups = needs.shape[0]
    n_kept = 0
    for t in range(n_picks):
        wanted = False
        for g in range(n_groups):
            wanted |= needs[g, t]
        if wanted:
            for g in range(n_groups):
                needs[g, n_kept] = needs[g, t]
            picks[n_kept] = picks[t]
            needs[groups[labels[picks[t]]], n_kept] = True
            n_kept += 1
    return n_kept


@kernel
def bound_rows(
    X,
    start,
    n_rows,
    picks,
    n_picks,
    new_labels,
    centers,
    scale,
    places,
    needs,
    shared,
    twins,
    norms,
    scores,
    work,
    upper,
    lower,
):
    """Tile. Write the bounds of rows that were scored: of their groups, and of their new labels.

    n_rows : of the block, of which n_picks were scored; work : as `nearest_of_rows` leaves it; overwritten
    """
    bounds, panel_groups = shared[4], shared[5]
    best, second, columns = scores[0], scores[1], scores[2]
    n_panels, n_groups = best.shape[0], needs.shape[0]
    width = len(shared[1]) // n_panels
    root, winner, least = work[0], work[1], work[2]
    # Loops without branches, so that they vectorise.
    for t in range(n_picks):
        square = 2.0 * root[t] + norms[t] * norms[t] * (1.0 + WIDEN)
        root[t] = np.sqrt(square if square > 0.0 else 0.0)
    for t in range(n_picks):
        if least[t] != 0.0:
            # Decided by the definition: the best score of the panel may be another center's.
            place = places[new_labels[t]]
            p = place // width
            winner[t] = p if columns[p, t] == place % width else -1.0
            root[t] = distance(X, picks[t], centers, new_labels[t]) * scale
        upper[picks[t]] = root[t] * (1.0 + WIDEN)
    p = 0
    for g in range(n_groups):
        first = p
        while p < n_panels and panel_groups[p] == g:
            p += 1
        n_wanted = 0
        for t in range(n_picks):
            n_wanted += needs[g, t]
        if n_wanted == 0:
            continue
        nothing = np.inf if twins[g] else NOTHING
        least[:] = np.inf
        for q in range(first, p):
            own, e0, e1, e2 = float(q), bounds[q, 0], bounds[q, 1], bounds[q, 2]
            for t in range(n_picks):
                one, two, norm = np.float64(best[q, t]), np.float64(second[q, t]), norms[t]
                score = (two if winner[t] == own else one) - (e0 + (e1 + e2 * norm) * norm)
                least[t] = score if score < least[t] else least[t]
        for t in range(n_picks):
            square = 2.0 * least[t] + norms[t] * norms[t] * (1.0 - WIDEN / 2)
            bound = np.sqrt(square if square > 0.0 else 0.0) * (1.0 - WIDEN)
            least[t] = bound if bound > nothing else 0.0
        if n_wanted == n_rows:
            for t in range(n_rows):
                lower[g, t] = least[t]
            continue
        for t in range(n_picks):
            if needs[g, t]:
                lower[g, picks[t] - start] = least[t]


@kernel
def yinyang_slot(
    X,
    slot,
    n_slots,
    block_rows,
    limit,
    centers,
    origin,
    scale,
    distinct,
    members,
    places,
    groups,
    panels,
    half_norms,
    bounds,
    panel_groups,
    drifts,
    group_drifts,
    twins,
    heads,
    head_norms,
    loss,
    head_groups,
    head_panels_,
    head_half_norms,
    head_bounds,
    head_slacks,
    constants,
    scales,
    labels,
    upper,
    lower,
    sums,
    counts,
):
    """Assign the rows of one slot, every n-th block; see `yinyang_pass`."""
    shared = (distinct, members, panels, half_norms, bounds, panel_groups)
    head_shared = (head_panels_, head_half_norms, head_bounds, head_slacks, head_groups)
    rows, norms = np.empty((block_rows, X.shape[1]), X.dtype), np.empty(block_rows)
    scores, work = score_buffers(X, block_rows, len(panels)), np.empty((3, block_rows))
    head_scores = score_buffers(heads, block_rows, len(head_panels_))
    picks, needs = np.empty(block_rows, np.int64), np.empty((lower.shape[1], block_rows), np.bool_)
    new_labels, rest = np.empty(block_rows, np.int64), np.empty(X.shape[1])
    moved, n_decided, n_asked, n_doubted, n_open, n_scored = 0, 0, 0, 0, 0, 0
    for turn, start in enumerate(range(slot * block_rows, len(X), n_slots * block_rows)):
        stop = min(start + block_rows, len(X))
        bounds_below = lower[start // block_rows]
        ask = labels[start] >= 0 and (turn % ASKED == 0 or n_open <= limit * n_asked)
        if not ask:
            n_picks = stop - start
            for i in range(start, stop):
                picks[i - start] = i
            needs[:] = True
        else:
            n_picks = pick_rows(
                X,
                start,
                stop,
                centers,
                scale,
                drifts,
                group_drifts,
                labels,
                upper,
                bounds_below,
                picks,
                needs,
            )
            n_asked += (stop - start) * needs.shape[0]
            n_doubted += count_needs(needs, n_picks)
            if len(heads) > 0:
                score_rows(
                    heads, picks, n_picks, needs, head_panels_, head_half_norms, head_groups, head_scores
                )
                doubt_by_heads(
                    start,
                    picks,
                    n_picks,
                    heads,
                    head_norms,
                    loss,
                    head_shared,
                    twins,
                    head_scores,
                    upper,
                    bounds_below,
                    needs,
                )
            n_picks = keep_doubtful(picks, n_picks, groups, labels, needs)
            n_open += count_needs(needs, n_picks)
        n_scored += count_needs(needs, n_picks)
        pack_rows(X, picks, n_picks, origin, scale, rows, norms)
        n_decided += nearest_of_rows(
            X, picks, n_picks, needs, centers, shared, rows, norms, scores, work, new_labels
        )
        bound_rows(
            X,
            start,
            stop - start,
            picks,
            n_picks,
            new_labels,
            centers,
            scale,
            places,
            needs,
            shared,
            twins,
            norms,
            scores,
            work,
            upper,
            bounds_below,
        )
        for t in range(n_picks):
            i, new = picks[t], new_labels[t]
            if new != labels[i]:
                relabel_row(X, i, new, constants, scales, rest, labels, sums, counts)
                moved += 1
    return moved, n_decided, n_doubted, n_open, n_scored


@kernel
def count_needs(needs, n_picks):
    """Return how many pairs of row and group are in doubt."""
    total = 0
    for g in range(needs.shape[0]):
        for t in range(n_picks):
            total += 1 if needs[g, t] else 0
    return total


@driver
def yinyang_pass(
    X,
    block_rows,
    limit,
    centers,
    before,
    members,
    places,
    groups,
    panel_groups,
    head_groups,
    origin,
    scale,
    heads,
    head_norms,
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
    centers, before : (n_clusters, padded features), float64, of this pass and of the one before
    members, places, groups : which center stands where in the panels, where each stands, and its group
    panel_groups, head_groups : the group of each panel, and of each panel of heads
    heads, head_norms, basis, loss : of the rows (`_kernels.heads`); heads may be empty: then there are none
    upper : INOUT (n_samples,), float32; lower : INOUT (n_blocks, n_groups, block_rows), float32

    The others are those of `certified_pass`.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_doubted, n_open : pairs of row and group that the bounds left open, and then the heads, where asked
    n_scored : pairs of row and group that were scored, asked or not
    """
    n_slots = sums.shape[0]
    distinct, panels, half_norms, bounds = prepare(X, centers, members, origin, scale)
    drifts, group_drifts = np.empty(len(centers)), np.empty(lower.shape[1], np.float32)
    drifts_of(centers, before, groups, scale, drifts, group_drifts)
    # Centers that equal another have no score of their own in this pass: no bound of their groups is kept.
    twins = np.zeros(lower.shape[1], np.bool_)
    for j in range(len(centers)):
        twins[groups[j]] |= not distinct[j]
    head_panels_, head_half_norms, head_bounds, head_slacks = head_panels(
        centers, distinct, members, origin, scale, basis, heads.shape[1] - 1, loss
    )
    moved, n_decided, n_doubted, n_open, n_scored = 0, 0, 0, 0, 0
    for s in prange(n_slots):
        slot_moved, slot_decided, slot_doubted, slot_open, slot_scored = yinyang_slot(
            X,
            s,
            n_slots,
            block_rows,
            limit,
            centers,
            origin,
            scale,
            distinct,
            members,
            places,
            groups,
            panels,
            half_norms,
            bounds,
            panel_groups,
            drifts,
            group_drifts,
            twins,
            heads,
            head_norms,
            loss,
            head_groups,
            head_panels_,
            head_half_norms,
            head_bounds,
            head_slacks,
            constants,
            scales,
            labels,
            upper,
            lower,
            sums[s],
            counts[s],
        )
        moved += slot_moved
        n_decided += slot_decided
        n_doubted += slot_doubted
        n_open += slot_open
        n_scored += slot_scored
    return moved, n_decided, n_doubted, n_open, n_scored


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


def directions(points: np.ndarray, n_directions: int) -> tuple[np.ndarray, float]:
    """Return orthonormal directions (n_directions, n_features) along which points spread most, float32.

    Also returns how far they are from orthonormal. A few steps of subspace iteration, from some of the
    points: how good they are changes no result. No BLAS, whose threads would go on spinning beside ours.
    """
    points = points - points.mean(0)
    columns = np.ascontiguousarray(points.T)
    basis = points[:: max(1, len(points) // n_directions)][:n_directions].copy()
    for _ in range(2):
        orthonormalize(basis)
        basis = products(np.ascontiguousarray(products(points, basis).T), columns)
    orthonormalize(basis)
    return basis, off_orthonormal(basis)


class Yinyang(Algorithm):
    """Certified scores where bounds on the distances leave a doubt."""

    driver = yinyang_pass

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.begun = False

    def _begin(self, centers: np.ndarray) -> None:
        samples, (origin, scale), plan = self.samples, self.frame, self.plan
        n_samples, n_features = samples.shape
        n_clusters = len(centers)
        columns = panel_columns(np.empty((0, 0), samples.dtype), n_clusters)
        head_columns = columns if n_clusters <= columns else panel_columns(_NO_HEADS, n_clusters)
        points = (centers[:, :n_features] - origin) * scale
        self.members = gather(points, head_columns)
        n_panels, n_head_panels = len(self.members) // columns, len(self.members) // head_columns
        sizes = _plan.bounds(samples.shape, n_head_panels, samples.memory)
        self.places = np.empty(n_clusters, np.int64)
        self.places[self.members[:n_clusters]] = np.arange(n_clusters)
        self.head_groups = np.arange(n_head_panels) * sizes.n_groups // n_head_panels
        self.panel_groups = self.head_groups[np.arange(n_panels) * columns // head_columns]
        self.groups = self.head_groups[self.places // head_columns]
        block_rows = _plan.block_rows(samples.shape, samples.dtype.itemsize, n_panels, plan.n_slots)
        self.block_rows = min(block_rows, samples.slab_rows)
        n_blocks = -(-n_samples // self.block_rows)
        self.edges = np.minimum(np.arange(n_blocks + 1) * self.block_rows, n_samples)
        self.upper = np.empty(n_samples, np.float32)
        self.lower = np.empty((n_blocks, sizes.n_groups, self.block_rows), np.float32)
        self.before = centers.copy()
        self.heads, self.basis, self.loss = _NO_HEADS, _NO_BASIS, 0.0
        self.head_norms = np.empty(0)
        if sizes.n_directions > 0:
            self._make_heads(sizes.n_directions)
        self.begun = True

    def _make_heads(self, n_directions: int) -> None:
        samples, (origin, scale) = self.samples, self.frame
        n_samples, n_features = samples.shape
        some = samples.rows(slice(None, None, max(1, n_samples // _plan.HEAD_SAMPLE)))
        basis, off = directions(((some - origin) * scale).astype(np.float32), n_directions)
        self.basis = panels_of(basis)
        self.loss = 1.05 * n_directions**0.5 * (2 * n_features + 6) * 2.0**-24 + off
        self.heads = np.empty((n_samples, n_directions + 1), np.float32)
        self.head_norms = np.empty(n_samples)
        run = heads_of_rows.on(self.plan.parallel)
        for rows, X in samples.slabs(self.edges):
            heads, norms = self.heads[rows], self.head_norms[rows]
            run(X, self.plan.n_slots, self.block_rows, origin, scale, self.basis, heads, norms)

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        if not self.begun:
            self._begin(centers)
        _, constants, scales = self.grids
        order = (self.members, self.places, self.groups, self.panel_groups, self.head_groups)
        run = self.driver.on(self.plan.parallel)
        limit = _plan.bounds_pay(self.samples.shape[1], len(centers), len(self.heads) > 0)
        done = np.zeros(5, np.int64)
        for rows, X in self.samples.slabs(self.edges):
            blocks = slice(rows.start // self.block_rows, -(-rows.stop // self.block_rows))
            heads = (self.heads[rows], self.head_norms[rows], self.basis, self.loss)
            tables = (constants, scales, labels[rows], self.upper[rows], self.lower[blocks], sums, counts)
            done += run(X, self.block_rows, limit, centers, self.before, *order, *self.frame, *heads, *tables)
        moved, n_decided, n_doubted, n_open, n_scored = (int(count) for count in done)
        self.before[:] = centers
        if n_doubted and n_open > _plan.HEADS_PAY * n_doubted:
            self.heads, self.head_norms = _NO_HEADS, np.empty(0)
        # Groups are as large as each other, but for one.
        return Pass(moved, n_decided, round(n_scored * len(centers) / self.lower.shape[1]))


_NO_HEADS, _NO_BASIS = np.empty((0, 1), np.float32), np.empty((0, 1, 1), np.float32)
