"""The thresholds of `plan`: when to run what, how much at a time, and what bounds are expected to cost.

None of them changes a result, only time or memory (the one exception, `MAX_SCATTER_BYTES`, says so). Every
constant carries the same fields: its unit, the sweep in `tuning/` that sets it, and the range of values that
cost at most a few percent more than the best one. ``python -m tuning NAME`` repeats a sweep on another
machine.

MIN_ and MAX_ name the lowest or highest value for which something is done, COST_ a term of a cost model, and
SAMPLE_ the size of a sample that an estimate is made from. A step is one feature of one row and one center. A
pass assigns every row to a center once. A term is a factor of the steps that does not depend on the rows.
"""

# --- Threads, and the length of one call

#: Fewest steps that are split among threads: a step takes about 0.1 ns, starting the threads some
#: microseconds.
#: unit: steps; sweep: parallel; flat: not measured
MIN_PARALLEL_STEPS = 400_000

#: Most steps of one call that makes several passes or picks, so that Ctrl-C is answered in about 0.1 s.
#: unit: steps; sweep: calls; flat: not measured
MAX_CALL_STEPS = 200_000_000

#: Most steps of a pass that nopython callers run without the GIL, in the kernel of small problems: for larger
#: ones, taking the GIL to reach the plan and the other algorithms pays off.
#: unit: steps; sweep: nopython; flat: not measured
MAX_NOPYTHON_STEPS = 2_000_000

#: Overhead of each row of a pass, in centers, and of each center, in rows: it bounds the passes of one call.
#: unit: centers and rows; sweep: calls; flat: not measured
COST_PASS_OVERHEAD = 16

#: Overhead of each value of a problem in a batch, in addition to the passes: it bounds the problems of one
#: call.
#: unit: steps per value; sweep: calls; flat: not measured
COST_PROBLEM_VALUE = 100

#: Overhead of each problem in a batch, in addition to its values and passes.
#: unit: steps; sweep: calls; flat: not measured
COST_PROBLEM = 20_000

# --- Memory

#: Most working memory per row, as the README promises.
#: unit: bytes per row; sweep: none: a promise, not a speed; flat: not measured
MAX_ROW_BYTES = 32

#: Most working memory in addition to that of the rows, as the README promises.
#: unit: bytes; sweep: none: a promise, not a speed; flat: not measured
MAX_SPARE_BYTES = 48 * 1024 * 1024

#: Largest data of another dtype or layout that is converted as a whole: larger data is converted slab by slab
#: in every pass, which is slower but stays within the working memory.
#: unit: bytes; sweep: layouts; flat: not measured
MAX_COPY_BYTES = 32 * 1024 * 1024

#: Largest slab of rows that is converted at a time.
#: unit: bytes; sweep: layouts; flat: not measured
MAX_SLAB_BYTES = 16 * 1024 * 1024

#: Fewest rows of a slab: no leaf of the pairwise-summation tree of '++' is larger.
#: unit: rows; sweep: none: a fact of NumPy's pairwise sum; flat: not measured
MIN_SLAB_ROWS = 128

#: Most bytes of all partial covariance matrices of 'random'; it decides how many there are, and thereby how
#: their sum is rounded: changing it changes results.
#: unit: bytes; sweep: none: part of the result; flat: not measured
MAX_SCATTER_BYTES = 32 * 1024 * 1024

# --- Rows at a time

#: Most rows that a task takes at a time: 128 rows cost 10% more, beyond 512 nothing changes.
#: unit: rows; sweep: chunk-rows; flat: 512 to 2048
MAX_CHUNK_ROWS = 512

#: Most rows side by side in a block of the reference pass: from 128 lanes the loop overhead is gone.
#: unit: rows; sweep: lanes; flat: 128 to 256
MAX_LANES = 128

#: Largest block of the reference pass: beyond, it leaves the second-level cache.
#: unit: bytes; sweep: lanes; flat: up to 256 KiB
MAX_LANES_BYTES = 256 * 1024

#: Most bytes of packed rows and their scores that a task keeps in the second-level cache.
#: unit: bytes; sweep: packed-bytes; flat: not measured
MAX_PACKED_BYTES = 512 * 1024

# --- Small problems: rows stay packed between passes

#: Largest data whose rows stay packed between passes: it fits into the second-level cache.
#: unit: values; sweep: algorithms; flat: not measured
MAX_SMALL_VALUES = 130_000

