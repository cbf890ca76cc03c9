"""``numbakmeans info``: what a bug report needs, with the state of the code cache."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from numbakmeans import __version__
from numbakmeans._cli.console import count, say


def run(_arguments: argparse.Namespace) -> None:
    import llvmlite
    import llvmlite.binding
    import numba
    import numpy as np

    from numbakmeans._numba import cache as _cache

    # First: it says whether the cache works.
    layer, n_threads = _threading()
    lines = [
        f"numbakmeans      {__version__}",
        f"python           {platform.python_version()} ({platform.python_implementation()}, {sys.platform})",
        f"numpy            {np.__version__}",
        f"numba            {numba.__version__}",
        f"llvmlite         {llvmlite.__version__}",
        f"threading layer  {layer}",
        f"threads          {n_threads}",
        f"processor        {llvmlite.binding.get_host_cpu_name()}",
    ]
    lines += cache_lines()
    lines.append(f"cache state      {_state()}")
    lines.append(f"cache trouble    {_cache.trouble or 'none'}")
    say("\n".join(lines) + "\n")


def _threading() -> tuple[str, str]:
    """Return the name of Numba's threading layer and how many threads it has, or why there is none."""
    import numpy as np

    from numbakmeans._engine.distances import ROOTS
    from numbakmeans._numba.runtime import layer, threads

    try:
        # Numba chooses the layer when the first parallel function runs.
        ROOTS.on(True)(np.ones(2), 2, np.empty(2, np.float32))
        return str(layer()), str(threads())
    except ValueError as error:
        return "none: " + " ".join(str(error).split()), "none"


def _state() -> str:
    """Return what became of the code that this process needed."""
    from numbakmeans._numba import cache as _cache

    if not _cache.folders():
        return "compiled code is not kept"
    counts = (_cache.loaded, "loaded"), (_cache.stored, "stored"), (_cache.lost, "could not be kept")
    return "of this command's code: " + ", ".join(f"{number} {what}" for number, what in counts)


def cache_lines() -> list[str]:
    """Return the folders of the code cache and what they hold."""
    from numbakmeans._numba import cache as _cache

    folders = [f"{folder}: {_entries(folder)}" for folder in _cache.folders()]
    return [f"code cache       {line}" for line in folders or ["off"]]


def _entries(folder: Path) -> str:
    """Return how much compiled code a folder holds, or why it is left alone."""
    from numbakmeans._numba import cache as _cache

    try:
        # What starts with a dot is being written just now.
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        n_bytes = sum(path.stat().st_size for path in files)
        n_unsafe = sum(not _cache.may_be_loaded(path) for path in files)
        _cache.require_own_folder(folder)
    except FileNotFoundError:
        return "not there"
    except PermissionError as error:
        return f"not used ({error.strerror or error})"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    unsafe = f", {n_unsafe} of them not used, as other users could write to them" if n_unsafe else ""
    return f"{count(len(files), 'compiled function')}, {n_bytes / 1e6:.1f} MB{unsafe}"
