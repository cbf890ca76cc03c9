"""Work in slots, shared out to threads or done by one: the package's only parallel loop.

A driver cuts its work into slots, which depend on the plan alone, and hands a serial kernel to `spread`,
which calls it once for each slot. Whether threads share the slots is an argument, the address of the loop:
`run_slots` with its `prange`, or `ALONE`. So a driver is compiled once, without Numba's parallel machinery
(which costs a second or more for every loop), and the same machine code serves with threads and without.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.core.callconv import errcode_t, excinfo_ptr_t
from numba.core.errors import TypingError
from numba.extending import intrinsic

from numbakmeans import _runtime
from numbakmeans._jit import DISABLED, kernel, parallel_kernel
from numbakmeans._tiers import Tier

__all__ = ["ALONE", "Driver", "Entry", "all_threads", "driver", "spread"]

#: The loop of a driver that shall use one thread.
ALONE = 0

I64 = ir.IntType(64)
#: What a slot is called as, by its address: its arguments' address, and its number.
SLOT = ir.FunctionType(ir.VoidType(), [I64, I64])
#: What a loop is called as: how many slots, the address of a `SLOT`, and that of its arguments.
LOOP = ir.FunctionType(I64, [I64, I64, I64])


class Entry:
    """A kernel that Python calls, or NumPy's operations in its place until it is compiled (`_tiers`)."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.tier = Tier(kernel.__name__)

    def by(
        self, in_numpy: Callable[..., Any], dtype: np.dtype, work: int, parallel: bool = False
    ) -> Callable[..., Any]:
        """Return what does so many elementary steps: what is compiled, or in its place NumPy.

        in_numpy : a function of the same arguments, with the same effects; dtype : of the first array
        """
        # Most calls by far: the tier is not asked.
        if dtype in self.tier.compiled or not self.tier.interprets(dtype, work):
            return self.on(parallel)
        return functools.partial(self._count, in_numpy)

    def on(self, parallel: bool) -> Callable[..., Any]:  # noqa: ARG002, only drivers have threads
        """Return what is compiled."""
        kernel: Callable[..., Any] = self.kernel
        return kernel

    def _count(self, in_numpy: Callable[..., Any], *arguments: Any) -> Any:
        with self.tier.spending():
            return in_numpy(*arguments)


class Driver(Entry):
    """A kernel whose first argument is a loop, the others being those of `on`."""

    def on(self, parallel: bool) -> Callable[..., Any]:
        """Return what to call: with threads, as far as they are safe at that moment, or on one."""
        if parallel:
            return functools.partial(_runtime.run, threaded, self.kernel)
        return functools.partial(self.kernel, ALONE)


def driver(func: Callable[..., Any]) -> Driver:
    """Compile a function that takes a loop first, and spreads its work by it."""
    return Driver(kernel(func))


@functools.cache
def threaded() -> int:
    """Return the loop that shares slots out to threads, compiled at the first call."""
    if DISABLED:
        return ALONE
    run_slots.compile((types.int64,) * 3)
    result = run_slots.overloads[(types.int64,) * 3]
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))


