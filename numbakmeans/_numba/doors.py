"""Calls from a user's compiled code: by an address that is resolved at the first call, or through Python.

A user's function contains a few instructions, and none of this package's code: it writes its arguments into
words, and calls a kernel whose address is held by a private variable of its module. The variable starts as 0,
even if Numba loads the function from a cache in a process that has never imported this package: then the code
takes the GIL, imports this module by name, and calls `resolve`. Calls that the kernel declines
(`status.DECLINED`), such as large problems, and doors without a kernel go to `answer`, in Python.

Code compiled with an earlier version calls the same three functions (`resolve`, `answer`, `run`), with the
layout of its words as the first argument. So their signatures must never change; they refuse other layouts.
"""

from __future__ import annotations

import _thread
import importlib
import signal
import sys
import threading
import time
import traceback
from types import FrameType
from typing import Any, NamedTuple

from numbakmeans._numba.entries import DISABLED, ROOT, Entry, Kinds, bind_lock
from numbakmeans._numba.status import UNAVAILABLE

#: Version of the layout of all doors' words and results; increment it with any change.
LAYOUT = 1

#: Kinds of arrays and other arguments of the kernels behind doors.
ARRAY, WORKSPACE, PAIR = (tuple, *"qqqqqq"), (tuple, *"qq"), (tuple, *"qq")


class Door(NamedTuple):
    """What answers calls of a given name.

    kinds : argument kinds of the kernel of that name in `_engine.kernels.callers`, empty if there is none
    n_results : number of result words, the last of which is the status
    """

    kinds: Kinds
    n_results: int


DOORS = {
    "fit": Door((ARRAY, ARRAY, "q", "?", WORKSPACE, PAIR), 5),
    "parallel_fit": Door((), 5),
    "weighted_fit": Door((), 5),
    "parallel_weighted_fit": Door((), 5),
    "nearest": Door((ARRAY, ARRAY, WORKSPACE, "q", "q"), 1),
    "parallel_nearest": Door((), 1),
    "update": Door((ARRAY, ARRAY, ARRAY, "?", WORKSPACE, PAIR), 1),
    "parallel_update": Door((), 1),
    "points": Door((ARRAY, "q", "?", PAIR, WORKSPACE, "q"), 1),
    "plus_plus": Door((ARRAY, "q", "?", PAIR, WORKSPACE, "q"), 1),
    "parallel_plus_plus": Door((), 1),
    "kmeans2": Door((ARRAY, ARRAY, PAIR, (tuple, "?", "q", "?"), "q", PAIR), 1),
}

_addresses: dict[str, int] = {}
#: The original SIGINT handler while a Ctrl-C is deferred, else empty.
_waiting: list[Any] = []


def _delay_interrupt(caller: FrameType) -> None:
    """Defer the next Ctrl-C, which the compiled code sends at once, until that code has returned to Python.

    An exception raised in Python code that compiled code has called is lost. The danger is over when
    `caller`, the frame that called the compiled code, continues; but before that, Numba may run Python code
    of its own, to create the arrays that are returned.
    """
    instruction, handler = caller.f_lasti, signal.getsignal(signal.SIGINT)

    def answer_interrupt(number: int, frame: FrameType | None) -> None:
        above = frame
        while above is not None and above is not caller:
            above = above.f_back
        if _waiting and frame is not caller and above is not None and above.f_lasti == instruction:
            threading.Thread(target=send_again).start()
        else:
            _stop_waiting()(number, frame)

    def send_again() -> None:
        time.sleep(0.001)
        if _waiting:
            _thread.interrupt_main()

    # None: the handler was not installed by Python.
    if not _waiting and handler is not None:
        _waiting.append(handler)
        signal.signal(signal.SIGINT, answer_interrupt)


def _stop_waiting() -> Any:
    """Restore the original SIGINT handler and return it."""
    handler = _waiting.pop() if _waiting else signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
    return handler if callable(handler) else signal.default_int_handler


def resolve(layout: int, name: str) -> int:
    """Return the address of the kernel behind a door, 0 if it is not available."""
    if layout != LAYOUT or DISABLED:
        return 0
    try:
        with bind_lock:
            if name not in _addresses:
                entry = Entry(f"{ROOT}._engine.kernels.callers", name)
                _addresses[name] = entry.bind(DOORS[name].kinds).address
            return _addresses[name]
    except KeyboardInterrupt:
        _delay_interrupt(sys._getframe(1))
        raise


def answer(layout: int, name: str, words: int, results: int) -> int:
    """Answer a call in Python; return its status.

    words, results : addresses of arguments and results, as `calls` lays them out
    """
    if layout != LAYOUT or _waiting:
        return UNAVAILABLE
    try:
        return int(getattr(importlib.import_module(f"{ROOT}._nopython"), name)(words, results))
    except (MemoryError, ImportError):
        return UNAVAILABLE
    except KeyboardInterrupt:
        _delay_interrupt(sys._getframe(1))
        raise


#: For `Raised`: the last exception of `run` in each thread, and how many more times Numba instantiates it.
_raised: dict[int, tuple[BaseException, int]] = {}
#: How often Numba instantiates an exception raised by compiled code; it uses the last instance.
TIMES_MADE = 2


class Raised(Exception):  # noqa: N818, never seen
    """Raised by compiled code where `run` has kept an exception: instantiating it gives the kept one."""

    def __new__(cls) -> Any:
        thread = threading.get_ident()
        error, n_times = _raised.pop(thread, (None, 0))
        if error is None:
            return super().__new__(cls)
        if n_times > 1:
            _raised[thread] = error, n_times - 1
        elif isinstance(error, KeyboardInterrupt) and _waiting:
            _stop_waiting()
        return error


def run(layout: int, words: int) -> Any:
    """Return the results of one of SciPy's functions as a tuple; None if the caller is to raise `Raised`."""
    thread = threading.get_ident()
    # An earlier exception that compiled code caught.
    _raised.pop(thread, None)
    try:
        if layout != LAYOUT:
            raise RuntimeError(
                "this function was compiled with another version of numbakmeans: delete its Numba cache "
                "files (in the adjacent __pycache__ or in NUMBA_CACHE_DIR)"
            )
        if _waiting and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return importlib.import_module(f"{ROOT}._nopython").run(words)
    except BaseException as error:
        # Variables of the frames are views of the caller's memory, which the exception must not outlive.
        seen: BaseException | None = error
        while seen is not None:
            traceback.clear_frames(seen.__traceback__)
            seen = seen.__context__
        _raised[thread] = error, TIMES_MADE
        if isinstance(error, KeyboardInterrupt):
            # Compiled code may catch `Raised`, but must not swallow Ctrl-C.
            _delay_interrupt(sys._getframe(1))
            _thread.interrupt_main()
        return None
