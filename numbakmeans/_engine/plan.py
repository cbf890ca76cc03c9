"""Shape and threads in, plan out: pure Python, and the only home of thresholds.

No figure here changes a result, only the time it takes. Each names the benchmark that set it.
"""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.runtime import threads

#: Elementary steps (one feature of one row and center) below which one thread is faster than two.
#: asv: kernels.ParallelThreshold. A step takes about 0.1 ns, starting the threads some microseconds.
PARALLEL_WORK = 400_000
#: Values of the data up to which rows stay packed between passes: they fit into the second-level cache.
#: asv: kernels.Choice.
SMALL_VALUES = 130_000
#: Rows of their blocks at most, but for what fills up vectors; and up to which features and clusters their
#: parts are kept, too, and first summed with vectors along the rows. asv: kernels.LaneSums.
PACKED_ROWS, LANE_SUMS_FEATURES, LANE_SUMS_CLUSTERS = 256, 8, 20
#: Parts of exact sums that there is room for: two or three hold ordinary data.
PACKED_PARTS = 4
#: From which bounds pay for their upkeep: features, and features times clusters times passes, asv:
#: kernels.Choice; elementary steps times bytes of a value, of a pass and of all passes, asv: kernels.Bounded.
BOUNDED_FEATURES, BOUNDED_TERMS = 8, 10_000
BOUNDED_PASS, BOUNDED_PASSES = 128_000_000, 3_200_000_000
#: Features, and features (in fours) times clusters over bytes of a value, from which certified scores are
#: faster than the definition. asv: kernels.Choice. Below, what the tile costs for each row outweighs what it
#: saves for each center; with one feature, many rows lie near the middle between two centers.
CERTIFIED_FEATURES, CERTIFIED_TERMS = 2, 16
#: The same where nothing is asked for but labels and distances, which the definition finds in one go; and
#: elementary steps over bytes of a value. asv: kernels.Nearest.
NEAREST_TERMS, NEAREST_WORK = 128, 500_000
#: Rows that a slot takes at a time. asv: kernels.ChunkRows: 128 costs a tenth more, above 512 all are equal.
CHUNK_ROWS = 512
#: Bytes of packed rows and their scores. asv: kernels.PackedBytes.
PACKED_BYTES = 512 * 1024
#: Clusters from which it pays to turn rows and score them side by side, and features for each of them up to
#: which it does; bytes of a row up to which it always does. asv: kernels.Turns.
TRANSPOSED_CLUSTERS, TRANSPOSED_FEATURES, TRANSPOSED_BYTES = 64, 2, 40
#: Squares around zero over those around the common origin, up to which rows are scored as they are: without
#: the copy, but with an error bound that grows as they do. asv: kernels.AsIs.
IDENTITY_RATIO = 2.0
#: What the scores of a row and a panel cost beside their features, in features: row by row, and side by side.
#: asv: kernels.Turns.
SINGLE_FEATURES, BESIDE_FEATURES = 31.0, 10.0
#: What it costs to write the bounds of a row, for itself and each group; to ask them, and for each group; to
#: measure a row, for each feature; and to go on with a row in doubt, and for each group; in scores of one
#: feature. asv: kernels.Pruning.
KEEPING, CHECKING, MEASURING, UNDECIDED = 75.0, (400.0, 150.0), 6.0, (800.0, 350.0)
#: What is left, from one pass to the next, of what bounds cost beside asking, where it does not fall faster;
#: up to which cost they are asked, less than 1 as scoring leaves better bounds; and what they may cost to be
#: written in any case, over scoring the row. asv: kernels.Pruning: without these, uniform data costs a tenth
#: more; asked at a cost of 1, 100,000 x 16 costs a tenth more.
LEFT, WORTH_CHECKING, CHEAP = 0.75, 0.8, 0.04
#: Rows that tell before a pass what bounds will cost. asv: kernels.Foreseen.
FORESEEN_ROWS = 256
#: What a distance that heads leave open costs beside its features, in features, and how many times more
#: than scores of the tile. asv: kernels.Heads.
PAIR_FEATURES, PAIR_COST = 60.0, 3.5
#: Features, panels of centers, and elementary steps of a pass from which heads of rows are tried; features
#: for each direction of a head, how many passes have to pay for making them, and what they may cost over
#: going without. Less than all, as they leave bounds lower than scores do: 100,000 x 64 in float64 pays for
#: that. asv: kernels.Heads.
PROJECTION_FEATURES, PROJECTION_PANELS, PROJECTION_WORK = 48, 2, 500_000_000
PROJECTION_SHARES, PROJECTION_PASSES, PROJECTIONS_PAY = (3, 4, 6, 8), 8, 0.7
#: What heads may cost along directions that are found in no time, if better ones are to be looked for. Data
#: that heads pay for were all below 0.9, others above 1.7. asv: kernels.HeadsHoped.
PROJECTIONS_HOPED = 1.25
#: What a trial of heads may take: the square of the directions, over pairs of row and center in the passes
#: that have to pay for it. asv: kernels.HeadTrial: without it, 2000 x 784 takes three times as long.
PROJECTION_TRIAL = 1 / 1500
#: Centers at most that tell along which directions heads are taken, asv: kernels.HeadDirections, and pairs of
#: row and center that tell whether they pay, asv: kernels.HeadSample.
PROJECTION_SAMPLE, PROJECTION_PAIRS = 2048, 50_000
#: Features, at least and at most, that tell which centers lie together; rows for each.
#: asv: kernels.Telling: all of 784 cost a twelfth of few passes over few rows.
SAMPLED_FEATURES, ROWS_PER_FEATURE = (32, 256), 32
#: Centers that are scored for all rows where they moved far, doubled up to a share of all; what the others
#: may have moved at most, over the furthest; from which elementary steps of a pass, and which cost of bounds
#: beside asking, that is tried; and what it may cost over going without.
#: asv: kernels.Movers, kernels.MoversTried.
FAST_CENTERS, FAST_SHARE, FAST_REST, FAST_WORK, FAST_TRIED = 16, 3, 0.5, 1_000_000_000, 0.15
FAST_PAY = 0.75
#: Rows side by side in a block, and the bytes that a block may take of the second-level cache.
#: asv: kernels.Lanes: from 128 lanes up the loop overhead is gone, beyond 256 KB the cache is.
LANES, BLOCK_BYTES = 128, 256 * 1024
#: Most rows of a spatial block, blocks that share a first choice of centers, and rows that tell where the
#: grid goes. asv: kernels.Blocks: blocks of 128 rows cost a tenth more, the others change little.
BLOCK_ROWS, CHUNK_BLOCKS, GRID_SAMPLE = 256, 16, 4096
#: When it pays to bring rows into spatial order: features at most (float32, float64), rows at least, pairs of
#: row and center at least (from 3 features up), and passes plus doublings of the clusters at least: what the
#: order costs comes back the sooner, the more clusters there are. asv: kernels.Choice.
FILTERED_FEATURES, FILTERED_ROWS, FILTERED_PAIRS, FILTERED_PASSES = {4: 4, 8: 6}, 10_000, 1_000_000, 9
#: Elementary steps of a pass below which a nopython caller gets the kernel of small problems; above, taking
#: the GIL for the plan and the other algorithms pays. asv: nopython.MidSize.
CALLED_WORK = 2_000_000
#: Bytes of working memory allowed for each row, and beside that.
ROW_BYTES, SPARE_BYTES = 32, 48 * 1024 * 1024
#: Bytes up to which data of another dtype or layout is copied whole, and of a slab beyond: of that, rows are
#: converted again for every pass. asv: kernels.Layouts.
COPY_BYTES, SLAB_BYTES = 32 * 1024 * 1024, 16 * 1024 * 1024
#: Rows of a slab at least: no leaf of '++' is larger.
SLAB_ROWS = 128
#: Steps in one call, where that makes several passes or picks, so that Ctrl-C is answered: about a tenth of
#: a second. asv: kernels.Calls.
STEPS_PER_CALL = 200_000_000
#: What a row of a pass costs beside its distances, in centers, and a center in rows; what each value costs a
#: problem beside the passes, and a problem beside both, in steps. asv: kernels.Calls.
PASS_BESIDE, PROBLEM_VALUE, PROBLEM_BESIDE = 16, 100, 20_000
#: What each value costs a pick of '++', a pick beside them, and starting its threads where cores are busy, in
#: steps. asv: seeding.Picks: below 50,000 values threads cost more than they save.
PICK_VALUE, PICK_BESIDE, PICK_STARTING = 8, 10_000, 1_000_000
#: Picks of '++', picks times features, and elementary steps, from which sketches pay. asv: seeding.Sketches:
#: with 2 features 16 picks are slower by a quarter, 64 faster by a fifth.
QUANTIZED_PICKS, QUANTIZED_TERMS, QUANTIZED_WORK = 5, 64, 1_000_000
#: Values that tell where the steps of sketches go, and rows at least. asv: seeding.SketchSample.
QUANTIZATION_SAMPLE, QUANTIZATION_ROWS = 8192, 64
#: Bytes that the partial covariance matrices of 'random' may take together.
SCATTER_BYTES = 32 * 1024 * 1024


