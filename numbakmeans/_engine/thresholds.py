"""The thresholds of `plan`: when to run what, how much at a time, and what bounds are expected to cost.

None of them changes a result, only time or memory (the one exception, `MAX_SCATTER_BYTES`, says so). Every
constant carries the same fields: its unit, the sweep in `tuning/` that sets it, and how flat the optimum is:
the values, of those tried, that cost at most 3% more than the best one in the mean of the sweep's workloads
("5% here": what the present value costs, where that is more). Where several thresholds choose together among
a few options, it is instead what their choices cost above the best option for each workload, noise included.
``python -m tuning NAME`` repeats a sweep on another machine.

MIN_ and MAX_ name the lowest or highest value for which something is done, COST_ a term of a cost model, and
SAMPLE_ the size of a sample that an estimate is made from. A step is one feature of one row and one center. A
pass assigns every row to a center once. A term is a factor of the steps that does not depend on the rows.
"""

# --- Threads, and the length of one call

#: Fewest steps that are split among threads: a step takes about 0.1 ns, starting the threads some
#: microseconds.
#: unit: steps; sweep: parallel; flat: 200_000 to 800_000, 5% here
MIN_PARALLEL_STEPS = 400_000

#: Most steps of one call that makes several passes or picks, so that Ctrl-C is answered in about 0.1 s.
#: unit: steps; sweep: calls; flat: 0.05 to 0.41 ns per step, of 0.5 allowed
MAX_CALL_STEPS = 200_000_000

#: Most steps of a pass that nopython callers run without the GIL, in the kernel of small problems: for larger
#: ones, taking the GIL to reach the plan and the other algorithms pays off.
#: unit: steps; sweep: nopython; flat: 2_000_000 to 4_000_000
MAX_NOPYTHON_STEPS = 2_000_000

#: Overhead of each row of a pass, in centers, and of each center, in rows: it bounds the passes of one call.
#: unit: centers and rows; sweep: calls; flat: 0.05 to 0.41 ns per step, of 0.5 allowed
COST_PASS_OVERHEAD = 16

#: Overhead of each value of a problem in a batch, in addition to the passes: it bounds the problems of one
#: call.
#: unit: steps per value; sweep: calls; flat: 0.05 to 0.41 ns per step, of 0.5 allowed
COST_PROBLEM_VALUE = 100

#: Overhead of each problem in a batch, in addition to its values and passes.
#: unit: steps; sweep: calls; flat: 0.05 to 0.41 ns per step, of 0.5 allowed
COST_PROBLEM = 20_000

# --- Memory

#: Most working memory per row, as the README promises.
#: unit: bytes per row; sweep: none: a promise, not a speed; flat: not applicable
MAX_ROW_BYTES = 32

#: Most working memory in addition to that of the rows, as the README promises.
#: unit: bytes; sweep: none: a promise, not a speed; flat: not applicable
MAX_SPARE_BYTES = 48 * 1024 * 1024

#: Largest data of another dtype or layout that is converted as a whole: larger data is converted slab by slab
#: in every pass, which is slower but stays within the working memory.
#: unit: bytes; sweep: layouts; flat: 8 to 32 MiB
MAX_COPY_BYTES = 32 * 1024 * 1024

#: Largest slab of rows that is converted at a time.
#: unit: bytes; sweep: layouts; flat: 32 MiB, 4% here
MAX_SLAB_BYTES = 16 * 1024 * 1024

#: Fewest rows of a slab: no leaf of the pairwise-summation tree of '++' is larger.
#: unit: rows; sweep: none: a fact of NumPy's pairwise sum; flat: not applicable
MIN_SLAB_ROWS = 128

#: Most bytes of all partial covariance matrices of 'random'; it decides how many there are, and thereby how
#: their sum is rounded: changing it changes results.
#: unit: bytes; sweep: none: part of the result; flat: not applicable
MAX_SCATTER_BYTES = 32 * 1024 * 1024

# --- Rows at a time

