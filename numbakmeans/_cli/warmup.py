"""``numbakmeans warmup``: compile everything that the package can need, so that no later call has to.

Small calls reach every kernel (`warmup_calls`). What is compiled does not depend on the number of threads of
the machine at hand: the loop that uses them is a function of its own.

Several processes share the calls, as compiling is work for one core. They are started anew, not forked. Each
asks this one which call to make, and whether to compile a function: what one compiles just now, another
leaves for later. So there is no lock that a process could leave behind; and all of them end with this one,
however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, NamedTuple

from numbakmeans._cli.console import UsageError, count, progress, require_threads, say
from numbakmeans._cli.info import cache_lines

#: Processes at most, unless more are asked for: each takes half a gigabyte, and compiles some parts anew.
MOST_JOBS = 8
#: Seconds that processes get to end, once they are told to.
ENDING = 5.0


class Report(NamedTuple):
    """What was done.

    n_compiled, n_there : functions that were compiled, and that the cache had already
    seconds : in all; n_jobs : processes
    """

    n_compiled: int
    n_there: int
    seconds: float
    n_jobs: int


class WarmupError(Exception):
    """A process could not do its work, or the cache did not keep what it did."""


class Busy(BaseException):
    """Another process is compiling the same function."""


def run(arguments: argparse.Namespace) -> None:
    from numbakmeans._numba import cache as _cache
    from numbakmeans._numba.entries import DISABLED

    if DISABLED:
        raise UsageError("nothing is compiled while NUMBA_DISABLE_JIT is set")
    if not _cache.folders():
        raise UsageError("there is no code cache: NUMBAKMEANS_CACHE_DIR is off")
    require_threads()
    try:
        with progress() as show:
            done = warm_up(show, arguments.jobs)
    except WarmupError as error:
        raise UsageError(str(error)) from error
    lines = [
        f"compiled         {count(done.n_compiled, 'function')} in {done.seconds:.3g} s, "
        f"by {count(done.n_jobs, 'process', 'processes')}",
        f"there already    {count(done.n_there, 'function')}",
        *cache_lines(),
    ]
    say("\n".join(lines) + "\n")


# --- A process that compiles


def work() -> None:
    """Make the calls that another process asks for; lines of JSON in and out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process answers it
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anybody prints must not come between
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()

    from numbakmeans._cli.warmup_calls import tasks
    from numbakmeans._numba import cache

    def listen() -> None:
        for line in sys.stdin:
            orders.put(json.loads(line))
        # Nobody waits for us any more, but a file that is being written.
        with cache.writing:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()

    def tell(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    def ask(key: str) -> None:
        tell(missing=key)
        if not orders.get():
            raise Busy(key)

    cache.missing = ask
    calls = tasks()
    tell(groups=[task.group for task in calls])
    while True:
        number, busy = orders.get(), None
        try:
            calls[number].call()
        except Busy as error:
            busy = str(error)
        except Exception as error:
            tell(failed=f"{type(error).__name__}: {error}")
            return
        keys = list(cache.asked_for())
        tell(busy=busy, keys=keys, stored=cache.stored, lost=cache.lost, trouble=cache.trouble)


# --- The process that shares out the calls


class _Shared:
    """What the processes have done, and what there is to do; everything under `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.todo: list[int] | None = None
        self.groups: list[str] = []
        #: Keys that are being compiled, by the process; and tasks that wait for one.
        self.compiling: dict[int, str] = {}
        self.waiting: dict[str, list[int]] = {}
        self.n_done, self.n_running = 0, 0
        self.keys: set[str] = set()
        self.stored: dict[int, int] = {}
        self.failure: str | None = None

    def begin(self, groups: list[str]) -> None:
        with self.changed:
            if self.todo is None:
                self.groups, self.todo = groups, list(range(len(groups)))
            self.changed.notify_all()

    @property
    def over(self) -> bool:
        return self.failure is not None or (self.todo is not None and self.n_done == len(self.groups))

    def next_task(self, last: int | None) -> int | None:
        """Return a task, of the group of the last one where one is left; None once all are done."""
        with self.changed:
            self.changed.wait_for(lambda: self.over or self.todo)
            if self.over or not self.todo:
                return None
            alike = (n for n in self.todo if last is not None and self.groups[n] == self.groups[last])
            number = next(alike, self._first())
            self.todo.remove(number)
            return number

    def _first(self) -> int:
        """Return the first task of the group that most are left of."""
        assert self.todo
        left = [self.groups[n] for n in self.todo]
        return self.todo[left.index(max(left, key=left.count))]

    def grant(self, process: int, key: str) -> bool:
        """Return whether a process may compile a function; what it compiled before is done."""
        with self.changed:
            self._release(process)
            if key in self.compiling.values():
                return False
            self.compiling[process] = key
            return True

    def _release(self, process: int) -> None:
        key = self.compiling.pop(process, None)
        if key is not None and self.todo is not None:
            self.todo[:0] = self.waiting.pop(key, [])
            self.changed.notify_all()

    def finish(self, process: int, number: int, told: dict[str, Any]) -> None:
        with self.changed:
            self._release(process)
            self.keys.update(told["keys"])
            self.stored[process] = told["stored"]
            if told["lost"]:
                self.failure = f"compiled code could not be kept: {told['trouble']}"
            if told["busy"] is None:
                self.n_done += 1
            elif told["busy"] in self.compiling.values():
                self.waiting.setdefault(told["busy"], []).append(number)
            elif self.todo is not None:
                self.todo.insert(0, number)
            self.changed.notify_all()

    def fail(self, why: str) -> None:
        with self.changed:
            if not self.over:
                self.failure = why
            self.changed.notify_all()


def _start(errors: IO[bytes]) -> subprocess.Popen[str]:
    program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import work; work()"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def _serve(shared: _Shared, process: subprocess.Popen[str], errors: IO[bytes]) -> None:
    """Hand tasks to a process until all are done."""
    assert process.stdin
    assert process.stdout
    number: int | None = None
    try:
        for line in process.stdout:
            told = json.loads(line)
            answer: Any
            if "missing" in told:
                answer = shared.grant(process.pid, told["missing"])
            elif "failed" in told:
                shared.fail(told["failed"])
                return
            else:
                if "groups" in told:
                    shared.begin(told["groups"])
                elif number is not None:
                    shared.finish(process.pid, number, told)
                answer = number = shared.next_task(number)
                if number is None:
                    return
            with suppress(OSError):  # it has ended, but its last words are still to be read
                process.stdin.write(json.dumps(answer) + "\n")
                process.stdin.flush()
    except (OSError, ValueError):  # it has ended, or is about to
        pass
    if not shared.over:
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
        shared.fail(f"a process that compiles has ended ({process.wait()}): {''.join(last) or 'no message'}")


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def warm_up(show: Callable[[str], None], n_jobs: int | None = None) -> Report:
    """Compile everything that the cache does not have yet.

    show : called with the state of affairs; n_jobs : processes, one for each core unless given
    """
    n_jobs = n_jobs or min(n_cores(), MOST_JOBS)
    shared, began = _Shared(), time.perf_counter()
    processes: list[subprocess.Popen[str]] = []
    threads: list[threading.Thread] = []
    with tempfile.TemporaryFile() as errors:
        try:
            for _ in range(n_jobs):
                processes.append(_start(errors))
                threads.append(
                    threading.Thread(target=_serve, args=(shared, processes[-1], errors), daemon=True)
                )
                threads[-1].start()
            with shared.changed:
                while not shared.over:
                    shared.changed.wait(0.2)
                    n_compiled = sum(shared.stored.values())
                    show(f"step {shared.n_done} of {len(shared.groups)}, {n_compiled} functions compiled")
        finally:
            shared.fail("interrupted")
            _end(processes)
            for thread in threads:
                thread.join(ENDING)
    if shared.failure is not None:
        raise WarmupError(shared.failure)
    n_compiled = sum(shared.stored.values())
    return Report(n_compiled, len(shared.keys) - n_compiled, time.perf_counter() - began, n_jobs)


def _end(processes: list[subprocess.Popen[str]]) -> None:
    """End processes: they do when they hear no more, between two files."""
    for process in processes:
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
    limit = time.monotonic() + ENDING
    for process in processes:
        try:
            process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