#: Most rows of a packed block, apart from those that fill up its vectors.
#: unit: rows; sweep: small-blocks; flat: not measured
MAX_SMALL_BLOCK_ROWS = 256

#: Most features for which the integer parts of rows are kept as well: few features do not fill a vector, but
#: parts that lie side by side do.
#: unit: features; sweep: lane-sums; flat: not measured
MAX_LANE_SUMS_FEATURES = 8

#: Most clusters for which those parts are kept: the sum of each cluster runs over all rows of a block.
#: unit: clusters; sweep: lane-sums; flat: not measured
MAX_LANE_SUMS_CLUSTERS = 20

#: Most integer parts per value that are kept: ordinary data has two or three.
#: unit: parts; sweep: none: only unusual data has more; flat: not measured
MAX_LANE_SUMS_PARTS = 4

# --- Certified scores instead of reference distances

#: Fewest features for certified scores: with one, many rows lie near the midpoint of two centers and stay
#: undecided.
#: unit: features; sweep: algorithms; flat: not measured
MIN_CERTIFIED_FEATURES = 2

#: Fewest features (rounded up to a multiple of 4) times clusters, per byte of a value, for certified scores:
#: below, the overhead of the tile per row exceeds what it saves per center.
#: unit: terms per byte; sweep: algorithms; flat: not measured
MIN_CERTIFIED_TERMS = 16

#: Fewest such terms where only labels and distances are needed: the reference pass finds both in one go.
#: unit: terms per byte; sweep: nearest; flat: not measured
MIN_NEAREST_TERMS = 128

#: Fewest steps, per byte of a value, for certified scores where only labels and distances are needed.
#: unit: steps per byte; sweep: nearest; flat: not measured
MIN_NEAREST_STEPS = 500_000

#: Largest sum of squares about zero, relative to that about the common origin, for which rows are scored
#: without a shifted copy, at the price of an error bound that grows with it.
#: unit: ratio; sweep: identity; flat: not measured
MAX_IDENTITY_RATIO = 2.0

#: Fewest clusters for which rows are transposed and scored side by side.
#: unit: clusters; sweep: transposed; flat: not measured
MIN_TRANSPOSED_CLUSTERS = 64

#: Most features per cluster for which that pays off: transposing costs per feature and is shared by the
#: clusters.
#: unit: features per cluster; sweep: transposed; flat: not measured
MAX_TRANSPOSED_FEATURES = 2

#: Longest row that is always transposed.
#: unit: bytes; sweep: transposed; flat: not measured
MAX_TRANSPOSED_BYTES = 40

# --- Bounds between passes: where they are kept

#: Fewest features for which bounds save more than their upkeep costs.
#: unit: features; sweep: algorithms; flat: not measured
MIN_BOUNDED_FEATURES = 8

#: Fewest features times clusters times passes for which keeping bounds pays off.
#: unit: terms times passes; sweep: algorithms; flat: not measured
MIN_BOUNDED_TERMS = 10_000

#: Smallest pass for which keeping bounds pays off: steps times bytes of a value.
#: unit: steps times bytes; sweep: bounded; flat: not measured
MIN_BOUNDED_PASS = 128_000_000

#: Smallest total of all passes for which keeping bounds pays off: steps times bytes of a value.
#: unit: steps times bytes; sweep: bounded; flat: not measured
MIN_BOUNDED_TOTAL = 3_200_000_000

# --- Bounds between passes: what they cost; a unit is the score of one feature of a row and a center

#: Overhead of scoring a row against a panel of centers, one row at a time.
#: unit: features; sweep: bounds-costs; flat: not measured
COST_SINGLE_ROW = 31.0

#: Overhead of scoring a row against a panel of centers where rows are transposed and scored side by side.
#: unit: features; sweep: bounds-costs; flat: not measured
COST_TRANSPOSED_ROW = 10.0

#: Cost of writing each bound of a row: its upper bound, and one lower bound for each group.
#: unit: scores; sweep: bounds-costs; flat: not measured
COST_KEEP = 75.0

#: Cost of checking the bounds of a row, whatever the number of groups.
#: unit: scores; sweep: bounds-costs; flat: not measured
COST_CHECK_ROW = 400.0

#: Cost of checking the bounds of a row, for each group.
#: unit: scores; sweep: bounds-costs; flat: not measured
COST_CHECK_GROUP = 150.0

