"""Certified scores, but only where bounds kept from pass to pass leave a doubt.

Centers that lie together share a panel of the register tile, and one or more panels are a group. For every
row are kept an upper bound on the distance to its own center, and for each group a lower bound on the
distance to all its centers but its own. Between passes the first grows by what its center moved, the others
shrink by the most that a center of the group moved. While the upper bound stays below all lower ones, the
label cannot change, and the row is not even read. Where it does not, it is replaced by the true distance;
and where that is not enough, only the groups are scored whose bound it passes, and the row's own.

With many features, rows that the bounds leave in doubt are asked for their heads first (`_kernels.heads`): a
few numbers that tell a lower bound for each center. What these leave open is a few centers for a row, each
decided by itself (`_kernels.pairs`). Whether that pays, some rows tell after the first pass.

Where the bounds leave nearly everything open, as in the first passes over data without clusters, asking them
is for nothing: all rows are scored at once, and bounded anew if that is nearly for free, or may pay in the
next pass. Some rows tell before each pass whether asking pays again.

Where few centers moved far, these are scored for all rows, so that only what the others moved lowers the
bounds of the groups (`_kernels.movers`).

References
----------
Y. Ding, Y. Zhao, X. Shen, M. Musuvathi, T. Mytkowicz, "Yinyang k-means: a drop-in replacement of the classic
k-means with consistent speedup", ICML 2015. G. Hamerly, "Making k-means even faster", SDM 2010: one group.
"""

from __future__ import annotations

import math

import numpy as np

from numbakmeans import _plan
from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._jit import kernel
from numbakmeans._kernels.bounds import (
    bound_rows,
    count_needs,
    drifts_of,
    follow_centers,
    keep_doubtful,
    open_shares,
    pick_rows,
)
from numbakmeans._kernels.certify import (
    block_buffers,
    nearest_of_rows,
    pack_centers,
    score_all,
    score_some,
)
from numbakmeans._kernels.heads import (
    MOST_LOSS,
    NO_BASIS,
    Basis,
    basis_of,
    directions,
    head_distances,
    heads_of_rows,
    lengths,
    multiplies,
    pack_heads,
    spanning,
)
from numbakmeans._kernels.movers import bound_movers, pack_movers
from numbakmeans._kernels.pack import measure_rows, panel_columns, rows_at_once
from numbakmeans._kernels.pairs import decide_pairs, find_pairs, pair_buffers
from numbakmeans._kernels.sums import relabel, relabel_row
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples
from numbakmeans._slots import driver, spread