#: Most rows that a task takes at a time: 128 rows cost 10% more, beyond 512 nothing changes.
#: unit: rows; sweep: chunk-rows; flat: 128 to 1024
MAX_CHUNK_ROWS = 512

#: Most bytes of packed rows and their scores that a task keeps in the second-level cache.
#: unit: bytes; sweep: packed-bytes; flat: 64 to 512 KiB
MAX_PACKED_BYTES = 512 * 1024

# --- Small problems: rows stay packed between passes

#: Most steps of a pass for which several starts are fitted side by side, each on one thread, instead of one
#: after the other on all threads.
#: unit: steps; sweep: starts; flat: 2_000_000 to 6_000_000
MAX_RESTART_STEPS = 3_000_000

#: Largest data whose rows stay packed between passes: it fits into the second-level cache.
#: unit: values; sweep: algorithms; flat: within 11% of the best choice
MAX_SMALL_VALUES = 130_000

#: Most steps of a pass over such data for which reference distances on one thread beat scores; by bytes of a
#: value, as only scores are faster in float32.
#: unit: steps; sweep: small; flat: from half to twice as much within 25%
MAX_SMALL_STEPS = {4: 300_000, 8: 600_000}

#: Most steps of a pass over such data for which `kmeans` makes all passes in one call, on one thread.
#: unit: steps; sweep: refined; flat: from half to twice as much within 25%
MAX_REFINED_STEPS = 1_000_000

#: Most rows of a packed block, apart from those that fill up its vectors.
#: unit: rows; sweep: small-blocks; flat: 64 to 1024, within what processes differ by
MAX_SMALL_BLOCK_ROWS = 256

#: Most features for which the integer parts of rows are kept as well: few features do not fill a vector, but
#: parts that lie side by side do.
#: unit: features; sweep: lane-sums; flat: within 3% of the best choice
MAX_LANE_SUMS_FEATURES = 8

#: Most clusters for which those parts are kept: the sum of each cluster runs over all rows of a block.
#: unit: clusters; sweep: lane-sums; flat: within 3% of the best choice
MAX_LANE_SUMS_CLUSTERS = 20

#: Most integer parts per value that are kept: ordinary data has two or three.
#: unit: parts; sweep: none: only unusual data has more; flat: not applicable
MAX_LANE_SUMS_PARTS = 4

# --- Certified scores instead of reference distances

#: Fewest clusters for certified scores: below, the certificates cost as much as scores save.
#: unit: clusters; sweep: algorithms; flat: within 11% of the best choice
MIN_CERTIFIED_CLUSTERS = 3

#: Fewest features (rounded up to a multiple of 4) times clusters, per byte of a value, where only labels are
#: needed, by bytes of a value. Where distances are needed, too, it takes twice as many, because the reference
#: pass finds both in one go.
#: unit: terms per byte; sweep: nearest; flat: within 6% of the best choice
MIN_NEAREST_TERMS = {4: 16, 8: 32}

#: Fewest steps, per byte of a value, for certified scores where only labels and distances are needed.
#: unit: steps per byte; sweep: nearest; flat: within 5% of the best choice
MIN_NEAREST_STEPS = 500_000

#: Largest sum of squares about zero, relative to that about the common origin, for which rows are scored
#: without a shifted copy, at the price of an error bound that grows with it; by bytes of a value.
#: unit: ratio; sweep: identity; flat: 8 to 16, the largest that was measured
MAX_IDENTITY_RATIO = {4: 8.0, 8: 64.0}

#: Most features per cluster for which rows are transposed and scored side by side: transposing costs per
#: feature and is shared by the clusters.
#: unit: features per cluster; sweep: transposed; flat: within 2% of the best choice
MAX_TRANSPOSED_FEATURES = 2

#: Longest row that is always transposed.
#: unit: bytes; sweep: transposed; flat: within 2% of the best choice
MAX_TRANSPOSED_BYTES = 40

# --- Bounds between passes: where they are kept

#: Fewest features for which bounds save more than their upkeep costs.
#: unit: features; sweep: algorithms; flat: within 11% of the best choice
MIN_BOUNDED_FEATURES = 8

