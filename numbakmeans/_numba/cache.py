"""The cache of compiled code on disk.

There is one file for each entry and combination of argument kinds, named by hashes of everything that its
machine code depends on: the sources of the kernel's module and of every module of this package that it
imports, the kinds, the processor, and Numba's version and settings. An edit elsewhere leaves it valid, and
code with other constants or options is never mistaken for it, as those are in the hashed sources.

Files are written whole, under a temporary name, and moved into place. They are code: a file is loaded, and a
folder written to, only if nobody could have put code there but the current user, root, and the owner of this
package, whose code runs anyway. On any failure the code is compiled instead: nothing here raises. The last
failure is kept in `trouble`, for ``numbakmeans info``.

``NUMBAKMEANS_CACHE_DIR`` names another folder, or disables the cache with ``off``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import pickle
import platform
import re
import secrets
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from numbakmeans._numba.entries import BEGAN, ROOT, Code, Kinds

MAGIC = b"numbakmeans compiled code 2\n"
PACKAGE = Path(__file__).resolve().parent.parent
#: Modules that every kernel depends on, besides those that its own module imports.
COMPILING = (f"{ROOT}._numba.compiler", f"{ROOT}._numba.parallel")
#: Settings of Numba that affect the compiled code, and their defaults. The first two state a processor.
SWITCHES = {
    "CPU_NAME": "None",
    "CPU_FEATURES": "None",
    "OPT": "3",
    "BOUNDSCHECK": "None",
    "LOOP_VECTORIZE": "1",
    "SLP_VECTORIZE": "0",
}
#: Processors on which Numba disables AVX by default.
WITHOUT_AVX = {"corei7-avx", "core-avx-i", "sandybridge", "ivybridge", "nocona"}

#: The last failure, on one line; empty if there was none.
trouble = ""
#: Number of entries that were loaded, that were stored, and that could not be stored in any folder.
loaded, stored, lost = 0, 0, 0
#: Held while a file is written.
writing = threading.Lock()
#: Called with the key of an entry that is in no folder; its exceptions propagate from `load` (`_cli.warmup`).
missing: Callable[[str], None] | None = None

#: The module and the settings of each entry that was requested, by key.
_made_for: dict[str, tuple[str, tuple[str, ...]]] = {}


def _note(error: Exception) -> None:
    global trouble
    trouble = f"{type(error).__name__}: {error}".replace("\n", " ")


# --- What machine code depends on

#: An import from this package; its names, if in parentheses, may span several lines.
_IMPORT = re.compile(
    rb"^\s*(?:from (%b[\w.]*) import (\([^)]*\)|[^#\n]*)|import (%b[\w.]*))"
    % ((re.escape(ROOT.encode()),) * 2),
    re.MULTILINE,
)


@functools.cache
def _home_of(module: str) -> Path | None:
    """Return the file of a module of this package or of a loaded one; None if there is no source."""
    # Not through the import system, which would import the parent package, and Numba with it.
    if module.startswith(f"{ROOT}."):
        place = PACKAGE.joinpath(*module.removeprefix(f"{ROOT}.").split("."))
        files = [place / "__init__.py", place.with_name(f"{place.name}.py")]
    else:
        files = [Path(getattr(sys.modules.get(module), "__file__", None) or "nowhere")]
    return next((file for file in files if file.suffix == ".py" and file.is_file()), None)


def _path_of(module: str) -> Path:
    home = _home_of(module)
    if home is None:
        raise OSError(f"no source of {module}")
    return home


@functools.cache
def _source_of(module: str) -> bytes:
    return _path_of(module).read_bytes()


@functools.cache
def sources_of(module: str) -> frozenset[str]:
    """Return the names of a module and of all modules of this package that its code depends on."""
    found: set[str] = set()
    wanted = [module, *COMPILING]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found.add(name)
        for package, names, plain in _IMPORT.findall(_source_of(name)):
            base = (package or plain).decode()
            if base == ROOT:
                base = ""  # `__init__` contributes nothing to compiled code
            else:
                wanted.append(base)
            for part in re.findall(r"(\w+)(?:\s+as\s+\w+)?", re.sub(rb"#[^\n]*", b"", names).decode()):
                inner = f"{base or ROOT}.{part}"
                if _home_of(inner):
                    wanted.append(inner)
    return frozenset(found)


@functools.cache
def stamp_of(module: str) -> str:
    """Return a hash of all sources that the kernels of a module depend on."""
    digest = hashlib.sha256()
    for name in sorted(sources_of(module)):
        digest.update(f"{name}\0".encode() + hashlib.sha256(_source_of(name)).digest())
    return digest.hexdigest()


@functools.cache
def _machine() -> tuple[object, ...]:
    """Return what machine code depends on besides sources, kinds and settings."""
    # A free-threaded Python of the same version has larger object headers.
    python = (*sys.version_info[:2], object.__basicsize__)
    versions = (importlib.metadata.version("numba"), llvmlite.__version__)
    return (*python, *versions, platform.machine(), llvm.get_default_triple())


@functools.cache
def _processor() -> tuple[str, str]:
    """Return what machine code depends on if Numba's settings do not state a processor and its features."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _config() -> Any:
    """Return Numba's settings; None if Numba is not imported, so that the environment decides."""
    if sys.modules.get("numba") is None and not Path(".numba_config.yaml").is_file():
        return None
    import numba  # waits for a thread that is importing it now

    return numba.config


