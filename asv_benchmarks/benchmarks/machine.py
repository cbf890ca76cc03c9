"""What the machine can do at most, measured in the same minute: multiply-adds, and one read of the data."""

import time

import numpy as np
from llvmlite import binding, ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

#: Independent sums: as many as latency times throughput asks for, yet few enough for 16 registers.
SUMS = 12


def vector_bytes():
    """Return the size of the widest vectors of this processor."""
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


@intrinsic
def multiply_add_loop(_typingctx, n, x):
    """Run n rounds of `SUMS` independent vector multiply-adds that touch no memory; the result goes to x."""

    def codegen(context, builder, signature, args):
        number = context.get_value_type(x.dtype)
        vector = ir.VectorType(number, 8 * vector_bytes() // x.dtype.bitwidth)
        data = context.make_array(signature.args[1])(context, builder, args[1]).data
        start, i32 = builder.load(data), ir.IntType(32)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), start, i32(0))
        everywhere = ir.Constant(ir.VectorType(i32, vector.count), None)
        factor = builder.shuffle_vector(first, first, everywhere)
        name = f"llvm.fma.v{vector.count}f{x.dtype.bitwidth}"
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), name
        )
        sums = [cgutils.alloca_once(builder, vector) for _ in range(SUMS)]
        for place in sums:
            builder.store(factor, place)
        with cgutils.for_range(builder, args[0]):
            for place in sums:
                builder.store(builder.call(multiply_add, [factor, factor, builder.load(place)]), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        builder.store(builder.extract_element(total, i32(0)), data)
        return context.get_dummy_value()

    return types.void(n, x), codegen


@njit(parallel=True, cache=True)
def run_everywhere(n, xs):
    for s in prange(len(xs)):
        multiply_add_loop(n, xs[s])


@njit(parallel=True, fastmath=True, cache=True)
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
    rounds, vector_lanes = 300_000, vector_bytes() // xs.itemsize
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
