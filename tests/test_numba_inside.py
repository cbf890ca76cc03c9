"""What the package relies on inside of Numba, llvmlite and NumPy without a promise of theirs: one check each.

A new version that changes one of these fails here, by name, and the message says which file to look at.
"""

import inspect

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from llvmlite import ir
from numba import types
from numba.core import callconv, codegen, compiler, event, imputils, pythonapi, typed_passes, untyped_passes
from numba.core.registry import cpu_target
from numba.core.runtime.context import NRTContext
from numba.core.runtime.nrt import rtsys
from numba.core.typing import templates
from numba.extending import typeof_impl
from numba.np.ufunc import parallel

from numbakmeans._numba.entries import DISABLED

pytestmark = pytest.mark.skipif(DISABLED, reason="nothing is compiled")


def parameters(function):
    return set(inspect.signature(function).parameters)


def source(thing):
    return inspect.getsource(thing)


@numba.njit
def _one():
    return 1


def compiled():
    """Return what Numba keeps of a compiled function."""
    _one()
    (found,) = _one.overloads.values()
    return found


def emitted(attribute):
    """Return a function's declaration with an attribute that llvmlite does not know."""
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), []), "f")
    set.add(function.attributes, attribute)
    return str(function)


def events_of_a_compilation():
    with event.install_recorder("numba:compile") as recorder:
        numba.njit(lambda: 2)()
    return [each.data["dispatcher"].py_func.__name__ for _, each in recorder.buffer if each.is_start]


