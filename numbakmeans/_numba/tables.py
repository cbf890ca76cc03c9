"""Arrays as kernels see them: tables, an address and a shape.

Numba's own arrays carry a reference count, strides and a layout. Every access to one compiles to some twenty
instructions, and a kernel is compiled anew for every layout and for read-only arrays. A table is always in C
order, does not own its memory, and does not wrap negative indices: kernels compile in a fraction of the time,
and are called by address from Python and from compiled code alike.

Inside kernels, tables are used like arrays: `X[i, f]`, `X[i]` (a table of fewer dimensions), `X[a:b]` (along
the first axis), `len`, `shape`, `size`, `itemsize`, `dtype`; `X[a:b] = x` and `X[i] = x` fill, `X[i] = row`
copies. Temporary tables come from an arena (`arena`).
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

__all__ = ["Table", "flat", "folded", "table_at"]

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = I8.as_pointer()
#: Status code of a kernel that fails: index out of bounds (checked only on request).
OUT_OF_BOUNDS = 102


class Table(types.Type):
    """Type of tables with a given dtype and number of dimensions."""

    def __init__(self, dtype: Any, ndim: int) -> None:
        self.dtype, self.ndim = dtype, ndim
        super().__init__(f"table({dtype}, {ndim})")


@register_model(Table)
class _TableModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        members = [("data", types.CPointer(kind.dtype)), ("shape", types.UniTuple(types.intp, kind.ndim))]
        super().__init__(manager, kind, members)


# --- Types


def _nindices_of(index: Any) -> int | None:
    """Return the number of axes that an index selects an element of; 0 for a slice, None if not an index."""
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
        n = _nindices_of(index) if isinstance(table, Table) else None
        if n is None or n > table.ndim:
            return None
        found = table.dtype if n == table.ndim else table if n == 0 else Table(table.dtype, table.ndim - n)
        return signature(found, table, _places(index, n))


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        table, index, value = args
        n = _nindices_of(index) if isinstance(table, Table) else None
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
    """Return the size of an element in bytes."""
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


def indices_of(builder: Any, kind: Any, index: Any) -> list[Any]:
    return list(cgutils.unpack_tuple(builder, index)) if isinstance(kind, types.BaseTuple) else [index]


def _sliced(context: Any, builder: Any, kind: Any, table: Any, index_kind: Any, index: Any) -> Any:
    """Return the table of a slice along the first axis, clipped to the end of the table."""
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
    indices = indices_of(builder, index_kind, args[1])
    address = _address(context, builder, kind, args[0], indices)
    if len(indices) == kind.ndim:
        return context.unpack_value(builder, kind.dtype, address)
    sizes = [size_of(builder, args[0], axis) for axis in range(len(indices), kind.ndim)]
    return make_table(context, builder, sig.return_type, address, sizes)


def n_elements(builder: Any, kind: Any, table: Any) -> Any:
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
        indices = indices_of(builder, index_kind, args[1])
        address = _address(context, builder, kind, args[0], indices)
        if len(indices) == kind.ndim:
            context.pack_value(builder, kind.dtype, args[2], address)
            return context.get_dummy_value()
        part_kind = Table(kind.dtype, kind.ndim - len(indices))
        sizes = [size_of(builder, args[0], axis) for axis in range(len(indices), kind.ndim)]
        part = make_table(context, builder, part_kind, address, sizes)
    data, n = data_of(builder, part), n_elements(builder, part_kind, part)
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
    return n_elements(builder, kind, table)


@lower_getattr(Table, "itemsize")
def _item_size(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return I64(item_bytes(context, kind))


@lower_getattr(Table, "dtype")
def _dtype(context: Any, builder: Any, kind: Any, table: Any) -> Any:
    return context.get_dummy_value()


def _flat(typingctx: Any, table: Any) -> Any:
    """Return a 1-D table of all elements of a table."""
    kind = Table(table.dtype, 1)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        n = n_elements(builder, table, args[0])
        return make_table(context, builder, kind, data_of(builder, args[0]), [n])

    return kind(table), codegen


@intrinsic
def table_at(typingctx: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """Return a table at an address; shape : a tuple."""
    kind = Table(dtype.dtype, len(shape))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sizes = [
            context.cast(builder, size, size_kind, types.intp)
            for size, size_kind in zip(indices_of(builder, shape, args[1]), shape, strict=True)
        ]
        return make_table(context, builder, kind, builder.inttoptr(args[0], POINTER), sizes)

    return kind(types.int64, shape, dtype), codegen


def _folded(typingctx: Any, line: Any, begin: Any, n_rows: Any, width: Any) -> Any:
    """Return the elements of a 1-D table from `begin` on as a table (n_rows, width)."""
    kind = Table(line.dtype, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = builder.gep(data_of(builder, args[0]), [args[1]], inbounds=True)
        return make_table(context, builder, kind, start, list(args[2:]))

    return kind(line, types.int64, types.int64, types.int64), codegen


def _folded_plainly(line: Any, begin: int, n_rows: int, width: int) -> Any:
    return line[begin : begin + n_rows * width].reshape(n_rows, width)


flat: Any = np.ravel if DISABLED else intrinsic(_flat)
folded: Any = _folded_plainly if DISABLED else intrinsic(_folded)
