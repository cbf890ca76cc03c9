"""How compiled code of a user calls ours: by an address that is found at the first call, or by way of Python.

A user's function carries a few instructions, and none of our code: it writes its arguments into words, and
calls a kernel whose address a private variable of its module holds. The variable starts as 0, also where
Numba loads the function from a cache in a process that has never imported us: then the code takes the GIL,
imports this module by name, and asks `resolve`. Whatever the kernel declines (`status.DECLINED`), as large
problems, and what has no kernel, is `answer`'s, in Python.

Compiled code of an earlier version asks the same three functions, with the layout of its words first: these
stay as they are, and refuse what another version has laid out.
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

#: The layout of all doors' words and results: to be raised with any change to it.
LAYOUT = 1

#: What arrays and other arguments are to the kernels behind doors.
ARRAY, WORKSPACE, PAIR = (tuple, *"qqqqqq"), (tuple, *"qq"), (tuple, *"qq")


class Door(NamedTuple):
    """What answers calls by a name.

    kinds : of the arguments of the kernel of that name in `_engine.kernels.callers`, empty if there is none
    n_results : words of its results, the last of which is the status
    """

    kinds: Kinds
    n_results: int


DOORS = {
    "fit": Door((ARRAY, ARRAY, "q", "?", WORKSPACE, PAIR), 5),
    "parallel_fit": Door((), 5),
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
#: Who answers Ctrl-C, for as long as one waits.
_waiting: list[Any] = []


def _delay_interrupt(caller: FrameType) -> None:
    """Let the next Ctrl-C, which compiled code sends at once, wait until that has returned to Python.

    What is raised while Python is called from compiled code gets lost. That is over when the frame which has
    called that code, caller, goes on; but before, Numba may run Python code of its own, to make arrays that
    are returned.
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

    # None: somebody answers it who is not Python's.
    if not _waiting and handler is not None:
        _waiting.append(handler)
        signal.signal(signal.SIGINT, answer_interrupt)


def _stop_waiting() -> Any:
    """Let Ctrl-C be answered as ever; return who does."""
    handler = _waiting.pop() if _waiting else signal.default_int_handler
    signal.signal(signal.SIGINT, handler)
    return handler if callable(handler) else signal.default_int_handler


def resolve(layout: int, name: str) -> int:
    """Return the address of the kernel of a door; 0: there is none to be had."""
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

    words, results : addresses of what `calls` lays out
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


#: The last exception of `run`, by thread, and how many times Numba still asks for it; for `Raised`.
_raised: dict[int, tuple[BaseException, int]] = {}
#: How often Numba makes an exception that compiled code has raised, of which it takes the last one.
TIMES_MADE = 2


class Raised(Exception):  # noqa: N818, never seen
    """What compiled code raises where `run` has kept an exception: that, when Python makes one of this."""

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
    """Return what one of SciPy's functions returns, a tuple; None where the caller shall raise `Raised`."""
    thread = threading.get_ident()
    # One that compiled code has caught.
    _raised.pop(thread, None)
    try:
        if layout != LAYOUT:
            raise RuntimeError(
                "this function was compiled with another version of numbakmeans: delete what Numba has kept "
                "of it, in the __pycache__ beside it or in NUMBA_CACHE_DIR"
            )
        if _waiting and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return importlib.import_module(f"{ROOT}._nopython").run(words)
    except BaseException as error:
        # Their variables hold views of the caller's memory, which the exception must not outlive.
        seen: BaseException | None = error
        while seen is not None:
            traceback.clear_frames(seen.__traceback__)
            seen = seen.__context__
        _raised[thread] = error, TIMES_MADE
        if isinstance(error, KeyboardInterrupt):
            # Compiled code may catch what it raises, but not that.
            _delay_interrupt(sys._getframe(1))
            _thread.interrupt_main()
        return None
