"""The only parallel loop: every slot once, with threads and without, sums and failures brought back."""

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba.core import event
from numba.core.errors import TypingError

from numbakmeans._numba import compiler, drivers, loader, slots
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.drivers import Driver
from numbakmeans._numba.slots import spread
from numbakmeans._numba.tables import empty, mark, release, zeros


@kernel
def count_slot(slot, room, out, step):
    out[slot] += step
    return slot, step


@kernel
def count(loop, out, step):
    return spread(loop, len(out), count_slot, (out, step))


@kernel
def number_slot(slot, room):
    return slot


@kernel
def add_numbers(loop, n_slots):
    return spread(loop, n_slots, number_slot, ())


@kernel
def nested_slot(slot, room, tables, few):
    out, wide = tables
    out[slot] = wide[slot] if few else 0.0


@kernel
def copy(loop, out, wide, few):
    spread(loop, len(out), nested_slot, ((out, wide), few))


@kernel
def allocating_slot(slot, room, size):
    return len(empty(room, size if slot == 3 else 1, np.float64))


@kernel
def allocate(loop, size):
    return spread(loop, 4, allocating_slot, (size,))


@kernel
def own_room_slot(slot, room, n_turns, found):
    """Write one's number to many tables, and count those that hold another in the end."""
    tables = zeros(room, (n_turns, 100), np.int64)
    for turn in range(n_turns):
        tables[turn] = slot
        marked = mark(room)
        empty(room, 1000, np.int64)[:] = slot
        release(room, marked)
    n_others = 0
    for turn in range(n_turns):
        for t in range(100):
            n_others += 1 if tables[turn, t] != slot else 0
    found[slot] = 1
    return n_others


@kernel
def use_rooms(loop, n_slots, n_turns, found):
    return spread(loop, n_slots, own_room_slot, (n_turns, found))


@kernel
def float_slot(slot, room):
    return 0.5


@kernel
def floats(loop):
    return spread(loop, 2, float_slot, ())


@kernel
def twice(loop, out, step):
    """Spread two kinds of slots, one of them twice."""
    spread(loop, len(out), count_slot, (out, step))
    spread(loop, len(out), count_slot, (out, step))
    return spread(loop, len(out), number_slot, ())


COUNT, ADD_NUMBERS, COPY, ALLOCATE, USE_ROOMS, FLOATS, TWICE = (
    Driver(__name__, each.__name__) for each in (count, add_numbers, copy, allocate, use_rooms, floats, twice)
)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("n_slots", [1, 2, 3, 64, 1000])
def test_every_slot_is_called_once(n_slots, parallel, threads):
    out = np.zeros(n_slots, np.int64)
    assert COUNT.on(parallel)(out, 5) == (n_slots * (n_slots - 1) // 2, 5 * n_slots)
    assert (out == 5).all()
    # The negative control: a second call shows.
    COUNT.on(parallel)(out, 1)
    assert (out == 6).all()
    assert ADD_NUMBERS.on(parallel)(n_slots) == n_slots * (n_slots - 1) // 2
    assert TWICE.on(parallel)(out, 1) == n_slots * (n_slots - 1) // 2
    assert (out == 8).all()


@pytest.mark.parametrize("parallel", [False, True])
def test_no_slots(parallel):
    assert COUNT.on(parallel)(np.zeros(0, np.int64), 5) == (0, 0)


@pytest.mark.parametrize("parallel", [False, True])
def test_tuples_within_tuples_and_no_result(parallel):
    out, wide = np.full(9, np.nan), np.arange(9.0)
    assert COPY.on(parallel)(out, wide, True) is None
    assert np.array_equal(out, wide)
    COPY.on(parallel)(out, wide, False)
    assert (out == 0.0).all()


@pytest.mark.parametrize("parallel", [False, True])
def test_a_slot_that_cannot_allocate_is_heard(parallel):
    assert ALLOCATE.on(parallel)(7) == 10
    for size in (1 << 44, 1 << 59, -1):
        with pytest.raises(MemoryError):
            ALLOCATE.on(parallel)(size)
    assert ALLOCATE.on(parallel)(7) == 10


@pytest.mark.parametrize("parallel", [False, True])
def test_every_slot_has_memory_of_its_own(parallel, threads):
    found = np.zeros(50, np.int64)
    assert USE_ROOMS.on(parallel)(50, 300, found) == 0
    assert found.all()


def test_results_are_whole_numbers():
    with pytest.raises(TypingError, match="an int64 or a tuple of them, not float64"):
        FLOATS.on(False)()


def test_a_driver_is_compiled_once_and_without_threads_of_its_own(monkeypatch):
    # Made here, and so kept in no cache.
    fresh, modules = kernel(count.py_func), []
    fresh.py_func.__qualname__, driver = "<locals>.count", Driver(__name__, "count", fresh)
    optimize = compiler.optimize
    monkeypatch.setattr(
        compiler, "optimize", lambda *given: modules.append(str(given[0])) or optimize(*given)
    )
    out = np.zeros(3, np.int64)
    with event.install_recorder("numba:compile") as recorder:
        for parallel in (False, True):
            driver.on(parallel)(out, 1)
    assert (out == 2).all()
    names = [e.data["dispatcher"].py_func.__name__ for _, e in recorder.buffer if e.is_start]
    assert names.count("count") == 1
    assert len(driver.bound) == len(modules) == 1
    assert "numba_parallel_for" not in modules[0]
    # The negative control: the loop that has them.
    assert b"numba_parallel_for" in slots.compile_loop().object_file


def test_the_loop_is_the_same_code_each_time_it_is_compiled():
    """The file that the cache holds depends on no address, nor on what Numba did before."""
    code = slots.compile_loop()
    assert code.results == "q"
    assert code.symbol.encode() in code.object_file
    assert llvm.ObjectFileRef.from_data(code.object_file)
    assert loader.address_of(code.object_file, code.symbol) != 0
    assert slots.compile_loop() == code


LOOP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
SLOT = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture
def loop(monkeypatch):
    """Let a Python function be the loop that threads share."""

    def use(function):
        use.kept = LOOP(function)
        monkeypatch.setattr(drivers, "threaded", lambda: ctypes.cast(use.kept, ctypes.c_void_p).value)

    return use


def test_threads_are_really_used(loop):
    """A loop that is handed over is called: one that does nothing leaves the slots undone."""
    out = np.zeros(4, np.int64)
    loop(lambda _n, _function, _arguments: 0)
    assert COUNT.on(True)(out, 1) == (0, 0)
    assert (out == 0).all()
    assert COUNT.on(False)(out, 1) == (6, 4)


def test_slots_may_be_called_in_any_order(loop):
    called = []

    def backwards(n_slots, function, arguments):
        for slot in reversed(range(n_slots)):
            SLOT(function)(arguments, slot)
            called.append(slot)
        return n_slots

    loop(backwards)
    out = np.zeros(4, np.int64)
    assert COUNT.on(True)(out, 1) == (6, 4)
    assert called == [3, 2, 1, 0]
    assert out.tolist() == [1] * 4
    with pytest.raises(MemoryError):
        ALLOCATE.on(True)(-1)
