"""Arrays as kernels see them: tables, which are an address and a shape, and the arena that temporary ones
lie in.

Numba's own arrays carry a reference count, strides and a layout. Every access to one becomes some twenty
instructions, and every layout and every read-only array compiles a kernel anew. A table is always in C order,
is owned by somebody else, and wraps no negative index around: kernels compile in a fraction of the time, and
are called by address from Python as from compiled code.

Inside kernels tables are used like arrays: `X[i, f]`, `X[i]` (a table of fewer dimensions), `X[a:b]` (along
the first axis), `len`, `shape`, `size`, `itemsize`, `dtype`; `X[a:b] = x` and `X[i] = x` fill, `X[i] = row`
copies.

Temporary tables come from an arena, a stack of memory that belongs to one slot or one call: `empty` takes
from it, and it is released as a whole when the slot is done, or down to a `mark`.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin, lower_getattr
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    infer_getattr,
    infer_global,
    signature,
)
from numba.extending import intrinsic, models, register_model

from numbakmeans._numba.entries import DISABLED

__all__ = [
    "ARENA",
    "CALLERS_DTYPES",
    "LINE",
    "Table",
    "empty",
    "flat",
    "folded",
    "lend",
    "mark",
    "new_arena",
    "read_rows",
    "release",
    "release_all",
    "table_at",
    "zeros",
]

#: Bytes of a cache line, on which every temporary table begins: vectors across two lines cost up to a fifth.
LINE = 64
#: Bytes that an arena grows by at least.
CHUNK = 1 << 16
#: Bytes of a table at most; more are none that a product has wrapped around to.
MOST = 1 << 48

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = I8.as_pointer()
#: Status codes of a kernel that stops early: no memory; an index out of bounds (checked on request).
NO_MEMORY, OUT_OF_BOUNDS = 101, 102


class Table(types.Type):
    """A table of some dtype and number of dimensions."""

    def __init__(self, dtype: Any, ndim: int) -> None:
        self.dtype, self.ndim = dtype, ndim
        super().__init__(f"table({dtype}, {ndim})")


@register_model(Table)
class _TableModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        members = [("data", types.CPointer(kind.dtype)), ("shape", types.UniTuple(types.intp, kind.ndim))]
        super().__init__(manager, kind, members)


class _Arena(types.Type):
    """An arena, as kernels hand it on."""

    def __init__(self) -> None:
        super().__init__("arena")


ARENA = _Arena()


@register_model(_Arena)
class _ArenaModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, POINTER)


# --- Types


def _n_indices(index: Any) -> int | None:
    """Return how many axes an index picks a place on; 0 for a slice, None for what is no index."""
    if isinstance(index, types.SliceType):
        return None if index.has_step else 0
    if isinstance(index, types.Integer):
        return 1
    if isinstance(index, types.BaseTuple):
        kinds: Any = index
        return len(kinds) if all(isinstance(kind, types.Integer) for kind in kinds) else None
    return None


def _places(index: Any, n: int) -> Any:
    if n == 0:
        return index
    return types.UniTuple(types.intp, n) if isinstance(index, types.BaseTuple) else types.intp


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        table, index = args
        n = _n_indices(index) if isinstance(table, Table) else None
        if n is None or n > table.ndim:
            return None
        found = table.dtype if n == table.ndim else table if n == 0 else Table(table.dtype, table.ndim - n)
        return signature(found, table, _places(index, n))


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        table, index, value = args
        n = _n_indices(index) if isinstance(table, Table) else None
        if n is None or n > table.ndim:
            return None
        copies = (
            isinstance(value, Table) and (value.dtype, value.ndim) == (table.dtype, table.ndim - n) and n > 0
        )
        return signature(types.none, table, _places(index, n), value if copies else table.dtype)


@infer_global(len)
class _Length(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.intp, *args) if isinstance(args[0], Table) else None


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Table

    def resolve_shape(self, table: Any) -> Any:
        return types.UniTuple(types.intp, table.ndim)

    def resolve_size(self, table: Any) -> Any:
        return types.intp

    def resolve_itemsize(self, table: Any) -> Any:
        return types.intp

    def resolve_dtype(self, table: Any) -> Any:
        return types.DType(table.dtype)


# --- Code


def data_of(builder: Any, table: Any) -> Any:
    return builder.extract_value(table, 0)


def size_of(builder: Any, table: Any, axis: int) -> Any:
    return builder.extract_value(table, (1, axis))


def item_bytes(context: Any, kind: Any) -> int:
    """Return the bytes of an element."""
    return int(context.get_abi_sizeof(context.get_data_type(kind.dtype)))


def make_table(context: Any, builder: Any, kind: Any, data: Any, sizes: list[Any]) -> Any:
    table = cgutils.create_struct_proxy(kind)(context, builder)
    table.data = builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer())
    table.shape = context.make_tuple(builder, types.UniTuple(types.intp, kind.ndim), sizes)
    return table._getvalue()


def _check(context: Any, builder: Any, index: Any, size: Any) -> None:
    if context.enable_boundscheck:
        outside = builder.icmp_unsigned(">=", index, size)
        with cgutils.if_unlikely(builder, outside):
            builder.ret(I32(OUT_OF_BOUNDS))


def _address(context: Any, builder: Any, kind: Any, table: Any, indices: list[Any]) -> Any:
    offset = indices[0]
    _check(context, builder, offset, size_of(builder, table, 0))
    for axis in range(1, kind.ndim):
        offset = builder.mul(offset, size_of(builder, table, axis))
        if axis < len(indices):
            _check(context, builder, indices[axis], size_of(builder, table, axis))
            offset = builder.add(offset, indices[axis])
    return builder.gep(data_of(builder, table), [offset], inbounds=True)


def _indices(builder: Any, kind: Any, index: Any) -> list[Any]:
    return list(cgutils.unpack_tuple(builder, index)) if isinstance(kind, types.BaseTuple) else [index]


def _sliced(context: Any, builder: Any, kind: Any, table: Any, index_kind: Any, index: Any) -> Any:
    """Return the table of a slice along the first axis, cut off where the table ends."""
    bounds, size = context.make_helper(builder, index_kind, index), size_of(builder, table, 0)

    def within(bound: Any) -> Any:
        return builder.select(builder.icmp_signed("<", bound, size), bound, size)

    start = within(bounds.start)
    length = builder.sub(within(bounds.stop), start)
    length = builder.select(builder.icmp_signed(">", length, I64(0)), length, I64(0))
    offset = start
    for axis in range(1, kind.ndim):
        offset = builder.mul(offset, size_of(builder, table, axis))
    part = builder.insert_value(table, builder.gep(data_of(builder, table), [offset]), 0)
    return builder.insert_value(part, length, (1, 0))


@lower_builtin(operator.getitem, Table, types.Any)
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index_kind = sig.args
    if isinstance(index_kind, types.SliceType):
        return _sliced(context, builder, kind, args[0], index_kind, args[1])
    indices = _indices(builder, index_kind, args[1])
    address = _address(context, builder, kind, args[0], indices)
    if len(indices) == kind.ndim:
        return context.unpack_value(builder, kind.dtype, address)
    sizes = [size_of(builder, args[0], axis) for axis in range(len(indices), kind.ndim)]
    return make_table(context, builder, sig.return_type, address, sizes)


def _n_elements(builder: Any, kind: Any, table: Any) -> Any:
    n = size_of(builder, table, 0)
    for axis in range(1, kind.ndim):
        n = builder.mul(n, size_of(builder, table, axis))
    return n


@lower_builtin(operator.setitem, Table, types.Any, types.Any)
def _set_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index_kind, value_kind = sig.args
    if isinstance(index_kind, types.SliceType):
        part, part_kind = _sliced(context, builder, kind, args[0], index_kind, args[1]), kind
    else:
        indices = _indices(builder, index_kind, args[1])
        address = _address(context, builder, kind, args[0], indices)
        if len(indices) == kind.ndim:
            context.pack_value(builder, kind.dtype, args[2], address)
            return context.get_dummy_value()
        part_kind = Table(kind.dtype, kind.ndim - len(indices))
        sizes = [size_of(builder, args[0], axis) for axis in range(len(indices), kind.ndim)]
        part = make_table(context, builder, part_kind, address, sizes)
    data, n = data_of(builder, part), _n_elements(builder, part_kind, part)
    with cgutils.for_range(builder, n) as loop:
        place = builder.gep(data, [loop.index])
        if isinstance(value_kind, Table):
            builder.store(builder.load(builder.gep(data_of(builder, args[2]), [loop.index])), place)
        else:
            context.pack_value(builder, kind.dtype, args[2], place)
    return context.get_dummy_value()


@lower_builtin(len, Table)
def _length(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return size_of(builder, args[0], 0)


@lower_getattr(Table, "shape")
def _shape(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return builder.extract_value(table, 1)


@lower_getattr(Table, "size")
def _size(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return _n_elements(builder, kind, table)


@lower_getattr(Table, "itemsize")
def _item_size(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return I64(item_bytes(context, kind))


@lower_getattr(Table, "dtype")
def _dtype(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return context.get_dummy_value()


# --- The arena

#: The chunk in use, bytes of it that are taken, and all its bytes.
ARENA_STRUCT = ir.LiteralStructType([POINTER, I64, I64])
#: How a chunk begins: the same of the one before, and what to hand to `free`; padded to a line.
HEAD = ir.LiteralStructType([POINTER, I64, I64, POINTER])


def _fields(builder: Any, struct: Any, n: int) -> list[Any]:
    return [builder.gep(struct, [I32(0), I32(t)]) for t in range(n)]


def _define(module: Any, name: str, result: Any, arguments: list[Any]) -> tuple[Any, Any]:
    """Return a function of the module, and a builder for its body, None where it has one."""
    function = cgutils.get_or_insert_function(module, ir.FunctionType(result, arguments), name)
    if not function.is_declaration:
        return function, None
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _taking(module: Any) -> Any:
    """Return the function that takes bytes from an arena; NULL where there are none."""
    function, builder = _define(module, "numbakmeans_take", POINTER, [ARENA_STRUCT.as_pointer(), I64])
    if builder is None:
        return function
    function.return_value.attributes.add("noalias")
    arena, wanted = function.args
    chunk, used, capacity = _fields(builder, arena, 3)
    # Negative is large, too.
    possible = builder.icmp_unsigned("<=", wanted, I64(MOST))
    n_bytes = builder.and_(builder.add(wanted, I64(LINE - 1)), I64(-LINE))
    before = builder.load(used)
    end = builder.add(before, n_bytes)
    # Not from an arena without a chunk, not even nothing: NULL would stand for failure.
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
    """Return the function that gives back what was taken from an arena since a mark, all of it for mark 0."""
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
    """Emit an arena that holds nothing yet, on the stack of the function; return its address."""
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
            for size, size_kind in zip(_indices(builder, sig.args[1], args[1]), kinds, strict=True)
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
    """Return a table from an arena, its content undefined; shape : an integer or a tuple."""
    return _new(shape, dtype, fills=False)


def _zeros(typingctx: Any, arena: Any, shape: Any, dtype: Any) -> Any:
    """Return a table of zeros from an arena; shape : an integer or a tuple."""
    return _new(shape, dtype, fills=True)


def _mark(typingctx: Any, arena: Any) -> Any:
    """Return where the arena stands, for `release`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        chunk, used, _ = _fields(builder, builder.bitcast(args[0], ARENA_STRUCT.as_pointer()), 3)
        return builder.add(builder.ptrtoint(builder.load(chunk), I64), builder.load(used))

    return types.int64(ARENA), codegen


