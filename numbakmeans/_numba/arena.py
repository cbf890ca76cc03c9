"""Arenas: where the temporary tables of kernels come from.

An arena is a stack of scratch memory that belongs to one task or one call. `empty` and `zeros` allocate from
it; it is released as a whole at the end of the task, or down to a `mark`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.tables import I32, I64, POINTER, Table, indices_of, item_bytes, make_table

__all__ = ["ARENA", "LINE", "empty", "lend", "mark", "new_arena", "release", "release_all", "zeros"]

#: Bytes of a cache line, to which temporary tables are aligned: vectors across two lines cost up to a fifth.
LINE = 64
#: Minimum number of bytes by which an arena grows.
CHUNK = 1 << 16
#: Maximum bytes of a table; a larger size stands for an overflow or a negative dimension.
MOST = 1 << 48

#: Status code of a kernel that fails: out of memory.
NO_MEMORY = 101


class _Arena(types.Type):
    """Type of an arena, as kernels pass it on."""

    def __init__(self) -> None:
        super().__init__("arena")


ARENA = _Arena()


@register_model(_Arena)
class _ArenaModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, POINTER)


#: The current chunk, how many of its bytes are in use, and its size in bytes.
ARENA_STRUCT = ir.LiteralStructType([POINTER, I64, I64])
#: Header of a chunk: the same of the previous chunk, and the pointer for `free`; padded to a cache line.
HEAD = ir.LiteralStructType([POINTER, I64, I64, POINTER])


def _fields(builder: Any, struct: Any, n: int) -> list[Any]:
    return [builder.gep(struct, [I32(0), I32(t)]) for t in range(n)]


def _define(module: Any, name: str, result: Any, arguments: list[Any]) -> tuple[Any, Any]:
    """Return a function of the module, and a builder for its body, None if it already has one."""
    function = cgutils.get_or_insert_function(module, ir.FunctionType(result, arguments), name)
    if not function.is_declaration:
        return function, None
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _taking(module: Any) -> Any:
    """Return the function that allocates bytes from an arena; it returns NULL on failure."""
    function, builder = _define(module, "numbakmeans_take", POINTER, [ARENA_STRUCT.as_pointer(), I64])
    if builder is None:
        return function
    function.return_value.attributes.add("noalias")
    arena, wanted = function.args
    chunk, used, capacity = _fields(builder, arena, 3)
    # Unsigned: negative sizes are too large as well.
    possible = builder.icmp_unsigned("<=", wanted, I64(MOST))
    n_bytes = builder.and_(builder.add(wanted, I64(LINE - 1)), I64(-LINE))
    before = builder.load(used)
    end = builder.add(before, n_bytes)
    # An arena without a chunk cannot serve even zero bytes: its NULL would mean failure.
    fits = builder.and_(
        builder.icmp_unsigned("<=", end, builder.load(capacity)), builder.icmp_unsigned("!=", before, I64(0))
    )
    with builder.if_then(builder.and_(fits, possible), likely=True):
        found = builder.gep(builder.load(chunk), [before])
        builder.store(end, used)
        builder.ret(found)
    with builder.if_then(builder.not_(possible), likely=False):
        builder.ret(ir.Constant(POINTER, None))
    least = builder.add(n_bytes, I64(LINE))
    size = builder.select(builder.icmp_unsigned("<", least, I64(CHUNK)), I64(CHUNK), least)
    malloc = cgutils.get_or_insert_function(module, ir.FunctionType(POINTER, [I64]), "malloc")
    raw = builder.call(malloc, [builder.add(size, I64(LINE))])
    with builder.if_then(builder.icmp_unsigned("==", raw, ir.Constant(POINTER, None)), likely=False):
        builder.ret(ir.Constant(POINTER, None))
    aligned = builder.and_(builder.add(builder.ptrtoint(raw, I64), I64(LINE - 1)), I64(-LINE))
    fresh = builder.inttoptr(aligned, POINTER)
    head = builder.bitcast(fresh, HEAD.as_pointer())
    for place, value in zip(
        _fields(builder, head, 4), [*map(builder.load, (chunk, used, capacity)), raw], strict=True
    ):
        builder.store(value, place)
    builder.store(fresh, chunk)
    builder.store(least, used)
    builder.store(size, capacity)
    builder.ret(builder.gep(fresh, [I64(LINE)]))
    return function


def _releasing(module: Any) -> Any:
    """Return the function that releases what was taken from an arena since a mark, all of it for mark 0."""
    function, builder = _define(
        module, "numbakmeans_release", ir.VoidType(), [ARENA_STRUCT.as_pointer(), I64]
    )
    if builder is None:
        return function
    arena, mark = function.args
    chunk, used, capacity = _fields(builder, arena, 3)
    loop, check, pop, keep, done = (
        builder.append_basic_block(name) for name in ("loop", "check", "pop", "keep", "done")
    )
    builder.branch(loop)
    builder.position_at_end(loop)
    begin = builder.ptrtoint(builder.load(chunk), I64)
    builder.cbranch(builder.icmp_unsigned("==", begin, I64(0)), done, check)
    builder.position_at_end(check)
    offset = builder.sub(mark, begin)
    builder.cbranch(builder.icmp_unsigned("<=", offset, builder.load(capacity)), keep, pop)
    builder.position_at_end(pop)
    head = builder.bitcast(builder.load(chunk), HEAD.as_pointer())
    *before, raw = [builder.load(place) for place in _fields(builder, head, 4)]
    for place, value in zip((chunk, used, capacity), before, strict=True):
        builder.store(value, place)
    free = cgutils.get_or_insert_function(module, ir.FunctionType(ir.VoidType(), [POINTER]), "free")
    builder.call(free, [raw])
    builder.branch(loop)
    builder.position_at_end(keep)
    builder.store(offset, used)
    builder.branch(done)
    builder.position_at_end(done)
    builder.ret_void()
    return function


def new_arena(builder: Any) -> Any:
    """Emit an empty arena on the stack of the function; return its address."""
    arena = cgutils.alloca_once(builder, ARENA_STRUCT)
    builder.store(ir.Constant(ARENA_STRUCT, None), arena)
    return arena


def release_all(builder: Any, arena: Any) -> None:
    builder.call(_releasing(builder.module), [arena, I64(0)])


def _new(shape: Any, dtype: Any, fills: bool) -> Any:
    sizes_kind = shape if isinstance(shape, types.BaseTuple) else types.UniTuple(types.intp, 1)
    kind = Table(dtype.dtype, len(sizes_kind))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given: Any = sig.args[1]
        several = isinstance(given, types.BaseTuple)
        kinds = [*given] if several else [given]
        sizes = [
            context.cast(builder, size, size_kind, types.intp)
            for size, size_kind in zip(indices_of(builder, sig.args[1], args[1]), kinds, strict=True)
        ]
        n_bytes, beyond = I64(item_bytes(context, kind)), ir.IntType(1)(0)
        for size in sizes:
            product = builder.umul_with_overflow(n_bytes, size)
            n_bytes = builder.extract_value(product, 0)
            beyond = builder.or_(beyond, builder.extract_value(product, 1))
        n_bytes = builder.select(beyond, I64(-1), n_bytes)
        arena = builder.bitcast(args[0], ARENA_STRUCT.as_pointer())
        data = builder.call(_taking(builder.module), [arena, n_bytes])
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, data)):
            builder.ret(I32(NO_MEMORY))
        if fills:
            cgutils.memset(builder, data, n_bytes, 0)
        return make_table(context, builder, kind, data, sizes)

    return kind(ARENA, shape, dtype), codegen


def _empty(typingctx: Any, arena: Any, shape: Any, dtype: Any) -> Any:
    """Allocate a table in an arena, uninitialized; shape : an integer or a tuple."""
    return _new(shape, dtype, fills=False)


def _zeros(typingctx: Any, arena: Any, shape: Any, dtype: Any) -> Any:
    """Allocate a table of zeros in an arena; shape : an integer or a tuple."""
    return _new(shape, dtype, fills=True)


def _mark(typingctx: Any, arena: Any) -> Any:
    """Return the current top of the arena, for `release`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        chunk, used, _ = _fields(builder, builder.bitcast(args[0], ARENA_STRUCT.as_pointer()), 3)
        return builder.add(builder.ptrtoint(builder.load(chunk), I64), builder.load(used))

    return types.int64(ARENA), codegen


