"""From a Python function to machine code: compiler options, kernels, entries.

``@kernel`` marks a nopython function over tables and numbers (`tables`). Kernels called by other kernels are
parts: compiled once to LLVM's intermediate representation, and optimized together with their callers. A
kernel that Python, or a user's compiled code, calls by address is an entry: the kernel and its parts,
optimized together, in an object file of its own that the cache keeps (`entries`, `cache`).

Every option that Numba would otherwise inherit from the first caller is stated explicitly.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable
from typing import Any, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, compiler, event, sigutils, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.registry import cpu_target
from numba.extending import typeof_impl
from numba.np import numpy_support

from numbakmeans._numba import runtime
from numbakmeans._numba.arena import ARENA, new_arena, release_all
from numbakmeans._numba.entries import DISABLED, Code, Entry, Kind, Kinds
from numbakmeans._numba.tables import POINTER, Table, make_table

__all__ = ["bounding_kernel", "compile_entry", "inlined_kernel", "kernel"]

# No fastmath: results are specified bit for bit. error_model "numpy": division never raises, and so it can be
# vectorized. _nrt off: tables have no reference counts.
SERIAL: dict[str, Any] = {
    "nogil": True,
    "fastmath": False,
    "error_model": "numpy",
    "parallel": False,
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
# For values that only widen a bound: sums may be reordered, so that they can be vectorized.
BOUNDING: dict[str, Any] = {**SERIAL, "fastmath": {"reassoc", "contract", "nsz"}}

I64 = ir.IntType(64)
#: Bytes of an object's header, and the first fields of a NumPy array after it (`PyArrayObject_fields`): data,
#: number of dimensions, shape.
OBJECT_HEAD = object.__basicsize__
ARRAY = ir.LiteralStructType([POINTER, I64, I64.as_pointer()])
#: Functions of the C library that machine code may refer to.
LIBRARY = {"malloc", "free", "memset", "memcpy", "memmove", "sqrt"}


class _PartLibrary(JITCodeLibrary):
    """Intermediate representation of a kernel and its parts, linked but neither optimized nor compiled."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Set the data layout, as Numba does here; optimization is left to the entry."""
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        """Do nothing: optimization is left to the entry."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    @property
    def module(self) -> Any:
        return self._final_module


class _Pipeline(compiler.CompilerBase):
    """Numba's passes without those that do nothing for a kernel, which saves a fifth of its compilation.

    Kernels have no closures, comprehensions, `with` blocks, inlined overloads or array expressions.
    """

    def define_pipelines(self) -> list[Any]:
        manager = PassManager("kernel")
        for each in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.DeadBranchPrune,
            untyped_passes.GenericRewrites,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.IRLegalization,
            typed_passes.NativeLowering,
            typed_passes.NoPythonBackend,
        ):
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


class _PartEntry:
    """Identifies a part to Numba, in place of a callable."""


class Kernel:
    """A nopython function: a part when kernels call it, and an entry when Python does."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        # A copy of the options: Numba clears some of them at the first compilation.
        self.dispatcher = numba.njit(**options)(function)
        self.dispatcher.compile = runtime.keeps_interrupts(self._compile)
        self.entry = Entry(function.__module__, function.__qualname__, self)

    def __call__(self, *arguments: Any) -> Any:
        return self.entry(*arguments)

    def _compile(self, signature: Any) -> Any:
        """Compile as a part for a signature, unless that is done already."""
        with global_compiler_lock:
            arguments, result = sigutils.normalize_signature(signature)
            # Numba would compile a function anew for every constant.
            arguments = tuple(types.unliteral(kind) for kind in arguments)
            known = self.dispatcher.overloads.get(arguments)
            return known.entry_point if known else self._compile_part(arguments, result)

    def _compile_part(self, arguments: tuple[Any, ...], result: Any) -> _PartEntry:
        dispatcher = self.dispatcher
        context = dispatcher.targetctx
        flags: Any = compiler.Flags()
        dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
        flags.no_compile = True
        library = _PartLibrary(context.codegen(), self.py_func.__qualname__)
        details = {"dispatcher": dispatcher, "args": arguments, "return_type": result}
        with event.trigger_event("numba:compile", data=details):
            compiled = compiler.compile_extra(
                dispatcher.typingctx,
                context,
                self.py_func,
                arguments,
                result,
                flags,
                dispatcher.locals,
                library=library,
                pipeline_class=_Pipeline,
            )
        entry = _PartEntry()
        context.insert_user_function(entry, compiled.fndesc, [library])
        dispatcher.overloads[arguments] = compiled._replace(entry_point=entry)
        return entry


@typeof_impl.register(Kernel)
def _typeof_kernel(kernel: Kernel, context: Any) -> Any:
    return types.Dispatcher(kernel.dispatcher)