def _release(typingctx: Any, arena: Any, marked: Any) -> Any:
    """Give back what was taken from the arena since it was marked."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        arena = builder.bitcast(args[0], ARENA_STRUCT.as_pointer())
        # Taken from an arena that had no chunk yet: everything goes back.
        builder.call(_releasing(builder.module), [arena, args[1]])
        return context.get_dummy_value()

    return types.void(ARENA, types.int64), codegen


def _flat(typingctx: Any, table: Any) -> Any:
    """Return all elements of a table, in one dimension."""
    kind = Table(table.dtype, 1)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        n = _n_elements(builder, table, args[0])
        return make_table(context, builder, kind, data_of(builder, args[0]), [n])

    return kind(table), codegen


@intrinsic
def lend(typingctx: Any, arena: Any, address: Any, n_bytes: Any) -> Any:
    """Let an arena that holds nothing yet begin with a caller's memory, if that is large enough to be of
    use.
    """

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
            # Nothing before it, and nothing to free.
            builder.store(ir.Constant(HEAD, None), builder.bitcast(lent, HEAD.as_pointer()))
            for place, value in ((chunk, lent), (used, I64(LINE)), (capacity, size)):
                builder.store(value, place)
        return context.get_dummy_value()

    return types.void(ARENA, types.int64, types.int64), codegen


@intrinsic
def table_at(typingctx: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """Return a table at an address; shape : a tuple."""
    kind = Table(dtype.dtype, len(shape))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sizes = [
            context.cast(builder, size, size_kind, types.intp)
            for size, size_kind in zip(_indices(builder, shape, args[1]), shape, strict=True)
        ]
        return make_table(context, builder, kind, builder.inttoptr(args[0], POINTER), sizes)

    return kind(types.int64, shape, dtype), codegen


#: What a caller's array may hold, by its code.
CALLERS_DTYPES = tuple(
    getattr(types, name)
    for name in [
        "boolean",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
    ]
)


@intrinsic
def read_rows(typingctx: Any, address: Any, code: Any, row_stride: Any, column_stride: Any, rows: Any) -> Any:
    """Write the values of an array as float64.

    address : of its first value; code : of its dtype in `CALLERS_DTYPES`; strides : in bytes
    rows : OUT (n_rows, n_columns), float64
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address, code, row_stride, column_stride, table = args
        n_rows, n_columns = size_of(builder, table, 0), size_of(builder, table, 1)
        done = builder.append_basic_block("done")
        switch = builder.switch(code, done)
        for number, dtype in enumerate(CALLERS_DTYPES):
            block = builder.append_basic_block(str(dtype))
            switch.add_case(I64(number), block)
            builder.position_at_end(block)
            pointer = context.get_value_type(dtype) if dtype != types.boolean else I8
            with cgutils.for_range(builder, n_rows) as i:
                row = builder.add(address, builder.mul(i.index, row_stride))
                line = builder.mul(i.index, n_columns)
                with cgutils.for_range(builder, n_columns) as f:
                    place = builder.add(row, builder.mul(f.index, column_stride))
                    value = builder.load(builder.inttoptr(place, pointer.as_pointer()), align=1)
                    kind = dtype if dtype != types.boolean else types.uint8
                    wide = context.cast(builder, value, kind, types.float64)
                    builder.store(wide, builder.gep(data_of(builder, table), [builder.add(line, f.index)]))
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64, rows), codegen