#: Cost of measuring the distance of a row to its own center, which tightens its upper bound.
#: unit: scores per feature; sweep: bounds-costs; flat: not measured
COST_MEASURE = 6.0

#: Cost of continuing with an undecided row, whatever the number of groups.
#: unit: scores; sweep: bounds-costs; flat: not measured
COST_UNDECIDED_ROW = 800.0

#: Cost of continuing with an undecided row, for each group.
#: unit: scores; sweep: bounds-costs; flat: not measured
COST_UNDECIDED_GROUP = 350.0

#: Expected decay per pass of the cost of bounds, that of checking them apart; without it, and without the two
#: limits that follow, uniform data costs 10% more.
#: unit: ratio; sweep: bounds-costs; flat: not measured
COST_DECAY = 0.75

#: Highest expected cost, relative to scoring all rows, at which bounds are checked: below 1, as scoring
#: leaves better bounds behind; at 1, 100,000 x 16 costs 10% more.
#: unit: ratio; sweep: bounds-costs; flat: not measured
MAX_CHECKING_COST = 0.8

#: Highest cost of writing bounds, relative to scoring the row, at which they are written whatever is
#: expected.
#: unit: ratio; sweep: bounds-costs; flat: not measured
MAX_CHEAP_KEEPING_COST = 0.04

#: Rows that are sampled before a pass to estimate what checking bounds will cost.
#: unit: rows; sweep: forecast; flat: not measured
SAMPLE_FORECAST_ROWS = 256

#: Fewest and most features that are sampled to gather centers into groups: all 784 of them cost 8% where
#: there are few passes over few rows.
#: unit: features; sweep: grouping; flat: not measured
SAMPLE_GROUPING_FEATURES = (32, 256)

#: Rows for each feature that is sampled to gather centers into groups, between those limits.
#: unit: rows per feature; sweep: grouping; flat: not measured
SAMPLE_GROUPING_ROWS = 32

# --- Projections of rows, which bound the distances that groups leave open

#: Fewest features for which projections are tried.
#: unit: features; sweep: projections; flat: not measured
MIN_PROJECTION_FEATURES = 48

#: Fewest panels of centers for which projections are tried.
#: unit: panels; sweep: projections; flat: not measured
MIN_PROJECTION_PANELS = 2

#: Fewest steps of a pass for which projections are tried.
#: unit: steps; sweep: projections; flat: not measured
MIN_PROJECTION_STEPS = 500_000_000

#: Features per direction that are tried, the most directions first.
#: unit: features per direction; sweep: projections; flat: not measured
PROJECTION_SHARES = (3, 4, 6, 8)

#: Most passes that share the cost of computing projections, for the estimate of what these save.
#: unit: passes; sweep: projections; flat: not measured
MAX_PROJECTION_PASSES = 8

#: Highest estimated cost, relative to going without, at which projections are computed: below 1, as they
#: leave lower bounds behind than scores do, which pays off for 100,000 x 64 in float64.
#: unit: ratio; sweep: projections; flat: not measured
MAX_PROJECTION_COST = 0.7

#: Overhead of a distance that projections leave open.
#: unit: features; sweep: projections; flat: not measured
COST_PAIR = 60.0

#: Cost per feature of a distance that projections leave open, relative to a score of the tile.
#: unit: ratio; sweep: projections; flat: not measured
COST_PAIR_RATIO = 3.5

#: Highest estimated cost along directions that take no time to find, relative to going without, at which
#: better ones are computed: all data that gains from projections lies below 0.9, all other data above 1.7.
#: unit: ratio; sweep: rough-projections; flat: 0.9 to 1.7
MAX_ROUGH_PROJECTION_COST = 1.25

#: Largest trial of projections: the square of the directions per pair of row and center, in the passes that
#: share its cost; without the limit, 2000 x 784 takes three times as long.
#: unit: directions squared per pair; sweep: projection-trial; flat: not measured
MAX_PROJECTION_TRIAL = 1 / 1500

#: Most centers that are sampled to find the directions.
#: unit: centers; sweep: projection-directions; flat: not measured
SAMPLE_PROJECTION_CENTERS = 2048

#: Pairs of row and center that are sampled to estimate what projections would cost.
#: unit: pairs; sweep: projection-pairs; flat: not measured
SAMPLE_PROJECTION_PAIRS = 50_000