def _marked(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    return function if DISABLED else Kernel(function, options)


def kernel(function: Callable[..., Any]) -> Any:
    """Mark a nopython function that is compiled at its first call."""
    return _marked(function, SERIAL)


def inlined_kernel(function: Callable[..., Any]) -> Any:
    """Mark a function to be inlined, as a call would cost more than its body."""
    return _marked(function, {**SERIAL, "forceinline": True})


def bounding_kernel(function: Callable[..., Any]) -> Any:
    """Mark a function whose sums may be evaluated in any order, as no result depends on their rounding."""
    return _marked(function, BOUNDING)


# --- Entries

_NUMBERS = {"q": types.int64, "d": types.float64, "?": types.boolean}


def type_of(kind: Kind) -> Any:
    """Return Numba's type for the kind of an argument."""
    if kind is None:
        return types.none
    if isinstance(kind, str):
        return _NUMBERS[kind]
    if isinstance(kind[0], str):
        return Table(numpy_support.from_dtype(np.dtype(kind[0])), kind[1])
    of_class, *kinds = kind
    members = tuple(map(type_of, kinds))
    return types.BaseTuple.from_types(members, None if of_class is tuple else of_class)


def load_words(context: Any, builder: Any, kind: Any, words: Any, place: int) -> tuple[Any, int]:
    """Return the value of the argument that starts at a word, and the position of the next argument."""

    def word(at: int) -> Any:
        return builder.load(builder.gep(words, [I64(at)]))

    if kind == types.none:
        return context.get_dummy_value(), place
    if isinstance(kind, Table):
        array = builder.inttoptr(builder.add(word(place), I64(OBJECT_HEAD)), ARRAY.as_pointer())
        data, _, sizes = (builder.load(cgutils.gep_inbounds(builder, array, 0, t)) for t in range(3))
        shape = [builder.load(builder.gep(sizes, [I64(axis)])) for axis in range(kind.ndim)]
        return make_table(context, builder, kind, data, shape), place + 1
    if isinstance(kind, types.BaseTuple):
        members, kinds = [], cast(Any, kind)
        for member in kinds:
            value, place = load_words(context, builder, member, words, place)
            members.append(value)
        return context.make_tuple(builder, kind, members), place
    if kind == types.boolean:
        return builder.trunc(word(place), ir.IntType(1)), place + 1
    value = word(place)
    return (builder.bitcast(value, ir.DoubleType()) if kind == types.float64 else value), place + 1


def _results_of(kind: Any) -> tuple[str, list[Any]]:
    """Return the `Code.results` of a result type, and the types of its members."""
    several = isinstance(kind, types.BaseTuple)
    kinds = (
        [types.unliteral(k) for k in kind]
        if several
        else []
        if kind == types.none
        else [types.unliteral(kind)]
    )
    letters = []
    for each in kinds:
        if isinstance(each, types.Boolean):
            letters.append("?")
        elif isinstance(each, types.Integer):
            letters.append("q")
        elif isinstance(each, types.Float):
            letters.append("d")
        else:
            raise TypeError(f"an entry must return numbers, got {kind}")
    return "(" * several + "".join(letters), kinds


def _emit_entry(context: Any, module: Any, compiled: Any, kinds: list[Any], symbol: str) -> str:
    """Emit the function that is called by address; return its `Code.results`."""
    function = ir.Function(module, ir.FunctionType(I64, [I64.as_pointer()] * 2), symbol)
    builder = ir.IRBuilder(function.append_basic_block())
    words, found = function.args
    arena = new_arena(builder)
    place, values = 0, []
    for kind in kinds:
        if kind == ARENA:
            values.append(builder.bitcast(arena, POINTER))
            continue
        value, place = load_words(context, builder, kind, words, place)
        values.append(value)
    callee = context.declare_function(module, compiled.fndesc)
    result = compiled.fndesc.restype
    status, returned = context.call_conv.call_function(
        builder, callee, result, compiled.fndesc.argtypes, values
    )
    release_all(builder, arena)
    with cgutils.if_unlikely(builder, status.is_error):
        builder.ret(builder.zext(status.code, I64))
    letters, result_kinds = _results_of(result)
    parts = cgutils.unpack_tuple(builder, returned) if letters.startswith("(") else [returned]
    for at, (part, kind) in enumerate(zip(parts, result_kinds, strict=False)):
        wanted = types.float64 if isinstance(kind, types.Float) else types.int64
        value = context.cast(builder, part, kind, wanted)
        place = builder.bitcast(builder.gep(found, [I64(at)]), value.type.as_pointer())
        builder.store(value, place)
    builder.ret(I64(0))
    return letters


def optimize(module: Any, symbol: str) -> bytes:
    """Optimize a module as a whole, and return its object file, in which only one function is visible."""
    for function in module.functions:
        if function.name == symbol:
            function.linkage = "external"
        elif not function.is_declaration:
            function.linkage = "internal"
        elif not function.name.startswith("llvm.") and function.name not in LIBRARY:
            raise TypeError(f"{symbol} refers to {function.name}, which is only available with Numba loaded")
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    machine = cpu_target.target_context.codegen()._tm
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    # Halves the code to compile, and runs no slower: the tiles are emitted unrolled.
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


#: Numbers the kernels that are created at run time and have no source of their own.
_made = itertools.count()


def _compile_entry(kernel: Kernel, kinds: Kinds) -> Code:
    given = list(map(type_of, kinds))
    names = kernel.py_func.__code__.co_varnames[: kernel.py_func.__code__.co_argcount]
    if "arena" in names:
        given.insert(names.index("arena"), ARENA)
    dispatcher = kernel.dispatcher
    kernel._compile(tuple(given))
    compiled = dispatcher.overloads[tuple(given)]
    context = dispatcher.targetctx
    name = kernel.py_func.__name__
    # Code is never unloaded, so symbols must be unique, even of kernels that one function has created.
    identity = (
        kernel.entry.module,
        kernel.entry.name,
        kinds,
        None if kernel.entry.has_source else next(_made),
    )
    symbol = f"numbakmeans_{name}_{hashlib.sha256(repr(identity).encode()).hexdigest()[:12]}"
    library = _PartLibrary(context.codegen(), symbol)
    module = library.create_ir_module(symbol)
    results = _emit_entry(context, module, compiled, given, symbol)
    library.add_ir_module(module)
    library.add_linking_library(compiled.library)
    library.finalize()
    return Code(optimize(library.module, symbol), symbol, results)


def compile_entry(kernel: Kernel, kinds: Kinds) -> Code:
    """Return the machine code of a kernel for given argument kinds."""

    def compile() -> Code:
        with global_compiler_lock:
            return _compile_entry(kernel, kinds)

    return runtime.keeps_interrupts(compile)()
