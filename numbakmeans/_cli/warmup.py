"""Compile everything that the package can need, so that no later call has to.

Small calls reach every kernel, for each combination of argument kinds. What is compiled does not depend on
the number of threads of the machine at hand: the loop that uses them is a function of its own.

Several processes share the calls, as compiling is work for one core. They are started anew, not forked. Each
asks this one which call to make, and whether to compile a function: what one compiles just now, another
leaves for later. So there is no lock that a process could leave behind; and all of them end with this one,
however it ends.
"""

from __future__ import annotations

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any, NamedTuple

#: Processes at most, unless more are asked for: each takes half a gigabyte, and compiles some parts anew.
MOST_JOBS = 8
#: Seconds that processes get to end, once they are told to.
ENDING = 5.0


class Task(NamedTuple):
    """A call; those of one group share parts, and compile faster one after the other in one process."""

    group: str
    call: Callable[[], object]


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


# --- What to call


@contextmanager
def _planned(**changes: Any) -> Iterator[None]:
    """Let the plan decide otherwise for a while."""
    from numbakmeans._engine import plan, thresholds

    homes = {name: vars(thresholds if name.isupper() else plan) for name in changes}
    before = {name: homes[name][name] for name in changes}
    try:
        for name, value in changes.items():
            homes[name][name] = value
        yield
    finally:
        for name, value in before.items():
            homes[name][name] = value


#: What makes the pass with bounds keep projections of rows, score some centers for all rows, or neither.
BOUNDED: tuple[dict[str, Any], ...] = (
    {"MIN_PROJECTION_STEPS": 0, "MAX_PROJECTION_TRIAL": float("inf"), "projection_cost": lambda *_: 0.0},
    {
        "MIN_PROJECTION_PANELS": 2**31,
        "fast_tried": lambda *_: True,
        "fast_sizes": lambda moved: [len(moved) // 3],
        "bounds_cost": lambda size, *_: -float(size),
    },
    {"MIN_PROJECTION_PANELS": 2**31, "fast_tried": lambda *_: False},
)


def tasks() -> list[Task]:
    """Return calls that together compile every function, the longest first."""
    import numpy as np

    from numbakmeans._batch import kmeans2_batch
    from numbakmeans._engine import thresholds as at
    from numbakmeans._engine.algorithms import ALGORITHMS
    from numbakmeans._engine.assignment import nearest
    from numbakmeans._engine.distances import distances
    from numbakmeans._engine.fit import fit, iterate, seed
    from numbakmeans._engine.samples import Samples
    from numbakmeans._engine.seeding import SEEDINGS
    from numbakmeans._numba.doors import DOORS, LAYOUT, resolve
    from numbakmeans._numba.drivers import threaded
    from numbakmeans._scipy import kmeans, vq, whiten

    rng = np.random.default_rng(0)
    # On both sides of what few values are, and of what quantized rows pay for; in few directions, for
    # projections.
    small, large = rng.normal(size=(80, 16)), rng.normal(size=(at.MAX_SMALL_VALUES // 8 + 1, 8))
    flat = large[:600] @ large[:8, :8].repeat(8, axis=1)
    found: list[Task] = []

    def bounded(samples: Samples, changes: dict[str, Any]) -> None:
        with _planned(**changes):
            iterate(samples, samples.rows(slice(200)), 4, algorithm="yinyang")

    def seeded(samples: Samples, n_clusters: int, method: str) -> None:
        seed(samples, n_clusters, method, np.random.default_rng(0))
        if method != "random":
            weighted = Samples(samples.array, np.ones(len(samples)))
            seed(weighted, n_clusters, method, np.random.default_rng(0))

    for dtype in (np.float64, np.float32):
        group = np.dtype(dtype).name

        def add(call: Callable[..., object], *arguments: Any, group: str = group, **options: Any) -> None:
            found.append(Task(group, partial(call, *arguments, **options)))

        for weights in (None, np.linspace(0.0, 1.0, len(flat))):
            for changes in BOUNDED:
                add(bounded, Samples(flat.astype(dtype), weights), changes)
        for X in (small.astype(dtype), small[:, :2].astype(dtype), large.astype(dtype)):
            samples = Samples(X)
            for n_clusters in (2, 64):
                for method in SEEDINGS:
                    add(seeded, samples, n_clusters, method)
                for algorithm in ALGORITHMS:
                    # All passes in one call, and one by one.
                    for progress in (None, lambda *_: None):
                        add(iterate, samples, X[:n_clusters], 2, algorithm=algorithm, progress=progress)
                for scored in (True, False):
                    add(nearest, samples, X[:n_clusters], scored=scored)
            weighted = Samples(X, np.linspace(0.0, 1.0, len(X)))
            # A center that no row is near.
            start = np.vstack([X[:4], np.full((1, X.shape[1]), 1e6, dtype)])
            for algorithm in ALGORITHMS:
                for rows in (samples, weighted):
                    add(iterate, rows, start, 2, algorithm=algorithm, relocates=True, tol=1e-9)
            add(fit, X, X[:2], max_iter=2, sample_weight=weighted.weights, tol=1e-4)
            for centers in (X[:2].astype(np.float32), X[:2].astype(np.float64)):
                add(distances, samples, centers)
            add(fit, X, X[:2], max_iter=2)
            add(kmeans, X, X[:2])
            add(vq, X, X[:2])
            add(whiten, X)
        stack = small[None].astype(dtype)
        add(kmeans2_batch, stack, stack[:, :2], 2)
        add(kmeans2_batch, stack, stack[:, :2], 2, sample_weight=np.ones((1, len(small))))
        for minit in ("++", "points"):
            add(kmeans2_batch, stack, 2, 1, minit=minit, rng=0)
    found += [Task("doors", partial(resolve, LAYOUT, name)) for name, door in DOORS.items() if door.kinds]
    return [*found, Task("threads", threaded)]


# --- A process that compiles


def work() -> None:
    """Make the calls that another process asks for; lines of JSON in and out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process answers it
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anybody prints must not come between
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()

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