# --- Fast centers, which are scored for all rows so that they do not lower the bounds of their groups

#: Fewest centers that may be scored for all rows; larger numbers are doublings of it.
#: unit: centers; sweep: fast; flat: not measured
MIN_FAST_CENTERS = 16

#: Fewest centers per fast center.
#: unit: centers; sweep: fast; flat: not measured
MIN_CENTERS_PER_FAST = 3

#: Furthest that any other center may have moved, relative to the fastest one.
#: unit: ratio; sweep: fast; flat: not measured
MAX_SLOW_MOVEMENT = 0.5

#: Highest estimated cost, relative to going without, at which fast centers are scored for all rows.
#: unit: ratio; sweep: fast; flat: not measured
MAX_FAST_COST = 0.75

#: Fewest steps of a pass for which fast centers are looked for.
#: unit: steps; sweep: fast-work; flat: not measured
MIN_FAST_STEPS = 1_000_000_000

#: Lowest expected cost of bounds, that of checking them apart, at which fast centers are looked for.
#: unit: ratio; sweep: fast-work; flat: not measured
MIN_FAST_BOUNDS_COST = 0.15

# --- Rows in spatial order, whose blocks share their candidate centers

#: Most features for which rows are brought into spatial order, by bytes of a value.
#: unit: features; sweep: algorithms; flat: not measured
MAX_FILTERED_FEATURES = {4: 4, 8: 6}

#: Fewest rows for which that pays off.
#: unit: rows; sweep: algorithms; flat: not measured
MIN_FILTERED_ROWS = 10_000

#: Fewest pairs of row and center for which that pays off, from 3 features.
#: unit: pairs; sweep: algorithms; flat: not measured
MIN_FILTERED_PAIRS = 1_000_000

#: Fewest passes plus doublings of the number of clusters: the more clusters, the sooner the ordering pays
#: off.
#: unit: passes; sweep: algorithms; flat: not measured
MIN_FILTERED_PASSES = 9

#: Most rows of a spatial block: blocks of 128 rows cost 10% more.
#: unit: rows; sweep: spatial-blocks; flat: not measured
MAX_SPATIAL_ROWS = 256

#: Spatial blocks that share a first choice of candidate centers.
#: unit: blocks; sweep: spatial-blocks; flat: wide, values not recorded
SPATIAL_CHUNK_BLOCKS = 16

#: Rows that are sampled to place the grid of the spatial order.
#: unit: rows; sweep: spatial-blocks; flat: wide, values not recorded
SAMPLE_GRID_ROWS = 4096

# --- Picks of '++'

#: Cost of a pick for each value of the data.
#: unit: steps per value; sweep: picks; flat: not measured
COST_PICK_VALUE = 8

#: Overhead of a pick: below 50,000 values, threads cost more than they save.
#: unit: steps; sweep: picks; flat: not measured
COST_PICK = 10_000

#: Cost of starting the threads of a pick where the cores are busy: it bounds the picks of one call.
#: unit: steps; sweep: none: needs cores that are busy with other work; flat: not measured
COST_PICK_THREADS = 1_000_000

#: Fewest picks for which quantized rows are kept, so that a pick does not read all of the data.
#: unit: picks; sweep: quantized; flat: not measured
MIN_QUANTIZED_PICKS = 5

#: Fewest picks times features for which quantized rows are kept: with 2 features, 16 picks are 25% slower, 64
#: picks 20% faster.
#: unit: terms; sweep: quantized; flat: not measured
MIN_QUANTIZED_TERMS = 64

#: Fewest steps of all picks for which quantized rows are kept.
#: unit: steps; sweep: quantized; flat: not measured
MIN_QUANTIZED_STEPS = 1_000_000

#: Largest share of the rows of a leaf whose distances are computed one by one, after quantized rows have
#: ruled out the others: beyond it, all rows are computed side by side.
#: unit: share; sweep: near-rows; flat: not measured
MAX_NEAR_SHARE = 0.125

#: Values that are sampled to choose the quantization step.
#: unit: values; sweep: quantization-step; flat: not measured
SAMPLE_QUANTIZATION_VALUES = 8192

#: Fewest rows of that sample.
#: unit: rows; sweep: quantization-step; flat: not measured
SAMPLE_QUANTIZATION_ROWS = 64
