"""What the command line says: errors of one line, and output that fails loudly."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between two states of the progress line.
PROGRESS_EVERY = 0.1
BAR_WIDTH = 20


class UsageError(Exception):
    """What the user has to change; the message is one line."""


def say(text: str) -> None:
    """Print at once: an error has to come up here, not when Python shuts down."""
    if sys.stdout is None:  # closed by the caller; print does nothing then, too
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError:
        # Python would try again at its end what is still in the buffer.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise


def require_threads() -> None:
    from numbakmeans._numba.runtime import threads

    try:
        threads()
    except ValueError as error:  # the environment asks for a threading layer that is not there
        raise UsageError(" ".join(str(error).split())) from error


def bar(done: int, of: int) -> str:
    filled = BAR_WIDTH * done // of
    return f"pass {done} of {of} [{'#' * filled}{'-' * (BAR_WIDTH - filled)}]"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Hand out a function that rewrites one line on a terminal, and does nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _text: None
        return
    width, shown = 0, -PROGRESS_EVERY

    def show(text: str) -> None:
        nonlocal width, shown
        if time.perf_counter() - shown >= PROGRESS_EVERY:
            sys.stderr.write(f"\r{text:{width}}")
            sys.stderr.flush()
            width, shown = max(width, len(text)), time.perf_counter()

    try:
        yield show
    finally:
        sys.stderr.write(f"\r{'':{width}}\r")
        sys.stderr.flush()


def count(number: int, what: str, several: str | None = None) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {several or f'{what}s'}"
