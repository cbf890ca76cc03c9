"""Starting centers: SciPy's three methods, on SciPy's random streams.

Every method works in two steps. It *draws* all its random numbers first, and then *places* the centers, a
function of the data and the draws alone. Numbers are drawn twice over: by NumPy's methods for calls from
Python (a legacy RandomState cannot be held by compiled code, a Generator costs it 40 us to take over, and a
second to compile), and by kernels for `_serial`. `SEEDINGS` registers what Python calls; adding one is a row:

draw(rng, n_samples, n_clusters, n_features) -> (integers, reals)
    leaves the generator or RandomState as SciPy would. Which numbers: documented at the kernel beside it.
place(samples, n_clusters, integers, reals) -> centers (n_clusters, n_features), float64
    the same bits for any number of threads.

References
----------
D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007: '++'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from numbakmeans import _interpreted, _plan
from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._bitgen import addresses
from numbakmeans._jit import DISABLED, kernel
from numbakmeans._kernels.canonical import GROUP, pack_block, sq_dist_tile
from numbakmeans._kernels.means import exact_means
from numbakmeans._kernels.pairwise import LEAF_ROWS, leaves_at_most, leaves_of, sum_leaf, sum_leaves
from numbakmeans._kernels.room import LINE_WORDS, NO_ROOM, empty, room_of
from numbakmeans._kernels.sampling import below, choose_each, choose_without_replacement
from numbakmeans._kernels.sketch import (
    GROUP_LANES,
    MAX_FEATURES,
    STEPS,
    limit_of,
    near_rows,
    sketch_leaf,
    sketch_point,
)
from numbakmeans._samples import Samples, column_means, padded
from numbakmeans._slots import ALONE, Entry, driver, spread

Draws = tuple[np.ndarray, np.ndarray]
#: Those whose functions compiled code may call: NumPy's own, which run no Python.
BIT_GENERATORS = {getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")}

_NO_INTEGERS, _NO_REALS = np.empty(0, np.int64), np.empty(0)


class Seeding(NamedTuple):
    """A row of `SEEDINGS`; the module's docstring says what its functions must do."""

    draw: Callable[..., Draws]
    place: Callable[[Samples, int, np.ndarray, np.ndarray], np.ndarray]


# --- 'points': k different rows


@kernel
def draw_points(rng, n_samples, n_clusters, room):
    """Draw k different rows; n_clusters <= n_samples."""
    return choose_without_replacement(rng, n_samples, n_clusters, room)


def draw_points_in_python(rng: Any, n_samples: int, n_clusters: int, n_features: int) -> Draws:
    return rng.choice(n_samples, n_clusters, replace=False), _NO_REALS


def draw_points_each(
    generators: Sequence[np.random.Generator], sizes: np.ndarray, n_clusters: int
) -> np.ndarray:
    """Return what `draw_points_in_python` draws from each of many generators, (n_problems, n_clusters).

    generators : all of one kind, as `Generator.spawn` makes them
    """
    plain = type(generators[0]) is np.random.Generator and type(generators[0].bit_generator) in BIT_GENERATORS
    if plain and sizes.max() < 2**31 and not DISABLED:
        return choose_each(addresses(generators), sizes, n_clusters)
    pairs = zip(generators, sizes, strict=True)
    return np.array([draw_points_in_python(rng, n_samples, n_clusters, 0)[0] for rng, n_samples in pairs])


def place_points(samples: Samples, n_clusters: int, rows: np.ndarray, reals: np.ndarray) -> np.ndarray:
    return samples.rows(rows)


# --- '++': each next row with a probability proportional to its D to the nearest pick


@kernel
def draw_plus_plus(rng, n_samples, n_clusters, room):
    """Draw the first row, and a uniform number for each other one."""
    first = below(rng, n_samples)
    uniforms = empty(room, (n_clusters - 1,), np.float64)
    for p in range(n_clusters - 1):
        uniforms[p] = rng.random()
    return first, uniforms


def draw_plus_plus_in_python(rng: Any, n_samples: int, n_clusters: int, n_features: int) -> Draws:
    integers = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return integers(n_samples, size=1, dtype=np.int64), rng.uniform(size=n_clusters - 1)


