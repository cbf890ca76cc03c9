"""Where compiled code is kept between processes.

Numba's own cache raises when no folder is writable, mixes up signatures when processes race, trusts
damaged files, and notices neither an edit in another file nor a changed option. This one keeps one
self-contained file for each compiled signature, named by a hash of everything that the machine code
depends on, written to a temporary name and moved into place. Whatever goes wrong with it, the answer
is to compile: it never raises. What went wrong last is kept in `trouble`, for ``numbakmeans info``.

``NUMBAKMEANS_CACHE_DIR`` names another folder, or switches the cache off with ``off``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import platform
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite.binding import parse_bitcode
from numba import types
from numba.core import config, serialize
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

MAGIC = b"numbakmeans compiled code 1\n"
#: Settings of Numba that change what is compiled.
SWITCHES = (
    "OPT",
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "DISABLE_INTEL_SVML",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
)
PACKAGE = Path(__file__).resolve().parent

#: What went wrong last, one line; empty as long as nothing did.
trouble = ""
#: Compiled functions that were stored, and that no folder took.
stored, lost = 0, 0


def package_stamp(package: Path = PACKAGE) -> str:
    """Return a hash of every source file of the package: an edit anywhere makes a new cache."""
    sources = sorted(package.rglob("*.py"))
    if not sources:  # compiled files alone, or a zip: versions could not be told apart
        raise OSError(f"no sources in {package}")
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def folders() -> tuple[Path, ...]:
    """Return the folders to look in, in order; the first writable one is written to; none: no cache."""
    chosen = os.environ.get("NUMBAKMEANS_CACHE_DIR", "")
    if chosen.lower() == "off":
        return ()
    try:
        stamp = package_stamp()
    except OSError as error:  # no sources
        _note(error)
        return ()
    if chosen:
        return (Path(chosen) / stamp,)
    shared = getattr(config, "CACHE_DIR", "")
    if shared:
        return (Path(shared) / "numbakmeans" / stamp,)
    found = [PACKAGE / "__pycache__" / "compiled" / stamp]
    with suppress(RuntimeError):  # no home folder
        found.append(_user_cache() / "numbakmeans" / stamp)
    return tuple(found)


@functools.cache
def _environment() -> tuple[object, ...]:
    """What machine code depends on besides function, options, signature and processor."""
    python = (platform.python_implementation(), *sys.version_info[:3])
    versions = (*python, np.__version__, numba.__version__, llvmlite.__version__)
    return (*versions, *(f"{name}={getattr(config, name, None)}" for name in SWITCHES))


def _note(error: Exception) -> None:
    global trouble
    trouble = f"{type(error).__name__}: {error}".replace("\n", " ")


def _beginning(name: str, dtype: str, codegen: Any) -> str:
    """Return how the names of files begin; dtype : of the kernel's first array."""
    conditions = repr((codegen.magic_tuple(), _environment()))
    return f"{name}-{dtype}-{hashlib.sha256(conditions.encode()).hexdigest()[:8]}"


def holds(name: str, dtype: str) -> bool:
    """Return whether a folder holds code of a kernel for such a first array; it may be damaged."""
    beginning = _beginning(name, dtype, cpu_target.target_context.codegen())
    return any(next(folder.glob(f"{beginning}-*"), None) for folder in folders())


class _StoredLibrary(JITCodeLibrary):
    """Machine code from a file, with its intermediate code, which is read when other code is made of it.

    Numba reads that at once, and then goes through all names in it: for a call from Python, in vain.
    """

    def __init__(self, codegen: Any, state: Any, names: tuple[str, ...]) -> None:
        name, _, (machine_code, self._bitcode) = state
        super().__init__(codegen, name)
        self.enable_object_caching()
        self._set_compiled_object(machine_code)
        self._finalize_final_module()
        codegen._engine._defined_symbols.update(names)

    def _get_module_for_linking(self) -> Any:
        if self._shared_module is None:
            self._shared_module = parse_bitcode(self._bitcode)
        return self._shared_module


class _Loading:
    """What Numba rebuilds a compiled result with: its context, but for the class of the library."""

    def __init__(self, context: Any, names: tuple[str, ...]) -> None:
        self.typing_context, self.get_executable = context.typing_context, context.get_executable
        self.codegen = lambda: self
        self.unserialize_library = lambda state: _StoredLibrary(context.codegen(), state, names)


