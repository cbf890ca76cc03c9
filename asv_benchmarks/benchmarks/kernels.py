"""What the thresholds in `numbakmeans._engine.plan` were set by; each class is named there.

These reach below the public face, and follow it when it changes.
"""

import functools
import math

import numpy as np

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.samples import Samples, labelled_means
from numbakmeans._engine.structs.sums import TaskSums
from numbakmeans._numba.entries import Entry, kind_of

from .data import REAL_SIZES, along_directions, blobs, uniform


def call_of(name, *arguments):
    """Return a call of a kernel of exact sums; its arguments are looked at here, which takes microseconds."""
    entry = Entry("numbakmeans._engine.kernels.sums", name, kinds=tuple(map(kind_of, arguments)))
    return functools.partial(entry, *arguments)


class Setting:
    """Give one name in `_plan` another value while a benchmark runs."""

    name = ""

    def change(self, value):
        self.before = getattr(_plan, self.name)
        setattr(_plan, self.name, value)

    def teardown(self, *_):
        setattr(_plan, self.name, self.before)


class ParallelThreshold(Setting):
    """One pass over problems around the threshold, with one thread and with all."""

    name = "PARALLEL_WORK"
    params = (["one thread", "all threads"], [50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000])
    param_names = ("threads", "work")

    def setup(self, threads, work):
        self.change(0 if threads == "all threads" else 10**18)
        X, self.start = blobs(work // 64, 8, 8, "float64")
        self.samples = Samples(X)
        self.time_pass(threads, work)

    def time_pass(self, threads, work):
        _fit.nearest(self.samples, self.start)


class Lanes(Setting):
    """One pass with blocks of different widths."""

    name = "LANES"
    params = ([16, 32, 64, 128, 256], [3, 16, 128, 784])
    param_names = ("lanes", "n_features")

    def setup(self, lanes, n_features):
        self.change(lanes)
        X, self.start = blobs(8_000_000 // n_features // 64, n_features, 64, "float64")
        self.samples = Samples(X)
        self.time_pass(lanes, n_features)

    def time_pass(self, lanes, n_features):
        _fit.nearest(self.samples, self.start)


class ChunkRows(Setting):
    """One pass with chunks of different sizes."""

    name = "CHUNK_ROWS"
    params = [128, 256, 512, 1024, 2048]
    param_names = ("chunk_rows",)

    def setup(self, chunk_rows):
        self.change(chunk_rows)
        X, self.start = blobs(100_000, 16, 100, "float64")
        self.samples = Samples(X)
        self.time_pass(chunk_rows)

    def time_pass(self, chunk_rows):
        _fit.nearest(self.samples, self.start)


class Choice:
    """Passes by each algorithm, over shapes around the limits between them."""

    params = (
        list(ALGORITHMS),
        [1, 3, 10, 30],
        [2, 3, 5, 6, 8, 16, 64, 200],
        [3, 16, 64, 256],
        ["float32", "float64"],
    )
    param_names = ("algorithm", "passes", "n_features", "n_clusters", "dtype")

    def setup(self, algorithm, passes, n_features, n_clusters, dtype):
        X, self.start = blobs(50_000, n_features, n_clusters, dtype)
        self.samples = Samples(X)
        self.time_iterate(algorithm, passes, n_features, n_clusters, dtype)

    def time_iterate(self, algorithm, passes, n_features, n_clusters, dtype):
        _fit.iterate(self.samples, self.start, passes, algorithm=algorithm)


class Bounded:
    """Passes with bounds and without, over shapes around those from which they pay."""

    params = (
        ["yinyang", "certified"],
        [10, 30, 300],
        [(5000, 64, 64), (20_000, 16, 64), (20_000, 32, 64), (10_000, 200, 40)],
        ["uniform", "blobs"],
        ["float32", "float64"],
    )
    param_names = ("algorithm", "passes", "shape", "data", "dtype")

    def setup(self, algorithm, passes, shape, data, dtype):
        n_samples, n_features, n_clusters = shape
        X, self.start = blobs(n_samples, n_features, n_clusters, dtype)
        if data == "uniform":
            X = np.random.default_rng(0).random(X.shape).astype(dtype)
            self.start = X[:n_clusters]
        self.samples = Samples(X)
        self.time_iterate(algorithm, passes, shape, data, dtype)

    def time_iterate(self, algorithm, passes, shape, data, dtype):
        _fit.iterate(self.samples, self.start, passes, algorithm=algorithm)


class LaneSums:
    """The sums of a small problem: row by row, and from parts that are kept, with vectors along the rows."""

    params = (["rows", "lanes"], [2, 4, 8, 12], [3, 8, 20, 40])
    param_names = ("way", "n_features", "n_clusters")

    def setup(self, way, n_features, n_clusters):
        X, start = blobs(_plan.PACKED_ROWS, n_features, n_clusters, "float64")
        samples = Samples(X)
        self.new = _fit.nearest(samples, start)[0].astype(np.int64)
        bins, tables = samples.bins, samples.tables(n_clusters, 1)
        self.labels = np.empty(len(X), np.int32)
        mine = TaskSums(bins, tables.sums[0], tables.counts[0], np.empty(n_features))
        rows = (0, len(X), self.new, self.labels, mine)
        if way == "rows":
            self.first = self.later = call_of("relabel", X, *rows)
        else:
            parts = np.empty((*bins.constants.shape, len(X)), np.int64)
            call_of("split_lanes", X.T.copy(), len(X), bins, np.empty(len(X)), parts)()
            self.first = call_of("label_lanes", parts, *rows)
            self.later = call_of("relabel_lanes", parts, *rows)
        self.time_first_sums(way, n_features, n_clusters)
        self.time_moves(way, n_features, n_clusters)

    def time_first_sums(self, way, n_features, n_clusters):
        self.labels[:] = -1
        self.first()

    def time_moves(self, way, n_features, n_clusters):
        moving = self.new[::7]
        moving[:] = (moving + 1) % n_clusters
        self.later()


class Calls(Setting):
    """Passes over few rows on one thread: over `_plan.pass_work`, no step of any shape costs 0.5 ns."""

    name = "PARALLEL_WORK"
    params = ([(9999, 1, 1000), (130_000, 1, 2), (2, 65_000, 2), (1000, 1, 100_000), (1000, 4, 10)],)
    param_names = ("size",)

    def setup(self, size):
        self.change(10**18)
        n_samples, n_features, n_clusters = size
        X = np.sort(np.random.default_rng(0).normal(size=(n_samples, n_features)), 0)
        self.samples, self.start = Samples(X), np.resize(X, (n_clusters, n_features))
        self.time_pass(size)

    def time_pass(self, size):
        _fit.iterate(self.samples, self.start, 2, algorithm="small")


class Ranges:
    """The sweep that checks all values, and finds what the exact sums need of each column."""

    params = (["normal", "pixels"], [2, 16, 784], ["float32", "float64"])
    param_names = ("data", "n_features", "dtype")

    def setup(self, data, n_features, dtype):
        rng, shape = np.random.default_rng(0), (8_000_000 // n_features, n_features)
        self.X = (rng.normal(size=shape) if data == "normal" else rng.integers(0, 256, shape)).astype(dtype)
        self.time_finite(data, n_features, dtype)

    def time_finite(self, data, n_features, dtype):
        assert Samples(self.X).finite


class Nearest:
    """Nearest centers by certified scores, and by the definition."""

    params = ([False, True], [1000, 100_000], [2, 4, 8, 16, 64], [4, 16, 64, 256], ["float32", "float64"])
    param_names = ("scored", "n_samples", "n_features", "n_clusters", "dtype")

    def setup(self, scored, n_samples, n_features, n_clusters, dtype):
        self.X, self.start = blobs(n_samples, n_features, n_clusters, dtype)
        self.time_nearest(scored, n_samples, n_features, n_clusters, dtype)

    def time_nearest(self, scored, n_samples, n_features, n_clusters, dtype):
        samples = Samples(self.X)
        # The check that `vq` makes, which leaves what scores need.
        assert samples.finite
        _fit.nearest(samples, self.start, scored=scored)


class Blocks(Setting):
    """Ten passes in spatial order, with blocks of different sizes."""

    name = "BLOCK_ROWS"
    params = ([64, 128, 256, 512], [2, 3], [16, 256])
    param_names = ("block_rows", "n_features", "n_clusters")

    def setup(self, block_rows, n_features, n_clusters):
        self.change(block_rows)
        X, self.start = blobs(200_000, n_features, n_clusters, "float64")
        self.samples = Samples(X)
        self.time_iterate(block_rows, n_features, n_clusters)

    def time_iterate(self, block_rows, n_features, n_clusters):
        _fit.iterate(self.samples, self.start, 10, algorithm="filtering")


class PackedBytes(Setting):
    """One pass with more or fewer rows packed at a time."""

    name = "PACKED_BYTES"
    params = ([2**16, 2**17, 2**18, 2**19, 2**20], [32, 128, 384])
    param_names = ("packed_bytes", "n_features")

    def setup(self, packed_bytes, n_features):
        self.change(packed_bytes)
        X, self.start = blobs(20_000, n_features, 500, "float32")
        self.samples = Samples(X)
        self.time_iterate(packed_bytes, n_features)

    def time_iterate(self, packed_bytes, n_features):
        _fit.iterate(self.samples, self.start, 1, algorithm="certified")


class Transposes(Setting):
    """A pass over rows that are scored one by one, and over rows that are turned and scored side by side."""

    name = "transposes"
    params = ([False, True], [2, 5, 10, 64, 384], [10, 32, 64, 200], ["float32", "float64"])
    param_names = ("transposed", "n_features", "n_clusters", "dtype")

    def setup(self, transposed, n_features, n_clusters, dtype):
        self.change(lambda *_: transposed)
        X, self.start = blobs(4_000_000 // n_features, n_features, n_clusters, dtype)
        self.samples = Samples(X)
        self.time_iterate(transposed, n_features, n_clusters, dtype)

    def time_iterate(self, transposed, n_features, n_clusters, dtype):
        _fit.iterate(self.samples, self.start, 1, algorithm="certified")


class AsIs(Setting):
    """Ten passes over rows around zero, scored as they are or packed first."""

    name = "IDENTITY_RATIO"
    params = ([0.0, 2.0], [16, 128, 784])
    param_names = ("identity", "n_features")

    def setup(self, identity, n_features):
        self.change(identity)
        X, self.start = blobs(20_000, n_features, 20, "float32")
        self.samples = Samples(X)
        self.time_iterate(identity, n_features)

    def time_iterate(self, identity, n_features):
        _fit.iterate(self.samples, self.start, 10, algorithm="certified")


class Doubtful:
    """A pass over rows half way between two of ten centers, which scores leave in doubt."""

    params = ([16, 128, 784], ["float32", "float64"])
    param_names = ("n_features", "dtype")

    def setup(self, n_features, dtype):
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(10, n_features)).astype(dtype)
        ends = rng.integers(10, size=(2, 2000))
        self.start = centers.astype(np.float64)
        self.samples = Samples((centers[ends[0]] + centers[ends[1]]) / 2)
        self.time_iterate(n_features, dtype)

    def time_iterate(self, n_features, dtype):
        _fit.iterate(self.samples, self.start, 1, algorithm="certified")


class Projections(Setting):
    """Ten passes with heads of rows always, where a sample says that they pay, and never."""

    name = "PROJECTIONS_PAY"
    params = (
        [np.inf, _plan.PROJECTIONS_PAY, 0.0],
        ["blobs", "along few directions", "uniform"],
        [48, 128, 384],
        ["float32", "float64"],
    )
    param_names = ("projections_pay", "data", "n_features", "dtype")
    timeout = 120

    def setup(self, projections_pay, data, n_features, dtype):
        self.change(projections_pay)
        kinds = {"blobs": blobs, "along few directions": along_directions, "uniform": uniform}
        X, self.start = kinds[data](20_000, n_features, 500, dtype)
        self.samples = Samples(X)
        self.time_iterate(projections_pay, data, n_features, dtype)

    def time_iterate(self, projections_pay, data, n_features, dtype):
        _fit.iterate(self.samples, self.start, 10, algorithm="yinyang")


class ProjectionTrial(Setting):
    """Ten passes where heads do not pay: tried whatever that costs, as planned, and never."""

    name = "PROJECTION_TRIAL"
    params = ([math.inf, _plan.PROJECTION_TRIAL, 0.0], [(2000, 784, 400), (20_000, 384, 200)])
    param_names = ("trial", "size")

    def setup(self, trial, size):
        self.change(trial)
        X, self.start = uniform(*size, "float32")
        self.samples = Samples(X)
        self.time_iterate(trial, size)

    def time_iterate(self, trial, size):
        _fit.iterate(self.samples, self.start, 10, algorithm="yinyang")


class ProjectionsHoped(ProjectionTrial):
    """The same, with better directions looked for always, and as planned."""

    name = "PROJECTIONS_HOPED"
    params = ([math.inf, _plan.PROJECTIONS_HOPED], [(5000, 784, 400), (20_000, 384, 200)])


class Telling(ProjectionTrial):
    """The same, where more or fewer features tell which centers lie together."""

    name = "SAMPLED_FEATURES"
    params = ([(16, 16), (32, 256), (64, 64), (4096, 4096)], ProjectionTrial.params[1])


class Foreseen(ProjectionTrial):
    """The same, where few, some or many rows tell before each pass whether bounds are worth asking."""

    name = "FORESEEN_ROWS"
    params = (
        [16, _plan.FORESEEN_ROWS, 4096],
        [*ProjectionTrial.params[1], (5000, 200, 200), (100_000, 16, 100)],
    )


class ProjectionSample(Setting):
    """Two passes, after the first of which more or fewer pairs of row and center tell whether heads pay."""

    name = "PROJECTION_PAIRS"
    params = ([12_500, 50_000, 200_000], [128, 384])
    param_names = ("sample", "n_features")
    n_clusters = 500
    timeout = 120

    def setup(self, sample, n_features):
        self.change(sample)
        X, self.start = along_directions(20_000, n_features, self.n_clusters, "float32")
        self.samples = Samples(X)
        self.time_iterate(sample, n_features)

    def time_iterate(self, sample, n_features):
        _fit.iterate(self.samples, self.start, 2, algorithm="yinyang")


class ProjectionDirections(ProjectionSample):
    """Two passes, after the first of which more or fewer of 4000 centers tell along which directions."""

    name = "PROJECTION_SAMPLE"
    params = ([512, 2048, 4096], [128, 384])
    n_clusters = 4000


class FastCenters(Setting):
    """Twelve passes, with movers scored for all rows wherever that costs less, as planned, and never."""

    name = "FAST_PAY"
    params = (
        [1.0, _plan.FAST_PAY, 0.0],
        ["blobs", "uniform"],
        [(50_000, 128, 1000), (100_000, 64, 256)],
        ["float32", "float64"],
    )
    param_names = ("fast", "data", "size", "dtype")
    timeout = 120

    def setup(self, fast, data, size, dtype):
        self.change(fast)
        X, self.start = (blobs if data == "blobs" else uniform)(*size, dtype)
        self.samples = Samples(X)
        self.time_iterate(fast, data, size, dtype)

    def time_iterate(self, fast, data, size, dtype):
        _fit.iterate(self.samples, self.start, 12, algorithm="yinyang")


class FastTried(FastCenters):
    """The same over smaller sizes, where that is asked always, as planned, and never."""

    name = "FAST_WORK"
    params = (
        [0, _plan.FAST_WORK, math.inf],
        ["blobs", "uniform"],
        [(100_000, 16, 100), (2000, 784, 400)],
        ["float32"],
    )


class Pruning:
    """Ten passes with bounds against ten without, on data that bounds help and on data that they do not."""

    params = (["certified", "yinyang"], ["blobs", "uniform"], [16, 32, 128], [100, 1000])
    param_names = ("algorithm", "data", "n_features", "n_clusters")
    timeout = 120

    def setup(self, algorithm, data, n_features, n_clusters):
        X, self.start = (blobs if data == "blobs" else uniform)(50_000, n_features, n_clusters, "float32")
        self.samples = Samples(X)
        self.time_iterate(algorithm, data, n_features, n_clusters)

    def time_iterate(self, algorithm, data, n_features, n_clusters):
        _fit.iterate(self.samples, self.start, 10, algorithm=algorithm)


class Layouts(Setting):
    """Ten passes over data that kernels cannot read in place: copied whole, and converted slab by slab."""

    name = "COPY_BYTES"
    params = (["copied", "slabs"], ["in place", "Fortran order", "float16", "int32"], [16, 128])
    param_names = ("rows", "given", "n_features")

    def setup(self, rows, given, n_features):
        self.change(2**40 if rows == "copied" else 0)
        X, self.start = blobs(100_000, n_features, 100, "float32")
        if given == "Fortran order":
            X = np.asfortranarray(X)
        elif given != "in place":
            X = (100 * X).astype(given)
        self.X = X
        self.time_iterate(rows, given, n_features)

    def time_iterate(self, rows, given, n_features):
        _fit.iterate(Samples(self.X), self.start, 10)


class Algorithms:
    """Ten passes by each algorithm of the table: the one to watch for regressions.

    Four rounds, between which asv changes the commit, so that a busy minute of the machine does not
    count against one of them.
    """

    params = (list(ALGORITHMS), list(REAL_SIZES), ["float32", "float64"])
    param_names = ("algorithm", "data", "dtype")
    timeout = 120
    rounds = 4
    repeat = (3, 8, 1.0)

    def setup(self, algorithm, data, dtype):
        X, self.start = REAL_SIZES[data](dtype)
        self.samples = Samples(X)
        self.time_iterate(algorithm, data, dtype)

    def time_iterate(self, algorithm, data, dtype):
        _fit.iterate(self.samples, self.start, 10, algorithm=algorithm)

    def track_decided(self, algorithm, data, dtype):
        """Rows, of a hundred and a pass, that were labelled by the definition."""
        passes = self._passes(algorithm)
        return 100 * passes.n_decided / (len(self.samples) * passes.n_iter)

    track_decided.unit = "percent"

    def track_distances(self, algorithm, data, dtype):
        """Pairs of row and center, of a hundred and a pass, whose distance was computed."""
        passes = self._passes(algorithm)
        return 100 * passes.n_pairs / (len(self.samples) * len(self.start) * passes.n_iter)

    track_distances.unit = "percent"

    def track_passes(self, algorithm, data, dtype):
        """Passes to the fixed point, a hundred at most."""
        return self._passes(algorithm, 100).n_iter

    track_passes.unit = "passes"

    def track_memory(self, algorithm, data, dtype):
        """Bytes that are kept between passes, of a hundred of the data."""
        return 100 * self._passes(algorithm).kept_bytes / self.samples.array.nbytes

    track_memory.unit = "percent"

    def _passes(self, algorithm, max_iter=10):
        return _fit.iterate(self.samples, self.start, max_iter, algorithm=algorithm)


class Parts:
    """Measuring the columns, and exact means of all rows: what the exact update costs at most."""

    params = (list(REAL_SIZES), ["float32", "float64"])
    param_names = ("data", "dtype")
    timeout = 120

    def setup(self, data, dtype):
        self.X, self.start = REAL_SIZES[data](dtype)
        self.samples = Samples(self.X)
        self.labels, _ = _fit.nearest(self.samples, self.start)
        self.time_measure(data, dtype)
        self.time_means(data, dtype)

    def time_measure(self, data, dtype):
        return Samples(self.X).bins

    def time_means(self, data, dtype):
        labelled_means(self.samples, self.labels, len(self.start))
