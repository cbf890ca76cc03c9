"""Certified scores, but only where bounds kept from pass to pass leave a doubt.

Centers that lie together share a panel of the register tile, and one or more panels are a group. For every
row are kept an upper bound on the distance to its own center, and for each group a lower bound on the
distance to all its centers but its own. Between passes the first grows by what its center moved, the others
shrink by the most that a center of the group moved. While the upper bound stays below all lower ones, the
label cannot change, and the row is not even read. Where it does not, it is replaced by the true distance;
and where that is not enough, only the groups are scored whose bound it passes, and the row's own.

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
from numbakmeans._kernels.certify import nearest_of_rows
from numbakmeans._kernels.exact import relabel_row
from numbakmeans._kernels.pack import pack_rows, panel_columns, row_buffers
from numbakmeans._plan import Plan
from numbakmeans._samples import Frame, Samples

#: What a bound is widened by, relative to itself.
WIDEN = 2.0**-19


@bounding_kernel
def distance(X, i, centers, j):
    """Return the distance between row i and center j, summed in any order."""
    square = 0.0
    for f in range(X.shape[1]):
        difference = X[i, f] - centers[j, f]
        square += difference * difference
    return np.sqrt(square)


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
def pick_rows(
    X, start, stop, centers, scale, groups, drifts, group_drifts, labels, upper, lower, picks, needs
):
    """Tile. Bring the bounds of rows [start, stop) up to date; find rows and groups that must be scored.

    upper, lower : INOUT (n_samples,), (n_samples, n_groups), float32
    picks : OUT (rows,), int64; needs : OUT (rows, n_groups), bool

    Returns
    -------
    n_picks : how many rows must be scored
    """
    n_groups = len(group_drifts)
    shrink = np.float32(1.0 - WIDEN)
    n_picks = 0
    for i in range(start, stop):
        own = labels[i]
        bound = upper[i] + drifts[own]
        bound += bound * WIDEN
        nearest = np.float32(np.inf)
        for g in range(n_groups):
            moved = (lower[i, g] - group_drifts[g]) * shrink
            lower[i, g] = moved
            nearest = moved if moved < nearest else nearest
        upper[i] = bound
        if bound < nearest:
            continue
        bound = distance(X, i, centers, own) * scale
        bound += bound * WIDEN
        upper[i] = bound
        if bound < nearest:
            continue
        picks[n_picks] = i
        for g in range(n_groups):
            needs[n_picks, g] = not bound < lower[i, g]
        needs[n_picks, groups[own]] = True
        n_picks += 1
    return n_picks


@kernel
def bound_row(X, i, t, label, centers, scale, places, needs, shared, buffers, upper, lower):
    """Tile. Write the bounds of a row that was scored; t : where it is in the buffers."""
    members, bounds = shared[1], shared[4]
    norms, best, second, columns = buffers[1:5]
    n_panels, n_groups = best.shape[1], lower.shape[1]
    width = len(members) // n_panels
    bound = distance(X, i, centers, label) * scale
    upper[i] = bound + bound * WIDEN
    own_panel, own_column = places[label] // width, places[label] % width
    norm = norms[t]
    square = norm * norm * (1.0 - WIDEN / 2)
    for g in range(n_groups):
        if not needs[t, g]:
            continue
        least = np.inf
        for p in range(
            (g * n_panels + n_groups - 1) // n_groups, ((g + 1) * n_panels + n_groups - 1) // n_groups
        ):
            score = second[t, p] if p == own_panel and columns[t, p] == own_column else best[t, p]
            error = bounds[p, 0] + (bounds[p, 1] + bounds[p, 2] * norm) * norm
            least = min(least, 2.0 * (score - error) + square)
        lower[i, g] = np.sqrt(max(least, 0.0)) * (1.0 - WIDEN)


@kernel
def yinyang_slot(
    X,
    slot,
    n_slots,
    block_rows,
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
    drifts,
    group_drifts,
    constants,
    scales,
    labels,
    upper,
    lower,
    sums,
    counts,
):
    """Assign the rows of one slot, every n-th block; see `yinyang_pass`."""
    shared = (distinct, members, panels, half_norms, bounds)
    buffers = row_buffers(X, block_rows, len(panels))
    picks, needs = np.empty(block_rows, np.int64), np.ones((block_rows, lower.shape[1]), np.bool_)
    new_labels, rest = np.empty(block_rows, np.int64), np.empty(X.shape[1])
    moved, n_decided, n_scored = 0, 0, 0
    for start in range(slot * block_rows, len(X), n_slots * block_rows):
        stop = min(start + block_rows, len(X))
        if labels[start] < 0:
            n_picks = stop - start
            for i in range(start, stop):
                picks[i - start] = i
        else:
            n_picks = pick_rows(
                X,
                start,
                stop,
                centers,
                scale,
                groups,
                drifts,
                group_drifts,
                labels,
                upper,
                lower,
                picks,
                needs,
            )
        pack_rows(X, picks, n_picks, origin, scale, buffers[0], buffers[1])
        n_decided += nearest_of_rows(X, picks, n_picks, needs, centers, shared, buffers, new_labels)
        for t in range(n_picks):
            i, label = picks[t], new_labels[t]
            bound_row(X, i, t, label, centers, scale, places, needs, shared, buffers, upper, lower)
            moved += relabel_row(X, i, label, constants, scales, rest, labels, sums, counts)
            for g in range(lower.shape[1]):
                n_scored += 1 if needs[t, g] else 0
    return moved, n_decided, n_scored


@driver
def yinyang_pass(
    X,
    block_rows,
    centers,
    before,
    members,
    places,
    groups,
    origin,
    scale,
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
    centers, before : (n_clusters, padded features), float64, of this pass and of the one before
    members, places, groups : which center stands where in the panels, where each stands, and its group
    upper, lower : INOUT (n_samples,), (n_samples, n_groups), float32; not looked at before the first labels

    The others are those of `certified_pass`.

    Returns
    -------
    moved, n_decided : rows that changed their label, and rows that the definition had to decide
    n_scored : pairs of row and group that were scored
    """
    n_slots = sums.shape[0]
    distinct, panels, half_norms, bounds = prepare(X, centers, members, origin, scale)
    drifts, group_drifts = np.empty(len(centers)), np.empty(lower.shape[1], np.float32)
    drifts_of(centers, before, groups, scale, drifts, group_drifts)
    moved, n_decided, n_scored = 0, 0, 0
    for s in prange(n_slots):
        slot_moved, slot_decided, slot_scored = yinyang_slot(
            X,
            s,
            n_slots,
            block_rows,
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
            drifts,
            group_drifts,
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
        n_scored += slot_scored
    return moved, n_decided, n_scored


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
        self.members = np.empty(0, np.int64)

    def _begin(self, centers: np.ndarray) -> None:
        X = self.X
        columns = panel_columns(X)
        self.members = gather(centers[:, : X.shape[1]] * self.frame.scale, columns)
        n_panels = len(self.members) // columns
        n_groups = _plan.groups(X.shape, X.itemsize, n_panels)
        self.places = np.empty(len(centers), np.int64)
        self.places[self.members[: len(centers)]] = np.arange(len(centers))
        self.groups = self.places // columns * n_groups // n_panels
        self.upper, self.lower = np.empty(len(X), np.float32), np.empty((len(X), n_groups), np.float32)
        self.before = centers.copy()
        self.block_rows = _plan.block_rows(X.shape, X.itemsize, n_panels, self.plan.n_slots)

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        if len(self.members) == 0:
            self._begin(centers)
        _, constants, scales = self.grids
        order = (self.members, self.places, self.groups)
        tables = (constants, scales, labels, self.upper, self.lower, sums, counts)
        run = self.driver.on(self.plan.parallel)
        moved, n_decided, _ = run(self.X, self.block_rows, centers, self.before, *order, *self.frame, *tables)
        self.before[:] = centers
        return Pass(moved, n_decided)
