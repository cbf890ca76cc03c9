"""Safety at run time: kernels called from several Python threads, processes that fork, Ctrl-C.

What can go wrong is a matter of Numba's threading layer, which Numba chooses for the whole process:

workqueue
    Two Python threads in parallel kernels at once end the process: kernels run one at a time.
omp
    A forked child is ended at its first parallel kernel (GNU OpenMP): it runs on one thread.
tbb
    A child forked while other threads live may wait for ever: it runs on one thread, too.

Under each of them a fork waits until no other thread is compiling, loading code or choosing the layer (and,
under workqueue, until no kernel runs): the child would find a lock held by a thread that it does not have.
One thread gives the same bits, so that none of this shows in a result. The number of threads is the
caller's: it is read, and never set.

Ctrl-C is answered between two kernels, and after the compilation of one. In the midst of that, many would be
lost, as what is raised in a callback of LLVM, or while a type of Numba is disposed of, is printed and
forgotten; and some would end the process: a module that LLVM has taken over, but llvmlite not yet crossed
off, is freed twice.

Numba is imported where threads are wanted, not before.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from numbakmeans._numba.entries import bind_lock


class _State:
    """What is known of this process.

    one_at_a_time : must kernels take turns? None: the layer is not chosen yet
    serial : is this process a forked child that runs on one thread?
    handler : whom a SIGINT is meant for while a function is compiled
    interrupted : does one wait?
    """

    one_at_a_time: bool | None = None
    serial = False
    handler: Callable[[int, FrameType | None], Any]
    interrupted = False


_held: list[Any] = []
_other_threads = False


@functools.cache
def _numba_parallel() -> Any:
    with bind_lock:  # a fork in the middle would leave the child with half a module
        # First the whole: that waits where another thread imports it just now, which a part does not.
        import numba  # noqa: F401
        from numba.np.ufunc import parallel

    return parallel


def kernel_lock() -> Any:
    """Return the lock of kernels under workqueue: one for all copies of this package in the process."""
    return vars(_numba_parallel()).setdefault("_numbakmeans_kernel_lock", threading.RLock())


def fork_locks() -> tuple[Any, ...]:
    """Return what a fork waits for, in the order in which threads take them."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    compiling = sys.modules.get("numba.core.compiler_lock")
    first = (kernel_lock(),) if parallel else ()
    last = (parallel._backend_init_thread_lock,) if parallel else ()
    return (*first, bind_lock, *((compiling.global_compiler_lock,) if compiling else ()), *last)


def layer() -> str | None:
    """Return the name of Numba's threading layer, None as long as it is not chosen."""
    try:
        return str(_numba_parallel().threading_layer())
    except ValueError:
        return None


def start_threads() -> None:
    """Let Numba choose its threading layer, and register what a loaded parallel loop refers to."""
    parallel = _numba_parallel()
    with bind_lock:
        from numba.core.registry import cpu_target
        from numba.core.runtime.nrt import rtsys

        # It compiles a few functions of its own.
        keeps_interrupts(rtsys.initialize)(cpu_target.target_context)
    parallel._launch_threads()


_here = threading.local()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let this Python thread's kernels use no other: it may run inside of somebody's parallel loop."""
    before = getattr(_here, "alone", False)
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = before


def threads() -> int:
    """Return how many threads a parallel kernel would use now."""
    if _State.serial or getattr(_here, "alone", False):
        return 1
    return int(_numba_parallel().get_num_threads())


def run(threaded: Callable[[], int], kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Call a kernel with the loop that uses threads, or with none where this process cannot run them."""
    if _State.serial:
        return kernel(0, *arguments)
    if _State.one_at_a_time is None:
        start_threads()
        _State.one_at_a_time = layer() == "workqueue"
    if _State.one_at_a_time:
        with kernel_lock():
            return kernel(threaded(), *arguments)
    return kernel(threaded(), *arguments)


def _before_fork() -> None:
    global _other_threads
    while True:
        locks = fork_locks()
        for lock in locks:
            lock.acquire()
            _held.append(lock)
        if fork_locks() == locks:
            break
        # While we waited, another thread has imported what has further locks.
        _after_fork_in_parent()
    _other_threads = threading.active_count() > 1


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _after_fork_in_parent()
    unusable = {"omp": True, "tbb": _other_threads}
    chosen = layer() if "numba.np.ufunc.parallel" in sys.modules else None
    _State.serial = _State.serial or unusable.get(chosen or "", False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def keeps_interrupts(compile: Callable[..., Any]) -> Callable[..., Any]:
    """Let a SIGINT that arrives while a kernel is compiled wait until it is, or one that it calls."""
    return functools.partial(_keeping_interrupts, compile)


def _keeping_interrupts(compile: Callable[..., Any], *arguments: Any) -> Any:
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread is interrupted, and only it may change the handler.
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        return compile(*arguments)
    outermost = handler is not _keep
    try:
        if outermost:
            _State.handler = handler
            signal.signal(signal.SIGINT, _keep)
        return compile(*arguments)
    finally:
        if outermost:
            signal.signal(signal.SIGINT, handler)
        if _State.interrupted:
            _State.interrupted = False
            _State.handler(signal.SIGINT, sys._getframe())


def _keep(_number: int, _frame: FrameType | None) -> None:
    _State.interrupted = True