class Plan(NamedTuple):
    """How to run one sweep over the rows, and how many elementary steps it takes."""

    parallel: bool
    n_tasks: int
    chunk_rows: int
    n_lanes: int
    work: int


def sweep(shape: tuple[int, ...], work: int) -> Plan:
    """Plan a sweep over rows of this shape that takes `work` elementary steps in all."""
    n_samples, n_features = shape
    n_threads = threads() if work >= PARALLEL_WORK else 1
    n_lanes = LANES
    while n_lanes > 16 and n_lanes * n_features * 8 > BLOCK_BYTES:
        n_lanes //= 2
    # A few rows: no chunk larger than a thread's share of them.
    share = -(-n_samples // n_threads)
    chunk_rows = min(CHUNK_ROWS, -(-share // 16) * 16)
    return Plan(n_threads > 1, n_threads, chunk_rows, min(n_lanes, chunk_rows), work)


def keeps_parts(n_features: int, n_clusters: int) -> bool:
    """Return whether a small problem keeps the parts of its rows' exact sums (`kernels.small`)."""
    return n_features <= LANE_SUMS_FEATURES and n_clusters <= LANE_SUMS_CLUSTERS and not DISABLED


class Memory(NamedTuple):
    """What is kept between passes, or picks, may take `ROW_BYTES` a row and `spare`; where more: `share`.

    spare : bytes; share : bytes, a quarter of the caller's data; whole : are the rows there all at once?
    lean : is nothing to be kept?
    """

    spare: int
    share: int
    whole: bool
    lean: bool


def lean() -> bool:
    """Return whether the user wants nothing kept that only saves time: ``NUMBAKMEANS_LEAN=1``."""
    return os.environ.get("NUMBAKMEANS_LEAN", "") not in ("", "0")


def intake(shape: tuple[int, ...], itemsize: int, working_itemsize: int, ready: bool) -> tuple[int, Memory]:
    """Return the rows of a slab, all of them where they are used or copied whole, and the memory left.

    ready : whether kernels can read the caller's array as it is
    """
    n_samples, n_features = shape
    spare, share = SPARE_BYTES, n_samples * n_features * itemsize // 4
    row_bytes = n_features * working_itemsize
    whole = ready or n_samples * row_bytes <= COPY_BYTES
    slab_rows = n_samples
    if not whole:
        slab_rows = min(max(SLAB_BYTES // row_bytes, SLAB_ROWS), n_samples)
        whole = slab_rows == n_samples
    if not ready:
        spare -= slab_rows * row_bytes
    return slab_rows, Memory(max(spare, 0), share, whole, lean())


def algorithm(shape: tuple[int, ...], n_clusters: int, itemsize: int, max_iter: int, memory: Memory) -> str:
    """Return the key of `_algorithms.ALGORITHMS` that is fastest for a problem."""
    n_samples, n_features = shape
    if DISABLED:
        return "lloyd"
    # A copy of the rows, some of its lanes spare, and for each row its place and label.
    extra = n_samples * (n_features * itemsize * 5 // 4 + 8) - n_samples * ROW_BYTES
    filtered = (
        n_features <= FILTERED_FEATURES[itemsize]
        and FILTERED_ROWS <= n_samples < 2**31
        and (n_features <= 2 or n_samples * n_clusters >= FILTERED_PAIRS)
        and max_iter + n_clusters.bit_length() >= FILTERED_PASSES
        and memory.whole
        and not memory.lean
        and extra <= memory.spare
    )
    if filtered:
        return "filtering"
    work = n_samples * n_features * n_clusters
    if scored(shape, n_clusters, itemsize) and work >= PARALLEL_WORK:
        lasting = max_iter > 2 and n_features * n_clusters * max_iter >= BOUNDED_TERMS
        size = work * itemsize
        large = size >= BOUNDED_PASS and size * max_iter >= BOUNDED_PASSES
        bounded = n_features >= BOUNDED_FEATURES and lasting and large and not memory.lean
        return "yinyang" if bounded else "certified"
    few = n_samples * n_features <= SMALL_VALUES and work < PARALLEL_WORK
    return "small" if few and memory.whole else "lloyd"


def scored(shape: tuple[int, ...], n_clusters: int, itemsize: int, terms: int = CERTIFIED_TERMS) -> bool:
    """Return whether certified scores are faster than the definition for one pass over a shape."""
    _, n_features = shape
    fours = -(-n_features // 4) * 4
    # The definition takes as long for one dtype as for the other, scores half as long for float32.
    costs = n_clusters * fours >= terms * itemsize
    return n_features >= CERTIFIED_FEATURES and costs and not DISABLED


def nearest_scored(shape: tuple[int, ...], n_clusters: int, itemsize: int) -> bool:
    """Return whether certified scores are faster than the definition for nothing but labels and distances."""
    work = shape[0] * shape[1] * n_clusters
    return work >= NEAREST_WORK * itemsize and scored(shape, n_clusters, itemsize, NEAREST_TERMS)


def block_rows(shape: tuple[int, ...], itemsize: int, n_panels: int, n_tasks: int, at_once: int) -> int:
    """Return how many rows a slot packs and scores at a time: about what the second-level cache holds.

    at_once : rows that are scored side by side: of them there are a multiple, where there are rows enough
    """
    n_samples, n_features = shape
    row_bytes = n_features * itemsize + n_panels * (2 * itemsize + 4)
    share = -(-n_samples // n_tasks)
    blocks = max(1, min(CHUNK_ROWS, PACKED_BYTES // row_bytes) // at_once)
    return max(1, min(share, blocks * at_once))


def transposes(n_features: int, n_clusters: int, itemsize: int) -> bool:
    """Return whether rows that want all centers are turned, to be scored side by side."""
    many = n_clusters >= TRANSPOSED_CLUSTERS and n_features <= TRANSPOSED_FEATURES * n_clusters
    return many or n_features * itemsize <= TRANSPOSED_BYTES


class Bounds(NamedTuple):
    """What is kept for each row between passes: groups of centers, and directions of its head, 0 for none."""

    n_groups: int
    n_directions: int


def bounds(shape: tuple[int, ...], n_clusters: int, n_panels: int, max_iter: int, memory: Memory) -> Bounds:
    """Plan the bounds: all groups and heads that memory allows, if heads may be worth a trial."""
    n_samples, n_features = shape
    floats = max(memory.share // (4 * n_samples), memory.spare // (4 * n_samples) + 4)
    n_groups = max(1, min(n_panels, floats // 3))
    sampled = min(n_samples // 2, n_clusters, PROJECTION_SAMPLE)
    tried = math.sqrt(PROJECTION_TRIAL * n_samples * n_clusters * min(max_iter - 1, PROJECTION_PASSES))
    n_directions = int(min(n_features // PROJECTION_SHARES[0], sampled, tried, floats - n_groups - 4))
    large = n_features >= PROJECTION_FEATURES and n_samples * n_features * n_clusters >= PROJECTION_WORK
    pays = large and n_panels >= PROJECTION_PANELS and n_directions >= n_features // PROJECTION_SHARES[-1]
    return Bounds(n_groups, n_directions if pays else 0)


def sampled_feature_step(shape: tuple[int, ...]) -> int:
    """Return how far apart the features are that tell which centers lie together."""
    n_samples, n_features = shape
    least, most = SAMPLED_FEATURES
    return max(1, n_features // min(max(n_samples // ROWS_PER_FEATURE, least), most))


def projection_sizes(n_features: int, n_directions: int) -> list[int]:
    """Return the sizes of heads to try, descending, none larger than n_directions."""
    sizes = {min(n_features // share, n_directions) for share in PROJECTION_SHARES}
    return sorted((size for size in sizes if size > 0), reverse=True)


class Costs(NamedTuple):
    """What bounds cost, over what it costs to score a row without asking them.

    checked : what asking may cost in all where it pays
    kept : where it pays to write bounds for the next pass
    checking : to ask the bounds of a row; measuring : to measure it, for an upper bound as low as can be
    undecided : to go on with a row that they leave in doubt
    groups : to score a row that they leave in doubt, if that is with all groups; projections : to ask heads instead
    pairs : to find the distances that heads leave open, if these were all
    """

    checked: float
    kept: float
    checking: float
    measuring: float
    undecided: float
    groups: float
    projections: float
    pairs: float


def costs(n_features: int, n_clusters: int, itemsize: int, bounds: Bounds) -> Costs:
    """Return what bounds cost."""
    # Rows that want some centers are scored row by row, all pairs perhaps side by side.
    beside = BESIDE_FEATURES if transposes(n_features, n_clusters, itemsize) else SINGLE_FEATURES
    whole = n_features + beside
    # Bounds and heads are float32, whatever the data.
    single = 4 / itemsize / whole
    keeping = KEEPING * (1 + bounds.n_groups) / n_clusters * single
    checking = (CHECKING[0] + CHECKING[1] * bounds.n_groups) / n_clusters * single
    return Costs(
        WORTH_CHECKING,
        math.inf if keeping < CHEAP else (1.0 - keeping - (1.0 - LEFT) * checking) / LEFT,
        checking,
        MEASURING * n_features / n_clusters * single,
        (UNDECIDED[0] + UNDECIDED[1] * bounds.n_groups) / n_clusters * single,
        (n_features + SINGLE_FEATURES) / whole,
        (bounds.n_directions + SINGLE_FEATURES) * single,
        PAIR_COST * (n_features + PAIR_FEATURES) * single,
    )


def next_cost(cost: float, costs: Costs) -> float:
    """Return what asking is expected to cost in all in the next pass; cost : in this one."""
    return costs.checking + LEFT * (cost - costs.checking)


def projection_cost(size: int, costs: Costs, n_clusters: int, undecided: float, opened: float) -> float:
    """Return what heads cost in each of some passes, over scoring what bounds leave open without them.

    undecided : share of the pairs of row and group that bounds leave open; opened : share of the pairs of row
    and center that heads would leave open
    """
    if undecided == 0.0:
        return math.inf
    # A row is multiplied with its directions as with centers.
    made = 1.5 * size / n_clusters / PROJECTION_PASSES
    return (undecided * costs.projections + opened * costs.pairs + made) / (undecided * costs.groups)


def fast_tried(work: int, expected: float) -> bool:
    """Return whether centers that moved far may be worth scoring for all rows.

    work : elementary steps of a pass; expected : what bounds may cost otherwise, beside asking
    """
    return work >= FAST_WORK and expected >= FAST_TRIED


def fast_sizes(moved: np.ndarray) -> list[int]:
    """Return how many of the centers that moved furthest may be scored for all rows, ascending.

    moved : (n_clusters,), how far they moved, descending
    """
    most = min(len(moved) // FAST_SHARE, int(np.count_nonzero(moved)))
    if most == 0 or moved[most] > FAST_REST * moved[0]:
        return []
    return sorted({min(FAST_CENTERS << i, most) for i in range(most.bit_length())})


def bounds_cost(size: int, costs: Costs, n_clusters: int, open_pairs: float, open_rows: float) -> float:
    """Return what asking costs in all where so many movers are scored for all rows.

    open_pairs, open_rows : shares of the pairs of row and group, and of the rows, that bounds leave open
    """
    undecided = open_rows * (costs.measuring + costs.undecided) + open_pairs * costs.groups
    return costs.checking + size / n_clusters + undecided


def grid_bits(n_samples: int) -> int:
    """Return how often the grid over the data is halved: about 4 times more than blocks need on average."""
    return max(0, min((n_samples // BLOCK_ROWS).bit_length() + 4, 20))


def per_call(work: int) -> int:
    """Return how many pieces that take `work` elementary steps each one call does."""
    return max(1, STEPS_PER_CALL // work)


def pass_work(n_samples: Any, n_features: float, n_clusters: Any) -> Any:
    """Return how many steps a pass over few rows takes; of numbers or arrays."""
    return (n_samples + PASS_BESIDE) * n_features * (n_clusters + PASS_BESIDE)


def problem_work(n_samples: Any, n_features: int, n_clusters: Any, max_iter: int) -> Any:
    """Return how many steps a problem of a batch takes at most, a float; of numbers or arrays."""
    # More than integers hold, perhaps; and so many passes are too many for a call anyway.
    passes = pass_work(n_samples, float(n_features), n_clusters) * min(max_iter, STEPS_PER_CALL)
    return passes + PROBLEM_VALUE * n_samples * n_features + PROBLEM_BESIDE


def pick_work(size: int) -> int:
    """Return how many steps a pick of '++' takes."""
    return PICK_VALUE * size + PICK_BESIDE


def alone(size: int, work: float) -> bool:
    """Return whether a problem of a batch has calls of its own, and the threads share its rows.

    size : its values; work : the steps it takes
    """
    return size > SMALL_VALUES or work > STEPS_PER_CALL


def quantized_leaves(
    shape: tuple[int, ...], n_clusters: int, n_leaves: int, lanes: int, memory: Memory
) -> int:
    """Return of how many leaves '++' keeps a byte for each value, to pass by rows that a pick leaves.

    Without it every pick reads all of the data. Rows that come in slabs are converted for each pick anyway.
    """
    n_samples, n_features = shape
    terms = n_features * n_clusters
    costs = terms >= QUANTIZED_TERMS and n_samples * terms >= QUANTIZED_WORK
    if n_clusters < QUANTIZED_PICKS or not costs or not memory.whole or memory.lean or DISABLED:
        return 0
    return min(n_leaves, max(memory.spare, memory.share) // (lanes * n_features))


def quantization_stride(shape: tuple[int, ...]) -> int:
    """Return how far apart the rows are that tell where the steps of sketches go."""
    n_samples, n_features = shape
    return max(1, min(n_samples * n_features // QUANTIZATION_SAMPLE, n_samples // QUANTIZATION_ROWS))


def scatter_chunks(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows of a chunk and number of chunks for the covariance.

    A function of the shape alone: the sums of the chunks are rounded, so their limits are part of the result.
    """
    n_samples, n_features = shape
    n_chunks = min(-(-n_samples // 1024), 16, max(1, SCATTER_BYTES // (8 * n_features * n_features)))
    chunk_rows = -(-n_samples // n_chunks)
    return chunk_rows, -(-n_samples // chunk_rows)
