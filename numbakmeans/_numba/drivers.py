"""Drivers: kernels that Python calls to run their tasks in parallel, or on one thread.

A driver's first argument is an executor (`parallel`): the address of the multithreaded loop over tasks, or
`SERIAL_LOOP`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numbakmeans._numba import runtime
from numbakmeans._numba.entries import DISABLED, ROOT, Entry, bind_lock

__all__ = ["SERIAL_LOOP", "Driver", "threaded"]

#: The executor that runs all tasks on the calling thread.
SERIAL_LOOP = 0
#: The multithreaded executor, once it is loaded.
_loops: list[int] = []


def threaded() -> int:
    """Return the executor that runs tasks in parallel, compiled or loaded at the first call."""
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
    """A kernel whose first argument is an executor; `on` supplies it."""

    def on(self, parallel: bool) -> Callable[..., Any]:
        """Return the function to call: in parallel, as far as that is safe at the time, or on one thread."""
        if parallel:
            return functools.partial(runtime.run, threaded, self)
        return functools.partial(self, SERIAL_LOOP)
