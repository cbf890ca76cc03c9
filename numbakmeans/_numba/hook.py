"""The names of `scipy.cluster.vq` inside nopython code: ours, and SciPy's own where it is there.

Numba calls `init` in every program, at its first compilation, as pyproject.toml registers it. So nothing of
weight is imported here: what the functions do is looked up when one of them is met in code to be compiled.
SciPy is never imported; its names are registered when somebody else imports them.
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
#: Functions that have a form for nopython code already.
_registered: set[Callable[..., Any]] = set()

# What SciPy's functions take here: there is no seed, and a generator may come by its place.
_SCIPYS = {
    "kmeans2": lambda data, k, iter=10, thresh=1e-5, minit="random", missing="warn", check_finite=True, rng=None: (  # noqa: E501
        ...
    ),
    "kmeans": lambda obs, k_or_guess, iter=20, thresh=1e-5, check_finite=True, rng=None: ...,
    "vq": lambda obs, code_book, check_finite=True: ...,
    "whiten": lambda obs, check_finite=None: ...,
}


def _register_one(function: Callable[..., Any], taken: inspect.Signature, form: Callable[[], Any]) -> None:
    """Let Numba type a function, and emit code for it, as its `overloads.Form` says, which is got when it is
    met.
    """
    from numba import types
    from numba.core.errors import TypingError
    from numba.core.imputils import lower_builtin
    from numba.core.typing.templates import AbstractTemplate, infer_global, signature

    def plain(kind: Any) -> Any:
        """Numbers are of any value, but strings as they stand."""
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

        # Where None is taken at all, it is the default.
        kinds = {
            name: LeftOut(each.default) if kind == types.none else kind
            for (name, each), kind in zip(taken.parameters.items(), sig.args, strict=True)
        }
        return form().emit(context, builder, sig.return_type, kinds, dict(zip(kinds, args, strict=True)))

    infer_global(function, types.Function(Template))


def _register(module: ModuleType, signatures: dict[str, inspect.Signature], forms: Callable[[], Any]) -> None:
    # First the whole: that waits where another thread imports it just now, which a part does not.
    import numba  # noqa: F401
    from numba.core.registry import cpu_target

    for name, taken in signatures.items():
        function = getattr(module, name)
        if function in _registered:
            continue
        _registered.add(function)
        _register_one(function, taken, functools.partial(lambda name: forms()[name], name))
    # Numba looks for what is new before it compiles a function. One whose code imports us may be under way,
    # but not where Numba has never looked, which takes long at the first time.
    if cpu_target.typing_context._registries:
        cpu_target.typing_context.refresh()


def register(module: ModuleType) -> None:
    """Give the four functions of a module, ours or SciPy's, their form for nopython code."""

    @functools.cache
    def forms() -> Any:
        from numbakmeans._numba import overloads

        return overloads.scipy_forms(module.__name__)

    _register(module, {name: inspect.signature(cast(Any, each)) for name, each in _SCIPYS.items()}, forms)


def register_jit(module: ModuleType, names: list[str]) -> None:
    """Give functions of `numbakmeans.jit` their form for nopython code."""

    @functools.cache
    def forms() -> Any:
        from numbakmeans._numba import overloads

        return overloads.jit_forms(module)

    _register(module, {name: inspect.signature(getattr(module, name)) for name in names}, forms)
    # Numba does that, too, where it knows of us.
    init()


class _Watch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds SciPy's module by way of the other finders, and registers its names once it is loaded."""

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
    """Register SciPy's names, now or when they are imported."""
    ours = sys.modules.get(f"{__name__.removesuffix('._numba.hook')}._scipy")
    if ours is not None:
        register(ours)
    if SCIPY in sys.modules:
        register(sys.modules[SCIPY])
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
