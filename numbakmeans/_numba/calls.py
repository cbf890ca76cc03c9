"""The caller's side of a door (`doors`): the few instructions that are emitted into a user's compiled code.

Whatever all calls in a module have in common is a function of that module, so that further calls add little
code.

This module, `overloads` and `hook` use parts of Numba without stability guarantees, besides
`numba.extending`: its code generation (`context`, `builder`, `cgutils`, the Python API, `nrt`), its
representation of arrays, generators and strings, and `AbstractTemplate`, `infer_global` and `lower_builtin`,
with which it registers its own functions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from numbakmeans._numba.arena import LINE
from numbakmeans._numba.callers_arrays import CALLERS_DTYPES
from numbakmeans._numba.doors import DOORS, LAYOUT, Raised
from numbakmeans._numba.entries import ROOT
from numbakmeans._numba.status import DECLINED, UNAVAILABLE
from numbakmeans._numba.tables import POINTER

#: Result of a call of Python that was interrupted by Ctrl-C.
INTERRUPTED = -9
I1, I32, I64, F64 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.DoubleType()
WORDS = I64.as_pointer()
CALL = ir.FunctionType(I64, [WORDS, WORDS])
RESOLVERS = f"{ROOT}._numba.doors"
NOT_LOADED = (
    "numbakmeans, which this function was compiled with, can no longer be imported, or only in an "
    "incompatible version"
)


def write_words(builder: Any, words: list[Any]) -> Any:
    """Emit code that stores words on the stack; return their address.

    words : addresses, float64, and integers of at most 64 bits
    """
    place = cgutils.alloca_once(builder, ir.ArrayType(I64, len(words)))
    for t, word in enumerate(words):
        if word.type == F64:
            word = builder.bitcast(word, I64)
        elif word.type.is_pointer:
            word = builder.ptrtoint(word, I64)
        elif word.type != I64:
            word = builder.zext(word, I64)
        builder.store(word, builder.gep(place, [I32(0), I32(t)]))
    return builder.bitcast(place, WORDS)


def call(context: Any, builder: Any, name: str, words: list[Any]) -> list[Any]:
    """Emit a call through a door; return its results as int64, the status last."""
    n_results = DOORS[name].n_results
    found = cgutils.alloca_once(builder, ir.ArrayType(I64, n_results))
    arguments = [write_words(builder, words), builder.bitcast(found, WORDS)]
    status = builder.call(_door(context, builder.module, name), arguments)
    results = [builder.load(builder.gep(found, [I32(0), I32(t)])) for t in range(n_results - 1)]
    return [*results, status]


# --- Functions that are emitted once per module


def _define(module: Any, symbol: str, kind: Any) -> tuple[Any, Any]:
    """Return a function of a module, and a builder for its body, None if it exists already."""
    known = module.globals.get(symbol)
    if known is not None:
        return known, None
    function = ir.Function(module, kind, symbol)
    function.linkage = "internal"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _door(context: Any, module: Any, name: str) -> Any:
    """Return the function that makes calls through a door and returns the status."""
    door, builder = _define(module, f"numbakmeans_door_{name}", CALL)
    if builder is None:
        return door
    words, results = door.args
    kinds, n_results = DOORS[name]
    label = context.insert_const_string(module, name)
    if kinds:
        variable = ir.GlobalVariable(module, I64, f"numbakmeans_door_{name}_address")
        variable.linkage, variable.initializer = "internal", I64(0)
        address = cgutils.alloca_once(builder, I64)
        builder.store(builder.load_atomic(variable, "acquire", 8), address)
        with cgutils.if_unlikely(builder, builder.icmp_unsigned("==", builder.load(address), I64(0))):
            found = builder.call(_ask(context, module, "resolve", 1), [label, I64(0), I64(0), I64(0)])
            with cgutils.if_unlikely(builder, builder.icmp_signed("==", found, I64(INTERRUPTED))):
                builder.ret(I64(UNAVAILABLE))
            # Threads that both read 0 both resolve, and store the same address. A failure is not remembered.
            builder.store(found, address)
            builder.store_atomic(found, variable, "release", 8)
        kernel = builder.load(address)
        with builder.if_then(builder.icmp_unsigned("!=", kernel, I64(0))):
            # A kernel that fails to allocate leaves the status unchanged.
            place = builder.gep(results, [I64(n_results - 1)])
            builder.store(I64(DECLINED), place)
            builder.call(builder.inttoptr(kernel, CALL.as_pointer()), [words, results])
            status = builder.load(place)
            with builder.if_then(builder.icmp_signed("!=", status, I64(DECLINED))):
                builder.ret(status)
    if name == "kmeans2":  # its caller goes to Python, which can raise and warn
        builder.ret(I64(DECLINED))
        return door
    addresses = [builder.ptrtoint(place, I64) for place in (words, results)]
    status = builder.call(_ask(context, module, "answer", 3), [label, *addresses, I64(UNAVAILABLE)])
    interrupted = builder.icmp_signed("==", status, I64(INTERRUPTED))
    builder.ret(builder.select(interrupted, I64(UNAVAILABLE), status))
    return door


def _call_python(context: Any, builder: Any, function: str, form: str, arguments: list[Any]) -> Any:
    """Emit a call of a function of `doors` under the GIL; return its result, or NULL.

    With NULL an exception is set, unless the module cannot be imported.

    form : format of the arguments for `PyObject_CallMethod`
    """
    python = context.get_python_api(builder)
    text = [context.insert_const_string(builder.module, part) for part in (RESOLVERS, function, form)]
    found = cgutils.alloca_once_value(builder, cgutils.get_null_value(python.pyobj))
    module = python.import_module(text[0])
    with builder.if_else(cgutils.is_not_null(builder, module)) as (there, missing):
        with there:
            kind = ir.FunctionType(python.pyobj, [python.pyobj, POINTER, POINTER], var_arg=True)
            method = cgutils.get_or_insert_function(builder.module, kind, "PyObject_CallMethod")
            builder.store(builder.call(method, [module, text[1], text[2], I64(LAYOUT), *arguments]), found)
            python.decref(module)
        with missing, builder.if_then(_is_raised(python, builder, "PyExc_ImportError")):
            python.err_clear()  # the caller reports this in its own way
    return builder.load(found)


def _is_raised(python: Any, builder: Any, name: str) -> Any:
    """Emit a test of whether the current exception is an instance of a class, given by its C name."""
    kind = ir.FunctionType(I32, [python.pyobj])
    matches = cgutils.get_or_insert_function(builder.module, kind, "PyErr_ExceptionMatches")
    return builder.icmp_signed("!=", builder.call(matches, [python.get_c_object(name)]), I32(0))


def drop_exception(context: Any, builder: Any) -> Any:
    """Emit code that drops the current exception, if any, as none can be raised; return if it was Ctrl-C.

    Ctrl-C is raised again when Python code next runs in the main thread. Other exceptions are printed.
    """
    kind = ir.FunctionType(I1, [])
    function, inside = _define(builder.module, "numbakmeans_drop_exception", kind)
    if inside is not None:
        python = context.get_python_api(inside)
        with inside.if_then(_is_raised(python, inside, "PyExc_KeyboardInterrupt")):
            python.err_clear()
            again = ir.FunctionType(ir.VoidType(), [])
            inside.call(cgutils.get_or_insert_function(inside.module, again, "PyErr_SetInterrupt"), [])
            inside.ret(I1(1))
        with inside.if_then(cgutils.is_not_null(inside, python.err_occurred())):
            python.err_write_unraisable(cgutils.get_null_value(python.pyobj))
        inside.ret(I1(0))
    return builder.call(function, [])


def _ask(context: Any, module: Any, function: str, n_arguments: int) -> Any:
    """Return the function that calls a function of `doors` and returns its integer, and never raises.

    Its arguments are a name, two numbers, and the result in case of an exception; for Ctrl-C the result is
    INTERRUPTED.
    """
    kind = ir.FunctionType(I64, [POINTER, I64, I64, I64])
    ask, builder = _define(module, f"numbakmeans_{function}", kind)
    if builder is None:
        return ask
    python = context.get_python_api(builder)
    gil = python.gil_ensure()
    number = cgutils.alloca_once_value(builder, ask.args[3])
    form = "Ls" + "L" * (n_arguments - 1)
    found = _call_python(context, builder, function, form, list(ask.args[:n_arguments]))
    with builder.if_else(cgutils.is_not_null(builder, found)) as (returned, raised):
        with returned:
            builder.store(python.long_as_longlong(found), number)
            python.decref(found)
        with raised, builder.if_then(drop_exception(context, builder)):
            builder.store(I64(INTERRUPTED), number)
    python.gil_release(gil)
    builder.ret(builder.load(number))
    return ask


def run(context: Any, builder: Any, words: list[Any]) -> Any:
    """Emit a call of `doors.run` under the GIL; return its result, a tuple or None, or NULL."""
    python = context.get_python_api(builder)
    kind = ir.FunctionType(python.pyobj, [WORDS])
    function, inside = _define(builder.module, "numbakmeans_run", kind)
    if inside is not None:
        words_address = inside.ptrtoint(function.args[0], I64)
        inside.ret(_call_python(context, inside, "run", "LL", [words_address]))
    return builder.call(function, [write_words(builder, words)])


def leave_unless_answered(context: Any, builder: Any, results: Any, gil: Any) -> None:
    """Emit code that releases the GIL and raises if `doors.run` did not return a tuple.

    The exception is raised as by compiled code, not set in Python: inside a `try` in compiled code, even
    further up the call stack, Numba would ignore the latter and continue with results that do not exist.
    """
    python = context.get_python_api(builder)
    with cgutils.if_unlikely(builder, cgutils.is_null(builder, results)):
        drop_exception(context, builder)
        python.gil_release(gil)
        context.call_conv.return_user_exc(builder, RuntimeError, (NOT_LOADED,))
    with cgutils.if_unlikely(builder, builder.icmp_unsigned("==", results, python.borrow_none())):
        python.gil_release(gil)
        context.call_conv.return_user_exc(builder, Raised, ())


# --- Words of arguments


def _struct(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value)


def array_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the words of an array (n_rows, n_columns) or (n_rows,), in the layout of `doors.ARRAY`."""
    array = _struct(context, builder, kind, value)
    shape, strides = (cgutils.unpack_tuple(builder, part, kind.ndim) for part in (array.shape, array.strides))
    if kind.ndim == 1:
        shape, strides = [*shape, I64(1)], [*strides, I64(0)]
    return [array.data, I64(CALLERS_DTYPES.index(kind.dtype)), *shape, *strides]


