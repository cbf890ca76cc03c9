"""Safety at run time: kernels called from several Python threads, processes that fork, Ctrl-C.

What can go wrong depends on Numba's threading layer, which Numba chooses for the whole process:

workqueue
    Two Python threads in parallel kernels at once abort the process, so kernels run one at a time.
omp
    A forked child is aborted at its first parallel kernel (GNU OpenMP), so it runs on one thread.
tbb
    A child forked while other threads exist may hang, so it runs on one thread as well.

Under all of them a fork waits until no other thread is compiling, loading code or choosing the layer (and,
under workqueue, until no kernel is running); otherwise the child would inherit a lock whose owner it does not
have. One thread gives the same bits, so none of this is visible in a result. The number of threads belongs to
the caller: it is read, and never set.

Ctrl-C is handled between kernels and after the compilation of one, never during compilation. Many would be
lost there, as an exception in an LLVM callback, or while one of Numba's types is being finalized, is printed
and dropped; and some would crash the process, as a module that LLVM has taken over, but llvmlite still lists
as its own, is freed twice.

Numba is imported only when threads are needed.
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
    """State of this process.

    one_at_a_time : whether kernels must take turns; None until the threading layer is chosen
    serial : whether this is a forked child that runs on one thread
    handler : the handler that a SIGINT during compilation is deferred to
    interrupted : whether a deferred SIGINT is pending
    """

    one_at_a_time: bool | None = None
    serial = False
    handler: Callable[[int, FrameType | None], Any]
    interrupted = False


_held: list[Any] = []
_other_threads = False


@functools.cache
def _numba_parallel() -> Any:
    with bind_lock:  # a fork during the import would leave the child with half a module
        # The package first: importing it waits for a thread that is doing so now; a submodule would not.
        import numba  # noqa: F401
        from numba.np.ufunc import parallel

    return parallel


def kernel_lock() -> Any:
    """Return the lock that serializes kernels under workqueue, shared by all copies of this package."""
    return vars(_numba_parallel()).setdefault("_numbakmeans_kernel_lock", threading.RLock())


def fork_locks() -> tuple[Any, ...]:
    """Return the locks that a fork must hold, in the order in which threads acquire them."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    compiling = sys.modules.get("numba.core.compiler_lock")
    first = (kernel_lock(),) if parallel else ()
    last = (parallel._backend_init_thread_lock,) if parallel else ()
    return (*first, bind_lock, *((compiling.global_compiler_lock,) if compiling else ()), *last)


def layer() -> str | None:
    """Return the name of Numba's threading layer, None until it is chosen."""
    try:
        return str(_numba_parallel().threading_layer())
    except ValueError:
        return None


def start_threads() -> None:
    """Let Numba choose its threading layer, and register the symbols that the parallel loop needs."""
    parallel = _numba_parallel()
    with bind_lock:
        from numba.core.registry import cpu_target
        from numba.core.runtime.nrt import rtsys

        # This compiles a few functions of Numba's own.
        keeps_interrupts(rtsys.initialize)(cpu_target.target_context)
    parallel._launch_threads()


_here = threading.local()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep the kernels of this Python thread on one thread: it may be inside a parallel loop of the user."""
    before = getattr(_here, "alone", False)
    _here.alone = True
    try:
        yield
    finally:
        _here.alone = before


def threads() -> int:
    """Return the number of threads that a parallel kernel would use now."""
    if _State.serial or getattr(_here, "alone", False):
        return 1
    return int(_numba_parallel().get_num_threads())


def run(threaded: Callable[[], int], kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Call a driver with the multithreaded executor, or the serial one where threads cannot be used.

    threaded : returns the executor
    """
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
        # While this thread waited, another one imported a module with further locks.
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
    """Return `compile` wrapped so that a SIGINT is deferred until the outermost compilation is done."""
    return functools.partial(_keeping_interrupts, compile)


def _keeping_interrupts(compile: Callable[..., Any], *arguments: Any) -> Any:
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread receives signals, and only it may change the handler.
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