#: Name -> (the file that relies on it, what must hold).
INSIDE = {
    "JITCodeLibrary._optimize_functions": (
        "_numba/compiler.py",
        lambda: "ll_module" in parameters(codegen.JITCodeLibrary._optimize_functions),
    ),
    "JITCodeLibrary._optimize_final_module": (
        "_numba/compiler.py",
        lambda: "_optimize_final_module()" in source(codegen.CPUCodeLibrary.finalize),
    ),
    "JITCodeLibrary._finalize_final_module": (
        "_numba/compiler.py",
        lambda: "_finalize_final_module()" in source(codegen.CPUCodeLibrary.finalize),
    ),
    "JITCodeLibrary._finalize_dynamic_globals": (
        "_numba/compiler.py",
        lambda: callable(codegen.JITCodeLibrary._finalize_dynamic_globals),
    ),
    "CodeLibrary._final_module": (
        "_numba/compiler.py, parallel.py",
        lambda: isinstance(compiled().library._final_module, llvm.ModuleRef),
    ),
    "Codegen._data_layout": (
        "_numba/compiler.py",
        lambda: isinstance(cpu_target.target_context.codegen()._data_layout, str),
    ),
    "Codegen._tm": (
        "_numba/compiler.py, parallel.py, _engine/simd/vectors.py",
        lambda: isinstance(cpu_target.target_context.codegen()._tm, llvm.TargetMachine),
    ),
    "compile_extra(library=, pipeline_class=)": (
        "_numba/compiler.py",
        lambda: {"library", "pipeline_class"} <= parameters(compiler.compile_extra),
    ),
    "Flags.no_compile": ("_numba/compiler.py", lambda: hasattr(compiler.Flags(), "no_compile")),
    "the passes of a kernel": (
        "_numba/compiler.py",
        lambda: (
            all(
                hasattr(untyped_passes, name)
                for name in (
                    "TranslateByteCode",
                    "FixupArgs",
                    "IRProcessing",
                    "DeadBranchPrune",
                    "GenericRewrites",
                    "ReconstructSSA",
                )
            )
            and all(
                hasattr(typed_passes, name)
                for name in (
                    "NopythonTypeInference",
                    "PreLowerStripPhis",
                    "IRLegalization",
                    "NativeLowering",
                    "NoPythonBackend",
                )
            )
        ),
    ),
    "BaseContext.insert_user_function": (
        "_numba/compiler.py",
        lambda: callable(cpu_target.target_context.insert_user_function),
    ),
    "Dispatcher.overloads": ("_numba/compiler.py", lambda: hasattr(compiled(), "fndesc")),
    "BaseTuple.from_types(tys, pyclass)": (
        "_numba/compiler.py",
        lambda: list(inspect.signature(types.BaseTuple.from_types).parameters) == ["tys", "pyclass"],
    ),
    "typeof_impl": ("_numba/compiler.py", lambda: callable(typeof_impl.register)),
    "call_conv.call_function": (
        "_numba/compiler.py, parallel.py",
        lambda: isinstance(cpu_target.target_context.call_conv, callconv.CPUCallConv),
    ),
    "call_conv.return_user_exc": (
        "_numba/calls.py, scipy_overloads.py",
        lambda: {"builder", "exc", "exc_args"} <= parameters(callconv.CPUCallConv.return_user_exc),
    ),
    "event numba:compile": ("tests alone", lambda: events_of_a_compilation() == ["<lambda>"]),
    "llvm_cfunc_wrapper_name": (
        "_numba/parallel.py",
        lambda: compiled().fndesc.llvm_cfunc_wrapper_name.startswith("cfunc."),
    ),
    "parallel._backend_init_thread_lock": (
        "_numba/runtime.py",
        lambda: hasattr(parallel._backend_init_thread_lock, "acquire"),
    ),
    "parallel._launch_threads": ("_numba/runtime.py", lambda: callable(parallel._launch_threads)),
    "rtsys.initialize": ("_numba/runtime.py", lambda: parameters(rtsys.initialize) == {"ctx"}),
    "typing_context._registries": (
        "_numba/hook.py",
        lambda: hasattr(cpu_target.typing_context, "_registries"),
    ),
    "AbstractTemplate, infer_global": (
        "_numba/hook.py, tables.py",
        lambda: callable(templates.infer_global) and "generic" in source(templates.AbstractTemplate),
    ),
    "lower_builtin, lower_getattr": (
        "_numba/hook.py, tables.py",
        lambda: callable(imputils.lower_builtin) and callable(imputils.lower_getattr),
    ),
    "nrt.meminfo_alloc_aligned": (
        "_numba/calls.py",
        lambda: {"builder", "size", "align"} <= parameters(NRTContext.meminfo_alloc_aligned),
    ),
    "PythonAPI": (
        "_numba/calls.py",
        lambda: all(
            hasattr(pythonapi.PythonAPI, name)
            for name in (
                "gil_ensure",
                "gil_release",
                "import_module",
                "nrt_adapt_ndarray_from_python",
                "get_c_object",
                "err_clear",
                "err_write_unraisable",
                "long_as_longlong",
                "float_as_double",
                "tuple_getitem",
                "borrow_none",
            )
        ),
    ),
    "fields of a generator": (
        "_numba/calls.py, draws.py",
        lambda: (
            {"state", "fnptr_next_uint64", "fnptr_next_uint32", "fnptr_next_double"}
            <= set(
                cpu_target.target_context.data_model_manager[
                    types.NumPyRandomBitGeneratorType("bit_generator")
                ]._fields
            )
        ),
    ),
    "fields of a string": (
        "_numba/scipy_overloads.py",
        lambda: (
            {"data", "length", "kind"}
            <= set(cpu_target.target_context.data_model_manager[types.unicode_type]._fields)
        ),
    ),
    "attributes that llvmlite does not know": (
        "_engine/simd/vectors.py",
        lambda: '"prefer-vector-width"="512"' in emitted('"prefer-vector-width"="512"'),
    ),
    "typed pointers of llvmlite": (
        "_numba, _engine/simd",
        lambda: str(ir.IntType(64).as_pointer()) in ("i64*", "ptr"),
    ),
    "pass builder of llvmlite": (
        "_numba/compiler.py",
        lambda: hasattr(llvm.create_pipeline_tuning_options(speed_level=3), "loop_vectorization"),
    ),
    "Generator._bit_generator": (
        "_arguments.py",
        lambda: isinstance(np.random.RandomState(0)._bit_generator, np.random.MT19937),
    ),
    "np.random.mtrand._rand": (
        "_arguments.py",
        lambda: isinstance(np.random.mtrand._rand, np.random.RandomState),
    ),
}


def broken(name, inside):
    """Return what to say of a name, or None if all is as expected."""
    file, holds = inside[name]
    versions = f"Numba {numba.__version__}, llvmlite {numba.llvmlite.__version__}, NumPy {np.__version__}"
    try:
        return None if holds() else f"{name} is not what {file} expects: {versions}"
    except Exception as error:  # whatever a new version raises
        return f"{name}, which {file} uses: {error!r} with {versions}"


@pytest.mark.parametrize("name", INSIDE)
def test_it_is_as_the_package_expects(name):
    assert broken(name, INSIDE) is None


def test_what_has_changed_is_named():
    """The negative control."""
    changed = {
        "gone": ("_numba/file.py", lambda: compiler.no_such_name),
        "other": ("_numba/file.py", lambda: False),
    }
    assert all("_numba/file.py" in broken(name, changed) for name in changed)