def _settings() -> tuple[str, ...]:
    """Return Numba's settings as strings, from its configuration if it is imported, else the environment.

    Where they do not state a processor and its features, those of this machine follow.
    """
    config = _config()
    if config is None:
        texts = [_stated(name, unless) for name, unless in SWITCHES.items()]
    else:
        found = (getattr(config, name, unless) for name, unless in SWITCHES.items())
        # The optimization level is an object that holds its original string.
        texts = [str(getattr(value, "_raw_value", value)) for value in found]
    if "None" not in texts[:2]:
        return tuple(texts)
    name, features = _processor()
    avx = name not in WITHOUT_AVX
    if config is None:
        stated = os.environ.get("NUMBA_ENABLE_AVX", "")
        avx = stated != "0" if stated else avx
    else:
        avx = getattr(config, "ENABLE_AVX", avx)
    return (*texts, "AVX" if avx else "no AVX", name, features)


def _stated(name: str, unless: str) -> str:
    """Return a setting from the environment, as Numba reads it."""
    if name == "CPU_FEATURES" and os.environ.get("NUMBA_CPU_NAME", "").lower() == "generic":
        unless = ""
    stated = os.environ.get(f"NUMBA_{name}", unless)
    # An empty text is one; an empty number is Numba's default.
    return stated if stated or name.startswith("CPU_") else unless


def key_of(module: str, name: str, kinds: Kinds) -> str | None:
    """Return the file name of an entry; None if there is no cache."""
    if not folders():
        return None
    try:
        stamp, settings = stamp_of(module), _settings()
        identity = repr((module, name, [_told(kind) for kind in kinds], stamp, _machine(), settings))
    except Exception as error:  # no sources, no package metadata, or an unusual import hook
        _note(error)
        return None
    home = module.removeprefix(f"{ROOT}.")
    key = f"{home}.{name}-{stamp[:16]}-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
    _made_for[key] = module, settings
    return key


def _told(kind: Any) -> Any:
    """Return a kind in a form whose `repr` is the same in every process."""
    if isinstance(kind, tuple) and kind and isinstance(kind[0], type):
        of_class = kind[0]
        names = (of_class.__module__, of_class.__qualname__, getattr(of_class, "_fields", None))
        return (*names, *map(_told, kind[1:]))
    return kind


def _require_unchanged(key: str) -> None:
    """Raise OSError if code may have been compiled from other sources or settings than its key says.

    A module has the content of its file at import, which may have been at any time since this process began.
    """
    module, settings = _made_for[key]
    for name in sources_of(module):
        status = _path_of(name).stat()
        if max(status.st_mtime, status.st_ctime) > BEGAN:
            raise OSError(f"{name} has changed since this process began: compiled code is not cached")
    if _settings() != settings:
        raise OSError("Numba's settings have changed while a function was compiled: its code is not kept")


def asked_for() -> Iterable[str]:
    """Return the keys of all entries that were requested."""
    return _made_for.keys()


# --- Folders


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _numba_cache_dir() -> str:
    config = _config()
    return os.environ.get("NUMBA_CACHE_DIR", "") or getattr(config, "CACHE_DIR", "")


@functools.cache
def folders() -> tuple[Path, ...]:
    """Return the folders to search, in order; entries are stored in the first that accepts them."""
    chosen = os.environ.get("NUMBAKMEANS_CACHE_DIR", "")
    if chosen.lower() == "off":
        return ()
    if chosen:
        return (Path(chosen),)
    shared = _numba_cache_dir()
    if shared:
        return (Path(shared) / "numbakmeans",)
    found = [PACKAGE / "__pycache__" / "compiled"]
    with suppress(RuntimeError):  # no home folder
        found.append(_user_cache() / "numbakmeans")
    return tuple(found)


