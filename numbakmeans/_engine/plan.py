"""Decide how to run a problem, from its shape and the number of threads: pure Python.

No decision changes a result, only the time it takes. The constants that they depend on are in `thresholds`.
"""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine import bins as _bins
from numbakmeans._engine import thresholds as at
from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.runtime import threads

#: Of coarse rows (`kernels.coarse`): values in a word, the largest value, and the most features whose sums
#: cannot leave int32.
WORD, MAX_COARSE_VALUE, MAX_COARSE_FEATURES = 4, 127, 1 << 15


class Plan(NamedTuple):
    """How to run one sweep over the rows, and the steps (row times feature times center) it takes."""

    parallel: bool
    n_tasks: int
    chunk_rows: int
    work: int


def sweep(shape: tuple[int, ...], work: int) -> Plan:
    """Plan a sweep over rows of this shape that takes `work` steps in total."""
    n_threads = threads() if work >= at.MIN_PARALLEL_STEPS else 1
    # With few rows, no chunk is larger than the share of a thread.
    share = -(-shape[0] // n_threads)
    chunk_rows = min(at.MAX_CHUNK_ROWS, -(-share // 16) * 16)
    return Plan(n_threads > 1, n_threads, chunk_rows, work)


def means(n_clusters: int, n_features: int) -> Plan:
    """Plan the means of the clusters: one costs about as much as a thousand elementary steps."""
    return sweep((n_clusters, n_features), work=1000 * n_clusters * n_features)


def keeps_parts(n_features: int, n_clusters: int) -> bool:
    """Return whether a small problem stores the parts of its rows' exact sums (`kernels.small`)."""
    # How many parts the values have, the kernel finds out.
    return _bins.keeps_parts(n_features, n_clusters, 1) and not DISABLED


class Memory(NamedTuple):
    """Memory for what is kept between passes or picks.

    It is `MAX_ROW_BYTES` per row plus `spare`, or `share` where that is larger.

    spare : bytes; share : bytes, a quarter of the caller's data
    whole : whether all rows are in memory at once; lean : whether nothing may be kept
    """

    spare: int
    share: int
    whole: bool
    lean: bool


def lean() -> bool:
    """Return whether the user rules out keeping what only saves time: ``NUMBAKMEANS_LEAN=1``."""
    return os.environ.get("NUMBAKMEANS_LEAN", "") not in ("", "0")


def slab_rows(shape: tuple[int, ...], working_itemsize: int, ready: bool) -> int:
    """Return the number of rows in a slab, which has all rows if they are read in place or copied whole.

    ready : whether kernels can read the caller's array in place
    """
    n_samples, n_features = shape
    row_bytes = n_features * working_itemsize
    if ready or n_samples * row_bytes <= at.MAX_COPY_BYTES:
        return n_samples
    return min(max(at.MAX_SLAB_BYTES // row_bytes, at.MIN_SLAB_ROWS), n_samples)


def memory(shape: tuple[int, ...], itemsize: int, working_itemsize: int, ready: bool) -> Memory:
    """Return the memory that is left; itemsize : that of the caller's array; the others as in `slab_rows`."""
    n_samples, n_features = shape
    rows = slab_rows(shape, working_itemsize, ready)
    spare = at.MAX_SPARE_BYTES - (0 if ready else rows * n_features * working_itemsize)
    return Memory(max(spare, 0), n_samples * n_features * itemsize // 4, rows == n_samples, lean())


def algorithm(shape: tuple[int, ...], n_clusters: int, itemsize: int, max_iter: int, memory: Memory) -> str:
    """Return the key of the algorithm in `algorithms.ALGORITHMS` that is fastest for a problem."""
    n_samples, n_features = shape
    if DISABLED:
        return "lloyd"
    # A copy of the rows, padded to whole vectors, and the position and label of each row.
    extra = n_samples * (n_features * itemsize * 5 // 4 + 8) - n_samples * at.MAX_ROW_BYTES
    filtered = (
        n_features <= at.MAX_FILTERED_FEATURES[itemsize]
        and at.MIN_FILTERED_ROWS <= n_samples < 2**31
        and n_samples * n_clusters * min(max_iter, at.SHARED_FILTERED_PASSES) >= at.MIN_FILTERED_PAIRS
        and max_iter >= at.MIN_FILTERED_PASSES[n_features > at.MAX_EARLY_FILTERED_FEATURES]
        and memory.whole
        and not memory.lean
        and extra <= memory.spare
    )
    if filtered:
        return "filtering"
    if small(shape, n_clusters, itemsize) and memory.whole:
        return "small"
    work = n_samples * n_features * n_clusters
    if scored(n_clusters):
        lasting = max_iter > 2 and n_features * n_clusters * max_iter >= at.MIN_BOUNDED_TERMS
        size = work * itemsize
        large = size >= at.MIN_BOUNDED_PASS and size * max_iter >= at.MIN_BOUNDED_TOTAL
        bounded = n_features >= at.MIN_BOUNDED_FEATURES and lasting and large and not memory.lean
        return "yinyang" if bounded else "certified"
    return "lloyd"


def small(shape: tuple[int, ...], n_clusters: int, itemsize: int) -> bool:
    """Return whether reference distances on one thread are faster than scores on all of them."""
    size = shape[0] * shape[1]
    return size <= at.MAX_SMALL_VALUES and size * n_clusters < at.MAX_SMALL_STEPS[itemsize]


def refined_at_once(shape: tuple[int, ...], n_clusters: int) -> bool:
    """Return whether all passes of `kmeans` in one call, on one thread, are faster than calls for each."""
    size = shape[0] * shape[1]
    return size <= at.MAX_SMALL_VALUES and size * n_clusters < at.MAX_REFINED_STEPS


def scored(n_clusters: int) -> bool:
    """Return whether certified scores are faster than reference distances for passes."""
    return n_clusters >= at.MIN_CERTIFIED_CLUSTERS and not DISABLED


def nearest_scored(
    shape: tuple[int, ...], n_clusters: int, itemsize: int, *, with_dists: bool = False
) -> bool:
    """Return whether certified scores are faster where only labels, or labels and distances, are needed."""
    n_samples, n_features = shape
    large = n_samples * n_features * n_clusters >= at.MIN_NEAREST_STEPS * itemsize
    # Reference distances take the same time in both dtypes; scores take half the time in float32.
    terms = at.MIN_NEAREST_TERMS[itemsize] * (2 if with_dists else 1)
    fours = -(-n_features // 4) * 4
    return large and n_clusters * fours >= terms * itemsize and not DISABLED


def found_at_once(n_values: int, n_clusters: int) -> bool:
    """Return whether one thread finds the nearest centers of few rows by reference distances, in one call."""
    return n_values * n_clusters < at.MIN_PARALLEL_STEPS


def block_rows(shape: tuple[int, ...], itemsize: int, n_panels: int, n_tasks: int, at_once: int) -> int:
    """Return how many rows a task packs and scores at a time: about what fits into the second-level cache.

    at_once : rows that are scored side by side; the result is a multiple of it if there are enough rows
    """
    n_samples, n_features = shape
    row_bytes = n_features * itemsize + n_panels * (2 * itemsize + 4)
    share = -(-n_samples // n_tasks)
    blocks = max(1, min(at.MAX_CHUNK_ROWS, at.MAX_PACKED_BYTES // row_bytes) // at_once)
    return max(1, min(share, blocks * at_once))


def transposes(n_features: int, n_clusters: int, itemsize: int) -> bool:
    """Return whether rows to be scored against all centers are transposed and scored side by side."""
    few = n_features * itemsize <= at.MAX_TRANSPOSED_BYTES
    return few or n_features <= at.MAX_TRANSPOSED_FEATURES * n_clusters


class Bounds(NamedTuple):
    """What is kept per row between passes: bounds of center groups; projections; perhaps a coarse form of it.

    n_directions : of the projections, 0 for none
    """

    n_groups: int
    n_directions: int
    coarse: bool = False


def bounds(shape: tuple[int, ...], n_clusters: int, n_panels: int, max_iter: int, memory: Memory) -> Bounds:
    """Plan the bounds: as many groups as memory allows, and projections where a trial of them may pay off."""
    n_samples, n_features = shape
    floats = max(memory.share // (4 * n_samples), memory.spare // (4 * n_samples) + 4)
    n_groups = max(1, min(n_panels, floats // 3))
    sampled = min(n_samples // 2, n_clusters, at.SAMPLE_PROJECTION_CENTERS)
    n_passes = min(max_iter - 1, at.MAX_PROJECTION_PASSES)
    tried = math.sqrt(at.MAX_PROJECTION_TRIAL * n_samples * n_clusters * n_passes)
    n_directions = int(min(n_features // at.PROJECTION_SHARES[0], sampled, tried, floats - n_groups - 4))
    may_pay = (
        n_features >= at.MIN_PROJECTION_FEATURES
        and n_samples * n_features * n_clusters >= at.MIN_PROJECTION_STEPS
        and n_panels >= at.MIN_PROJECTION_PANELS
        and n_directions >= n_features // at.PROJECTION_SHARES[-1]
    )
    return Bounds(n_groups, n_directions if may_pay else 0)


def sampled_feature_step(shape: tuple[int, ...]) -> int:
    """Return the stride of the features that are sampled to gather centers into groups."""
    n_samples, n_features = shape
    least, most = at.SAMPLE_GROUPING_FEATURES
    return max(1, n_features // min(max(n_samples // at.SAMPLE_GROUPING_ROWS, least), most))


def projection_sizes(n_features: int, n_directions: int) -> list[int]:
    """Return the numbers of directions to try, descending, none larger than n_directions."""
    sizes = {min(n_features // share, n_directions) for share in at.PROJECTION_SHARES}
    return sorted((size for size in sizes if size > 0), reverse=True)


class Costs(NamedTuple):
    """Costs of bounds, relative to scoring a row against all centers without checking them.

    checked : highest total cost at which bounds are checked
    kept : highest expected cost at which bounds are written for the next pass
    checking : of checking the bounds of a row; measuring : of measuring its distance to its center, which
    gives the tightest upper bound
    undecided : of continuing with a row that its bounds leave undecided
    groups : of scoring an undecided row, if all groups are open
    narrowing : of checking its coarse form or its projection instead
    pairs : of computing the distances that these leave open, if all are
    """

    checked: float
    kept: float
    checking: float
    measuring: float
    undecided: float
    groups: float
    narrowing: float
    pairs: float


def costs(n_features: int, n_clusters: int, itemsize: int, bounds: Bounds) -> Costs:
    """Return the costs of bounds."""
    # Undecided rows are scored one at a time; without bounds, rows may be scored side by side.
    transposed = transposes(n_features, n_clusters, itemsize)
    whole = n_features + (at.COST_TRANSPOSED_ROW if transposed else at.COST_SINGLE_ROW)
    # Bounds and projections are float32, whatever the data.
    single = 4 / itemsize / whole
    keeping = at.COST_KEEP * (1 + bounds.n_groups) / n_clusters * single
    checking = (at.COST_CHECK_ROW + at.COST_CHECK_GROUP * bounds.n_groups) / n_clusters * single
    # Writing bounds pays off if that and the next pass with them (`next_cost`) cost less than 1 together.
    limit = (1.0 - keeping - (1.0 - at.COST_DECAY) * checking) / at.COST_DECAY
    if bounds.coarse:
        narrowing = -(-n_features // WORD) + at.COST_COARSE_CENTER
        undecided = at.COST_COARSE_ROW + at.COST_COARSE_VALUE * n_features
    else:
        narrowing = bounds.n_directions + at.COST_SINGLE_ROW
        undecided = at.COST_UNDECIDED_ROW + at.COST_UNDECIDED_GROUP * bounds.n_groups
    return Costs(
        # Coarse rows are checked whatever that costs: they are dropped once they do not pay.
        math.inf if bounds.coarse else at.MAX_CHECKING_COST,
        math.inf if keeping < at.MAX_CHEAP_KEEPING_COST else limit,
        checking,
        at.COST_MEASURE * n_features / n_clusters * single,
        undecided / n_clusters * single,
        (n_features + at.COST_SINGLE_ROW) / whole,
        narrowing * single,
        at.COST_PAIR_RATIO * (n_features + at.COST_PAIR) * single,
    )


def next_cost(cost: float, costs: Costs) -> float:
    """Return the expected total cost of bounds in the next pass; cost : in this one."""
    return costs.checking + at.COST_DECAY * (cost - costs.checking)


def projection_cost(size: int, costs: Costs, n_clusters: int, undecided: float, opened: float) -> float:
    """Return the cost per pass of projections, relative to scoring what bounds leave open without them.

    undecided : share of the pairs of row and group that bounds leave open
    opened : share of the pairs of row and center that projections would leave open
    """
    if undecided == 0.0:
        return math.inf
    # Projecting a row on a direction costs about as much as scoring a center.
    made = 1.5 * size / n_clusters / at.MAX_PROJECTION_PASSES
    return (undecided * costs.narrowing + opened * costs.pairs + made) / (undecided * costs.groups)


def coarse_fits(shape: tuple[int, ...], n_groups: int, memory: Memory) -> bool:
    """Return whether rows may be kept in their coarse forms as well."""
    n_samples, n_features = shape
    floats = max(memory.share // (4 * n_samples), memory.spare // (4 * n_samples) + 4)
    fits = -(-n_features // WORD) + 2 <= floats - n_groups - 4
    return fits and n_features <= MAX_COARSE_FEATURES and not memory.lean


def coarse_costs_once(n_features: int, n_clusters: int, itemsize: int) -> Costs:
    """Return the costs of coarse rows that are made for one sweep."""
    found = costs(n_features, n_clusters, itemsize, Bounds(1, 0, True))
    # Memory for all that is kept of a row costs about as much as comparing it.
    making = 1.0 + at.COST_COARSE_MAKING * n_features / (
        at.COST_COARSE_ROW + at.COST_COARSE_VALUE * n_features
    )
    return found._replace(undecided=found.undecided * (1.0 + making))


def coarse_cost(costs: Costs, opened: float) -> float:
    """Return the cost of comparing all rows in their coarse forms, relative to scoring them.

    opened : share of the pairs of row and center that coarse rows leave open
    """
    return costs.undecided + costs.narrowing + opened * costs.pairs


def fast_tried(work: int, expected: float) -> bool:
    """Return whether scoring fast centers for all rows may pay off.

    work : steps of a pass; expected : expected cost of bounds without that, that of checking them apart
    """
    return work >= at.MIN_FAST_STEPS and expected >= at.MIN_FAST_BOUNDS_COST


def fast_sizes(moved: np.ndarray) -> list[int]:
    """Return the numbers of fast centers to try, ascending.

    moved : (n_clusters,), distances that the centers moved, descending
    """
    most = min(len(moved) // at.MIN_CENTERS_PER_FAST, int(np.count_nonzero(moved)))
    if most == 0 or moved[most] > at.MAX_SLOW_MOVEMENT * moved[0]:
        return []
    return sorted({min(at.MIN_FAST_CENTERS << i, most) for i in range(most.bit_length())})


def bounds_cost(size: int, costs: Costs, n_clusters: int, open_pairs: float, open_rows: float) -> float:
    """Return the total cost of bounds where `size` fast centers are scored for all rows.

    open_pairs, open_rows : shares of the pairs of row and group, and of the rows, that bounds leave open
    """
    undecided = open_rows * (costs.measuring + costs.undecided) + open_pairs * costs.groups
    return costs.checking + size / n_clusters + undecided


def grid_bits(n_samples: int) -> int:
    """Return how often the grid over the data is halved: 4 times more than blocks need on average."""
    return max(0, min((n_samples // at.MAX_SPATIAL_ROWS).bit_length() + 4, 20))


def per_call(work: int) -> int:
    """Return how many pieces of `work` steps each one call processes."""
    return max(1, at.MAX_CALL_STEPS // work)


def pass_work(n_samples: Any, n_features: float, n_clusters: Any) -> Any:
    """Return the steps of a pass over few rows; accepts numbers or arrays."""
    return (n_samples + at.COST_PASS_OVERHEAD) * n_features * (n_clusters + at.COST_PASS_OVERHEAD)


def problem_work(n_samples: Any, n_features: int, n_clusters: Any, max_iter: int) -> Any:
    """Return the most steps that a problem of a batch takes, as a float; accepts numbers or arrays."""
    # The product may exceed 64 bits; capping max_iter is safe, as one call never makes that many passes.
    passes = pass_work(n_samples, float(n_features), n_clusters) * min(max_iter, at.MAX_CALL_STEPS)
    return passes + at.COST_PROBLEM_VALUE * n_samples * n_features + at.COST_PROBLEM


def pick_work(size: int) -> int:
    """Return the steps of a pick of '++'."""
    return at.COST_PICK_VALUE * size + at.COST_PICK


def alone(size: int, work: float) -> bool:
    """Return whether a problem of a batch is called by itself, so that threads share its rows.

    size : number of its values; work : its steps
    """
    return size > at.MAX_SMALL_VALUES or work > at.MAX_CALL_STEPS


def side_by_side(shape: tuple[int, ...], n_clusters: int, memory: Memory) -> bool:
    """Return whether several starts are fitted side by side, each on one thread."""
    size = shape[0] * shape[1]
    few = size <= at.MAX_SMALL_VALUES and size * n_clusters <= at.MAX_RESTART_STEPS
    return few and memory.whole and not DISABLED


def quantized_leaves(
    shape: tuple[int, ...], n_clusters: int, n_leaves: int, lanes: int, memory: Memory
) -> int:
    """Return the number of leaves whose rows '++' keeps quantized, to skip rows that a pick does not affect.

    Without quantized rows every pick reads all of the data. Rows in slabs are converted for each pick anyway.
    """
    n_samples, n_features = shape
    enough = n_samples * n_features * n_clusters >= at.MIN_QUANTIZED_STEPS
    if n_clusters < at.MIN_QUANTIZED_PICKS or not enough or not memory.whole or memory.lean or DISABLED:
        return 0
    return min(n_leaves, max(memory.spare, memory.share) // (lanes * n_features))


def quantization_stride(shape: tuple[int, ...]) -> int:
    """Return the stride of the rows that are sampled to choose the quantization step."""
    n_samples, n_features = shape
    by_values = n_samples * n_features // at.SAMPLE_QUANTIZATION_VALUES
    return max(1, min(by_values, n_samples // at.SAMPLE_QUANTIZATION_ROWS))


def scatter_chunks(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the rows of a chunk and the number of chunks for the covariance.

    It depends on the shape alone: the sums of chunks are rounded, so chunk boundaries are part of the result.
    """
    n_samples, n_features = shape
    n_chunks = min(-(-n_samples // 1024), 16, max(1, at.MAX_SCATTER_BYTES // (8 * n_features * n_features)))
    chunk_rows = -(-n_samples // n_chunks)
    return chunk_rows, -(-n_samples // chunk_rows)