@kernel
def scan_pick(sq_dists, total, uniform):
    """Return the first row whose running sum of D / total reaches uniform: the definition.

    Where rounding leaves none: the last row with D > 0, or row 0.
    """
    running, last = 0.0, 0
    for i in range(len(sq_dists)):
        running += sq_dists[i] / total
        if running >= uniform:
            return i
        if sq_dists[i] > 0.0:
            last = i
    return last


@kernel
def certain_pick(sq_dists, starts, leaf_sums, total, uniform):
    """Return the row that `scan_pick` finds, or -1 where a sum by leaves cannot tell.

    Both running sums are within n * 2**-53 of the exact one, relative to a total of about 1: where ours
    passes from below uniform - margin to above uniform + margin in one row, so does the other.
    """
    margin = 4.0 * (len(sq_dists) + LEAF_ROWS) * 2.0**-53
    running = 0.0
    for leaf in range(len(leaf_sums)):
        after = running + leaf_sums[leaf] / total
        if after >= uniform - margin:
            for i in range(starts[leaf], starts[leaf + 1]):
                running += sq_dists[i] / total
                if running >= uniform - margin:
                    return i if running >= uniform + margin else -1
            return -1
        running = after
    return -1


@kernel
def pick_row(sq_dists, starts, leaf_sums, total, uniform):
    """Return the next row for '++'."""
    if total == 0.0:
        return 0
    row = certain_pick(sq_dists, starts, leaf_sums, total, uniform) if total < np.inf else -1
    return row if row >= 0 else scan_pick(sq_dists, total, uniform)


@kernel
def approach_leaf(block, center, start, stop, lane_dists, sq_dists):
    """Tile. Lower D of all rows of a leaf, packed into block, to that of one more center."""
    sq_dist_tile(block, center, lane_dists)
    for i in range(start, stop):
        # Written so that a NaN, which counts as +inf, changes nothing.
        sq_dists[i] = lane_dists[i - start] if lane_dists[i - start] < sq_dists[i] else sq_dists[i]


@kernel
def approach_rows(X, start, rows, n_rows, center, lane_dists):
    """Tile. D of some rows of a leaf and one center; four at a time, as each waits for its last addition.

    rows : (lanes,), int64, counted from start, n_rows of them; lane_dists : OUT (lanes,), in their order
    """
    for first in range(0, n_rows, 4):
        last = n_rows - 1
        i0, i1 = start + rows[first], start + rows[min(first + 1, last)]
        i2, i3 = start + rows[min(first + 2, last)], start + rows[min(first + 3, last)]
        d0, d1, d2, d3 = 0.0, 0.0, 0.0, 0.0
        for f in range(X.shape[1]):
            c = center[f]
            e0, e1, e2, e3 = X[i0, f] - c, X[i1, f] - c, X[i2, f] - c, X[i3, f] - c
            d0, d1, d2, d3 = d0 + e0 * e0, d1 + e1 * e1, d2 + e2 * e2, d3 + e3 * e3
        lane_dists[first], lane_dists[min(first + 1, last)] = d0, d1
        lane_dists[min(first + 2, last)], lane_dists[min(first + 3, last)] = d2, d3