def _folded(typingctx: Any, line: Any, begin: Any, n_rows: Any, width: Any) -> Any:
    """Return a table (n_rows, width) of what lies in a line from `begin` on."""
    kind = Table(line.dtype, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.gep(data_of(builder, args[0]), [args[1]], inbounds=True)
        return make_table(context, builder, kind, start, list(args[2:]))

    return kind(line, types.int64, types.int64, types.int64), codegen


def _folded_plainly(line: Any, begin: int, n_rows: int, width: int) -> Any:
    return line[begin : begin + n_rows * width].reshape(n_rows, width)


def _empty_plainly(arena: Any, shape: Any, dtype: Any) -> Any:
    return np.empty(shape, dtype)


def _zeros_plainly(arena: Any, shape: Any, dtype: Any) -> Any:
    return np.zeros(shape, dtype)


def _mark_plainly(arena: Any) -> int:
    return 0


def _release_plainly(arena: Any, marked: int) -> None:
    """Leave it to Python."""


empty: Any = _empty_plainly if DISABLED else intrinsic(_empty)
zeros: Any = _zeros_plainly if DISABLED else intrinsic(_zeros)
mark: Any = _mark_plainly if DISABLED else intrinsic(_mark)
release: Any = _release_plainly if DISABLED else intrinsic(_release)
flat: Any = np.ravel if DISABLED else intrinsic(_flat)
folded: Any = _folded_plainly if DISABLED else intrinsic(_folded)