@kernel
def yinyang_slot(
    slot,
    X,
    block_rows,
    turns,
    n_before,
    expected,
    worth,
    centers,
    origin,
    scale,
    as_is,
    norms,
    packed,
    drifts,
    movers,
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

    packed : `certify.Packed`; drifts : `bounds.Drifts`; movers : `movers.Movers`; heads : `heads.Heads`
    """
    n_slots, n_groups = sums.shape[0], lower.shape[1]
    block = block_buffers(X, block_rows, len(packed.panels), n_groups, turns, not as_is)
    rest = new_empty(X.shape[1], np.float64)
    pairs = pair_buffers(heads, block_rows)
    with_heads, n_movers = len(heads.panels) > 0, len(movers.packed.distinct)
    of_movers = new_zeros(block_rows, np.float32)
    picks, needs = block.picks, block.needs
    tables = (labels, sums[slot], counts[slot])
    moved, n_decided, n_scored, n_paired = 0, 0, 0, 0
    # What is expected counts as much as one row.
    n_asked, spent, saved = 1, expected, 0.0
    n_turns = (len(lower) - slot + n_slots - 1) // n_slots
    for t in range(n_turns):
        b = slot + (t + n_before) % n_turns * n_slots
        start, stop = b * block_rows, min((b + 1) * block_rows, len(X))
        below = lower[b]
        if n_before == 0:
            measure_rows(X, start, stop, origin, scale, norms)
        bounded = n_before > 0 and upper[start] < np.inf
        asked = bounded and spent <= worth.asked * n_asked
        if asked:
            if n_movers > 0:
                bound_movers(X, start, stop, block, movers, origin, scale, norms, labels, of_movers)
                n_paired += n_movers * (stop - start)
                spent += n_movers / len(centers) * (stop - start)
            bounds = (of_movers, labels, upper, below)
            n_picks, n_measured = pick_rows(X, start, stop, centers, scale, drifts, *bounds, picks, needs)
            n_asked += stop - start
            spent += worth.asking * (stop - start) + worth.measuring * n_measured + worth.doubting * n_picks
        if asked and with_heads:
            n_doubted = count_needs(needs, n_picks)
            find_pairs(start, picks, n_picks, heads, norms, drifts.twins, upper, below, needs, pairs)
            of_centers = (centers, origin, scale, heads, norms, drifts.groups)
            bounds = (labels, upper, below)
            some_paired, some_decided = decide_pairs(X, start, block, n_picks, *of_centers, *bounds, pairs)
            n_paired += some_paired
            n_decided += some_decided
            by_heads = worth.heads * n_doubted / n_groups + worth.pairs * some_paired / len(centers)
            spent += by_heads
            saved += worth.groups * n_doubted / n_groups - by_heads
        else:
            if asked:
                n_picks = keep_doubtful(picks, n_picks, drifts.groups, labels, needs)
                n_wanted = count_needs(needs, n_picks)
                spent += worth.groups * n_wanted / n_groups
                score_some(X, block, n_picks, packed, origin, scale)
            else:
                n_picks = score_all(X, start, stop, block, packed, origin, scale)
                n_wanted = n_picks * n_groups
            n_scored += n_wanted
            for c in range(n_picks):
                block.norms[c] = norms[picks[c]]
            n_decided += nearest_of_rows(X, block, n_picks, centers, packed, scale)
            if asked or n_before == 0 or spent <= worth.kept * n_asked:
                panels = (packed.errors, packed.groups, drifts.twins)
                bound_rows(start, stop - start, block, n_picks, *panels, upper, below)
            elif bounded:
                # None: these hold whatever happens.
                upper[start:stop] = np.inf
                below[:] = 0.0
        if not asked:
            moved += relabel(X, start, stop, block.labels, constants, scales, rest, *tables)
            continue
        for c in range(n_picks):
            i, label = picks[c], block.labels[c]
            if label != labels[i]:
                relabel_row(X, i, label, constants, scales, rest, *tables)
                moved += 1
    return moved, n_decided, n_scored, n_paired, int(saved), n_asked - 1, int(spent - expected)


@driver
def yinyang_pass(
    loop,
    X,
    block_rows,
    turns,
    n_before,
    expected,
    worth,
    centers,
    moved,
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
    movers,
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
    turns : are rows that want all centers to be scored side by side (`certify.score_all`)?
    n_before : how many passes were made before; block by block takes its turn to be asked first
    expected : what asking is expected to cost, in all; worth : `_plan.Worth`
    moved : (n_clusters,), how far each center moved since the pass before, from `bounds.follow_centers`
    members, groups : which center stands where in the panels, and the group of each center
    panel_groups, head_groups : the group of each panel, and of each panel of heads
    heads, basis : of the rows, and a `heads.Basis`; heads may be empty: then there are none
    movers : (n_movers,), int64, centers that moved far, to be scored for all rows that are asked
    upper : INOUT (n_samples,), float32; lower : INOUT (n_blocks, n_groups, block_rows), float32

    The others are those of `certified_pass`.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_scored, n_paired : pairs of row and group that were scored, and of row and center that heads left open
    saved : what heads saved, in rows scored as a whole
    n_asked, spent : rows that were asked, and what that cost in all, in rows scored as a whole
    """
    n_slots = sums.shape[0]
    packed = pack_centers(loop, n_slots, X, centers, members, panel_groups, origin, scale)
    packed_movers = pack_movers(loop, n_slots, X, centers, movers, origin, scale)
    marks = (packed.distinct, packed_movers.places)
    drifts = drifts_of(moved, groups, lower.shape[1], *marks)
    of_centers = (centers, packed.distinct, members, head_groups, origin, scale)
    packed_heads = pack_heads(loop, n_slots, heads, basis, *of_centers)
    asking = (n_before, expected, worth)
    in_frame = (centers, origin, scale, as_is, norms, packed, drifts, packed_movers, packed_heads)
    shared = (X, block_rows, turns, *asking, *in_frame)
    tables = (constants, scales, labels, upper, lower, sums, counts)
    return spread(loop, n_slots, yinyang_slot, (*shared, *tables))


def gather(centers: np.ndarray, columns: int) -> np.ndarray:
    """Return which center stands where in the panels, so that those of a panel lie together; -1 for none.

    The centers are halved again and again, along the line between two that lie far apart.
    """
    n_clusters = len(centers)
    points = centers.astype(np.float32)
    squares = np.einsum("jf,jf->j", points, points)
    order = np.arange(n_clusters)
    runs = [(0, n_clusters)]
    while runs:
        start, stop = runs.pop()
        if stop - start <= columns:
            continue
        some, its_squares = points[order[start:stop]], squares[order[start:stop]]
        one = some[(its_squares - 2 * np.einsum("jf,f->j", some, some[0])).argmax()]
        other = some[(its_squares - 2 * np.einsum("jf,f->j", some, one)).argmax()]
        half = -(-(stop - start) // (2 * columns)) * columns
        along = np.einsum("jf,f->j", some, other - one)
        order[start:stop] = order[start:stop][np.argpartition(along, half - 1)]
        runs += [(start, start + half), (start + half, stop)]
    members = np.full(-(-n_clusters // columns) * columns, -1)
    members[:n_clusters] = order
    return members


class Yinyang(Algorithm):
    """Certified scores where bounds on the distances leave a doubt."""

    driver = yinyang_pass
    tier = yinyang_pass.tier

    def __init__(self, samples: Samples, plan: Plan, frame: Frame) -> None:
        super().__init__(samples, plan, frame)
        self.n_passes, self.expected = 0, 1.0

    def _begin(self, centers: np.ndarray) -> None:
        samples, (origin, scale, _), plan = self.samples, self.frame, self.plan
        n_samples, n_features = samples.shape
        n_clusters = len(centers)
        none = np.empty((0, 0), samples.dtype)
        columns = panel_columns(none, n_clusters)
        head_columns = columns if n_clusters <= columns else panel_columns(_NO_HEADS, n_clusters)
        some = slice(0, n_features, _plan.telling_step(samples.shape))
        self.members = gather((centers[:, some] - origin[some]) * scale, head_columns)
        n_panels, n_head_panels = len(self.members) // columns, len(self.members) // head_columns
        sizes = _plan.bounds(samples.shape, n_clusters, n_head_panels, self.max_iter, samples.memory)
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
        self.before, self.moved = centers.copy(), np.zeros(n_clusters)
        self.movers, self.heads, self.basis = _NO_MOVERS, _NO_HEADS, NO_BASIS
        self.norms = np.empty(n_samples)
        self.head_sizes = _plan.head_sizes(samples.shape[1], sizes.n_directions)

    def _try_heads(self, centers: np.ndarray, labels: np.ndarray) -> None:
        """Make heads of the size that some of the rows tell to be best, or none if none pays.

        Their directions are those in which the centers spread: what they leave of a center is small, and so
        is what they leave out of a distance.
        """
        (origin, scale, _), plan = self.frame, self.plan
        n_samples, n_features = self.samples.shape
        step = -(-n_samples // max(1, min(n_samples, _plan.HEAD_PAIRS // len(centers))))
        given = (self.samples.rows(slice(None, None, step)), centers[:, :n_features])
        rows, points = (((some - origin) * scale).astype(np.float32) for some in given)
        moved = np.zeros(self.lower.shape[1])
        np.maximum.at(moved, self.groups, self.moved)
        own = labels[::step, None]
        upper = lengths(rows - points[own[:, 0]])[:, None]
        blocks, places = np.divmod(np.arange(n_samples)[::step], self.block_rows)
        doubted = self.lower[blocks, :, places] - moved < upper
        multiply = multiplies(plan.parallel, plan.n_slots)

        def cost_of(size: int, products: tuple[np.ndarray, np.ndarray]) -> float:
            opened = head_distances(rows, points, products, size, multiply) < upper
            opened &= doubted[:, self.groups]
            np.put_along_axis(opened, own, False, axis=1)
            shares = float(doubted.mean()), float(opened.mean())
            return _plan.head_cost(size, self._worth(size), len(centers), *shares)

        some = points[:: -(-len(points) // _plan.HEAD_SAMPLE)]
        basis = spanning(some, self.head_sizes[0])
        # Better ones take longer to find: not where these come nowhere near paying.
        if not cost_of(len(basis), (multiply(rows, basis), multiply(points, basis))) < _plan.HEADS_HOPED:
            return
        basis, off = directions(some, basis, multiply)
        products = multiply(rows, basis), multiply(points, basis)
        best, cost = 0, np.inf
        for size in self.head_sizes:
            its_cost = cost_of(size, products)
            if its_cost >= cost:
                break
            best, cost = size, its_cost
        chosen = basis_of(basis[:best], off)
        # Written so that a NaN is refused.
        if cost < _plan.HEADS_PAY and chosen.row_loss < MOST_LOSS:
            self._make_heads(chosen, best)
            self.expected = cost

    def _foresee(self, centers: np.ndarray, worth: _plan.Worth) -> np.ndarray:
        """Foresee from some rows what bounds will cost, where they may cost too much.

        Returns
        -------
        movers : the centers that moved so far that it pays to score them for all rows
        """
        # Where some were scored, they lowered the bounds of others, too.
        hoped = math.inf if len(self.movers) else self.expected - worth.asking
        tried = _plan.movers_tried(self.samples.size * len(centers), hoped)
        if not tried and self.expected <= worth.asked:
            return _NO_MOVERS
        step = -(-len(self.samples) // _plan.FORESEEN_ROWS)
        if not (self.upper[::step] < np.inf).any():
            return _NO_MOVERS
        order = np.argsort(-self.moved)
        sizes = _plan.mover_sizes(self.moved[order]) if tried else []
        costs = []
        for size in (0, *sizes):
            shares = open_shares(self.upper, self.lower, step, self.groups, self.moved, order[size:])
            costs.append(_plan.bounds_cost(size, worth, len(centers), *shares))
        cost = min(costs)
        pays = cost < min(costs[0], 1.0) * _plan.MOVERS_PAY
        if pays or self.expected > worth.asked:
            self.expected = cost if pays else costs[0]
        return order[: sizes[costs.index(cost) - 1]] if pays else _NO_MOVERS

    def _make_heads(self, basis: Basis, n_directions: int) -> None:
        samples, (origin, scale, _), plan = self.samples, self.frame, self.plan
        self.basis = basis
        self.heads = np.empty((len(samples), n_directions + 1), np.float32)
        run = heads_of_rows.on(plan.parallel)
        for rows, X in samples.slabs(self.edges):
            heads = (basis.chunks, self.norms[rows], self.heads[rows])
            run(X, plan.n_slots, self.block_rows, origin, scale, *heads)

    def _worth(self, n_directions: int) -> _plan.Worth:
        shape = self.samples.shape[1], len(self.before), self.samples.dtype.itemsize
        return _plan.worth(*shape, _plan.Bounds(self.lower.shape[1], n_directions))

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        if self.n_passes == 0:
            self._begin(centers)
        else:
            follow_centers(centers, self.before, self.frame.scale, self.moved)
        if self.n_passes > 0 and self.head_sizes:
            self._try_heads(centers, labels)
            self.head_sizes = []
        _, constants, scales = self.grids
        order = (self.members, self.groups, self.panel_groups, self.head_groups)
        run = self.driver.on(self.plan.parallel)
        worth = self._worth(self.heads.shape[1] - 1)
        foreseen = self.n_passes > 0 and self.heads is _NO_HEADS
        self.movers = self._foresee(centers, worth) if foreseen else _NO_MOVERS
        done = np.zeros(7, np.int64)
        for rows, X in self.samples.slabs(self.edges):
            blocks = slice(rows.start // self.block_rows, -(-rows.stop // self.block_rows))
            heads = (self.norms[rows], self.heads[rows], self.basis)
            tables = (constants, scales, labels[rows], self.upper[rows], self.lower[blocks], sums, counts)
            done += run(
                X,
                self.block_rows,
                self.turns,
                self.n_passes,
                self.expected,
                worth,
                centers,
                self.moved,
                *order,
                *self.frame,
                *heads,
                self.movers,
                *tables,
            )
        moved, n_decided, n_scored, n_paired, saved, n_asked, spent = (int(count) for count in done)
        if self.n_passes > 0:
            self.expected = _plan.next_cost(spent / n_asked if n_asked else self.expected, worth)
        self.n_passes += 1
        if saved < 0:
            self.heads = _NO_HEADS
        # Groups are as large as each other, but for one.
        return Pass(moved, n_decided, round(n_scored * len(centers) / self.lower.shape[1]) + n_paired)


_NO_MOVERS = np.empty(0, np.int64)
_NO_HEADS = np.empty((0, 1), np.float32)