@kernel
def approach_slot(
    slot,
    n_slots,
    X,
    center,
    starts,
    first_leaf,
    n_leaves,
    new,
    near,
    point,
    origin,
    scale,
    sketches,
    errors,
    limits,
    sq_dists,
    leaf_sums,
    room,
):
    """Slot. Lower D of the rows of some leaves to that of one more center, and add the leaves up.

    new : make the sketches; near : where there are sketches, look only at rows that these do not rule out;
    others as in `pick_rows`
    """
    n_features, begin, used = X.shape[1], starts[first_leaf], room[0]
    block = empty(room, (len(center), LEAF_ROWS), np.float64)
    block[:] = 0.0
    lane_dists, rows = empty(room, (LEAF_ROWS,), np.float64), empty(room, (LEAF_ROWS,), np.int64)
    hits = empty(room, (limits.shape[1] // GROUP_LANES,), np.int64)
    leaves = range(slot * n_leaves // n_slots, (slot + 1) * n_leaves // n_slots)
    for leaf in range(first_leaf + leaves.start, first_leaf + leaves.stop):
        start, stop = starts[leaf], starts[leaf + 1]
        sketched = leaf < len(sketches)
        if near and sketched:
            n_near = near_rows(sketches[leaf], point, limits[leaf], hits, rows)
            if n_near == 0:
                continue
            approach_rows(X, start - begin, rows, n_near, center, lane_dists)
            for t in range(n_near):
                r, sq_dist = rows[t], lane_dists[t]
                if sq_dist < sq_dists[start + r]:
                    sq_dists[start + r] = sq_dist
                    limits[leaf, r] = limit_of(sq_dist, errors[leaf, r], scale, n_features)
        else:
            pack_block(X, start - begin, stop - begin, block)
            approach_leaf(block, center, start, stop, lane_dists, sq_dists)
            if new and sketched:
                sketch_leaf(block, stop - start, n_features, origin, scale, sketches[leaf], errors[leaf])
            if sketched:
                for i in range(start, stop):
                    error = errors[leaf, i - start]
                    limits[leaf, i - start] = limit_of(sq_dists[i], error, scale, n_features)
        leaf_sums[leaf] = sum_leaf(sq_dists, start, stop)
    room[0] = used


@driver
def pick_rows(
    loop,
    X,
    n_slots,
    center,
    starts,
    first_leaf,
    last_leaf,
    depths,
    origin,
    scale,
    uniforms,
    first,
    last,
    sketches,
    errors,
    limits,
    sq_dists,
    leaf_sums,
    picks,
    room,
):
    """Make picks[first:last] by '++', first >= 1; the last leaf of all makes the pick.

    X : the rows of leaves [first_leaf, last_leaf); where these are not all, last is first + 1
    center : INOUT (padded features,), row first - 1, then the one before the last
    starts, depths : leaves of n_samples; origin (n_features,), scale : of the sketches
    sketches : INOUT (n_sketched, n_features, lanes), of the first leaves; errors, limits : INOUT
    (n_sketched, lanes), zeros at first
    sq_dists : INOUT (n_samples,), infinities before the first pick
    leaf_sums : INOUT (n_leaves,); picks : INOUT (n_clusters,), int64, known below `first`
    room : of one thread; of several, without words
    """
    n_leaves = last_leaf - first_leaf
    kept, used = (sketches, errors, limits, sq_dists, leaf_sums, room), room[0]
    point = empty(room, (X.shape[1],), np.float32)
    for p in range(first, last):
        if p > first:
            for f in range(X.shape[1]):
                center[f] = X[picks[p - 1], f]
        near = False
        if len(sketches) > 0 and p > 1:
            near = sketch_point(center, origin, scale, point)
        leaves = (starts, first_leaf, n_leaves)
        marks = (p == 1, near, point, origin, scale)
        spread(loop, n_slots, approach_slot, (n_slots, X, center, *leaves, *marks, *kept))
        if last_leaf == len(depths):
            total = sum_leaves(leaf_sums, depths, room)
            picks[p] = pick_row(sq_dists, starts, leaf_sums, total, uniforms[p - 1])
    room[0] = used


_pick_rows = pick_rows.kernel


@kernel
def words_to_pick(n_samples, n_features, n_clusters):
    """Return how many words of a room `draw_points`, or `draw_plus_plus` and `pick_all`, take at most.

    With a copy of the rows, and the picked ones.
    """
    of_rows = n_samples * (n_features + 2) + 3 * leaves_at_most(n_samples)
    beside = (n_features + GROUP) * (LEAF_ROWS + 3) + 8 * LEAF_ROWS + 24 * LINE_WORDS
    return of_rows + n_clusters * (n_features + 4) + beside


@kernel
def pick_all(loop, n_slots, X, first, uniforms, room):
    """Return the rows that '++' picks, without sketches.

    first, uniforms : as `draw_plus_plus` draws them; room : of one thread; of several, without words
    """
    n_samples, n_features = X.shape
    n_clusters = len(uniforms) + 1
    picks = empty(room, (n_clusters,), np.int64)
    used = room[0]
    picks[0] = first
    starts, depths = leaves_of(n_samples, room)
    sq_dists, leaf_sums = empty(room, (n_samples,), np.float64), empty(room, (len(depths),), np.float64)
    sq_dists[:] = np.inf
    center = empty(room, ((n_features + GROUP - 1) // GROUP * GROUP,), np.float64)
    origin = empty(room, (n_features,), np.float64)
    center[:], origin[:] = 0.0, 0.0
    for f in range(n_features):
        center[f] = X[first, f]
    sketches = empty(room, (0, n_features, GROUP_LANES), np.int8)
    errors = empty(room, (0, GROUP_LANES), np.float32)
    work = (sketches, errors, errors, sq_dists, leaf_sums, picks, room)
    n_leaves = len(depths)
    leaves = (starts, np.int64(0), n_leaves, depths)
    _pick_rows(loop, X, n_slots, center, *leaves, origin, 0.0, uniforms, np.int64(1), n_clusters, *work)
    room[0] = used
    return picks


@kernel
def pick_slot(slot, n_slots, X, starts, firsts, uniforms, picks):
    """Slot. Make the picks of every n-th problem; see `pick_each`."""
    n_rows = 0
    for b in range(slot, len(firsts), n_slots):
        n_rows = max(n_rows, starts[b + 1] - starts[b])
    room = room_of(words_to_pick(n_rows, X.shape[1], picks.shape[1]))
    for b in range(slot, len(firsts), n_slots):
        rows, used = X[starts[b] : starts[b + 1]], room[0]
        found = pick_all(np.int64(ALONE), np.int64(1), rows, firsts[b], uniforms[b], room)
        for p in range(len(found)):
            picks[b, p] = found[p]
        room[0] = used


@driver
def pick_each(loop, X, n_slots, starts, firsts, uniforms, picks):
    """Make the picks of '++' for each of many problems.

    X, starts : as of `_algorithms.many.solve_all`; firsts : (n_problems,), int64, the first row of each
    uniforms : (n_problems, n_clusters - 1); picks : OUT (n_problems, n_clusters), int64, rows of each problem
    """
    spread(loop, n_slots, pick_slot, (n_slots, X, starts, firsts, uniforms, picks))


def sketch_frame(samples: Samples) -> tuple[np.ndarray, float]:
    """Return origin and scale of sketches, from some of the rows; scale 0 where there is nothing to gain.

    The steps reach twice as far as 99 of 100 values of the widest feature: the few that lie further out
    have a large error instead, where they would make that of all the others large.
    """
    if not samples.finite or samples.shape[1] > MAX_FEATURES:
        return np.zeros(samples.shape[1]), 0.0
    rows = samples.rows(slice(None, None, _plan.sketch_step(samples.shape)))
    with np.errstate(over="ignore", invalid="ignore"):
        origin = np.partition(rows, len(rows) // 2, axis=0)[len(rows) // 2]
        distances = np.abs(rows - origin)
        nth = len(rows) * 99 // 100
        wide, widest = np.partition(distances, nth, axis=0)[nth].max(), distances.max()
        scale = (min(2.0 * wide, widest) if wide else widest) / STEPS
    return origin, float(scale) if 1e-140 <= scale <= 1e140 else 0.0


def place_plus_plus(samples: Samples, n_clusters: int, first: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    shape, (n_samples, n_features) = samples.shape, samples.shape
    picks = np.empty(n_clusters, np.int64)
    picks[0] = first[0]
    if pick_rows.tier.interprets(samples.dtype, _plan.interpreted_pick_work(shape, n_clusters)):
        with pick_rows.tier.spending():
            _interpreted.pick_rows(samples, uniforms, picks)
        return samples.rows(picks)
    starts, depths = leaves_of(n_samples, NO_ROOM)
    sq_dists, leaf_sums = np.full(n_samples, np.inf), np.empty(len(depths))
    lanes = -(-int(np.diff(starts).max()) // GROUP_LANES) * GROUP_LANES
    n_sketched = _plan.sketched_leaves(shape, n_clusters, len(depths), lanes, samples.memory)
    origin, scale = sketch_frame(samples) if n_sketched else (np.zeros(n_features), 0.0)
    n_sketched = n_sketched if scale else 0
    sketches = np.empty((n_sketched, n_features, lanes), np.int8)
    errors, limits = np.zeros((2, n_sketched, lanes), np.float32)
    work = _plan.pick_work(samples.size)
    plan = _plan.sweep(shape, work=work)
    pick = pick_rows.on(plan.parallel)
    center = np.zeros(padded(n_features))
    work += _plan.PICK_STARTING if plan.parallel else 0
    step = _plan.per_call(work) if samples.X is not None else 1
    frame = (depths, origin, scale, uniforms)
    room = NO_ROOM if plan.parallel else room_of(words_to_pick(0, n_features, 0))
    tables = (sketches, errors, limits, sq_dists, leaf_sums, picks, room)
    for p in range(1, n_clusters, step):
        center[:n_features] = samples.rows(picks[p - 1])
        for rows, X in samples.slabs(starts):
            leaves = np.searchsorted(starts, (rows.start, rows.stop))
            pick(X, plan.n_slots, center, starts, *leaves, *frame, p, min(p + step, n_clusters), *tables)
    return samples.rows(picks)


# --- 'random': a Gaussian with the data's mean and covariance


@kernel
def draw_normals(rng, n_samples, n_clusters, n_features):
    """Draw a normal number for each cluster and feature (for each row, where there are fewer)."""
    normals = new_empty(n_clusters * min(n_samples, n_features), np.float64)
    for t in range(len(normals)):
        normals[t] = rng.standard_normal()
    return normals


def draw_normals_in_python(rng: Any, n_samples: int, n_clusters: int, n_features: int) -> Draws:
    return _NO_INTEGERS, rng.standard_normal(n_clusters * min(n_samples, n_features))


@kernel
def scatter_chunk(chunk, X, mean, chunk_rows, first, last, scatters):
    """Chunk. Add the products of centered columns to the upper triangle; arguments as in `scatter_matrices`.

    Four rows are added in one sweep, which spares loads and stores of the running sums.
    """
    n_features, scatter = X.shape[1], scatters[chunk]
    stop = min(chunk * chunk_rows + min(last, chunk_rows), X.shape[0])
    rows = new_zeros((4, n_features), np.float64)
    for start in range(chunk * chunk_rows + first, stop, 4):
        for r in range(4):
            for f in range(n_features):
                rows[r, f] = X[start + r, f] - mean[f] if start + r < stop else 0.0
        for a in range(n_features):
            x0, x1, x2, x3 = rows[0, a], rows[1, a], rows[2, a], rows[3, a]
            for b in range(a, n_features):
                scatter[a, b] += (x0 * rows[0, b] + x1 * rows[1, b]) + (x2 * rows[2, b] + x3 * rows[3, b])


@driver
def scatter_matrices(loop, X, mean, chunk_rows, first, last, scatters):
    """Add the products of centered columns of rows [first, last) of each chunk.

    first : a multiple of 4, as rows are added in fours; scatters : INOUT (n_chunks, d, d), zeros before
    """
    spread(loop, scatters.shape[0], scatter_chunk, (X, mean, chunk_rows, first, last, scatters))


@kernel
def factor(matrix, first, last):
    """Overwrite the upper triangle of a positive semidefinite matrix by U, where U.T @ U is the matrix.

    first, last : the rows to bring to their end in this call; those before are

    A pivot that is not above the rounding of its diagonal element belongs to a column that depends on
    those before it: its row of U is zero, where LAPACK would give up or divide by noise.
    """
    n = matrix.shape[0]
    for j in range(first, min(last, n)):
        diagonal = matrix[j, j]
        for p in range(j):
            diagonal += matrix[p, j] * matrix[p, j]
        pivot = matrix[j, j]
        if pivot <= n * 2.0**-52 * diagonal:
            for b in range(j, n):
                matrix[j, b] = 0.0
            continue
        root = np.sqrt(pivot)
        matrix[j, j] = root
        for b in range(j + 1, n):
            matrix[j, b] /= root
        for a in range(j + 1, n):
            x = matrix[j, a]
            for b in range(a, n):
                matrix[a, b] -= x * matrix[j, b]


@kernel
def color(normals, upper, mean, centers):
    """Write normals @ upper + mean; upper : (n, n), upper triangular; centers : OUT."""
    n = upper.shape[0]
    for j in range(centers.shape[0]):
        for b in range(n):
            centers[j, b] = 0.0
        for a in range(n):
            x = normals[j, a]
            for b in range(a, n):
                centers[j, b] += x * upper[a, b]
        for b in range(n):
            centers[j, b] += mean[b]


FACTOR, COLOR = Entry(factor), Entry(color)


def place_random(samples: Samples, n_clusters: int, integers: np.ndarray, normals: np.ndarray) -> np.ndarray:
    n_samples, n_features = samples.shape
    mean = column_means(samples)
    normals = normals.reshape(n_clusters, min(n_samples, n_features))
    # One row has no spread; SciPy divides by zero there.
    freedom = max(n_samples - 1, 1)
    if n_features > n_samples:
        return place_in_row_space(samples.rows(slice(None)) - mean, freedom, normals) + mean
    chunk_rows, n_chunks = _plan.scatter_chunks(samples.shape)
    scatters = np.zeros((n_chunks, n_features, n_features))
    plan = _plan.sweep(samples.shape, work=samples.size * n_features)
    add = scatter_matrices.by(_interpreted.scatter_matrices, samples.dtype, plan.work, plan.parallel)
    step = _plan.per_call(n_chunks * n_features * n_features)
    if samples.X is None:
        step = min(step, samples.slab_rows // n_chunks)
    step = max(4, step // 4 * 4)
    for first in range(0, chunk_rows, step):
        if samples.X is not None:
            add(samples.X, mean, chunk_rows, first, first + step, scatters)
            continue
        # The same rows of every chunk, each chunk shorter.
        ends = [min((c + 1) * chunk_rows, c * chunk_rows + first + step) for c in range(n_chunks)]
        parts = [slice(c * chunk_rows + first, end) for c, end in enumerate(ends)]
        add(samples.converted(*parts), mean, min(step, chunk_rows - first), 0, step, scatters)
    upper = scatters[0]
    for scatter in scatters[1:]:
        upper += scatter
    upper /= freedom
    centers = np.empty((n_clusters, n_features))
    step = _plan.per_call(n_features * n_features)
    run = FACTOR.by(_interpreted.factor, upper.dtype, n_features**3)
    for first in range(0, n_features, step):
        run(upper, first, first + step)
    run = COLOR.by(_interpreted.color, centers.dtype, centers.size * n_features)
    for first in range(0, n_clusters, step):
        run(normals[first : first + step], upper, mean, centers[first : first + step])
    return centers


_scatter_chunks = kernel(_plan.scatter_chunks)


@kernel
def gaussian_centers(X, normals):
    """Return what `place_random` does, on one thread, for rows that are at least as many as the features.

    normals : (n_clusters, n_features)
    """
    n_samples, n_features = X.shape
    mean = exact_means(X, n_samples, 53, -1074, room_of(0))
    chunk_rows, n_chunks = _scatter_chunks(X.shape)
    scatters = new_zeros((n_chunks, n_features, n_features), np.float64)
    for c in range(n_chunks):
        scatter_chunk(c, X, mean, chunk_rows, 0, chunk_rows, scatters)
    upper = scatters[0]
    for c in range(1, n_chunks):
        upper += scatters[c]
    upper /= max(n_samples - 1, 1)
    factor(upper, 0, n_features)
    centers = new_empty((len(normals), n_features), np.float64)
    color(normals, upper, mean, centers)
    return centers


def place_in_row_space(centered: np.ndarray, freedom: int, normals: np.ndarray) -> np.ndarray:
    if not np.isfinite(centered).all():
        return np.full((len(normals), centered.shape[1]), np.nan)
    _, scales, rows = np.linalg.svd(centered, full_matrices=False)
    return normals @ (scales[:, None] * rows / np.sqrt(freedom))


SEEDINGS: dict[str, Seeding] = {
    "random": Seeding(draw_normals_in_python, place_random),
    "points": Seeding(draw_points_in_python, place_points),
    "++": Seeding(draw_plus_plus_in_python, place_plus_plus),
}