class _Results(CompileResultCacheImpl):
    """How Numba packs and unpacks a compiled result; ours comes with the names that its code defines."""

    def __init__(self) -> None:
        # Numba's constructor raises where neither the function's folder nor the user's home is writable.
        pass

    def reduce(self, result: Any) -> Any:
        module = result.library._get_module_for_linking()
        symbols = (*module.functions, *module.global_variables)
        return tuple(symbol.name for symbol in symbols if not symbol.is_declaration), super().reduce(result)

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        names, reduced = payload
        result = super().rebuild(_Loading(target_context, names), reduced)
        return result._replace(target_context=target_context)


class CodeCache(_Cache):
    """The cache of one dispatcher, in the form that Numba's dispatchers expect.

    Parameters
    ----------
    py_func : the function compiled
    options : its compiler options, part of the key
    """

    def __init__(self, py_func: Callable[..., Any], options: dict[str, Any]) -> None:
        # Part of file names, which may not hold every character that a qualified name can.
        self._name = py_func.__name__
        self._impl = _Results()
        code = hashlib.sha256(py_func.__code__.co_code).hexdigest()
        # Sets are sorted: their order in one process is not that in another.
        stated = [(name, sorted(v) if isinstance(v, set) else v) for name, v in sorted(options.items())]
        self._identity = (py_func.__module__, py_func.__qualname__, code, stated)
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        return str(folders()[0]) if folders() else None

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        for folder in folders():
            for path in folder.glob(f"{self._name}-*"):
                path.unlink(missing_ok=True)

    def _key(self, sig: Any, codegen: Any) -> tuple[str, str]:
        key = repr((self._identity, str(sig), codegen.magic_tuple(), _environment()))
        dtypes = (str(kind.dtype) for kind in getattr(sig, "args", sig) if isinstance(kind, types.Array))
        beginning = _beginning(self._name, next(dtypes, "any"), codegen)
        return key, f"{beginning}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled result of this signature, or None where no sound entry holds it."""
        if not self._enabled or not folders():
            return None
        # All that loaded code calls: Numba's own cache refreshes the context, which takes longer than all the
        # rest of a call, as the implementations of everything are imported that code could be compiled of.
        rtsys.initialize(target_context)
        key, name = self._key(sig, target_context.codegen())
        for folder in folders():
            try:
                content = (folder / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                _note(error)
                continue
            try:
                return self._rebuild(content, key, sig, target_context)
            # An unusable entry can fail in any way that unpickling and linking can; compiling is
            # always right, and the new entry takes the place of the old.
            except Exception as error:
                _note(error)
        return None

    def _rebuild(self, content: bytes, key: str, sig: Any, target_context: Any) -> Any:
        digest, body = content[len(MAGIC) :][:32], content[len(MAGIC) + 32 :]
        if not content.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
            raise ValueError(f"damaged cache entry of {self._name}")
        stored_key, payload = pickle.loads(body)
        if stored_key != key:
            raise ValueError(f"foreign cache entry of {self._name}")
        result = self._impl.rebuild(target_context, pickle.loads(payload))
        if tuple(result.signature.args) != tuple(getattr(sig, "args", sig)):
            raise ValueError(f"cache entry of {self._name} for another signature")
        # Numba forgets that who is made of this code has to start threads, too: a user's function that was,
        # loaded from the user's cache, called what nobody had started.
        result.library._reload_init.update(result.reload_init)
        return result

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled result in the first folder that takes it."""
        global stored, lost
        if not self._enabled or not folders() or data.library.has_dynamic_globals:
            return
        key, name = self._key(sig, data.codegen)
        body = pickle.dumps((key, serialize.dumps(self._impl.reduce(data))))
        content = MAGIC + hashlib.sha256(body).digest() + body
        for folder in folders():
            try:
                if not folder.exists():
                    _remove_others(folder)
                _write_whole(folder / name, content)
                stored += 1
                return
            except OSError as error:
                _note(error)
        lost += 1


def _remove_others(folder: Path) -> None:
    """Remove what earlier states of this very installation compiled; a user's folder serves several."""
    if PACKAGE in folder.parents and folder.parent.is_dir():
        for other in folder.parent.iterdir():
            shutil.rmtree(other, ignore_errors=True)


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: only the user who filled the cache of an image could read it.
    temporary = path.parent / f".{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        # There only if something came between, a full disk or Ctrl-C.
        temporary.unlink(missing_ok=True)