def _release(typingctx: Any, arena: Any, marked: Any) -> Any:
    """Release what was taken from the arena since the mark."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        arena = builder.bitcast(args[0], ARENA_STRUCT.as_pointer())
        # The mark of an arena that had no chunk yet is 0, which releases everything.
        builder.call(_releasing(builder.module), [arena, args[1]])
        return context.get_dummy_value()

    return types.void(ARENA, types.int64), codegen


@intrinsic
def lend(typingctx: Any, arena: Any, address: Any, n_bytes: Any) -> Any:
    """Make memory of the caller's the first chunk of an empty arena, if it is large enough to be useful."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        arena = builder.bitcast(args[0], ARENA_STRUCT.as_pointer())
        aligned = builder.and_(builder.add(args[1], I64(LINE - 1)), I64(-LINE))
        size = builder.sub(args[2], builder.sub(aligned, args[1]))
        chunk, used, capacity = _fields(builder, arena, 3)
        useful = builder.and_(
            builder.icmp_signed(">=", size, I64(2 * LINE)), cgutils.is_null(builder, builder.load(chunk))
        )
        with builder.if_then(useful):
            lent = builder.inttoptr(aligned, POINTER)
            # No previous chunk, and nothing to free.
            builder.store(ir.Constant(HEAD, None), builder.bitcast(lent, HEAD.as_pointer()))
            for place, value in ((chunk, lent), (used, I64(LINE)), (capacity, size)):
                builder.store(value, place)
        return context.get_dummy_value()

    return types.void(ARENA, types.int64, types.int64), codegen


def _empty_plainly(arena: Any, shape: Any, dtype: Any) -> Any:
    return np.empty(shape, dtype)


def _zeros_plainly(arena: Any, shape: Any, dtype: Any) -> Any:
    return np.zeros(shape, dtype)


def _mark_plainly(arena: Any) -> int:
    return 0


def _release_plainly(arena: Any, marked: int) -> None:
    """Do nothing: Python frees the arrays."""


empty: Any = _empty_plainly if DISABLED else intrinsic(_empty)
zeros: Any = _zeros_plainly if DISABLED else intrinsic(_zeros)
mark: Any = _mark_plainly if DISABLED else intrinsic(_mark)
release: Any = _release_plainly if DISABLED else intrinsic(_release)
