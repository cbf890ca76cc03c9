"""How near the distance pass comes to what the machine's multiply-adds allow."""

import time

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine import fit as _fit
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.algorithms.panels import tile_columns
from numbakmeans._engine.plan import sweep
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.simd.vectors import Vectors

from .data import blobs

#: Independent sums: more than latency times throughput of any machine, and they fit into 32 registers.
SUMS = 24


@intrinsic
def multiply_add_loop(_typingctx, n, x):
    """Run n rounds of `SUMS` independent vector multiply-adds that touch no memory; the result goes to x."""

    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, x.dtype)
        data = context.make_array(signature.args[1])(context, builder, args[1]).data
        factor = v.splat(builder.load(data), v.vector)
        sums = [cgutils.alloca_once(builder, v.vector) for _ in range(SUMS)]
        for place in sums:
            builder.store(factor, place)
        with cgutils.for_range(builder, args[0]):
            for place in sums:
                builder.store(v.multiply_add(factor, factor, builder.load(place)), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        v.store(total, data, ir.Constant(ir.IntType(64), 0))
        return context.get_dummy_value()

    return types.void(n, x), codegen


@njit(parallel=True)
def run_everywhere(n, xs):
    for s in prange(len(xs)):
        multiply_add_loop(n, xs[s])


def best_time(run, repeat=7):
    best = np.inf
    for _ in range(repeat):
        before = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - before)
    return best


def peak(dtype, n_threads):
    """Return the multiply-adds a second, counted as two operations, of a loop in registers."""
    xs = np.full((n_threads, 64), 0.5, dtype)
    rounds, vector_lanes = 300_000, tile_columns(np.dtype(dtype)) // 2
    run_everywhere(10, xs)

    def run():
        xs[:] = 0.5
        run_everywhere(rounds, xs)

    return 2 * SUMS * vector_lanes * rounds * n_threads / best_time(run)


class Peak:
    """The distance pass at 50,000 x 128 with 1000 centers, over the peak of the same minute."""

    params = ["float32", "float64"]
    param_names = ("dtype",)
    timeout = 300

    def setup(self, dtype):
        X, start = blobs(50_000, 128, 1000, dtype)
        samples = Samples(X)
        self.work = 2 * X.size * len(start)
        self.plan = sweep(X.shape, self.work)
        centers = _fit.pad_centers(start)
        passes = ALGORITHMS["certified"](samples, self.plan, samples.transform(centers))
        tables = samples.tables(len(start), self.plan.n_tasks)
        labels = np.full(len(X), -1, np.int32)
        self.run = lambda: passes.run(centers, labels, tables)
        self.run()

    def track_share_of_peak(self, dtype):
        shares = []
        for _ in range(3):
            speed = self.work / best_time(self.run, 3)
            shares.append(100 * speed / peak(dtype, self.plan.n_tasks))
        return float(np.median(shares))

    track_share_of_peak.unit = "percent"
