"""The names of `scipy.cluster.vq` inside nopython code: ours, and SciPy's own where it is there.

Numba calls `init` in every program, at its first compilation, as pyproject.toml registers it. So nothing of
weight is imported here: what the functions do is looked up when one of them is met in code to be compiled.
SciPy is never imported; its names are registered when somebody else imports them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

SCIPY = "scipy.cluster.vq"
#: Functions that have a form for nopython code already.
_registered: set[Callable[..., Any]] = set()


def kmeans2_of(module: ModuleType) -> Callable[..., Any]:
    """Return the form of a module's kmeans2, which raises that module's error."""

    def kmeans2(
        data: Any,
        k: Any,
        iter: Any = 10,
        thresh: Any = 1e-5,
        minit: Any = "random",
        missing: Any = "warn",
        check_finite: Any = True,
        rng: Any = None,
    ) -> Any:
        from numbakmeans import _overloads

        error = module.ClusterError
        return _overloads.kmeans2(data, k, iter, thresh, minit, missing, check_finite, rng, error)

    return kmeans2


def kmeans(
    obs: Any, k_or_guess: Any, iter: Any = 20, thresh: Any = 1e-5, check_finite: Any = True, rng: Any = None
) -> Any:
    from numbakmeans import _overloads

    return _overloads.kmeans(obs, k_or_guess, iter, thresh, check_finite, rng)


def vq(obs: Any, code_book: Any, check_finite: Any = True) -> Any:
    from numbakmeans import _overloads

    return _overloads.vq(obs, code_book, check_finite)


def whiten(obs: Any, check_finite: Any = None) -> Any:
    from numbakmeans import _overloads

    return _overloads.whiten(obs, check_finite)


class _InParts:
    """What differs from the templates of `numba.extending.overload`, of which this is a mixin."""

    def _get_jit_decorator(self) -> Callable[..., Any]:
        """Compile implementations as parts of their callers, which are optimised as a whole anyway."""
        from numbakmeans import _jit

        return lambda **_: _jit.part

    def generic(self, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Look for an implementation for numbers of any value, but for strings as they stand in the code."""
        from numba import types

        def plain(kind: Any) -> Any:
            return kind if isinstance(kind, types.StringLiteral) else types.unliteral(kind)

        kws = {name: plain(kind) for name, kind in kws.items()}
        return super().generic(tuple(map(plain, args)), kws)  # type: ignore[misc]


def register(module: ModuleType) -> None:
    """Give the four functions of a module their form for nopython code."""
    from numba import types
    from numba.core.registry import cpu_target
    from numba.core.typing.templates import infer, infer_global, make_overload_template

    for ours in (kmeans2_of(module), kmeans, vq, whiten):
        function = getattr(module, ours.__name__)
        if function not in _registered:
            _registered.add(function)
            # Not strict: that compares annotations, which the implementations have none of.
            template = make_overload_template(function, ours, {}, False, "never", prefer_literal=True)
            template = type(template.__name__, (_InParts, template), {})
            infer(template)
            infer_global(function, types.Function(template))
    # Numba looks for what is new before it compiles a function. One whose code imports us may be under way,
    # but not where Numba has never looked, which takes long at the first time.
    if cpu_target.typing_context._registries:
        cpu_target.typing_context.refresh()


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
    if SCIPY in sys.modules:
        register(sys.modules[SCIPY])
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())