#: Fewest features times clusters times passes for which keeping bounds pays off.
#: unit: terms times passes; sweep: algorithms; flat: within 11% of the best choice
MIN_BOUNDED_TERMS = 10_000

#: Smallest pass for which keeping bounds pays off: steps times bytes of a value.
#: unit: steps times bytes; sweep: bounded; flat: within 3% of the best choice
MIN_BOUNDED_PASS = 128_000_000

#: Smallest total of all passes for which keeping bounds pays off: steps times bytes of a value.
#: unit: steps times bytes; sweep: bounded; flat: within 3% of the best choice
MIN_BOUNDED_TOTAL = 3_200_000_000

# --- Bounds between passes: what they cost; a unit is the score of one feature of a row and a center

#: Overhead of scoring a row against a panel of centers, one row at a time.
#: unit: features; sweep: bounds-costs; flat: 15.5 to 62
COST_SINGLE_ROW = 31.0

#: Overhead of scoring a row against a panel of centers where rows are transposed and scored side by side.
#: unit: features; sweep: bounds-costs; flat: 5 to 20
COST_TRANSPOSED_ROW = 10.0

#: Cost of writing each bound of a row: its upper bound, and one lower bound for each group.
#: unit: scores; sweep: bounds-costs; flat: 75 to 150
COST_KEEP = 75.0

#: Cost of checking the bounds of a row, whatever the number of groups.
#: unit: scores; sweep: bounds-costs; flat: 400 to 800
COST_CHECK_ROW = 400.0

#: Cost of checking the bounds of a row, for each group.
#: unit: scores; sweep: bounds-costs; flat: 75 to 300
COST_CHECK_GROUP = 150.0

#: Cost of measuring the distance of a row to its own center, which tightens its upper bound.
#: unit: scores per feature; sweep: bounds-costs; flat: 3 to 12
COST_MEASURE = 6.0

#: Cost of continuing with an undecided row, whatever the number of groups.
#: unit: scores; sweep: bounds-costs; flat: 400 to 800
COST_UNDECIDED_ROW = 800.0

#: Cost of continuing with an undecided row, for each group.
#: unit: scores; sweep: bounds-costs; flat: 175 to 350
COST_UNDECIDED_GROUP = 350.0

#: Expected decay per pass of the cost of bounds, that of checking them apart; without it, and without the two
#: limits that follow, uniform data costs 10% more.
#: unit: ratio; sweep: bounds-costs; flat: 0.5 to 0.9
COST_DECAY = 0.75

#: Highest expected cost, relative to scoring all rows, at which bounds are checked: below 1, as scoring
#: leaves better bounds behind; at 1, 100,000 x 16 costs 10% more.
#: unit: ratio; sweep: bounds-costs; flat: 0.8 to 1
MAX_CHECKING_COST = 0.8

#: Highest cost of writing bounds, relative to scoring the row, at which they are written whatever is
#: expected.
#: unit: ratio; sweep: bounds-costs; flat: 0 to 0.08, 4% here
MAX_CHEAP_KEEPING_COST = 0.04

#: Rows that are sampled before a pass to estimate what checking bounds will cost.
#: unit: rows; sweep: forecast; flat: 16 to 4096, 5% here
SAMPLE_FORECAST_ROWS = 256

#: Fewest and most features that are sampled to gather centers into groups: all 784 of them cost 8% where
#: there are few passes over few rows.
#: unit: features; sweep: grouping; flat: (16, 16) to (32, 256)
SAMPLE_GROUPING_FEATURES = (32, 256)

#: Rows for each feature that is sampled to gather centers into groups, between those limits.
#: unit: rows per feature; sweep: grouping; flat: 8 to 128
SAMPLE_GROUPING_ROWS = 32

# --- Projections of rows, which bound the distances that groups leave open

#: Fewest features for which projections are tried.
#: unit: features; sweep: projections; flat: 24 to 96
MIN_PROJECTION_FEATURES = 48

#: Fewest panels of centers for which projections are tried.
#: unit: panels; sweep: projections; flat: 1 to 4
MIN_PROJECTION_PANELS = 2

