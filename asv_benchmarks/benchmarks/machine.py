"""What the machine can do at most, measured in the same minute: multiply-adds, and one read of the data."""

import time

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._engine.algorithms.panels import tile_columns
from numbakmeans._engine.simd.vectors import Vectors

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


@njit(parallel=True, fastmath=True)
def read_everywhere(values, sums):
    n_threads = len(sums)
    for s in prange(n_threads):
        total = values[0]
        for i in range(s * len(values) // n_threads, (s + 1) * len(values) // n_threads):
            total += values[i]
        sums[s] = total


def best_time(run, repeat=7):
    """Return the shortest time of several runs, in seconds."""
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


def read_time(X, n_threads):
    """Return the seconds that all threads take to read X once more."""
    values, sums = X.reshape(-1), np.empty(n_threads, X.dtype)
    read_everywhere(values, sums)
    return best_time(lambda: read_everywhere(values, sums))
