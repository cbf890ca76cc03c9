"""Tasks run in parallel or on one thread: the package's only parallel loop.

A driver divides its work into tasks, which depend on the plan alone, and passes a serial kernel to
`parallel_for`, which calls it once per task, each time with an arena of its own. The executor is an argument:
the address of `run_tasks`, a `prange` over the tasks, or `SERIAL_LOOP`. So a driver is compiled once, without
Numba's parallel machinery (which costs a second or more for every loop), and the same machine code runs with
and without threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from numbakmeans._numba.arena import ARENA, new_arena, release_all
from numbakmeans._numba.drivers import SERIAL_LOOP
from numbakmeans._numba.entries import DISABLED, Code
from numbakmeans._numba.tables import POINTER

__all__ = ["compile_loop", "parallel_for"]

I32, I64 = ir.IntType(32), ir.IntType(64)
#: Signature of a task function: the address of its arguments, and the number of the task.
TASK = ir.FunctionType(ir.VoidType(), [I64, I64])
#: Signature of an executor: the number of tasks, the address of a `TASK`, and that of its arguments.
LOOP = ir.FunctionType(I64, [I64, I64, I64])


def _call_task(typingctx: Any, function: Any, arguments: Any, task: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.call(builder.inttoptr(args[0], TASK.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


call_task: Any = intrinsic(_call_task)


@njit(nogil=True, fastmath=False, error_model="numpy", parallel=True)
def run_tasks(n_tasks: int, function: int, arguments: int) -> int:
    """Call the task function at an address once for each task; return the number of tasks."""
    for task in prange(n_tasks):
        call_task(function, arguments, task)
    return n_tasks


def compile_loop() -> Code:
    """Return the machine code of the parallel loop."""
    kinds = (types.int64,) * 3
    run_tasks.compile(kinds)
    compiled: Any = run_tasks.overloads[kinds]
    # Emitted from the linked module: the object file must not depend on the symbols Numba has in memory.
    library = compiled.library
    return Code(
        bytes(library._codegen._tm.emit_object(library._final_module)),
        compiled.fndesc.llvm_cfunc_wrapper_name,
        "q",
    )


def _task_function(context: Any, module: Any, compiled: Any, layout: Any, n_sums: int) -> Any:
    """Emit a `TASK` that calls a kernel with an arena and the arguments in a struct, and adds up its results.

    layout : type of the struct: the arguments, n_sums sums, and the status of a failed task, 0 if none failed
    """
    # Not inlined: one copy of the kernel serves both executors.
    task = ir.Function(module, TASK, module.get_unique_name(f"{compiled.fndesc.mangled_name}.task"))
    task.linkage = "internal"
    task.attributes.add("noinline")
    builder = ir.IRBuilder(task.append_basic_block())
    struct = builder.inttoptr(task.args[0], layout.as_pointer())
    places = [cgutils.gep_inbounds(builder, struct, 0, t) for t in range(len(layout.elements))]
    arguments, sums, failure = places[: -1 - n_sums], places[-1 - n_sums : -1], places[-1]
    arena = new_arena(builder)
    function = context.declare_function(module, compiled.fndesc)
    result, arg_types = compiled.fndesc.restype, compiled.fndesc.argtypes
    values = [task.args[1], builder.bitcast(arena, POINTER), *map(builder.load, arguments)]
    status, returned = context.call_conv.call_function(builder, function, result, arg_types, values)
    several = isinstance(result, types.BaseTuple)
    numbers = cgutils.unpack_tuple(builder, returned) if several else [returned] * n_sums
    for place, number in zip(sums, numbers, strict=True):
        # Integers: the order in which tasks end does not change the sum.
        builder.atomic_rmw("add", place, number, "monotonic")
    with cgutils.if_unlikely(builder, status.is_error):
        builder.atomic_rmw("umax", failure, status.code, "monotonic")
    release_all(builder, arena)
    builder.ret_void()
    return task


def _parallel_for(typingctx: Any, executor: Any, n_tasks: Any, task_kernel: Any, args: Any) -> Any:
    """Call ``slot_kernel(task, arena, *args)`` for each task; return the sum of its results.

    executor : the executor, passed on from the driver's caller; n_tasks : int64
    task_kernel : a kernel that returns nothing, an int64, or a tuple of int64; args : tuple

    Returns the status of a failed task (out of memory) if there is one.
    """
    arg_types = (types.int64, ARENA, *(types.unliteral(kind) for kind in args))
    result = task_kernel.get_call_type(typingctx, arg_types, {}).return_type
    several = isinstance(result, types.BaseTuple)
    summands = tuple(result) if several else (result,) * (result != types.none)
    if any(types.unliteral(kind) != types.int64 for kind in summands):
        raise TypingError(f"a task must return nothing, an int64 or a tuple of int64, got {result}")
    total = types.UniTuple(types.int64, len(summands)) if several else types.unliteral(result)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compiled = task_kernel.dispatcher.overloads[arg_types]
        context.active_code_library.add_linking_library(compiled.library)
        parts = [
            context.cast(builder, value, kind, wanted)
            for kind, wanted, value in zip(
                args, arg_types[2:], cgutils.unpack_tuple(builder, values[3]), strict=True
            )
        ]
        parts += [I64(0)] * len(summands) + [I32(0)]
        struct = cgutils.alloca_once(builder, ir.LiteralStructType([part.type for part in parts]))
        places = [cgutils.gep_inbounds(builder, struct, 0, t) for t in range(len(parts))]
        for place, part in zip(places, parts, strict=True):
            builder.store(part, place)
        task = _task_function(context, builder.module, compiled, struct.type.pointee, len(summands))
        executor, address = values[0], builder.ptrtoint(struct, I64)
        count = context.cast(builder, values[1], signature.args[1], types.int64)
        with builder.if_else(builder.icmp_unsigned("==", executor, I64(SERIAL_LOOP))) as (alone, shared):
            with alone, cgutils.for_range(builder, count) as turn:
                builder.call(task, [address, turn.index])
            with shared:
                threads = builder.inttoptr(executor, LOOP.as_pointer())
                builder.call(threads, [count, builder.ptrtoint(task, I64), address])
        *sums, failure = map(builder.load, places[-1 - len(summands) :])
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", failure, I32(0))):
            builder.ret(failure)
        if several:
            return context.make_tuple(builder, total, sums)
        return sums[0] if sums else context.get_dummy_value()

    return total(types.int64, n_tasks, task_kernel, args), codegen


def _parallel_for_plainly(
    executor: int, n_tasks: int, task_kernel: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    results = [task_kernel(task, None, *args) for task in range(n_tasks)]
    if not isinstance(results[0], tuple):
        return None if results[0] is None else sum(results)
    return tuple(map(sum, zip(*results, strict=True)))


parallel_for: Any = _parallel_for_plainly if DISABLED else intrinsic(_parallel_for)
