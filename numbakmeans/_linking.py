"""Kernels that kernels call are compiled once, as parts of these.

Numba makes machine code of every function that it compiles, and of all that it calls, too: what is called by
way of five others is optimised six times. Here a kernel that another one calls, a part, is only brought to
LLVM's intermediate code. The kernel that is called from elsewhere, from Python or from a user's function,
is made of its parts, optimised as a whole, and cached. That halves the time that first calls take.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba.core import compiler, event, sigutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock

#: The kernels under way, the one that is called from elsewhere first; only changed under the compiler's lock.
_under_way: list[Any] = []


class _PartLibrary(JITCodeLibrary):
    """The code of a part, and of its own parts, before it is optimised."""

    def _optimize_final_module(self) -> None:
        """Leave that to the kernel that this is a part of."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _PartEntry:
    """What Numba knows a part by, in place of something to call."""


def _compile_part(dispatcher: Any, arguments: tuple[Any, ...], result: Any) -> _PartEntry:
    context = dispatcher.targetctx
    flags: Any = compiler.Flags()
    dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    library = _PartLibrary(context.codegen(), dispatcher.py_func.__qualname__)
    details = {"dispatcher": dispatcher, "args": arguments, "return_type": result}
    with event.trigger_event("numba:compile", data=details):
        compiled = compiler.compile_extra(
            dispatcher.typingctx,
            context,
            dispatcher.py_func,
            arguments,
            result,
            flags,
            dispatcher.locals,
            library=library,
        )
    entry = _PartEntry()
    context.insert_user_function(entry, compiled.fndesc, [library])
    dispatcher.overloads[arguments] = compiled._replace(entry_point=entry)
    return entry


def part_compiler(dispatcher: Any) -> Callable[[Any], Any]:
    """Return what compiles a function for a signature as a part, whoever it is for."""

    def compile(signature: Any) -> Any:
        with global_compiler_lock:
            arguments, result = sigutils.normalize_signature(signature)
            known = dispatcher.overloads.get(arguments)
            return known.entry_point if known else _compile_part(dispatcher, arguments, result)

    return compile


def compiles_parts(dispatcher: Any) -> Callable[[Any], Any]:
    """Return what compiles a kernel for a signature: as a part, if it is for another kernel."""
    whole, as_part = dispatcher.compile, part_compiler(dispatcher)

    @functools.wraps(whole)
    def compile(signature: Any) -> Any:
        with global_compiler_lock:
            if _under_way:
                return as_part(signature)
            arguments, _ = sigutils.normalize_signature(signature)
            known = dispatcher.overloads.get(arguments)
            if known and isinstance(known.entry_point, _PartEntry):
                # Those that it is a part of have their copy.
                del dispatcher.overloads[arguments]
            _under_way.append(dispatcher)
            try:
                return whole(signature)
            finally:
                _under_way.pop()

    return compile