NO_ARRAY = [I64(0)] * 6


def workspace_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the words of a caller's workspace, zeros if there is none."""
    if not isinstance(kind, types.Array):
        return [I64(0), I64(0)]
    array = _struct(context, builder, kind, value)
    return [array.data, builder.mul(array.nitems, array.itemsize)]


def bitgen_word(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the address of a copy of a generator's `bitgen_t` on the stack, 0 if there is no generator."""
    if not isinstance(kind, types.NumPyRandomGeneratorType):
        return I64(0)
    generator = context.make_helper(builder, kind, value)
    source = context.make_helper(
        builder, types.NumPyRandomBitGeneratorType("bit_generator"), generator.bit_generator
    )
    fields = (source.state, source.fnptr_next_uint64, source.fnptr_next_uint32, source.fnptr_next_double)
    return write_words(builder, [*fields, I64(0)])


def generator_word(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the address of the Python object of a generator, 0 if there is no generator."""
    if not isinstance(kind, types.NumPyRandomGeneratorType):
        return I64(0)
    return context.make_helper(builder, kind, value).parent


# --- Arrays for results


def new_array(context: Any, builder: Any, kind: Any, sizes: list[Any]) -> Any:
    """Emit a new array in C order, aligned to a cache line; raise MemoryError if it is too large."""
    n_bytes = item = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    n_items, beyond, strides = I64(1), I1(0), [item]
    for size in sizes:
        product = builder.smul_with_overflow(n_bytes, size)
        n_bytes, n_items = builder.extract_value(product, 0), builder.mul(n_items, size)
        beyond = builder.or_(beyond, builder.extract_value(product, 1))
    with cgutils.if_unlikely(builder, beyond):
        context.call_conv.return_user_exc(builder, MemoryError, ("the array is too large",))
    for size in reversed(sizes[1:]):
        strides.insert(0, builder.mul(strides[0], size))
    array = context.make_array(kind)(context, builder)
    array.meminfo = context.nrt.meminfo_alloc_aligned(builder, n_bytes, LINE)
    array.data = builder.bitcast(context.nrt.meminfo_data(builder, array.meminfo), array.data.type)
    array.parent = cgutils.get_null_value(array.parent.type)
    array.nitems, array.itemsize = n_items, item
    array.shape, array.strides = (cgutils.pack_array(builder, part, I64) for part in (sizes, strides))
    return array._getvalue()


def fill(context: Any, builder: Any, kind: Any, value: Any, with_what: float) -> None:
    """Emit code that sets every element of an array to a value."""
    array = _struct(context, builder, kind, value)
    element = ir.Constant(context.get_data_type(kind.dtype), with_what)
    with cgutils.for_range(builder, array.nitems) as loop:
        builder.store(element, builder.gep(array.data, [loop.index]))


def data_word(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the address of the first element of an array."""
    return _struct(context, builder, kind, value).data


def array_of(context: Any, builder: Any, kind: Any, item: Any) -> Any:
    """Emit, under the GIL, an array that shares the memory of a NumPy array and keeps it alive."""
    array = context.make_array(kind)(context, builder)
    python = context.get_python_api(builder)
    python.nrt_adapt_ndarray_from_python(item, builder.bitcast(array._getpointer(), POINTER))
    return array._getvalue()