def _is_inside(folder: Path) -> bool:
    """Return whether a folder is inside this package."""
    return folder.resolve().is_relative_to(PACKAGE)


@functools.cache
def _trusted() -> tuple[int, ...]:
    """Return the users whose code runs anyway: root, the current user, and the owner of this file."""
    return 0, os.geteuid(), Path(__file__).stat().st_uid


def _others_could_write(status: os.stat_result, sticky_serves: bool = False) -> bool:
    if not hasattr(os, "geteuid"):
        return False
    if status.st_uid not in _trusted():
        return True
    guarded = sticky_serves and status.st_mode & stat.S_ISVTX
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) and not guarded


@functools.cache
def require_own_folder(folder: Path) -> None:
    """Raise PermissionError if other users could write to a folder, or replace it."""
    resolved = folder.resolve()
    # A user who can replace a parent of a folder in the package can replace the sources as well.
    above = () if _is_inside(resolved) else resolved.parents
    for place in (resolved, *above):
        if _others_could_write(place.stat(), sticky_serves=place != resolved):
            raise PermissionError(f"{place} is writable by other users: {folder} is not used")


def may_be_loaded(path: Path) -> bool:
    """Return whether no other user could have written a file."""
    return not _others_could_write(path.stat())


def _read(path: Path) -> bytes:
    """Return the content of a file; PermissionError if another user could have written it."""
    with path.open("rb") as file:
        if _others_could_write(os.fstat(file.fileno())):
            raise PermissionError(f"{path} is writable by other users: not loaded")
        return file.read()


# --- Files


def load(key: str) -> Code | None:
    """Return the machine code of an entry, or None if there is no valid file."""
    global loaded
    for folder in folders():
        try:
            content = _read(folder / key)
            require_own_folder(folder)
            digest, body = content[len(MAGIC) :][:32], content[len(MAGIC) + 32 :]
            if not content.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
                raise ValueError(f"damaged cache entry {key}")
            stored_key, object_file, symbol, results = pickle.loads(body)
            if stored_key != key:
                raise ValueError(f"foreign cache entry {key}")
            loaded += 1
            return Code(object_file, symbol, results)
        except FileNotFoundError:
            continue
        # A bad file can fail in any way that reading and unpickling can. Compiling is always correct, and the
        # new file replaces the bad one.
        except Exception as error:
            _note(error)
    if missing is not None:
        missing(key)
    return None


def store(key: str, code: Code) -> None:
    """Store the machine code of an entry in the first folder that accepts it."""
    global stored, lost
    try:
        _require_unchanged(key)
        body = pickle.dumps((key, *code))
    except Exception as error:
        _note(error)
        lost += 1
        return
    content = MAGIC + hashlib.sha256(body).digest() + body
    for folder in folders():
        try:
            _make_folder(folder)
            require_own_folder(folder)
            _write_whole(folder / key, content)
            stored += 1
            if _is_inside(folder):
                _tidy(folder)
            return
        except Exception as error:
            _note(error)
    lost += 1


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents, not writable by other users whatever the umask."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):  # another process was faster, or it is a file: then writing fails
        folder.mkdir(0o755)


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically, not writable by other users."""
    # Not tempfile, whose files only their owner can read: the cache of an image serves all users.
    temporary = path.parent / f".{secrets.token_hex(8)}"
    with writing:
        try:
            with temporary.open("xb") as file:
                if hasattr(os, "fchmod"):
                    os.fchmod(file.fileno(), 0o644)
                file.write(content)
            temporary.replace(path)
        finally:
            # It still exists only after a failure, such as a full disk, or Ctrl-C.
            temporary.unlink(missing_ok=True)


@functools.cache
def _tidy(folder: Path) -> None:
    """Remove entries that earlier versions of the sources left in the package's own folder.

    A process that still runs such a version compiles again what it misses.
    """
    for path in folder.iterdir():
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith(".") and _is_left_over(path.name):
                path.unlink()


def _is_left_over(key: str) -> bool:
    kernel, _, rest = key.partition("-")
    home, _, _ = kernel.rpartition(".")
    if home and not home.startswith("_"):
        return False  # of a test, whose sources are not part of this package
    module = f"{ROOT}.{home}"
    return not home or not _home_of(module) or rest.partition("-")[0] != stamp_of(module)[:16]