def _call_slot(typingctx: Any, function: Any, arguments: Any, slot: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.call(builder.inttoptr(args[0], SLOT.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


call_slot: Any = intrinsic(_call_slot)


@parallel_kernel
def run_slots(n_slots: int, function: int, arguments: int) -> int:
    """Call a slot's function, given by its address, for each slot; return how many there are."""
    for slot in prange(n_slots):
        call_slot(function, arguments, slot)
    return n_slots


def _all_threads(typingctx: Any) -> Any:
    """Return, in nopython code, the loop that `threaded` returns, and how many threads share its slots.

    Both become part of the code that uses them, and so are there in a process that takes that code from the
    user's own cache: no addresses, and symbols that Numba registers for every parallel loop that it loads.
    """
    kinds = (types.int64,) * 3
    run_slots.compile(kinds)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        compiled, module = run_slots.overloads[kinds], builder.module
        context.active_code_library.add_linking_library(compiled.library)
        loop = cgutils.get_or_insert_function(module, LOOP, compiled.fndesc.llvm_cfunc_wrapper_name)
        count = cgutils.get_or_insert_function(module, ir.FunctionType(I64, []), "get_num_threads")
        parts = [builder.ptrtoint(loop, I64), builder.call(count, [])]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.int64, 2)(), codegen


all_threads: Any = (lambda: (ALONE, 1)) if DISABLED else intrinsic(_all_threads)


def _lent(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return a value whose arrays count no references: threads that count at one place wait for each other.

    The driver holds the arrays until all slots are done.
    """
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        kinds: Any = kind
        parts = zip(kinds, cgutils.unpack_tuple(builder, value), strict=True)
        return context.make_tuple(builder, kind, [_lent(context, builder, *part) for part in parts])
    return value


def _slot_function(context: Any, module: Any, compiled: Any, layout: Any, n_sums: int) -> Any:
    """Emit a `SLOT` that calls a compiled kernel with the arguments in a struct, and adds up its results.

    layout : the struct: the arguments, n_sums sums, how many slots have failed, and how the first one did:
    its status code, and its exception
    """
    # Not inlined: one copy of the kernel for both loops.
    slot = ir.Function(module, SLOT, module.get_unique_name(f"{compiled.fndesc.mangled_name}.slot"))
    slot.linkage = "internal"
    slot.attributes.add("noinline")
    builder = ir.IRBuilder(slot.append_basic_block())
    struct = builder.inttoptr(slot.args[0], layout.as_pointer())
    places = [cgutils.gep_inbounds(builder, struct, 0, t) for t in range(len(layout.elements))]
    arguments, sums = places[: -3 - n_sums], places[-3 - n_sums : -3]
    failures, code, exception = places[-3:]
    function = context.declare_function(module, compiled.fndesc)
    result, arg_types = compiled.fndesc.restype, compiled.fndesc.argtypes
    status, returned = context.call_conv.call_function(
        builder, function, result, arg_types, [slot.args[1], *map(builder.load, arguments)]
    )
    several = isinstance(result, types.BaseTuple)
    numbers = cgutils.unpack_tuple(builder, returned) if several else [returned] * n_sums
    for place, number in zip(sums, numbers, strict=True):
        # Integers: the order in which slots end changes no sum.
        builder.atomic_rmw("add", place, number, "monotonic")
    with cgutils.if_unlikely(builder, status.is_error):
        earlier = builder.atomic_rmw("add", failures, I64(1), "monotonic")
        with builder.if_then(builder.icmp_unsigned("==", earlier, I64(0))):
            builder.store(status.code, code)
            builder.store(status.excinfoptr, exception)
    builder.ret_void()
    return slot


def _spread(typingctx: Any, loop: Any, n_slots: Any, slot_kernel: Any, args: Any) -> Any:
    """Call ``slot_kernel(slot, *args)`` for each slot; return the sum of what it returns.

    loop : from the driver's caller; n_slots : int64
    slot_kernel : a kernel that returns nothing, an int64, or a tuple of them; args : tuple

    Raises what a slot raises: MemoryError where it cannot allocate.
    """
    arg_types = (types.int64, *(types.unliteral(kind) for kind in args))
    result = slot_kernel.get_call_type(typingctx, arg_types, {}).return_type
    several = isinstance(result, types.BaseTuple)
    summands = tuple(result) if several else (result,) * (result != types.none)
    if any(types.unliteral(kind) != types.int64 for kind in summands):
        raise TypingError(f"a slot returns nothing, an int64 or a tuple of them, not {result}")
    total = types.UniTuple(types.int64, len(summands)) if several else types.unliteral(result)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compiled = slot_kernel.dispatcher.overloads[arg_types]
        context.active_code_library.add_linking_library(compiled.library)
        parts = [
            _lent(context, builder, wanted, context.cast(builder, value, kind, wanted))
            for kind, wanted, value in zip(
                args, arg_types[1:], cgutils.unpack_tuple(builder, values[3]), strict=True
            )
        ]
        parts += [I64(0)] * (len(summands) + 1)
        parts += [cgutils.get_null_value(kind) for kind in (errcode_t, excinfo_ptr_t)]
        struct = cgutils.alloca_once(builder, ir.LiteralStructType([part.type for part in parts]))
        places = [cgutils.gep_inbounds(builder, struct, 0, t) for t in range(len(parts))]
        for place, part in zip(places, parts, strict=True):
            builder.store(part, place)
        slot = _slot_function(context, builder.module, compiled, struct.type.pointee, len(summands))
        loop, address = values[0], builder.ptrtoint(struct, I64)
        count = context.cast(builder, values[1], signature.args[1], types.int64)
        with builder.if_else(builder.icmp_unsigned("==", loop, I64(ALONE))) as (alone, shared):
            with alone, cgutils.for_range(builder, count) as turn:
                builder.call(slot, [address, turn.index])
            with shared:
                threads = builder.inttoptr(loop, LOOP.as_pointer())
                builder.call(threads, [count, builder.ptrtoint(slot, I64), address])
        *sums, failures, code, exception = map(builder.load, places[-3 - len(summands) :])
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("!=", failures, I64(0))):
            status = context.call_conv._get_return_status(builder, code, exception)
            context.call_conv.return_status_propagate(builder, status)
        if several:
            return context.make_tuple(builder, total, sums)
        return sums[0] if sums else context.get_dummy_value()

    return total(types.int64, n_slots, slot_kernel, args), codegen


def _spread_plainly(loop: int, n_slots: int, slot_kernel: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    results = [slot_kernel(slot, *args) for slot in range(n_slots)]
    if not isinstance(results[0], tuple):
        return None if results[0] is None else sum(results)
    return tuple(map(sum, zip(*results, strict=True)))


spread: Any = _spread_plainly if DISABLED else intrinsic(_spread)