#: Fewest steps of a pass for which projections are tried.
#: unit: steps; sweep: projections; flat: 0 to 500_000_000
MIN_PROJECTION_STEPS = 500_000_000

#: Features per direction that are tried, the most directions first.
#: unit: features per direction; sweep: projections; flat: all that were tried
PROJECTION_SHARES = (3, 4, 6, 8)

#: Most passes that share the cost of computing projections, for the estimate of what these save.
#: unit: passes; sweep: projections; flat: 4 to 16
MAX_PROJECTION_PASSES = 8

#: Highest estimated cost, relative to going without, at which projections are computed: below 1, as they
#: leave lower bounds behind than scores do, which pays off for 100,000 x 64 in float64.
#: unit: ratio; sweep: projections; flat: 0.5 to inf
MAX_PROJECTION_COST = 0.7

#: Overhead of a distance that projections leave open.
#: unit: features; sweep: projections; flat: 30 to 120
COST_PAIR = 60.0

#: Cost per feature of a distance that projections leave open, relative to a score of the tile.
#: unit: ratio; sweep: projections; flat: 1.75 to 7
COST_PAIR_RATIO = 3.5

#: Highest estimated cost along directions that take no time to find, relative to going without, at which
#: better ones are computed: all data that gains from projections lies below 0.9, all other data above 1.7.
#: unit: ratio; sweep: rough-projections; flat: 0.9 to 1.7
MAX_ROUGH_PROJECTION_COST = 1.25

#: Largest trial of projections: the square of the directions per pair of row and center, in the passes that
#: share its cost; without the limit, 2000 x 784 takes three times as long.
#: unit: directions squared per pair; sweep: projection-trial; flat: 0, 4% here
MAX_PROJECTION_TRIAL = 1 / 1500

#: Most centers that are sampled to find the directions.
#: unit: centers; sweep: projection-directions; flat: 512 to 4096
SAMPLE_PROJECTION_CENTERS = 2048

#: Pairs of row and center that are sampled to estimate what projections would cost.
#: unit: pairs; sweep: projection-pairs; flat: 12_500 to 50_000
SAMPLE_PROJECTION_PAIRS = 50_000

# --- Coarse rows, of one byte a value, where the processor has an instruction for them

#: Overhead of scoring a coarse row against a center, which takes one step for each word of four features.
#: unit: features; sweep: coarse; flat: 2 to 8
COST_COARSE_CENTER = 4.0

#: Cost of a row that is compared in its coarse form, whatever the number of centers.
#: unit: scores; sweep: coarse; flat: 2200, 3% at twice or half of it
COST_COARSE_ROW = 2200.0

#: Cost of such a row for each feature, the distance to its own center included.
#: unit: scores; sweep: coarse; flat: 7.5 to 30
COST_COARSE_VALUE = 15.0

#: Cost of making a value of a coarse row, where that is for one sweep: passes share it.
#: unit: scores; sweep: coarse-nearest; flat: 35 to 70, 5% at 17
COST_COARSE_MAKING = 50.0

#: Pairs of row and center that are sampled to estimate what coarse rows leave open.
#: unit: pairs; sweep: coarse; flat: 12_500 to 50_000
SAMPLE_COARSE_PAIRS = 12_500

#: Most centers that are sampled for that estimate.
#: unit: centers; sweep: coarse; flat: 64 to 1024
SAMPLE_COARSE_CENTERS = 256

#: Highest estimated cost, relative to going without, at which coarse rows are made.
#: unit: ratio; sweep: coarse; flat: 0.85 to 1.2, without coarse rows 33%
MAX_COARSE_COST = 0.85

# --- Fast centers, which are scored for all rows so that they do not lower the bounds of their groups

#: Fewest centers that may be scored for all rows; larger numbers are doublings of it.
#: unit: centers; sweep: fast; flat: 8 to 32
MIN_FAST_CENTERS = 16

#: Fewest centers per fast center.
#: unit: centers; sweep: fast; flat: 2 to 6
MIN_CENTERS_PER_FAST = 3

