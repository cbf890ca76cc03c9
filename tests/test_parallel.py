"""The only parallel loop: every task runs once, with and without threads; sums and failures are returned."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba.core import event
from numba.core.errors import TypingError

from numbakmeans._numba import compiler, drivers, loader, parallel
from numbakmeans._numba.arena import empty, mark, release, zeros
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.parallel import parallel_for


@kernel
def count_task(task, arena, out, step):
    out[task] += step
    return task, step


@kernel
def count(executor, out, step):
    return parallel_for(executor, len(out), count_task, (out, step))


@kernel
def number_task(task, arena):
    return task


@kernel
def add_numbers(executor, n_tasks):
    return parallel_for(executor, n_tasks, number_task, ())


@kernel
def nested_task(task, arena, tables, few):
    out, wide = tables
    out[task] = wide[task] if few else 0.0


@kernel
def copy(executor, out, wide, few):
    parallel_for(executor, len(out), nested_task, ((out, wide), few))


@kernel
def allocating_task(task, arena, size):
    return len(empty(arena, size if task == 3 else 1, np.float64))


@kernel
def allocate(executor, size):
    return parallel_for(executor, 4, allocating_task, (size,))


@kernel
def own_arena_task(task, arena, n_own_blocks, found):
    """Write the task's number to many tables, and count the values that differ from it in the end."""
    tables = zeros(arena, (n_own_blocks, 100), np.int64)
    for turn in range(n_own_blocks):
        tables[turn] = task
        marked = mark(arena)
        empty(arena, 1000, np.int64)[:] = task
        release(arena, marked)
    n_others = 0
    for turn in range(n_own_blocks):
        for t in range(100):
            n_others += 1 if tables[turn, t] != task else 0
    found[task] = 1
    return n_others


@kernel
def use_rooms(executor, n_tasks, n_own_blocks, found):
    return parallel_for(executor, n_tasks, own_arena_task, (n_own_blocks, found))


@kernel
def float_slot(task, arena):
    return 0.5


@kernel
def floats(executor):
    return parallel_for(executor, 2, float_slot, ())


@kernel
def twice(executor, out, step):
    """Run two kinds of tasks, one of them twice."""
    parallel_for(executor, len(out), count_task, (out, step))
    parallel_for(executor, len(out), count_task, (out, step))
    return parallel_for(executor, len(out), number_task, ())


COUNT, ADD_NUMBERS, COPY, ALLOCATE, USE_ROOMS, FLOATS, TWICE = (
    Driver(__name__, each.__name__) for each in (count, add_numbers, copy, allocate, use_rooms, floats, twice)
)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("n_tasks", [1, 2, 3, 64, 1000])
def test_every_task_is_called_once(n_tasks, parallel, threads):
    out = np.zeros(n_tasks, np.int64)
    assert COUNT.on(parallel)(out, 5) == (n_tasks * (n_tasks - 1) // 2, 5 * n_tasks)
    assert (out == 5).all()
    # The negative control: a second call shows.
    COUNT.on(parallel)(out, 1)
    assert (out == 6).all()
    assert ADD_NUMBERS.on(parallel)(n_tasks) == n_tasks * (n_tasks - 1) // 2
    assert TWICE.on(parallel)(out, 1) == n_tasks * (n_tasks - 1) // 2
    assert (out == 8).all()


@pytest.mark.parametrize("parallel", [False, True])
def test_no_tasks_give_zeros(parallel):
    assert COUNT.on(parallel)(np.zeros(0, np.int64), 5) == (0, 0)


@pytest.mark.parametrize("parallel", [False, True])
def test_tasks_take_nested_tuples_and_may_return_nothing(parallel):
    out, wide = np.full(9, np.nan), np.arange(9.0)
    assert COPY.on(parallel)(out, wide, True) is None
    assert np.array_equal(out, wide)
    COPY.on(parallel)(out, wide, False)
    assert (out == 0.0).all()


@pytest.mark.parametrize("parallel", [False, True])
def test_a_failed_allocation_in_a_task_is_raised(parallel):
    assert ALLOCATE.on(parallel)(7) == 10
    for size in (1 << 44, 1 << 59, -1):
        with pytest.raises(MemoryError):
            ALLOCATE.on(parallel)(size)
    assert ALLOCATE.on(parallel)(7) == 10


@pytest.mark.parametrize("parallel", [False, True])
def test_every_task_has_memory_of_its_own(parallel, threads):
    found = np.zeros(50, np.int64)
    assert USE_ROOMS.on(parallel)(50, 300, found) == 0
    assert found.all()


def test_results_must_be_integers():
    with pytest.raises(TypingError, match="an int64 or a tuple of int64, got float64"):
        FLOATS.on(False)()


def test_a_driver_is_compiled_once_and_without_threads_of_its_own(monkeypatch):
    # Defined here, and so not cached.
    fresh, modules = kernel(count.py_func), []
    fresh.py_func.__qualname__, driver = "<locals>.count", Driver(__name__, "count", fresh)
    optimize = compiler.optimize
    monkeypatch.setattr(
        compiler, "optimize", lambda *given: modules.append(str(given[0])) or optimize(*given)
    )
    out = np.zeros(3, np.int64)
    with event.install_recorder("numba:compile") as recorder:
        for threaded in (False, True):
            driver.on(threaded)(out, 1)
    assert (out == 2).all()
    names = [e.data["dispatcher"].py_func.__name__ for _, e in recorder.buffer if e.is_start]
    assert names.count("count") == 1
    assert len(driver.bound) == len(modules) == 1
    assert "numba_parallel_for" not in modules[0]
    # The negative control: the parallel loop has them.
    assert b"numba_parallel_for" in parallel.compile_loop().object_file


def test_the_loop_is_the_same_code_each_time_it_is_compiled():
    """The cached file depends neither on addresses nor on what Numba did before."""
    code = parallel.compile_loop()
    assert code.results == "q"
    assert code.symbol.encode() in code.object_file
    assert llvm.ObjectFileRef.from_data(code.object_file)
    assert loader.address_of(code.object_file, code.symbol) != 0
    assert parallel.compile_loop() == code


LOOP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
TASK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture
def executor(monkeypatch):
    """Return a function that replaces the parallel loop with a Python function."""

    def use(function):
        use.kept = LOOP(function)
        monkeypatch.setattr(drivers, "threaded", lambda: ctypes.cast(use.kept, ctypes.c_void_p).value)

    return use


def test_threads_are_really_used(executor):
    """The parallel loop is called: one that does nothing leaves the tasks undone."""
    out = np.zeros(4, np.int64)
    executor(lambda _n, _function, _arguments: 0)
    assert COUNT.on(True)(out, 1) == (0, 0)
    assert (out == 0).all()
    assert COUNT.on(False)(out, 1) == (6, 4)


def test_tasks_may_be_called_in_any_order(executor):
    called = []

    def backwards(n_tasks, function, arguments):
        for task in reversed(range(n_tasks)):
            TASK(function)(arguments, task)
            called.append(task)
        return n_tasks

    executor(backwards)
    out = np.zeros(4, np.int64)
    assert COUNT.on(True)(out, 1) == (6, 4)
    assert called == [3, 2, 1, 0]
    assert out.tolist() == [1] * 4
    with pytest.raises(MemoryError):
        ALLOCATE.on(True)(-1)
