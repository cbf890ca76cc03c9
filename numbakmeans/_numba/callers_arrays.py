"""Arrays of nopython callers: any dtype and strides, read row by row into a float64 table."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numbakmeans._numba.tables import I8, I64, data_of, size_of

__all__ = ["CALLERS_DTYPES", "read_rows"]

#: Dtypes of callers' arrays; the index is the code of the dtype.
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
    """Copy the values of a caller's array to a float64 table.

    address : of the first value; code : index of the dtype in `CALLERS_DTYPES`; strides : in bytes
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