#: Furthest that any other center may have moved, relative to the fastest one.
#: unit: ratio; sweep: fast; flat: 0.25 to 1
MAX_SLOW_MOVEMENT = 0.5

#: Highest estimated cost, relative to going without, at which fast centers are scored for all rows.
#: unit: ratio; sweep: fast; flat: 0.75 to 1
MAX_FAST_COST = 0.75

#: Fewest steps of a pass for which fast centers are looked for.
#: unit: steps; sweep: fast-work; flat: 0 to inf
MIN_FAST_STEPS = 1_000_000_000

#: Lowest expected cost of bounds, that of checking them apart, at which fast centers are looked for.
#: unit: ratio; sweep: fast-work; flat: 0 to 0.5
MIN_FAST_BOUNDS_COST = 0.15

# --- Rows in spatial order, whose blocks share their candidate centers

#: Most features for which rows are brought into spatial order, by bytes of a value.
#: unit: features; sweep: algorithms; flat: within 11% of the best choice
MAX_FILTERED_FEATURES = {4: 5, 8: 6}

#: Fewest rows for which that pays off.
#: unit: rows; sweep: algorithms; flat: within 11% of the best choice
MIN_FILTERED_ROWS = 10_000

#: Fewest pairs of row and center, in all passes, for which that pays off.
#: unit: pairs; sweep: algorithms; flat: within 11% of the best choice
MIN_FILTERED_PAIRS = 3_000_000

#: Most passes that share the cost of the ordering: few fits make all passes that they may.
#: unit: passes; sweep: algorithms; flat: within 11% of the best choice
SHARED_FILTERED_PASSES = 30

#: Most features for which it pays off with the fewest passes.
#: unit: features; sweep: algorithms; flat: within 11% of the best choice
MAX_EARLY_FILTERED_FEATURES = 3

#: Fewest passes for which it pays off, up to that number of features and with more.
#: unit: passes; sweep: algorithms; flat: within 11% of the best choice
MIN_FILTERED_PASSES = (3, 5)

#: Most rows of a spatial block: blocks of 128 rows cost 10% more.
#: unit: rows; sweep: spatial-blocks; flat: 256 to 512
MAX_SPATIAL_ROWS = 256

#: Spatial blocks that share a first choice of candidate centers.
#: unit: blocks; sweep: spatial-blocks; flat: 4 to 16
SPATIAL_CHUNK_BLOCKS = 16

#: Rows that are sampled to place the grid of the spatial order.
#: unit: rows; sweep: spatial-blocks; flat: 512 to 4096
SAMPLE_GRID_ROWS = 4096

# --- Picks of '++'

#: Cost of a pick for each value of the data.
#: unit: steps per value; sweep: picks; flat: within 4% of the best choice
COST_PICK_VALUE = 8

#: Overhead of a pick: below 50,000 values, threads cost more than they save.
#: unit: steps; sweep: picks; flat: within 4% of the best choice
COST_PICK = 10_000

#: Cost of starting the threads of a pick where the cores are busy: it bounds the picks of one call.
#: unit: steps; sweep: none: needs cores that are busy with other work; flat: not applicable
COST_PICK_THREADS = 1_000_000

#: Fewest picks for which quantized rows are kept, so that a pick does not read all of the data: 5 picks take
#: up to 1.6 times as long with 8 features, 10 picks at least 0.5 times.
#: unit: picks; sweep: quantized; flat: within 11% of the best choice
MIN_QUANTIZED_PICKS = 10

#: Fewest steps of all picks for which quantized rows are kept.
#: unit: steps; sweep: quantized; flat: within 11% of the best choice
MIN_QUANTIZED_STEPS = 1_000_000

#: Values that are sampled to choose the quantization step.
#: unit: values; sweep: quantization-step; flat: 65_536, 9% here
SAMPLE_QUANTIZATION_VALUES = 8192

#: Fewest rows of that sample.
#: unit: rows; sweep: quantization-step; flat: 256, 13% here
SAMPLE_QUANTIZATION_ROWS = 64
