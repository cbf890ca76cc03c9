"""Kernels that share out their work: what Python calls, with threads or without.

A driver's first argument is a loop (`parallel`): the address of the one that uses threads, or `SERIAL_LOOP`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numbakmeans._numba import runtime
from numbakmeans._numba.entries import DISABLED, ROOT, Entry, bind_lock

__all__ = ["SERIAL_LOOP", "Driver", "threaded"]

#: The loop of a driver that shall use one thread.
SERIAL_LOOP = 0
#: The other one, once it is there.
_loops: list[int] = []


def threaded() -> int:
    """Return the loop that shares slots out to threads, compiled or loaded at the first call."""
    if DISABLED:
        return SERIAL_LOOP
    if not _loops:
        runtime.start_threads()
        with bind_lock:
            if not _loops:
                _loops.append(_load_loop())
    return _loops[0]


def _load_loop() -> int:
    from numbakmeans._numba import cache, loader

    key = cache.key_of(f"{ROOT}._numba.parallel", "run_tasks", (runtime.layer(),))
    code = key and cache.load(key)
    if not code:
        from numbakmeans._numba import parallel

        code = runtime.keeps_interrupts(parallel.compile_loop)()
        if key:
            cache.store(key, code)
    return loader.address_of(code.object_file, code.symbol)


class Driver(Entry):
    """A kernel whose first argument is a loop, the others being those of `on`."""

    def on(self, parallel: bool) -> Callable[..., Any]:
        """Return what to call: with threads, as far as they are safe at that moment, or on one."""
        if parallel:
            return functools.partial(runtime.run, threaded, self)
        return functools.partial(self, SERIAL_LOOP)
