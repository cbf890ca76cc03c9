"""Functions of `scipy.cluster.vq` in nopython code: this package's, and SciPy's own if it is imported.

pyproject.toml registers `init` as an extension of Numba, which calls it in every program at its first
compilation. So nothing expensive is imported here: the implementation of a function is looked up when the
function is first met in code being compiled. SciPy is never imported; its functions are registered when the
program imports it.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

SCIPY = "scipy.cluster.vq"
#: Functions that are registered with Numba already.
_registered: set[Callable[..., Any]] = set()

# Signatures in nopython code: there is no `seed`, and the generator may be passed by position.
_SCIPYS = {
    "kmeans2": lambda data, k, iter=10, thresh=1e-5, minit="random", missing="warn", check_finite=True, rng=None: (  # noqa: E501
        ...
    ),
    "kmeans": lambda obs, k_or_guess, iter=20, thresh=1e-5, check_finite=True, rng=None: ...,
    "vq": lambda obs, code_book, check_finite=True: ...,
    "whiten": lambda obs, check_finite=None: ...,
}


def _register_one(function: Callable[..., Any], taken: inspect.Signature, form: Callable[[], Any]) -> None:
    """Register with Numba how to type calls of a function and emit code for them.

    taken : the signature; form : returns the `overloads.Form`, called when the function is met in code
    """
    from numba import types
    from numba.core.errors import TypingError
    from numba.core.imputils import lower_builtin
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature

    def plain(kind: Any) -> Any:
        """Drop the literal value from the type of a number; keep that of a string."""
        return kind if isinstance(kind, types.StringLiteral) else types.unliteral(kind)

    class Template(AbstractTemplate):
        key = function
        prefer_literal = True

        def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            from numbakmeans._numba.overloads import LeftOut

            try:
                given = taken.bind(*args, **kws).arguments
            except TypeError as error:
                raise TypingError(f"{function.__name__}: {error}") from None
            kinds = {name: plain(kind) for name, kind in given.items()}
            left_out = {
                name: LeftOut(each.default) for name, each in taken.parameters.items() if name not in kinds
            }
            result = form().result(**kinds, **left_out)
            all_kinds = [kinds.get(name, types.none) for name in taken.parameters]
            return signature(result, *all_kinds).replace(pysig=taken)

    @lower_builtin(function, types.VarArg(types.Any))
    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from numbakmeans._numba.overloads import LeftOut

        # Where None is accepted at all, it is the default.
        kinds = {
            name: LeftOut(each.default) if kind == types.none else kind
            for (name, each), kind in zip(taken.parameters.items(), sig.args, strict=True)
        }
        return form().emit(context, builder, sig.return_type, kinds, dict(zip(kinds, args, strict=True)))

    infer_global(function, types.Function(Template))


def _register(module: ModuleType, signatures: dict[str, inspect.Signature], forms: Callable[[], Any]) -> None:
    # The package first: importing it waits for a thread that is importing it now; a submodule would not.
    import numba  # noqa: F401
    from numba.core.registry import cpu_target

    for name, taken in signatures.items():
        function = getattr(module, name)
        if function in _registered:
            continue
        _registered.add(function)
        _register_one(function, taken, functools.partial(lambda name: forms()[name], name))
    # Numba refreshes its registries before it compiles a function. The compilation that led to this import
    # may be past that, so refresh again; unless Numba never has, as the first refresh takes long.
    if cpu_target.typing_context._registries:
        cpu_target.typing_context.refresh()


def register(module: ModuleType) -> None:
    """Register the four functions of a module, this package's or SciPy's, for nopython code."""

    @functools.cache
    def forms() -> Any:
        from numbakmeans._numba.scipy_overloads import scipy_forms

        return scipy_forms(module.__name__)

    _register(module, {name: inspect.signature(cast(Any, each)) for name, each in _SCIPYS.items()}, forms)


def register_jit(module: ModuleType, names: list[str]) -> None:
    """Register functions of `numbakmeans.jit` for nopython code."""

    @functools.cache
    def forms() -> Any:
        from numbakmeans._numba.jit_overloads import jit_forms

        return jit_forms(module)

    _register(module, {name: inspect.signature(getattr(module, name)) for name in names}, forms)
    # Numba does this itself, but only if the entry point of this package is installed.
    init()


class _Watch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds SciPy's module through the other finders, and registers its functions once it is loaded."""

    def __init__(self) -> None:
        self.loader: Any = None
        self.asking = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != SCIPY or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking = False
        if spec is not None and spec.loader is not None:
            self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        sys.meta_path.remove(self)
        module.__spec__.loader = module.__loader__ = self.loader  # type: ignore[union-attr]
        register(module)


def init() -> None:
    """Register SciPy's functions, now or when they are imported."""
    ours = sys.modules.get(f"{__name__.removesuffix('._numba.hook')}._scipy")
    if ours is not None:
        register(ours)
    if SCIPY in sys.modules:
        register(sys.modules[SCIPY])
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
